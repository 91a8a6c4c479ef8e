/* SPDX-License-Identifier: Apache-2.0
 *
 * Codec of enterprise rows, and their unique keys (enterprise_row.h).
 */
#include "registry/enterprise_row.h"

#include <jansson.h>

#include "registry/crc32c.h"

#define FORMAT_OWN 1
#define FORMAT 2
#define CHECKSUM_AT 4
#define STATE_AT 1 /* of format 1: its whole content */
#define DATE_LEN 10

/* --- rows ------------------------------------------------------------------------------------- */

/* The node's own: format 1 ‖ state ‖ reserved 2 ‖ crc32c ‖ version ‖ position ‖ created_ms. */
static bool decode_own(struct bytes row, struct enterprise_row *decoded)
{
    struct wire_reader r = wire_read(bytes_from(row, CHECKSUM_AT + 4));
    decoded->version = wire_u64(&r);
    decoded->position = wire_u64(&r);
    decoded->created_ms = (int64_t)wire_u64(&r);
    decoded->changed_ms = decoded->created_ms;
    decoded->state = ENTERPRISE_ENABLED;
    decoded->content = bytes_of(row.data + STATE_AT, 1);
    return wire_done(&r) && row.data[STATE_AT] == ENTERPRISE_ENABLED;
}

static bool decode_others(struct bytes row, struct enterprise_row *decoded)
{
    struct wire_reader r = wire_read(bytes_from(row, CHECKSUM_AT + 4));
    uint64_t version = wire_u64(&r);
    uint64_t position = wire_u64(&r);
    int64_t created_ms = (int64_t)wire_u64(&r);
    int64_t changed_ms = (int64_t)wire_u64(&r);
    struct bytes content = wire_take(&r, wire_left(&r));
    struct bytes id = decoded->id;
    if (!wire_ok(&r) || enterprise_row_read_content(content, decoded, NULL) != STATUS_OK) {
        return false;
    }
    decoded->id = id;
    decoded->version = version;
    decoded->position = position;
    decoded->created_ms = created_ms;
    decoded->changed_ms = changed_ms;
    return true;
}

enum status enterprise_row_decode(struct bytes key, struct bytes row,
                                  struct enterprise_row *out_row)
{
    struct enterprise_row decoded = {.id = key};
    if (row.len < ENTERPRISE_OWN_LEN) {
        return STATUS_CORRUPT;
    }
    struct wire_reader r = wire_read(bytes_from(row, CHECKSUM_AT));
    if (wire_u32(&r) != crc32c_row(key, row, CHECKSUM_AT)) {
        return STATUS_CORRUPT;
    }
    bool is_sound = row.data[0] == FORMAT_OWN
                        ? decode_own(row, &decoded)
                        : row.data[0] == FORMAT && decode_others(row, &decoded);
    if (!is_sound) {
        return STATUS_CORRUPT;
    }
    *out_row = decoded;
    return STATUS_OK;
}

static bool is_own(struct bytes content)
{
    return content.len == 1;
}

size_t enterprise_row_len(struct bytes content)
{
    return is_own(content) ? ENTERPRISE_OWN_LEN : ENTERPRISE_HEAD_LEN + content.len;
}

void enterprise_row_begin(struct wire_writer *w, struct bytes content)
{
    static const uint8_t blank[ENTERPRISE_HEAD_LEN];
    if (is_own(content)) {
        wire_put_u8(w, FORMAT_OWN);
        wire_put_raw(w, content);
        wire_put_raw(w, bytes_of(blank, ENTERPRISE_OWN_LEN - 2));
        return;
    }
    wire_put_u8(w, FORMAT);
    wire_put_raw(w, bytes_of(blank, ENTERPRISE_HEAD_LEN - 1));
    wire_put_raw(w, content);
}

void enterprise_row_seal(const struct enterprise_row *head, uint8_t *row, size_t len)
{
    struct wire_writer w = wire_write(row + CHECKSUM_AT + 4, len - CHECKSUM_AT - 4);
    wire_put_u64(&w, head->version);
    wire_put_u64(&w, head->position);
    wire_put_u64(&w, (uint64_t)head->created_ms);
    if (row[0] == FORMAT) {
        wire_put_u64(&w, (uint64_t)head->changed_ms);
    }
    assert(!w.failed);
    wire_store_u32(row + CHECKSUM_AT, crc32c_row(head->id, bytes_of(row, len), CHECKSUM_AT));
}

