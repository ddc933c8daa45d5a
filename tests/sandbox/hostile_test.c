/* The spawner against a daemon that lies, and against deaths: raw messages on its sockets, SIGKILL
 * of any of its processes, a daemon that is suddenly gone, neighbours. After each nothing is left.
 */
#include "help.h"
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { MAX = 8 };

/* A spawner without the daemon's code: its sockets in our hands, and one good sandbox, id 0. */
struct raw {
    struct host h;
    int control_fd, request_fd, init_fd;
};

static void
send_raw(int fd, const void *at, size_t size, const int *fds, size_t fds_len)
{
    struct err err = {0};
    int rc = proto_send(fd, at, size, fds, fds_len, &err);

    if (rc < 0 && err.kind != ERR_UNAVAILABLE) /* it may have hung up already: just what we want */
        fail_msg("%s", err.text);
}

/* 1, or 0 at the end of file. */
static int
receive(int fd, void *at, size_t size, int *fds, size_t *fds_len)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    struct err err = {0};
    int rc;

    if (poll(&p, 1, 20000) != 1)
        fail_msg("nothing came in 20 s");
    rc = proto_receive(fd, at, size, fds, PROTO_FDS_MAX, fds_len, &err);
    if (rc < 0 && err.kind != ERR_UNAVAILABLE)
        fail_msg("%s", err.text);
    return rc > 0;
}

static int
receive_control(struct raw *r, uint32_t *ret_type)
{
    struct supervisor_reply reply;
    int fds[PROTO_FDS_MAX];
    size_t fds_len = 0;

    if (!receive(r->control_fd, &reply, sizeof(reply), fds, &fds_len))
        return 0;
    *ret_type = reply.type;
    if (fds_len) {
        if (r->request_fd >= 0)
            close(r->request_fd);
        r->request_fd = fds[0];
    }
    return 1;
}

static uint32_t
receive_reply(struct raw *r, struct spawner_reply *reply)
{
    int fds[PROTO_FDS_MAX];
    size_t fds_len = 0;

    assert_true(receive(r->request_fd, reply, sizeof(*reply), fds, &fds_len));
    proto_close_fds(fds, fds_len);
    return reply->type;
}

static struct spawner_request
create(uint32_t id)
{
    return (struct spawner_request){.type = SPAWNER_CREATE, .id = id, .spec = spec_default()};
}

/* Returns our end of the init socket. */
static int
send_create(struct raw *r, const struct spawner_request *rq)
{
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    send_raw(r->request_fd, rq, sizeof(*rq), &pair[1], 1);
    close(pair[1]);
    return pair[0];
}

static void
raw_open(struct raw *r)
{
    struct spawner_request rq = create(0);
    struct spawner_reply reply;
    struct init_reply ready;
    int fds[PROTO_FDS_MAX];
    size_t fds_len = 0;
    uint32_t type;

    *r = (struct raw){.request_fd = -1};
    host_launch(&r->h, MAX, &r->control_fd);
    assert_true(receive_control(r, &type));
    assert_int_equal(type, SUPERVISOR_WORKER);
    assert_int_equal(receive_reply(r, &reply), WORKER_READY);
    assert_int_equal(reply.sandboxes_max, MAX);
    r->init_fd = send_create(r, &rq);
    assert_int_equal(receive_reply(r, &reply), WORKER_CREATED);
    assert_true(receive(r->init_fd, &ready, sizeof(ready), fds, &fds_len));
    assert_int_equal(ready.type, FROM_INIT_READY);
    assert_int_equal(fds_len, 1);
    close(fds[0]);
    r->h.slot = slot_of(r->h.pid);
    assert_true(r->h.slot >= 0);
}

static void
raw_close(struct raw *r)
{
    int status;

    close(r->control_fd);
    if (r->request_fd >= 0)
        close(r->request_fd);
    if (r->init_fd >= 0)
        close(r->init_fd);
    assert_int_equal(waitpid(r->h.pid, &status, 0), r->h.pid);
    nothing_left_soon(&r->h);
    host_remove_dir(&r->h);
}

