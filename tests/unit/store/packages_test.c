/* Packages, and every odd zip that make_zips.py knows. Takes its folder from ZIPS. */
#include "help.h"
#include "base/log.h"
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

static const struct package_limits limits = {
    .zip_max = 1000000, .unzipped_max = 2000000, .files_max = 1000};

static struct str
load(struct fixture *f, const char *name)
{
    const char *dir = getenv("ZIPS");
    char path[400];
    struct stat sb;
    char *at;
    int fd;

    assert_non_null(dir);
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && fstat(fd, &sb) == 0);
    at = arena_alloc(f->a, (size_t)sb.st_size + 1);
    assert_non_null(at);
    assert_int_equal(read(fd, at, (size_t)sb.st_size), sb.st_size);
    (void)close(fd);
    return (struct str){at, (size_t)sb.st_size};
}

static unsigned
entries(struct fixture *f, const char *dir)
{
    char path[200];
    struct dirent *e;
    unsigned n = 0;
    DIR *d;

    snprintf(path, sizeof(path), "%s/%s", f->data, dir);
    d = opendir(path);
    assert_non_null(d);
    while ((e = readdir(d)))
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static struct package_info
put(struct fixture *f, const char *name)
{
    struct package_info info;
    struct err err = {0};

    OK(store_package_put(f->st, load(f, name), &limits, &info, &err));
    return info;
}

static const char *
path_in(struct fixture *f, const struct package_info *info, const char *path)
{
    static char full[4200];

    snprintf(full, sizeof(full), "%s/%s/%s", store_packages_dir(f->st), info->sha256_hex, path);
    return full;
}

static void
every_odd_zip_gets_its_answer(void **state)
{
    struct fixture *f = *state;
    struct str manifest = load(f, "manifest");
    const char *line = manifest.at;
    unsigned zips = 0, stored = 0, wrong = 0;

    while (*line) {
        size_t name_len = strcspn(line, "\t"), want_len = strcspn(line + name_len + 1, "\n");
        struct package_info info;
        struct err err = {0};
        char name[100], want[200];
        bool ok, good;

        snprintf(name, sizeof(name), "%.*s.zip", (int)name_len, line);
        snprintf(want, sizeof(want), "%.*s", (int)want_len, line + name_len + 1);
        line += name_len + 1 + want_len + 1;
        ok = store_package_put(f->st, load(f, name), &limits, &info, &err) >= 0;
        if (ok)
            good = strcmp(want, "ok") == 0;
        else
            good = strstr(err.text, want) != NULL &&
                   err.kind == (strcmp(name, "too_large.zip") == 0 ? ERR_TOO_LARGE : ERR_INVALID);
        if (!good)
            print_error("%s: wanted %s, got %s: %s\n", name, want, err_kind_name(err.kind),
                        err.text);
        wrong += !good;
        stored += ok;
        zips++;
        assert_int_equal(entries(f, "tmp"), 0);
    }
    assert_true(zips > 100);
    assert_int_equal(wrong, 0);
    assert_int_equal(entries(f, "packages"), stored);
    assert_int_equal(entries(f, "zips"), stored);
}

static mode_t
mode_of(struct fixture *f, const struct package_info *info, const char *path)
{
    struct stat sb;

    if (lstat(path_in(f, info, path), &sb) < 0)
        fail_msg("%s: %s", path, strerror(errno));
    return sb.st_mode;
}

static const char *
content(struct fixture *f, const struct package_info *info, const char *path)
{
    static char text[100];
    int fd = open(path_in(f, info, path), O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        fail_msg("%s: %s", path, strerror(errno));
    n = read(fd, text, sizeof(text) - 1);
    assert_true(n >= 0);
    text[n] = '\0';
    (void)close(fd);
    return text;
}

static void
modes_are_made_plain(void **state)
{
    struct fixture *f = *state;
    mode_t before = umask(077); /* must not show */
    struct package_info info = put(f, "modes.zip");

    umask(before);
    assert_int_equal(mode_of(f, &info, ""), S_IFDIR | 0755);
    assert_int_equal(mode_of(f, &info, "bootstrap"), S_IFREG | 0755);
    assert_int_equal(mode_of(f, &info, "group_x"), S_IFREG | 0755);
    assert_int_equal(mode_of(f, &info, "secret"), S_IFREG | 0644);
    assert_int_equal(mode_of(f, &info, "setuid"), S_IFREG | 0755);
    assert_int_equal(mode_of(f, &info, "zero"), S_IFREG | 0644);
    assert_int_equal(mode_of(f, &info, "windows"), S_IFREG | 0644);
    assert_int_equal(mode_of(f, &info, "dir"), S_IFDIR | 0755);
    info = put(f, "host_ntfs.zip");
    assert_int_equal(mode_of(f, &info, "d/g"), S_IFREG | 0644);
    info = put(f, "deep_enough.zip");
    assert_int_equal(mode_of(f, &info, "d/d/d"), S_IFDIR | 0755);
}

static void
names_and_contents_are_kept(void **state)
{
    struct fixture *f = *state;
    struct package_info info = put(f, "duplicate.zip");
    struct stat sb;

    assert_string_equal(content(f, &info, "d/f"), "the last one counts");
    assert_int_equal(info.unzipped_bytes, 5 + 5 + 19);
    info = put(f, "unicode.zip");
    assert_string_equal(content(f, &info,
                                "d\303\251j\303\240/\346\227\245\346\234\254\350\252\236-"
                                "\360\237\230\200.txt"),
                        "u");
    assert_string_equal(content(f, &info, "e\314\201.txt"), "nfd"); /* not normalised */
    info = put(f, "unicode_extra.zip");
    assert_string_equal(content(f, &info, "\303\274.txt"), "u");
    info = put(f, "unicode_extra_stale.zip");
    assert_string_equal(content(f, &info, "plain.txt"), "u");
    info = put(f, "not_utf8.zip");
    assert_string_equal(content(f, &info, "caf\351\202"), "1");
    info = put(f, "dot_paths.zip");
    assert_string_equal(content(f, &info, "d/b"), "2");
    assert_string_equal(content(f, &info, "d/c"), "3");
    info = put(f, "zip64.zip");
    assert_int_equal(info.unzipped_bytes, 10000);
    info = put(f, "modes.zip");
    assert_int_equal(stat(path_in(f, &info, "secret"), &sb), 0);
    assert_int_equal(sb.st_mtime, 1709209858); /* 2024-02-29T12:30:58Z */
    assert_int_equal(stat(path_in(f, &info, "dir"), &sb), 0);
    assert_int_equal(sb.st_mtime, 1709209858);
}

static void
links_inside_are_kept(void **state)
{
    struct fixture *f = *state;
    struct package_info info = put(f, "links.zip");
    struct str sha = str_of(info.sha256_hex);

    assert_string_equal(content(f, &info, "lib/real.so"), "ELF");
    assert_string_equal(content(f, &info, "through"), "ELF");
    assert_string_equal(content(f, &info, "deflated"), "ELF");
    assert_true(S_ISLNK(mode_of(f, &info, "lib64")));
    assert_true(S_ISLNK(mode_of(f, &info, "dangling")));
    assert_true(store_package_has(f->st, sha, "through", false));
    assert_false(store_package_has(f->st, sha, "dangling", false));
    assert_false(store_package_has(f->st, sha, "lib64", false)); /* a directory */
    assert_false(store_package_has(f->st, sha, "through", true));
    assert_false(store_package_has(f->st, sha, "../../state.db", false));
    assert_false(store_package_has(f->st, sha, "/etc/passwd", false));
    assert_false(store_package_has(f->st, STR("../packages"), "x", false));
    info = put(f, "modes.zip");
    assert_true(store_package_has(f->st, str_of(info.sha256_hex), "bootstrap", true));
    assert_false(store_package_has(f->st, str_of(info.sha256_hex), "secret", true));
}

static void
truncated_anywhere_is_refused(void **state)
{
    static const char *const names[] = {"plain.zip", "streamed.zip", "zip64.zip",
                                        "links.zip", "modes.zip",    "comment.zip"};
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct str zip = load(f, names[i]);

        for (size_t len = 0; len < zip.len; len += 7) {
            struct str cut = {zip.at, len};
            struct package_info info;
            struct err err = {0};

            FAILS(INVALID, store_package_put(f->st, cut, &limits, &info, &err));
        }
    }
    assert_int_equal(entries(f, "packages"), 0);
    assert_int_equal(entries(f, "tmp"), 0);
}

/* Each byte turned over: whatever becomes of the zip, nothing is half stored and nothing breaks. */
static void
damage_anywhere_is_survived(void **state)
{
    struct fixture *f = *state;
    struct str zip = load(f, "links.zip");
    unsigned stored = 0;

    for (size_t i = 0; i < zip.len; i++) {
        char *at = (char *)(uintptr_t)zip.at;
        struct package_info info;
        struct err err = {0};

        at[i] = (char)~at[i];
        if (store_package_put(f->st, zip, &limits, &info, &err) >= 0)
            stored++;
        else
            assert_int_equal(err.kind, ERR_INVALID);
        at[i] = (char)~at[i];
        assert_int_equal(entries(f, "tmp"), 0);
    }
    assert_int_equal(entries(f, "packages"), stored);
}

static void
a_zip_comes_back_as_it_was(void **state)
{
    struct fixture *f = *state;
    struct str zip = load(f, "plain.zip");
    struct package_info info = put(f, "plain.zip"), again = put(f, "plain.zip");
    AUTO_FD int fd = -1;
    struct err err = {0};
    uint64_t size;
    char bytes[4096];

    assert_memory_equal(&info, &again, sizeof(info));
    assert_int_equal(entries(f, "packages"), 1);
    assert_int_equal(info.zip_bytes, zip.len);
    OK(store_package_open(f->st, str_of(info.sha256_hex), &fd, &size, &err));
    assert_int_equal(size, zip.len);
    assert_int_equal(read(fd, bytes, sizeof(bytes)), zip.len);
    assert_memory_equal(bytes, zip.at, zip.len);
    assert_true(write(fd, "x", 1) < 0); /* read-only */
    info.sha256_hex[0] ^= 1;
    FAILS(NOT_FOUND, store_package_open(f->st, str_of(info.sha256_hex), &fd, &size, &err));
    FAILS(NOT_FOUND, store_package_open(f->st, STR("../../state.db"), &fd, &size, &err));
}

struct race {
    struct store *st;
    struct str zips[2];
    atomic_int bad;
    atomic_bool stop;
};

static void *
race_put(void *arg)
{
    struct race *race = arg;

    for (int i = 0; i < 40; i++) {
        struct package_info info;
        struct err err = {0};

        if (store_package_put(race->st, race->zips[i % 2], &limits, &info, &err) < 0)
            atomic_fetch_add(&race->bad, 1);
    }
    return NULL;
}

static void *
race_sweep(void *arg)
{
    struct race *race = arg;

    do {
        struct err err = {0};

        if (store_package_sweep(race->st, 0, NULL, NULL, &err) < 0)
            atomic_fetch_add(&race->bad, 1);
    } while (!atomic_load(&race->stop));
    return NULL;
}

static void
threads_put_the_same_package(void **state)
{
    struct fixture *f = *state;
    struct race race = {.st = f->st, .zips = {load(f, "plain.zip"), load(f, "links.zip")}};
    pthread_t threads[4], sweeper;

    for (int sweeping = 0; sweeping < 2; sweeping++) { /* then with packages vanishing meanwhile */
        atomic_store(&race.stop, false);
        if (sweeping)
            assert_int_equal(pthread_create(&sweeper, NULL, race_sweep, &race), 0);
        for (int i = 0; i < 4; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, race_put, &race), 0);
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        atomic_store(&race.stop, true);
        if (sweeping)
            pthread_join(sweeper, NULL);
        assert_int_equal(atomic_load(&race.bad), 0);
        assert_int_equal(entries(f, "packages"), entries(f, "zips"));
        assert_int_equal(entries(f, "tmp"), 0);
        if (!sweeping)
            assert_int_equal(entries(f, "packages"), 2);
    }
}

