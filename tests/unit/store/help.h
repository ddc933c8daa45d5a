/* A store in a directory of its own, for each test. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include "store/files.h"
#include "store/store.h"
#include <fcntl.h>

struct fixture {
    char dir[64], data[80];
    struct store *st;
    struct arena *a;
};

#define ACCOUNT STR("000000000000")
#define REGION STR("us-east-1")

/* The call must succeed; else the error's text is shown. */
#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s", #call, err.text);                                                   \
    } while (0)
/* The call must fail with this kind; the error is emptied for the next one. */
#define FAILS(wanted, call)                                                                        \
    do {                                                                                           \
        int rc_ = (call);                                                                          \
        if (rc_ != -ERR_##wanted || err.kind != ERR_##wanted)                                      \
            fail_msg("%s: gave %d (%s), wanted " #wanted, #call, rc_, err.text);                   \
        last_error = err;                                                                          \
        err_clear(&err);                                                                           \
    } while (0)
static struct err last_error __attribute__((unused));

static inline int
setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    struct err err = {0};

    snprintf(f->dir, sizeof(f->dir), "%s/lambent-store-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"); /* fsync is not what is tested */
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->data, sizeof(f->data), "%s/data", f->dir);
    f->a = arena_new(64 << 20);
    OK(store_open(f->data, &f->st, &err));
    *state = f;
    return 0;
}

static inline int
teardown(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    char *name = strrchr(f->dir, '/');
    int parent;

    store_close(f->st);
    arena_free(f->a);
    *name = '\0';
    parent = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(parent >= 0);
    OK(tree_remove(parent, name + 1, &err));
    (void)close(parent);
    free(f);
    return 0;
}

#define TEST_CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
