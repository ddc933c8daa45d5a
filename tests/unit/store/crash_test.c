/* What is left after a kill at any moment, and after the disk says no.
 *
 * A child works on a store and tells each acknowledged step through a pipe; the parent kills it,
 * opens the store and compares. Kills come after a random number of acknowledgements and a random
 * fraction of a millisecond, so that they land in the middle of steps. */
#include "help.h"
#include "store/logs.h"
#include "base/log.h"
#include <dirent.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

enum { KILLS = 150, LINE_TIME_STEP_MS = 1000 };

static const struct package_limits limits = {
    .zip_max = 1000000, .unzipped_max = 2000000, .files_max = 1000};

/* Two zips: a small one, and one of a thousand files, so that kills come while it is unpacked. A
 * comment with a number makes each upload a different package. */
struct template
{
    char *at;
    size_t len;
    unsigned files;
};
static struct template templates[2];

static void
template_load(struct template *t, const char *name, unsigned files)
{
    const char *dir = getenv("ZIPS");
    char path[400];
    struct stat sb;
    int fd;

    assert_non_null(dir);
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && fstat(fd, &sb) == 0);
    t->len = (size_t)sb.st_size + 8;
    t->at = xcalloc(1, t->len);
    assert_int_equal(read(fd, t->at, (size_t)sb.st_size), sb.st_size);
    (void)close(fd);
    t->at[t->len - 10] = 8; /* the comment's length */
    t->files = files;
}

static struct str
template_number(const struct template *t, uint64_t n)
{
    memcpy(t->at + t->len - 8, &n, 8);
    return (struct str){t->at, t->len};
}

struct ack {
    uint64_t
        n; /* the step that is done; each makes a function, a package (every third) and a line */
};

static int64_t
line_time(uint64_t n)
{
    return 1700000000000 + (int64_t)n * LINE_TIME_STEP_MS;
}

/* One step. A package comes before the row that names it, as in CreateFunction. */
static int
step(struct store *st, uint64_t n, struct err *err)
{
    struct package_info info = {0};
    struct function_row row = {
        .account = ACCOUNT, .region = REGION, .doc = STR("{\"CodeSize\":1}")};
    AUTO(txn_end) struct txn *t = NULL;
    struct log_batch_entry line;
    char name[32], text[32];

    if (n % 3 == 0) {
        struct str zip = template_number(&templates[n / 3 % 2], n);

        if (store_package_put(st, zip, &limits, &info, err) < 0)
            return -(int)err->kind;
        row.package = str_of(info.sha256_hex);
    }
    snprintf(name, sizeof(name), "f%llu", (unsigned long long)n);
    row.name = str_of(name);
    if (txn_begin(st, true, &t, err) < 0 || store_function_insert(t, &row, err) < 0)
        return -(int)err->kind;
    row.version = 1;
    if (store_function_insert(t, &row, err) < 0 || txn_commit(t, err) < 0)
        return -(int)err->kind;
    txn_end(TAKE(t));
    snprintf(text, sizeof(text), "line %llu", (unsigned long long)n);
    line =
        (struct log_batch_entry){ACCOUNT, REGION, STR("g"), STR("s"), line_time(n), str_of(text)};
    return logs_append(st, &line, 1, err);
}

static unsigned
count(int dir_fd, const char *path)
{
    int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct dirent *e;
    unsigned n = 0;
    DIR *dir;

    if (fd < 0)
        fail_msg("%s: %s", path, strerror(errno));
    dir = fdopendir(fd);
    while ((e = readdir(dir)))
        if (e->d_name[0] != '.')
            n += e->d_type == DT_DIR ? count(fd, e->d_name) : 1;
    closedir(dir);
    return n;
}

