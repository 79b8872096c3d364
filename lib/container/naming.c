/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a container finds others by name. Only on networks of the user's: there it asks 127.0.0.11, and the responder has a record of it.
 *
 * 1. The record goes with the sockets, from the container's own scow-init: so it is there before the program is.
 * 2. A detached one's is a file in its directory as well, which its supervisor sends for each later run.
 * 3. Whatever was lost (somebody killed the responder) is put right by whoever next needs it: naming_settle(), naming_reload().
 */
#include "container/naming.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "container/live.h"

#define CONFIRM_MS 1000
#define ETC_FILE_MAX (1u << 20)

int naming_resolv(const scow_container_config *config, const struct attachment *attachment, bool of_host, struct arena *arena,
		  enum resolv_kind *kind, struct resolv *out, scow_error **error)
{
	const struct resolv_wish wish = {
		.servers = config->dns,
		.n_servers = config->n_dns,
		.search = config->dns_search,
		.n_search = config->n_dns_search,
		.options = config->dns_options,
		.n_options = config->n_dns_options,
	};
	struct resolv host;
	bool ipv6 = !attachment || attachment_gateway(attachment, AF_INET6);
	int r;

	*kind = of_host ? RESOLV_HOST : attachment && attachment_has_names(attachment) ? RESOLV_NAMES : RESOLV_PLAIN;
	r = resolv_host(*kind, arena, &host, error);
	return r < 0 ? r : resolv_merge(*kind, &host, &wish, ipv6, arena, out, error);
}

static int make_record(const scow_container_config *config, const struct attachment *attachment, struct str *out, scow_error **error)
{
	const struct resolv_wish wish = { .options = config->dns_options, .n_options = config->n_dns_options };
	struct arena arena = { 0 };
	enum resolv_kind kind;
	struct resolv resolv;
	int r = naming_resolv(config, attachment, false, &arena, &kind, &resolv, error);

	if (r == 0)
		r = names_record(attachment, &resolv, &wish, config->hostname, out, error);
	arena_done(&arena);
	return r;
}

void naming_done(struct naming *naming)
{
	if (naming->on)
		cleanup_fd(&naming->fd);
	str_done(&naming->record);
}

int naming_prepare(scow_container *container, const scow_container_config *config, const struct attachment *attachment, struct naming *out,
		   struct spec *spec, scow_error **error)
{
	scow_error *failure = NULL;
	bool started;
	int r;

	if (!attachment_has_names(attachment))
		return 0;
	r = make_record(config, attachment, &out->record, error);
	if (r < 0)
		return r;
	out->fd = names_connect(container->engine, &started, error);
	if (out->fd < 0)
		return out->fd;
	out->on = true;
	/* Who is there already was served by one that somebody has killed. */
	if (started && naming_reload(container->engine, &failure) < 0) {
		engine_log(container->engine, SCOW_LOG_WARNING, "names of containers: %s", scow_error_message(failure));
		scow_error_unref(failure);
	}
	spec->named = true;
	spec->names = out->record.data;
	spec->names_size = out->record.size;
	spec->names_fd = out->fd;
	return 0;
}

int naming_hand_over(const struct naming *naming, int dir_fd, struct spec *spec, scow_error **error)
{
	/* It may come onto such a network while it runs: then it finds a record when it is started again. */
	spec->named = spec->networked;
	spec->names = NULL;
	spec->names_size = 0;
	return names_keep(naming->on ? &naming->record : NULL, dir_fd, error);
}

int naming_rewrite(scow_container *container, const struct attachment *now, int dir_fd, scow_error **error)
{
	const scow_container_config *config;
	_cleanup_str_ struct str record = { 0 };
	int r;

	if (!attachment_has_names(now))
		return names_keep(NULL, dir_fd, error);
	r = container_config_of(container, &config, error);
	if (r == 0)
		r = make_record(config, now, &record, error);
	return r < 0 ? r : names_keep(&record, dir_fd, error);
}

int naming_confirm(struct naming *naming, scow_error **error)
{
	int r = naming->on ? names_confirm(naming->fd, CONFIRM_MS, error) : 0;

	/* Its descriptor stays: what is lost, is put right when the program runs. */
	if (r == 0 && naming->on)
		close(take_fd(&naming->fd));
	return r < 0 ? r : 0;
}

