/* Two batches: one is filled, the other is being written. The texts of a batch lie in one buffer,
 * the entries point into it by offset until the batch is sealed (the buffer moves while it grows).
 */
#include "observe/log_writer.h"
#include "base/buf.h"
#include "base/log.h"

enum { ENTRIES_MAX = 100000, WAITERS_MAX = 64, NOTE_BYTES = 128 };

struct batch {
    struct buf text;
    struct entry {
        size_t account, region, group, stream, message; /* offsets of (length, bytes) */
        int64_t time_ms;
    } * entries;
    size_t len, cap;
    uint64_t dropped;
};

struct log_writer {
    struct loop *loop;
    struct store *store;
    uint64_t flush_us;
    struct timer timer;
    struct batch filling, writing;
    struct work work;
    bool busy;
    struct err work_err;
    uint64_t dropped_all;
    size_t last_account, last_region, last_group, last_stream; /* of the last entry, to be shared */
    struct waiter {
        void (*done)(void *arg);
        void *arg;
    } waiters[WAITERS_MAX];
    size_t waiters_len;
};

static size_t
put_text(struct batch *b, struct str s)
{
    size_t at = b->text.len;

    if (!buf_add(&b->text, &s.len, sizeof(s.len)) || !buf_str(&b->text, s)) {
        b->text.len = at;
        b->text.overflow = false;
        return SIZE_MAX;
    }
    return at;
}

static struct str
get_text(const struct batch *b, size_t at)
{
    struct str s;

    memcpy(&s.len, b->text.at + at, sizeof(s.len));
    s.at = b->text.at + at + sizeof(s.len);
    return s;
}

static void
work_write(struct work *w)
{
    struct log_writer *l = CONTAINER_OF(w, struct log_writer, work);
    struct batch *b = &l->writing;
    struct log_batch_entry *rows = xcalloc(b->len, sizeof(*rows));

    for (size_t i = 0; i < b->len; i++) {
        const struct entry *e = &b->entries[i];

        rows[i] = (struct log_batch_entry){
            .account = get_text(b, e->account),
            .region = get_text(b, e->region),
            .group = get_text(b, e->group),
            .stream = get_text(b, e->stream),
            .time_ms = e->time_ms,
            .message = get_text(b, e->message),
        };
    }
    err_clear(&l->work_err);
    logs_append(l->store, rows, b->len, &l->work_err);
    free(rows);
}

static void start_write(struct log_writer *l);

static void
work_done(struct work *w)
{
    struct log_writer *l = CONTAINER_OF(w, struct log_writer, work);

    l->busy = false;
    if (l->work_err.kind) {
        l->dropped_all += l->writing.len;
        log_event(LOG_logs_dropped, "lines=%zu why=\"%s\"", l->writing.len, l->work_err.text);
    }
    l->writing.len = 0;
    buf_reset(&l->writing.text);
    if (l->writing.text.cap > (1u << 20))
        buf_done(&l->writing.text);
    if (l->filling.len > 0 && l->waiters_len > 0) {
        start_write(l);
        return;
    }
    if (l->filling.len == 0) {
        struct waiter waiters[WAITERS_MAX];
        size_t len = l->waiters_len;

        /* Each may add, flush, or free the writer. */
        memcpy(waiters, l->waiters, len * sizeof(waiters[0]));
        l->waiters_len = 0;
        for (size_t i = 0; i < len; i++)
            waiters[i].done(waiters[i].arg);
    }
}

static void
start_write(struct log_writer *l)
{
    struct batch full = l->filling;
    struct err err = {0};

    if (l->busy || full.len == 0)
        return;
    if (full.dropped) {
        const struct entry *last = &full.entries[full.len - 1];
        char text[120];
        size_t message;

        snprintf(text, sizeof(text), "%llu log lines were dropped here: the log store was too slow",
                 (unsigned long long)full.dropped);
        message = put_text(&l->filling, str_of(text)); /* log_writer_add() left room */
        full = l->filling;
        if (message != SIZE_MAX && full.len < full.cap) {
            full.entries[full.len] = *last;
            full.entries[full.len].message = message;
            full.len++;
        }
        full.dropped = 0;
    }
    l->filling = l->writing;
    l->writing = full;
    l->last_stream = SIZE_MAX;
    l->busy = true;
    if (loop_work(l->loop, &l->work, &err) < 0) {
        struct batch back =
            l->filling; /* the workers are overrun: keep it, the timer tries again */

        l->busy = false;
        l->filling = l->writing;
        l->writing = back;
    }
}

