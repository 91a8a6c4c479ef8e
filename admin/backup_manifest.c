/* SPDX-License-Identifier: Apache-2.0
 *
 * The manifest as JSON, read as carefully as anything from outside (backup_manifest.h).
 */
#include "admin/backup_manifest.h"

#include <stdio.h>
#include <stdlib.h>

#include "protocol/digest.h"
#include "protocol/text.h"

#define HEX_LEN (2 * BACKUP_DIGEST_LEN)

static void to_hex(const uint8_t *digest, char out[HEX_LEN + 1])
{
    for (size_t i = 0; i < BACKUP_DIGEST_LEN; i++) {
        (void)snprintf(out + 2 * i, 3, "%02x", digest[i]);
    }
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool from_hex(const char *text, uint8_t *out)
{
    if (text == NULL || strlen(text) != HEX_LEN) {
        return false;
    }
    for (size_t i = 0; i < BACKUP_DIGEST_LEN; i++) {
        int high = nibble(text[2 * i]);
        int low = nibble(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* Of the whole document but its own "sha256". */
static bool digest_of(json_t *document, char out[HEX_LEN + 1])
{
    json_t *rest = json_copy(document);
    (void)json_object_del(rest, "sha256");
    char *text = rest == NULL ? NULL : json_dumps(rest, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(rest);
    uint8_t digest[BACKUP_DIGEST_LEN];
    const struct bytes run = bytes_of_text(text);
    bool is_made = text != NULL && digest_sha256(&run, 1, digest) == STATUS_OK;
    free(text);
    if (is_made) {
        to_hex(digest, out);
    }
    return is_made;
}

/* --- writing ---------------------------------------------------------------------------------- */

static json_t *encode_members(const struct backup_manifest *manifest)
{
    json_t *members = json_array();
    for (size_t i = 0; i < manifest->member_count; i++) {
        const struct backup_member *member = &manifest->members[i];
        char hex[HEX_LEN + 1];
        to_hex(member->digest, hex);
        (void)json_array_append_new(members,
                                    json_pack("{s:s, s:I, s:s}", "name", member->name, "bytes",
                                              (json_int_t)member->bytes, "sha256", hex));
    }
    return members;
}

static json_t *encode_recipient(const struct backup_manifest *manifest)
{
    char hex[HEX_LEN + 1];
    to_hex(manifest->recipient_id, hex);
    return manifest->has_keys
               ? json_pack("{s:s, s:s}", "subject", manifest->recipient, "public_key_sha256", hex)
               : json_null();
}

json_t *backup_manifest_encode(const struct backup_manifest *manifest)
{
    char chain[HEX_LEN + 1];
    char created[TEXT_TIME_LEN];
    to_hex(manifest->chain, chain);
    text_time_ms(manifest->created_ms, created);
    json_t *document = json_pack(
        "{s:i, s:s, s:s, s:s, s:s, s:I, s:{s:I, s:I, s:s, s:I}, s:o, s:o}", "format", BACKUP_FORMAT,
        "program", manifest->program, "prefix", manifest->prefix, "node_id", manifest->node_id,
        "created", created, "created_ms", (json_int_t)manifest->created_ms, "store", "txn",
        (json_int_t)manifest->txn, "position", (json_int_t)manifest->position, "chain", chain,
        "records", (json_int_t)manifest->records, "keys_for", encode_recipient(manifest), "members",
        encode_members(manifest));
    char digest[HEX_LEN + 1];
    if (document == NULL || !digest_of(document, digest) ||
        json_object_set_new(document, "sha256", json_string(digest)) != 0) {
        json_decref(document);
        return NULL;
    }
    return document;
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool take_text(json_t *object, const char *name, char *out, size_t size)
{
    json_t *text = json_object_get(object, name);
    if (!json_is_string(text) || json_string_length(text) >= size) {
        return false;
    }
    (void)snprintf(out, size, "%s", json_string_value(text));
    return strlen(out) == json_string_length(text);
}

static bool take_number(json_t *object, const char *name, uint64_t *out)
{
    json_t *number = json_object_get(object, name);
    if (!json_is_integer(number) || json_integer_value(number) < 0) {
        return false;
    }
    *out = (uint64_t)json_integer_value(number);
    return true;
}

static bool take_digest(json_t *object, const char *name, uint8_t *out)
{
    return from_hex(json_string_value(json_object_get(object, name)), out);
}

static bool is_member_name(const char *name)
{
    char key[BACKUP_NAME_MAX];
    return strcmp(name, BACKUP_STORE) == 0 || strcmp(name, BACKUP_SETTINGS) == 0 ||
           backup_manifest_key_name(name, key);
}

static bool take_members(json_t *members, struct backup_manifest *m)
{
    size_t count = json_array_size(members);
    if (!json_is_array(members) || count > BACKUP_MEMBERS_MAX) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        json_t *object = json_array_get(members, i);
        struct backup_member member;
        if (!take_text(object, "name", member.name, sizeof(member.name)) ||
            !is_member_name(member.name) || backup_manifest_find(m, member.name) != NULL ||
            !take_number(object, "bytes", &member.bytes) ||
            !take_digest(object, "sha256", member.digest)) {
            return false;
        }
        m->members[m->member_count++] = member;
    }
    return backup_manifest_find(m, BACKUP_STORE) != NULL &&
           backup_manifest_find(m, BACKUP_SETTINGS) != NULL;
}

static bool take_recipient(json_t *recipient, struct backup_manifest *m)
{
    m->has_keys = json_is_object(recipient);
    return json_is_null(recipient) ||
           (take_text(recipient, "subject", m->recipient, sizeof(m->recipient)) &&
            take_digest(recipient, "public_key_sha256", m->recipient_id));
}

static bool take_all(json_t *document, struct backup_manifest *m)
{
    json_t *store = json_object_get(document, "store");
    uint64_t created_ms = 0;
    bool is_whole =
        take_text(document, "program", m->program, sizeof(m->program)) &&
        take_text(document, "prefix", m->prefix, sizeof(m->prefix)) &&
        take_text(document, "node_id", m->node_id, sizeof(m->node_id)) &&
        take_number(document, "created_ms", &created_ms) && take_number(store, "txn", &m->txn) &&
        take_number(store, "position", &m->position) && take_digest(store, "chain", m->chain) &&
        take_number(store, "records", &m->records) &&
        take_recipient(json_object_get(document, "keys_for"), m) &&
        take_members(json_object_get(document, "members"), m);
    m->created_ms = (int64_t)created_ms;
    return is_whole;
}

enum status backup_manifest_decode(struct bytes text, struct backup_manifest *out_manifest,
                                   struct fault *fault)
{
    json_t *document = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
    json_t *format = json_object_get(document, "format");
    const char *told = json_string_value(json_object_get(document, "sha256"));
    char digest[HEX_LEN + 1];
    struct backup_manifest manifest = {.member_count = 0};
    enum status status = STATUS_OK;
    if (!json_is_integer(format)) {
        status = fault_set(fault, STATUS_CORRUPT, BACKUP_MANIFEST " is no manifest of a backup");
    } else if (json_integer_value(format) != BACKUP_FORMAT) {
        status = fault_set(fault, STATUS_NOT_SUPPORTED,
                           "the backup has format %lld, this program knows format %d",
                           (long long)json_integer_value(format), BACKUP_FORMAT);
    } else if (told == NULL || !digest_of(document, digest) || strcmp(told, digest) != 0) {
        status = fault_set(fault, STATUS_CORRUPT,
                           BACKUP_MANIFEST " is damaged: it does not have the digest it tells");
    } else if (!take_all(document, &manifest)) {
        status = fault_set(fault, STATUS_CORRUPT, BACKUP_MANIFEST " lacks something");
    } else {
        *out_manifest = manifest;
    }
    json_decref(document);
    return status;
}

const struct backup_member *backup_manifest_find(const struct backup_manifest *manifest,
                                                 const char *name)
{
    for (size_t i = 0; i < manifest->member_count; i++) {
        if (strcmp(manifest->members[i].name, name) == 0) {
            return &manifest->members[i];
        }
    }
    return NULL;
}

bool backup_manifest_key_name(const char *member, char *out)
{
    static const char before[] = "keys/";
    static const char after[] = ".cms";
    size_t len = strlen(member);
    size_t frame = sizeof(before) + sizeof(after) - 2;
    if (len <= frame || len >= BACKUP_NAME_MAX ||
        strncmp(member, before, sizeof(before) - 1) != 0 ||
        strcmp(member + len - (sizeof(after) - 1), after) != 0) {
        return false;
    }
    (void)snprintf(out, BACKUP_NAME_MAX, "%.*s", (int)(len - frame), member + sizeof(before) - 1);
    return out[0] != '.' && strchr(out, '/') == NULL;
}
