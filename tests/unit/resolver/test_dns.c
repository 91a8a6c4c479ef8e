/* SPDX-License-Identifier: Apache-2.0
 *
 * Host names by c-ares on a real loop, against a name server of our own on loopback.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "protocol/wire.h"
#include "resolver/dns.h"

#define TYPE_A 1
#define TYPE_AAAA 28
#define TYPE_SRV 33
#define PATIENCE_MS 5000

struct scene {
    struct net *net;
    struct net_udp *server;
    struct net_timer *patience;
    struct dns *dns;
    struct dns_waiter waiter;
    unsigned questions;
    unsigned told;
    bool is_empty; /* knows no name */
    bool is_mute;
    bool offers_nothing; /* says so in its service records */
    uint16_t port;       /* of the services */
    uint32_t ttl_s;
};

/* Two services: b, and a, which is to be asked first; or that there is none. */
static void put_services(const struct scene *scene, struct wire_writer *w)
{
    static const struct {
        uint16_t priority;
        const char *label;
    } services[] = {{20, "\1b\xc0\x0c"}, {10, "\1a\xc0\x0c"}};
    size_t count = scene->offers_nothing ? 1 : 2;
    for (size_t i = 0; i < count; i++) {
        struct bytes target =
            scene->offers_nothing ? bytes_of("", 1) : bytes_of(services[i].label, 4);
        wire_put_u16(w, 0xc00c);
        wire_put_u16(w, TYPE_SRV);
        wire_put_u16(w, 1);
        wire_put_u32(w, scene->ttl_s);
        wire_put_u16(w, (uint16_t)(6 + target.len));
        wire_put_u16(w, services[i].priority);
        wire_put_u16(w, 0);
        wire_put_u16(w, scene->port);
        wire_put_raw(w, target);
    }
}

static void put_address(const struct scene *scene, struct wire_writer *w, uint16_t type)
{
    const uint8_t six[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 7};
    const uint8_t four[4] = {192, 0, 2, 7};
    wire_put_u16(w, 0xc00c);
    wire_put_u16(w, type);
    wire_put_u16(w, 1);
    wire_put_u32(w, scene->ttl_s);
    wire_put_u16(w, type == TYPE_AAAA ? 16 : 4);
    wire_put_raw(w, type == TYPE_AAAA ? bytes_of(six, 16) : bytes_of(four, 4));
}

/* The question's own bytes, then an answer of one address of the kind that was asked for. */
static void answer(struct scene *scene, const struct net_datagram *asked)
{
    uint8_t out[600];
    struct wire_reader r = wire_read(bytes_of(asked->data, asked->len));
    struct wire_writer w = wire_write(out, sizeof(out));
    struct bytes id = wire_take(&r, 2);
    (void)wire_take(&r, 10);
    const uint8_t *start = r.at;
    for (uint8_t label = wire_u8(&r); label != 0; label = wire_u8(&r)) {
        (void)wire_take(&r, label);
    }
    uint16_t type = wire_u16(&r);
    (void)wire_u16(&r);
    assert_true(wire_ok(&r));
    uint16_t count = type == TYPE_SRV && !scene->offers_nothing ? 2 : 1;
    wire_put_raw(&w, id);
    wire_put_u16(&w, scene->is_empty ? 0x8183 : 0x8180);
    wire_put_u16(&w, 1);
    wire_put_u16(&w, scene->is_empty ? 0 : count);
    wire_put_u32(&w, 0);
    wire_put_raw(&w, bytes_of(start, (size_t)(r.at - start)));
    if (!scene->is_empty && type == TYPE_SRV) {
        put_services(scene, &w);
    } else if (!scene->is_empty) {
        put_address(scene, &w, type);
    }
    scene->questions++;
    if (scene->is_mute) {
        return;
    }
    struct net_datagram back = {.data = out, .len = wire_wrote(&w).len, .peer = asked->peer};
    assert_int_equal(net_udp_send(scene->server, &back, 1), 1);
}

static void server_on_readable(void *context)
{
    struct scene *scene = context;
    uint8_t in[600];
    struct net_datagram datagram = {.data = in, .size = sizeof(in)};
    while (net_udp_receive(scene->server, &datagram, 1) == 1) {
        answer(scene, &datagram);
        datagram = (struct net_datagram){.data = in, .size = sizeof(in)};
    }
}

static void scene_on_late(void *context)
{
    net_stop(((struct scene *)context)->net);
}

static void scene_on_told(void *context)
{
    struct scene *scene = context;
    scene->told++;
    net_stop(scene->net);
}

static int scene_open(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    struct net_address any;
    char text[NET_ADDRESS_TEXT];
    const char *items[1] = {text};
    assert_non_null(scene);
    scene->ttl_s = 60;
    scene->port = 2650;
    assert_int_equal(net_new(&scene->net), STATUS_OK);
    assert_int_equal(net_address_parse("127.0.0.1", 0, &any), STATUS_OK);
    assert_int_equal(
        net_udp_open(scene->net, &any, server_on_readable, scene, &scene->server, NULL), STATUS_OK);
    struct net_address local = net_udp_local(scene->server);
    net_address_text(&local, text);
    const struct settings_list servers = {1, items};
    assert_int_equal(dns_new(scene->net, &servers, &scene->dns), STATUS_OK);
    assert_int_equal(net_timer_new(scene->net, scene_on_late, scene, &scene->patience), STATUS_OK);
    *state = scene;
    return 0;
}

