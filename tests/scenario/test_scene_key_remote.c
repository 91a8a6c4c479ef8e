/* SPDX-License-Identifier: Apache-2.0
 *
 * Logins of identities whose keys live on another node: asked for at a scripted server.
 */
#include "tests/scenario/scene_auth.h"

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_remote, close_remote)
#define USER "88.2000/user"
#define SERVER_PORT 2644

struct server {
    struct scene *scene;
    struct net_listener *listener;
    struct net_stream *stream;
    unsigned questions;
    bool is_mute;
    bool lies_about_question; /* answers another question's digest */
    const char *key_file;     /* whose public part it gives, or signs with */
    EVP_PKEY *signer;         /* NULL: it does not sign */
};

static struct server server;

static struct bytes key_values(uint8_t *room, size_t size)
{
    uint8_t record[512];
    EVP_PKEY *key = scene_key(server.key_file);
    struct wire_writer r = wire_write(record, sizeof(record));
    assert_int_equal(pubkey_from_evp(key, &r), STATUS_OK);
    EVP_PKEY_free(key);
    struct value value = fixture_value(300, "HS_PUBKEY", "", 0x0e);
    value.data = wire_wrote(&r);
    struct body_values body = {.handle = BYTES_LITERAL(USER), .values = &value, .count = 1};
    struct wire_writer w = wire_write(room, size);
    body_values_encode(&w, &body);
    return wire_wrote(&w);
}

static void answer(const struct message *asked)
{
    uint8_t room[4096];
    uint8_t body[2048];
    uint8_t signature[1024];
    struct digest digest;
    struct credential credential;
    assert_int_equal(digest_compute(DIGEST_SHA256, asked->digested, &digest), STATUS_OK);
    digest.data[0] ^= server.lies_about_question;
    struct header header = asked->header;
    header.response_code = 1;
    struct wire_writer w = wire_write(room, sizeof(room));
    struct message_marks marks = message_open(&w, &asked->envelope, &header);
    digest_encode(&w, &digest);
    if (asked->header.opcode == OPCODE_VERIFY_RESPONSE) {
        body_verified_encode(&w, true);
    } else {
        wire_put_raw(&w, key_values(body, sizeof(body)));
    }
    struct wire_writer s = wire_write(signature, sizeof(signature));
    uint8_t *credential_at = w.at;
    message_close(&w, marks, NULL);
    if (server.signer != NULL) {
        w.at = credential_at;
        struct bytes digested = bytes_from(bytes_of(room, (size_t)(w.at - room)), 20);
        assert_int_equal(
            signature_message_make(server.signer, &asked->envelope, 0, digested, &s, &credential),
            STATUS_OK);
        message_close(&w, marks, &credential);
    }
    size_t len = 0;
    assert_int_equal(net_stream_write(server.stream, wire_wrote(&w), &len), STATUS_OK);
}

static void server_on_readable(void *context)
{
    uint8_t room[8192];
    size_t len = 0;
    struct message asked;
    (void)context;
    if (net_stream_read(server.stream, room, sizeof(room), &len) != STATUS_OK) {
        net_stream_close(server.stream);
        server.stream = NULL;
        return;
    }
    assert_int_equal(message_decode(bytes_of(room, len), &asked), STATUS_OK);
    server.questions++;
    if (!server.is_mute) {
        answer(&asked);
    }
}

static void server_on_failed(void *context, enum status status)
{
    (void)context;
    (void)status;
}

static void server_on_accepted(void *context, struct net_stream *stream)
{
    static const struct net_stream_events events = {
        .readable = server_on_readable,
        .failed = server_on_failed,
    };
    (void)context;
    if (server.stream != NULL) {
        net_stream_close(server.stream);
    }
    server.stream = stream;
    net_stream_set_events(stream, &events, NULL);
    net_stream_want(stream, true, false);
}

static int open_remote(void **state)
{
    assert_int_equal(scene_open(state), 0);
    struct scene *scene = *state;
    struct net_address any;
    server = (struct server){.scene = scene, .key_file = "userpriv.pem"};
    assert_int_equal(net_address_parse("0.0.0.0", SERVER_PORT, &any), STATUS_OK);
    assert_int_equal(
        net_listen(scene->client_net, &any, server_on_accepted, NULL, &server.listener, NULL),
        STATUS_OK);
    scene->generation.has_key_server = true;
    assert_int_equal(net_address_parse("127.0.0.1", SERVER_PORT, &scene->generation.key_server),
                     STATUS_OK);
    return 0;
}

