/* SPDX-License-Identifier: Apache-2.0
 *
 * Values and header words on a line (value_show.h).
 */
#include "admin/value_show.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>

#include "admin/say.h"
#include "protocol/handle.h"
#include "protocol/pubkey.h"
#include "protocol/site.h"
#include "protocol/text.h"
#include "protocol/value_types.h"

#define SHOWN_BINARY_MAX 48 /* bytes of binary data on a line */

const char *value_show_format(struct arena *arena, const char *format, ...)
{
    va_list arguments;
    va_list again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = len < 0 ? NULL : arena_alloc(arena, (size_t)len + 1);
    if (text != NULL) {
        (void)vsnprintf(text, (size_t)len + 1, format, again);
    }
    va_end(again);
    return text;
}

static const char *or_nothing(const char *text)
{
    return text == NULL ? "" : text;
}

const char *value_show_reference(struct arena *arena, const struct reference *reference)
{
    return value_show_format(arena, "%u:%s", reference->index,
                             or_nothing(say_printable(arena, reference->handle)));
}

/* --- the predefined types; NULL: the data is not what the type says --------------------------- */

static const char *show_admin(struct arena *arena, struct bytes data)
{
    struct admin admin;
    char bits[13];
    if (admin_decode(data, &admin) != STATUS_OK) {
        return NULL;
    }
    for (int i = 0; i < 12; i++) {
        bits[i] = (admin.permissions >> (11 - i) & 1) != 0 ? '1' : '0';
    }
    bits[12] = '\0';
    return value_show_format(arena, "%s %s",
                             or_nothing(value_show_reference(arena, &admin.identity)), bits);
}

static const char *show_vlist(struct arena *arena, struct bytes data)
{
    struct vlist list;
    if (vlist_decode(data, &list) != STATUS_OK) {
        return NULL;
    }
    struct wire_reader reader = wire_read(list.references);
    struct reference reference;
    const char *text = "";
    while (value_next_reference(&reader, &reference)) {
        text = value_show_format(arena, "%s%s%s", or_nothing(text), text[0] == '\0' ? "" : ", ",
                                 or_nothing(value_show_reference(arena, &reference)));
        if (text == NULL) {
            return NULL;
        }
    }
    return text;
}

static const char *show_interface(struct arena *arena, const struct site_interface *interface)
{
    static const char *const protocols[] = {"UDP", "TCP", "HTTP", "HTTPS"};
    static const char *const uses[] = {"off", "admin", "query", "query+admin"};
    return value_show_format(arena, "%s %u %s",
                             interface->protocol < 4 ? protocols[interface->protocol] : "?",
                             interface->port, interface->use < 4 ? uses[interface->use] : "?");
}

static const char *show_server(struct arena *arena, const struct site_server *server)
{
    char address[INET6_ADDRSTRLEN];
    site_address_text(server->address, address);
    const char *text = address;
    for (size_t i = 0; i < server->interface_count; i++) {
        text = value_show_format(arena, "%s%s%s", or_nothing(text), i == 0 ? " " : ", ",
                                 or_nothing(show_interface(arena, &server->interfaces[i])));
    }
    return text == address ? value_show_format(arena, "%s", address) : text;
}

static const char *show_site(struct arena *arena, struct bytes data)
{
    struct site site;
    if (site_decode(data, arena, &site) != STATUS_OK) {
        return NULL;
    }
    const char *text = value_show_format(arena, "serial %u%s", site.serial,
                                         (site.primary_mask & SITE_PRIMARY) != 0 ? " primary" : "");
    for (size_t i = 0; i < site.server_count; i++) {
        text = value_show_format(arena, "%s; %s", or_nothing(text),
                                 or_nothing(show_server(arena, &site.servers[i])));
    }
    return text;
}

static const char *show_key(struct arena *arena, struct bytes data)
{
    struct pubkey key;
    EVP_PKEY *evp = NULL;
    if (pubkey_decode(data, &key) != STATUS_OK) {
        return NULL;
    }
    const char *type = key.kind == PUBKEY_PEM ? "PEM" : or_nothing(say_printable(arena, key.type));
    if (pubkey_to_evp(&key, &evp) != STATUS_OK) {
        return value_show_format(arena, "%s, %zu bytes", type, data.len);
    }
    const char *text = value_show_format(arena, "%s %d bits", type, EVP_PKEY_get_bits(evp));
    EVP_PKEY_free(evp);
    return text;
}