/* What was just sent must end everything, and the next worker must be there and work. */
static void
ends_it(struct raw *r)
{
    struct spawner_request rq = create(0);
    struct spawner_reply reply;
    struct init_reply init;
    int fds[PROTO_FDS_MAX];
    size_t fds_len = 0;
    uint32_t type;

    while (receive(r->init_fd, &init, sizeof(init), fds, &fds_len))
        proto_close_fds(fds, fds_len);
    close(r->init_fd);
    assert_true(receive_control(r, &type));
    assert_int_equal(type, SUPERVISOR_LOST);
    assert_true(receive_control(r, &type));
    assert_int_equal(type, SUPERVISOR_WORKER);
    assert_int_equal(receive_reply(r, &reply), WORKER_READY);
    r->init_fd = send_create(r, &rq);
    assert_int_equal(receive_reply(r, &reply), WORKER_CREATED);
}

static void
send_request(struct raw *r, const struct spawner_request *rq, size_t fds_len)
{
    int fds[PROTO_FDS_MAX], pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    for (size_t i = 0; i < PROTO_FDS_MAX; i++)
        fds[i] = pair[0];
    send_raw(r->request_fd, rq, sizeof(*rq), fds, fds_len);
    close(pair[0]);
    close(pair[1]);
}

/* A sandbox without code, ready to be assigned; its id is free. Returns our end of its init's
 * socket. */
static int
create_generic(struct raw *r, uint32_t id, bool wait_until_built)
{
    struct spawner_request rq = create(id);
    struct spawner_reply reply;
    struct init_reply ready;
    int fds[PROTO_FDS_MAX], init_fd;
    size_t fds_len = 0;

    memset(rq.spec.package, 0, sizeof(rq.spec.package));
    init_fd = send_create(r, &rq);
    if (!wait_until_built)
        return init_fd;
    assert_int_equal(receive_reply(r, &reply), WORKER_CREATED);
    assert_true(receive(init_fd, &ready, sizeof(ready), fds, &fds_len));
    assert_int_equal(ready.type, FROM_INIT_READY);
    proto_close_fds(fds, fds_len);
    return init_fd;
}

static struct spawner_request
assign(uint32_t id)
{
    struct spawner_request rq = create(id);

    rq.type = SPAWNER_ASSIGN;
    return rq;
}

static void
an_assigned_sandbox_is_never_assigned_again(void **state)
{
    struct spawner_request again = assign(1), with_code = assign(0), nothing = assign(1),
                           bad = assign(1);
    struct spawner_reply reply;
    struct raw r;
    int init_fd;

    raw_open(&r);
    send_request(&r, &with_code, 0); /* sandbox 0 was made with its code */
    ends_it(&r);

    init_fd = create_generic(&r, 1, true);
    send_request(&r, &again, 0);
    assert_int_equal(receive_reply(&r, &reply), WORKER_ASSIGNED);
    assert_int_equal(reply.err.kind, ERR_NONE);
    send_request(&r, &again, 0);
    ends_it(&r);
    close(init_fd);

    init_fd = create_generic(&r, 1, true);
    memset(nothing.spec.package, 0, sizeof(nothing.spec.package));
    send_request(&r, &nothing, 0); /* to have it generic for ever */
    ends_it(&r);
    close(init_fd);

    init_fd = create_generic(&r, 1, true);
    memset(bad.spec.package, 'f', SHA256_HEX_LEN); /* fails, and was still the one time */
    send_request(&r, &bad, 0);
    assert_int_equal(receive_reply(&r, &reply), WORKER_ASSIGNED);
    assert_int_equal(reply.err.kind, ERR_NOT_FOUND);
    send_request(&r, &again, 0);
    ends_it(&r);
    close(init_fd);
    raw_close(&r);
}

