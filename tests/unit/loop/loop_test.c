/* The loop's promises: order, cancelling from inside, other threads. A test ends by loop_stop();
 * one that hangs is ended by Meson. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/id.h"
#include "loop/loop.h"
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

static struct loop *loop;

static int
setup(void **state)
{
    loop = loop_new(2, 8);
    return 0;
}

static int
teardown(void **state)
{
    loop_free(loop);
    return 0;
}

/* ---- timers ---- */

enum { TIMERS = 500 };

static struct timed {
    struct timer timer;
    bool fired;
} timed[TIMERS];
static uint64_t last_due;
static size_t fired;

static void
on_ordered(struct timer *t)
{
    struct timed *mine = CONTAINER_OF(t, struct timed, timer);

    assert_null(t->loop);
    assert_true(t->due_us >= last_due && t->due_us <= loop_now_us(loop));
    last_due = t->due_us;
    mine->fired = true;
    if (++fired == TIMERS / 2)
        loop_stop(loop);
}

static void
timers_fire_in_order_and_stopped_ones_never(void **state)
{
    uint32_t random[TIMERS];

    random_bytes(random, sizeof(random));
    fired = last_due = 0;
    for (size_t i = 0; i < TIMERS; i++) {
        timed[i].fired = false;
        timer_set(loop, &timed[i].timer, random[i] % 20000, on_ordered);
    }
    for (size_t i = 0; i < TIMERS; i++) /* moved to another time */
        if (random[i] & 1 << 20)
            timer_set(loop, &timed[i].timer, random[i] / 2 % 20000, on_ordered);
    for (size_t i = 0; i < TIMERS; i += 2) {
        timer_stop(&timed[i].timer);
        timer_stop(&timed[i].timer);
    }
    loop_run(loop);
    for (size_t i = 0; i < TIMERS; i++)
        assert_int_equal(timed[i].fired, i % 2);
}

static void
never(struct timer *t)
{
    fail_msg("a stopped timer fired");
}

static void
on_stops_the_others(struct timer *t)
{
    for (size_t i = 1; i < 10; i++)
        timer_stop(&timed[i].timer);
}

static void
on_end(struct timer *t)
{
    loop_stop(loop);
}

static void
a_timer_stopped_by_another_of_the_same_round_stays_silent(void **state)
{
    struct timer end = {0};

    timer_set(loop, &timed[0].timer, 0, on_stops_the_others);
    for (size_t i = 1; i < 10; i++)
        timer_set(loop, &timed[i].timer, 1, never);
    timer_set(loop, &end, 2000, on_end);
    while (clock_us() < timed[9].timer.due_us) /* all are due in the first round */
        ;
    loop_run(loop);
}

static unsigned rounds, idle_rounds;

static void
on_again(struct timer *t)
{
    if (++rounds == 100)
        loop_stop(loop);
    else
        timer_set(loop, t, 0, on_again);
}

static uint64_t
count_idle(void *arg)
{
    ++*(unsigned *)arg;
    return UINT64_MAX;
}

static void
a_self_arming_timer_leaves_each_iteration_to_the_others(void **state)
{
    struct timer t = {0};

    rounds = idle_rounds = 0;
    loop_on_idle(loop, count_idle, &idle_rounds);
    timer_set(loop, &t, 0, on_again);
    loop_run(loop);
    assert_int_equal(rounds, 100);
    assert_true(idle_rounds >= 100);
    loop_off_idle(loop, count_idle, &idle_rounds);
}

static void
a_timer_for_ever_does_not_wrap_round_to_now(void **state)
{
    struct timer ever = {0}, end = {0};

    timer_set(loop, &ever, UINT64_MAX, never);
    timer_set(loop, &end, 1000, on_end);
    loop_run(loop);
    timer_stop(&ever);
}

/* ---- fds ---- */

static struct bell {
    struct io io;
    unsigned calls;
} bells[300];

static void
open_bells(size_t n, void (*on_ready)(struct io *io, uint32_t events))
{
    for (size_t i = 0; i < n; i++) {
        struct err err = {0};
        int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK); /* ready from the start */

        assert_true(fd >= 0);
        bells[i].calls = 0;
        assert_int_equal(io_open(loop, &bells[i].io, fd, EPOLLIN, on_ready, &err), 0);
    }
}

