/* SPDX-License-Identifier: Apache-2.0
 *
 * How other threads speak to a worker: messages put in from anywhere, opened at the top of the
 * owner's loop, in order.
 */
#pragma once

#include "resolver/net.h"

/* Embedded in what is sent. The sender keeps it alive until `opened` was called; `opened` may free
 * it. `owner` is what the mailbox was made with. */
struct mail {
    struct mail *next;
    void (*opened)(struct mail *mail, void *owner);
};

struct mailbox;

enum status mailbox_new(struct net *net, void *owner, struct mailbox **out_mailbox);

/* What is inside now, in order: after the loop has ended. The owner's thread. */
void mailbox_open_all(struct mailbox *mailbox);

/* Mail still inside is not opened. NULL is allowed. The owner's thread, after the last post. */
void mailbox_free(struct mailbox *mailbox);

/* Any thread. */
void mailbox_post(struct mailbox *mailbox, struct mail *mail);
