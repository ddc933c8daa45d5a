/* Real sandboxes, through the daemon's interface. Needs root. */
#include "help.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

static struct host host;

static void
a_program_runs_and_its_output_and_status_come_back(void **state)
{
    struct sandbox_spec spec = spec_default();
    struct box b;

    box_new(&host, &b, &spec);
    box_run(&b, "/bin/sh", "-c", "echo out; echo err >&2; pwd; exit 3", NULL);
    ASSERT_EXIT(&b, 3);
    assert_string_equal(box_out(&b), "out\nerr\n/var/task\n");
    assert_int_equal(b.readies, 1);
    assert_true(b.listener_fd >= 0);
    box_run(&b, "/var/task/probe", "exit", "0", NULL);
    ASSERT_EXIT(&b, 0);
    box_free(&b);
    assert_false(b.failed);
}

static int
group_setup(void **state)
{
    host_open(&host, 1000);
    return 0;
}

static int
group_teardown(void **state)
{
    host_close(&host);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_runs_and_its_output_and_status_come_back),
    };

    if (geteuid() != 0) {
        fprintf(stderr, "skipped: needs root (namespaces, control groups, other uids)\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