static void
close_bells(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        io_close(&bells[i].io);
        close(bells[i].io.fd);
    }
}

static unsigned bells_rung;

static void
on_close_all_others(struct io *io, uint32_t events)
{
    bells_rung++;
    for (size_t i = 0; i < 10; i++)
        if (&bells[i].io != io)
            io_close(&bells[i].io);
    io_close(io); /* its own too */
    loop_stop(loop);
}

static void
fds_closed_in_a_callback_of_the_same_batch_stay_silent(void **state)
{
    bells_rung = 0;
    open_bells(10, on_close_all_others);
    loop_run(loop);
    assert_int_equal(bells_rung, 1);
    close_bells(10);
}

static void
on_timer_closes(struct timer *t)
{
    for (size_t i = 0; i < 10; i++)
        io_close(&bells[i].io);
    loop_stop(loop);
}

static void
on_never_ready(struct io *io, uint32_t events)
{
    fail_msg("a closed fd was called");
}

static void
fds_closed_by_a_timer_of_the_same_round_stay_silent(void **state)
{
    struct timer t = {0};

    open_bells(10, on_never_ready);
    timer_set(loop, &t, 0, on_timer_closes);
    while (clock_us() < t.due_us)
        ;
    loop_run(loop);
    close_bells(10);
}

static unsigned reopened;

static void
on_reopened(struct io *io, uint32_t events)
{
    reopened++;
    loop_stop(loop);
}

static void
on_reuse(struct io *io, uint32_t events)
{
    struct err err = {0};

    bells_rung++;
    for (size_t i = 0; i < 2; i++) { /* the memory of a closed handle serves another fd at once */
        io_close(&bells[i].io);
        assert_int_equal(io_open(loop, &bells[i].io, bells[i].io.fd, EPOLLOUT, on_reopened, &err),
                         0);
    }
}

static void
a_handle_opened_anew_gets_no_event_of_its_former_life(void **state)
{
    bells_rung = reopened = 0;
    open_bells(2, on_reuse);
    loop_run(loop);
    assert_int_equal(bells_rung, 1);
    assert_true(reopened > 0);
    close_bells(2);
}

static void
on_count(struct io *io, uint32_t events)
{
    struct bell *b = CONTAINER_OF(io, struct bell, io);

    b->calls++;
    io_set(io, 0);
    if (++bells_rung == ARRAY_LEN(bells))
        loop_stop(loop);
}

static void
more_fds_than_a_batch_all_get_their_turn(void **state)
{
    bells_rung = 0;
    open_bells(ARRAY_LEN(bells), on_count);
    loop_run(loop);
    for (size_t i = 0; i < ARRAY_LEN(bells); i++)
        assert_int_equal(bells[i].calls, 1);
    close_bells(ARRAY_LEN(bells));
}

static void
an_fd_that_cannot_be_watched_is_an_error(void **state)
{
    struct io io;
    struct err err = {0};

    assert_true(io_open(loop, &io, -1, EPOLLIN, on_never_ready, &err) < 0);
    assert_string_equal(err.text, "watch fd -1: Bad file descriptor");
    io_close(&io); /* nothing to close, no harm */
}

/* ---- other threads ---- */

enum { POSTERS = 4, POSTS = 2000 };

static struct poster {
    pthread_t thread;
    uintptr_t next;
} posters[POSTERS];
static unsigned posted;

static void
on_post(void *arg)
{
    uintptr_t value = (uintptr_t)arg, who = value % POSTERS, at = value / POSTERS;

    assert_int_equal(posters[who].next, at);
    posters[who].next++;
    if (++posted == POSTERS * POSTS)
        loop_stop(loop);
}

static void *
post_many(void *arg)
{
    for (uintptr_t i = 0; i < POSTS; i++)
        loop_post(loop, on_post, (void *)(i * POSTERS + (uintptr_t)arg));
    return NULL;
}