/* Init is then still in the worker's mount namespace, or in the template that every later sandbox
 * copies. */
static void
assigning_before_it_is_built_reaches_no_other_sandbox(void **state)
{
    unsigned early = 0;
    struct raw r;

    raw_open(&r);
    for (unsigned i = 0; i < 200; i++) {
        struct spawner_request now = assign(1), destroy = {.type = SPAWNER_DESTROY, .id = 1},
                               release = {.type = SPAWNER_RELEASE, .id = 1};
        struct spawner_reply reply;
        int init_fd = create_generic(&r, 1, false);

        send_request(&r, &now, 0);
        assert_int_equal(receive_reply(&r, &reply), WORKER_CREATED);
        assert_int_equal(receive_reply(&r, &reply), WORKER_ASSIGNED);
        if (reply.err.kind != ERR_NONE) {
            assert_string_equal(reply.err.text, "the sandbox is not built yet");
            early++;
        }
        send_request(&r, &destroy, 0);
        assert_int_equal(receive_reply(&r, &reply), WORKER_GONE);
        send_request(&r, &release, 0);
        close(init_fd);
    }
    assert_true(early > 0); /* the race was run */
    raw_close(&r);
}

static void
records_of_the_wrong_size_end_it(void **state)
{
    struct spawner_request rq = {.type = SPAWNER_DESTROY};
    char room[sizeof(rq) + 1] = {0};
    struct raw r;

    raw_open(&r);
    memcpy(room, &rq, sizeof(rq));
    send_raw(r.request_fd, room, sizeof(rq) - 1, NULL, 0);
    ends_it(&r);
    send_raw(r.request_fd, room, sizeof(rq) + 1, NULL, 0);
    ends_it(&r);
    send_raw(r.request_fd, room, 1, NULL, 0);
    ends_it(&r);
    raw_close(&r);
}

static void
requests_that_are_not_in_the_table_end_it(void **state)
{
    static const struct {
        struct spawner_request rq;
        size_t fds_len;
    } wrong[] = {
        {{.type = 0}, 0},
        {{.type = SPAWNER_REQUESTS_END}, 0},
        {{.type = UINT32_MAX}, 0},
        {{.type = SPAWNER_DESTROY, .id = MAX}, 0},
        {{.type = SPAWNER_DESTROY, .id = UINT32_MAX}, 0},
        {{.type = SPAWNER_DESTROY, .id = 1}, 0}, /* EMPTY */
        {{.type = SPAWNER_RELEASE, .id = 1}, 0}, /* EMPTY */
        {{.type = SPAWNER_RELEASE, .id = 0}, 0}, /* LIVE */
        {{.type = SPAWNER_DESTROY, .id = 0}, 1}, /* with a descriptor */
        {{.type = SPAWNER_DESTROY, .id = 0, .spec = {.memory_mb = 1}}, 0},
        {{.type = SPAWNER_ASSIGN, .id = 1}, 0}, /* EMPTY */
    };
    struct raw r;

    raw_open(&r);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        send_request(&r, &wrong[i].rq, wrong[i].fds_len);
        ends_it(&r);
    }
    raw_close(&r);
}

static void
creations_with_wrong_descriptors_or_ids_end_it(void **state)
{
    struct spawner_request rq = create(1);
    struct raw r;

    raw_open(&r);
    send_request(&r, &rq, 0);
    ends_it(&r);
    send_request(&r, &rq, 2);
    ends_it(&r);
    send_request(&r, &rq, PROTO_FDS_MAX);
    ends_it(&r);
    rq.id = 0; /* LIVE */
    send_request(&r, &rq, 1);
    ends_it(&r);
    raw_close(&r);
}

