/* SPDX-License-Identifier: Apache-2.0
 *
 * Captured authenticated exchanges, replayed byte by byte: the worker draws the nonce the reference
 * server drew, so that the answers real clients signed are right again, and what it says must be
 * what the reference server said. Ids are aside.
 */
#include "tests/scenario/scene_auth.h"

#include "tests/unit/resolver/capture.h"

static struct {
    uint8_t nonce[SESSION_NONCE_LEN];
    bool is_set;
} next_draw;

static void draw(void *out, size_t len)
{
    if (next_draw.is_set && len == SESSION_NONCE_LEN) {
        memcpy(out, next_draw.nonce, len);
        next_draw.is_set = false;
    } else {
        fixture_random(out, len);
    }
}

/* What happens to the record before the flow begins. */
enum before { IS_THERE, IS_NOT_THERE };

static const struct flow {
    const char *name;
    int first; /* number of the request; the answer to its challenge is the next */
    enum before before;
    uint32_t code; /* what is said at the end; 0: as captured */
} flows[] = {
    {"auth-bad-pubkey", 1, IS_THERE, 0},     {"auth-bad-seckey", 1, IS_THERE, 0},
    {"auth-no-such-key", 1, IS_THERE, 0},    {"auth-not-admin", 1, IS_THERE, 0},
    {"create-h2", 1, IS_NOT_THERE, 0},       {"create-large", 1, IS_NOT_THERE, 0},
    {"create-overwrite", 1, IS_THERE, 0},    {"create-pubkey-tcp", 1, IS_NOT_THERE, 0},
    {"create-seckey", 1, IS_NOT_THERE, 0},   {"create-utf8", 1, IS_NOT_THERE, 0},
    {"delete-handle", 1, IS_THERE, 0},       {"modify-dsa", 1, IS_THERE, 0},
    {"modify-pubkey-v2.3", 1, IS_THERE, 0},  {"modify-seckey-v2.0", 1, IS_THERE, 0},
    {"modify-seckey-v2.3", 1, IS_THERE, 0},  {"modify-value", 1, IS_THERE, 0},
    {"idsdk-login-rsa", 1, IS_NOT_THERE, 0}, {"idsdk-login-badkey-index", 2, IS_NOT_THERE, 0},
};

/* --- the store ---------------------------------------------------------------------------------
 */

static struct bytes key_record(struct scene *scene, const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/keys/%s", TEST_VECTORS, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    uint8_t *room = arena_alloc(scene->kept, 4096);
    size_t len = fread(room, 1, 4096, file);
    (void)fclose(file);
    return bytes_of(room, len);
}

/* HS_ADMIN 100 to 102 as the reference server's records have them. */
static void fill_admins(struct scene *scene, struct value admins[3])
{
    static const uint32_t indexes[3] = {300, 302, 301};
    for (uint32_t i = 0; i < 3; i++) {
        uint8_t *room = arena_alloc(scene->kept, 64);
        admins[i] = fixture_value(100 + i, "HS_ADMIN", "", 0x0e);
        admins[i].data = scene_admin_data(room, 64, indexes[i]);
    }
}

static void put_keys(struct scene *scene)
{
    struct value values[7] = {
        [3] = fixture_value(300, "HS_PUBKEY", "", 0x0e),
        [4] = fixture_value(301, "HS_PUBKEY", "", 0x0e),
        [5] = fixture_value(302, "HS_SECKEY", SCENE_SECRET, 0x0c),
        [6] = fixture_value(303, "HS_PUBKEY", "", 0x0e),
    };
    fill_admins(scene, values);
    values[3].data = key_record(scene, "adminpub.bin");
    values[4].data = key_record(scene, "dsapub.bin");
    values[6].data = key_record(scene, "userpub.bin");
    fixture_put(&scene->store, BYTES_LITERAL(SCENE_ADMIN), values, 7);
}

/* The record a request is about, with the values it names but other data. */
static void put_subject(struct scene *scene, const struct message *request)
{
    struct body_values body = {.handle = BYTES_NONE};
    struct value values[64];
    size_t count = 0;
    fill_admins(scene, values);
    if (body_values_decode(request->body, scene->kept, &body) != STATUS_OK) {
        body.count = 0;
        assert_int_equal(body_handle_decode(request->body, false, &body.handle), STATUS_OK);
    }
    count = 3;
    for (size_t i = 0; i < body.count && count < 60; i++) {
        bool is_admin = body.values[i].index >= 100 && body.values[i].index <= 102;
        if (!is_admin) {
            values[count] = fixture_value(body.values[i].index, "DESC", "as it was", 0x0e);
            count++;
        }
    }
    fixture_put(&scene->store, body.handle, values, count);
}

/* --- the flows ---------------------------------------------------------------------------------
 */

static struct message captured(struct scene *scene, const struct flow *flow, int number,
                               const char *suffix, struct bytes *out_packet)
{
    char name[128];
    struct capture capture;
    struct message message;
    (void)snprintf(name, sizeof(name), "%s.%d", flow->name, number);
    assert_true(capture_load(name, suffix, &capture));
    *out_packet = arena_copy(scene->kept, capture_message(&capture, 0));
    capture_free(&capture);
    assert_int_equal(message_decode(*out_packet, &message), STATUS_OK);
    return message;
}

static void draw_as_captured(const struct message *challenged)
{
    struct body_challenge challenge;
    assert_int_equal(
        body_challenge_decode(challenged->body, challenged->envelope.version, &challenge),
        STATUS_OK);
    assert_int_equal(challenge.nonce.len, SESSION_NONCE_LEN);
    memcpy(next_draw.nonce, challenge.nonce.data, SESSION_NONCE_LEN);
    next_draw.is_set = true;
}