static int scene_close(void **state)
{
    struct scene *scene = *state;
    dns_free(scene->dns);
    net_timer_free(scene->patience);
    net_udp_close(scene->server);
    net_free(scene->net);
    free(scene);
    return 0;
}

static void wait_for_news(struct scene *scene)
{
    scene->waiter.called = scene_on_told;
    scene->waiter.context = scene;
    dns_wait(scene->dns, &scene->waiter);
    net_timer_start(scene->patience, PATIENCE_MS);
    net_run(scene->net);
    net_timer_stop(scene->patience);
}

static enum status find(struct scene *scene, const char *host, struct net_address *out,
                        size_t *out_count)
{
    return dns_find(scene->dns, bytes_of_text(host), out, out_count);
}

static void name_is_found_with_both_families_ipv6_first(void **state)
{
    struct scene *scene = *state;
    struct net_address found[DNS_ADDRESSES_MAX];
    char text[NET_ADDRESS_TEXT];
    size_t count = 0;
    assert_int_equal(find(scene, "wuhan.example.cn", found, &count), STATUS_PENDING);
    wait_for_news(scene);
    assert_int_equal(scene->told, 1);
    assert_int_equal(find(scene, "WUHAN.example.cn", found, &count), STATUS_OK);
    assert_int_equal(count, 2);
    net_address_text(&found[0], text);
    assert_string_equal(text, "2001:db8::7");
    net_address_text(&found[1], text);
    assert_string_equal(text, "192.0.2.7");
    assert_int_equal(scene->questions, 2);
    assert_int_equal(find(scene, "wuhan.example.cn", found, &count), STATUS_OK);
    assert_int_equal(scene->questions, 2);
}

static void name_that_is_not_there_is_asked_for_once_in_a_while(void **state)
{
    struct scene *scene = *state;
    struct net_address found[DNS_ADDRESSES_MAX];
    size_t count = 0;
    scene->is_empty = true;
    assert_int_equal(find(scene, "none.example.cn", found, &count), STATUS_PENDING);
    wait_for_news(scene);
    unsigned before = scene->questions;
    assert_true(before > 0);
    assert_int_equal(find(scene, "none.example.cn", found, &count), STATUS_NOT_FOUND);
    assert_int_equal(scene->questions, before);
}

#define SERVICE "_hdl-srv._tcp.example.cn"

static enum status find_services(struct scene *scene, struct dns_service *out, size_t *out_count)
{
    return dns_find_services(scene->dns, bytes_of_text(SERVICE), out, out_count);
}

static void services_are_found_in_the_order_of_their_priority(void **state)
{
    struct scene *scene = *state;
    struct dns_service found[DNS_SERVICES_MAX];
    size_t count = 0;
    assert_int_equal(find_services(scene, found, &count), STATUS_PENDING);
    wait_for_news(scene);
    assert_int_equal(find_services(scene, found, &count), STATUS_OK);
    assert_int_equal(count, 2);
    assert_string_equal(found[0].host, "a." SERVICE);
    assert_int_equal(found[0].priority, 10);
    assert_int_equal(found[0].port, 2650);
    assert_string_equal(found[1].host, "b." SERVICE);
    assert_int_equal(scene->questions, 1);
}

/* An address of that name is another entry. */
static void services_are_no_addresses(void **state)
{
    struct scene *scene = *state;
    struct dns_service services[DNS_SERVICES_MAX];
    struct net_address addresses[DNS_ADDRESSES_MAX];
    size_t count = 0;
    assert_int_equal(find_services(scene, services, &count), STATUS_PENDING);
    assert_int_equal(find(scene, SERVICE, addresses, &count), STATUS_PENDING);
    wait_for_news(scene);
    wait_for_news(scene);
    assert_int_equal(find_services(scene, services, &count), STATUS_OK);
    assert_int_equal(services[0].port, 2650);
    assert_int_equal(find(scene, SERVICE, addresses, &count), STATUS_OK);
}

static void domain_that_offers_nothing_says_so(void **state)
{
    struct scene *scene = *state;
    struct dns_service found[DNS_SERVICES_MAX];
    size_t count = 7;
    scene->offers_nothing = true;
    assert_int_equal(find_services(scene, found, &count), STATUS_PENDING);
    wait_for_news(scene);
    assert_int_equal(find_services(scene, found, &count), STATUS_OK);
    assert_int_equal(count, 0);
}

