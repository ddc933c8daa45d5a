/* Functions that are Pending or InProgress move on by themselves: a job, after the answer went out,
 * marks them Active and Successful. What a crash left in between is finished at the next start, so
 * the store's "settling" mark, not memory, says what is to be done. */
#include "api/lambda/lambda.h"
#include "base/log.h"

struct settle {
    struct api *api;
    struct timer timer;
    struct work work;
    char account[16], region[72], name[72]; /* a credential scope's region has up to 64 */
    uint32_t version;
    struct err err;
};

/* Inside a transaction of its own. NOT_FOUND is fine: deleted meanwhile. */
static int
settle_one(struct api *api, struct str account, struct str region, struct str name,
           uint32_t version, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new(4 << 20);
    struct request rq = {.arena = arena, .account = account, .region = region, .api = api};
    AUTO(txn_end) struct txn *t = NULL;
    struct function_id id = {.name = name, .version = version};
    struct function_doc doc;
    int rc;

    rc = txn_begin(api->store, true, &t, err);
    if (rc >= 0)
        rc = function_doc_load(&rq, t, &id, &doc, err);
    if (rc == -ERR_NOT_FOUND) {
        err_clear(err);
        return 0;
    }
    if (rc < 0 || !doc.extra.settling)
        return rc;
    doc.extra.settling = false;
    doc.config.state = STR("Active");
    doc.config.state_reason = doc.config.state_reason_code = STR_NULL;
    doc.config.last_update_status = STR("Successful");
    doc.config.last_update_status_reason = doc.config.last_update_status_reason_code = STR_NULL;
    rc = function_doc_store(&rq, &doc, err);
    if (rc >= 0)
        rc = store_function_update(t, &doc.row, err);
    if (rc >= 0)
        rc = txn_commit(t, err);
    return rc;
}

static void
work_settle(struct work *w)
{
    struct settle *s = CONTAINER_OF(w, struct settle, work);

    (void)settle_one(s->api, str_of(s->account), str_of(s->region), str_of(s->name), s->version,
                     &s->err);
}

static void on_due(struct timer *t);

static void
work_settled(struct work *w)
{
    struct settle *s = CONTAINER_OF(w, struct settle, work);

    if (s->err.kind) {
        log_event(LOG_store_failed, "step=settle fn=%s why=\"%s\", trying again in 1 s", s->name,
                  s->err.text);
        err_clear(&s->err);
        timer_set(s->api->loop, &s->timer, 1000000, on_due);
        return;
    }
    invoke_forget(s->api->invoker, str_of(s->account), str_of(s->region), str_of(s->name));
    invoke_prepare(s->api->invoker, str_of(s->account), str_of(s->region), str_of(s->name),
                   s->version);
    s->api->settling--;
    free(s);
}

static void
on_due(struct timer *t)
{
    struct settle *s = CONTAINER_OF(t, struct settle, timer);
    struct err err = {0};

    if (loop_work(s->api->loop, &s->work, &err) < 0)
        timer_set(s->api->loop, &s->timer, 100000, on_due);
}

void
lambda_settle_start(struct api *api, struct str account, struct str region, struct str name,
                    uint32_t version)
{
    struct settle *s = xcalloc(1, sizeof(*s));

    s->api = api;
    s->version = version;
    s->work = (struct work){.work = work_settle, .done = work_settled};
    ASSERT(str_copy(s->account, sizeof(s->account), account) &&
           str_copy(s->region, sizeof(s->region), region) &&
           str_copy(s->name, sizeof(s->name), name));
    api->settling++;
    timer_set(api->loop, &s->timer, (uint64_t)api->settings->settle_ms * 1000, on_due);
}

int
lambda_settle_recover(struct api *api, struct err *err)
{
    AUTO(arena_free) struct arena *arena = arena_new((size_t)1 << 30);
    struct function_row *rows;
    struct txn *t;
    size_t len;
    int rc;

    rc = txn_begin(api->store, false, &t, err);
    if (rc < 0)
        return rc;
    rc = store_function_settling(t, arena, &rows, &len, err);
    txn_end(t);
    for (size_t i = 0; rc >= 0 && i < len; i++) {
        struct err one = {0};

        /* One function that cannot be read stays as it is; the others must not wait for it. */
        if (settle_one(api, rows[i].account, rows[i].region, rows[i].name, rows[i].version, &one) <
            0)
            log_event(LOG_store_failed, "step=settle fn=%.*s why=\"%s\", leaving it Pending",
                      STR_FMT(rows[i].name), one.text);
    }
    return rc;
}
