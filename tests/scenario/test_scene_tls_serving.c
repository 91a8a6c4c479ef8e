/* SPDX-License-Identifier: Apache-2.0
 *
 * A worker that serves TLS on the fake network: turns of handshakes, deadlines, back-pressure, torn
 * writes, draining (stream_tls.c, handshakes.h). The client is OpenSSL over memory.
 */
#include "tests/scenario/scene.h"

#include <openssl/ssl.h>

#include "resolver/frame.h"
#include "resolver/handshakes.h"
#include "resolver/tls.h"

#define TLS_PORT 2643
#define CHUNK 16384

struct scene_tls {
    struct scene_tcp *tcp;
    SSL *ssl;
    BIO *to_client;
    BIO *from_client;
    uint8_t *plain; /* what came, decrypted */
    size_t len;
    size_t taken;
};

static SSL_CTX *client_context(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    assert_non_null(context);
    return context;
}

static int tls_scene_open(void **state)
{
    struct fault fault = {STATUS_OK, ""};
    int outcome = scene_open(state);
    struct scene *scene = *state;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct tls_options options = {.site_key = key, .site_name = "300:0.NA/88.1000"};
    struct net_address any;
    struct net_address local;
    assert_int_equal(tls_context_new(&options, &scene->generation.tls, &fault), STATUS_OK);
    EVP_PKEY_free(key);
    assert_int_equal(net_address_parse("0.0.0.0", TLS_PORT, &any), STATUS_OK);
    assert_int_equal(worker_open_tls(&scene->worker, &any, &local, NULL), STATUS_OK);
    scene->address.port = TLS_PORT;
    scene_trust(scene);
    return outcome;
}

static int tls_scene_close(void **state)
{
    struct scene *scene = *state;
    tls_context_free(scene->generation.tls);
    return scene_close(state);
}

static struct scene_tls *open_client(struct scene *scene)
{
    struct scene_tls *client = calloc(1, sizeof(*client));
    SSL_CTX *context = client_context();
    assert_non_null(client);
    client->tcp = scene_tcp_open(scene);
    client->ssl = SSL_new(context);
    SSL_CTX_free(context);
    client->to_client = BIO_new(BIO_s_mem());
    client->from_client = BIO_new(BIO_s_mem());
    SSL_set_bio(client->ssl, client->to_client, client->from_client);
    SSL_set_connect_state(client->ssl);
    return client;
}

static void close_client(struct scene_tls *client)
{
    SSL_free(client->ssl);
    scene_tcp_close(client->tcp);
    free(client->plain);
    free(client);
}

/* What the client has to say goes into its socket, as far as that takes it. */
static bool say(struct scene_tls *client)
{
    char *data = NULL;
    long len = BIO_get_mem_data(client->from_client, &data);
    size_t took = len > 0 ? scene_tcp_send(client->tcp, bytes_of(data, (size_t)len)) : 0;
    uint8_t room[CHUNK];
    for (size_t left = took; left > 0;) {
        int got = BIO_read(client->from_client, room, left < CHUNK ? (int)left : CHUNK);
        assert_true(got > 0);
        left -= (size_t)got;
    }
    return took > 0;
}

/* What came is decrypted. */
static void listen_to(struct scene_tls *client)
{
    struct scene_tcp *tcp = client->tcp;
    uint8_t room[CHUNK];
    if (tcp->len > tcp->taken) {
        int len = (int)(tcp->len - tcp->taken);
        assert_int_equal(BIO_write(client->to_client, tcp->data + tcp->taken, len), len);
        tcp->taken = tcp->len;
    }
    if (SSL_is_init_finished(client->ssl) != 1) {
        (void)SSL_do_handshake(client->ssl);
    }
    for (int got = SSL_read(client->ssl, room, CHUNK); got > 0;
         got = SSL_read(client->ssl, room, CHUNK)) {
        client->plain = realloc(client->plain, client->len + (size_t)got);
        assert_non_null(client->plain);
        memcpy(client->plain + client->len, room, (size_t)got);
        client->len += (size_t)got;
    }
}

/* Until nobody has anything more to say. */
static void talk(struct scene *scene, struct scene_tls *client)
{
    for (int i = 0; i < 10000; i++) {
        size_t before = client->tcp->len;
        listen_to(client);
        bool moved = say(client);
        fake_world_advance(scene->world, 0);
        if (!moved && client->tcp->len == before) {
            listen_to(client);
            return;
        }
    }
    fail_msg("they talk for ever");
}