static void
posts_of_each_thread_keep_their_order(void **state)
{
    posted = 0;
    for (uintptr_t i = 0; i < POSTERS; i++) {
        posters[i].next = 0;
        assert_int_equal(pthread_create(&posters[i].thread, NULL, post_many, (void *)i), 0);
    }
    loop_run(loop);
    for (size_t i = 0; i < POSTERS; i++)
        pthread_join(posters[i].thread, NULL);
}

static unsigned posts_run;

static void
on_post_again(void *arg)
{
    if (posts_run++ < 3)
        loop_post(loop, on_post_again, NULL);
}

static void
what_was_posted_before_the_end_still_runs(void **state)
{
    struct loop *mine = loop, *other = loop_new(0, 1);

    posts_run = 0;
    loop = other;
    loop_post(other, on_post_again, NULL);
    loop_free(other); /* never ran; posts made by posts run too */
    loop = mine;
    assert_int_equal(posts_run, 4);
}

/* A job that says when it runs and waits until it may end. */
struct job {
    struct work work;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool running, release;
    bool posted_first, is_done;
};
static unsigned jobs_done;

static void
job_init(struct job *j, void (*work)(struct work *w), void (*done)(struct work *w))
{
    *j = (struct job){.work = {.work = work, .done = done}};
    pthread_mutex_init(&j->lock, NULL);
    pthread_cond_init(&j->cond, NULL);
}

static void
job_wait(struct work *w)
{
    struct job *j = CONTAINER_OF(w, struct job, work);

    pthread_mutex_lock(&j->lock);
    j->running = true;
    pthread_cond_broadcast(&j->cond);
    while (!j->release)
        pthread_cond_wait(&j->cond, &j->lock);
    pthread_mutex_unlock(&j->lock);
}

static void
job_release(struct job *j)
{
    pthread_mutex_lock(&j->lock);
    j->release = true;
    pthread_cond_broadcast(&j->cond);
    pthread_mutex_unlock(&j->lock);
}

static void
job_done(struct work *w)
{
    struct job *j = CONTAINER_OF(w, struct job, work);

    assert_false(j->is_done);
    j->is_done = true;
    if (++jobs_done == 10)
        loop_stop(loop);
}

static void
the_work_queue_is_bounded_and_drains(void **state)
{
    static struct job jobs[11];
    struct err err = {0};

    jobs_done = 0;
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
        job_init(&jobs[i], job_wait, job_done);
    for (size_t i = 0; i < 2; i++) { /* both workers are busy */
        assert_int_equal(loop_work(loop, &jobs[i].work, &err), 0);
        pthread_mutex_lock(&jobs[i].lock);
        while (!jobs[i].running)
            pthread_cond_wait(&jobs[i].cond, &jobs[i].lock);
        pthread_mutex_unlock(&jobs[i].lock);
    }
    for (size_t i = 2; i < 10; i++)
        assert_int_equal(loop_work(loop, &jobs[i].work, &err), 0);
    assert_int_equal(loop_work(loop, &jobs[10].work, &err), -ERR_UNAVAILABLE);
    assert_string_equal(err.text, "8 jobs are waiting for a worker already");
    for (size_t i = 0; i < 10; i++)
        job_release(&jobs[i]);
    loop_run(loop);
    assert_false(jobs[10].is_done);
}

static void
on_progress(void *arg)
{
    struct job *j = arg;

    assert_false(j->is_done);
    j->posted_first = true;
}

static void
job_posts(struct work *w)
{
    loop_post(loop, on_progress, CONTAINER_OF(w, struct job, work));
}

static void
job_posted(struct work *w)
{
    struct job *j = CONTAINER_OF(w, struct job, work);

    assert_true(j->posted_first);
    job_done(w);
}

static void
what_a_worker_posts_comes_before_its_done(void **state)
{
    static struct job jobs[10];
    size_t sent = 0;

    jobs_done = 0;
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
        job_init(&jobs[i], job_posts, job_posted);
    for (; sent < 8; sent++)
        assert_int_equal(loop_work(loop, &jobs[sent].work, &(struct err){0}), 0);
    while (sent < 10) { /* as room comes */
        struct err err = {0};

        sent += loop_work(loop, &jobs[sent].work, &err) == 0;
    }
    loop_run(loop);
}

static int late_rc;

