/* Packages: the same folder gives the same zip, nothing leads out of it, limits hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <time.h>
#include <utime.h>

#include "base/id.h"
#include "cli/cli.h"
#include "cli/package.h"
#include "help.h"

static struct package *
pack(const char *folder)
{
    struct package *package = NULL;
    struct err err = {0};

    if (package_from_dir(folder, NULL, NULL, &package, &err) < 0)
        fail_msg("%s", err.text);
    return package;
}

static void
fill(const char *folder, bool backwards)
{
    static const struct {
        const char *name;
        mode_t mode;
        const char *text;
    } files[] = {
        {"app.py", 0640, "def lambda_handler(e, c):\n    return e\n"},
        {"bin/tool", 0711, "#!/bin/sh\n"},
        {"lib/a/b.txt", 0600, "b"},
        {"lib/a.txt", 0666, ""},
        {".git/config", 0644, "no"},
        {"__pycache__/app.pyc", 0644, "no"},
        {"z\xc3\xbc.txt", 0644, "z"},
    };

    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        size_t at = backwards ? ARRAY_LEN(files) - 1 - i : i;

        file_make(folder, files[at].name, files[at].mode, files[at].text);
    }
}

static void
test_same_zip(void **state)
{
    char one[64], two[64], path[128];
    struct package *first, *second;

    fill(folder_make(one), false);
    fill(folder_make(two), true); /* made in another order: other inodes, other times */
    snprintf(path, sizeof(path), "%s/app.py", two);
    assert_int_equal(0, utime(path, &(struct utimbuf){1000000000, 1000000000}));
    snprintf(path, sizeof(path), "%s/lib/a.txt", two);
    assert_int_equal(0, chmod(path, 0600)); /* only x bits count */

    setenv("TZ", "Asia/Tokyo", 1);
    tzset();
    first = pack(one);
    setenv("TZ", "America/Lima", 1);
    tzset();
    second = pack(two);
    assert_int_equal(first->zip.len, second->zip.len);
    assert_memory_equal(first->zip.at, second->zip.at, first->zip.len);
    assert_int_equal(5, first->files_len);
    assert_int_equal(2, first->ignored);
    for (size_t i = 1; i < first->files_len; i++)
        assert_true(strcmp(first->files[i - 1].path, first->files[i].path) < 0);
    package_free(first);
    package_free(second);
    folder_remove(one);
    folder_remove(two);
}

static void
test_round_trip(void **state)
{
    char folder[64], path[128];
    struct package *made, *read;
    struct err err = {0};
    FILE *file;

    fill(folder_make(folder), false);
    made = pack(folder);
    snprintf(path, sizeof(path), "%s/x.zip", folder);
    file = fopen(path, "we");
    assert_int_equal(1, fwrite(made->zip.at, made->zip.len, 1, file));
    fclose(file);
    if (package_from_zip(path, &read, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(made->files_len, read->files_len);
    assert_int_equal(made->unzipped_bytes, read->unzipped_bytes);
    assert_int_equal(0755, package_find(read, "bin/tool")->mode & 0777);
    assert_int_equal(0644, package_find(read, "app.py")->mode & 0777);
    assert_true(str_starts(package_read(read, "app.py"), STR("def lambda_handler")));
    assert_null(package_read(read, "nothing.py").at);
    assert_non_null(package_find(read, "z\xc3\xbc.txt"));
    package_free(made);
    package_free(read);
    folder_remove(folder);
}

static void
expect_error(const char *folder, const char *text)
{
    struct package *package = NULL;
    struct err err = {0};

    assert_true(package_from_dir(folder, NULL, NULL, &package, &err) < 0);
    assert_null(package);
    if (!strstr(err.text, text))
        fail_msg("'%s' lacks '%s'", err.text, text);
}

static void
test_links(void **state)
{
    static const char *const outside[] = {"/etc/passwd", "..", "../x", "a/../../x", "sub/../.."};
    char folder[64], path[128];
    struct package *package;

    file_make(folder_make(folder), "sub/real", 0644, "x");
    snprintf(path, sizeof(path), "%s/sub/link", folder);
    assert_int_equal(0, symlink("../sub/real", path));
    package = pack(folder);
    assert_true(S_ISLNK(package_find(package, "sub/link")->mode));
    package_free(package);
    assert_int_equal(0, unlink(path));
    for (size_t i = 0; i < ARRAY_LEN(outside); i++) {
        snprintf(path, sizeof(path), "%s/link", folder);
        assert_int_equal(0, symlink(outside[i], path));
        expect_error(folder, "leads out of the folder");
        assert_int_equal(0, unlink(path));
    }
    folder_remove(folder);
}

static void
test_refused(void **state)
{
    char folder[64], path[128];
    struct package *package = NULL;
    struct err err = {0};

    folder_make(folder);
    expect_error(folder, "no files");
    expect_error("/nowhere/at/all", "No such file");
    snprintf(path, sizeof(path), "%s/pipe", folder);
    assert_int_equal(0, mkfifo(path, 0600));
    expect_error(folder, "neither a file");
    assert_int_equal(0, unlink(path));

    /* A sparse file is large for nothing. */
    file_make(folder, "large", 0644, "");
    snprintf(path, sizeof(path), "%s/large", folder);
    assert_int_equal(0, truncate(path, 262144001));
    expect_error(folder, "262144000");
    file_make(folder, "large", 0644, "not a zip");
    assert_int_equal(-ERR_INVALID, package_from_zip(path, &package, &err));
    err_clear(&err);
    assert_int_equal(0, truncate(path, ZIP_MAX_BYTES + 1l));
    assert_int_equal(-ERR_TOO_LARGE, package_from_zip(path, &package, &err));
    folder_remove(folder);
}

/* What cannot be made smaller than the upload's limit is refused by its zipped size. */
static void
test_zip_too_large(void **state)
{
    enum { PIECE = 1 << 20 };
    char folder[64], path[128];
    uint8_t *noise = xmalloc(PIECE);
    int fd;

    folder_make(folder);
    snprintf(path, sizeof(path), "%s/noise", folder);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    for (int i = 0; i < 51; i++) {
        random_bytes(noise, PIECE);
        assert_int_equal(PIECE, write(fd, noise, PIECE));
    }
    close(fd);
    expect_error(folder, "52428800");
    free(noise);
    folder_remove(folder);
}

static void
test_empty_folder_and_ignore_file(void **state)
{
    char folder[64], path[128];
    struct package *package;

    file_make(folder_make(folder), ".lambentignore", 0644, "*.md\n!README.md\nprivate/\n");
    file_make(folder, "a.md", 0644, "a");
    file_make(folder, "README.md", 0644, "r");
    file_make(folder, "private/key", 0644, "k");
    snprintf(path, sizeof(path), "%s/empty", folder);
    assert_int_equal(0, mkdir(path, 0755));
    package = pack(folder);
    assert_int_equal(2, package->files_len);
    assert_non_null(package_find(package, "README.md"));
    assert_non_null(package_find(package, "empty/"));
    assert_int_equal(3, package->ignored);
    package_free(package);

    file_make(folder, ".lambentignore", 0644, "*\n!*/\n");
    expect_error(folder, "no files");
    folder_remove(folder);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_zip),      cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_links),         cmocka_unit_test(test_refused),
        cmocka_unit_test(test_zip_too_large), cmocka_unit_test(test_empty_folder_and_ignore_file),
    };

    cli_locale();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
