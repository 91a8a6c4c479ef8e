/* SPDX-License-Identifier: Apache-2.0
 *
 * One row per predefined type: its format for people and its rule for storing.
 */
#include "protocol/value_types.h"

#include "protocol/handle.h"
#include "protocol/jws.h"
#include "protocol/pubkey.h"
#include "protocol/site.h"

#define ADMIN_LEGACY_TAIL 2
#define CHECK_ARENA_FIRST 8192
#define CHECK_ARENA_MAX (4u << 20) /* a record of 256 KiB made of smallest elements, decoded */

#define XML_MAX 65536 /* templates are written by people; a parser's work stays small */
#define XML_DEPTH_MAX 64

typedef enum status type_check(struct bytes data, struct fault *fault);

enum status admin_decode(struct bytes data, struct admin *out_admin)
{
    struct wire_reader r = wire_read(data);
    struct admin admin = {0};
    admin.permissions = wire_u16(&r);
    admin.identity.handle = wire_bytes(&r);
    admin.identity.index = wire_u32(&r);
    if (wire_left(&r) == ADMIN_LEGACY_TAIL) {
        admin.is_legacy = true;
        r.failed = wire_u16(&r) != 0;
    }
    if (!wire_done(&r)) {
        return STATUS_INVALID_VALUE;
    }
    *out_admin = admin;
    return STATUS_OK;
}

void admin_encode(struct wire_writer *w, const struct admin *admin)
{
    wire_put_u16(w, admin->permissions);
    wire_put_bytes(w, admin->identity.handle);
    wire_put_u32(w, admin->identity.index);
    if (admin->is_legacy) {
        wire_put_u16(w, 0);
    }
}

enum status vlist_decode(struct bytes data, struct vlist *out_list)
{
    struct wire_reader r = wire_read(data);
    struct vlist list = {.count = wire_count(&r, VALUE_REFERENCE_SMALLEST)};
    const uint8_t *start = r.at;
    for (uint32_t i = 0; i < list.count && wire_ok(&r); i++) {
        (void)wire_bytes(&r);
        (void)wire_u32(&r);
    }
    if (!wire_done(&r)) {
        return STATUS_INVALID_VALUE;
    }
    list.references = bytes_of(start, (size_t)(r.at - start));
    *out_list = list;
    return STATUS_OK;
}

void vlist_encode(struct wire_writer *w, const struct vlist *list)
{
    wire_put_list(w, list->count, list->references);
}

enum status value_types_target(struct bytes data, struct bytes *out_handle)
{
    if (data.len == 0 || data.len > HANDLE_MAX || !handle_is_utf8(data)) {
        return STATUS_INVALID_VALUE;
    }
    *out_handle = data;
    return STATUS_OK;
}

static enum status check_admin(struct bytes data, struct fault *fault)
{
    struct admin admin;
    if (admin_decode(data, &admin) != STATUS_OK) {
        return fault_set(fault, STATUS_INVALID_VALUE,
                         "HS_ADMIN is not permissions, handle and index");
    }
    return STATUS_OK;
}

static enum status check_vlist(struct bytes data, struct fault *fault)
{
    struct vlist list;
    if (vlist_decode(data, &list) != STATUS_OK) {
        return fault_set(fault, STATUS_INVALID_VALUE, "HS_VLIST is not a counted reference list");
    }
    return STATUS_OK;
}

