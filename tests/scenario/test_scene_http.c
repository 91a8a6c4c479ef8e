/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP on the fake network: kept and pipelined connections, bodies in pieces, requests that wait,
 * limits of time and size, draining (RFC 9112; protocol.md §3.5).
 */
#include "tests/scenario/scene_auth.h"

#include "resolver/http_route.h"

#define HTTP_PORT 8000
#define LARGE (700u << 10)
#define CHAIN 300u

/* --- handlers --------------------------------------------------------------------------------- */

static enum status say(struct http_call *call, const char *text)
{
    http_reply_begin(call, 200);
    http_reply_body(call, "text/plain", bytes_of_text(text));
    return STATUS_OK;
}

static enum status on_small(struct http_call *call)
{
    return say(call, "small");
}

static enum status on_echo(struct http_call *call)
{
    http_reply_begin(call, 200);
    http_reply_body(call, "text/plain", call->request.body);
    return STATUS_OK;
}

static enum status on_large(struct http_call *call)
{
    struct http_body body = {0};
    while (body.len < LARGE) {
        http_body_text(&body, "0123456789abcdef");
    }
    http_reply_begin(call, 200);
    http_reply_body(call, NULL, bytes_of(body.data, body.len));
    http_body_free(&body);
    return STATUS_OK;
}

static enum status on_nothing(struct http_call *call)
{
    (void)call;
    return STATUS_OK;
}

static enum status on_who(struct http_call *call)
{
    struct reference who;
    return say(call, http_call_identity(call, &who) ? "somebody" : "nobody");
}

static enum status tell_code(struct http_call *call, const struct http_answer *answer)
{
    struct message message;
    char text[32] = "none";
    if (answer->status == STATUS_OK) {
        assert_int_equal(message_decode(answer->packet, &message), STATUS_OK);
        (void)snprintf(text, sizeof(text), "code %u", message.header.response_code);
    }
    return say(call, text);
}

static size_t states; /* of calls, that were not freed */

static void free_state(void *state)
{
    states--;
    free(state);
}

static enum status on_create(struct http_call *call)
{
    const struct reference admin = {.handle = BYTES_LITERAL(SCENE_ADMIN), .index = 300};
    uint8_t room[512];
    struct value value = fixture_value(1, "URL", "http://a.example/", 0x0e);
    struct body_values body = {
        .handle = bytes_from(call->request.path, 8), .values = &value, .count = 1};
    struct wire_writer w = wire_write(room, sizeof(room));
    body_values_encode(&w, &body);
    const struct scene_ask ask = {.opcode = OPCODE_CREATE_HANDLE, .body = wire_wrote(&w)};
    call->state = malloc(1);
    call->state_free = free_state;
    states++;
    assert_int_equal(http_call_is_from(call, admin), STATUS_OK);
    return http_ask(call,
                    &(struct http_question){.packet = scene_packet(&ask), .answered = tell_code});
}

static enum status ask_small(struct http_call *call, uint32_t tag, http_answered *answered)
{
    uint8_t room[128];
    struct wire_writer w = wire_write(room, sizeof(room));
    wire_put_bytes(&w, BYTES_LITERAL("88.1000/a"));
    wire_put_u32(&w, 0);
    wire_put_u32(&w, 0);
    const struct scene_ask ask = {
        .opcode = OPCODE_RESOLUTION, .flags = MESSAGE_PUBLIC_ONLY, .body = wire_wrote(&w)};
    return http_ask(call, &(struct http_question){
                              .packet = scene_packet(&ask), .tag = tag, .answered = answered});
}

static enum status chain_on_answer(struct http_call *call, const struct http_answer *answer)
{
    assert_int_equal(answer->status, STATUS_OK);
    assert_true(answer->is_last);
    if (answer->tag < CHAIN) {
        enum status status = ask_small(call, answer->tag + 1, chain_on_answer);
        assert_int_equal(status, STATUS_PENDING);
        struct message message; /* what was answered stays what it was */
        assert_int_equal(message_decode(answer->packet, &message), STATUS_OK);
        return status;
    }
    return say(call, "end of the chain");
}

static enum status on_chain(struct http_call *call)
{
    return ask_small(call, 1, chain_on_answer);
}