static struct scene_tls *established(struct scene *scene)
{
    struct scene_tls *client = open_client(scene);
    talk(scene, client);
    assert_int_equal(SSL_is_init_finished(client->ssl), 1);
    return client;
}

static void ask(struct scene *scene, struct scene_tls *client, const char *handle, uint32_t id)
{
    struct bytes packet = scene_request(scene, handle, 0, id);
    assert_int_equal(SSL_write(client->ssl, packet.data, (int)packet.len), packet.len);
}

static struct bytes next(struct scene_tls *client)
{
    size_t len = 0;
    struct bytes rest = bytes_from(bytes_of(client->plain, client->len), client->taken);
    if (frame_next(rest, &len) != FRAME_COMPLETE) {
        return BYTES_NONE;
    }
    client->taken += len;
    return bytes_of(rest.data, len);
}

static void expect(struct scene_tls *client, uint32_t first, uint32_t last)
{
    for (uint32_t id = first; id <= last; id++) {
        struct bytes packet = next(client);
        assert_true(packet.len > 0);
        assert_int_equal(scene_code(packet, id), 1);
    }
}

static void requests_are_answered_in_order(void **state)
{
    struct scene *scene = *state;
    struct scene_tls *client = established(scene);
    for (uint32_t id = 1; id <= 300; id++) {
        ask(scene, client, "88.1000/a", id);
    }
    talk(scene, client);
    expect(client, 1, 300);
    assert_int_equal(metrics_sum(scene->store.metrics, METRIC_requests, EXCHANGE_TLS), 300);
    assert_int_equal(metrics_sum(scene->store.metrics, METRIC_requests, EXCHANGE_TCP), 0);
    assert_int_equal(scene_count(scene, METRIC_tls_connections), 1);
    close_client(client);
    fake_world_run(scene->world);
    assert_int_equal(scene_count(scene, METRIC_tls_connections), 0);
    assert_int_equal(scene_count(scene, METRIC_tcp_connections), 0);
}

static void request_with_the_end_of_the_handshake_is_answered(void **state)
{
    struct scene *scene = *state;
    struct scene_tls *client = open_client(scene);
    (void)SSL_do_handshake(client->ssl);
    assert_true(say(client));
    fake_world_advance(scene->world, 0);
    listen_to(client);
    assert_int_equal(SSL_is_init_finished(client->ssl), 1);
    ask(scene, client, "88.1000/a", 7);
    talk(scene, client);
    expect(client, 7, 7);
    close_client(client);
}

static void requests_torn_over_records_are_answered(void **state)
{
    struct scene *scene = *state;
    struct scene_tls *client = established(scene);
    struct bytes packet = scene_request(scene, "88.1000/a", 200, 1);
    for (size_t at = 0; at < packet.len; at += 10) {
        size_t len = packet.len - at < 10 ? packet.len - at : 10;
        assert_int_equal(SSL_write(client->ssl, packet.data + at, (int)len), len);
    }
    talk(scene, client);
    expect(client, 1, 1);
    close_client(client);
}

static void writes_cut_into_small_parts_carry_every_answer(void **state)
{
    struct scene *scene = *state;
    struct scene_tls *client = established(scene);
    fake_world_streams(scene->world, 700, 2000);
    for (uint32_t id = 1; id <= 40; id++) {
        ask(scene, client, "88.1000/large", id);
    }
    talk(scene, client);
    expect(client, 1, 40);
    assert_int_equal(scene_count(scene, METRIC_tcp_output_bytes), 0);
    close_client(client);
}

static void peer_that_does_not_read_is_held_and_goes_on(void **state)
{
    struct scene *scene = *state;
    struct scene_tls *client = established(scene);
    fake_world_streams(scene->world, 0, 4096);
    net_stream_want(client->tcp->net, false, false);
    for (uint32_t id = 1; id <= 900; id++) {
        ask(scene, client, "88.1000/large", id);
    }
    for (int i = 0; i < 50; i++) {
        (void)say(client);
        fake_world_advance(scene->world, 0);
    }
    int64_t asked = metrics_sum(scene->store.metrics, METRIC_requests, EXCHANGE_TLS);
    assert_in_range(asked, 10, 200);
    fake_world_streams(scene->world, 0, 0);
    net_stream_want(client->tcp->net, true, false);
    talk(scene, client);
    expect(client, 1, 900);
    close_client(client);
}

