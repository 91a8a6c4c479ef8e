/* SPDX-License-Identifier: Apache-2.0
 *
 * The ways a prefix record tells: every server, every protocol, each once; records that tell
 * nothing, too much, or another place; whether two of them lead to one service.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "protocol/site.h"
#include "resolver/probe_route.h"

#define SERVERS_MAX 40

struct world {
    struct arena *arena;
    struct probe_route route;
};

static int world_open(void **state)
{
    static struct world world;
    world = (struct world){.arena = arena_new(1 << 16, 4u << 20)};
    assert_non_null(world.arena);
    *state = &world;
    return 0;
}

static int world_close(void **state)
{
    struct world *world = *state;
    arena_free(world->arena);
    return 0;
}

/* A site of `count` servers, 192.0.2.<first>..., with UDP and TCP at `port`, HTTP a thousand above.
 */
static struct value site_of(struct world *world, const char *type, unsigned first, size_t count,
                            uint32_t port)
{
    static struct site_server servers[SERVERS_MAX];
    struct site_interface interfaces[] = {{SITE_BOTH, SITE_TCP, port},
                                          {SITE_QUERY, SITE_UDP, port},
                                          {SITE_QUERY, SITE_HTTP, port + 1000}};
    assert_in_range(count, 1, SERVERS_MAX);
    for (size_t i = 0; i < count; i++) {
        char text[32];
        (void)snprintf(text, sizeof(text), "192.0.2.%zu", first + i);
        servers[i] = (struct site_server){
            .id = (uint32_t)i + 1, .interfaces = interfaces, .interface_count = 3};
        assert_true(site_address_parse(text, servers[i].address));
    }
    const struct site site = {.format = 1,
                              .protocol_major = 2,
                              .protocol_minor = 11,
                              .serial = 7,
                              .servers = servers,
                              .server_count = count};
    uint8_t *room = arena_alloc(world->arena, 8192);
    assert_non_null(room);
    struct wire_writer w = wire_write(room, 8192);
    site_encode(&w, &site);
    assert_false(w.failed);
    return (struct value){.index = 1, .type = bytes_of_text(type), .data = wire_wrote(&w)};
}

static const struct probe_route *read(struct world *world, const struct value *values, size_t count)
{
    assert_int_equal(probe_route_read(values, count, world->arena, &world->route), STATUS_OK);
    return &world->route;
}

static void every_server_is_a_way_over_each_protocol(void **state)
{
    struct world *world = *state;
    const struct value value = site_of(world, "HS_SITE", 1, 3, 2641);
    const struct probe_route *route = read(world, &value, 1);
    assert_int_equal(route->count, 9);
    assert_int_equal(route->sites, 1);
    assert_int_equal(route->unsupported, 0);
    assert_int_equal(route->left_out, 0);
    unsigned ways[ASK_HTTPS + 1] = {0};
    for (size_t i = 0; i < route->count; i++) {
        bool is_http = route->targets[i].transport == ASK_HTTP;
        assert_int_equal(route->targets[i].address.port, is_http ? 3641 : 2641);
        assert_int_equal(route->targets[i].serial, 7);
        ways[route->targets[i].transport]++;
    }
    assert_int_equal(ways[ASK_UDP], 3);
    assert_int_equal(ways[ASK_TCP], 3);
    assert_int_equal(ways[ASK_HTTP], 3);
}

static void server_when_told_twice_is_one_way(void **state)
{
    struct world *world = *state;
    const struct value values[] = {site_of(world, "HS_SITE", 1, 1, 2641),
                                   site_of(world, "HS_SITE", 1, 2, 2641)};
    assert_int_equal(read(world, values, 2)->count, 6);
}

static void servers_when_too_many_are_counted(void **state)
{
    struct world *world = *state;
    const struct value value = site_of(world, "HS_SITE", 1, SERVERS_MAX, 2641);
    const struct probe_route *route = read(world, &value, 1);
    assert_int_equal(route->count, PROBE_TARGETS_MAX);
    assert_int_equal(route->left_out, 3 * SERVERS_MAX - PROBE_TARGETS_MAX);
}

static void record_when_it_tells_a_handle_instead_gives_that(void **state)
{
    struct world *world = *state;
    const struct value values[] = {
        {.index = 1, .type = BYTES_LITERAL("HS_SERV"), .data = BYTES_LITERAL("0.NA/88.7")},
        {.index = 2, .type = BYTES_LITERAL("HS_SITE"), .data = BYTES_LITERAL("not a site")}};
    const struct probe_route *route = read(world, values, 2);
    assert_int_equal(route->count, 0);
    assert_true(bytes_equal(route->alias, BYTES_LITERAL("0.NA/88.7")));
    assert_int_equal(read(world, values + 1, 1)->count, 0);
    assert_int_equal(route->alias.len, 0);
}

static void site_of_derived_prefixes_counts_in_a_referral_alone(void **state)
{
    struct world *world = *state;
    const struct value value = site_of(world, "HS_SITE.PREFIX", 9, 1, 2641);
    struct probe_route referred;
    assert_int_equal(read(world, &value, 1)->count, 0);
    assert_int_equal(probe_route_referred(&value, 1, world->arena, &referred), STATUS_OK);
    assert_int_equal(referred.count, 3);
}

static void routes_meet_when_one_server_is_in_both(void **state)
{
    struct world *world = *state;
    const struct value ours = site_of(world, "HS_SITE", 1, 2, 2641);
    const struct value shared = site_of(world, "HS_SITE", 2, 2, 2641);
    const struct value other = site_of(world, "HS_SITE", 3, 2, 2641);
    const struct value port = site_of(world, "HS_SITE", 1, 2, 2642);
    struct probe_route own = *read(world, &ours, 1);
    assert_true(probe_route_meets(&own, read(world, &shared, 1)));
    assert_false(probe_route_meets(&own, read(world, &other, 1)));
    assert_false(probe_route_meets(&own, read(world, &port, 1)));
    assert_false(probe_route_meets(&own, &(struct probe_route){.count = 0}));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(every_server_is_a_way_over_each_protocol),
        CASE(server_when_told_twice_is_one_way),
        CASE(servers_when_too_many_are_counted),
        CASE(record_when_it_tells_a_handle_instead_gives_that),
        CASE(site_of_derived_prefixes_counts_in_a_referral_alone),
        CASE(routes_meet_when_one_server_is_in_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
