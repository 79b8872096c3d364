/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who the program runs as: "user", "uid", "user:group", in any mix, looked up in the root's own /etc/passwd and /etc/group as
 * Docker does (no NSS, links stay inside the root).
 *
 * A number need not be listed: then the group is 0, the home is "/". A name must be. "user:group" has no supplementary groups
 * but those that were asked for; otherwise all groups that list the user's name are.
 */
#include "init/init.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

struct lines {
	int fd;
	size_t from, to; /* what is in the buffer */
	bool ended;
	char buffer[16 * 1024];
};
static struct lines lines;

/* What is known of the user. */
static struct {
	char name[256];
	char home[1024];
} user;

static bool lines_open(const char *path)
{
	lines.fd = root_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	lines.from = lines.to = 0;
	lines.ended = false;
	if (lines.fd == -ENOENT || lines.fd == -ENOTDIR)
		return false;
	must(lines.fd, "open");
	if (S_ISREG(fd_mode(lines.fd)))
		return true;
	sys(SYS_close, lines.fd);
	return false;
}

/* The next line, terminated in place; one that does not fit the buffer comes in pieces, whose fields match nothing. */
static char *lines_next(void)
{
	for (;;) {
		char *start = lines.buffer + lines.from;
		long n;

		for (size_t i = lines.from; i < lines.to; i++) {
			if (lines.buffer[i] != '\n')
				continue;
			lines.buffer[i] = 0;
			lines.from = i + 1;
			return start;
		}
		if (lines.ended || (lines.from == 0 && lines.to == sizeof(lines.buffer) - 1)) {
			if (lines.from == lines.to)
				return NULL;
			lines.buffer[lines.to] = 0;
			lines.from = lines.to;
			return start;
		}
		for (size_t i = lines.from; i < lines.to; i++)
			lines.buffer[i - lines.from] = lines.buffer[i];
		lines.to -= lines.from;
		lines.from = 0;
		n = must(sys(SYS_read, lines.fd, lines.buffer + lines.to, sizeof(lines.buffer) - 1 - lines.to), "read");
		lines.ended = n == 0;
		lines.to += (size_t) n;
	}
}

static void lines_close(void)
{
	sys(SYS_close, lines.fd);
}

/* Cuts at ':' into at most @count fields; the number found. */
static unsigned int split(char *line, char **fields, unsigned int count)
{
	unsigned int n = 0;

	while (n < count) {
		char *end = (char *) text_find(line, ':');

		fields[n++] = line;
		if (!*end)
			break;
		*end = 0;
		line = end + 1;
	}
	return n;
}

/* name:password:uid:gid:comment:home:shell */
static bool find_user(const char *wanted, bool is_number, uint32_t number)
{
	bool found = false;
	char *fields[7], *line;

	if (!lines_open("/etc/passwd"))
		return false;
	while (!found && (line = lines_next())) {
		uint32_t uid, gid;

		if (split(line, fields, 7) < 6 || !text_number(fields[2], &uid) || !text_number(fields[3], &gid))
			continue;
		if (is_number ? uid != number : !text_equal(fields[0], wanted))
			continue;
		found = true;
		init.uid = uid;
		init.gid = gid;
		text_add(user.name, user.name + sizeof(user.name), fields[0]);
		text_add(user.home, user.home + sizeof(user.home), fields[5]);
	}
	lines_close();
	return found;
}

/* name:password:gid:members. The gid of @wanted. */
static bool find_group(const char *wanted, uint32_t *out)
{
	bool found = false;
	char *fields[4], *line;

	if (!lines_open("/etc/group"))
		return false;
	while (!found && (line = lines_next()))
		found = split(line, fields, 4) >= 3 && text_equal(fields[0], wanted) && text_number(fields[2], out);
	lines_close();
	return found;
}

static void add_group(uint32_t gid)
{
	for (uint32_t i = 0; i < init.n_groups; i++)
		if (init.groups[i] == gid)
			return;
	if (init.n_groups == GROUPS_MAX)
		fail("setgroups", -E2BIG);
	init.groups[init.n_groups++] = gid;
}

static bool lists_member(char *members, const char *name)
{
	size_t n = text_length(name);

	for (const char *at = members; *at;) {
		const char *end = text_find(at, ',');

		if ((size_t) (end - at) == n && memcmp(at, name, n) == 0)
			return true;
		at = *end ? end + 1 : end;
	}
	return false;
}

static void add_member_groups(void)
{
	char *fields[4], *line;
	uint32_t gid;

	if (!user.name[0] || !lines_open("/etc/group"))
		return;
	while ((line = lines_next()))
		if (split(line, fields, 4) == 4 && text_number(fields[2], &gid) && lists_member(fields[3], user.name))
			add_group(gid);
	lines_close();
}

void step_user(const struct wire_step *step)
{
	static char wanted[512];
	const char *given = plan_text(&init.plan, step, 0);
	char *group;
	uint32_t number = 0;
	bool is_number, found;

	doing("find the user", given ? given : "0", NULL, NULL);
	if (given && text_length(given) >= sizeof(wanted))
		fail("passwd", -ENAMETOOLONG);
	text_add(wanted, wanted + sizeof(wanted), given ? given : "");
	group = (char *) text_find(wanted, ':');
	if (*group)
		*group++ = 0;
	is_number = !wanted[0] || text_number(wanted, &number);
	init.uid = number;
	init.gid = 0;
	found = find_user(wanted, is_number, number);
	if (!found && !is_number)
		fail("passwd", -ESRCH);
	if (*group) {
		doing("find the group", group, NULL, NULL);
		if (!text_number(group, &init.gid) && !find_group(group, &init.gid))
			fail("group", -ESRCH);
	}
	init.home = user.home[0] ? user.home : "/";
	/* The primary group is among the supplementary ones, or setgid programs could shed it (CVE-2022-36109). */
	add_group(init.gid);
	if (!*group)
		add_member_groups();
	for (char **extra = plan_vector(&init.plan, step, 0); *extra; extra++) {
		doing("find the group", *extra, NULL, NULL);
		if (!text_number(*extra, &number) && !find_group(*extra, &number))
			fail("group", -ESRCH);
		add_group(number);
	}
}