static enum status many_on_answer(struct http_call *call, const struct http_answer *answer)
{
    size_t *sum = call->state;
    *sum += answer->tag;
    return *sum == 10 ? say(call, "all four") : STATUS_PENDING;
}

static enum status on_many(struct http_call *call)
{
    enum status status = STATUS_PENDING;
    call->state = calloc(1, sizeof(size_t));
    call->state_free = free;
    for (uint32_t tag = 1; tag <= 4; tag++) {
        status = ask_small(call, tag, many_on_answer);
    }
    return status;
}

static struct scene *open_http(void **state)
{
    static const struct http_route rows[] = {
        {HTTP_VERB_GET, "/small", false, on_small},
        {HTTP_VERB_POST, "/echo", false, on_echo},
        {HTTP_VERB_GET, "/large", false, on_large},
        {HTTP_VERB_GET, "/nothing", false, on_nothing},
        {HTTP_VERB_GET, "/who", false, on_who},
        {HTTP_VERB_PUT, "/create/", true, on_create},
        {HTTP_VERB_GET, "/chain", false, on_chain},
        {HTTP_VERB_GET, "/many", false, on_many},
        {HTTP_VERB_POST, "/tunnel/", true, http_tunnel_run},
    };
    static const struct http_routes routes = {.rows = rows,
                                              .count = sizeof(rows) / sizeof(rows[0])};
    struct scene *scene = *state;
    struct net_address any;
    struct net_address local;
    states = 0;
    scene->worker.options.routes = &routes;
    assert_int_equal(net_address_parse("0.0.0.0", HTTP_PORT, &any), STATUS_OK);
    assert_int_equal(worker_open_http(&scene->worker, &any, false, &local, NULL), STATUS_OK);
    scene->address.port = HTTP_PORT;
    return scene;
}

/* --- the client's side -------------------------------------------------------------------------
 */

static void send_text(struct scene *scene, struct scene_tcp *tcp, const char *text)
{
    assert_int_equal(scene_tcp_send(tcp, bytes_of_text(text)), strlen(text));
    fake_world_run(scene->world);
}

/* The next reply, whole; its body and status. Fails when there is none. */
static unsigned next_reply(struct scene_tcp *tcp, bool has_body, struct bytes *out_head,
                           struct bytes *out_body)
{
    struct bytes rest = bytes_from(bytes_of(tcp->data, tcp->len), tcp->taken);
    const uint8_t *end = rest.len == 0 ? NULL : memmem(rest.data, rest.len, "\r\n\r\n", 4);
    assert_non_null(end);
    *out_head = bytes_of(rest.data, (size_t)(end - rest.data) + 4);
    const char *length = memmem(out_head->data, out_head->len, "Content-Length: ", 16);
    size_t len = length == NULL || !has_body ? 0 : strtoul(length + 16, NULL, 10);
    *out_body = bytes_of(out_head->data + out_head->len, len);
    assert_true(rest.len >= out_head->len + len);
    tcp->taken += out_head->len + len;
    return (unsigned)strtoul((const char *)rest.data + 9, NULL, 10);
}

static void expect(struct scene_tcp *tcp, unsigned status, const char *text)
{
    struct bytes head;
    struct bytes body;
    unsigned got = next_reply(tcp, true, &head, &body);
    assert_int_equal(got, status);
    if (text != NULL) {
        assert_int_equal(body.len, strlen(text));
        assert_memory_equal(body.data, text, body.len);
    }
}