/* --- content ---------------------------------------------------------------------------------- */

/* state 1 ‖ review 1 ‖ policy 1 ‖ reserved 1 ‖ dossier ‖ pending ‖ notes ‖ reference ‖
 * confirmed_on; runs have an int4 length. Of the node's own enterprise: state 1. */
void enterprise_row_content(struct wire_writer *w, const struct enterprise_row *row)
{
    wire_put_u8(w, (uint8_t)row->state);
    if (row->dossier.len == 0) {
        return;
    }
    wire_put_u8(w, (uint8_t)row->review);
    wire_put_u8(w, (uint8_t)row->policy);
    wire_put_u8(w, 0);
    wire_put_bytes(w, row->dossier);
    wire_put_bytes(w, row->pending);
    wire_put_bytes(w, row->notes);
    wire_put_bytes(w, row->reference);
    wire_put_bytes(w, row->confirmed_on);
}

static bool begins_with(struct bytes text, char first)
{
    return text.len >= 2 && text.data[0] == (uint8_t)first;
}

static bool is_date(struct bytes text)
{
    bool is_right = text.len == DATE_LEN;
    for (size_t i = 0; is_right && i < text.len; i++) {
        bool is_dash = i == 4 || i == 7;
        is_right = is_dash ? text.data[i] == '-' : text.data[i] >= '0' && text.data[i] <= '9';
    }
    return is_right;
}

static bool fits_pending(const struct enterprise_row *row)
{
    return row->review == ENTERPRISE_NONE
               ? row->pending.len == 0
               : begins_with(row->pending, '{') && row->pending.len <= ENTERPRISE_DOSSIER_MAX &&
                     row->review >= ENTERPRISE_SUBMITTED && row->review <= ENTERPRISE_REJECTED;
}

/* NULL: nothing is wrong with it. */
static const char *flaw_of(const struct enterprise_row *row)
{
    bool is_confirmed = row->reference.len > 0;
    bool is_stopped = row->state == ENTERPRISE_SUSPENDED;
    if (!enterprise_state_is_known(row->state)) {
        return "unknown state";
    }
    if (!begins_with(row->dossier, '{') || row->dossier.len > ENTERPRISE_DOSSIER_MAX) {
        return "a dossier is a JSON object of at most 64 KiB";
    }
    if (!fits_pending(row)) {
        return "a change under review is a JSON object of at most 64 KiB";
    }
    if (row->notes.len > ENTERPRISE_NOTES_MAX ||
        (row->notes.len > 0 && row->notes.data[0] != '[')) {
        return "the notes are a JSON list of at most 16 KiB";
    }
    if (row->reference.len > ENTERPRISE_REFERENCE_MAX || !handle_is_utf8(row->reference) ||
        row->confirmed_on.len != (is_confirmed ? DATE_LEN : 0) ||
        (is_confirmed && !is_date(row->confirmed_on))) {
        return "the top node's answer is a reference and a date";
    }
    if ((row->state == ENTERPRISE_ENABLED || is_stopped) && !is_confirmed) {
        return "nothing is enabled without the top node's answer";
    }
    if (row->policy > ENTERPRISE_HOLD || (row->policy != ENTERPRISE_POLICY_NONE) != is_stopped) {
        return "a suspended enterprise, and no other, has an answer policy";
    }
    return NULL;
}

enum status enterprise_row_read_content(struct bytes content, struct enterprise_row *out_row,
                                        struct fault *fault)
{
    struct wire_reader r = wire_read(content);
    struct enterprise_row row = {.content = content};
    row.state = wire_u8(&r);
    row.review = wire_u8(&r);
    row.policy = wire_u8(&r);
    uint8_t reserved = wire_u8(&r);
    row.dossier = wire_bytes(&r);
    row.pending = wire_bytes(&r);
    row.notes = wire_bytes(&r);
    row.reference = wire_bytes(&r);
    row.confirmed_on = wire_bytes(&r);
    if (!wire_done(&r) || reserved != 0) {
        return fault_set(fault, STATUS_INVALID_VALUE, "not what an enterprise's row says");
    }
    const char *flaw = flaw_of(&row);
    if (flaw != NULL) {
        return fault_set(fault, STATUS_INVALID_VALUE, "%s", flaw);
    }
    *out_row = row;
    return STATUS_OK;
}

