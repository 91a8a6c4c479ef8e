/* SPDX-License-Identifier: Apache-2.0
 *
 * Round trips are averaged with weight one eighth, as TCP does; a server is left alone for a
 * second after its first failure, twice as long after each further one (server_health.h).
 */
#include "resolver/server_health.h"

#include <stdlib.h>

#define ENTRIES 256
#define HOLD_FIRST_MS 1000
#define WEIGHT 8

struct server_health {
    struct net_address address; /* port 0: free */
    enum ask_transport transport;
    int64_t rtt_ms; /* 0: not measured */
    unsigned failures;
    int64_t held_until_ms;
    int64_t answered_ms; /* last */
    int64_t used_ms;
    size_t under_way;
};

struct server_health_table {
    struct server_health entries[ENTRIES];
};

struct server_health_table *server_health_new(void)
{
    return calloc(1, sizeof(struct server_health_table));
}

void server_health_free(struct server_health_table *table)
{
    free(table);
}

static bool is_of(const struct server_health *health, const struct service_target *target)
{
    return health->address.port != 0 && health->transport == target->transport &&
           net_address_equal(&health->address, &target->address);
}

const struct server_health *server_health_find(const struct server_health_table *table,
                                               const struct service_target *target)
{
    for (size_t i = 0; i < ENTRIES; i++) {
        if (is_of(&table->entries[i], target)) {
            return &table->entries[i];
        }
    }
    return NULL;
}

struct server_health *server_health_of(struct server_health_table *table,
                                       const struct service_target *target, int64_t now_ms)
{
    struct server_health *oldest = NULL;
    for (size_t i = 0; i < ENTRIES; i++) {
        struct server_health *at = &table->entries[i];
        if (is_of(at, target)) {
            at->used_ms = now_ms;
            return at;
        }
        bool is_free = at->address.port == 0;
        bool is_older = oldest == NULL || at->used_ms < oldest->used_ms;
        if (at->under_way == 0 && (is_free || is_older) &&
            (oldest == NULL || oldest->address.port != 0)) {
            oldest = at;
        }
    }
    if (oldest != NULL) {
        *oldest = (struct server_health){
            .address = target->address, .transport = target->transport, .used_ms = now_ms};
    }
    return oldest;
}

int64_t server_health_rtt(const struct server_health *health)
{
    return health == NULL || health->rtt_ms == 0 ? SERVER_HEALTH_FIRST_MS : health->rtt_ms;
}

bool server_health_admits(const struct server_health *health, size_t most, int64_t now_ms)
{
    return health == NULL || (health->held_until_ms <= now_ms && health->under_way < most);
}

void server_health_asked(struct server_health *health, int64_t now_ms, int64_t patience_ms)
{
    health->under_way++;
    if (health->failures > 0) {
        health->held_until_ms = now_ms + patience_ms;
    }
}

void server_health_answered(struct server_health *health, int64_t now_ms, int64_t took_ms)
{
    int64_t took = took_ms < 1 ? 1 : took_ms;
    health->under_way--;
    health->failures = 0;
    health->held_until_ms = 0;
    health->answered_ms = now_ms;
    health->rtt_ms =
        health->rtt_ms == 0 ? took : (health->rtt_ms * (WEIGHT - 1) + took + WEIGHT / 2) / WEIGHT;
}

void server_health_passed(struct server_health *health, int64_t waited_ms)
{
    health->under_way--;
    if (waited_ms > server_health_rtt(health)) {
        health->rtt_ms = waited_ms;
    }
}

void server_health_failed(struct server_health *health, int64_t asked_ms, int64_t now_ms,
                          int64_t hold_max_ms, uint16_t chance)
{
    health->under_way--;
    if (health->answered_ms > asked_ms) {
        return;
    }
    int64_t hold = HOLD_FIRST_MS;
    for (unsigned i = 0; i < health->failures && hold < hold_max_ms; i++) {
        hold *= 2;
    }
    hold = hold > hold_max_ms ? hold_max_ms : hold;
    hold += hold * (chance - INT16_MAX) / (4 * (int64_t)INT16_MAX);
    health->failures++;
    health->held_until_ms = now_ms + hold;
}