static bool
is_used(void *arg, struct str sha)
{
    return str_is(sha, arg);
}

static void
the_sweep_takes_only_what_nobody_names(void **state)
{
    struct fixture *f = *state;
    struct package_info named = put(f, "plain.zip"), used = put(f, "links.zip"),
                        idle = put(f, "modes.zip");
    struct function_row row = {.account = ACCOUNT,
                               .region = REGION,
                               .name = STR("f"),
                               .version = 2,
                               .doc = STR("{}"),
                               .package = str_of(named.sha256_hex)};
    AUTO(txn_end) struct txn *t = NULL;
    struct err err = {0};
    char path[300];

    OK(txn_begin(f->st, true, &t, &err));
    OK(store_function_insert(t, &row, &err));
    OK(txn_commit(t, &err));
    txn_end(TAKE(t));
    OK(store_package_sweep(f->st, 3600, is_used, used.sha256_hex, &err)); /* all are young */
    assert_int_equal(entries(f, "packages"), 3);
    OK(store_package_sweep(f->st, 0, is_used, used.sha256_hex, &err));
    assert_int_equal(entries(f, "packages"), 2);
    assert_int_equal(entries(f, "zips"), 2);
    assert_int_equal(entries(f, "tmp"), 0);
    assert_false(store_package_has(f->st, str_of(idle.sha256_hex), "bootstrap", false));
    assert_true(store_package_has(f->st, str_of(named.sha256_hex), "index.py", false));
    assert_true(store_package_has(f->st, str_of(used.sha256_hex), "through", false));

    /* An upload of the same bytes makes a package young again. */
    snprintf(path, sizeof(path), "%s/%s", store_packages_dir(f->st), used.sha256_hex);
    assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[2]){{0}, {0}}, 0), 0);
    put(f, "links.zip");
    OK(store_package_sweep(f->st, 3600, NULL, NULL, &err));
    assert_int_equal(entries(f, "packages"), 2);
    assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[2]){{0}, {0}}, 0), 0);
    OK(store_package_sweep(f->st, 3600, NULL, NULL, &err));
    assert_int_equal(entries(f, "packages"), 1);

    /* A zip that a crash left without its tree. */
    snprintf(path, sizeof(path), "%s/%s", store_packages_dir(f->st), named.sha256_hex);
    OK(txn_begin(f->st, true, &t, &err));
    OK(store_function_delete(t, ACCOUNT, REGION, STR("f"), 2, &err));
    OK(txn_commit(t, &err));
    txn_end(TAKE(t));
    {
        char aside[100];

        snprintf(aside, sizeof(aside), "%s/aside", f->dir);
        assert_int_equal(rename(path, aside), 0);
    }
    OK(store_package_sweep(f->st, 3600, NULL, NULL, &err));
    assert_int_equal(entries(f, "zips"), 1);
    OK(store_package_sweep(f->st, 0, NULL, NULL, &err));
    assert_int_equal(entries(f, "zips"), 0);
}

