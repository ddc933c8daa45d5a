/* One epoll set, one binary heap of timers, one eventfd that other threads ring, one signalfd.
 *
 * Invariants:
 *  - An io closed during an iteration never gets its callback in that iteration: io_close() clears
 *    it out of the batch that epoll_wait returned.
 *  - Timers fire in order of due time; a timer armed inside a callback with 0 fires in the next
 *    iteration, so a self-arming timer cannot starve the fds.
 *  - Posts from one thread run in the order they were made. */
#include "loop/loop.h"
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <time.h>

enum { BATCH = 256, IDLE_MAX = 8 };

struct post {
    struct post *next;
    void (*fn)(void *arg);
    void *arg;
};

struct loop {
    int epoll_fd, wake_fd, signal_fd;
    bool running;
    uint64_t now_us;
    struct io wake_io, signal_io;
    struct epoll_event batch[BATCH];
    int batch_len;
    struct timer **heap;
    size_t heap_len, heap_cap;

    struct {
        uint64_t (*fn)(void *arg);
        void *arg;
    } idle[IDLE_MAX];
    size_t idle_len;
    void (*on_signal)(void *arg, int signo);
    void *signal_arg;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t has_work;
    struct post *posts, **posts_tail;
    struct work *queue, **queue_tail;
    size_t queue_len, queue_max;
    struct work *done, **done_tail;
    bool woken, quit;
    pthread_t *threads;
    unsigned threads_len;
};

static uint64_t
clock_read_us(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t
clock_us(void)
{
    return clock_read_us(CLOCK_MONOTONIC);
}

uint64_t
clock_wall_ms(void)
{
    return clock_read_us(CLOCK_REALTIME) / 1000;
}

uint64_t
loop_now_us(const struct loop *loop)
{
    return loop->now_us;
}

uint64_t
loop_now_ms(const struct loop *loop)
{
    return loop->now_us / 1000;
}

/* ---- fds ---- */

int
io_open(struct loop *loop, struct io *io, int fd, uint32_t events,
        void (*on_ready)(struct io *io, uint32_t events), struct err *err)
{
    struct epoll_event ev = {.events = events, .data.ptr = io};

    *io = (struct io){.loop = loop, .fd = fd, .events = events, .on_ready = on_ready};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
        io->loop = NULL;
        return err_sys(err, "watch fd %d", fd);
    }
    return 0;
}

void
io_set(struct io *io, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.ptr = io};

    ASSERT(io->loop);
    if (io->events == events)
        return;
    io->events = events;
    ASSERT(epoll_ctl(io->loop->epoll_fd, EPOLL_CTL_MOD, io->fd, &ev) == 0);
}

void
io_close(struct io *io)
{
    struct loop *loop = io->loop;

    if (!loop)
        return;
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, io->fd, NULL); /* fails only if fd is gone */
    for (int i = 0; i < loop->batch_len; i++)
        if (loop->batch[i].data.ptr == io)
            loop->batch[i].data.ptr = NULL;
    io->loop = NULL;
}

/* ---- timers: a binary heap, each timer knows its place ---- */

static void
heap_put(struct loop *loop, size_t at, struct timer *t)
{
    loop->heap[at] = t;
    t->at = at;
}

static void
heap_up(struct loop *loop, size_t at)
{
    struct timer *t = loop->heap[at];

    while (at > 0 && loop->heap[(at - 1) / 2]->due_us > t->due_us) {
        heap_put(loop, at, loop->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_put(loop, at, t);
}

static void
heap_down(struct loop *loop, size_t at)
{
    struct timer *t = loop->heap[at];

    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= loop->heap_len)
            break;
        if (child + 1 < loop->heap_len && loop->heap[child + 1]->due_us < loop->heap[child]->due_us)
            child++;
        if (loop->heap[child]->due_us >= t->due_us)
            break;
        heap_put(loop, at, loop->heap[child]);
        at = child;
    }
    heap_put(loop, at, t);
}

void
timer_stop(struct timer *t)
{
    struct loop *loop = t->loop;
    struct timer *last;
    size_t at = t->at;

    if (!loop)
        return;
    ASSERT(at < loop->heap_len && loop->heap[at] == t);
    t->loop = NULL;
    last = loop->heap[--loop->heap_len];
    if (last == t)
        return;
    heap_put(loop, at, last);
    heap_up(loop, at);
    heap_down(loop, last->at);
}

