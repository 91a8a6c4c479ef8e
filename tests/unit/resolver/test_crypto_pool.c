/* SPDX-License-Identifier: Apache-2.0
 *
 * The crypto pool: every job comes home once, sources take turns, a full queue refuses.
 */
#include "resolver/crypto_pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#define JOBS 400

struct task {
    struct mail mail;
    struct crypto_job job;
    struct desk *desk;
    uint64_t source;
    unsigned worked;
    bool is_home;
};

/* Where jobs come home to, and what happened in which order. */
struct desk {
    struct net *net;
    struct mailbox *mailbox;
    pthread_mutex_t gate; /* holds the pool's only thread up */
    uint64_t order[JOBS];
    size_t done;
    size_t home;
    size_t wanted;
};

static void task_on_home(struct mail *mail, void *owner)
{
    struct task *task = (struct task *)mail;
    struct desk *desk = owner;
    assert_false(task->is_home);
    task->is_home = true;
    if (++desk->home == desk->wanted) {
        net_stop(desk->net);
    }
}

static void task_work(struct crypto_job *job)
{
    struct task *task = (struct task *)((char *)job - offsetof(struct task, job));
    (void)pthread_mutex_lock(&task->desk->gate);
    task->desk->order[task->desk->done++] = task->source;
    (void)pthread_mutex_unlock(&task->desk->gate);
    task->worked++;
}

static void task_begin(struct task *task, struct desk *desk, uint64_t source)
{
    *task = (struct task){
        .mail.opened = task_on_home,
        .job = {.home = desk->mailbox, .work = task_work},
        .desk = desk,
        .source = source,
    };
    task->job.mail = &task->mail;
}

static void desk_open(struct desk *desk)
{
    *desk = (struct desk){0};
    assert_int_equal(net_new(&desk->net), STATUS_OK);
    assert_int_equal(mailbox_new(desk->net, desk, &desk->mailbox), STATUS_OK);
    assert_int_equal(pthread_mutex_init(&desk->gate, NULL), 0);
}

static void desk_close(struct desk *desk)
{
    mailbox_free(desk->mailbox);
    net_free(desk->net);
    (void)pthread_mutex_destroy(&desk->gate);
}

static struct crypto_pool *pool_of(size_t threads, size_t queue)
{
    const struct crypto_pool_options options = {.threads = threads, .queue = queue};
    struct crypto_pool *pool = NULL;
    assert_int_equal(crypto_pool_start(&options, &pool), STATUS_OK);
    return pool;
}

static void every_job_comes_home_once(void **state)
{
    (void)state;
    static struct task tasks[JOBS];
    struct desk desk;
    desk_open(&desk);
    desk.wanted = JOBS;
    struct crypto_pool *pool = pool_of(4, 4 * JOBS);
    for (size_t i = 0; i < JOBS; i++) {
        task_begin(&tasks[i], &desk, i % 7);
        assert_int_equal(crypto_pool_submit(pool, &tasks[i].job, tasks[i].source), STATUS_OK);
    }
    net_run(desk.net);
    for (size_t i = 0; i < JOBS; i++) {
        assert_int_equal(tasks[i].worked, 1);
        assert_true(tasks[i].is_home);
    }
    crypto_pool_stop(pool);
    desk_close(&desk);
}

static void source_with_one_job_waits_for_one_of_the_others(void **state)
{
    (void)state;
    static struct task tasks[21];
    struct desk desk;
    desk_open(&desk);
    desk.wanted = 21;
    struct crypto_pool *pool = pool_of(1, 100);
    (void)pthread_mutex_lock(&desk.gate);
    for (size_t i = 0; i < 21; i++) {
        task_begin(&tasks[i], &desk, i < 20 ? 1 : 2);
        assert_int_equal(crypto_pool_submit(pool, &tasks[i].job, tasks[i].source), STATUS_OK);
    }
    (void)pthread_mutex_unlock(&desk.gate);
    net_run(desk.net);
    size_t at = 0;
    while (desk.order[at] != 2) {
        at++;
    }
    assert_in_range(at, 0, 2);
    crypto_pool_stop(pool);
    desk_close(&desk);
}

static void full_lane_refuses_and_others_do_not(void **state)
{
    (void)state;
    static struct task tasks[8];
    struct desk desk;
    desk_open(&desk);
    struct crypto_pool *pool = pool_of(1, 8); /* a lane holds two */
    struct crypto_pool_figures figures;
    size_t taken = 0;
    (void)pthread_mutex_lock(&desk.gate);
    for (size_t i = 0; i < 6; i++) {
        task_begin(&tasks[i], &desk, 1);
        taken += crypto_pool_submit(pool, &tasks[i].job, 1) == STATUS_OK;
    }
    assert_in_range(taken, 2, 3); /* one may be with the thread already */
    task_begin(&tasks[6], &desk, 2);
    assert_int_equal(crypto_pool_submit(pool, &tasks[6].job, 2), STATUS_OK);
    crypto_pool_figures(pool, &figures);
    assert_int_equal(figures.refused, 6 - taken);
    (void)pthread_mutex_unlock(&desk.gate);
    crypto_pool_stop(pool); /* does what is queued */
    assert_int_equal(desk.done, taken + 1);
    mailbox_open_all(desk.mailbox);
    assert_int_equal(desk.home, taken + 1);
    desk_close(&desk);
}

static void pool_without_threads_works_where_it_is_asked(void **state)
{
    (void)state;
    struct task task;
    struct desk desk;
    desk_open(&desk);
    struct crypto_pool *pool = pool_of(0, 8);
    task_begin(&task, &desk, 1);
    assert_int_equal(crypto_pool_submit(pool, &task.job, 1), STATUS_OK);
    assert_int_equal(task.worked, 1);
    assert_false(task.is_home);
    mailbox_open_all(desk.mailbox);
    assert_true(task.is_home);
    crypto_pool_stop(pool);
    desk_close(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_job_comes_home_once),
        cmocka_unit_test(source_with_one_job_waits_for_one_of_the_others),
        cmocka_unit_test(full_lane_refuses_and_others_do_not),
        cmocka_unit_test(pool_without_threads_works_where_it_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
