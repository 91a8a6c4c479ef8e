/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing for an exchange (identity.h): a change set goes to the committer and comes home.
 */
#include "resolver/commit.h"

#include <stdio.h>
#include <stdlib.h>

#include "resolver/exchange_progress.h"

#define CONFLICTS_MAX 20 /* one of several writers of a record wins each round */
#define NAME_MAX_LEN 255 /* of actor and origin in the journal */

struct commit {
    struct wait wait;
    struct change_set *set;
    struct mailbox *home;
};

static void commit_free(struct wait *wait)
{
    struct commit *commit = (struct commit *)wait;
    change_set_free(commit->set);
    free(commit);
}

/* On the committer's thread. */
static void commit_on_done(struct change_set *set, void *context)
{
    struct commit *commit = context;
    commit->wait.status = change_set_status(set);
    mailbox_post(commit->home, &commit->wait.mail);
}

/* --- who and from where ------------------------------------------------------------------------
 */

static struct bytes actor_of(const struct exchange *x, char out[NAME_MAX_LEN + 1])
{
    const struct identity *identity = exchange_identity(x);
    if (identity == NULL) {
        return BYTES_LITERAL("anybody"); /* a value with public write */
    }
    const char *via = x->route.terms.via;
    int len = snprintf(out, NAME_MAX_LEN + 1, "%s%s%s%u:", via[0] == '\0' ? "" : "apikey ", via,
                       via[0] == '\0' ? "" : " as ", (unsigned)identity->index);
    size_t room = NAME_MAX_LEN - (size_t)len;
    size_t handle_len = identity->handle.len < room ? identity->handle.len : room;
    /* Cut between characters: what the journal keeps is UTF-8. */
    while (handle_len > 0 && handle_len < identity->handle.len &&
           (identity->handle.data[handle_len] & 0xc0) == 0x80) {
        handle_len--;
    }
    memcpy(out + len, identity->handle.data, handle_len);
    return bytes_of(out, (size_t)len + handle_len);
}

struct change_set *exchange_new_set(struct exchange *x, enum change_policy policy)
{
    char actor[NAME_MAX_LEN + 1];
    char origin[NET_ADDRESS_TEXT];
    struct net_address bare = x->peer;
    bare.port = 0;
    net_address_text(&bare, origin);
    return change_set_new(policy, actor_of(x, actor), bytes_of_text(origin));
}

/* --- going out ---------------------------------------------------------------------------------
 */

static enum status depend_on_key(const struct exchange *x, struct change_set *set)
{
    const struct progress *progress = x->progress;
    return progress->key_handle.len == 0
               ? STATUS_OK
               : change_set_depends(set, CHANGE_RECORD, progress->key_handle,
                                    progress->key_version);
}

/* The decision is to be made anew, from the answer's verification on. */
static void reconsider(struct exchange *x)
{
    struct progress *progress = x->progress;
    progress->conflicts++;
    if (progress->identity.source == IDENTITY_ANSWER) {
        progress->has_verdict = false;
        progress->identity.is_verified = false;
        wait_forget(x, WAIT_VERIFY);
    }
    metrics_add(x->scope->metrics, METRIC_conflicts, 0, 1);
}

static void again_free(struct wait *wait)
{
    free(wait);
}

/* Runs the handler once more, from the loop. */
static enum status run_once_more(struct exchange *x)
{
    struct wait *wait = calloc(1, sizeof(*wait));
    enum status status =
        wait == NULL ? STATUS_NO_MEMORY : wait_begin(x, wait, WAIT_AGAIN, again_free);
    if (status != STATUS_OK) {
        free(wait);
        return STATUS_SERVER_BUSY;
    }
    mailbox_post(x->scope->services->mailbox, &wait->mail);
    return STATUS_PENDING;
}

enum status exchange_decide_again(struct exchange *x)
{
    if (progress_of(x) == NULL || x->progress->conflicts >= CONFLICTS_MAX) {
        return STATUS_SERVER_BUSY;
    }
    reconsider(x);
    return exchange_go_on(x);
}

enum status exchange_go_on(struct exchange *x)
{
    wait_forget(x, WAIT_AGAIN);
    return x->scope->services == NULL ? STATUS_SERVER_BUSY : run_once_more(x);
}

static enum status submit(struct exchange *x, struct change_set *set)
{
    const struct exchange_services *services = x->scope->services;
    struct commit *commit = calloc(1, sizeof(*commit));
    if (commit == NULL) {
        return STATUS_NO_MEMORY;
    }
    commit->set = set;
    commit->home = services->mailbox;
    enum status status = wait_begin(x, &commit->wait, WAIT_COMMIT, commit_free);
    if (status == STATUS_OK) {
        status = services->submit(services->submit_context, set, commit_on_done, commit);
        if (status == STATUS_OK) {
            return STATUS_PENDING;
        }
        wait_cancel(x, &commit->wait);
    }
    free(commit);
    return status;
}

enum status exchange_commit(struct exchange *x, struct change_set *set)
{
    if (set == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status = STATUS_SERVER_BUSY;
    if (x->scope->services == NULL || x->scope->services->submit == NULL) {
        status = STATUS_NOT_SUPPORTED;
    } else if (progress_of(x) != NULL && x->progress->conflicts < CONFLICTS_MAX) {
        wait_forget(x, WAIT_AGAIN);
        status = depend_on_key(x, set);
        if (status == STATUS_OK) {
            status = change_set_prepare(set, x->scope->snapshot, x->scope->now_ms);
        }
        if (status == STATUS_OK) {
            status = submit(x, set);
        } else if (status == STATUS_CONFLICT) {
            reconsider(x);
            status = run_once_more(x);
            change_set_free(set);
            return status;
        }
    }
    if (status != STATUS_PENDING) {
        change_set_free(set);
    }
    return status;
}

/* --- coming home -------------------------------------------------------------------------------
 */

void commit_take_home(struct exchange *x)
{
    struct commit *commit = (struct commit *)wait_result(x, WAIT_COMMIT);
    if (commit == NULL) {
        return;
    }
    if (commit->wait.status == STATUS_CONFLICT) {
        reconsider(x);
    } else {
        x->progress->committed = commit->set;
        x->progress->is_memorable = true;
        commit->set = NULL;
    }
    wait_forget(x, WAIT_COMMIT);
}

const struct change_set *exchange_committed(const struct exchange *x)
{
    return x->progress == NULL ? NULL : x->progress->committed;
}