/* Every package that can be seen is whole, and has its zip. */
static void
check_packages(struct fixture *f)
{
    int dir_fd = open(store_packages_dir(f->st), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct dirent *e;
    DIR *dir;

    assert_true(dir_fd >= 0);
    dir = fdopendir(dup(dir_fd));
    while ((e = readdir(dir))) {
        AUTO_FD int fd = -1;
        struct err err = {0};
        uint64_t size;
        unsigned files;

        if (e->d_name[0] == '.')
            continue;
        OK(store_package_open(f->st, str_of(e->d_name), &fd, &size, &err));
        files = count(dir_fd, e->d_name);
        assert_true((size == templates[0].len && files == templates[0].files) ||
                    (size == templates[1].len && files == templates[1].files));
    }
    closedir(dir);
    (void)close(dir_fd);
}

/* Steps [from, to) were acknowledged: all of each is there. */
static void
check_steps(struct fixture *f, uint64_t from, uint64_t to)
{
    AUTO(arena_free) struct arena *a = arena_new(32 << 20);
    struct log_filter filter = {.account = ACCOUNT,
                                .region = REGION,
                                .group = STR("g"),
                                .start_ms = line_time(from),
                                .end_ms = line_time(to),
                                .limit = 10000};
    AUTO(txn_end) struct txn *t = NULL;
    struct log_event_row *lines;
    struct err err = {0};
    size_t len;

    if (from == to)
        return;
    OK(txn_begin(f->st, false, &t, &err));
    for (uint64_t n = from; n < to; n++) {
        struct function_row row;
        char name[32];

        snprintf(name, sizeof(name), "f%llu", (unsigned long long)n);
        OK(store_function_get(t, a, ACCOUNT, REGION, str_of(name), 0, &row, &err));
        OK(store_function_get(t, a, ACCOUNT, REGION, str_of(name), 1, &row, &err));
        assert_int_equal(row.package.at != NULL, n % 3 == 0);
        if (row.package.at)
            assert_true(
                store_package_has(f->st, row.package, n / 3 % 2 ? "f999" : "lib/util.py", false));
    }
    OK(logs_read(f->st, a, &filter, &lines, &len, &err));
    assert_int_equal(len, to - from);
}

/* Both versions of a function were made in one transaction. */
static void
check_no_half_step(struct fixture *f)
{
    AUTO(arena_free) struct arena *a = arena_new(64 << 20);
    AUTO(txn_end) struct txn *t = NULL;
    struct function_row *rows;
    struct err err = {0};
    size_t len;

    OK(txn_begin(f->st, false, &t, &err));
    OK(store_function_list(t, a, ACCOUNT, REGION, STR_NULL, true, STR_NULL, 0, 10000, &rows, &len,
                           &err));
    assert_int_equal(len % 2, 0);
    for (size_t i = 0; i < len; i += 2)
        assert_true(str_eq(rows[i].name, rows[i + 1].name) && rows[i].version == 0 &&
                    rows[i + 1].version == 1);
}

/* Function names go on where the store ends: a kill may have come after a commit and before its
 * acknowledgement. */
static uint64_t
next_step(struct fixture *f, uint64_t from)
{
    AUTO(arena_free) struct arena *a = arena_new(1 << 20);
    AUTO(txn_end) struct txn *t = NULL;
    struct err err = {0};

    OK(txn_begin(f->st, false, &t, &err));
    for (;; from++) {
        struct function_row row;
        char name[32];

        snprintf(name, sizeof(name), "f%llu", (unsigned long long)from);
        if (store_function_get(t, a, ACCOUNT, REGION, str_of(name), 0, &row, &err) < 0)
            return from;
    }
}

static _Noreturn void
child_main(const char *data, uint64_t n, int ack_fd)
{
    struct err err = {0};
    struct store *st;

    if (store_open(data, &st, &err) < 0)
        _exit(1);
    for (;; n++) {
        struct ack ack = {n};

        if (step(st, n, &err) < 0) {
            fprintf(stderr, "step %llu: %s\n", (unsigned long long)n, err.text);
            _exit(2);
        }
        if (write(ack_fd, &ack, sizeof(ack)) != sizeof(ack))
            _exit(3);
        if (n % 16 == 15 && store_package_sweep(st, 0, NULL, NULL, &err) < 0)
            _exit(4);
    }
}

/* Run a child from step `n` on, kill it somewhere; the number behind the last acknowledged step. */
static uint64_t
run_and_kill(const char *data, uint64_t n, unsigned acks)
{
    struct timespec fraction = {.tv_nsec = rand() % 1500000};
    struct pollfd p;
    struct ack ack;
    int fds[2], status;
    pid_t pid;

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        child_main(data, n, fds[1]);
    (void)close(fds[1]);
    for (; acks > 0; acks--) {
        if (read(fds[0], &ack, sizeof(ack)) != sizeof(ack))
            fail_msg("the child ended by itself");
        n = ack.n + 1;
    }
    p = (struct pollfd){.fd = -1};
    (void)ppoll(&p, 1, &fraction, NULL); /* a random moment, not a wait for something */
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    while (read(fds[0], &ack, sizeof(ack)) == sizeof(ack))
        n = ack.n + 1;
    (void)close(fds[0]);
    return n;
}

static void
a_kill_at_any_moment_loses_nothing_acknowledged(void **state)
{
    struct fixture *f = *state;
    uint64_t checked = 0, acked = 0, next = 0;
    struct err err = {0};
    unsigned survived = 0;
    char path[120];

    store_close(f->st);
    f->st = NULL;
    snprintf(path, sizeof(path), "%s/tmp", f->data);
    for (unsigned i = 0; i < KILLS; i++) {
        uint64_t last = run_and_kill(f->data, next, (unsigned)rand() % 5);

        survived += count(AT_FDCWD, path) > 0;
        OK(store_open(f->data, &f->st, &err));
        assert_int_equal(count(AT_FDCWD, path), 0);
        check_steps(f, next, last);
        check_packages(f);
        acked += last - next;
        next = next_step(f, last);
        if (i % 25 == 24) {
            check_no_half_step(f);
            checked++;
        }
        if (rand() % 3 ==
            0) /* the next child finds what its predecessor left, and a log to recover */
            OK(store_package_sweep(f->st, 0, NULL, NULL, &err));
        store_close(f->st);
        f->st = NULL;
        if (rand() % 2) { /* a kill while opening, too: recovery itself is interrupted */
            last = run_and_kill(f->data, next, 0);
            OK(store_open(f->data, &f->st, &err));
            check_steps(f, next, last);
            next = next_step(f, last);
            store_close(f->st);
            f->st = NULL;
        }
    }
    OK(store_open(f->data, &f->st, &err));
    check_no_half_step(f);
    print_message("%u kills, %llu steps acknowledged, %u kills left something in tmp\n", KILLS,
                  (unsigned long long)acked, survived);
    assert_true(acked > 0 && survived > 0 && checked > 0); /* else the kills came at dull moments */
}

/* Work under a limit until it bites; what was acknowledged before must be there without the limit.
 */
static _Noreturn void
limited_main(const char *data, uint64_t n, int ack_fd, rlim_t limit)
{
    struct rlimit rl = {limit, limit};
    struct err err = {0};
    struct store *st;

    (void)signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &rl) < 0)
        _exit(9);
    if (store_open(data, &st, &err) < 0)
        _exit(err.kind == ERR_INTERNAL ? 1 : 8);
    for (uint64_t stop = n + 40; n < stop; n++) {
        struct ack ack = {n};

        if (step(st, n, &err) < 0) {
            if (err.kind != ERR_INTERNAL)
                _exit(8);
            err_clear(&err);
            continue; /* the store must stay usable after a failure */
        }
        if (write(ack_fd, &ack, sizeof(ack)) != sizeof(ack))
            _exit(9);
    }
    store_close(st);
    _exit(0);
}

