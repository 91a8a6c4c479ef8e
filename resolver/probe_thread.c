/* SPDX-License-Identifier: Apache-2.0
 *
 * A loop, a mailbox, the prober (probe_thread.h). Plans and the order to end come by mail.
 */
#include "resolver/probe_thread.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "resolver/dns.h"
#include "resolver/mailbox.h"

#define PATH_ROOM 4096

struct probe_thread {
    struct net *net;
    struct mailbox *mailbox;
    struct dns *dns;
    struct probe_table *table;
    struct prober *prober;
    pthread_t thread;
    bool is_running;
    struct mail end;
    char path[PATH_ROOM];
};

struct plan_mail {
    struct mail mail;
    struct probe_plan *plan;
};

static void plan_on_arrival(struct mail *mail, void *owner)
{
    struct plan_mail *arrived = (struct plan_mail *)mail;
    struct probe_thread *thread = owner;
    prober_adopt(thread->prober, arrived->plan);
    free(arrived);
}

static void thread_on_end(struct mail *mail, void *owner)
{
    const struct probe_thread *thread = owner;
    (void)mail;
    net_stop(thread->net);
}

static void *thread_run(void *context)
{
    const struct probe_thread *thread = context;
    net_run(thread->net);
    return NULL;
}

static enum status make_prober(struct probe_thread *thread,
                               const struct probe_thread_options *options)
{
    struct probe_options prober = {
        .net = thread->net,
        .registry = options->registry,
        .metrics = options->metrics,
        .log = options->log,
        .random = options->random,
    };
    enum status status = mailbox_new(thread->net, thread, &thread->mailbox);
    thread->table = probe_table_new(options->metrics);
    if (status != STATUS_OK || thread->table == NULL) {
        return status != STATUS_OK ? status : STATUS_NO_MEMORY;
    }
    if (dns_new(thread->net, options->name_servers, &thread->dns) != STATUS_OK) {
        thread->dns = NULL; /* servers with addresses are probed all the same */
    }
    int len = options->directory == NULL ? 0
                                         : snprintf(thread->path, sizeof(thread->path),
                                                    "%s/cache/probes.json", options->directory);
    prober.table = thread->table;
    prober.dns = thread->dns;
    prober.path = len > 0 && (size_t)len < sizeof(thread->path) ? thread->path : NULL;
    return prober_new(&prober, &thread->prober);
}

static enum status start(struct probe_thread *thread)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    thread->is_running = pthread_create(&thread->thread, NULL, thread_run, thread) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return thread->is_running ? STATUS_OK : STATUS_SYSTEM;
}

enum status probe_thread_start(const struct probe_thread_options *options, struct probe_plan *plan,
                               struct probe_thread **out_thread)
{
    struct probe_thread *thread = calloc(1, sizeof(*thread));
    enum status status = thread == NULL ? STATUS_NO_MEMORY : net_new(&thread->net);
    if (status == STATUS_OK) {
        status = make_prober(thread, options);
    }
    if (status != STATUS_OK) {
        probe_plan_free(plan);
        probe_thread_stop(thread);
        return status;
    }
    prober_adopt(thread->prober, plan);
    status = start(thread);
    if (status != STATUS_OK) {
        probe_thread_stop(thread);
        return status;
    }
    *out_thread = thread;
    return STATUS_OK;
}

void probe_thread_adopt(struct probe_thread *thread, struct probe_plan *plan)
{
    struct plan_mail *mail = calloc(1, sizeof(*mail));
    if (mail == NULL) { /* the former plan goes on */
        probe_plan_free(plan);
        return;
    }
    mail->mail.opened = plan_on_arrival;
    mail->plan = plan;
    mailbox_post(thread->mailbox, &mail->mail);
}

void probe_thread_stop(struct probe_thread *thread)
{
    if (thread == NULL) {
        return;
    }
    if (thread->is_running) {
        thread->end.opened = thread_on_end;
        mailbox_post(thread->mailbox, &thread->end);
        (void)pthread_join(thread->thread, NULL);
        mailbox_open_all(thread->mailbox);
    }
    prober_free(thread->prober);
    dns_free(thread->dns);
    probe_table_free(thread->table);
    mailbox_free(thread->mailbox);
    net_free(thread->net);
    free(thread);
}

json_t *probe_thread_states(struct probe_thread *thread, const char *prefix)
{
    return probe_table_json(thread->table, prefix);
}
