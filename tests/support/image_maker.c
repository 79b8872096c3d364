/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A tar writer, SHA-256 (FIPS 180-4) and the two forms of image archives: just enough of each, with no library
 * under it, so that tests link nothing but what they test.
 */
#include "image_maker.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#define BLOCK 512

static void need(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "image_maker: %s failed\n", what);
	abort();
}

/* ---- bytes ---- */

void blob_add(struct blob *blob, const void *data, size_t size)
{
	if (blob->size + size + 1 > blob->room) {
		blob->room = (blob->size + size + 1) * 2;
		blob->data = realloc(blob->data, blob->room);
		need(blob->data != NULL, "memory");
	}
	if (size)
		memcpy(blob->data + blob->size, data, size);
	blob->size += size;
	blob->data[blob->size] = 0;
}

void blob_printf(struct blob *blob, const char *format, ...)
{
	va_list args;
	char *text;
	int size;

	va_start(args, format);
	size = vasprintf(&text, format, args);
	va_end(args);
	need(size >= 0, "memory");
	blob_add(blob, text, (size_t) size);
	free(text);
}

void blob_done(struct blob *blob)
{
	free(blob->data);
	*blob = (struct blob){ 0 };
}

int blob_to_fd(const struct blob *blob)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	need(fd >= 0, "memfd_create");
	for (size_t at = 0; at < blob->size;) {
		ssize_t n = write(fd, blob->data + at, blob->size - at);

		need(n > 0, "write");
		at += (size_t) n;
	}
	need(lseek(fd, 0, SEEK_SET) == 0, "lseek");
	return fd;
}

/* ---- SHA-256 ---- */

static const uint32_t sha_k[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
	0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
	0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
	0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
	0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
	0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t x, unsigned int n)
{
	return x >> n | x << (32 - n);
}

static void sha_block(uint32_t h[8], const unsigned char *p)
{
	uint32_t w[64], v[8];

	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t) p[i * 4] << 24 | (uint32_t) p[i * 4 + 1] << 16 | (uint32_t) p[i * 4 + 2] << 8 | p[i * 4 + 3];
	for (int i = 16; i < 64; i++) {
		uint32_t a = w[i - 15], b = w[i - 2];

		w[i] = w[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[i - 7] + (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
	}
	memcpy(v, h, sizeof(v));
	for (int i = 0; i < 64; i++) {
		uint32_t e = v[4], a = v[0];
		uint32_t t1 = v[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & v[5]) ^ (~e & v[6])) + sha_k[i] + w[i];
		uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));

		memmove(v + 1, v, 7 * sizeof(v[0]));
		v[4] += t1;
		v[0] = t1 + t2;
	}
	for (int i = 0; i < 8; i++)
		h[i] += v[i];
}

