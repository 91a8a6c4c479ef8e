/* SPDX-License-Identifier: Apache-2.0
 *
 * HS_SITE, HS_SITE.6, HS_SITE.PREFIX, HS_NA_DELEGATE: where a service runs (protocol.md §6.4).
 */
#pragma once

#include "protocol/arena.h"
#include "protocol/status.h"
#include "protocol/wire.h"

enum site_protocol { SITE_UDP = 0, SITE_TCP = 1, SITE_HTTP = 2, SITE_HTTPS = 3 };
enum site_interface_use { SITE_OUT_OF_SERVICE = 0, SITE_ADMIN = 1, SITE_QUERY = 2, SITE_BOTH = 3 };

#define SITE_PRIMARY 0x80
#define SITE_MULTI_PRIMARY 0x40

struct site_interface {
    uint8_t use;      /* enum site_interface_use */
    uint8_t protocol; /* enum site_protocol */
    uint32_t port;
};

struct site_server {
    uint32_t id;
    uint8_t address[16]; /* IPv6, or IPv4 as 12 zero bytes ‖ 4; ::ffff:a.b.c.d is read as IPv4 */
    struct bytes public_key; /* HS_PUBKEY record, may be empty */
    struct site_interface *interfaces;
    size_t interface_count;
};

struct site_attribute {
    struct bytes name;
    struct bytes value;
};

struct site {
    uint16_t format; /* 1 */
    uint8_t protocol_major;
    uint8_t protocol_minor;
    uint16_t serial;
    uint8_t primary_mask; /* SITE_PRIMARY | SITE_MULTI_PRIMARY */
    uint8_t hash_option;  /* enum hash_option */
    struct bytes hash_filter;
    struct site_attribute *attributes;
    size_t attribute_count;
    struct site_server *servers;
    size_t server_count;
};

/* INVALID_VALUE: counts that lie, trailing bytes; NO_MEMORY. Meaning (ports, hash option, no
 * servers) is judged by `site_check`. */
enum status site_decode(struct bytes data, struct arena *arena, struct site *out_site);
void site_encode(struct wire_writer *w, const struct site *site);

/* Fit to be stored (protocol.md §14 row 47): servers, known hash option, ports 1..65535. */
enum status site_check(const struct site *site, struct fault *fault);

/* Text address <-> 16 bytes. `out` of site_address_text holds INET6_ADDRSTRLEN. */
bool site_address_parse(const char *text, uint8_t out_address[16]);
void site_address_text(const uint8_t address[16], char *out);
