/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/daemon.h"

struct bed {
    char top[64];
    char *dir;
};

static int set_up(void **state)
{
    struct bed *b = mem_zero(sizeof *b);

    snprintf(b->top, sizeof b->top, "/tmp/chfleet-daemon.XXXXXX");
    assert_non_null(mkdtemp(b->top));
    b->dir = mem_printf("%s/a/data", b->top);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct bed *b = *state;
    auto_free char *command = mem_printf("rm -rf '%s'", b->top);
    int rc = system(command);

    while (waitpid(-1, NULL, WNOHANG) > 0)
        continue;
    free(b->dir);
    free(b);
    return rc;
}

static void write_file(const char *dir, const char *below, const char *text)
{
    auto_free char *path = daemon_path(dir, below);
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void a_new_folder_is_marked_and_private(void **state)
{
    struct bed *b = *state;
    struct err err = ERR_INIT;
    struct stat st;

    assert_int_equal(daemon_check_dir(b->dir, &err), -1);
    assert_int_equal(err.kind, ERR_MISSING);
    assert_int_equal(daemon_prepare_dir(b->dir, &err), 0);
    assert_int_equal(daemon_prepare_dir(b->dir, &err), 0);
    assert_int_equal(daemon_check_dir(b->dir, &err), 0);
    assert_int_equal(stat(b->dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

static void a_folder_of_somebody_else_is_not_touched(void **state)
{
    struct bed *b = *state;
    struct err err = ERR_INIT;
    auto_free char *run = daemon_path(b->top, "run");

    write_file(b->top, "letters.txt", "dear");
    assert_int_equal(daemon_prepare_dir(b->top, &err), -1);
    assert_int_equal(err.kind, ERR_INPUT);
    assert_non_null(strstr(err.msg, "not a folder of chfleet up"));
    assert_int_equal(access(run, F_OK), -1);
}

static void a_newer_layout_is_refused(void **state)
{
    struct bed *b = *state;
    struct err err = ERR_INIT;

    assert_int_equal(daemon_prepare_dir(b->dir, &err), 0);
    write_file(b->dir, DAEMON_MARKER, "chfleet data version 7\n");
    assert_int_equal(daemon_prepare_dir(b->dir, &err), -1);
    assert_non_null(strstr(err.msg, "newer chfleet"));
    write_file(b->dir, DAEMON_MARKER, "??");
    assert_int_equal(daemon_check_dir(b->dir, &err), -1);
    assert_non_null(strstr(err.msg, "damaged"));
}

static pid_t start_sleep(struct bed *b)
{
    const char *argv[] = {"/bin/sleep", "30", NULL};
    struct err err = ERR_INIT;
    pid_t pid;

    assert_int_equal(daemon_prepare_dir(b->dir, &err), 0);
    pid = daemon_start(b->dir, "plane", argv, &err);
    assert_true(pid > 0);
    return pid;
}

static void a_started_process_is_found_and_stopped(void **state)
{
    struct bed *b = *state;
    pid_t pid = start_sleep(b), found = 0;
    int fd = daemon_find(b->dir, "plane", &found);

    assert_true(fd >= 0);
    assert_int_equal(found, pid);
    assert_int_equal(getsid(pid), pid); /* a session of its own */
    assert_false(daemon_wait(fd, 0));
    assert_true(daemon_stop(b->dir, "plane", 2000));
    assert_true(daemon_wait(fd, 2000));
    close(fd);
    waitpid(pid, NULL, 0);
    assert_int_equal(daemon_find(b->dir, "plane", NULL), -1);
    assert_false(daemon_stop(b->dir, "plane", 0));
}

static void a_recycled_pid_is_not_taken_for_ours(void **state)
{
    struct bed *b = *state;
    pid_t pid = start_sleep(b);
    auto_free char *path = daemon_path(b->dir, "run/plane.pid");
    char text[128], boot[64];
    unsigned long long start;
    int number;
    FILE *f = fopen(path, "r");

    assert_non_null(f);
    assert_int_equal(fscanf(f, "%d %llu %63s", &number, &start, boot), 3);
    fclose(f);
    snprintf(text, sizeof text, "%d %llu %s\n", number, start - 1, boot);
    write_file(b->dir, "run/plane.pid", text);
    assert_int_equal(daemon_find(b->dir, "plane", NULL), -1);
    assert_false(daemon_stop(b->dir, "plane", 0));
    assert_int_equal(kill(pid, 0), 0); /* it lives */
    snprintf(text, sizeof text, "%d %llu another-boot\n", number, start);
    write_file(b->dir, "run/plane.pid", text);
    assert_int_equal(daemon_find(b->dir, "plane", NULL), -1);
    write_file(b->dir, "run/plane.pid", "rubbish");
    assert_int_equal(daemon_find(b->dir, "plane", NULL), -1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void a_program_that_cannot_start_is_an_error_at_once(void **state)
{
    struct bed *b = *state;
    const char *argv[] = {"/nowhere/at-all", NULL};
    struct err err = ERR_INIT;

    assert_int_equal(daemon_prepare_dir(b->dir, &err), 0);
    assert_int_equal(daemon_start(b->dir, "plane", argv, &err), -1);
    assert_non_null(strstr(err.msg, "/nowhere/at-all"));
    waitpid(-1, NULL, 0);
}

static void one_lock_one_owner(void **state)
{
    struct bed *b = *state;
    struct err err = ERR_INIT;
    int first = -1, second = -1;

    assert_int_equal(daemon_prepare_dir(b->dir, &err), 0);
    assert_int_equal(daemon_lock(b->dir, "guard", false, &first, &err), 0);
    assert_int_equal(daemon_lock(b->dir, "guard", false, &second, &err), -1);
    assert_int_equal(err.kind, ERR_REFUSED);
    close(first);
    assert_int_equal(daemon_lock(b->dir, "guard", false, &second, &err), 0);
    close(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_folder_is_marked_and_private, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_folder_of_somebody_else_is_not_touched, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_newer_layout_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_started_process_is_found_and_stopped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_recycled_pid_is_not_taken_for_ours, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_program_that_cannot_start_is_an_error_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_lock_one_owner, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
