/* SPDX-License-Identifier: Apache-2.0
 *
 * Making and freeing generations (generation.h). Immutable once made, so any thread may read one.
 */
#include "resolver/generation.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/site.h"
#include "resolver/tls.h"
#include "resolver/trust_roots.h"
#include "resolver/upward.h"

#define SITE_ARENA_MAX (1u << 20)

/* `name` is the setting's; what is made is the generation's also when it fails. */
static enum status parse_networks(const struct settings_list *list, const char *name,
                                  const struct settings_network **out_networks, size_t *out_count,
                                  struct fault *fault)
{
    if (list->count == 0) {
        return STATUS_OK;
    }
    struct settings_network *networks = calloc(list->count, sizeof(*networks));
    if (networks == NULL) {
        return fault_set(fault, STATUS_NO_MEMORY, "out of memory");
    }
    *out_networks = networks;
    *out_count = list->count;
    for (size_t i = 0; i < list->count; i++) {
        if (settings_parse_network(list->items[i], &networks[i]) != STATUS_OK) {
            return fault_set(fault, STATUS_BAD_SETTING, "%s: \"%s\" is not a network", name,
                             list->items[i]);
        }
    }
    return STATUS_OK;
}

static enum status parse_trusted(struct generation *generation, struct fault *fault)
{
    const struct settings *settings = generation->settings;
    enum status status =
        parse_networks(&settings->limits_trusted_networks, "limits.trusted_networks",
                       &generation->trusted, &generation->trusted_count, fault);
    return status != STATUS_OK
               ? status
               : parse_networks(&settings->limits_trusted_proxies, "limits.trusted_proxies",
                                &generation->proxies, &generation->proxy_count, fault);
}

/* "192.0.2.7:2641", "[2001:db8::1]:2641"; empty: there is none. */
static enum status parse_key_server(struct generation *generation, struct fault *fault)
{
    const char *text = generation->settings->auth_key_server;
    const char *colon = strrchr(text, ':');
    char ip[NET_ADDRESS_TEXT];
    char *end = NULL;
    if (text[0] == '\0') {
        return STATUS_OK;
    }
    unsigned long port = colon == NULL ? 0 : strtoul(colon + 1, &end, 10);
    size_t len = colon == NULL ? 0 : (size_t)(colon - text);
    bool is_bracketed = len > 2 && text[0] == '[' && text[len - 1] == ']';
    if (len < sizeof(ip)) {
        (void)snprintf(ip, sizeof(ip), "%.*s", (int)(is_bracketed ? len - 2 : len),
                       text + is_bracketed);
    }
    if (len == 0 || len >= sizeof(ip) || port == 0 || port > UINT16_MAX || *end != '\0' ||
        net_address_parse(ip, (uint16_t)port, &generation->key_server) != STATUS_OK) {
        return fault_set(fault, STATUS_BAD_SETTING,
                         "auth.key_server: \"%s\" is not an address and a port", text);
    }
    generation->has_key_server = true;
    return STATUS_OK;
}

static enum status judge_site(struct generation *generation, struct fault *fault)
{
    struct arena *arena = arena_new(4096, SITE_ARENA_MAX);
    struct site site;
    enum status status =
        arena == NULL ? STATUS_NO_MEMORY : site_decode(generation->site, arena, &site);
    if (status == STATUS_OK) {
        generation->site_serial = site.serial;
        generation->is_primary = (site.primary_mask & SITE_PRIMARY) != 0;
    } else {
        (void)fault_set(fault, status, "the store's site record cannot be read: %s",
                        status_english(status));
    }
    arena_free(arena);
    return status;
}

/* Written by `guantong key rotate`, in decimal digits. */
static uint16_t read_since(struct snapshot *snapshot)
{
    struct bytes text = BYTES_NONE;
    uint32_t since = 0;
    if (registry_get_meta(snapshot, "site_key_since", &text) != STATUS_OK) {
        return 0;
    }
    for (size_t i = 0; i < text.len && i < 5 && text.data[i] >= '0' && text.data[i] <= '9'; i++) {
        since = since * 10 + (uint32_t)text.data[i] - '0';
    }
    return since < MESSAGE_SERIAL_UNKNOWN ? (uint16_t)since : 0;
}

static enum status copy_site(struct generation *generation, struct bytes site)
{
    uint8_t *copy = malloc(site.len);
    if (copy == NULL) {
        return STATUS_NO_MEMORY;
    }
    memcpy(copy, site.data, site.len);
    generation->site = bytes_of(copy, site.len);
    return STATUS_OK;
}

static enum status read_site(struct generation *generation, struct registry *registry,
                             struct fault *fault)
{
    struct snapshot *snapshot = NULL;
    struct bytes site = BYTES_NONE;
    enum status status = snapshot_new(registry, &snapshot);
    if (status == STATUS_OK) {
        status = snapshot_refresh(snapshot);
    }
    if (status == STATUS_OK) {
        generation->site_key_since = read_since(snapshot);
        status = registry_get_meta(snapshot, "site", &site);
    }
    if (status == STATUS_OK && site.len > 0) {
        status = copy_site(generation, site);
    }
    snapshot_free(snapshot);
    if (status == STATUS_NOT_FOUND || (status == STATUS_OK && site.len == 0)) {
        return STATUS_OK;
    }
    if (status != STATUS_OK) {
        return fault_set(fault, status, "the store's site record cannot be read: %s",
                         status_english(status));
    }
    return judge_site(generation, fault);
}

enum status generation_new(const struct settings *settings, struct registry *registry,
                           uint64_t number, struct generation **out_generation, struct fault *fault)
{
    struct generation *generation = calloc(1, sizeof(*generation));
    if (generation == NULL) {
        return fault_set(fault, STATUS_NO_MEMORY, "out of memory");
    }
    generation->settings = settings;
    generation->number = number;
    generation->site_serial = MESSAGE_SERIAL_UNKNOWN;
    enum status status = parse_trusted(generation, fault);
    if (status == STATUS_OK) {
        status = parse_key_server(generation, fault);
    }
    if (status == STATUS_OK) {
        status = read_site(generation, registry, fault);
    }
    if (status != STATUS_OK) {
        generation_free(generation);
        return status;
    }
    *out_generation = generation;
    return STATUS_OK;
}

void generation_free(struct generation *generation)
{
    if (generation != NULL) {
        free((void *)(uintptr_t)generation->site.data);
        free((void *)(uintptr_t)generation->trusted);
        free((void *)(uintptr_t)generation->proxies);
        EVP_PKEY_free(generation->site_key);
        EVP_PKEY_free(generation->previous_key);
        tls_context_free(generation->tls);
        EVP_PKEY_free(generation->key_server_key);
        trust_roots_free(generation->trust_roots);
        upward_free((struct upward *)(uintptr_t)generation->upward);
        free(generation);
    }
}

EVP_PKEY *generation_signing_key(const struct generation *generation, uint16_t serial)
{
    uint16_t known = serial == MESSAGE_SERIAL_UNKNOWN ? generation->site_serial : serial;
    bool is_older = generation->previous_key != NULL && known < generation->site_key_since;
    return is_older ? generation->previous_key : generation->site_key;
}