static void
leftovers_go_at_open(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    char path[200];

    store_close(f->st);
    f->st = NULL;
    snprintf(path, sizeof(path), "%s/tmp/half", f->data);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/tmp/half/d", f->data);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/tmp/half/d/out", f->data);
    assert_int_equal(symlink("../../../lock", path), 0); /* is removed, not followed */
    snprintf(path, sizeof(path), "%s/tmp/half/d/f", f->data);
    assert_int_equal(mknod(path, S_IFREG | 0600, 0), 0);
    OK(store_open(f->data, &f->st, &err));
    assert_int_equal(entries(f, "tmp"), 0);
    snprintf(path, sizeof(path), "%s/lock", f->data);
    assert_int_equal(access(path, F_OK), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_CASE(every_odd_zip_gets_its_answer),
        TEST_CASE(modes_are_made_plain),
        TEST_CASE(names_and_contents_are_kept),
        TEST_CASE(links_inside_are_kept),
        TEST_CASE(truncated_anywhere_is_refused),
        TEST_CASE(damage_anywhere_is_survived),
        TEST_CASE(a_zip_comes_back_as_it_was),
        TEST_CASE(threads_put_the_same_package),
        TEST_CASE(the_sweep_takes_only_what_nobody_names),
        TEST_CASE(leftovers_go_at_open),
    };

    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
