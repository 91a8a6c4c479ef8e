/* SPDX-License-Identifier: Apache-2.0
 *
 * Stored rows of every kind as bytes a disk or a stranger has had hands on.
 *
 * Input: kind 1 ‖ key length 1 ‖ key ‖ row. The checksum is put right before decoding, as no fuzzer
 * guesses one; what then decodes must encode to itself again, and everything it hands out is read.
 */
#include <stdlib.h>

#include "registry/change_set.h"
#include "registry/crc32c.h"
#include "registry/enterprise_row.h"
#include "registry/history.h"
#include "registry/journal_row.h"
#include "registry/prefix_row.h"
#include "registry/record_digest.h"
#include "registry/record_row.h"

#define ROW_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads every byte, so that a sanitizer sees one that is not there. */
static void touch(struct bytes b)
{
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < b.len; i++) {
        sum = (uint8_t)(sum + b.data[i]);
    }
}

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void put_checksum_right(struct bytes key, uint8_t *row, size_t len, size_t at)
{
    if (len >= at + 4) {
        wire_store_u32(row + at, crc32c_row(key, bytes_of(row, len), at));
    }
}

static void try_record(struct bytes key, uint8_t *row, size_t len)
{
    put_checksum_right(key, row, len, 4);
    struct record_row decoded;
    if (record_row_decode(key, bytes_of(row, len), &decoded) != STATUS_OK) {
        return;
    }
    touch(decoded.handle);
    touch(decoded.values);
    uint8_t digest[JOURNAL_HASH_LEN];
    struct hasher *hasher = hasher_new();
    const struct record_digest_of of = {decoded.handle, decoded.version, decoded.values};
    if (hasher != NULL) {
        (void)record_digest(hasher, BYTES_NONE, &of, digest);
    }
    hasher_free(hasher);
    struct record_key own;
    if (!keys_is_shortened(key) &&
        keys_record(decoded.handle, CASE_INSENSITIVE, &own) == STATUS_OK &&
        bytes_equal(own.key, key)) {
        uint8_t again[ROW_MAX];
        struct wire_writer w = wire_write(again, sizeof(again));
        record_row_encode(&w, &own, &decoded);
        struct bytes encoded = wire_wrote(&w);
        must(encoded.len == record_row_encoded_len(&own, &decoded));
        record_row_seal(key, again, encoded.len, &decoded);
        struct record_row second;
        must(record_row_decode(key, encoded, &second) == STATUS_OK);
        must(bytes_equal(second.values, decoded.values));
        must(bytes_equal(second.handle, decoded.handle));
        must(second.version == decoded.version && second.position == decoded.position);
    }
}

static void try_prefix(struct bytes key, uint8_t *row, size_t len)
{
    put_checksum_right(key, row, len, 4);
    struct prefix_row decoded;
    uint64_t position = 0;
    if (prefix_row_decode(key, bytes_of(row, len), &decoded, &position) == STATUS_OK) {
        uint8_t again[ROW_MAX];
        struct wire_writer w = wire_write(again, sizeof(again));
        prefix_row_encode(&w, &decoded, position);
        must(bytes_equal(wire_wrote(&w), bytes_of(row, len)));
    }
    struct enterprise_row enterprise;
    struct enterprise_uniques uniques;
    if (enterprise_row_decode(key, bytes_of(row, len), &enterprise) == STATUS_OK) {
        touch(enterprise.id);
        touch(enterprise.dossier);
        touch(enterprise.notes);
        (void)enterprise_uniques_of(&enterprise, &uniques);
    }
}

static void try_history(struct bytes key, uint8_t *row, size_t len)
{
    put_checksum_right(key, row, len, 2);
    struct history_body body;
    struct tombstone mark;
    if (history_decode(key, bytes_of(row, len), &body) == STATUS_OK) {
        touch(body.row);
    }
    if (tombstone_decode(key, bytes_of(row, len), &mark) == STATUS_OK) {
        uint8_t again[ROW_MAX];
        struct wire_writer w = wire_write(again, sizeof(again));
        tombstone_encode(&w, key, &mark);
        must(bytes_equal(wire_wrote(&w), bytes_of(row, len)));
    }
}

static void try_journal(struct bytes key, struct bytes row)
{
    struct journal_set set;
    if (journal_row_decode(key, row, &set) != STATUS_OK) {
        return;
    }
    touch(set.actor);
    touch(set.origin);
    uint8_t again[ROW_MAX];
    struct wire_writer w = wire_write(again, sizeof(again));
    journal_row_begin(&w, &set);
    struct wire_reader r = wire_read(set.items);
    struct journal_item item;
    while (journal_next_item(&r, &item)) {
        journal_row_item(&w, &item);
    }
    must(!wire_done(&r) || bytes_equal(wire_wrote(&w), row));
}

static void try_set(struct bytes encoded)
{
    struct change_set *set = NULL;
    if (change_set_decode(encoded, BYTES_NONE, BYTES_NONE, &set) != STATUS_OK) {
        return;
    }
    uint8_t again[ROW_MAX];
    struct wire_writer w = wire_write(again, sizeof(again));
    must(change_set_encode(set, &w) == STATUS_OK);
    must(wire_wrote(&w).len == change_set_encoded_len(set));
    must(change_set_encoded_len(set) == encoded.len);
    change_set_free(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wire_reader r = wire_read(bytes_of(data, size));
    uint8_t kind = wire_u8(&r);
    struct bytes key = wire_take(&r, wire_u8(&r));
    struct bytes rest = wire_take(&r, wire_left(&r));
    if (!wire_ok(&r) || rest.len > ROW_MAX) {
        return 0;
    }
    uint8_t *row = malloc(rest.len + 1);
    if (row == NULL) {
        return 0;
    }
    memcpy(row, rest.len == 0 ? (const uint8_t *)"" : rest.data, rest.len);
    switch (kind % 5) {
    case 0:
        try_record(key, row, rest.len);
        break;
    case 1:
        try_prefix(key, row, rest.len);
        break;
    case 2:
        try_history(key, row, rest.len);
        break;
    case 3:
        try_journal(key, bytes_of(row, rest.len));
        break;
    default:
        try_set(bytes_of(row, rest.len));
        break;
    }
    free(row);
    return 0;
}
