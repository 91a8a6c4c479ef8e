/* SPDX-License-Identifier: Apache-2.0
 *
 * Values as HTML; see page_value.h.
 */
#include "resolver/page_value.h"

#include <jansson.h>
#include <stdio.h>

#include "protocol/digest.h"
#include "protocol/pubkey.h"
#include "protocol/site.h"
#include "protocol/text.h"
#include "protocol/value_types.h"

#define JSON_MAX 8192
#define MEMBERS_MAX 40
#define SERVERS_MAX 8
#define REFERENCES_MAX 20

/* --- texts and files ----------------------------------------------------------------------------
 */

static void put_size(struct page_out *page, enum page_text text, size_t len)
{
    char digits[24];
    int count = snprintf(digits, sizeof(digits), "%zu", len);
    char whole[64];
    const char *bytes = page_text(page->language, PAGE_bytes);
    (void)snprintf(whole, sizeof(whole), "%.*s%s", count, digits, strstr(bytes, "%s") + 2);
    page_say_with(page, text, bytes_of_text(whole), sizeof(whole));
}

static const struct magic {
    struct bytes start;
    const char *name;
    bool is_picture;
} magics[] = {
    {{(const uint8_t *)"\x89PNG", 4}, "PNG", true},
    {{(const uint8_t *)"\xff\xd8\xff", 3}, "JPEG", true},
    {{(const uint8_t *)"GIF8", 4}, "GIF", true},
    {{(const uint8_t *)"RIFF", 4}, "WebP", true},
    {{(const uint8_t *)"%PDF-", 5}, "PDF", false},
    {{(const uint8_t *)"PK\x03\x04", 4}, "ZIP", false},
};

static void put_binary(struct page_out *page, struct arena *arena, struct bytes data)
{
    for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
        if (bytes_start_with(data, magics[i].start)) {
            page_say_with(page, magics[i].is_picture ? PAGE_picture : PAGE_document,
                          bytes_of_text(magics[i].name), 16);
            page_put(page, "<br>");
            break;
        }
    }
    put_size(page, PAGE_binary, data.len);
    char *hex = text_hex(arena, bytes_of(data.data, data.len < 32 ? data.len : 32));
    if (hex != NULL) {
        page_put(page, "<br><code>");
        page_put(page, hex);
        page_put(page, data.len > 32 ? "…</code>" : "</code>");
    }
}

static void put_link(struct page_out *page, struct bytes address)
{
    page_put(page, "<a rel=\"noopener noreferrer nofollow\" href=\"");
    (void)page_foreign(page, address, address.len, true);
    page_put(page, "\"><bdi>");
    (void)page_foreign(page, address, address.len, false);
    page_put(page, "</bdi></a><br><small>");
    page_say(page, PAGE_outside_link);
    page_put(page, "</small>");
}

static void put_text(struct page_out *page, struct bytes text)
{
    if (text.len == 0) {
        page_put(page, "<i class=none>");
        page_say(page, PAGE_empty);
        page_put(page, "</i>");
        return;
    }
    page_put(page, "<bdi class=text>");
    bool is_whole = page_foreign(page, text, PAGE_VALUE_MAX, false);
    page_put(page, "</bdi>");
    if (!is_whole) {
        page_put(page, "<br><small>");
        put_size(page, PAGE_truncated, text.len);
        page_put(page, "</small>");
    }
}

/* --- JSON objects as tables ---------------------------------------------------------------------
 */

