/* SPDX-License-Identifier: Apache-2.0
 *
 * A list under a mutex and a wake-up. Held only to link or unlink; mail is opened without it, so
 * that it may post again.
 */
#include "resolver/mailbox.h"

#include <pthread.h>
#include <stdlib.h>

struct mailbox {
    pthread_mutex_t lock;
    struct mail *first;
    struct mail **last;
    struct net_wake *wake;
    void *owner;
};

void mailbox_open_all(struct mailbox *mailbox)
{
    void *owner = mailbox->owner;
    (void)pthread_mutex_lock(&mailbox->lock);
    struct mail *mail = mailbox->first;
    mailbox->first = NULL;
    mailbox->last = &mailbox->first;
    (void)pthread_mutex_unlock(&mailbox->lock);
    while (mail != NULL) {
        struct mail *next = mail->next;
        mail->opened(mail, owner);
        mail = next;
    }
}

static void mailbox_on_wake(void *context)
{
    mailbox_open_all(context);
}

enum status mailbox_new(struct net *net, void *owner, struct mailbox **out_mailbox)
{
    struct mailbox *mailbox = calloc(1, sizeof(*mailbox));
    if (mailbox == NULL) {
        return STATUS_NO_MEMORY;
    }
    mailbox->owner = owner;
    mailbox->last = &mailbox->first;
    (void)pthread_mutex_init(&mailbox->lock, NULL);
    enum status status = net_wake_new(net, mailbox_on_wake, mailbox, &mailbox->wake);
    if (status != STATUS_OK) {
        mailbox_free(mailbox);
        return status;
    }
    *out_mailbox = mailbox;
    return STATUS_OK;
}

void mailbox_free(struct mailbox *mailbox)
{
    if (mailbox != NULL) {
        net_wake_free(mailbox->wake);
        (void)pthread_mutex_destroy(&mailbox->lock);
        free(mailbox);
    }
}

void mailbox_post(struct mailbox *mailbox, struct mail *mail)
{
    mail->next = NULL;
    (void)pthread_mutex_lock(&mailbox->lock);
    *mailbox->last = mail;
    mailbox->last = &mail->next;
    net_wake_signal(mailbox->wake);
    (void)pthread_mutex_unlock(&mailbox->lock);
}
