/* SPDX-License-Identifier: Apache-2.0
 *
 * What exchanges that authenticate, wait or write are lent beside their scope: the node's shared
 * tables and pool, and this worker's own table and mailbox. Made by worker.c, immutable.
 */
#pragma once

#include "registry/committer.h"
#include "resolver/crypto_pool.h"
#include "resolver/duplicates.h"
#include "resolver/exchange.h"
#include "resolver/mailbox.h"
#include "resolver/parked.h"
#include "resolver/session.h"
#include "resolver/tries.h"

/* committer_submit, or what a scenario test has in its place. */
typedef enum status services_submit(void *context, struct change_set *set, committer_done *done,
                                    void *done_context);

struct exchange_services {
    struct sessions *sessions;
    struct duplicates *duplicates;
    struct tries *tries;
    struct key_cache *keys;
    struct crypto_pool *pool;
    struct parked_table *parked;
    struct mailbox *mailbox;
    services_submit *submit; /* NULL: nothing can be written */
    void *submit_context;
    struct worker *worker;
};