static json_t *read_object(struct bytes data)
{
    if (data.len < 2 || data.len > JSON_MAX || data.data[0] != '{') {
        return NULL;
    }
    json_t *object = json_loadb((const char *)data.data, data.len, JSON_REJECT_DUPLICATES, NULL);
    if (object != NULL && (!json_is_object(object) || json_object_size(object) == 0 ||
                           json_object_size(object) > MEMBERS_MAX)) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static void put_member(struct page_out *page, const char *key, const json_t *member)
{
    page_put(page, "<dt><bdi>");
    (void)page_foreign(page, bytes_of_text(key), 100, false);
    page_put(page, "</bdi></dt><dd><bdi class=text>");
    if (json_is_string(member)) {
        (void)page_foreign(page, bytes_of(json_string_value(member), json_string_length(member)),
                           500, false);
    } else {
        char *text = json_dumps(member, JSON_ENCODE_ANY | JSON_COMPACT);
        (void)page_foreign(page, bytes_of_text(text), 500, false);
        free(text);
    }
    page_put(page, "</bdi></dd>");
}

static void put_object(struct page_out *page, json_t *object)
{
    const char *key;
    json_t *member;
    page_put(page, "<dl class=table>");
    json_object_foreach(object, key, member)
    {
        put_member(page, key, member);
    }
    page_put(page, "</dl>");
}

/* --- predefined types ---------------------------------------------------------------------------
 */

static void put_handle(struct page_out *page, struct bytes handle, uint32_t index)
{
    page_put(page, "<a href=\"/");
    page_path(page->body, bytes_of(handle.data, handle.len < 600 ? handle.len : 600));
    page_put(page, "\"><bdi>");
    if (index != 0) {
        page_number(page, index);
        page_put(page, ":");
    }
    (void)page_foreign(page, handle, 300, false);
    page_put(page, "</bdi></a>");
}

static void put_lead(struct page_out *page, enum page_text text)
{
    page_put(page, "<small>");
    page_say(page, text);
    page_put(page, "</small><br>");
}

static bool put_admin(struct page_out *page, struct arena *arena, struct bytes data)
{
    struct admin admin;
    (void)arena;
    if (admin_decode(data, &admin) != STATUS_OK) {
        return false;
    }
    put_lead(page, PAGE_hs_admin);
    put_handle(page, admin.identity.handle, admin.identity.index);
    return true;
}

static bool put_vlist(struct page_out *page, struct arena *arena, struct bytes data)
{
    struct vlist list;
    struct reference one;
    (void)arena;
    if (vlist_decode(data, &list) != STATUS_OK) {
        return false;
    }
    put_lead(page, PAGE_hs_vlist);
    struct wire_reader r = wire_read(list.references);
    for (size_t i = 0; i < REFERENCES_MAX && value_next_reference(&r, &one); i++) {
        put_handle(page, one.handle, one.index);
        page_put(page, "<br>");
    }
    return true;
}

static bool put_alias(struct page_out *page, struct arena *arena, struct bytes data)
{
    (void)arena;
    if (!page_is_text(data) || data.len == 0) {
        return false;
    }
    put_lead(page, PAGE_hs_alias);
    put_handle(page, data, 0);
    return true;
}

static bool put_service(struct page_out *page, struct arena *arena, struct bytes data)
{
    (void)arena;
    if (!page_is_text(data) || data.len == 0) {
        return false;
    }
    put_lead(page, PAGE_hs_serv);
    put_handle(page, data, 0);
    return true;
}

static bool put_site(struct page_out *page, struct arena *arena, struct bytes data)
{
    static const char *const protocols[] = {"UDP", "TCP", "HTTP", "HTTPS"};
    struct site site;
    char text[96];
    if (site_decode(data, arena, &site) != STATUS_OK) {
        return false;
    }
    put_lead(page, PAGE_hs_site);
    for (size_t i = 0; i < site.server_count && i < SERVERS_MAX; i++) {
        const struct site_server *server = &site.servers[i];
        site_address_text(server->address, text);
        page_put(page, "<code>");
        page_put(page, text);
        for (size_t k = 0; k < server->interface_count && k < SERVERS_MAX; k++) {
            const struct site_interface *interface = &server->interfaces[k];
            (void)snprintf(text, sizeof(text), " %s&#8239;%u",
                           interface->protocol < 4 ? protocols[interface->protocol] : "?",
                           interface->port);
            page_put(page, text);
        }
        page_put(page, "</code><br>");
    }
    return true;
}

static bool put_key(struct page_out *page, struct arena *arena, struct bytes data)
{
    struct pubkey key;
    uint8_t digest[32];
    if (pubkey_decode(data, &key) != STATUS_OK || digest_sha256(&data, 1, digest) != STATUS_OK) {
        return false;
    }
    put_lead(page, PAGE_hs_pubkey);
    char *hex = text_hex(arena, bytes_of(digest, sizeof(digest)));
    page_put(page, "<code>");
    (void)page_foreign(page, key.type, 40, false);
    page_put(page, " ");
    page_put(page, hex == NULL ? "" : hex);
    page_put(page, "</code>");
    return true;
}

static bool put_signature(struct page_out *page, struct arena *arena, struct bytes data)
{
    (void)arena;
    put_lead(page, PAGE_hs_signature);
    put_size(page, PAGE_binary, data.len);
    return true;
}

static const struct known_type {
    const char *type;
    bool (*put)(struct page_out *page, struct arena *arena, struct bytes data);
} known_types[] = {
    {"HS_ADMIN", put_admin},  {"HS_VLIST", put_vlist},         {"HS_ALIAS", put_alias},
    {"HS_SERV", put_service}, {"HS_SITE", put_site},           {"HS_NA_DELEGATE", put_site},
    {"HS_PUBKEY", put_key},   {"HS_SIGNATURE", put_signature}, {"HS_CERT", put_signature},
};

static bool put_known(struct page_out *page, struct arena *arena, const struct value *value)
{
    for (size_t i = 0; i < sizeof(known_types) / sizeof(known_types[0]); i++) {
        if (value_type_is(value->type, bytes_of_text(known_types[i].type))) {
            return known_types[i].put(page, arena, value->data);
        }
    }
    return false;
}

/* --- values -------------------------------------------------------------------------------------
 */

bool page_value_is_technical(const struct value *value)
{
    return bytes_start_with(value->type, BYTES_LITERAL("HS_")) ||
           bytes_start_with(value->type, BYTES_LITERAL("hs_")) ||
           bytes_equal_nocase(value->type, BYTES_LITERAL("10320/loc"));
}

static void put_data(struct page_out *page, struct arena *arena, const struct value *value)
{
    if (put_known(page, arena, value)) {
        return;
    }
    if (!page_is_text(value->data)) {
        put_binary(page, arena, value->data);
        return;
    }
    if (page_is_link(value->data)) {
        put_link(page, value->data);
        return;
    }
    json_t *object = read_object(value->data);
    if (object != NULL) {
        put_object(page, object);
        json_decref(object);
        return;
    }
    put_text(page, value->data);
}

static void put_life(struct page_out *page, const struct value *value)
{
    page_put(page, " · ");
    if (value->ttl_type == VALUE_TTL_ABSOLUTE) {
        page_say(page, PAGE_good_until);
        page_put(page, " ");
        page_time(page, value->ttl);
        return;
    }
    page_say(page, PAGE_good_for);
    page_put(page, " ");
    page_duration(page, value->ttl);
}

void page_value(struct page_out *page, struct arena *arena, const struct value *value)
{
    page_put(page, "<div class=value><dt><bdi>");
    (void)page_foreign(page, value->type, 80, false);
    page_put(page, "</bdi> <span class=index>");
    page_number(page, value->index);
    page_put(page, "</span></dt><dd>");
    put_data(page, arena, value);
    page_put(page, "<p class=meta>");
    if (value->timestamp != 0) {
        page_say(page, PAGE_changed);
        page_put(page, " ");
        page_time(page, value->timestamp);
    }
    put_life(page, value);
    page_put(page, "</p></dd></div>\n");
}

/* --- titles -------------------------------------------------------------------------------------
 */

static const char *const title_names[] = {"name", "title",       "名称",         "产品名称", "品名",
                                          "DESC", "productName", "product_name", "物料名称"};

static bool is_title_name(struct bytes name)
{
    for (size_t i = 0; i < sizeof(title_names) / sizeof(title_names[0]); i++) {
        if (bytes_equal_nocase(name, bytes_of_text(title_names[i]))) {
            return true;
        }
    }
    return false;
}

static struct bytes title_of_object(struct arena *arena, json_t *object)
{
    for (size_t i = 0; i < sizeof(title_names) / sizeof(title_names[0]); i++) {
        const json_t *member = json_object_get(object, title_names[i]);
        if (json_is_string(member) && json_string_length(member) > 0) {
            return arena_copy(arena,
                              bytes_of(json_string_value(member), json_string_length(member)));
        }
    }
    return BYTES_NONE;
}

struct bytes page_value_title(struct arena *arena, const struct value *value)
{
    if (page_value_is_technical(value) || !page_is_text(value->data)) {
        return BYTES_NONE;
    }
    if (is_title_name(value->type) && value->data.len <= 200 && !page_is_link(value->data)) {
        return value->data;
    }
    json_t *object = read_object(value->data);
    if (object == NULL) {
        return BYTES_NONE;
    }
    struct bytes title = title_of_object(arena, object);
    json_decref(object);
    return title.data == NULL ? BYTES_NONE : title;
}