static void domain_without_service_records_is_known_as_such(void **state)
{
    struct scene *scene = *state;
    struct dns_service found[DNS_SERVICES_MAX];
    size_t count = 0;
    scene->is_empty = true;
    assert_int_equal(find_services(scene, found, &count), STATUS_PENDING);
    wait_for_news(scene);
    unsigned before = scene->questions;
    assert_int_equal(find_services(scene, found, &count), STATUS_NOT_FOUND);
    assert_int_equal(find_services(scene, found, &count), STATUS_NOT_FOUND);
    assert_int_equal(scene->questions, before);
}

/* Times are at least five seconds, so the clock is real: once for both kinds. */
static void what_is_known_serves_while_it_is_looked_up_again(void **state)
{
    struct scene *scene = *state;
    struct dns_service services[DNS_SERVICES_MAX];
    struct net_address addresses[DNS_ADDRESSES_MAX];
    size_t count = 0;
    scene->ttl_s = 1;
    assert_int_equal(find_services(scene, services, &count), STATUS_PENDING);
    wait_for_news(scene);
    assert_int_equal(find(scene, "wuhan.example.cn", addresses, &count), STATUS_PENDING);
    wait_for_news(scene);
    unsigned before = scene->questions;
    net_timer_start(scene->patience, 4700);
    net_run(scene->net);
    scene->port = 2651;
    assert_int_equal(find_services(scene, services, &count), STATUS_OK);
    assert_int_equal(services[0].port, 2650);
    assert_int_equal(find(scene, "wuhan.example.cn", addresses, &count), STATUS_OK);
    wait_for_news(scene);
    net_timer_start(scene->patience, 300);
    net_run(scene->net);
    assert_int_equal(scene->questions, before + 3);
    assert_int_equal(find_services(scene, services, &count), STATUS_OK);
    assert_int_equal(services[0].port, 2651);
    scene->is_mute = true; /* and when nobody answers any more */
    net_timer_start(scene->patience, 5200);
    net_run(scene->net);
    assert_int_equal(find_services(scene, services, &count), STATUS_OK);
    assert_int_equal(find(scene, "wuhan.example.cn", addresses, &count), STATUS_OK);
}

static void waiter_that_is_forgotten_is_not_told(void **state)
{
    struct scene *scene = *state;
    struct net_address found[DNS_ADDRESSES_MAX];
    struct dns_waiter gone = {.called = scene_on_told, .context = scene};
    size_t count = 0;
    assert_int_equal(find(scene, "wuhan.example.cn", found, &count), STATUS_PENDING);
    dns_wait(scene->dns, &gone);
    dns_forget(scene->dns, &gone);
    wait_for_news(scene);
    assert_int_equal(scene->told, 1);
    dns_forget(scene->dns, &gone);
}

static void waiter_is_told_when_its_time_is_over(void **state)
{
    struct scene *scene = *state;
    struct net_address found[DNS_ADDRESSES_MAX];
    size_t count = 0;
    int64_t begun_ms = net_now_ms(scene->net);
    scene->is_mute = true;
    scene->waiter.until_ms = begun_ms + 200;
    assert_int_equal(find(scene, "wuhan.example.cn", found, &count), STATUS_PENDING);
    wait_for_news(scene);
    assert_int_equal(scene->told, 1);
    assert_in_range(net_now_ms(scene->net) - begun_ms, 199, 3000);
    assert_int_equal(find(scene, "wuhan.example.cn", found, &count), STATUS_PENDING);
}

static void ending_with_a_question_out_leaves_nothing(void **state)
{
    struct scene *scene = *state;
    struct net_address found[DNS_ADDRESSES_MAX];
    size_t count = 0;
    assert_int_equal(find(scene, "wuhan.example.cn", found, &count), STATUS_PENDING);
}

static void names_too_long_are_not_looked_up(void **state)
{
    struct scene *scene = *state;
    struct net_address found[DNS_ADDRESSES_MAX];
    char name[300];
    size_t count = 0;
    memset(name, 'a', sizeof(name));
    name[299] = '\0';
    assert_int_equal(find(scene, name, found, &count), STATUS_NOT_FOUND);
    assert_int_equal(find(scene, "", found, &count), STATUS_NOT_FOUND);
}

static void server_that_is_no_address_is_refused(void **state)
{
    struct scene *scene = *state;
    const char *items[] = {"not an address"};
    const struct settings_list servers = {1, items};
    struct dns *dns = NULL;
    assert_int_equal(dns_new(scene->net, &servers, &dns), STATUS_BAD_SETTING);
    assert_null(dns);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, scene_open, scene_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(name_is_found_with_both_families_ipv6_first),
        CASE(name_that_is_not_there_is_asked_for_once_in_a_while),
        CASE(services_are_found_in_the_order_of_their_priority),
        CASE(services_are_no_addresses),
        CASE(domain_that_offers_nothing_says_so),
        CASE(domain_without_service_records_is_known_as_such),
        CASE(what_is_known_serves_while_it_is_looked_up_again),
        CASE(waiter_that_is_forgotten_is_not_told),
        CASE(waiter_is_told_when_its_time_is_over),
        CASE(ending_with_a_question_out_leaves_nothing),
        CASE(names_too_long_are_not_looked_up),
        CASE(server_that_is_no_address_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
