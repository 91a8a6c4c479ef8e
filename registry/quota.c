/* SPDX-License-Identifier: Apache-2.0
 *
 * Accounts of one change set (quota.h).
 */
#include "registry/quota.h"

#include <stdlib.h>

#define FIRST_ACCOUNTS 8

void quota_done(struct quota_book *book)
{
    free(book->accounts);
    *book = (struct quota_book){0};
}

void quota_reset(struct quota_book *book)
{
    book->count = 0;
    book->last = 0;
}

static void read_limits(struct quota_account *account, const struct home_view *view,
                        struct bytes canonical)
{
    struct prefix_row home;
    account->status = home_find(view, canonical, &home);
    if (account->status == STATUS_OK && home.hosting != PREFIX_HOSTED) {
        account->status = STATUS_NOT_RESPONSIBLE;
    }
    if (account->status == STATUS_OK && home.state == PREFIX_READ_ONLY) {
        account->status = STATUS_ACCESS_DENIED;
    }
    if (account->status == STATUS_OK) {
        account->max_identifiers = home.max_identifiers;
        account->max_bytes = home.max_bytes;
    }
}

static struct quota_account *add_account(struct quota_book *book, const struct home_view *view,
                                         struct bytes canonical)
{
    if (book->count == book->capacity) {
        size_t capacity = book->capacity == 0 ? FIRST_ACCOUNTS : book->capacity * 2;
        struct quota_account *accounts =
            realloc(book->accounts, capacity * sizeof(*book->accounts));
        if (accounts == NULL) {
            return NULL;
        }
        book->accounts = accounts;
        book->capacity = capacity;
    }
    struct quota_account *account = &book->accounts[book->count];
    *account = (struct quota_account){.prefix = keys_counted_prefix(canonical)};
    if (!handle_is_prefix_record(canonical)) {
        read_limits(account, view, canonical);
    }
    account->identifiers = home_counter(view->txn, account->prefix, COUNTER_IDENTIFIERS);
    account->bytes = home_counter(view->txn, account->prefix, COUNTER_BYTES);
    book->last = book->count++;
    return account;
}

static struct quota_account *find_account(struct quota_book *book, const struct home_view *view,
                                          struct bytes canonical)
{
    struct bytes prefix = keys_counted_prefix(canonical);
    if (book->count > 0 && bytes_equal(book->accounts[book->last].prefix, prefix)) {
        return &book->accounts[book->last];
    }
    for (size_t i = 0; i < book->count; i++) {
        if (bytes_equal(book->accounts[i].prefix, prefix)) {
            book->last = i;
            return &book->accounts[i];
        }
    }
    return add_account(book, view, canonical);
}

static bool is_over(uint64_t limit, uint64_t before, uint64_t after)
{
    return limit != 0 && after > limit && after > before;
}

enum status quota_charge(struct quota_book *book, const struct home_view *view,
                         struct bytes canonical, const struct quota_change *change)
{
    struct quota_account *account = find_account(book, view, canonical);
    if (account == NULL) {
        return STATUS_NO_MEMORY;
    }
    if (account->status != STATUS_OK) {
        return account->status;
    }
    if (handle_is_prefix_record(canonical)) {
        struct prefix_row home;
        enum status status = home_find(view, canonical, &home);
        if (status == STATUS_OK && home.state == PREFIX_READ_ONLY) {
            status = STATUS_ACCESS_DENIED;
        }
        if (status != STATUS_OK) {
            return status;
        }
    }
    uint64_t identifiers = account->identifiers + (uint64_t)(int64_t)change->identifiers;
    uint64_t bytes = account->bytes + change->new_bytes - change->old_bytes;
    if (is_over(account->max_identifiers, account->identifiers, identifiers) ||
        is_over(account->max_bytes, account->bytes, bytes)) {
        return STATUS_QUOTA_EXCEEDED;
    }
    account->identifiers = identifiers;
    account->bytes = bytes;
    account->is_charged = true;
    return STATUS_OK;
}

static void store_counter(struct store_txn *txn, struct bytes prefix, enum counter counter,
                          uint64_t number)
{
    struct store_key key;
    keys_counter(prefix, counter, &key);
    uint8_t encoded[8];
    struct wire_writer w = wire_write(encoded, sizeof(encoded));
    wire_put_u64(&w, number);
    store_put(txn, STORE_COUNTER, keys_bytes(&key), wire_wrote(&w));
}

void quota_store(const struct quota_book *book, struct store_txn *txn)
{
    for (size_t i = 0; i < book->count; i++) {
        const struct quota_account *account = &book->accounts[i];
        if (account->is_charged) {
            store_counter(txn, account->prefix, COUNTER_IDENTIFIERS, account->identifiers);
            store_counter(txn, account->prefix, COUNTER_BYTES, account->bytes);
        }
    }
}