static int close_remote(void **state)
{
    struct scene *scene = *state;
    if (server.stream != NULL) {
        net_stream_close(server.stream);
    }
    net_listener_close(server.listener);
    EVP_PKEY_free(server.signer);
    EVP_PKEY_free(scene->generation.key_server_key);
    scene->generation.key_server_key = NULL;
    return scene_close(state);
}

/* Asks to log in as the user and answers; the final code, 0: none yet. */
static uint32_t log_in(struct scene *scene, struct scene_tcp *tcp, const struct scene_answer *with)
{
    uint8_t room[256];
    struct wire_writer w = wire_write(room, sizeof(room));
    struct reference identity = {.handle = BYTES_LITERAL(USER), .index = with->index};
    body_login_encode(&w, &identity);
    struct scene_ask ask = {.opcode = OPCODE_LOGIN, .request_id = 1, .body = wire_wrote(&w)};
    struct message challenged = scene_exchange(scene, tcp, scene_packet(&ask));
    struct bytes packet = scene_answer(&challenged, with);
    struct message answer;
    assert_int_equal(scene_tcp_send(tcp, packet), packet.len);
    fake_world_run(scene->world);
    struct bytes came = scene_tcp_next(tcp);
    if (came.len == 0) {
        return 0;
    }
    assert_int_equal(message_decode(came, &answer), STATUS_OK);
    return answer.header.response_code;
}

static struct scene_answer user(void)
{
    return (struct scene_answer){
        .key_file = "userpriv.pem", .handle = USER, .index = 300, .request_id = 2};
}

static void key_of_another_node_is_asked_for_once(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct scene_answer with = user();
    assert_int_equal(log_in(scene, tcp, &with), 1);
    assert_int_equal(log_in(scene, tcp, &with), 1);
    assert_int_equal(server.questions, 1);
    fake_world_advance(scene->world, scene->settings->auth_key_cache);
    assert_int_equal(log_in(scene, tcp, &with), 1);
    assert_int_equal(server.questions, 2);
    assert_int_equal(scene_count(scene, METRIC_parked), 0);
    scene_tcp_close(tcp);
}

static void answer_with_another_key_than_the_remote_one_fails(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct scene_answer with = user();
    with.key_file = "adminpriv.pem";
    assert_int_equal(log_in(scene, tcp, &with), 403);
    scene_tcp_close(tcp);
}

static void without_a_key_server_nobody_elses_key_is_had(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct scene_answer with = user();
    scene->generation.has_key_server = false;
    assert_int_equal(log_in(scene, tcp, &with), 406);
    scene_tcp_close(tcp);
}

static void silent_key_server_costs_its_time_and_no_more(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct scene_answer with = user();
    server.is_mute = true;
    assert_int_equal(log_in(scene, tcp, &with), 0);
    assert_int_equal(scene_count(scene, METRIC_parked), 1);
    fake_world_advance(scene->world, scene->settings->auth_key_time);
    assert_int_equal(scene_code(scene_tcp_next(tcp), 2), 406);
    assert_int_equal(scene_count(scene, METRIC_parked), 0);
    scene_tcp_close(tcp);
}

static void answer_to_another_question_is_not_believed(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct scene_answer with = user();
    server.lies_about_question = true;
    assert_int_equal(log_in(scene, tcp, &with), 406);
    scene_tcp_close(tcp);
}

static void known_key_server_must_sign(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct scene_answer with = user();
    scene->generation.key_server_key = scene_key("adminpriv.pem");
    assert_int_equal(log_in(scene, tcp, &with), 406);
    server.signer = scene_key("userpriv.pem");
    assert_int_equal(log_in(scene, tcp, &with), 406);
    EVP_PKEY_free(server.signer);
    server.signer = scene_key("adminpriv.pem");
    assert_int_equal(log_in(scene, tcp, &with), 1);
    scene_tcp_close(tcp);
}