static const char *show_binary(struct arena *arena, struct bytes data)
{
    struct bytes shown = {data.data, data.len < SHOWN_BINARY_MAX ? data.len : SHOWN_BINARY_MAX};
    const char *hex = text_hex(arena, shown);
    return shown.len == data.len
               ? value_show_format(arena, "0x%s", or_nothing(hex))
               : value_show_format(arena, "0x%s... (%zu bytes)", or_nothing(hex), data.len);
}

static bool is_text(struct bytes data)
{
    for (size_t i = 0; i < data.len; i++) {
        uint8_t c = data.data[i];
        if (c < ' ' && c != '\n' && c != '\r' && c != '\t') {
            return false;
        }
    }
    return handle_is_utf8(data);
}

const char *value_show_data(struct arena *arena, const struct value *value)
{
    const char *text = NULL;
    switch (value_types_format(value->type)) {
    case VALUE_FORMAT_ADMIN:
        text = show_admin(arena, value->data);
        break;
    case VALUE_FORMAT_VLIST:
        text = show_vlist(arena, value->data);
        break;
    case VALUE_FORMAT_SITE:
        text = show_site(arena, value->data);
        break;
    case VALUE_FORMAT_KEY:
        text = show_key(arena, value->data);
        break;
    case VALUE_FORMAT_TEXT:
        break;
    }
    if (text != NULL) {
        return text;
    }
    return is_text(value->data) ? say_printable(arena, value->data)
                                : show_binary(arena, value->data);
}

/* --- header words ----------------------------------------------------------------------------- */

const char *value_show_ttl(struct arena *arena, const struct value *value)
{
    char time[TEXT_TIME_LEN];
    if (value->ttl_type == VALUE_TTL_RELATIVE) {
        return value_show_format(arena, "%u", value->ttl);
    }
    text_time_s(value->ttl, time);
    return value_show_format(arena, "%s%s", time, value->ttl_type == VALUE_TTL_ABSOLUTE ? "" : "?");
}

const char *value_show_flags(struct arena *arena, uint32_t flags)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } names[] = {
        {(uint32_t)MESSAGE_AUTHORITATIVE, "AT"},
        {MESSAGE_CERTIFIED, "CT"},
        {MESSAGE_ENCRYPT, "ENC"},
        {MESSAGE_RECURSIVE, "REC"},
        {MESSAGE_CACHE_CERTIFIED, "CA"},
        {MESSAGE_CONTINUED, "CN"},
        {MESSAGE_KEEP_ALIVE, "KC"},
        {MESSAGE_PUBLIC_ONLY, "PO"},
        {MESSAGE_REQUEST_DIGEST, "RD"},
        {MESSAGE_OVERWRITE, "OVRW"},
        {MESSAGE_MINT, "MINT"},
        {MESSAGE_DO_NOT_REFER, "DNRF"},
        {MESSAGE_STALE, "STALE"},
        {MESSAGE_TRUSTED_QUERY, "TQ"},
        {MESSAGE_TRUSTED_RESULT, "TR"},
    };
    const char *text = "";
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if ((flags & names[i].bit) != 0) {
            text = value_show_format(arena, "%s%s%s", or_nothing(text), i == 0 ? "" : " ",
                                     names[i].name);
            flags &= ~names[i].bit;
        }
    }
    if (flags != 0) {
        text = value_show_format(arena, "%s 0x%08x", or_nothing(text), flags);
    }
    text = or_nothing(text);
    return text[0] == ' ' ? text + 1 : text;
}

const char *value_show_version(struct arena *arena, struct message_version version)
{
    return version.major == 0 && version.minor == 0
               ? "-"
               : value_show_format(arena, "%u.%u", version.major, version.minor);
}

const char *value_show_code(struct arena *arena, uint32_t code, bool is_chinese)
{
    if (code == 0) {
        return is_chinese ? "0 请求" : "0 request";
    }
    enum status status = status_of_wire_code(code);
    const char *text = is_chinese ? status_chinese(status) : status_english(status);
    if (status == STATUS_ERROR && code != 2) {
        text = is_chinese ? "未知应答码" : "unknown response code";
    }
    return value_show_format(arena, "%u %s", code, text);
}