static void
files_that_must_not_grow_fail_cleanly(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    uint64_t n = 0;
    unsigned failed = 0, worked = 0;
    char path[120];

    store_close(f->st);
    f->st = NULL;
    snprintf(path, sizeof(path), "%s/tmp", f->data);
    for (rlim_t limit = 0; limit <= 400000; limit += limit < 40000 ? 2000 : 40000) {
        int fds[2], status;
        struct ack ack;
        uint64_t acked[64];
        unsigned len = 0;
        pid_t pid;

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            limited_main(f->data, n, fds[1], limit);
        (void)close(fds[1]);
        while (len < ARRAY_LEN(acked) && read(fds[0], &ack, sizeof(ack)) == sizeof(ack))
            acked[len++] = ack.n;
        (void)close(fds[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
            fail_msg("limit %llu: status %x", (unsigned long long)limit, (unsigned)status);
        failed += len < 40;
        worked += len > 0;
        OK(store_open(f->data, &f->st, &err));
        assert_int_equal(count(AT_FDCWD, path), 0);
        for (unsigned i = 0; i < len; i++)
            check_steps(f, acked[i], acked[i] + 1);
        check_packages(f);
        check_no_half_step(f);
        n += 40;
        store_close(f->st);
        f->st = NULL;
    }
    assert_true(failed > 0 && worked > 0);
    OK(store_open(f->data, &f->st, &err));
    OK(step(f->st, n, &err));
}

/* A file system that is full, and then is not. In a mount namespace of its own. */
static _Noreturn void
full_main(const char *dir)
{
    static const char zeros[4096];
    char data[120], filler[120];
    struct fixture f = {0};
    struct err err = {0};
    uint64_t n = 0;
    unsigned failures = 0;
    int fd;

    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", dir, "tmpfs", 0, "size=32m,mode=0700") < 0)
        _exit(77);
    snprintf(data, sizeof(data), "%s/data", dir);
    snprintf(filler, sizeof(filler), "%s/filler", dir);
    fd = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, 0) < 0 || store_open(data, &f.st, &err) < 0)
        _exit(1);
    for (int round = 0; round < 20; round++) {
        for (off_t at = 0; pwrite(fd, zeros, sizeof(zeros), at) > 0; at += (off_t)sizeof(zeros))
            if (at > 64 << 20) /* takes all there is, then gives up to seven pages back */
                _exit(2);
        (void)!ftruncate(fd, lseek(fd, 0, SEEK_END) - round % 8 * 4096);
        for (int i = 0; i < 6; i++, n++) {
            if (step(f.st, n, &err) >= 0)
                continue;
            failures++;
            if (err.kind != ERR_INTERNAL)
                _exit(3);
            err_clear(&err);
            snprintf(f.data, sizeof(f.data), "%s/tmp", data);
            if (count(AT_FDCWD, f.data) != 0)
                _exit(4);
        }
        if (ftruncate(fd, 0) < 0) /* room again: everything works again, without a restart */
            _exit(5);
        if (step(f.st, n++, &err) < 0) {
            fprintf(stderr, "with room: %s\n", err.text);
            _exit(6);
        }
        check_packages(&f);
        check_no_half_step(&f);
        if (store_package_sweep(f.st, 0, NULL, NULL, &err) < 0)
            _exit(7);
    }
    store_close(f.st);
    _exit(failures > 0 ? 0 : 8);
}

static void
a_full_disk_is_an_ordinary_error(void **state)
{
    struct fixture *f = *state;
    char dir[100];
    int status;
    pid_t pid;

    store_close(f->st); /* the child shall be forked from one thread */
    f->st = NULL;
    snprintf(dir, sizeof(dir), "%s/small", f->dir);
    assert_int_equal(mkdir(dir, 0700), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        full_main(dir);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        print_message("skipped: no right to mount a small tmpfs\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_CASE(a_kill_at_any_moment_loses_nothing_acknowledged),
        TEST_CASE(files_that_must_not_grow_fail_cleanly),
        TEST_CASE(a_full_disk_is_an_ordinary_error),
    };
    unsigned seed =
        getenv("SEED") ? (unsigned)strtoul(getenv("SEED"), NULL, 10) : (unsigned)time(NULL);

    srand(seed);
    print_message("SEED=%u\n", seed);
    log_set_level(LOG_LEVEL_ERROR);
    template_load(&templates[0], "plain.zip", 2);
    template_load(&templates[1], "many_files.zip", 1000);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
