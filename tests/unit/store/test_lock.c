/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Locks: who holds excludes, who dies lets go, who waits can be called off. */
#include "bare_engine.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>

#include <scow/scow.h>

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

static void test_owner(void **state)
{
	struct bare *bare = *state, other;
	char id[33], path[64];

	bare_open(&other, &bare->scratch);
	assert_int_equal(owner_alive(&other.engine, "0123456789abcdef0123456789abcdef"), 0);
	assert_int_equal(owner_alive(&other.engine, NULL), 0);
	assert_int_equal(owner_alive(&other.engine, "../tmp"), 0);
	assert_ok(owner_register(&bare->engine, NULL));
	strcpy(id, bare->engine.owner_id);
	assert_int_equal(strlen(id), 32);
	/* Once per engine. */
	assert_ok(owner_register(&bare->engine, NULL));
	assert_string_equal(id, bare->engine.owner_id);
	assert_int_equal(owner_alive(&bare->engine, id), 1);
	assert_int_equal(owner_alive(&other.engine, id), 1);
	owner_unregister(&bare->engine);
	assert_int_equal(owner_alive(&other.engine, id), 0);
	snprintf(path, sizeof(path), "owners/%s", id);
	assert_false(bare_has(bare, path));
	bare_close(&other);
}

static void test_owner_dies(void **state)
{
	struct bare *bare = *state;
	int pipe_fds[2], status;
	char id[33] = "", path[64];
	pid_t pid;

	assert_int_equal(pipe(pipe_fds), 0);
	pid = fork();
	if (pid == 0) {
		struct bare mine;

		bare_open(&mine, &bare->scratch);
		if (owner_register(&mine.engine, NULL) == 0 && write(pipe_fds[1], mine.engine.owner_id, 32) == 32)
			pause();
		_exit(1);
	}
	assert_int_equal(read(pipe_fds[0], id, 32), 32);
	assert_int_equal(owner_alive(&bare->engine, id), 1);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	snprintf(path, sizeof(path), "owners/%s", id);
	assert_true(bare_has(bare, path));
	assert_int_equal(owner_alive(&bare->engine, id), 0);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static void test_work_lock(void **state)
{
	struct bare *bare = *state;
	scow_error *error = NULL;
	int fd = work_lock(&bare->engine, "layer-abc", NULL, NULL), other;

	assert_true(fd >= 0);
	assert_true(bare_has(bare, "tmp/lock-layer-abc"));
	assert_int_equal(work_try_lock(&bare->engine, "layer-abc", &other, NULL), 0);
	assert_int_equal(other, -1);
	assert_int_equal(work_try_lock(&bare->engine, "layer-abd", &other, NULL), 1);
	work_unlock(&bare->engine, "layer-abd", other);
	work_unlock(&bare->engine, "layer-abc", fd);
	assert_false(bare_has(bare, "tmp/lock-layer-abc"));
	assert_int_equal(work_lock(&bare->engine, "../x", NULL, &error), SCOW_E_INVALID);
	scow_error_unref(error);
}

static void test_work_lock_canceled(void **state)
{
	struct bare *bare = *state;
	scow_cancel *cancel;
	scow_error *error = NULL;
	int fd = work_lock(&bare->engine, "x", NULL, NULL);

	assert_ok(scow_cancel_new(&cancel, NULL));
	scow_cancel_trigger(cancel);
	assert_int_equal(work_lock(&bare->engine, "x", cancel, &error), SCOW_E_CANCELED);
	scow_error_unref(error);
	scow_cancel_unref(cancel);
	work_unlock(&bare->engine, "x", fd);
}

struct contest {
	struct bare *bare;
	int inside, most, turns;
};

static void *compete(void *data)
{
	struct contest *contest = data;

	for (int i = 0; i < 20; i++) {
		int fd = work_lock(&contest->bare->engine, "contest", NULL, NULL), now;

		if (fd < 0)
			return data;
		now = __atomic_add_fetch(&contest->inside, 1, __ATOMIC_SEQ_CST);
		if (now > contest->most)
			contest->most = now;
		contest->turns++;
		__atomic_sub_fetch(&contest->inside, 1, __ATOMIC_SEQ_CST);
		work_unlock(&contest->bare->engine, "contest", fd);
	}
	return NULL;
}

/* The file goes with each holder: a waiter must not take a lock on a file that has no name any more. */
static void test_work_lock_excludes(void **state)
{
	struct contest contest = { .bare = *state };
	pthread_t threads[8];

	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, compete, &contest), 0);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
		void *result;

		pthread_join(threads[i], &result);
		assert_null(result);
	}
	assert_int_equal(contest.most, 1);
	assert_int_equal(contest.turns, 160);
}

struct sweeping {
	int tmp_fd;
	atomic_bool over;
};

/* Removes every directory in ROOT/tmp that nobody holds, as a sweep does. */
static void *sweep(void *data)
{
	struct sweeping *sweeping = data;
	const int tmp_fd = sweeping->tmp_fd;

	while (!atomic_load(&sweeping->over)) {
		_cleanup_dir_ DIR *dir = fdopendir(openat(tmp_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
		struct dirent *entry;

		while (dir && (entry = readdir(dir))) {
			_cleanup_fd_ int fd = entry->d_name[0] == '.' ? -1 : dir_open_at(tmp_fd, entry->d_name);

			if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
				unlinkat(tmp_fd, entry->d_name, AT_REMOVEDIR);
		}
	}
	return NULL;
}

static void test_work_directory(void **state)
{
	struct bare *bare = *state;
	struct sweeping sweeping = { .tmp_fd = bare->engine.tmp_fd };
	char name[WORK_DIRECTORY_NAME];
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, sweep, &sweeping), 0);
	for (int i = 0; i < 300; i++) {
		_cleanup_fd_ int fd = -1;

		assert_ok(work_directory_make(&bare->engine, "race-", name, &fd, NULL));
		assert_int_equal(mkdirat(fd, "in", 0700), 0);
		assert_int_equal(unlinkat(fd, "in", AT_REMOVEDIR), 0);
		assert_true(lock_is_named(bare->engine.tmp_fd, name, fd));
	}
	atomic_store(&sweeping.over, true);
	pthread_join(thread, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_owner, setup, teardown),
		cmocka_unit_test_setup_teardown(test_owner_dies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_work_lock, setup, teardown),
		cmocka_unit_test_setup_teardown(test_work_lock_canceled, setup, teardown),
		cmocka_unit_test_setup_teardown(test_work_lock_excludes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_work_directory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