int naming_settle(scow_container *container, struct naming *naming, pid_t pid, bool supervised, scow_error **error)
{
	scow_engine *engine = container->engine;
	_cleanup_fd_ int pidfd = -1;

	/* Its own scow-init was heard, or (a supervisor's) is asked for. */
	if (!naming->on || (supervised ? names_are_served(engine, container->id) : naming->fd < 0))
		return 0;
	pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
	/* It has ended. */
	if (pidfd < 0)
		return 0;
	return names_serve(engine, pidfd, engine->facts.rootless, &naming->record, error);
}

/* ---- of those that run ---- */

int naming_attachment(scow_container *container, struct attachment *out, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	int r;

	db_lock(container->engine->db, &work);
	r = network_leased(&work, container->id, out, error);
	out->name = container->name;
	return r;
}

/* Replaces the record, or has the container served from now on. */
static int serve(scow_container *container, const struct container_row *row, const struct attachment *attachment, scow_error **error)
{
	_cleanup_fd_ int pidfd = container_pidfd(container->engine, row);
	const scow_container_config *config;
	_cleanup_str_ struct str record = { 0 };
	int r = container_config_of(container, &config, error);

	if (r == 0)
		r = make_record(config, attachment, &record, error);
	if (r == 0)
		r = names_update(container->engine, &record, error);
	if (r != NAMES_LOST || pidfd < 0)
		return r < 0 ? r : 0;
	return names_serve(container->engine, pidfd, container->engine->facts.rootless, &record, error);
}

static int reload_one(scow_engine *engine, const char *id, scow_error **error)
{
	_cleanup_(scow_container_unrefp) scow_container *container = NULL;
	_cleanup_attachment_ struct attachment attachment = { .id = "" };
	struct container_row row;
	int r = scow_container_get(engine, id, &container, error);

	if (r == 0)
		r = container_row_once(engine, id, &row, error);
	if (r == 0 && row.pid > 0)
		r = naming_attachment(container, &attachment, error);
	/* It was removed meanwhile. */
	if (r == SCOW_E_NOT_FOUND) {
		if (error)
			error_clear(error);
		return 0;
	}
	if (r < 0 || row.pid <= 0 || !attachment_has_names(&attachment))
		return r;
	return serve(container, &row, &attachment, error);
}

static int list_leased(scow_engine *engine, struct arena *arena, const char ***out, size_t *n, scow_error **error)
{
	_cleanup_db_ struct db_work work = { 0 };
	sqlite3_stmt *row;
	int r;

	db_lock(engine->db, &work);
	r = db_query(&work, &row, error, "SELECT DISTINCT container FROM endpoints WHERE ip4 IS NOT NULL OR ip6 IS NOT NULL", "");
	for (; r > 0; r = db_step(&work, row, error)) {
		const char **slot = arena_append(arena, out, n, sizeof(*slot));

		if (!slot || !(*slot = arena_strdup(arena, db_text(row, 0))))
			return error_oom(error);
	}
	return r;
}

int naming_reload(scow_engine *engine, scow_error **error)
{
	struct arena arena = { 0 };
	const char **ids = NULL;
	size_t n = 0;
	int r = list_leased(engine, &arena, &ids, &n, error);

	for (size_t i = 0; i < n; i++) {
		int one = reload_one(engine, ids[i], r < 0 ? NULL : error);

		if (one < 0 && r == 0)
			r = one;
	}
	arena_done(&arena);
	return r;
}

/* ---- its files, while it runs ---- */