static void secret_key_is_judged_where_it_lives_if_that_is_signed(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct scene_answer with = {.secret = "elsewhere", .handle = USER, .index = 302};
    assert_int_equal(log_in(scene, tcp, &with), 406);
    assert_int_equal(server.questions, 0);
    scene->generation.key_server_key = scene_key("adminpriv.pem");
    server.signer = scene_key("adminpriv.pem");
    assert_int_equal(log_in(scene, tcp, &with), 1);
    assert_int_equal(server.questions, 1);
    scene_tcp_close(tcp);
}

/* Two records: any key of the user's administers one, his key 302 the other. */
static void put_things(struct scene *scene)
{
    static const struct {
        const char *name;
        uint32_t index;
    } things[] = {{"88.1000/any", 0}, {"88.1000/one", 302}};
    for (size_t i = 0; i < 2; i++) {
        uint8_t room[64];
        const struct admin admin = {
            .permissions = 0x0fff,
            .identity = {.handle = BYTES_LITERAL(USER), .index = things[i].index}};
        struct wire_writer w = wire_write(room, sizeof(room));
        admin_encode(&w, &admin);
        struct value value = fixture_value(100, "HS_ADMIN", "", 0x0e);
        value.data = wire_wrote(&w);
        fixture_put(&scene->store, bytes_of_text(things[i].name), &value, 1);
    }
    snapshot_rest(scene->store.snapshot);
}

static uint32_t add_to(struct scene *scene, struct scene_tcp *tcp, struct bytes name)
{
    uint8_t room[256];
    struct value value = fixture_value(1, "URL", "http://a/", 0x0e);
    struct body_values body = {.handle = name, .values = &value, .count = 1};
    struct wire_writer w = wire_write(room, sizeof(room));
    body_values_encode(&w, &body);
    struct scene_ask ask = {.opcode = OPCODE_ADD_VALUE, .request_id = 9, .body = wire_wrote(&w)};
    return scene_exchange(scene, tcp, scene_packet(&ask)).header.response_code;
}

/* Which of them it was, its node does not tell. */
static void secret_key_without_index_has_what_any_key_of_it_has(void **state)
{
    struct scene *scene = *state;
    struct scene_answer with = {.secret = "elsewhere", .handle = USER, .index = 0};
    put_things(scene);
    struct scene_tcp *tcp = scene_tcp_open(scene);
    scene->generation.key_server_key = scene_key("adminpriv.pem");
    server.signer = scene_key("adminpriv.pem");
    assert_int_equal(log_in(scene, tcp, &with), 1);
    assert_int_equal(server.questions, 1);
    assert_int_equal(add_to(scene, tcp, BYTES_LITERAL("88.1000/one")), 400);
    assert_int_equal(add_to(scene, tcp, BYTES_LITERAL("88.1000/any")), 1);
    scene_tcp_close(tcp);
}

static void key_server_is_asked_so_often_a_minute_for_one_address(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct scene_answer with = user();
    with.index = 301; /* there is none: nothing is kept */
    int64_t limit = scene->settings->limits_elsewhere;
    for (int64_t i = 0; i < limit; i++) {
        assert_int_equal(log_in(scene, tcp, &with), 406);
    }
    assert_int_equal(log_in(scene, tcp, &with), 3);
    assert_int_equal(server.questions, limit);
    assert_int_equal(scene_count(scene, METRIC_elsewhere_refused), 1);
    fake_world_advance(scene->world, 60000);
    assert_int_equal(log_in(scene, tcp, &with), 406);
    scene_tcp_close(tcp);
}

static void worker_that_ends_asks_no_longer(void **state)
{
    struct scene *scene = *state;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct scene_answer with = user();
    server.is_mute = true;
    assert_int_equal(log_in(scene, tcp, &with), 0);
    assert_int_equal(scene_count(scene, METRIC_parked), 1);
    scene_tcp_close(tcp); /* the rest is scene_close's, and the leak checker's */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(key_of_another_node_is_asked_for_once),
        CASE(answer_with_another_key_than_the_remote_one_fails),
        CASE(without_a_key_server_nobody_elses_key_is_had),
        CASE(silent_key_server_costs_its_time_and_no_more),
        CASE(answer_to_another_question_is_not_believed),
        CASE(known_key_server_must_sign),
        CASE(secret_key_is_judged_where_it_lives_if_that_is_signed),
        CASE(secret_key_without_index_has_what_any_key_of_it_has),
        CASE(key_server_is_asked_so_often_a_minute_for_one_address),
        CASE(worker_that_ends_asks_no_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