static enum status check_site(struct bytes data, struct fault *fault)
{
    struct arena *arena = arena_new(CHECK_ARENA_FIRST, CHECK_ARENA_MAX);
    if (arena == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct site site;
    enum status status = site_decode(data, arena, &site);
    if (status == STATUS_OK) {
        status = site_check(&site, fault);
    } else if (status == STATUS_INVALID_VALUE) {
        (void)fault_set(fault, status,
                        "HS_SITE is not a site record: a count lies or bytes follow");
    }
    arena_free(arena);
    return status;
}

static enum status check_target(struct bytes data, struct fault *fault)
{
    struct bytes handle;
    if (value_types_target(data, &handle) != STATUS_OK) {
        return fault_set(fault, STATUS_INVALID_VALUE, "the data is not the text of a handle");
    }
    return STATUS_OK;
}

static enum status check_jws(struct bytes data, struct fault *fault)
{
    struct arena *arena = arena_new(CHECK_ARENA_FIRST, CHECK_ARENA_MAX);
    if (arena == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct jws jws;
    enum status status = jws_decode(data, arena, &jws);
    if (status == STATUS_INVALID_VALUE) {
        (void)fault_set(fault, status, "not a JWS in compact form");
    }
    arena_free(arena);
    return status;
}

static bool contains_nocase(struct bytes all, struct bytes word)
{
    for (size_t at = 0; at + word.len <= all.len; at++) {
        if (bytes_equal_nocase(bytes_of(all.data + at, word.len), word)) {
            return true;
        }
    }
    return false;
}

/* Position behind the next `end` from `at` on; 0 when there is none. */
static size_t behind(struct bytes all, size_t at, struct bytes end)
{
    for (; at + end.len <= all.len; at++) {
        if (bytes_equal(bytes_of(all.data + at, end.len), end)) {
            return at + end.len;
        }
    }
    return 0;
}

/* Position behind the '>' of the tag that begins at `at`, quoted ones skipped; 0 without one. */
static size_t behind_tag(struct bytes xml, size_t at)
{
    uint8_t quote = 0;
    for (; at < xml.len; at++) {
        uint8_t c = xml.data[at];
        if (quote != 0) {
            quote = c == quote ? 0 : quote;
        } else if (c == '"' || c == '\'') {
            quote = c;
        } else if (c == '>') {
            return at + 1;
        }
    }
    return 0;
}

/* Position behind the comment, CDATA section, instruction or tag at `at`. */
static size_t behind_markup(struct bytes xml, size_t at)
{
    struct bytes rest = bytes_from(xml, at);
    if (bytes_start_with(rest, BYTES_LITERAL("<!--"))) {
        return behind(xml, at + 4, BYTES_LITERAL("-->"));
    }
    if (bytes_start_with(rest, BYTES_LITERAL("<![CDATA["))) {
        return behind(xml, at, BYTES_LITERAL("]]>"));
    }
    if (bytes_start_with(rest, BYTES_LITERAL("<?"))) {
        return behind(xml, at, BYTES_LITERAL("?>"));
    }
    return behind_tag(xml, at);
}

/* Elements open and close in balance, no deeper than XML_DEPTH_MAX; names are not compared. */
static bool is_balanced_xml(struct bytes xml)
{
    size_t depth = 0;
    size_t elements = 0;
    size_t at = 0;
    while (at < xml.len) {
        if (xml.data[at] != '<') {
            at++;
            continue;
        }
        size_t end = behind_markup(xml, at);
        if (end < at + 3) {
            return false;
        }
        uint8_t kind = xml.data[at + 1];
        if (kind == '/' && depth == 0) {
            return false;
        }
        if (kind == '/') {
            depth--;
        } else if (kind != '!' && kind != '?') {
            elements++;
            depth += xml.data[end - 2] == '/' ? 0 : 1;
        }
        if (depth > XML_DEPTH_MAX) {
            return false;
        }
        at = end;
    }
    return depth == 0 && elements > 0;
}

/* A template is XML; what could make a parser fetch or explode never gets in (§14 row 50). A NUL
 * would let UTF-16 pass as UTF-8. */
static enum status check_namespace(struct bytes data, struct fault *fault)
{
    if (data.len == 0 || memchr(data.data, 0, data.len) != NULL || !handle_is_utf8(data)) {
        return fault_set(fault, STATUS_INVALID_VALUE, "HS_NAMESPACE is not UTF-8 text");
    }
    if (data.len > XML_MAX) {
        return fault_set(fault, STATUS_INVALID_VALUE, "HS_NAMESPACE has %zu bytes, at most %d",
                         data.len, XML_MAX);
    }
    if (contains_nocase(data, BYTES_LITERAL("<!DOCTYPE")) ||
        contains_nocase(data, BYTES_LITERAL("<!ENTITY"))) {
        return fault_set(fault, STATUS_INVALID_VALUE,
                         "HS_NAMESPACE may not declare a document type or entities");
    }
    if (!is_balanced_xml(data)) {
        return fault_set(fault, STATUS_INVALID_VALUE,
                         "HS_NAMESPACE is not XML of balanced elements, at most %d deep",
                         XML_DEPTH_MAX);
    }
    return STATUS_OK;
}

/* `covers_subtypes`: HS_ADMIN.x is an administrator, HS_SITE.x may be anything (§6.2). */
static const struct row {
    const char *type;
    bool covers_subtypes;
    enum value_format format;
    type_check *check;
} rows[] = {
    {"HS_ADMIN", true, VALUE_FORMAT_ADMIN, check_admin},
    {"HS_VLIST", true, VALUE_FORMAT_VLIST, check_vlist},
    {"HS_SITE", false, VALUE_FORMAT_SITE, check_site},
    {"HS_SITE.6", false, VALUE_FORMAT_SITE, check_site},
    {"HS_SITE.PREFIX", false, VALUE_FORMAT_SITE, check_site},
    {"HS_NA_DELEGATE", false, VALUE_FORMAT_SITE, check_site},
    {"HS_PUBKEY", true, VALUE_FORMAT_KEY, pubkey_check},
    {"HS_SERV", false, VALUE_FORMAT_TEXT, check_target},
    {"HS_SERV.PREFIX", false, VALUE_FORMAT_TEXT, check_target},
    {"HS_ALIAS", false, VALUE_FORMAT_TEXT, check_target},
    {"HS_NAMESPACE", false, VALUE_FORMAT_TEXT, check_namespace},
    {"HS_SIGNATURE", false, VALUE_FORMAT_TEXT, check_jws},
    {"HS_CERT", false, VALUE_FORMAT_TEXT, check_jws},
};

static const struct row *row_of(struct bytes type)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bytes name = bytes_of_text(rows[i].type);
        if (rows[i].covers_subtypes ? value_type_is(type, name) : bytes_equal_nocase(type, name)) {
            return &rows[i];
        }
    }
    return NULL;
}

enum value_format value_types_format(struct bytes type)
{
    const struct row *row = row_of(type);
    return row == NULL ? VALUE_FORMAT_TEXT : row->format;
}

enum status value_types_check(struct bytes type, struct bytes data, struct fault *fault)
{
    const struct row *row = row_of(type);
    return row == NULL ? STATUS_OK : row->check(data, fault);
}
