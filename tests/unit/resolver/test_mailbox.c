/* SPDX-License-Identifier: Apache-2.0
 *
 * Mail from several threads: all of it, in each sender's order, on the owner's loop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>

#include "resolver/mailbox.h"

#define SENDERS 3
#define LETTERS 5000

struct letter {
    struct mail mail;
    int sender;
    int number;
};

struct owner {
    struct net *net;
    struct mailbox *mailbox;
    int next[SENDERS];
    int left;
    bool is_disordered;
};

static void opened(struct mail *mail, void *context)
{
    struct letter *letter = (struct letter *)mail;
    struct owner *owner = context;
    owner->is_disordered |= owner->next[letter->sender] != letter->number;
    owner->next[letter->sender] = letter->number + 1;
    free(letter);
    if (--owner->left == 0) {
        net_stop(owner->net);
    }
}

struct sender {
    pthread_t thread;
    struct owner *owner;
    int number;
};

static void *send_letters(void *context)
{
    struct sender *sender = context;
    for (int i = 0; i < LETTERS; i++) {
        struct letter *letter = malloc(sizeof(*letter));
        if (letter == NULL) {
            abort();
        }
        *letter = (struct letter){{NULL, opened}, sender->number, i};
        mailbox_post(sender->owner->mailbox, &letter->mail);
    }
    return NULL;
}

static void mail_of_several_threads_is_opened_in_each_ones_order(void **state)
{
    (void)state;
    struct owner owner = {.left = SENDERS * LETTERS};
    struct sender senders[SENDERS];
    assert_int_equal(net_new(&owner.net), STATUS_OK);
    assert_int_equal(mailbox_new(owner.net, &owner, &owner.mailbox), STATUS_OK);
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.owner = &owner, .number = i};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_letters, &senders[i]), 0);
    }
    net_run(owner.net);
    for (int i = 0; i < SENDERS; i++) {
        (void)pthread_join(senders[i].thread, NULL);
        assert_int_equal(owner.next[i], LETTERS);
    }
    assert_false(owner.is_disordered);
    mailbox_free(owner.mailbox);
    net_free(owner.net);
}

static void reposting(struct mail *mail, void *context)
{
    struct owner *owner = context;
    if (--owner->left > 0) {
        mailbox_post(owner->mailbox, mail);
    } else {
        net_stop(owner->net);
    }
}

static void mail_may_post_itself_again_while_it_is_opened(void **state)
{
    (void)state;
    struct owner owner = {.left = 10};
    struct mail mail = {.opened = reposting};
    assert_int_equal(net_new(&owner.net), STATUS_OK);
    assert_int_equal(mailbox_new(owner.net, &owner, &owner.mailbox), STATUS_OK);
    mailbox_post(owner.mailbox, &mail);
    net_run(owner.net);
    assert_int_equal(owner.left, 0);
    mailbox_free(owner.mailbox);
    net_free(owner.net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_of_several_threads_is_opened_in_each_ones_order),
        cmocka_unit_test(mail_may_post_itself_again_while_it_is_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
