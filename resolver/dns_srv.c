/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading and ordering SRV records (dns_srv.h). Names are expanded by c-ares, which follows their
 * pointers with care; everything else passes through the reader.
 */
#include "resolver/dns_srv.h"

#include <ares.h>

#define TYPE_SRV 33
#define CLASS_INTERNET 1
#define RECORDS_MAX 256 /* a longer answer is read no further */

/* The name at the reader, which moves behind it; `out_host` may be NULL. */
static bool read_name(struct wire_reader *r, struct bytes whole, char *out_host)
{
    char *name = NULL;
    long used = 0;
    if (!wire_ok(r) ||
        ares_expand_name(r->at, whole.data, (int)whole.len, &name, &used) != ARES_SUCCESS) {
        return false;
    }
    size_t len = strlen(name);
    bool fits = len < DNS_HOST_ROOM;
    if (fits && out_host != NULL) {
        memcpy(out_host, name, len + 1);
    }
    ares_free_string(name);
    (void)wire_take(r, (size_t)used);
    return fits && wire_ok(r);
}

/* Kept in order of priority, as they stand where it is the same; of too many, the last goes. */
static void add(struct dns_service *services, size_t *count, const struct dns_service *service)
{
    size_t at = *count;
    while (at > 0 && services[at - 1].priority > service->priority) {
        at--;
    }
    if (at == DNS_SERVICES_MAX) {
        return;
    }
    *count += *count < DNS_SERVICES_MAX ? 1 : 0;
    memmove(services + at + 1, services + at, (*count - at - 1) * sizeof(*services));
    services[at] = *service;
}

struct srv_list {
    struct dns_service *services;
    size_t count;
    uint32_t ttl_s;
    bool is_told; /* there was a record, if only one that says none */
};

static bool read_record(struct wire_reader *r, struct bytes whole, struct srv_list *list)
{
    struct dns_service service;
    if (!read_name(r, whole, NULL)) {
        return false;
    }
    uint16_t type = wire_u16(r);
    uint16_t class = wire_u16(r);
    uint32_t ttl_s = wire_u32(r);
    struct bytes data = wire_take(r, wire_u16(r));
    if (!wire_ok(r) || type != TYPE_SRV || class != CLASS_INTERNET) {
        return wire_ok(r);
    }
    struct wire_reader inner = wire_read(data);
    service.priority = wire_u16(&inner);
    service.weight = wire_u16(&inner);
    service.port = wire_u16(&inner);
    if (!read_name(&inner, whole, service.host)) {
        return false;
    }
    list->is_told = true;
    list->ttl_s = ttl_s < list->ttl_s ? ttl_s : list->ttl_s;
    if (service.host[0] != '\0' && service.port != 0) {
        add(list->services, &list->count, &service);
    }
    return true;
}

enum status dns_srv_read(struct bytes answer, struct dns_service out[DNS_SERVICES_MAX],
                         size_t *out_count, uint32_t *out_ttl_s)
{
    struct dns_service found[DNS_SERVICES_MAX];
    struct srv_list list = {.services = found, .ttl_s = UINT32_MAX};
    struct wire_reader r = wire_read(answer);
    (void)wire_take(&r, 4);
    uint16_t questions = wire_u16(&r);
    uint16_t records = wire_u16(&r);
    (void)wire_take(&r, 4);
    for (uint16_t i = 0; i < questions; i++) {
        if (!read_name(&r, answer, NULL)) {
            return STATUS_PROTOCOL_ERROR;
        }
        (void)wire_take(&r, 4);
    }
    for (uint16_t i = 0; i < records && i < RECORDS_MAX; i++) {
        if (!read_record(&r, answer, &list)) {
            return STATUS_PROTOCOL_ERROR;
        }
    }
    if (!wire_ok(&r)) {
        return STATUS_PROTOCOL_ERROR;
    }
    if (!list.is_told) {
        return STATUS_NOT_FOUND;
    }
    memcpy(out, found, list.count * sizeof(*out));
    *out_count = list.count;
    *out_ttl_s = list.ttl_s;
    return STATUS_OK;
}

/* Which of them comes next: each as likely as its weight; where none has any, all alike. */
static size_t draw(const struct dns_service *services, size_t count, uint32_t chance)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += services[i].weight;
    }
    if (sum == 0) {
        return chance % count;
    }
    uint32_t left = chance % sum;
    size_t at = 0;
    while (left >= services[at].weight) {
        left -= services[at++].weight;
    }
    return at;
}

void dns_srv_shuffle(struct dns_service *services, size_t count,
                     void (*random)(void *out, size_t len))
{
    for (size_t start = 0; start < count; start++) {
        size_t end = start + 1;
        uint32_t chance = 0;
        while (end < count && services[end].priority == services[start].priority) {
            end++;
        }
        random(&chance, sizeof(chance));
        size_t next = start + draw(services + start, end - start, chance);
        struct dns_service chosen = services[next];
        memmove(services + start + 1, services + start, (next - start) * sizeof(*services));
        services[start] = chosen;
    }
}