static void
on_timer(struct timer *t)
{
    struct log_writer *l = CONTAINER_OF(t, struct log_writer, timer);

    start_write(l);
    if (l->filling.len > 0)
        timer_set(l->loop, t, l->flush_us, on_timer);
}

struct log_writer *
log_writer_new(struct loop *loop, struct store *store, size_t buffer_max_bytes, uint64_t flush_ms)
{
    struct log_writer *l = xcalloc(1, sizeof(*l));

    l->loop = loop;
    l->store = store;
    l->flush_us = flush_ms * 1000;
    ASSERT(buffer_max_bytes / 2 > NOTE_BYTES);
    l->filling.text = BUF_MAX(buffer_max_bytes / 2);
    l->writing.text = BUF_MAX(buffer_max_bytes / 2);
    l->work = (struct work){.work = work_write, .done = work_done};
    l->last_stream = SIZE_MAX;
    return l;
}

static void
drop(struct log_writer *l)
{
    l->filling.dropped++;
    if (l->dropped_all++ % 10000 == 0)
        log_event(LOG_logs_dropped, "lines=%llu why=\"the log store is too slow\"",
                  (unsigned long long)l->dropped_all);
}

void
log_writer_add(struct log_writer *l, struct str account, struct str region, struct str group,
               struct str stream, int64_t time_ms, struct str message)
{
    struct batch *b = &l->filling;
    size_t mark = b->text.len;
    struct entry *e;

    if (b->len >= ENTRIES_MAX) {
        drop(l);
        return;
    }
    if (b->len + 1 >= b->cap) {
        b->cap = b->cap ? b->cap * 2 : 256;
        b->entries = xrealloc(b->entries, b->cap * sizeof(*b->entries));
    }
    /* Lines come in runs of one stream: its names are stored once a run. */
    if (l->last_stream == SIZE_MAX || !str_eq(get_text(b, l->last_stream), stream) ||
        !str_eq(get_text(b, l->last_group), group) ||
        !str_eq(get_text(b, l->last_region), region) ||
        !str_eq(get_text(b, l->last_account), account)) {
        l->last_account = put_text(b, account);
        l->last_region = put_text(b, region);
        l->last_group = put_text(b, group);
        l->last_stream = put_text(b, stream);
    }
    e = &b->entries[b->len];
    *e = (struct entry){l->last_account, l->last_region,       l->last_group,
                        l->last_stream,  put_text(b, message), time_ms};
    if (e->account == SIZE_MAX || e->region == SIZE_MAX || e->group == SIZE_MAX ||
        e->stream == SIZE_MAX || e->message == SIZE_MAX || b->text.len > b->text.max - NOTE_BYTES) {
        b->text.len = mark;
        l->last_stream = SIZE_MAX;
        drop(l);
        return;
    }
    b->len++;
    if (!l->timer.loop)
        timer_set(l->loop, &l->timer, l->flush_us, on_timer);
}

void
log_writer_flush(struct log_writer *l, void (*done)(void *arg), void *arg)
{
    if (!l->busy && l->filling.len == 0) {
        done(arg);
        return;
    }
    ASSERT(l->waiters_len < WAITERS_MAX);
    l->waiters[l->waiters_len].done = done;
    l->waiters[l->waiters_len++].arg = arg;
    start_write(l);
}

uint64_t
log_writer_dropped(const struct log_writer *l)
{
    return l->dropped_all;
}

void
log_writer_free(struct log_writer *l)
{
    if (!l)
        return;
    ASSERT(!l->busy);
    timer_stop(&l->timer);
    buf_done(&l->filling.text);
    buf_done(&l->writing.text);
    free(l->filling.entries);
    free(l->writing.entries);
    free(l);
}
