/* SPDX-License-Identifier: Apache-2.0
 *
 * Key making for every database (keys.h). Pure; nothing allocates.
 */
#include "registry/keys.h"

#include "protocol/digest.h"

#define SHARD_EMBEDDED 0

const char *keys_database_name(enum store_database database)
{
    static const char *const names[STORE_DATABASES] = {
        [STORE_RECORD] = "record",
        [STORE_HISTORY] = "history",
        [STORE_TOMBSTONE] = "tombstone",
        [STORE_PREFIX] = "prefix",
        [STORE_COUNTER] = "counter",
        [STORE_ENTERPRISE] = "enterprise",
        [STORE_JOURNAL] = "journal",
        [STORE_AUDIT] = "audit",
        [STORE_META] = "meta",
        [STORE_APIKEY] = "apikey",
        [STORE_ENTERPRISE_INDEX] = "enterprise_index",
        [STORE_IDEMPOTENCY] = "idempotency",
    };
    assert(database < STORE_DATABASES);
    return names[database];
}

enum store_database keys_database_of(enum change_table table)
{
    switch (table) {
    case CHANGE_RECORD:
        return STORE_RECORD;
    case CHANGE_PREFIX:
        return STORE_PREFIX;
    case CHANGE_ENTERPRISE:
        return STORE_ENTERPRISE;
    case CHANGE_APIKEY:
        return STORE_APIKEY;
    case CHANGE_AUDIT:
        break;
    }
    return STORE_AUDIT;
}

enum status keys_record(struct bytes handle, enum case_rule rule, struct record_key *out_key)
{
    if (handle.len == 0 || handle.len > HANDLE_MAX) {
        return STATUS_INVALID_HANDLE;
    }
    out_key->canonical = handle_fold(handle, rule, out_key->folded);
    out_key->key = out_key->canonical;
    if (handle.len <= KEYS_PLAIN_MAX) {
        return STATUS_OK;
    }
    memcpy(out_key->shortened, out_key->canonical.data, KEYS_PLAIN_MAX);
    out_key->key = bytes_of(out_key->shortened, KEYS_RECORD_MAX);
    return digest_sha256(&out_key->canonical, 1, out_key->shortened + KEYS_PLAIN_MAX);
}

static struct wire_writer key_begin(struct store_key *key)
{
    return wire_write(key->data, sizeof(key->data));
}

static void key_end(struct store_key *key, const struct wire_writer *w)
{
    assert(!w->failed);
    key->len = wire_wrote(w).len;
}

enum status keys_prefix(struct bytes prefix, struct store_key *out_key)
{
    if (prefix.len == 0 || prefix.len > HANDLE_PREFIX_MAX) {
        return STATUS_INVALID_HANDLE;
    }
    for (size_t i = 0; i < prefix.len; i++) {
        out_key->data[i] = bytes_ascii_upper(prefix.data[i]);
    }
    out_key->len = prefix.len;
    return STATUS_OK;
}

void keys_counter(struct bytes prefix, enum counter counter, struct store_key *out_key)
{
    struct wire_writer w = key_begin(out_key);
    wire_put_raw(&w, prefix);
    wire_put_u8(&w, 0);
    wire_put_u8(&w, (uint8_t)counter);
    key_end(out_key, &w);
}

void keys_history(enum change_table table, struct bytes key, uint64_t version,
                  struct store_key *out_key)
{
    struct wire_writer w = key_begin(out_key);
    wire_put_u8(&w, (uint8_t)table);
    wire_put_raw(&w, key);
    wire_put_u64(&w, version);
    key_end(out_key, &w);
}

void keys_tombstone(enum change_table table, struct bytes key, struct store_key *out_key)
{
    struct wire_writer w = key_begin(out_key);
    wire_put_u8(&w, (uint8_t)table);
    wire_put_raw(&w, key);
    key_end(out_key, &w);
}

void keys_journal(uint64_t position, struct store_key *out_key)
{
    struct wire_writer w = key_begin(out_key);
    wire_put_u16(&w, SHARD_EMBEDDED);
    wire_put_u64(&w, position);
    key_end(out_key, &w);
}

void keys_audit(uint64_t position, struct store_key *out_key)
{
    struct wire_writer w = key_begin(out_key);
    wire_put_u64(&w, position);
    key_end(out_key, &w);
}

struct bytes keys_counted_prefix(struct bytes canonical)
{
    return handle_prefix(canonical);
}