static void handshakes_are_made_a_few_at_a_turn(void **state)
{
    enum { CLIENTS = 9 };
    struct scene *scene = *state;
    struct scene_tls *clients[CLIENTS];
    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i] = open_client(scene);
        (void)SSL_do_handshake(clients[i]->ssl);
        assert_true(say(clients[i]));
    }
    fake_world_run(scene->world);
    size_t answered = 0;
    for (size_t i = 0; i < CLIENTS; i++) {
        answered += clients[i]->tcp->len > 0;
    }
    assert_int_equal(answered, HANDSHAKES_PER_TURN);
    close_client(clients[5]); /* in the midst of those that wait */
    for (size_t i = 0; i < CLIENTS; i++) {
        if (i != 5) {
            talk(scene, clients[i]);
            ask(scene, clients[i], "88.1000/a", 1);
            talk(scene, clients[i]);
            expect(clients[i], 1, 1);
            close_client(clients[i]);
        }
    }
}

static void handshake_that_takes_too_long_is_closed(void **state)
{
    struct scene *scene = *state;
    struct scene_tls *silent = open_client(scene);
    struct scene_tls *half = open_client(scene);
    (void)SSL_do_handshake(half->ssl);
    assert_true(say(half));
    fake_world_advance(scene->world, 4900);
    assert_false(silent->tcp->is_closed || half->tcp->is_closed);
    fake_world_advance(scene->world, 200);
    assert_true(silent->tcp->is_closed && half->tcp->is_closed);
    assert_int_equal(scene_count(scene, METRIC_tls_late), 2);
    assert_int_equal(scene_count(scene, METRIC_tls_connections), 0);
    close_client(silent);
    close_client(half);
}

static void first_request_has_its_time_after_the_handshake(void **state)
{
    struct scene *scene = *state;
    fake_world_advance(scene->world, 1);
    struct scene_tls *client = established(scene);
    fake_world_advance(scene->world, 29000);
    assert_false(client->tcp->is_closed);
    fake_world_advance(scene->world, 2000);
    assert_true(client->tcp->is_closed);
    assert_int_equal(scene_count(scene, METRIC_tls_late), 0);
    listen_to(client);
    assert_int_equal(SSL_get_shutdown(client->ssl) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
    close_client(client);
}

static void source_that_begins_too_many_is_refused(void **state)
{
    struct scene *scene = *state;
    scene->generation.trusted_count = 0;
    scene->settings->limits_handshakes = 2;
    struct scene_tls *clients[3];
    for (size_t i = 0; i < 3; i++) {
        clients[i] = open_client(scene);
        talk(scene, clients[i]);
        assert_int_equal(SSL_is_init_finished(clients[i]->ssl) == 1, i < 2);
    }
    assert_int_equal(scene_count(scene, METRIC_tls_over_source), 1);
    for (size_t i = 0; i < 3; i++) {
        close_client(clients[i]);
    }
}

static void strangers_bytes_close_the_connection(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct bytes packet = scene_request(scene, "88.1000/a", 0, 1);
    assert_int_equal(scene_tcp_send(tcp, packet), packet.len);
    fake_world_advance(scene->world, 0);
    assert_true(tcp->is_closed);
    assert_int_equal(scene_count(scene, METRIC_tls_handshake_failures), 1);
    scene_tcp_close(tcp);
}

static void draining_answers_what_came_and_says_farewell(void **state)
{
    struct scene *scene = *state;
    struct scene_tls *client = established(scene);
    struct scene_tls *shaking = open_client(scene);
    (void)SSL_do_handshake(shaking->ssl);
    assert_true(say(shaking));
    ask(scene, client, "88.1000/a", 1);
    assert_true(say(client));
    worker_drain(&scene->worker, 5000);
    fake_world_advance(scene->world, 6000);
    listen_to(client);
    expect(client, 1, 1);
    assert_int_equal(SSL_get_shutdown(client->ssl) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
    assert_true(client->tcp->is_closed && shaking->tcp->is_closed);
    assert_true(fake_net_is_stopped(scene->worker_net));
    close_client(client);
    close_client(shaking);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, tls_scene_open, tls_scene_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(requests_are_answered_in_order),
        CASE(request_with_the_end_of_the_handshake_is_answered),
        CASE(requests_torn_over_records_are_answered),
        CASE(writes_cut_into_small_parts_carry_every_answer),
        CASE(peer_that_does_not_read_is_held_and_goes_on),
        CASE(handshakes_are_made_a_few_at_a_turn),
        CASE(handshake_that_takes_too_long_is_closed),
        CASE(first_request_has_its_time_after_the_handshake),
        CASE(source_that_begins_too_many_is_refused),
        CASE(strangers_bytes_close_the_connection),
        CASE(draining_answers_what_came_and_says_farewell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
