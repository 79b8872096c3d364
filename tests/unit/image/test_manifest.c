/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Manifests and indexes: both dialects, what is refused and in what words, and the choice of a platform. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/str.h"
#include "image/manifest.h"

#define D1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define D2 "sha256:2222222222222222222222222222222222222222222222222222222222222222"
#define D3 "sha256:3333333333333333333333333333333333333333333333333333333333333333"
#define OCI_MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define OCI_INDEX "application/vnd.oci.image.index.v1+json"
#define DOCKER_MANIFEST "application/vnd.docker.distribution.manifest.v2+json"
#define DOCKER_LIST "application/vnd.docker.distribution.manifest.list.v2+json"
#define CONFIG "\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"" D1 "\",\"size\":10}"
#define LAYER(type, digest, size) "{\"mediaType\":\"" type "\",\"digest\":\"" digest "\",\"size\":" size "}"
#define GZIP "application/vnd.oci.image.layer.v1.tar+gzip"
#define ENTRY(digest, os, arch, variant) \
	"{\"mediaType\":\"" OCI_MANIFEST "\",\"digest\":\"" digest "\",\"size\":5,\"platform\":{\"os\":\"" os "\",\"architecture\":\"" arch \
	"\",\"variant\":\"" variant "\"}}"

static int parse(const char *text, const char *type, struct manifest *out, scow_error **error)
{
	return manifest_parse(text, strlen(text), type, out, error);
}

static void test_image(void **state)
{
	_cleanup_manifest_ struct manifest oci = { 0 }, docker = { 0 };
	enum codec_kind codec;

	(void) state;
	assert_int_equal(parse("{\"schemaVersion\":2,\"mediaType\":\"" OCI_MANIFEST "\"," CONFIG ",\"layers\":[" LAYER(GZIP, D2, "7") ","
			       LAYER("application/vnd.oci.image.layer.v1.tar+zstd", D3, "0") "]}", NULL, &oci, NULL), 0);
	assert_int_equal(oci.kind, MANIFEST_IMAGE);
	assert_string_equal(oci.config.digest, D1);
	assert_int_equal(oci.n_layers, 2);
	assert_string_equal(oci.layers[0].digest, D2);
	assert_int_equal(oci.layers[0].size, 7);
	assert_true(manifest_layer_codec(oci.layers[1].media_type, &codec));
	assert_int_equal(codec, CODEC_ZSTD);
	/* The document's own type may be missing: then what it was served as, with parameters, or its shape tells. */
	assert_int_equal(parse("{\"schemaVersion\":2," CONFIG ",\"layers\":[]}", DOCKER_MANIFEST "; charset=utf-8", &docker, NULL), 0);
	assert_int_equal(docker.n_layers, 0);
	manifest_done(&docker);
	assert_int_equal(parse("{\"schemaVersion\":2," CONFIG "}", "text/plain", &docker, NULL), 0);
}

static void test_index(void **state)
{
	_cleanup_manifest_ struct manifest m = { 0 };

	(void) state;
	assert_int_equal(parse("{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" OCI_MANIFEST "\",\"digest\":\"" D1 "\",\"size\":5,"
			       "\"annotations\":{\"org.opencontainers.image.ref.name\":\"v1\"}},"
			       "{\"mediaType\":\"" OCI_MANIFEST "\",\"digest\":\"" D2 "\",\"size\":5,\"annotations\":{"
			       "\"org.opencontainers.image.ref.name\":\"v1\",\"io.containerd.image.name\":\"docker.io/library/a:v1\"}}]}",
			       NULL, &m, NULL), 0);
	assert_int_equal(m.kind, MANIFEST_INDEX);
	assert_int_equal(m.n_manifests, 2);
	assert_string_equal(m.manifests[0].reference_name, "v1");
	assert_string_equal(m.manifests[1].reference_name, "docker.io/library/a:v1");
}