void sha256_hex(const void *data, size_t size, char out[65])
{
	uint32_t h[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
	unsigned char tail[128] = { 0 };
	size_t whole = size / 64 * 64, rest = size - whole, tail_size = rest < 56 ? 64 : 128;

	for (size_t at = 0; at < whole; at += 64)
		sha_block(h, (const unsigned char *) data + at);
	if (rest)
		memcpy(tail, (const unsigned char *) data + whole, rest);
	tail[rest] = 0x80;
	for (int i = 0; i < 8; i++)
		tail[tail_size - 1 - (size_t) i] = (unsigned char) ((uint64_t) size * 8 >> 8 * i);
	for (size_t at = 0; at < tail_size; at += 64)
		sha_block(h, tail + at);
	for (int i = 0; i < 8; i++)
		snprintf(out + i * 8, 9, "%08x", h[i]);
}

/* ---- tar ---- */

static void put_octal(char *field, size_t width, uint64_t value)
{
	for (size_t i = width - 1; i-- > 0; value >>= 3)
		field[i] = (char) ('0' + (value & 7));
}

static void add_padded(struct blob *tar, const void *data, size_t size)
{
	static const char zeros[BLOCK];

	blob_add(tar, data, size);
	blob_add(tar, zeros, (BLOCK - size % BLOCK) % BLOCK);
}

static void put_header(struct blob *tar, const struct tar_entry *entry, char type, mode_t mode)
{
	char header[BLOCK] = { 0 };
	const char *name = entry->path;
	size_t length = strlen(name);
	unsigned int sum = 0;

	if (length > 100) {
		const char *slash = strchr(name + (length - 101), '/');

		need(slash && slash - name <= 155, "a path too long for ustar");
		memcpy(header + 345, name, (size_t) (slash - name));
		name = slash + 1;
	}
	memcpy(header, name, strlen(name));
	put_octal(header + 100, 8, mode);
	put_octal(header + 108, 8, entry->uid);
	put_octal(header + 116, 8, entry->gid);
	put_octal(header + 124, 12, type == '0' || type == 'x' ? entry->size : 0);
	put_octal(header + 136, 12, (uint64_t) entry->mtime);
	header[156] = type;
	if (entry->link) {
		need(strlen(entry->link) <= 100, "a link short enough for ustar");
		memcpy(header + 157, entry->link, strlen(entry->link));
	}
	memcpy(header + 257, "ustar\00000", 8);
	put_octal(header + 329, 8, entry->major);
	put_octal(header + 337, 8, entry->minor);
	memset(header + 148, ' ', 8);
	for (int i = 0; i < BLOCK; i++)
		sum += (unsigned char) header[i];
	put_octal(header + 148, 7, sum);
	blob_add(tar, header, BLOCK);
}

/* "LENGTH key=value\n", where LENGTH counts itself. */
static void put_pax(struct blob *tar, const char *key, const char *value)
{
	size_t body = strlen(key) + strlen(value) + 3, length = body;
	struct blob record = { 0 };
	struct tar_entry entry = { .path = "pax" };

	for (;;) {
		size_t digits = (size_t) snprintf(NULL, 0, "%zu", length);

		if (body + digits == length)
			break;
		length = body + digits;
	}
	blob_printf(&record, "%zu %s=%s\n", length, key, value);
	entry.size = record.size;
	put_header(tar, &entry, 'x', 0644);
	add_padded(tar, record.data, record.size);
	blob_done(&record);
}

void tar_add(struct blob *tar, const struct tar_entry *entry)
{
	char type = entry->type ? entry->type : '0', key[256];

	if (entry->xattr) {
		snprintf(key, sizeof(key), "SCHILY.xattr.%s", entry->xattr);
		put_pax(tar, key, entry->value);
	}
	put_header(tar, entry, type, entry->mode ? entry->mode : type == '5' ? 0755 : 0644);
	if (type == '0')
		add_padded(tar, entry->data, entry->size);
}

void tar_add_text(struct blob *tar, const char *path, mode_t mode, const char *text)
{
	tar_add(tar, &(struct tar_entry){ .path = path, .mode = mode, .data = text, .size = strlen(text) });
}

void tar_add_dir(struct blob *tar, const char *path, mode_t mode)
{
	tar_add(tar, &(struct tar_entry){ .type = '5', .path = path, .mode = mode });
}

void tar_add_symlink(struct blob *tar, const char *path, const char *target)
{
	tar_add(tar, &(struct tar_entry){ .type = '2', .path = path, .mode = 0777, .link = target });
}

void tar_add_host_file(struct blob *tar, const char *path, const char *host_path)
{
	int fd = open(host_path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	void *data;

	need(fd >= 0 && fstat(fd, &st) == 0, host_path);
	data = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	need(data != MAP_FAILED, "mmap");
	tar_add(tar, &(struct tar_entry){ .path = path, .mode = st.st_mode & 07777, .data = data, .size = (size_t) st.st_size });
	munmap(data, (size_t) st.st_size);
	close(fd);
}

void tar_end(struct blob *tar)
{
	static const char zeros[2 * BLOCK];

	blob_add(tar, zeros, sizeof(zeros));
}

/* ---- images ---- */

void layer_add_busybox(struct blob *layer)
{
	static const char *const dirs[] = { "bin", "dev", "etc", "home", "home/user", "proc", "root", "sys", "usr", "usr/bin", "var" };
	static const char *const applets[] = {
		"[",        "basename", "cat",   "chmod", "chown", "cp",     "cut",   "date",    "dd",       "df",     "dirname",
		"dmesg",    "echo",     "env",   "expr",  "false", "find",   "grep",  "head",    "hostname", "id",     "kill",
		"ls",       "mkdir",    "mknod", "mount", "mv",    "nc",     "od",    "ping",    "printf",   "ps",     "pwd",
		"readlink", "rm",       "rmdir", "sed",   "sh",    "sleep",  "sort",  "stat",    "stty",     "tail",   "tee",
		"test",     "touch",    "tr",    "true",  "tty",   "umount", "uname", "unshare", "wc",       "whoami", "yes",
	};
	char path[64];

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		tar_add_dir(layer, dirs[i], strcmp(dirs[i], "root") == 0 ? 0700 : 0755);
	tar_add_dir(layer, "tmp", 01777);
	tar_add_host_file(layer, "bin/busybox", "/bin/busybox");
	for (size_t i = 0; i < sizeof(applets) / sizeof(applets[0]); i++) {
		snprintf(path, sizeof(path), "bin/%s", applets[i]);
		tar_add_symlink(layer, path, "busybox");
	}
	tar_add_text(layer, "etc/passwd", 0644,
		     "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n"
		     "nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n");
	tar_add_text(layer, "etc/group", 0644, "root:x:0:\naudio:x:29:user\nvideo:x:44:user\nuser:x:1000:\nnogroup:x:65534:\n");
}

static const char *host_architecture(void)
{
	static struct utsname name;

	uname(&name);
	return strcmp(name.machine, "x86_64") == 0 ? "amd64" : strcmp(name.machine, "aarch64") == 0 ? "arm64" : name.machine;
}

static void make_document(const struct image_parts *image, struct blob *out)
{
	static const char config[] = "{\"Env\":[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"],\"Cmd\":[\"sh\"]}";
	char hex[65];

	if (image->document) {
		blob_printf(out, "%s", image->document);
		return;
	}
	blob_printf(out,
		    "{\"architecture\":\"%s\",\"os\":\"linux\",\"created\":\"2024-01-02T03:04:05Z\",\"config\":%s,"
		    "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[",
		    image->architecture ? image->architecture : host_architecture(), image->config ? image->config : config);
	for (size_t i = 0; i < image->n_layers; i++) {
		sha256_hex(image->layers[i].data, image->layers[i].size, hex);
		blob_printf(out, "%s\"sha256:%s\"", i ? "," : "", hex);
	}
	blob_printf(out, "]},\"history\":[");
	for (size_t i = 0; i < image->n_layers; i++)
		blob_printf(out, "%s{\"created\":\"2024-01-02T03:04:05Z\",\"created_by\":\"layer %zu\"}", i ? "," : "", i);
	blob_printf(out, "]}");
}

static void add_blob(struct blob *archive, const char *path, const struct blob *blob)
{
	tar_add(archive, &(struct tar_entry){ .path = path, .data = blob->data, .size = blob->size });
}

void make_docker_archive(const struct image_parts *image, struct blob *out)
{
	struct blob document = { 0 }, manifest = { 0 };
	char hex[65], path[128];

	make_document(image, &document);
	sha256_hex(document.data, document.size, hex);
	snprintf(path, sizeof(path), "%s.json", hex);
	add_blob(out, path, &document);
	blob_printf(&manifest, "[{\"Config\":\"%s\",\"RepoTags\":[", path);
	for (size_t i = 0; image->tags && image->tags[i]; i++)
		blob_printf(&manifest, "%s\"%s\"", i ? "," : "", image->tags[i]);
	blob_printf(&manifest, "],\"Layers\":[");
	for (size_t i = 0; i < image->n_layers; i++) {
		sha256_hex(image->layers[i].data, image->layers[i].size, hex);
		snprintf(path, sizeof(path), "%s/layer.tar", hex);
		blob_printf(&manifest, "%s\"%s\"", i ? "," : "", path);
		add_blob(out, path, &image->layers[i]);
	}
	blob_printf(&manifest, "]}]");
	add_blob(out, "manifest.json", &manifest);
	tar_end(out);
	blob_done(&document);
	blob_done(&manifest);
}

/* Puts a blob into the layout; @hex gets its digest. */
static void add_oci_blob(struct blob *out, const struct blob *blob, char hex[65])
{
	char path[96];

	sha256_hex(blob->data, blob->size, hex);
	snprintf(path, sizeof(path), "blobs/sha256/%s", hex);
	add_blob(out, path, blob);
}

void make_oci_archive(const struct image_parts *image, struct blob *out)
{
	struct blob document = { 0 }, manifest = { 0 }, index = { 0 };
	char hex[65];

	tar_add_text(out, "oci-layout", 0644, "{\"imageLayoutVersion\":\"1.0.0\"}");
	make_document(image, &document);
	add_oci_blob(out, &document, hex);
	blob_printf(&manifest,
		    "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":{\"mediaType\":"
		    "\"application/vnd.oci.image.config.v1+json\",\"digest\":\"sha256:%s\",\"size\":%zu},\"layers\":[",
		    hex, document.size);
	for (size_t i = 0; i < image->n_layers; i++) {
		add_oci_blob(out, &image->layers[i], hex);
		blob_printf(&manifest, "%s{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"sha256:%s\",\"size\":%zu}",
			    i ? "," : "", hex, image->layers[i].size);
	}
	blob_printf(&manifest, "]}");
	add_oci_blob(out, &manifest, hex);
	blob_printf(&index,
		    "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":"
		    "\"sha256:%s\",\"size\":%zu%s%s%s}]}",
		    hex, manifest.size, image->tags ? ",\"annotations\":{\"org.opencontainers.image.ref.name\":\"" : "",
		    image->tags ? image->tags[0] : "", image->tags ? "\"}" : "");
	add_blob(out, "index.json", &index);
	tar_end(out);
	blob_done(&document);
	blob_done(&manifest);
	blob_done(&index);
}

int make_busybox_archive(const char *tag, const char *config)
{
	const char *const tags[] = { tag, NULL };
	struct blob layer = { 0 }, archive = { 0 };
	int fd;

	layer_add_busybox(&layer);
	tar_end(&layer);
	make_docker_archive(&(struct image_parts){ .tags = tags, .config = config, .layers = &layer, .n_layers = 1 }, &archive);
	fd = blob_to_fd(&archive);
	blob_done(&layer);
	blob_done(&archive);
	return fd;
}
