/* Messages between our processes, and the bounds of a specification. No rights needed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "sandbox/proto.h"

struct message {
    uint32_t a, b;
};

static int pair[2];

static int
setup(void **state)
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair);
}

static int
teardown(void **state)
{
    close(pair[0]);
    close(pair[1]);
    return 0;
}

static int
open_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;

    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static int
receive(struct message *m, int *fds, size_t fds_max, size_t *fds_len, struct err *err)
{
    *err = (struct err){0};
    return proto_receive(pair[1], m, sizeof(*m), fds, fds_max, fds_len, err);
}

static void
a_message_arrives_with_its_descriptors_close_on_exec(void **state)
{
    struct message out = {1, 2}, in = {0};
    int fds[PROTO_FDS_MAX];
    size_t fds_len = 0;
    struct err err = {0};

    assert_int_equal(receive(&in, fds, 0, &fds_len, &err), 0); /* nothing there */
    assert_int_equal(proto_send(pair[0], &out, sizeof(out), pair, 2, &err), 1);
    assert_int_equal(receive(&in, fds, PROTO_FDS_MAX, &fds_len, &err), 1);
    assert_memory_equal(&in, &out, sizeof(in));
    assert_int_equal(fds_len, 2);
    assert_int_equal(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
    proto_close_fds(fds, fds_len);
}

static void
another_size_is_refused_and_nothing_leaks(void **state)
{
    struct message in = {0};
    char room[64] = {0};
    int fds[PROTO_FDS_MAX], before = open_fds();
    size_t fds_len = 0;
    struct err err = {0};
    static const size_t sizes[] = {1, sizeof(in) - 1, sizeof(in) + 1, sizeof(room)};

    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        assert_int_equal(proto_send(pair[0], room, sizes[i], pair, 2, &err), 1);
        assert_int_equal(receive(&in, fds, PROTO_FDS_MAX, &fds_len, &err), -ERR_INVALID);
    }
    assert_int_equal(open_fds(), before);
}

static void
more_descriptors_than_wanted_are_refused_and_closed(void **state)
{
    struct message out = {1, 2}, in;
    int fds[PROTO_FDS_MAX], many[PROTO_FDS_MAX], before = open_fds();
    size_t fds_len = 0;
    struct err err = {0};

    for (size_t i = 0; i < PROTO_FDS_MAX; i++)
        many[i] = pair[0];
    assert_int_equal(proto_send(pair[0], &out, sizeof(out), many, PROTO_FDS_MAX, &err), 1);
    assert_int_equal(receive(&in, fds, 1, &fds_len, &err), -ERR_INVALID);
    assert_int_equal(open_fds(), before);
}

static void
more_descriptors_than_there_is_room_for_are_refused(void **state)
{
    enum { MANY = 30 };
    struct message out = {1, 2}, in;
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int) * MANY)];
    } control = {0};
    struct iovec iov = {&out, sizeof(out)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.room,
                         .msg_controllen = sizeof(control.room)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    int fds[PROTO_FDS_MAX], before = open_fds();
    size_t fds_len = 0;
    struct err err = {0};

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * MANY);
    for (size_t i = 0; i < MANY; i++)
        memcpy(CMSG_DATA(c) + i * sizeof(int), &pair[0], sizeof(int));
    assert_int_equal(sendmsg(pair[0], &msg, 0), sizeof(out));
    assert_int_equal(receive(&in, fds, PROTO_FDS_MAX, &fds_len, &err), -ERR_INVALID);
    assert_int_equal(open_fds(), before);
}

static void
the_end_is_told_apart_on_both_sides(void **state)
{
    struct message m = {1, 2};
    int fds[1];
    size_t fds_len = 0;
    struct err err = {0};

    close(pair[0]);
    assert_int_equal(receive(&m, fds, 1, &fds_len, &err), -ERR_UNAVAILABLE);
    err_clear(&err);
    assert_int_equal(proto_send(pair[1], &m, sizeof(m), NULL, 0, &err), -ERR_UNAVAILABLE);
    pair[0] = dup(pair[1]); /* for the teardown */
}

static void
a_full_socket_is_no_error(void **state)
{
    struct message m = {1, 2};
    struct err err = {0};
    int rc = 1, n = 0;

    while (n < 100000 && (rc = proto_send(pair[0], &m, sizeof(m), NULL, 0, &err)) == 1)
        n++;
    assert_int_equal(rc, 0);
    assert_int_equal(err.kind, ERR_NONE);
}

static struct sandbox_spec
good(void)
{
    struct sandbox_spec spec = {
        .memory_mb = 128, .tmp_mb = 512, .pids_max = 1024, .cpu_permille = 72, .layers_len = 1};

    memset(spec.package, 'a', SHA256_HEX_LEN);
    memset(spec.layers[0], '0', SHA256_HEX_LEN);
    memcpy(spec.runtime, "python", 7);
    return spec;
}

static void
specifications_are_checked(void **state)
{
    static const struct {
        size_t at, size;
        const char *bytes, *text;
    } wrong[] = {
        {offsetof(struct sandbox_spec, memory_mb), 4, "\0\0\0\0",
         "memory_mb is 0, must be 16 to 10240"},
        {offsetof(struct sandbox_spec, tmp_mb), 4, "\0\0\0\0", "tmp_mb is 0, must be 1 to 10240"},
        {offsetof(struct sandbox_spec, pids_max), 4, "\1\0\0\0",
         "pids_max is 1, must be 2 to 4096"},
        {offsetof(struct sandbox_spec, layers_len), 4, "\6\0\0\0",
         "layers_len is 6, must be 0 to 5"},
        {offsetof(struct sandbox_spec, package), 1, "A", "the package's name is not a SHA-256"},
        {offsetof(struct sandbox_spec, package), 1, "/", "the package's name is not a SHA-256"},
        {offsetof(struct sandbox_spec, package) + 63, 1, "\0",
         "the package's name is not a SHA-256"},
        {offsetof(struct sandbox_spec, package) + 64, 1, "a",
         "the package's name is not a SHA-256"},
        {offsetof(struct sandbox_spec, layers), 1, ".", "the name of layer 0 is not a SHA-256"},
        {offsetof(struct sandbox_spec, runtime), 3, "..",
         "the runtime folder's name has other characters than a-z0-9._-"},
        {offsetof(struct sandbox_spec, runtime), 4, "a/b",
         "the runtime folder's name has other characters than a-z0-9._-"},
        {offsetof(struct sandbox_spec, runtime), 32, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "the runtime folder's name has other characters than a-z0-9._-"},
    };
    struct sandbox_spec spec = good();
    struct err err = {0};

    assert_int_equal(sandbox_spec_check(&spec, &err), 0);
    spec.runtime[0] = '\0';
    assert_int_equal(sandbox_spec_check(&spec, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        spec = good();
        err_clear(&err);
        memcpy((char *)&spec + wrong[i].at, wrong[i].bytes, wrong[i].size);
        assert_int_equal(sandbox_spec_check(&spec, &err), -ERR_INVALID);
        assert_string_equal(err.text, wrong[i].text);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_message_arrives_with_its_descriptors_close_on_exec, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(another_size_is_refused_and_nothing_leaks, setup, teardown),
        cmocka_unit_test_setup_teardown(more_descriptors_than_wanted_are_refused_and_closed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(more_descriptors_than_there_is_room_for_are_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_end_is_told_apart_on_both_sides, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_socket_is_no_error, setup, teardown),
        cmocka_unit_test(specifications_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