static void
specifications_out_of_bounds_end_it(void **state)
{
    struct raw r;

    raw_open(&r);
    for (int i = 0; i < 15; i++) {
        struct spawner_request rq = create(1);

        switch (i) {
        case 0:
            snprintf(rq.spec.package, sizeof(rq.spec.package), "../../../../../../etc");
            break;
        case 1:
            memset(rq.spec.package, 'a', sizeof(rq.spec.package));
            break; /* no NUL */
        case 2:
            rq.spec.package[SHA256_HEX_LEN - 1] = '\0';
            break;
        case 3:
            rq.spec.package[5] = 'A';
            break;
        case 4:
            rq.spec.package[5] = '/';
            break;
        case 5:
            memcpy(rq.spec.runtime, "..", 3);
            break;
        case 6:
            memcpy(rq.spec.runtime, "a/b", 4);
            break;
        case 7:
            memset(rq.spec.runtime, 'a', sizeof(rq.spec.runtime));
            break;
        case 8:
            rq.spec.layers_len = SANDBOX_LAYERS_MAX + 1;
            break;
        case 9:
            rq.spec.layers_len = 1;
            break; /* whose name is empty */
        case 10:
            rq.spec.memory_mb = 0;
            break;
        case 11:
            rq.spec.memory_mb = UINT32_MAX;
            break;
        case 12:
            rq.spec.tmp_mb = 0;
            break;
        case 13:
            rq.spec.pids_max = UINT32_MAX;
            break;
        case 14:
            rq.spec.cpu_permille = UINT32_MAX;
            break;
        }
        send_request(&r, &rq, 1);
        ends_it(&r);
    }
    raw_close(&r);
}

static void
a_package_that_is_a_link_or_a_file_is_refused(void **state)
{
    struct spawner_request rq = create(1);
    struct spawner_reply reply;
    char path[300];
    struct raw r;
    int fd;

    raw_open(&r);
    rq.spec.package[0] = 'b';
    snprintf(path, sizeof(path), "%s/packages/%s", r.h.dir, rq.spec.package);
    assert_int_equal(symlink("/etc", path), 0);
    close(send_create(&r, &rq));
    assert_int_equal(receive_reply(&r, &reply), WORKER_FAILED);
    assert_int_equal(reply.err.sys, ENOTDIR); /* not followed, so not a folder */
    send_request(&r, &(struct spawner_request){.type = SPAWNER_RELEASE, .id = 1}, 0);
    rq.spec.package[0] = 'c';
    snprintf(path, sizeof(path), "%s/packages/%s", r.h.dir, rq.spec.package);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    close(fd);
    close(send_create(&r, &rq));
    assert_int_equal(receive_reply(&r, &reply), WORKER_FAILED);
    assert_int_equal(reply.err.sys, ENOTDIR);
    raw_close(&r);
}

static void
a_daemon_that_never_reads_is_given_up(void **state)
{
    struct spawner_request rq = create(1), release = {.type = SPAWNER_RELEASE, .id = 1};
    struct raw r;
    uint32_t type;

    raw_open(&r);
    rq.spec.package[0] = 'f'; /* not there: FAILED */
    assert_int_equal(fcntl(r.request_fd, F_SETFL, O_NONBLOCK), 0);
    for (int i = 0; i < 10000; i++) {
        struct pollfd p[2] = {{.fd = r.request_fd, .events = POLLOUT},
                              {.fd = r.control_fd, .events = POLLIN}};

        if (poll(p, 2, 20000) <= 0 || p[1].revents)
            break;
        if (p[0].revents & POLLOUT) {
            send_request(&r, &rq, 1);
            send_request(&r, &release, 0);
        }
    }
    assert_true(receive_control(&r, &type));
    assert_int_equal(type, SUPERVISOR_LOST);
    raw_close(&r);
}

static void
nonsense_said_to_init_ends_its_sandbox_alone(void **state)
{
    struct init_request rq = {.type = INIT_START, .argc = 1, .blob_len = 1 << 20};
    struct spawner_reply reply;
    struct raw r;

    raw_open(&r);
    send_raw(r.init_fd, &rq, sizeof(rq), NULL, 0);
    assert_int_equal(receive_reply(&r, &reply), WORKER_GONE);
    assert_int_equal(reply.id, 0);
    raw_close(&r);
}