static void test_refuses(void **state)
{
	static const struct {
		const char *text, *type;
		scow_status status;
		const char *reason;
	} table[] = {
		{ "", NULL, SCOW_E_CORRUPT, "malformed" },
		{ "[]", NULL, SCOW_E_CORRUPT, "expected an object" },
		{ "{\"schemaVersion\":2," CONFIG, NULL, SCOW_E_CORRUPT, "malformed" },
		{ "{\"schemaVersion\":1,\"fsLayers\":[]}", NULL, SCOW_E_UNSUPPORTED, "schema version 1" },
		{ "{\"schemaVersion\":2," CONFIG "}", "application/vnd.docker.distribution.manifest.v1+prettyjws", SCOW_E_UNSUPPORTED, "version 1" },
		{ "{" CONFIG "}", NULL, SCOW_E_CORRUPT, "schemaVersion" },
		{ "{\"schemaVersion\":2,\"layers\":[]}", NULL, SCOW_E_CORRUPT, "config: it is missing" },
		{ "{\"schemaVersion\":2," CONFIG ",\"manifests\":[]}", NULL, SCOW_E_CORRUPT, "ambiguous" },
		{ "{\"schemaVersion\":2," CONFIG ",\"layers\":[]}", OCI_INDEX, SCOW_E_CORRUPT, "ambiguous" },
		{ "{\"schemaVersion\":2,\"manifests\":[]}", DOCKER_MANIFEST, SCOW_E_CORRUPT, "ambiguous" },
		{ "{\"schemaVersion\":2,\"mediaType\":\"" OCI_MANIFEST "\"," CONFIG "}", DOCKER_LIST, SCOW_E_CORRUPT, "was served as" },
		{ "{\"schemaVersion\":2,\"mediaType\":\"text/plain\"," CONFIG "}", NULL, SCOW_E_UNSUPPORTED, "neither an image nor" },
		{ "{\"schemaVersion\":2,\"mediaType\":7," CONFIG "}", NULL, SCOW_E_CORRUPT, "mediaType: expected a string" },
		{ "{\"schemaVersion\":2,\"config\":{\"digest\":\"" D1 "\"}}", NULL, SCOW_E_CORRUPT, "size is missing" },
		{ "{\"schemaVersion\":2,\"config\":{\"digest\":\"sha256:../../etc\",\"size\":1}}", NULL, SCOW_E_CORRUPT, "not a sha256 digest" },
		{ "{\"schemaVersion\":2,\"config\":{\"digest\":\"sha512:aa\",\"size\":1}}", NULL, SCOW_E_UNSUPPORTED, "not a sha256 digest" },
		{ "{\"schemaVersion\":2,\"config\":{\"digest\":\"" D1 "\",\"size\":99999999}}", NULL, SCOW_E_CORRUPT, "too large" },
		{ "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"application/vnd.cncf.helm.config.v1+json\",\"digest\":\"" D1 "\",\"size\":1}}",
		  NULL, SCOW_E_UNSUPPORTED, "not a container image" },
		{ "{\"schemaVersion\":2," CONFIG ",\"layers\":[" LAYER(GZIP, D2, "-1") "]}", NULL, SCOW_E_CORRUPT, "layers[0]: its size" },
		{ "{\"schemaVersion\":2," CONFIG ",\"layers\":[" LAYER(GZIP, D2, "1.5") "]}", NULL, SCOW_E_CORRUPT, "whole number" },
		{ "{\"schemaVersion\":2," CONFIG ",\"layers\":[" LAYER(GZIP, D2, "1") ",7]}", NULL, SCOW_E_CORRUPT, "layers[1]: expected a descriptor" },
		{ "{\"schemaVersion\":2," CONFIG ",\"layers\":{}}", NULL, SCOW_E_CORRUPT, "expected an array" },
		{ "{\"schemaVersion\":2," CONFIG ",\"a\":\"x\\u0000y\"}", NULL, SCOW_E_CORRUPT, "NUL" },
	};

	(void) state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct manifest m;
		scow_error *error = NULL;
		int r = parse(table[i].text, table[i].type, &m, &error);

		if (r != table[i].status || !strstr(scow_error_message(error), table[i].reason))
			fail_msg("%s: %d %s", table[i].text, r, scow_error_message(error));
		scow_error_unref(error);
	}
}

static void test_limits(void **state)
{
	_cleanup_str_ struct str deep = { 0 }, many = { 0 };
	_cleanup_free_ char *large = malloc(MANIFEST_MAX_BYTES + 1);
	struct manifest m;

	(void) state;
	str_add(&deep, "{\"schemaVersion\":2," CONFIG ",\"x\":");
	for (int i = 0; i < 100000; i++)
		str_add(&deep, "[");
	assert_int_equal(manifest_parse(deep.data, deep.size, NULL, &m, NULL), SCOW_E_CORRUPT);
	memset(large, ' ', MANIFEST_MAX_BYTES + 1);
	assert_int_equal(manifest_parse(large, MANIFEST_MAX_BYTES + 1, NULL, &m, NULL), SCOW_E_CORRUPT);
	str_add(&many, "{\"schemaVersion\":2," CONFIG ",\"layers\":[" LAYER(GZIP, D2, "1"));
	for (int i = 0; i < MANIFEST_MAX_LAYERS; i++)
		str_add(&many, "," LAYER(GZIP, D2, "1"));
	str_add(&many, "]}");
	assert_int_equal(manifest_parse(many.data, many.size, NULL, &m, NULL), SCOW_E_CORRUPT);
}