static void assert_same(const char *name, const struct message *ours, const struct message *theirs,
                        uint32_t code)
{
    if (ours->header.response_code != (code != 0 ? code : theirs->header.response_code)) {
        fail_msg("%s: %u, the reference server said %u", name, ours->header.response_code,
                 theirs->header.response_code);
    }
    assert_int_equal(ours->header.opcode, theirs->header.opcode);
    assert_int_equal(ours->envelope.request_id, theirs->envelope.request_id);
    assert_int_equal(ours->envelope.version.minor, theirs->envelope.version.minor);
    bool is_about_flags = strncmp(name, "idsdk-", 6) != 0; /* those were a relay's */
    if (is_about_flags) {
        assert_int_equal(ours->header.flags, theirs->header.flags);
    }
    if (is_about_flags && code == 0 && theirs->header.response_code == 1) {
        assert_true(bytes_equal(ours->body, theirs->body));
    }
}

static void run_flow(struct scene *scene, const struct flow *flow)
{
    struct bytes packet;
    struct bytes ignored;
    struct scene_tcp *tcp = scene_tcp_open(scene);
    struct message asked = captured(scene, flow, flow->first, ".req.hex", &packet);
    struct message challenged = captured(scene, flow, flow->first, ".resp.hex", &ignored);
    if (flow->before == IS_THERE) {
        put_subject(scene, &asked);
        snapshot_rest(scene->store.snapshot);
    }
    draw_as_captured(&challenged);
    struct message ours = scene_exchange(scene, tcp, packet);
    assert_int_equal(ours.header.response_code, 402);
    assert_true(bytes_equal(ours.body, challenged.body));
    uint32_t id = ours.envelope.session_id;

    struct message expected = captured(scene, flow, flow->first + 1, ".resp.hex", &ignored);
    (void)captured(scene, flow, flow->first + 1, ".req.hex", &packet);
    wire_store_u32((uint8_t *)(uintptr_t)packet.data + 4, id);
    ours = scene_exchange(scene, tcp, packet);
    assert_same(flow->name, &ours, &expected, flow->code);
    scene_tcp_close(tcp);
}

static void captured_flow_ends_as_captured(void **state)
{
    const struct flow *flow = *state;
    void *opened = NULL;
    assert_int_equal(scene_open(&opened), 0);
    struct scene *scene = opened;
    put_keys(scene);
    snapshot_rest(scene->store.snapshot);
    scene->worker.options.random = draw;
    scene->generation.is_primary = true;
    scene->settings->auth_md5_answers = true; /* what version 2.0 answers with */
    run_flow(scene, flow);
    assert_int_equal(scene_count(scene, METRIC_parked), 0);
    assert_int_equal(scene_close(&opened), 0);
}

/* --- single requests ---------------------------------------------------------------------------
 */

static const struct single {
    const char *name;
    uint32_t code;
} singles[] = {
    {"verify-auth", 1},      {"session-dh.1", 1},  {"session-plain.1", 1},
    {"session-client.1", 1}, {"session-hdl.1", 1}, {"session-server.1", 504},
};

static void captured_request_is_answered(void **state)
{
    const struct single *single = *state;
    struct capture capture;
    void *opened = NULL;
    assert_int_equal(scene_open(&opened), 0);
    struct scene *scene = opened;
    put_keys(scene);
    snapshot_rest(scene->store.snapshot);
    scene->generation.site_key = scene_key("adminpriv.pem");
    struct scene_tcp *tcp = scene_tcp_open(scene);
    fake_world_advance(scene->world, 1000);
    assert_true(capture_load(single->name, ".req.hex", &capture));
    struct message answer = scene_exchange(scene, tcp, capture_message(&capture, 0));
    capture_free(&capture);
    assert_int_equal(answer.header.response_code, single->code);
    if ((answer.header.flags & MESSAGE_CERTIFIED) != 0) {
        assert_int_equal(signature_message_check(scene->generation.site_key, &answer), STATUS_OK);
    }
    if (answer.header.opcode == OPCODE_VERIFY_RESPONSE) {
        struct bytes body;
        struct digest digest;
        bool has_digest = false;
        bool is_valid = false;
        assert_int_equal(body_take_digest(&answer, &body, &digest, &has_digest), STATUS_OK);
        assert_int_equal(body_verified_decode(body, &is_valid), STATUS_OK);
        assert_true(has_digest && is_valid);
    }
    scene_tcp_close(tcp);
    EVP_PKEY_free(scene->generation.site_key);
    assert_int_equal(scene_close(&opened), 0);
}

#define FLOWS (sizeof(flows) / sizeof(flows[0]))
#define SINGLES (sizeof(singles) / sizeof(singles[0]))

int main(void)
{
    struct CMUnitTest tests[FLOWS + SINGLES];
    for (size_t i = 0; i < SINGLES; i++) {
        tests[FLOWS + i] = (struct CMUnitTest){
            .name = singles[i].name,
            .test_func = captured_request_is_answered,
            .initial_state = (void *)(uintptr_t)&singles[i],
        };
    }
    for (size_t i = 0; i < FLOWS; i++) {
        tests[i] = (struct CMUnitTest){
            .name = flows[i].name,
            .test_func = captured_flow_ends_as_captured,
            .initial_state = (void *)(uintptr_t)&flows[i],
        };
    }
    return cmocka_run_group_tests_name("captured flows", tests, NULL, NULL);
}