void
timer_set(struct loop *loop, struct timer *t, uint64_t after_us, void (*on_due)(struct timer *t))
{
    timer_stop(t);
    if (loop->heap_len == loop->heap_cap) {
        loop->heap_cap = loop->heap_cap ? loop->heap_cap * 2 : 64;
        loop->heap = xrealloc(loop->heap, loop->heap_cap * sizeof(struct timer *));
    }
    t->loop = loop;
    /* After "now" in any case: a timer that is armed with 0 while timers run waits its turn. */
    if (__builtin_add_overflow(MAX(clock_us(), loop->now_us + 1), after_us, &t->due_us))
        t->due_us = UINT64_MAX;
    t->on_due = on_due;
    loop->heap[loop->heap_len] = t;
    t->at = loop->heap_len;
    loop->heap_len++;
    heap_up(loop, t->at);
}

static void
run_timers(struct loop *loop)
{
    uint64_t now = loop->now_us;

    while (loop->heap_len > 0 && loop->heap[0]->due_us <= now) {
        struct timer *t = loop->heap[0];

        timer_stop(t);
        t->on_due(t);
    }
}

/* ---- other threads ---- */

/* Called with the lock held; one write however many things are posted before the loop wakes. */
static void
ring(struct loop *loop)
{
    uint64_t one = 1;

    if (loop->woken)
        return;
    loop->woken = true;
    ASSERT(write(loop->wake_fd, &one, sizeof(one)) == sizeof(one));
}

void
loop_post(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    struct post *p = xcalloc(1, sizeof(*p));

    p->fn = fn;
    p->arg = arg;
    pthread_mutex_lock(&loop->lock);
    *loop->posts_tail = p;
    loop->posts_tail = &p->next;
    ring(loop);
    pthread_mutex_unlock(&loop->lock);
}

int
loop_work(struct loop *loop, struct work *w, struct err *err)
{
    ASSERT(loop->threads_len > 0);
    pthread_mutex_lock(&loop->lock);
    if (loop->quit) { /* asked for by a done() inside loop_free(): nobody is left to do it */
        pthread_mutex_unlock(&loop->lock);
        return err_set(err, ERR_UNAVAILABLE, "the workers have ended");
    }
    if (loop->queue_len >= loop->queue_max) {
        pthread_mutex_unlock(&loop->lock);
        return err_set(err, ERR_UNAVAILABLE, "%zu jobs are waiting for a worker already",
                       loop->queue_max);
    }
    w->next = NULL;
    *loop->queue_tail = w;
    loop->queue_tail = &w->next;
    loop->queue_len++;
    pthread_cond_signal(&loop->has_work);
    pthread_mutex_unlock(&loop->lock);
    return 0;
}

static void *
worker(void *arg)
{
    struct loop *loop = arg;

    pthread_mutex_lock(&loop->lock);
    for (;;) {
        struct work *w;

        while (!loop->queue && !loop->quit)
            pthread_cond_wait(&loop->has_work, &loop->lock);
        w = loop->queue;
        if (!w)
            break; /* quit, and nothing left to do */
        loop->queue = w->next;
        if (!loop->queue)
            loop->queue_tail = &loop->queue;
        loop->queue_len--;
        pthread_mutex_unlock(&loop->lock);
        w->work(w);
        pthread_mutex_lock(&loop->lock);
        w->next = NULL;
        *loop->done_tail = w;
        loop->done_tail = &w->next;
        ring(loop);
    }
    pthread_mutex_unlock(&loop->lock);
    return NULL;
}

static void
on_wake(struct io *io, uint32_t events)
{
    struct loop *loop = CONTAINER_OF(io, struct loop, wake_io);
    struct post *posts;
    struct work *done;
    uint64_t count;

    (void)!read(loop->wake_fd, &count, sizeof(count)); /* only resets the counter */
    pthread_mutex_lock(&loop->lock);
    loop->woken = false;
    posts = loop->posts;
    loop->posts = NULL;
    loop->posts_tail = &loop->posts;
    done = loop->done;
    loop->done = NULL;
    loop->done_tail = &loop->done;
    pthread_mutex_unlock(&loop->lock);

    /* What a worker posted while it worked comes before that work's done(). */
    while (posts) {
        struct post *p = posts;

        posts = p->next;
        p->fn(p->arg);
        free(p);
    }
    while (done) {
        struct work *w = done;

        done = w->next;
        w->done(w);
    }
}

/* ---- signals ---- */

static void
on_signal_ready(struct io *io, uint32_t events)
{
    struct loop *loop = CONTAINER_OF(io, struct loop, signal_io);
    struct signalfd_siginfo info;

    while (read(loop->signal_fd, &info, sizeof(info)) == sizeof(info))
        if (loop->on_signal)
            loop->on_signal(loop->signal_arg, (int)info.ssi_signo);
}

