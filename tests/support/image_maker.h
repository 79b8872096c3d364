/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Images for tests, made in memory: layers of given files, and around them a `docker save` archive or an OCI layout.
 * Nothing here uses libscow, so a test may feed it what it must refuse. Failures abort: they are the test's own.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Bytes that grow. */
struct blob {
	unsigned char *data;
	size_t size, room;
};
void blob_add(struct blob *blob, const void *data, size_t size);
void blob_printf(struct blob *blob, const char *format, ...) __attribute__((format(printf, 2, 3)));
void blob_done(struct blob *blob);

void sha256_hex(const void *data, size_t size, char out[65]);

/* One entry of a tar. What is not set is 0 or NULL. */
struct tar_entry {
	char type;           /* '0' file, '1' hard link, '2' symbolic link, '3' char, '4' block, '5' directory, '6' fifo; 0: file */
	const char *path;    /* up to 255 bytes; as it is, also "../x" and "/x" */
	const char *link;    /* target of a link */
	mode_t mode;         /* 0: 0755 for directories, else 0644 */
	unsigned int uid, gid, major, minor;
	int64_t mtime;
	const void *data;
	size_t size;
	const char *xattr, *value; /* one PAX record SCHILY.xattr.NAME */
};
void tar_add(struct blob *tar, const struct tar_entry *entry);
void tar_add_text(struct blob *tar, const char *path, mode_t mode, const char *text);
void tar_add_dir(struct blob *tar, const char *path, mode_t mode);
void tar_add_symlink(struct blob *tar, const char *path, const char *target);
/* A file of this host, with its mode. */
void tar_add_host_file(struct blob *tar, const char *path, const char *host_path);
/* The two zero blocks. */
void tar_end(struct blob *tar);

/* /bin/busybox with links for its usual applets, /etc/passwd and group with user 1000 "user", and the usual directories. */
void layer_add_busybox(struct blob *layer);

struct image_parts {
	const char *const *tags;       /* NULL-terminated, may be NULL */
	const char *config;            /* the inner "config" object as JSON; NULL: a PATH and Cmd ["sh"] */
	const char *architecture;      /* NULL: this host's */
	const char *document;          /* the whole config document instead of a made one; NULL */
	const struct blob *layers;     /* finished tars, lowest first */
	size_t n_layers;
};
/* As tar archives. */
void make_docker_archive(const struct image_parts *image, struct blob *out);
void make_oci_archive(const struct image_parts *image, struct blob *out);
/* The bytes as a file at its beginning (a memfd). */
int blob_to_fd(const struct blob *blob);
/* A docker archive of one busybox layer, named @tag: what most tests want. */
int make_busybox_archive(const char *tag, const char *config);
