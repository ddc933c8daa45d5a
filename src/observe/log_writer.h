/* Function logs on their way to the store: collected in memory, written in batches by a worker.
 * Memory is bounded: when the store cannot keep up, lines are dropped, counted, and the count is
 * written as a line of its own, so that a reader knows.
 * Thread: loop. */
#pragma once

#include "base/err.h"
#include "loop/loop.h"
#include "store/logs.h"

struct log_writer;

struct log_writer *log_writer_new(struct loop *loop, struct store *store, size_t buffer_max_bytes,
                                  uint64_t flush_ms);
/* One event of a stream; everything is copied. */
void log_writer_add(struct log_writer *l, struct str account, struct str region, struct str group,
                    struct str stream, int64_t time_ms, struct str message);
/* Hand what is collected to the store now; `done(arg)` on the loop once all of it was written (at
 * once when there is nothing). */
void log_writer_flush(struct log_writer *l, void (*done)(void *arg), void *arg);
uint64_t log_writer_dropped(const struct log_writer *l);
void log_writer_free(struct log_writer *l); /* only after a flush was done */