static void
job_wants_more(struct work *w)
{
    static struct work more;
    struct err err = {0};

    more = (struct work){.work = job_posts, .done = job_done};
    jobs_done++;
    late_rc = loop_work(loop, &more, &err);
}

static void
freeing_the_loop_ends_pending_work_first(void **state)
{
    static struct job jobs[6];
    struct loop *mine = loop, *other = loop_new(1, 8);

    jobs_done = 100;
    loop = other;
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
        job_init(&jobs[i], job_posts, i == 5 ? job_wants_more : job_posted);
        assert_int_equal(loop_work(other, &jobs[i].work, &(struct err){0}), 0);
    }
    loop_free(other);
    loop = mine;
    assert_int_equal(jobs_done, 106);
    assert_int_equal(late_rc, -ERR_UNAVAILABLE); /* refused, where it was once forgotten */
    loop_free(NULL);
}

/* ---- signals ---- */

static int seen[64], seen_len;

static void
on_signal(void *arg, int signo)
{
    assert_ptr_equal(arg, &seen);
    seen[seen_len++] = signo;
    if (seen_len == 4)
        loop_stop(loop);
}

static void
signals_arrive_on_the_loop(void **state)
{
    seen_len = 0;
    loop_on_signal(loop, on_signal, &seen);
    kill(getpid(), SIGTERM);
    kill(getpid(), SIGINT);
    kill(getpid(), SIGHUP);
    kill(getpid(), SIGCHLD);
    loop_run(loop);
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < i; k++)
            assert_int_not_equal(seen[i], seen[k]);
    assert_int_equal(raise(SIGPIPE), 0); /* ignored: a peer that left must not end us */
}

/* ---- idle ---- */

static unsigned idle_a, idle_b;

static uint64_t
idle_takes_itself_back(void *arg)
{
    idle_a++;
    loop_off_idle(loop, idle_takes_itself_back, NULL);
    return 0;
}

static uint64_t
idle_ends(void *arg)
{
    if (++idle_b == 5)
        loop_stop(loop);
    return 0; /* do not sleep */
}

static void
idle_functions_bound_the_sleep_and_may_leave(void **state)
{
    idle_a = idle_b = 0;
    loop_on_idle(loop, idle_takes_itself_back, NULL);
    loop_on_idle(loop, idle_ends, NULL);
    loop_run(loop);
    assert_int_equal(idle_a, 1);
    assert_int_equal(idle_b, 5);
    loop_off_idle(loop, idle_ends, &idle_b); /* another argument: not it */
    loop_off_idle(loop, idle_ends, NULL);
}

static void
time_stands_still_within_an_iteration(void **state)
{
    uint64_t then = loop_now_us(loop), ms = loop_now_ms(loop);

    while (clock_us() < then + 2000)
        ;
    assert_int_equal(loop_now_us(loop), then);
    assert_int_equal(ms, then / 1000);
}

#define TEST_CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_CASE(timers_fire_in_order_and_stopped_ones_never),
        TEST_CASE(a_timer_stopped_by_another_of_the_same_round_stays_silent),
        TEST_CASE(a_self_arming_timer_leaves_each_iteration_to_the_others),
        TEST_CASE(a_timer_for_ever_does_not_wrap_round_to_now),
        TEST_CASE(fds_closed_in_a_callback_of_the_same_batch_stay_silent),
        TEST_CASE(fds_closed_by_a_timer_of_the_same_round_stay_silent),
        TEST_CASE(a_handle_opened_anew_gets_no_event_of_its_former_life),
        TEST_CASE(more_fds_than_a_batch_all_get_their_turn),
        TEST_CASE(an_fd_that_cannot_be_watched_is_an_error),
        TEST_CASE(posts_of_each_thread_keep_their_order),
        TEST_CASE(what_was_posted_before_the_end_still_runs),
        TEST_CASE(the_work_queue_is_bounded_and_drains),
        TEST_CASE(what_a_worker_posts_comes_before_its_done),
        TEST_CASE(freeing_the_loop_ends_pending_work_first),
        TEST_CASE(signals_arrive_on_the_loop),
        TEST_CASE(idle_functions_bound_the_sleep_and_may_leave),
        TEST_CASE(time_stands_still_within_an_iteration),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