/* A plain file, and nothing else that the container may have put there: a device would be opened by our rights. */
static int open_etc(int root_fd, const char *path, int flags)
{
	_cleanup_fd_ int place = path_open_in(root_fd, path, O_PATH, 0);
	char link[40];
	struct stat st;
	int fd;

	if (place < 0)
		return place;
	if (fstat(place, &st) < 0 || !S_ISREG(st.st_mode))
		return -ENOENT;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", place);
	fd = open(link, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int write_etc(int root_fd, const char *path, const char *text, scow_error **error)
{
	_cleanup_fd_ int fd = open_etc(root_fd, path, O_WRONLY | O_TRUNC);
	int r = fd < 0 ? fd : fd_write_all(fd, text, strlen(text));

	return r < 0 && r != -ENOENT && r != -EROFS ? error_errno(error, -r, "write", "change the container's '%s'", path) : 0;
}

/* Without the lines of an address, or with one more. */
static char *edit_hosts(const char *text, const struct address *address, const char *names, bool left)
{
	_cleanup_str_ struct str out = { 0 };
	char number[ADDRESS_TEXT];
	size_t size;

	address_format(address, number);
	size = strlen(number);
	while (*text) {
		size_t line = strcspn(text, "\n");

		line += text[line] == '\n';
		if (strncmp(text, number, size) != 0 || !strchr(" \t", text[size]))
			str_add_bytes(&out, text, line);
		text += line;
	}
	if (!left)
		str_printf(&out, "%s\t%s\n", number, names);
	return str_take(&out);
}

static int change_hosts(int root_fd, const char *names, const struct endpoint *endpoint, bool left, scow_error **error)
{
	const struct address *addresses[] = { &endpoint->ip4, &endpoint->ip6 };
	_cleanup_fd_ int fd = open_etc(root_fd, "/etc/hosts", O_RDONLY);
	char *text = NULL;
	int r;

	if (fd < 0 || fd_read_file(fd, ETC_FILE_MAX, &text, NULL) < 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(addresses) && text; i++) {
		char *edited = addresses[i]->family ? edit_hosts(text, addresses[i], names, left) : text;

		if (edited != text)
			free(text);
		text = edited;
	}
	r = text ? write_etc(root_fd, "/etc/hosts", text, error) : error_oom(error);
	free(text);
	return r;
}

/* Only where it asked others before: what the container has written there itself is left alone. */
static int change_resolv(int root_fd, const scow_container_config *config, const struct attachment *now, scow_error **error)
{
	_cleanup_fd_ int fd = open_etc(root_fd, "/etc/resolv.conf", O_RDONLY);
	_cleanup_free_ char *text = NULL;
	bool names = attachment_has_names(now);
	struct arena arena = { 0 };
	enum resolv_kind kind;
	struct resolv resolv;
	int r;

	if (fd < 0 || fd_read_file(fd, ETC_FILE_MAX, &text, NULL) < 0 || (strstr(text, "nameserver 127.0.0.11\n") != NULL) == names)
		return 0;
	r = naming_resolv(config, now, false, &arena, &kind, &resolv, error);
	if (r == 0) {
		const char *formatted = resolv_format(kind, &resolv, &arena);

		r = formatted ? write_etc(root_fd, "/etc/resolv.conf", formatted, error) : error_oom(error);
	}
	arena_done(&arena);
	return r;
}

static int change_files(scow_container *container, const struct container_row *row, const struct attachment *now,
			const struct endpoint *changed, bool left, scow_error **error)
{
	_cleanup_fd_ int pidfd = container_pidfd(container->engine, row), root_fd = -1;
	_cleanup_free_ char *path = strf("/proc/%d/root", (int) row->pid), *names = NULL;
	const scow_container_config *config;
	int r = container_config_of(container, &config, error);

	if (r < 0 || pidfd < 0)
		return r;
	root_fd = path ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	/* It may have ended since: then this is another's, or nobody's. */
	if (root_fd < 0 || syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) < 0)
		return 0;
	if (config->hostname && config->domainname)
		names = strf("%s.%s %s", config->hostname, config->domainname, config->hostname);
	else
		names = config->hostname ? strdup(config->hostname) : strndup(container->id, 12);
	if (!names)
		return error_oom(error);
	r = change_hosts(root_fd, names, changed, left, error);
	return r < 0 ? r : change_resolv(root_fd, config, now, error);
}

int naming_changed(scow_container *container, const struct attachment *now, const struct endpoint *changed, bool left, scow_error **error)
{
	struct container_row row;
	int r = container_row_once(container->engine, container->id, &row, error);

	if (r < 0 || row.pid <= 0)
		return r;
	if (attachment_has_names(now))
		r = serve(container, &row, now, error);
	else
		r = names_forget(container->engine, container->id, error);
	return r < 0 || !changed ? r : change_files(container, &row, now, changed, left, error);
}

/* For the runs to come of one that a supervisor runs. */
static int rewrite_renamed(scow_container *container, const struct attachment *now, scow_error **error)
{
	_cleanup_fd_ int dir_fd = dir_open_at(container->engine->containers_fd, container->id);

	if (dir_fd < 0 || !names_are_kept(dir_fd))
		return 0;
	return naming_rewrite(container, now, dir_fd, error);
}

void naming_renamed(scow_container *container)
{
	_cleanup_attachment_ struct attachment now = { .id = "" };
	scow_error *failure = NULL;
	int r = naming_attachment(container, &now, &failure);

	if (r == 0 && attachment_has_names(&now))
		r = rewrite_renamed(container, &now, &failure);
	if (r == 0 && attachment_has_names(&now))
		r = naming_changed(container, &now, NULL, false, &failure);
	if (r < 0)
		engine_log(container->engine, SCOW_LOG_WARNING, "container %.12s: others still find it by its old name: %s", container->id,
			   scow_error_message(failure));
	scow_error_unref(failure);
}