static void
when_the_daemon_is_gone_everything_goes(void **state)
{
    struct raw r;

    raw_open(&r);
    raw_close(&r); /* with a sandbox that lives */
}

static void
when_the_supervisor_is_killed_everything_goes(void **state)
{
    struct raw r;

    raw_open(&r);
    kill(r.h.pid, SIGKILL);
    nothing_left_soon(&r.h); /* while the daemon still holds its sockets */
    raw_close(&r);
}

static void
when_the_supervisor_is_killed_the_daemon_hears_of_it(void **state)
{
    struct sandbox_spec spec = spec_default();
    struct host h;
    struct box b;

    host_open(&h, MAX);
    (void)host_slot(&h);
    box_new(&h, &b, &spec);
    wait_count(&h, &b.readies, 1);
    kill(h.pid, SIGKILL);
    wait_count(&h, &h.losts, 1);
    assert_true(h.fatal);
    assert_int_equal(b.gones, 1);
    box_free(&b);
    nothing_left_soon(&h);
    host_close(&h);
}

static void
what_was_left_by_a_double_death_the_next_instance_removes(void **state)
{
    struct raw r, next;
    pid_t worker;

    raw_open(&r);
    worker = child_of(r.h.pid);
    kill(r.h.pid, SIGSTOP); /* or it might clean up in between */
    kill(worker, SIGKILL);
    kill(r.h.pid, SIGKILL);
    assert_int_equal(waitpid(r.h.pid, NULL, 0), r.h.pid);
    raw_open(&next);
    if (next.h.slot != r.h.slot) /* else it has taken the place over, and removes it at its end */
        nothing_left_soon(&r.h);
    raw_close(&next);
    close(r.control_fd);
    close(r.request_fd);
    close(r.init_fd);
    nothing_left_soon(&r.h);
    host_remove_dir(&r.h);
}

/* A daemon that hears of one sandbox's end often takes others down for it; those are lost as well,
 * a moment later, and must not be asked for when the next worker is there. */
static void
ends_that_take_others_along_survive_a_lost_worker(void **state)
{
    struct sandbox_spec spec = spec_default();
    struct box boxes[4];
    struct host h;

    host_open(&h, MAX);
    (void)host_slot(&h);
    for (size_t i = 0; i < ARRAY_LEN(boxes); i++) {
        box_new(&h, &boxes[i], &spec);
        wait_count(&h, &boxes[i].readies, 1);
    }
    for (size_t i = 0; i < ARRAY_LEN(boxes); i++)
        boxes[i].takes_along = &boxes[(i + 1) % ARRAY_LEN(boxes)];
    kill(child_of(h.pid), SIGKILL);
    wait_count(&h, &h.losts, 1);
    wait_count(&h, &h.readies, 2);
    for (size_t i = 0; i < ARRAY_LEN(boxes); i++) {
        assert_int_equal(boxes[i].gones, 1);
        box_free(&boxes[i]);
    }
    box_new(&h, &boxes[0], &spec); /* the queue of requests holds nothing of theirs */
    wait_count(&h, &boxes[0].readies, 1);
    box_free(&boxes[0]);
    host_close(&h);
    nothing_left_soon(&h);
}

static void
a_worker_that_dies_all_the_time_is_given_up(void **state)
{
    struct host h;

    host_open(&h, MAX);
    (void)host_slot(&h);
    while (!h.fatal) {
        int losts = h.losts, readies = h.readies;

        kill(child_of(h.pid), SIGKILL);
        wait_count(&h, &h.losts, losts + 1);
        assert_true(h.losts <= 20); /* the last one is fatal */
        if (!h.fatal)
            wait_count(&h, &h.readies, readies + 1);
    }
    assert_non_null(strstr(spawner_why(h.sp)->text, "died 20 times"));
    host_close(&h);
    nothing_left_soon(&h);
}

