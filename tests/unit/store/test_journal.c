/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The journal: numbers without a gap, whoever writes and whatever is rolled back; the oldest go; listeners wake. */
#include "bare_engine.h"

#include <poll.h>
#include <sys/wait.h>

#include "store/journal.h"

static int setup(void **state)
{
	struct bare *bare = calloc(1, sizeof(*bare));

	bare_new(bare);
	*state = bare;
	return 0;
}

static int teardown(void **state)
{
	bare_done(*state);
	free(*state);
	return 0;
}

static void add(struct bare *bare, const char *action, bool commit)
{
	_cleanup_db_ struct db_work work = { 0 };

	assert_ok(db_begin(bare->engine.db, &work, NULL));
	assert_ok(journal_add(&work, "container", action, "id", NULL, NULL));
	if (commit)
		assert_ok(db_commit(&work, NULL));
}

static int64_t last_of(struct bare *bare)
{
	int64_t last = -1;

	assert_ok(journal_last(bare->engine.db, false, &last, NULL));
	return last;
}

static void test_numbers(void **state)
{
	struct bare *bare = *state;
	struct journal_entry entries[8];
	struct arena arena = { 0 };

	assert_int_equal(last_of(bare), 0);
	assert_int_equal(journal_read(bare->engine.db, 0, 0, 0, &arena, entries, 8, NULL), 0);
	add(bare, "one", true);
	add(bare, "never", false);
	add(bare, "two", true);
	assert_int_equal(last_of(bare), 2);
	assert_int_equal(journal_read(bare->engine.db, 0, 2, 0, &arena, entries, 8, NULL), 2);
	assert_int_equal(entries[0].number, 1);
	assert_string_equal(entries[0].action, "one");
	assert_string_equal(entries[0].attributes, "{}");
	assert_int_equal(entries[1].number, 2);
	assert_string_equal(entries[1].action, "two");
	/* From a cursor, up to an end, from a time, and so many. */
	assert_int_equal(journal_read(bare->engine.db, 1, 2, 0, &arena, entries, 8, NULL), 1);
	assert_int_equal(entries[0].number, 2);
	assert_int_equal(journal_read(bare->engine.db, 0, 1, 0, &arena, entries, 8, NULL), 1);
	assert_int_equal(journal_read(bare->engine.db, 0, 2, INT64_MAX, &arena, entries, 8, NULL), 0);
	assert_int_equal(journal_read(bare->engine.db, 0, 2, 0, &arena, entries, 1, NULL), 1);
	arena_done(&arena);
}

static void test_oldest_go(void **state)
{
	struct bare *bare = *state;
	_cleanup_db_ struct db_work work = { 0 };

	assert_ok(db_begin(bare->engine.db, &work, NULL));
	for (int i = 0; i < 101500; i++)
		assert_ok(journal_add(&work, "container", "start", "id", NULL, NULL));
	assert_ok(db_commit(&work, NULL));
	assert_int_equal(last_of(bare), 101500);
	assert_in_range(bare_number(bare, "SELECT count(*) FROM events"), 100000, 100600);
	assert_int_equal(bare_number(bare, "SELECT max(number) - min(number) + 1 - count(*) FROM events"), 0);
}

static bool woken(const struct journal_watch *watch)
{
	struct pollfd fds = { .fd = watch->fd, .events = POLLIN };
	bool yes = poll(&fds, 1, 0) > 0;

	/* About events, and not about states. */
	assert_false(journal_watch_drain(watch));
	return yes;
}

static void test_wake(void **state)
{
	struct bare *bare = *state, other;
	_cleanup_db_ struct db_work work = { 0 };
	struct journal_watch watch;

	add(bare, "unheard", true);
	assert_ok(journal_watch_open(&bare->engine, &watch, NULL));
	assert_false(woken(&watch));
	add(bare, "never", false);
	assert_false(woken(&watch));
	add(bare, "here", true);
	assert_true(woken(&watch));
	assert_false(woken(&watch));
	/* A commit without events wakes nobody. */
	assert_ok(db_begin(bare->engine.db, &work, NULL));
	assert_ok(db_exec(&work, NULL, "INSERT INTO facts VALUES('a', 'b')", ""));
	assert_ok(db_commit(&work, NULL));
	assert_false(woken(&watch));
	bare_open(&other, &bare->scratch);
	add(&other, "elsewhere", true);
	assert_true(woken(&watch));
	assert_int_equal(last_of(bare), 3);
	bare_close(&other);
	/* What a supervisor does. */
	close(openat(bare->engine.root_fd, STATES_WAKE, O_RDONLY | O_CLOEXEC));
	assert_true(journal_watch_drain(&watch));
	close(watch.fd);
}

/* Several processes at once, some of them killed: the numbers are 1 to n. */
static void test_many_writers(void **state)
{
	struct bare *bare = *state;
	pid_t children[4];

	for (int i = 0; i < 4; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			struct bare own;

			bare_open(&own, &bare->scratch);
			for (int n = 0; n < (i ? 100 : 1000000); n++)
				add(&own, "start", n % 7);
			_exit(0);
		}
	}
	for (int i = 3; i >= 0; i--) {
		if (i == 0)
			kill(children[0], SIGKILL);
		assert_int_equal(waitpid(children[i], NULL, 0), children[i]);
	}
	assert_in_range(last_of(bare), 3 * 85, 10000000);
	assert_int_equal(bare_number(bare, "SELECT max(number) - count(*) + 1 - min(number) FROM events"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_oldest_go, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wake, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_writers, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
