/* The invoke path's cache of function versions. A version is loaded once, on a worker, from its row
 * in the store, and never changes afterwards: an update makes a new object, the old one is `stale`
 * and goes when its last invocation is done. */
#include "invoke/internal.h"
#include "base/log.h"
#include "gen/lambda.h"
#include "store/store.h"
#include <jansson.h>

static void
free_function(struct function *fn)
{
    struct invoker *v = fn->invoker;

    ASSERT(!fn->idle && !fn->waiters && fn->environments == 0);
    timer_stop(&fn->hurry);
    pthread_mutex_lock(&v->packages_lock);
    if (fn->all_prev)
        fn->all_prev->all_next = fn->all_next;
    else
        v->loaded = fn->all_next;
    if (fn->all_next)
        fn->all_next->all_prev = fn->all_prev;
    pthread_mutex_unlock(&v->packages_lock);
    arena_free(fn->arena);
    free(fn->key);
    free(fn);
}

void
function_ref(struct function *fn)
{
    fn->refs++;
}

void
function_unref(struct function *fn)
{
    ASSERT(fn->refs > 0);
    if (--fn->refs == 0)
        free_function(fn);
}

/* ---- on a worker ---- */

static int
fill(struct function *fn, const struct function_row *row, struct err *err)
{
    struct lambda_function_configuration *c = ARENA_NEW(fn->arena, typeof(*c));
    struct runtime_env *env = &fn->env;
    bool copied;
    int rc;

    if (!c)
        return err_set(err, ERR_INTERNAL, "the function's configuration is too large");
    rc = lambda_function_configuration_parse(row->doc, fn->arena, c, err);
    if (rc < 0)
        return err_wrap(err, "stored configuration of %.*s", STR_FMT(fn->name));
    if (str_is(c->state, "Pending"))
        return err_set(err, ERR_CONFLICT,
                       "The operation cannot be performed at this time. The function is currently "
                       "in the following state: Pending");
    if (c->state.at && !str_is(c->state, "Active"))
        return err_set(err, ERR_CONFLICT,
                       "The operation cannot be performed at this time. The function is currently "
                       "in the following state: %.*s",
                       STR_FMT(c->state));
    fn->handler = c->handler;
    fn->runtime_id = c->runtime;
    fn->memory_mb = (uint32_t)c->memory_size.value;
    fn->timeout_ms = (uint64_t)c->timeout.value * 1000;
    fn->tmp_mb = c->ephemeral_storage && c->ephemeral_storage->size.set
                     ? (uint32_t)c->ephemeral_storage->size.value
                     : 512;
    if (c->logging_config) {
        fn->log_group = c->logging_config->log_group;
        fn->log_format = c->logging_config->log_format;
        env->log_level = c->logging_config->application_log_level;
    }
    if (!fn->log_group.at)
        fn->log_group = arena_fmt(fn->arena, "/aws/lambda/%.*s", STR_FMT(fn->name));
    if (!fn->log_format.at)
        fn->log_format = STR("Text");
    pthread_mutex_lock(&fn->invoker->packages_lock);
    copied = str_copy(fn->package, sizeof(fn->package), row->package);
    pthread_mutex_unlock(&fn->invoker->packages_lock);
    if (!copied)
        return err_set(err, ERR_INTERNAL, "function %.*s has no code package", STR_FMT(fn->name));
    rc = runtime_resolve(fn->runtime_id, &fn->runtime, err);
    if (rc < 0 && err->kind != ERR_UNAVAILABLE)
        err->wire =
            AWS_LAMBDA_INVALID_RUNTIME_EXCEPTION; /* the text names the package to install */
    if (rc < 0)
        return rc;
    if (!fn->runtime.exact && fn->runtime.note[0])
        log_event(LOG_runtime_other, "fn=%.*s what=\"%s\"", STR_FMT(fn->name), fn->runtime.note);

    env->account = fn->account;
    env->region = fn->region;
    env->function_name = fn->name;
    env->function_version = fn->version;
    env->handler = fn->handler;
    env->memory_mb = fn->memory_mb;
    env->log_group = fn->log_group;
    env->log_format = fn->log_format;
    env->runtime_api = STR("127.0.0.1:9001");
    env->initialization_type = STR("on-demand");
    if (c->environment && c->environment->variables.len) {
        size_t n = c->environment->variables.len;
        struct runtime_variable *vars = ARENA_ARRAY(fn->arena, struct runtime_variable, n);

        if (!vars)
            return err_set(err, ERR_INTERNAL, "too many environment variables");
        for (size_t i = 0; i < n; i++)
            vars[i] = (struct runtime_variable){c->environment->variables.at[i].key,
                                                c->environment->variables.at[i].value};
        env->variables = vars;
        env->variables_len = n;
    }
    return 0;
}