static void
two_instances_live_side_by_side(void **state)
{
    struct sandbox_spec spec = spec_default();
    struct host one, two;
    struct box a, b;

    host_open(&one, MAX);
    host_open(&two, MAX);
    assert_int_not_equal(host_slot(&one), host_slot(&two));
    box_new(&one, &a, &spec);
    box_new(&two, &b, &spec);
    box_run(&a, "/var/task/probe", "exit", "1", NULL);
    kill(child_of(one.pid), SIGKILL); /* of no concern to the other */
    box_run(&b, "/var/task/probe", "exit", "2", NULL);
    ASSERT_EXIT(&b, 2);
    wait_count(&one, &a.gones, 1);
    box_free(&a);
    box_free(&b);
    host_close(&one);
    box_new(&two, &b, &spec);
    box_run(&b, "/var/task/probe", "exit", "3", NULL);
    ASSERT_EXIT(&b, 3);
    box_free(&b);
    host_close(&two);
    nothing_left_soon(&one);
    nothing_left_soon(&two);
}

static void
one_more_than_the_maximum_is_throttled(void **state)
{
    struct sandbox_spec spec = spec_default();
    static const struct sandbox_events none = {NULL, NULL, NULL};
    struct host h;
    struct box b[MAX];
    struct sandbox *sb;
    struct sandbox_events events = none;
    struct err err = {0};

    events.on_gone = (void (*)(void *, const struct err *))abort;
    host_open(&h, MAX);
    for (int i = 0; i < MAX; i++)
        box_new(&h, &b[i], &spec);
    assert_int_equal(sandbox_new(h.sp, &spec, &events, NULL, &sb, &err) < 0 ? (int)err.kind : 0,
                     ERR_THROTTLED);
    for (int i = 0; i < MAX; i++)
        box_free(&b[i]);
    host_close(&h);
}

static void
too_few_open_files_throttle_before_a_descriptor_is_lost(void **state)
{
    static const struct sandbox_events events = {NULL, NULL,
                                                 (void (*)(void *, const struct err *))abort};
    struct sandbox_spec spec = spec_default();
    struct host h;
    struct box b[2];
    struct sandbox *sb;
    struct err err = {0};

    /* For good, as far as we may not raise it again: this is the last test. */
    assert_int_equal(prlimit(0, RLIMIT_NOFILE, &(struct rlimit){280, 280}, NULL), 0);
    host_open(&h, MAX);
    box_new(&h, &b[0], &spec);
    box_new(&h, &b[1], &spec);
    assert_int_equal(sandbox_new(h.sp, &spec, &events, NULL, &sb, &err) < 0 ? (int)err.kind : 0,
                     ERR_THROTTLED);
    assert_non_null(strstr(err.text, "open files allows 2 sandboxes"));
    box_free(&b[0]);
    box_free(&b[1]);
    host_close(&h);
}

/* A bare chroot: its / is no mount point, there is no /proc, no /sys, no /run. Runs in a child, in
 * a mount namespace of its own. */
enum { IN_ONE = 77 };

