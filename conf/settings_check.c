/* SPDX-License-Identifier: Apache-2.0
 *
 * What a text in the settings must mean: addresses, networks, prefixes, zone names; and what only
 * several settings together show. Two tables; everything is pure.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf/settings_value.h"
#include "protocol/handle.h"

enum status settings_parse_network(const char *text, struct settings_network *out_network)
{
    char address[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    size_t len = slash == NULL ? strlen(text) : (size_t)(slash - text);
    if (len == 0 || len >= sizeof(address)) {
        return STATUS_BAD_SETTING;
    }
    memcpy(address, text, len);
    address[len] = '\0';
    struct settings_network network = {.address = {[10] = 0xff, [11] = 0xff}};
    uint8_t first_bit = 96;
    if (inet_pton(AF_INET, address, network.address + 12) != 1) {
        first_bit = 0;
        if (inet_pton(AF_INET6, address, network.address) != 1) {
            return STATUS_BAD_SETTING;
        }
    }
    int64_t bits = 128 - first_bit;
    if (slash != NULL && (settings_parse_number(SETTING_INTEGER, slash + 1, &bits) != STATUS_OK ||
                          bits > 128 - first_bit)) {
        return STATUS_BAD_SETTING;
    }
    network.bits = (uint8_t)(first_bit + bits);
    for (unsigned bit = network.bits; bit < 128; bit++) {
        if ((network.address[bit / 8] & (0x80u >> (bit % 8))) != 0) {
            return STATUS_BAD_SETTING; /* 10.1.2.3/16: host or network? */
        }
    }
    *out_network = network;
    return STATUS_OK;
}

static bool is_network(const char *text)
{
    struct settings_network network;
    return settings_parse_network(text, &network) == STATUS_OK;
}

/* fe80::1%eth0 is allowed: whether the interface exists is known only when it is bound. */
static bool is_address(const char *text)
{
    char address[INET6_ADDRSTRLEN];
    uint8_t binary[16];
    if (inet_pton(AF_INET, text, binary) == 1) {
        return true;
    }
    size_t len = strcspn(text, "%");
    if (len >= sizeof(address) || (text[len] == '%' && text[len + 1] == '\0')) {
        return false;
    }
    memcpy(address, text, len);
    address[len] = '\0';
    return inet_pton(AF_INET6, address, binary) == 1;
}

static bool is_prefix(const char *text)
{
    return handle_check_prefix(bytes_of_text(text), NULL) == STATUS_OK;
}

static bool is_reference(const char *text)
{
    uint32_t index = 0;
    struct bytes handle = BYTES_NONE;
    return handle_parse_reference(bytes_of_text(text), &index, &handle) == STATUS_OK &&
           memchr(handle.data, '/', handle.len) != NULL && handle_check(handle, NULL) == STATUS_OK;
}

#define A_REFERENCE "an index and a handle such as 300:0.NA/88.608"

static const struct {
    const char *name;
    bool (*is_valid)(const char *text);
    const char *expected;
} item_checks[] = {
    {"node.prefix", is_prefix, "a prefix such as 88.608 (letters and digits joined by dots)"},
    {"listen.addresses", is_address, "an IPv4 or IPv6 address"},
    {"listen.metrics_address", is_address, "an IPv4 or IPv6 address"},
    {"limits.trusted_networks", is_network,
     "a network such as 10.1.0.0/16 or fd00::/8 (no bits set behind the mask)"},
    {"limits.trusted_proxies", is_network,
     "a network such as 127.0.0.1/32 or 10.1.0.0/16 (no bits set behind the mask)"},
    {"admin.server_admins", is_reference, A_REFERENCE},
    {"admin.home_only_admins", is_reference, A_REFERENCE},
    {"admin.status_admins", is_reference, A_REFERENCE},
};

struct settings_quote settings_quote(const char *text)
{
    struct settings_quote quote;
    size_t at = 0;
    quote.text[at++] = '"';
    const size_t room = sizeof(quote.text) - sizeof("...\"");
    bool is_whole = true;
    for (; *text != '\0' && is_whole; text++) {
        size_t len = 1;
        while (((uint8_t)text[len] & 0xc0) == 0x80 && len < 4) {
            len++;
        }
        is_whole = at + len <= room;
        if (is_whole) {
            memcpy(quote.text + at, text, len);
            quote.text[at] = len == 1 && ((uint8_t)*text < ' ' || *text == 0x7f) ? '?' : *text;
            at += len;
            text += len - 1;
        }
    }
    memcpy(quote.text + at, is_whole ? "\"" : "...\"", is_whole ? 2 : 5);
    return quote;
}

enum status settings_check_item(const struct setting_row *row, const char *text,
                                struct fault *fault)
{
    size_t len = strlen(text);
    if (len > SETTINGS_TEXT_MAX) {
        return fault_set(fault, STATUS_BAD_SETTING, "%s.%s: longer than %d bytes", row->section,
                         row->key, SETTINGS_TEXT_MAX);
    }
    if (!handle_is_utf8(bytes_of_text(text))) {
        return fault_set(fault, STATUS_BAD_SETTING, "%s.%s: not UTF-8", row->section, row->key);
    }
    for (size_t i = 0; i < len; i++) {
        if ((uint8_t)text[i] < ' ' || text[i] == 0x7f) {
            return fault_set(fault, STATUS_BAD_SETTING,
                             "%s.%s: must be one line without control characters", row->section,
                             row->key);
        }
    }
    if (row->type == SETTING_LIST && (len == 0 || strchr(text, ',') != NULL)) {
        return fault_set(fault, STATUS_BAD_SETTING,
                         "%s.%s: an item of the list is empty or holds a comma", row->section,
                         row->key);
    }
    for (size_t i = 0; i < sizeof(item_checks) / sizeof(item_checks[0]); i++) {
        if (settings_is_named(row, item_checks[i].name) && !item_checks[i].is_valid(text)) {
            return fault_set(fault, STATUS_BAD_SETTING, "%s: %s is not %s", item_checks[i].name,
                             settings_quote(text).text, item_checks[i].expected);
        }
    }
    return STATUS_OK;
}

static bool has_address(const struct settings *settings)
{
    return settings->listen_addresses.count > 0;
}

static bool has_transport(const struct settings *settings)
{
    return settings->listen_udp || settings->listen_tcp;
}

static const struct {
    const char *name;
    bool (*is_valid)(const struct settings *settings);
    const char *problem;
} whole_checks[] = {
    {"listen.addresses", has_address, "at least one address is needed"},
    {"listen.tcp", has_transport, "listen.udp and listen.tcp are both off: nobody could ask"},
};

enum status settings_check_whole(const struct settings *settings,
                                 const struct setting_row **out_row, struct fault *fault)
{
    for (size_t i = 0; i < sizeof(whole_checks) / sizeof(whole_checks[0]); i++) {
        if (!whole_checks[i].is_valid(settings)) {
            *out_row = settings_find(whole_checks[i].name, NULL);
            return fault_set(fault, STATUS_BAD_SETTING, "%s: %s", whole_checks[i].name,
                             whole_checks[i].problem);
        }
    }
    return STATUS_OK;
}