static int choose(const struct manifest *m, const char *platform, const struct descriptor **out, scow_error **error)
{
	struct platform wanted;

	assert_int_equal(platform_parse(platform, &wanted, NULL), 0);
	return manifest_choose(m, &wanted, out, error);
}

static void test_choose(void **state)
{
	_cleanup_manifest_ struct manifest m = { 0 };
	const struct descriptor *chosen;
	scow_error *error = NULL;

	(void) state;
	/* The best comes last; an attestation says it is for unknown/unknown, or says so by its annotation. */
	assert_int_equal(parse("{\"schemaVersion\":2,\"manifests\":["
			       "{\"mediaType\":\"" OCI_MANIFEST "\",\"digest\":\"" D3 "\",\"size\":5,\"platform\":{\"os\":\"linux\",\"architecture\":"
			       "\"amd64\",\"variant\":\"v3\"},\"annotations\":{\"vnd.docker.reference.type\":\"attestation-manifest\"}},"
			       ENTRY(D1, "unknown", "unknown", "") "," ENTRY(D1, "linux", "386", "") "," ENTRY(D2, "linux", "amd64", "") ","
			       ENTRY(D3, "linux", "amd64", "v3") "," ENTRY(D1, "linux", "arm", "v5") "," ENTRY(D2, "linux", "arm", "v6") "]}",
			       NULL, &m, NULL), 0);
	assert_int_equal(choose(&m, "linux/amd64/v4", &chosen, NULL), 0);
	assert_ptr_equal(chosen, &m.manifests[4]);
	assert_int_equal(choose(&m, "linux/amd64/v2", &chosen, NULL), 0);
	assert_ptr_equal(chosen, &m.manifests[3]);
	assert_int_equal(choose(&m, "linux/386", &chosen, NULL), 0);
	assert_ptr_equal(chosen, &m.manifests[2]);
	assert_int_equal(choose(&m, "linux/arm/v7", &chosen, NULL), 0);
	assert_ptr_equal(chosen, &m.manifests[6]);
	assert_int_equal(choose(&m, "linux/arm64", &chosen, NULL), 0);
	assert_ptr_equal(chosen, &m.manifests[6]);
	assert_int_equal(choose(&m, "linux/s390x", &chosen, &error), SCOW_E_UNSUPPORTED);
	assert_string_equal(scow_error_message(error), "no image for the platform linux/s390x");
	assert_string_equal(scow_error_hint(error), "there is: linux/386, linux/amd64, linux/amd64/v3, linux/arm/v5, linux/arm/v6");
	scow_error_unref(error);
}

static void test_choose_without_platform(void **state)
{
	_cleanup_manifest_ struct manifest m = { 0 };
	const struct descriptor *chosen;

	(void) state;
	assert_int_equal(parse("{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"" D1 "\",\"size\":1}," ENTRY(D2, "linux", "amd64", "") "]}", NULL,
			       &m, NULL), 0);
	assert_int_equal(choose(&m, "linux/amd64", &chosen, NULL), 0);
	assert_string_equal(chosen->digest, D2);
	assert_int_equal(choose(&m, "linux/arm64", &chosen, NULL), 0);
	assert_string_equal(chosen->digest, D1);
}

static void test_layer_types(void **state)
{
	enum codec_kind codec;

	(void) state;
	assert_true(manifest_layer_codec("application/vnd.docker.image.rootfs.diff.tar.gzip", &codec));
	assert_int_equal(codec, CODEC_GZIP);
	assert_true(manifest_layer_codec("application/vnd.oci.image.layer.v1.tar", &codec));
	assert_int_equal(codec, CODEC_NONE);
	assert_false(manifest_layer_codec("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", &codec));
	assert_false(manifest_layer_codec("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", &codec));
	assert_false(manifest_layer_codec("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", &codec));
	assert_false(manifest_layer_codec("", &codec));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_image),  cmocka_unit_test(test_index),		       cmocka_unit_test(test_refuses),	   cmocka_unit_test(test_limits),
		cmocka_unit_test(test_choose), cmocka_unit_test(test_choose_without_platform), cmocka_unit_test(test_layer_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