static bool says(struct bytes head, const char *text)
{
    return memmem(head.data, head.len, text, strlen(text)) != NULL;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: n\r\n\r\n"

/* --- requests and replies ----------------------------------------------------------------------
 */

static void kept_connection_answers_one_request_after_the_other(void **state)
{
    struct scene *scene = open_http(state);
    struct scene_tcp *tcp = scene_tcp_open(scene);
    for (int i = 0; i < 20; i++) {
        send_text(scene, tcp, GET("/small"));
        expect(tcp, 200, "small");
        fake_world_advance(scene->world, scene->settings->limits_http_idle - 1000);
    }
    assert_false(tcp->is_closed);
    fake_world_advance(scene->world, 2000);
    assert_true(tcp->is_closed);
    assert_int_equal(scene_count(scene, METRIC_http_requests), 20);
    scene_tcp_close(tcp);
}

static void request_that_comes_byte_by_byte_is_answered(void **state)
{
    static const char text[] =
        "POST /echo HTTP/1.1\r\nHost: n\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\none\r\n4\r\n,two\r\n0\r\n\r\n" GET("/small");
    struct scene *scene = open_http(state);
    for (size_t cut = 1; cut < sizeof(text) - 1; cut++) {
        struct scene_tcp *tcp = scene_tcp_open(scene);
        size_t sent = scene_tcp_send(tcp, bytes_of(text, cut));
        fake_world_run(scene->world);
        send_text(scene, tcp, text + sent);
        expect(tcp, 200, "one,two");
        expect(tcp, 200, "small");
        assert_int_equal(tcp->taken, tcp->len);
        scene_tcp_close(tcp);
        fake_world_run(scene->world);
    }
    struct scene_tcp *tcp = scene_tcp_open(scene);
    for (const char *at = text; *at != '\0'; at++) {
        assert_int_equal(scene_tcp_send(tcp, bytes_of(at, 1)), 1);
        fake_world_run(scene->world);
    }
    expect(tcp, 200, "one,two");
    expect(tcp, 200, "small");
    scene_tcp_close(tcp);
}

static void routes_say_what_they_do_not_have(void **state)
{
    struct scene *scene = open_http(state);
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct bytes head;
    struct bytes body;
    send_text(scene, tcp, GET("/none") "DELETE /small HTTP/1.1\r\nHost: n\r\n\r\n");
    assert_int_equal(next_reply(tcp, true, &head, &body), 404);
    assert_true(says(head, "application/problem+json"));
    assert_int_equal(next_reply(tcp, true, &head, &body), 405);
    assert_true(says(head, "Allow: GET, HEAD, OPTIONS\r\n"));
    send_text(scene, tcp,
              "OPTIONS /echo HTTP/1.1\r\nHost: n\r\n\r\n"
              "OPTIONS * HTTP/1.1\r\nHost: n\r\n\r\n"
              "HEAD /small HTTP/1.1\r\nHost: n\r\n\r\n" GET("/nothing") GET("/small"));
    assert_int_equal(next_reply(tcp, true, &head, &body), 204);
    assert_true(says(head, "Allow: POST, OPTIONS\r\n"));
    assert_false(says(head, "Content-Length"));
    assert_int_equal(next_reply(tcp, true, &head, &body), 204);
    assert_int_equal(next_reply(tcp, false, &head, &body), 200);
    assert_true(says(head, "Content-Length: 5\r\n"));
    assert_int_equal(next_reply(tcp, true, &head, &body), 500);
    expect(tcp, 200, "small");
    assert_int_equal(tcp->taken, tcp->len);
    scene_tcp_close(tcp);
}

static void old_clients_keep_the_connection_when_they_say_so(void **state)
{
    struct scene *scene = open_http(state);
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct bytes head;
    struct bytes body;
    send_text(scene, tcp, "GET /small HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
    assert_int_equal(next_reply(tcp, true, &head, &body), 200);
    assert_true(says(head, "Connection: keep-alive\r\n"));
    send_text(scene, tcp, "GET /small HTTP/1.0\r\n\r\n" GET("/small"));
    assert_int_equal(next_reply(tcp, true, &head, &body), 200);
    assert_true(says(head, "Connection: close\r\n"));
    assert_true(tcp->is_closed);
    assert_int_equal(tcp->taken, tcp->len);
    scene_tcp_close(tcp);
}

static void large_answer_reaches_a_slow_reader(void **state)
{
    struct scene *scene = open_http(state);
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct bytes head;
    struct bytes body;
    fake_world_streams(scene->world, 10000, 30000);
    send_text(scene, tcp, GET("/small") GET("/large") GET("/small"));
    fake_world_run(scene->world);
    expect(tcp, 200, "small");
    assert_int_equal(next_reply(tcp, true, &head, &body), 200);
    assert_int_equal(body.len, LARGE);
    for (size_t i = 0; i < body.len; i += 16) {
        assert_memory_equal(body.data + i, "0123456789abcdef", 16);
    }
    expect(tcp, 200, "small");
    scene_tcp_close(tcp);
}

/* --- questions ---------------------------------------------------------------------------------
 */

static void pipelined_requests_wait_for_the_first(void **state)
{
    struct scene *scene = open_http(state);
    struct scene_tcp *tcp = scene_tcp_open(scene);
    scene->holds_writes = true;
    send_text(scene, tcp,
              "PUT /create/88.1000/new HTTP/1.1\r\nHost: n\r\n\r\n" GET("/small") GET("/who"));
    assert_int_equal(tcp->len, 0);
    assert_int_equal(scene_count(scene, METRIC_parked), 1);
    fake_world_advance(scene->world, 2 * scene->settings->limits_http_idle);
    assert_int_equal(tcp->len, 0);
    scene_let_go(scene);
    fake_world_run(scene->world);
    expect(tcp, 200, "code 1");
    expect(tcp, 200, "small");
    expect(tcp, 200, "nobody"); /* the identity ended with its call */
    assert_int_equal(states, 0);
    scene_tcp_close(tcp);
}

static void connection_that_goes_while_its_call_waits_frees_it(void **state)
{
    struct scene *scene = open_http(state);
    struct scene_tcp *tcp = scene_tcp_open(scene);
    scene->holds_writes = true;
    send_text(scene, tcp, "PUT /create/88.1000/new HTTP/1.1\r\nHost: n\r\n\r\n");
    assert_int_equal(states, 1);
    stream_close_all(&scene->worker);
    assert_int_equal(states, 0);
    scene_let_go(scene);
    fake_world_run(scene->world);
    assert_int_equal(scene_count(scene, METRIC_parked), 0);
    scene_tcp_close(tcp);
}

static void questions_of_a_call_come_one_after_the_other_or_together(void **state)
{
    struct scene *scene = open_http(state);
    struct scene_tcp *tcp = scene_tcp_open(scene);
    send_text(scene, tcp, GET("/chain") GET("/many") GET("/small"));
    expect(tcp, 200, "end of the chain");
    expect(tcp, 200, "all four");
    expect(tcp, 200, "small");
    assert_int_equal(metrics_sum(scene->store.metrics, METRIC_requests, EXCHANGE_HTTP), CHAIN + 4);
    scene_tcp_close(tcp);
}

static void tunnelled_message_keeps_its_id(void **state)
{
    struct scene *scene = open_http(state);
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct bytes packet = scene_request(scene, "88.1000/a", 0, 77);
    char text[256];
    struct bytes head;
    struct bytes body;
    (void)snprintf(text, sizeof(text),
                   "POST /tunnel/x HTTP/1.1\r\nHost: n\r\nContent-Type: "
                   "application/x-hdl-message\r\nContent-Length: %zu\r\n\r\n",
                   packet.len);
    send_text(scene, tcp, text);
    assert_int_equal(scene_tcp_send(tcp, packet), packet.len);
    fake_world_run(scene->world);
    assert_int_equal(next_reply(tcp, true, &head, &body), 200);
    assert_true(says(head, "Content-Type: application/x-hdl-message\r\n"));
    assert_int_equal(scene_code(body, 77), 1);
    send_text(scene, tcp, "POST /tunnel/x HTTP/1.1\r\nHost: n\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(next_reply(tcp, true, &head, &body), 415);
    scene_tcp_close(tcp);
}

/* --- limits ------------------------------------------------------------------------------------
 */

static void expect_end(struct scene *scene, const char *text, unsigned status)
{
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct bytes head;
    struct bytes body;
    (void)scene_tcp_send(tcp, bytes_of_text(text));
    fake_world_run(scene->world);
    assert_int_equal(next_reply(tcp, true, &head, &body), status);
    assert_true(says(head, "Connection: close\r\n"));
    assert_true(tcp->is_closed);
    assert_int_equal(tcp->taken, tcp->len);
    scene_tcp_close(tcp);
}

static void requests_over_a_limit_are_refused(void **state)
{
    struct scene *scene = open_http(state);
    static char text[1 << 16];
    int len = snprintf(text, sizeof(text), "GET /small HTTP/1.1\r\nHost: n\r\nA: ");
    memset(text + len, 'a', 20000);
    expect_end(scene, text, 431); /* before its end came */
    scene->settings->limits_http_body = 1000;
    expect_end(scene, "POST /echo HTTP/1.1\r\nHost: n\r\nContent-Length: 1001\r\n\r\n", 413);
    expect_end(scene,
               "POST /echo HTTP/1.1\r\nHost: n\r\nTransfer-Encoding: chunked\r\n\r\n"
               "1\r\na\r\n3e8\r\n",
               413);
    expect_end(scene, "GET /small HTTP/1.1\nHost: n\r\n\r\n", 400);
    expect_end(scene, "\x16\x03\x01 hello\r\n\r\n", 400);
    expect_end(scene, "POST /echo HTTP/1.1\r\nHost: n\r\nTransfer-Encoding: chunked\r\n\r\n1;a\r\n",
               400);
    assert_int_equal(scene_count(scene, METRIC_http_refused), 6);
}

static struct scene_tcp *send_too_much(struct scene *scene)
{
    static uint8_t body[1 << 16];
    struct scene_tcp *tcp = scene_tcp_open(scene);
    send_text(scene, tcp, "POST /echo HTTP/1.1\r\nHost: n\r\nContent-Length: 99999999\r\n\r\n");
    expect(tcp, 413, NULL);
    assert_true(tcp->is_closed);
    for (int i = 0; i < 48; i++) { /* 3 MB */
        assert_int_equal(scene_tcp_send(tcp, bytes_of(body, sizeof(body))), sizeof(body));
        fake_world_run(scene->world);
    }
    assert_int_equal(scene_count(scene, METRIC_tcp_connections), 1);
    return tcp;
}

static void client_may_send_on_for_a_while_after_its_refusal(void **state)
{
    struct scene *scene = open_http(state);
    struct scene_tcp *tcp = send_too_much(scene);
    assert_int_equal(stream_input_bytes(&scene->worker), 0);
    fake_stream_finish(tcp->net);
    fake_world_run(scene->world);
    assert_int_equal(scene_count(scene, METRIC_tcp_connections), 0);
    scene_tcp_close(tcp);
    tcp = send_too_much(scene);
    fake_world_advance(scene->world, 4000);
    assert_int_equal(scene_count(scene, METRIC_tcp_connections), 1);
    fake_world_advance(scene->world, 1001);
    assert_int_equal(scene_count(scene, METRIC_tcp_connections), 0);
    scene_tcp_close(tcp);
    tcp = send_too_much(scene);
    worker_drain(&scene->worker, 1000);
    assert_int_equal(scene_count(scene, METRIC_tcp_connections), 0);
    scene_tcp_close(tcp);
}

static void client_that_sends_without_end_is_not_read_for_ever(void **state)
{
    struct scene *scene = open_http(state);
    static uint8_t body[1 << 20];
    struct scene_tcp *tcp = send_too_much(scene);
    for (int i = 0; i < 70 && scene_count(scene, METRIC_tcp_connections) > 0; i++) {
        (void)scene_tcp_send(tcp, bytes_of(body, sizeof(body)));
        fake_world_run(scene->world);
    }
    assert_int_equal(scene_count(scene, METRIC_tcp_connections), 0);
    scene_tcp_close(tcp);
}

static void client_that_leaves_while_its_call_waits_is_let_go_with_the_answer(void **state)
{
    struct scene *scene = open_http(state);
    struct scene_tcp *tcp = scene_tcp_open(scene);
    scene->holds_writes = true;
    send_text(scene, tcp, "PUT /create/88.1000/new HTTP/1.1\r\nHost: n\r\n\r\n");
    scene_tcp_close(tcp);
    fake_world_run(scene->world);
    scene_let_go(scene);
    fake_world_run(scene->world);
    assert_int_equal(states, 0);
    assert_int_equal(scene_count(scene, METRIC_parked), 0);
    assert_int_equal(scene_count(scene, METRIC_tcp_connections), 0);
}

static void slow_heads_and_bodies_are_given_up(void **state)
{
    struct scene *scene = open_http(state);
    struct scene_tcp *tcp = scene_tcp_open(scene);
    const int64_t step = scene->settings->limits_http_head / 4 + 1;
    static const char *const parts[] = {"GET /small ", "HTTP/1.1\r\n", "Host: n\r\n", "A: b\r\n"};
    for (size_t i = 0; i < 4; i++) {
        send_text(scene, tcp, parts[i]);
        assert_false(tcp->is_closed);
        fake_world_advance(scene->world, step);
    }
    expect(tcp, 408, NULL);
    assert_true(tcp->is_closed);
    scene_tcp_close(tcp);
    tcp = scene_tcp_open(scene);
    send_text(scene, tcp, "POST /echo HTTP/1.1\r\nHost: n\r\nContent-Length: 5\r\n\r\nab");
    fake_world_advance(scene->world, scene->settings->limits_message - 100);
    assert_false(tcp->is_closed);
    fake_world_advance(scene->world, 200);
    expect(tcp, 408, NULL);
    assert_true(tcp->is_closed);
    assert_int_equal(scene_count(scene, METRIC_http_late), 2);
    scene_tcp_close(tcp);
}

static void connection_that_says_nothing_is_closed_without_a_word(void **state)
{
    struct scene *scene = open_http(state);
    struct scene_tcp *tcp = scene_tcp_open(scene);
    fake_world_advance(scene->world, scene->settings->limits_first_request + 100);
    assert_true(tcp->is_closed);
    assert_int_equal(tcp->len, 0);
    scene_tcp_close(tcp);
}

static void body_that_is_announced_is_asked_for(void **state)
{
    struct scene *scene = open_http(state);
    struct scene_tcp *tcp = scene_tcp_open(scene);
    send_text(
        scene, tcp,
        "POST /echo HTTP/1.1\r\nHost: n\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    expect(tcp, 100, NULL);
    send_text(scene, tcp, "abc");
    expect(tcp, 200, "abc");
    send_text(
        scene, tcp,
        "POST /echo HTTP/1.1\r\nHost: n\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx");
    expect(tcp, 200, "x"); /* it is there already */
    assert_int_equal(tcp->taken, tcp->len);
    scene_tcp_close(tcp);
}

static void drain_answers_what_has_arrived_and_closes(void **state)
{
    struct scene *scene = open_http(state);
    struct scene_tcp *idle = scene_tcp_open(scene);
    struct scene_tcp *busy = scene_tcp_open(scene);
    struct bytes head;
    struct bytes body;
    send_text(scene, idle, GET("/small"));
    expect(idle, 200, "small");
    scene->holds_writes = true;
    send_text(scene, busy, "PUT /create/88.1000/new HTTP/1.1\r\nHost: n\r\n\r\n");
    worker_drain(&scene->worker, 10000);
    fake_world_run(scene->world);
    assert_true(idle->is_closed);
    assert_false(busy->is_closed);
    scene_let_go(scene);
    fake_world_run(scene->world);
    assert_int_equal(next_reply(busy, true, &head, &body), 200);
    assert_true(says(head, "Connection: close\r\n"));
    assert_true(busy->is_closed);
    assert_true(fake_net_is_stopped(scene->worker_net));
    scene_tcp_close(idle);
    scene_tcp_close(busy);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, scene_auth_open, scene_close)
    const struct CMUnitTest tests[] = {
        CASE(kept_connection_answers_one_request_after_the_other),
        CASE(request_that_comes_byte_by_byte_is_answered),
        CASE(routes_say_what_they_do_not_have),
        CASE(old_clients_keep_the_connection_when_they_say_so),
        CASE(large_answer_reaches_a_slow_reader),
        CASE(pipelined_requests_wait_for_the_first),
        CASE(connection_that_goes_while_its_call_waits_frees_it),
        CASE(questions_of_a_call_come_one_after_the_other_or_together),
        CASE(tunnelled_message_keeps_its_id),
        CASE(requests_over_a_limit_are_refused),
        CASE(slow_heads_and_bodies_are_given_up),
        CASE(connection_that_says_nothing_is_closed_without_a_word),
        CASE(client_may_send_on_for_a_while_after_its_refusal),
        CASE(client_that_sends_without_end_is_not_read_for_ever),
        CASE(client_that_leaves_while_its_call_waits_is_let_go_with_the_answer),
        CASE(body_that_is_announced_is_asked_for),
        CASE(drain_answers_what_has_arrived_and_closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