/* --- what no two enterprises share ------------------------------------------------------------ */

static struct wire_writer key_begin(struct store_key *key, enum enterprise_unique kind)
{
    struct wire_writer w = wire_write(key->data, sizeof(key->data));
    wire_put_u8(&w, (uint8_t)kind);
    return w;
}

enum status enterprise_credential_key(int type, struct bytes code, struct store_key *out_key)
{
    if (type < 1 || type > 9 || code.len == 0 || code.len > ENTERPRISE_CREDENTIAL_MAX) {
        return STATUS_INVALID_VALUE;
    }
    struct wire_writer w = key_begin(out_key, ENTERPRISE_BY_CREDENTIAL);
    wire_put_u8(&w, (uint8_t)type);
    for (size_t i = 0; i < code.len; i++) {
        wire_put_u8(&w, bytes_ascii_upper(code.data[i]));
    }
    out_key->len = wire_wrote(&w).len;
    return STATUS_OK;
}

enum status enterprise_prefix_key(struct bytes prefix, struct store_key *out_key)
{
    struct store_key folded;
    if (keys_prefix(prefix, &folded) != STATUS_OK) {
        return STATUS_INVALID_VALUE;
    }
    struct wire_writer w = key_begin(out_key, ENTERPRISE_BY_PREFIX);
    wire_put_raw(&w, keys_bytes(&folded));
    out_key->len = wire_wrote(&w).len;
    return STATUS_OK;
}

static struct bytes text_at(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return bytes_of(json_string_value(value), json_string_length(value));
}

/* 1 and "1" are the same. */
static int type_of(const json_t *dossier)
{
    const json_t *value = json_object_get(dossier, "org_crt_type");
    if (json_is_string(value) && json_string_length(value) == 1) {
        return json_string_value(value)[0] - '0';
    }
    json_int_t number = json_integer_value(value);
    return number >= 1 && number <= 9 ? (int)number : 0;
}

static void keep_key(struct enterprise_uniques *uniques, const struct store_key *key)
{
    for (size_t i = 0; i < uniques->count; i++) {
        if (bytes_equal(keys_bytes(&uniques->keys[i]), keys_bytes(key))) {
            return;
        }
    }
    uniques->keys[uniques->count++] = *key;
}

static enum status take_keys(const struct enterprise_row *row, struct bytes text,
                             struct enterprise_uniques *uniques)
{
    json_t *dossier = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
    bool is_gone = row->state == ENTERPRISE_CANCELLED;
    bool was_enabled = row->reference.len > 0;
    struct store_key key;
    if (!json_is_object(dossier)) {
        json_decref(dossier);
        return STATUS_CORRUPT;
    }
    enum status status =
        enterprise_credential_key(type_of(dossier), text_at(dossier, "org_crt_code"), &key);
    if (status == STATUS_OK && !is_gone) {
        keep_key(uniques, &key);
    }
    if (status == STATUS_OK) {
        status = enterprise_prefix_key(text_at(dossier, "ent_prefix"), &key);
    }
    if (status == STATUS_OK && (!is_gone || was_enabled)) {
        keep_key(uniques, &key);
    }
    json_decref(dossier);
    return status;
}

enum status enterprise_uniques_of(const struct enterprise_row *row,
                                  struct enterprise_uniques *out_uniques)
{
    out_uniques->count = 0;
    if (row->dossier.len == 0) {
        return STATUS_OK;
    }
    enum status status = take_keys(row, row->dossier, out_uniques);
    bool is_kept = row->review != ENTERPRISE_NONE && row->review != ENTERPRISE_REJECTED;
    return status == STATUS_OK && is_kept ? take_keys(row, row->pending, out_uniques) : status;
}