static void
work_load(struct work *w)
{
    struct function *fn = CONTAINER_OF(w, struct function, work);
    struct store *st = fn->invoker->c.store;
    AUTO(txn_end) struct txn *t = NULL;
    struct function_row row = {0};

    if (txn_begin(st, false, &t, &fn->why) < 0)
        return;
    if (store_function_get(t, fn->arena, fn->account, fn->region, fn->name, fn->version_number,
                           &row, &fn->why) < 0)
        return;
    (void)fill(fn, &row, &fn->why); /* a failure is in fn->why: told to whoever waits */
}

/* ---- on the loop ---- */

static void
work_loaded(struct work *w)
{
    struct function *fn = CONTAINER_OF(w, struct function, work);
    struct invocation *inv;

    if (fn->why.kind == ERR_NONE) {
        fn->state = FN_READY;
        place_pump(fn);
        pool_prepare(fn->invoker, &fn->runtime); /* after: who waits already comes first */
        function_unref(fn);                      /* the loading's own */
        return;
    }
    fn->state = FN_BROKEN;
    if (!fn->stale) { /* not cached: the next invocation looks again */
        fn->stale = true;
        HASH_DEL(fn->invoker->functions, fn);
        function_unref(fn);
    }
    while ((inv = fn->waiters)) {
        fn->waiters = inv->next;
        fn->waiting--;
        invocation_tell(inv, &fn->why);
        invocation_free(inv);
    }
    function_unref(fn);
}

struct function *
function_get(struct invoker *v, struct str account, struct str region, struct str name,
             uint32_t version)
{
    char key[256];
    struct function *fn;
    struct err err = {0};
    int n = snprintf(key, sizeof(key), "%.*s:%.*s:%.*s:%u", STR_FMT(account), STR_FMT(region),
                     STR_FMT(name), version);

    ASSERT(n > 0 && (size_t)n < sizeof(key)); /* names were checked against the model */
    HASH_FIND(hh, v->functions, key, (size_t)n, fn);
    if (fn) {
        function_ref(fn);
        return fn;
    }
    fn = xcalloc(1, sizeof(*fn));
    fn->invoker = v;
    fn->arena = arena_new(1 << 20);
    fn->key = xstrndup(key, (size_t)n);
    fn->account = arena_str(fn->arena, account);
    fn->region = arena_str(fn->arena, region);
    fn->name = arena_str(fn->arena, name);
    fn->version = version ? arena_fmt(fn->arena, "%u", version) : STR("$LATEST");
    fn->version_number = version;
    fn->work = (struct work){.work = work_load, .done = work_loaded};
    fn->refs = 3; /* the table's, the loading's, the caller's */
    HASH_ADD_KEYPTR(hh, v->functions, fn->key, (size_t)n, fn);
    pthread_mutex_lock(&v->packages_lock);
    fn->all_next = v->loaded;
    if (v->loaded)
        v->loaded->all_prev = fn;
    v->loaded = fn;
    pthread_mutex_unlock(&v->packages_lock);
    if (loop_work(v->c.loop, &fn->work, &err) < 0) {
        fn->why = err;
        fn->state = FN_BROKEN;
        fn->stale = true;
        HASH_DEL(v->functions, fn);
        fn->refs = 1;
    }
    return fn;
}

static void
forget(struct invoker *v, struct function *fn)
{
    fn->stale = true;
    HASH_DEL(v->functions, fn);
    while (fn->idle)
        environment_destroy(fn->idle, NULL);
    function_unref(fn);
}

void
function_forget(struct invoker *v, struct str account, struct str region, struct str name)
{
    struct function *fn, *next;

    HASH_ITER (hh, v->functions, fn, next) {
        if (str_eq(fn->name, name) && str_eq(fn->region, region) && str_eq(fn->account, account))
            forget(v, fn);
    }
}

bool
invoker_uses_package(void *invoker, struct str sha256_hex)
{
    struct invoker *v = invoker;
    bool used = false;

    pthread_mutex_lock(&v->packages_lock);
    for (struct function *fn = v->loaded; fn && !used; fn = fn->all_next)
        used = str_is(sha256_hex, fn->package);
    pthread_mutex_unlock(&v->packages_lock);
    return used;
}
