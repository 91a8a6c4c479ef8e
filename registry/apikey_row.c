/* SPDX-License-Identifier: Apache-2.0
 *
 * Codec of API keys (apikey_row.h).
 */
#include "registry/apikey_row.h"

#include <openssl/crypto.h>

#include "protocol/digest.h"
#include "registry/crc32c.h"

#define FORMAT 1
#define CHECKSUM_AT 4
#define VERSION_AT 8
#define CONTENT_AT 32
#define NETWORK_MAX 64

bool apikey_row_is_id(struct bytes id)
{
    if (id.len != APIKEY_ID_LEN) {
        return false;
    }
    for (size_t i = 0; i < id.len; i++) {
        uint8_t c = id.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z'))) {
            return false;
        }
    }
    return true;
}

/* --- content -----------------------------------------------------------------------------------
 */

void apikey_row_content(struct wire_writer *w, const struct apikey_row *row)
{
    wire_put_u8(w, (uint8_t)row->state);
    wire_put_u32(w, row->verbs);
    wire_put_u64(w, (uint64_t)row->expires_ms);
    wire_put_raw(w, row->mac);
    wire_put_u32(w, row->identity.index);
    wire_put_bytes(w, row->identity.handle);
    wire_put_bytes(w, row->enterprise);
    wire_put_bytes(w, row->note);
    wire_put_u32(w, row->prefix_count);
    wire_put_raw(w, row->prefixes);
    wire_put_u32(w, row->network_count);
    wire_put_raw(w, row->networks);
}

/* `count` strings of at most `longest` bytes each. */
static bool take_list(struct wire_reader *r, size_t longest, uint32_t *out_count,
                      struct bytes *out_list)
{
    uint32_t count = wire_count(r, 5);
    const uint8_t *start = r->at;
    bool fits = count <= APIKEY_LIST_MAX;
    for (uint32_t i = 0; i < count && fits; i++) {
        struct bytes text = wire_bytes(r);
        fits = wire_ok(r) && text.len > 0 && text.len <= longest;
    }
    *out_count = count;
    *out_list = bytes_of(start, (size_t)(r->at - start));
    return fits && wire_ok(r);
}

static bool are_prefixes(const struct apikey_row *row)
{
    struct wire_reader r = wire_read(row->prefixes);
    bool are = row->prefix_count > 0;
    for (uint32_t i = 0; i < row->prefix_count && are; i++) {
        are = handle_check_prefix(wire_bytes(&r), NULL) == STATUS_OK;
    }
    return are;
}

static const char *flaw_of(const struct apikey_row *row)
{
    if (row->state != APIKEY_ACTIVE && row->state != APIKEY_REVOKED) {
        return "no such state";
    }
    if (row->verbs == 0 || (row->verbs & ~APIKEY_VERBS) != 0) {
        return "no such verbs";
    }
    if (row->expires_ms < 0) {
        return "no such time";
    }
    if (row->identity.index == 0 || handle_check(row->identity.handle, NULL) != STATUS_OK) {
        return "no such identity";
    }
    if (row->enterprise.len == 0 || row->enterprise.len > KEYS_ENTERPRISE_MAX) {
        return "no such enterprise";
    }
    if (row->note.len > APIKEY_NOTE_MAX || !handle_is_utf8(row->note)) {
        return "the note is too long, or not UTF-8";
    }
    return are_prefixes(row) ? NULL : "no such prefix";
}

enum status apikey_row_read_content(struct bytes content, struct apikey_row *out_row,
                                    struct fault *fault)
{
    struct wire_reader r = wire_read(content);
    struct apikey_row row = {.state = wire_u8(&r)};
    row.verbs = wire_u32(&r);
    row.expires_ms = (int64_t)wire_u64(&r);
    row.mac = wire_take(&r, APIKEY_MAC_LEN);
    row.identity.index = wire_u32(&r);
    row.identity.handle = wire_bytes(&r);
    row.enterprise = wire_bytes(&r);
    row.note = wire_bytes(&r);
    if (!take_list(&r, HANDLE_PREFIX_MAX, &row.prefix_count, &row.prefixes) ||
        !take_list(&r, NETWORK_MAX, &row.network_count, &row.networks) || !wire_done(&r) ||
        content.len > APIKEY_CONTENT_MAX) {
        return fault_set(fault, STATUS_INVALID_VALUE, "not an API key");
    }
    const char *flaw = flaw_of(&row);
    if (flaw != NULL) {
        return fault_set(fault, STATUS_INVALID_VALUE, "%s", flaw);
    }
    *out_row = row;
    return STATUS_OK;
}

/* --- rows --------------------------------------------------------------------------------------
 */

void apikey_row_encode(struct wire_writer *w, struct bytes content)
{
    wire_put_u32(w, (uint32_t)FORMAT << 24);
    wire_put_u32(w, 0);
    wire_put_u64(w, 0);
    wire_put_u64(w, 0);
    wire_put_u64(w, 0);
    wire_put_raw(w, content);
}

void apikey_row_seal(struct bytes key, uint8_t *row, size_t len, const struct apikey_row *facts)
{
    assert(len > CONTENT_AT);
    struct wire_writer w = wire_write(row + VERSION_AT, CONTENT_AT - VERSION_AT);
    wire_put_u64(&w, facts->version);
    wire_put_u64(&w, facts->position);
    wire_put_u64(&w, (uint64_t)facts->created_ms);
    wire_store_u32(row + CHECKSUM_AT, crc32c_row(key, bytes_of(row, len), CHECKSUM_AT));
}

enum status apikey_row_decode(struct bytes key, struct bytes row, struct apikey_row *out_row)
{
    struct wire_reader r = wire_read(row);
    uint32_t format = wire_u32(&r);
    uint32_t checksum = wire_u32(&r);
    uint64_t version = wire_u64(&r);
    uint64_t position = wire_u64(&r);
    int64_t created_ms = (int64_t)wire_u64(&r);
    struct bytes content = wire_take(&r, wire_left(&r));
    struct apikey_row decoded;
    if (!wire_ok(&r) || format != (uint32_t)FORMAT << 24 || !apikey_row_is_id(key) ||
        checksum != crc32c_row(key, row, CHECKSUM_AT) ||
        apikey_row_read_content(content, &decoded, NULL) != STATUS_OK) {
        return STATUS_CORRUPT;
    }
    decoded.id = key;
    decoded.version = version;
    decoded.position = position;
    decoded.created_ms = created_ms;
    *out_row = decoded;
    return STATUS_OK;
}

/* --- secrets -----------------------------------------------------------------------------------
 */

enum status apikey_row_mac(struct bytes commitment_key, struct bytes id, struct bytes secret,
                           uint8_t out[APIKEY_MAC_LEN])
{
    uint8_t key[APIKEY_MAC_LEN];
    const struct bytes purpose = BYTES_LITERAL("guantong API keys");
    const struct bytes runs[] = {id, secret};
    enum status status = digest_hmac_sha256(commitment_key, &purpose, 1, key);
    if (status == STATUS_OK) {
        status = digest_hmac_sha256(bytes_of(key, sizeof(key)), runs, 2, out);
    }
    OPENSSL_cleanse(key, sizeof(key));
    return status;
}