void
loop_on_signal(struct loop *loop, void (*fn)(void *arg, int signo), void *arg)
{
    loop->on_signal = fn;
    loop->signal_arg = arg;
}

void
loop_on_idle(struct loop *loop, uint64_t (*fn)(void *arg), void *arg)
{
    ASSERT(loop->idle_len < IDLE_MAX);
    loop->idle[loop->idle_len].fn = fn;
    loop->idle[loop->idle_len++].arg = arg;
}

void
loop_off_idle(struct loop *loop, uint64_t (*fn)(void *arg), void *arg)
{
    for (size_t i = 0; i < loop->idle_len; i++) {
        if (loop->idle[i].fn != fn || loop->idle[i].arg != arg)
            continue;
        loop->idle_len--;
        memmove(&loop->idle[i], &loop->idle[i + 1], (loop->idle_len - i) * sizeof(loop->idle[0]));
        return;
    }
}

/* ---- the loop ---- */

struct loop *
loop_new(unsigned worker_threads, size_t work_queue_max)
{
    struct loop *loop = xcalloc(1, sizeof(*loop));
    struct err err = {0};
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* before any thread, so that all inherit it */
    signal(SIGPIPE, SIG_IGN);

    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    loop->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    ASSERT(loop->epoll_fd >= 0 && loop->wake_fd >= 0 && loop->signal_fd >= 0);
    pthread_mutex_init(&loop->lock, NULL);
    pthread_cond_init(&loop->has_work, NULL);
    loop->posts_tail = &loop->posts;
    loop->queue_tail = &loop->queue;
    loop->done_tail = &loop->done;
    loop->queue_max = work_queue_max;
    loop->now_us = clock_us();
    ASSERT(io_open(loop, &loop->wake_io, loop->wake_fd, EPOLLIN, on_wake, &err) == 0);
    ASSERT(io_open(loop, &loop->signal_io, loop->signal_fd, EPOLLIN, on_signal_ready, &err) == 0);
    loop->threads = xcalloc(worker_threads, sizeof(pthread_t));
    for (; loop->threads_len < worker_threads; loop->threads_len++)
        ASSERT(pthread_create(&loop->threads[loop->threads_len], NULL, worker, loop) == 0);
    return loop;
}

void
loop_free(struct loop *loop)
{
    if (!loop)
        return;
    pthread_mutex_lock(&loop->lock);
    loop->quit = true;
    pthread_cond_broadcast(&loop->has_work);
    pthread_mutex_unlock(&loop->lock);
    for (unsigned i = 0; i < loop->threads_len; i++)
        pthread_join(loop->threads[i], NULL);
    while (loop->posts || loop->done) /* what the workers finished last still gets its done() */
        on_wake(&loop->wake_io, 0);
    io_close(&loop->wake_io);
    io_close(&loop->signal_io);
    close(loop->wake_fd);
    close(loop->signal_fd);
    close(loop->epoll_fd);
    pthread_mutex_destroy(&loop->lock);
    pthread_cond_destroy(&loop->has_work);
    free(loop->threads);
    free(loop->heap);
    free(loop);
}

static int
sleep_ms(struct loop *loop)
{
    uint64_t wait_us = UINT64_MAX;

    for (size_t i = 0; i < loop->idle_len; i++)
        wait_us = MIN(wait_us, loop->idle[i].fn(loop->idle[i].arg));
    if (!loop->running)
        return 0;
    if (loop->heap_len > 0) {
        uint64_t now = clock_us(), due = loop->heap[0]->due_us;

        wait_us = MIN(wait_us, due > now ? due - now : (uint64_t)0);
    }
    if (wait_us == UINT64_MAX)
        return -1;
    return (int)MIN((wait_us + 999) / 1000, (uint64_t)60000);
}

void
loop_run(struct loop *loop)
{
    loop->running = true;
    while (loop->running) {
        int n = epoll_wait(loop->epoll_fd, loop->batch, BATCH, sleep_ms(loop));

        ASSERT(n >= 0 || errno == EINTR);
        loop->now_us = clock_us();
        loop->batch_len = MAX(n, 0);
        run_timers(loop);
        for (int i = 0; i < loop->batch_len; i++) {
            struct io *io = loop->batch[i].data.ptr;

            if (io)
                io->on_ready(io, loop->batch[i].events);
        }
        loop->batch_len = 0;
    }
}

void
loop_stop(struct loop *loop)
{
    loop->running = false;
}