static int
in_a_chroot(void *arg)
{
    static const char *const folders[] = {"usr", "etc", "tmp", "dev", "build"};
    static const char *const links[] = {"bin", "sbin", "lib", "lib64"};
    struct sandbox_spec spec = spec_default();
    const char *dir = arg;
    char path[300], to[300];
    struct host h;
    struct box b;

    if (unshare(CLONE_NEWNS) < 0)
        return 10;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return errno == EINVAL ? IN_ONE : 10; /* / is no mount point */
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, folders[i]);
        if (mkdir(path, 0755) < 0)
            return 11;
    }
    snprintf(path, sizeof(path), "%s/usr", dir);
    if (mount("/usr", path, NULL, MS_BIND, NULL) < 0)
        return 12;
    snprintf(path, sizeof(path), "%s/etc/hostname", dir);
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    for (size_t i = 0; i < ARRAY_LEN(links); i++) {
        struct stat st;

        snprintf(path, sizeof(path), "%s/%s", dir, links[i]);
        snprintf(to, sizeof(to), "/%s", links[i]);
        if (lstat(to, &st) == 0 && S_ISLNK(st.st_mode)) {
            snprintf(to, sizeof(to), "usr/%s", links[i]);
            if (symlink(to, path) < 0)
                return 13;
        } else if (mkdir(path, 0755) < 0 || mount(to, path, NULL, MS_BIND, NULL) < 0) {
            return 14;
        }
    }
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "LAMBENT_PROBE" : "LAMBENT_SPAWNER";
        char command[700];

        snprintf(path, sizeof(path), "%s/build/%s", dir, name);
        snprintf(command, sizeof(command), "cp '%s' '%s'", getenv(name), path);
        if (system(command) != 0)
            return 15;
        snprintf(path, sizeof(path), "/build/%s", name);
        setenv(name, path, 1);
    }
    if (chroot(dir) < 0 || chdir("/") < 0)
        return 16;
    host_open(&h, MAX);
    box_new(&h, &b, &spec);
    box_run(&b, "/bin/sh", "-c", "echo hi; cat /proc/self/mounts", NULL);
    if (!b.how.exited || b.how.code != 0 || strncmp(box_out(&b), "hi\n", 3) != 0)
        return 17;
    if (strstr(box_out(&b), dir))
        return 18;
    box_free(&b);
    host_close(&h);
    return 0;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static void
it_works_in_a_bare_chroot(void **state)
{
    char dir[] = "/tmp/lambent-chroot-XXXXXX";
    int status;
    pid_t pid;

    assert_non_null(mkdtemp(dir));
    pid = fork();
    if (pid == 0)
        _exit(in_a_chroot(dir));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT); /* never into a bind */
    assert_int_equal(access(dir, F_OK), -1);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == IN_ONE) {
        print_message("skipped: this is a bare chroot, so every other test was this one\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_of_the_wrong_size_end_it),
        cmocka_unit_test(requests_that_are_not_in_the_table_end_it),
        cmocka_unit_test(creations_with_wrong_descriptors_or_ids_end_it),
        cmocka_unit_test(specifications_out_of_bounds_end_it),
        cmocka_unit_test(a_package_that_is_a_link_or_a_file_is_refused),
        cmocka_unit_test(a_daemon_that_never_reads_is_given_up),
        cmocka_unit_test(nonsense_said_to_init_ends_its_sandbox_alone),
        cmocka_unit_test(when_the_daemon_is_gone_everything_goes),
        cmocka_unit_test(when_the_supervisor_is_killed_everything_goes),
        cmocka_unit_test(when_the_supervisor_is_killed_the_daemon_hears_of_it),
        cmocka_unit_test(what_was_left_by_a_double_death_the_next_instance_removes),
        cmocka_unit_test(an_assigned_sandbox_is_never_assigned_again),
        cmocka_unit_test(assigning_before_it_is_built_reaches_no_other_sandbox),
        cmocka_unit_test(a_worker_that_dies_all_the_time_is_given_up),
        cmocka_unit_test(ends_that_take_others_along_survive_a_lost_worker),
        cmocka_unit_test(two_instances_live_side_by_side),
        cmocka_unit_test(one_more_than_the_maximum_is_throttled),
        cmocka_unit_test(it_works_in_a_bare_chroot),
        cmocka_unit_test(too_few_open_files_throttle_before_a_descriptor_is_lost),
    };

    if (geteuid() != 0) {
        fprintf(stderr, "skipped: needs root (namespaces, control groups, other uids)\n");
        return 77;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
