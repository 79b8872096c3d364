/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SHA-256 by libcrypto's EVP interface, which uses the CPU's SHA instructions: 1.2 GB/s where mbedtls 2.28
 * does 0.25. Loaded on first use, since starting a container hashes nothing.
 */
#include "base/digest.h"

#include <openssl/evp.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/lib.h"

struct digest_ctx {
	EVP_MD_CTX *evp;
};

static EVP_MD_CTX *(*evp_new)(void);
static void (*evp_free)(EVP_MD_CTX *);
static const EVP_MD *(*evp_sha256)(void);
static int (*evp_init)(EVP_MD_CTX *, const EVP_MD *, ENGINE *);
static int (*evp_update)(EVP_MD_CTX *, const void *, size_t);
static int (*evp_final)(EVP_MD_CTX *, unsigned char *, unsigned int *);

static const struct lib_symbol crypto_symbols[] = {
	{ "EVP_MD_CTX_new", &evp_new },	    { "EVP_MD_CTX_free", &evp_free },	 { "EVP_sha256", &evp_sha256 },
	{ "EVP_DigestInit_ex", &evp_init }, { "EVP_DigestUpdate", &evp_update }, { "EVP_DigestFinal_ex", &evp_final },
};
static struct lib crypto = { "libcrypto.so.3", "digests", crypto_symbols, ARRAY_SIZE(crypto_symbols), 0 };

static void to_hex(char *out, const unsigned char *bytes, size_t size)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < size; i++) {
		out[2 * i] = digits[bytes[i] >> 4];
		out[2 * i + 1] = digits[bytes[i] & 15];
	}
	out[2 * size] = 0;
}

int digest_new(struct digest_ctx **out, scow_error **error)
{
	struct digest_ctx *ctx;
	int r = lib_load(&crypto, error);

	if (r < 0)
		return r;
	ctx = calloc(1, sizeof(*ctx));
	if (!ctx)
		return error_oom(error);
	ctx->evp = evp_new();
	if (!ctx->evp || evp_init(ctx->evp, evp_sha256(), NULL) != 1) {
		digest_free(ctx);
		return error_oom(error);
	}
	*out = ctx;
	return 0;
}

void digest_free(struct digest_ctx *ctx)
{
	if (!ctx)
		return;
	if (ctx->evp)
		evp_free(ctx->evp);
	free(ctx);
}

void digest_update(struct digest_ctx *ctx, const void *data, size_t size)
{
	evp_update(ctx->evp, data, size);
}

void digest_final(struct digest_ctx *ctx, char out[DIGEST_STRING])
{
	unsigned char raw[EVP_MAX_MD_SIZE] = { 0 };

	evp_final(ctx->evp, raw, NULL);
	evp_init(ctx->evp, NULL, NULL);
	memcpy(out, "sha256:", 7);
	to_hex(out + 7, raw, 32);
}

int digest_bytes(const void *data, size_t size, char out[DIGEST_STRING], scow_error **error)
{
	struct digest_ctx *ctx;
	int r = digest_new(&ctx, error);

	if (r < 0)
		return r;
	digest_update(ctx, data, size);
	digest_final(ctx, out);
	digest_free(ctx);
	return 0;
}

bool digest_is_valid(const char *text)
{
	return text && strncmp(text, "sha256:", 7) == 0 && strspn(text + 7, "0123456789abcdef") == DIGEST_HEX && !text[7 + DIGEST_HEX];
}

void random_hex(char *out, size_t bytes)
{
	unsigned char raw[32];

	/* getrandom never fails for 256 bytes or less once the pool is ready, and blocks before. See: getrandom(2). */
	for (size_t done = 0; done < bytes;) {
		size_t want = bytes - done < sizeof(raw) ? bytes - done : sizeof(raw);
		ssize_t n = getrandom(raw, want, 0);

		if (n <= 0)
			continue;
		to_hex(out + 2 * done, raw, (size_t) n);
		done += (size_t) n;
	}
}
