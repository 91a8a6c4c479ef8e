/* SPDX-License-Identifier: Apache-2.0
 *
 * exchange.c against what reference servers and clients were seen to say: every captured
 * resolution and site-info request that needs no identity is answered as captured, and none of
 * them, cut short or with bytes changed, does harm.
 *
 * The store is built from the captures. Ids of challenges, nonces, times, the serial and the order
 * of values are aside.
 */
#include "tests/unit/resolver/exchange_fixture.h"

#include <dirent.h>

#include "protocol/digest.h"
#include "tests/unit/resolver/capture.h"

/* Where we mean to differ, and what we say instead (0: nothing at all). */
static const struct {
    const char *name;
    uint32_t code;
    const char *reason;
} differences[] = {
    {"raw-v1.0-udp", 4, "version 1.0 is not understood (protocol.md §14 row 11)"},
    {"raw-oversize-datagram-udp", 1, "a larger datagram that fits exactly is read"},
    {"raw-response-as-request-udp", 0, "an answer is never answered (§14 row 27)"},
    {"raw-handlelen-overflow-udp", 4, "a length that lies is malformed, not our failure (row 31)"},
    {"idsdk-lookup-before-login.1", 1, "a secret key is never public"},
};

static struct fixture fixture;

/* The values of a captured success answer, or of a create or add request (`is_request`). */
static void put_captured(const char *capture_name, const char *suffix, struct value extra)
{
    struct capture capture;
    struct message message;
    struct body_values body;
    struct bytes bare;
    struct digest digest;
    bool has_digest;
    assert_true(capture_load(capture_name, suffix, &capture));
    assert_int_equal(message_decode(capture_message(&capture, 0), &message), STATUS_OK);
    assert_int_equal(body_take_digest(&message, &bare, &digest, &has_digest), STATUS_OK);
    assert_int_equal(body_values_decode(bare, fixture.arena, &body), STATUS_OK);
    struct value values[64];
    assert_in_range(body.count, 1, 63);
    memcpy(values, body.values, body.count * sizeof(values[0]));
    values[body.count] = extra;
    fixture_put(&fixture, body.handle, values, body.count + (extra.index != 0));
    capture_free(&capture);
}

/* The prefix whose derived ones are kept by another service: the values of the captured 303. */
static void put_referring_prefix(void)
{
    struct capture capture;
    struct message message;
    struct body_referral referral;
    assert_true(capture_load("referral-prefix", ".resp.hex", &capture));
    assert_int_equal(message_decode(capture_message(&capture, 0), &message), STATUS_OK);
    assert_int_equal(body_referral_decode(message.body, fixture.arena, &referral), STATUS_OK);
    assert_in_range(referral.count, 1, 64);
    fixture_put(&fixture, BYTES_LITERAL("0.NA/88.1000.9"), referral.values, referral.count);
    capture_free(&capture);
}

static int open_store(void **state)
{
    static uint8_t site[4096];
    static const struct value none = {.index = 0};
    struct capture capture;
    struct message message;
    (void)state;
    fixture_open(&fixture);
    fixture_home(&fixture, "88.1000", PREFIX_ACTIVE, CASE_INSENSITIVE);
    put_captured("idsdk-lookup-before-login.1", ".resp.hex", none);
    put_captured("idsdk-lookup-all.1", ".resp.hex", none);
    put_captured("idsdk-lookup-utf8.1", ".resp.hex", none);
    put_captured("resolve-utf8-tcp", ".resp.hex", none);
    put_captured("resolve-large-tcp", ".resp.hex", none);
    /* what add-value left behind: index 7, for administrators only */
    put_captured("resolve-all-tcp", ".resp.hex", fixture_value(7, "NOTE", "not for all", 0x0c));

    put_referring_prefix();

    assert_true(capture_load("siteinfo-tcp", ".resp.hex", &capture));
    assert_int_equal(message_decode(capture_message(&capture, 0), &message), STATUS_OK);
    assert_in_range(message.body.len, 1, sizeof(site));
    memcpy(site, message.body.data, message.body.len);
    fixture.generation.site = bytes_of(site, message.body.len);
    capture_free(&capture);
    return 0;
}

static int close_store(void **state)
{
    (void)state;
    fixture_close(&fixture);
    return 0;
}

typedef void each_capture(const char *name, const struct capture *asked);

/* Every captured native request; HTTP carries heads. */
static size_t for_each_capture(each_capture *call)
{
    struct dirent **entries;
    size_t count = 0;
    int found = scandir(TEST_VECTORS "/captured", &entries, NULL, alphasort);
    assert_true(found > 0);
    for (int i = 0; i < found; i++) {
        char *end = strstr(entries[i]->d_name, ".req.hex");
        bool is_native = end != NULL && strstr(entries[i]->d_name, "http") == NULL &&
                         strncmp(entries[i]->d_name, "rest-", 5) != 0;
        if (is_native) {
            struct capture asked;
            *end = '\0';
            assert_true(capture_load(entries[i]->d_name, ".req.hex", &asked));
            call(entries[i]->d_name, &asked);
            capture_free(&asked);
            count++;
        }
        free(entries[i]);
    }
    free(entries);
    return count;
}

static enum exchange_transport transport_of(const char *name)
{
    return strstr(name, "udp") != NULL ? EXCHANGE_UDP : EXCHANGE_TCP;
}

static const char *difference_of(const char *name, uint32_t *out_code)
{
    for (size_t i = 0; i < sizeof(differences) / sizeof(differences[0]); i++) {
        if (strcmp(differences[i].name, name) == 0) {
            *out_code = differences[i].code;
            return differences[i].reason;
        }
    }
    return NULL;
}

static bool is_same_value(const struct value *a, const struct value *b)
{
    return a->index == b->index && a->ttl_type == b->ttl_type && a->ttl == b->ttl &&
           a->permissions == b->permissions && bytes_equal(a->type, b->type) &&
           bytes_equal(a->data, b->data) && a->reference_count == b->reference_count &&
           bytes_equal(a->references, b->references);
}

static void assert_same_values(struct bytes ours, struct bytes theirs)
{
    struct body_values a;
    struct body_values b;
    assert_int_equal(body_values_decode(ours, fixture.arena, &a), STATUS_OK);
    assert_int_equal(body_values_decode(theirs, fixture.arena, &b), STATUS_OK);
    assert_true(bytes_equal(a.handle, b.handle));
    assert_int_equal(a.count, b.count);
    for (size_t i = 0; i < a.count; i++) {
        bool is_found = false;
        for (size_t j = 0; j < b.count; j++) {
            is_found = is_found || is_same_value(&a.values[i], &b.values[j]);
        }
        assert_true(is_found);
        assert_true(i == 0 || a.values[i - 1].index < a.values[i].index);
    }
}

static void assert_same_body(const struct message *ours, const struct message *theirs)
{
    struct bytes our_body;
    struct bytes their_body;
    struct digest our_digest;
    struct digest their_digest;
    bool has_digest;
    assert_int_equal(body_take_digest(ours, &our_body, &our_digest, &has_digest), STATUS_OK);
    assert_int_equal(body_take_digest(theirs, &their_body, &their_digest, &has_digest), STATUS_OK);
    if (has_digest) {
        assert_int_equal(our_digest.algorithm, their_digest.algorithm);
        assert_memory_equal(our_digest.data, their_digest.data, their_digest.len);
    }
    if (ours->header.response_code == 402) {
        assert_int_equal(our_body.len, their_body.len); /* the nonce is fresh */
    } else if (ours->header.response_code == 1 && ours->header.opcode == OPCODE_RESOLUTION) {
        assert_same_values(our_body, their_body);
    } else {
        assert_true(bytes_equal(our_body, their_body));
    }
}

static void assert_same_answer(const struct message *ours, const struct message *theirs)
{
    assert_memory_equal(&ours->envelope.version, &theirs->envelope.version, 2);
    assert_memory_equal(&ours->envelope.suggested, &theirs->envelope.suggested, 2);
    assert_int_equal(ours->envelope.request_id, theirs->envelope.request_id);
    assert_int_equal(ours->header.opcode, theirs->header.opcode);
    assert_int_equal(ours->header.response_code, theirs->header.response_code);
    assert_int_equal(ours->header.flags, theirs->header.flags);
    assert_int_equal(ours->header.recursion_count, theirs->header.recursion_count);
    if (ours->header.response_code == 402) {
        assert_in_range(ours->envelope.session_id, 1, INT32_MAX);
    } else {
        assert_int_equal(ours->envelope.session_id, theirs->envelope.session_id);
    }
    assert_same_body(ours, theirs);
}

static size_t compared;

static void compare_capture(const char *name, const struct capture *asked)
{
    struct message request;
    struct capture given;
    bool is_decoded = message_decode(capture_message(asked, 0), &request) == STATUS_OK;
    if (!is_decoded || request.credential.is_present ||
        (request.header.opcode != OPCODE_RESOLUTION &&
         request.header.opcode != OPCODE_GET_SITE_INFO)) {
        return;
    }
    assert_true(capture_load(name, ".resp.hex", &given));
    struct message theirs;
    assert_int_equal(message_decode(capture_message(&given, 0), &theirs), STATUS_OK);
    uint32_t code = 0;
    const char *difference = difference_of(name, &code);
    struct bytes reply = fixture_run(&fixture, transport_of(name), capture_message(asked, 0));
    print_message("    %s%s%s\n", name, difference != NULL ? ": " : "",
                  difference != NULL ? difference : "");
    compared++;
    if (difference == NULL || code != 0) {
        struct message ours;
        assert_int_equal(message_decode(reply, &ours), STATUS_OK);
        if (difference == NULL) {
            assert_same_answer(&ours, &theirs);
        } else {
            assert_int_equal(ours.header.response_code, code);
        }
    } else {
        assert_int_equal(reply.len, 0);
    }
    capture_free(&given);
}

static void captured_request_when_run_is_answered_as_captured(void **state)
{
    (void)state;
    (void)for_each_capture(compare_capture);
    assert_true(compared >= 74); /* as many as there are; fewer means some were not found */
}

static void prefix_record_when_asked_by_the_national_sdk_hides_its_key(void **state)
{
    struct capture asked;
    struct capture given;
    (void)state;
    assert_true(capture_load("idsdk-lookup-before-login.1", ".req.hex", &asked));
    assert_true(capture_load("idsdk-lookup-before-login.1", ".resp.hex", &given));
    struct message ours;
    struct message theirs;
    struct body_values shown;
    struct body_values stored;
    struct bytes reply = fixture_run(&fixture, EXCHANGE_TCP, capture_message(&asked, 0));
    assert_int_equal(message_decode(reply, &ours), STATUS_OK);
    assert_int_equal(message_decode(capture_message(&given, 0), &theirs), STATUS_OK);
    assert_int_equal(body_values_decode(ours.body, fixture.arena, &shown), STATUS_OK);
    assert_int_equal(body_values_decode(theirs.body, fixture.arena, &stored), STATUS_OK);
    assert_int_equal(shown.count + 1, stored.count);
    for (size_t i = 0; i < shown.count; i++) {
        assert_false(value_is_secret(&shown.values[i]));
    }
    capture_free(&asked);
    capture_free(&given);
}

/* --- hostile input -------------------------------------------------------------------------- */

/* What must hold whatever came: silence for answers, else one answer that decodes. */
static void run_hostile(enum exchange_transport transport, struct bytes packet)
{
    struct bytes reply = fixture_run(&fixture, transport, packet);
    struct envelope envelope;
    bool has_envelope = envelope_decode(packet, &envelope) == STATUS_OK;
    bool is_plain = has_envelope && !envelope.is_encrypted && !envelope.is_compressed;
    struct wire_reader r = wire_read(bytes_from(packet, MESSAGE_ENVELOPE_LEN + 4));
    bool is_answer = is_plain && wire_u32(&r) != 0;
    if (!has_envelope || is_answer) {
        assert_int_equal(reply.len, 0);
        return;
    }
    struct message answer;
    assert_int_equal(message_decode(reply, &answer), STATUS_OK);
    assert_int_not_equal(answer.header.response_code, 0);
    assert_int_equal(answer.envelope.request_id, envelope.request_id);
    assert_int_equal(answer.header.expiration, FIXTURE_NOW_MS / 1000 + MESSAGE_EXPIRY_S);
}

static void cut_capture(const char *name, const struct capture *asked)
{
    struct bytes packet = capture_message(asked, 0);
    uint8_t *copy = malloc(packet.len + 1);
    assert(copy != NULL && packet.data != NULL);
    memcpy(copy, packet.data, packet.len);
    for (size_t len = 0; len < packet.len; len++) {
        run_hostile(transport_of(name), bytes_of(copy, len));
        if (len >= MESSAGE_ENVELOPE_LEN) { /* and once more with a length that agrees */
            wire_store_u32(copy + 16, (uint32_t)(len - MESSAGE_ENVELOPE_LEN));
            run_hostile(transport_of(name), bytes_of(copy, len));
            memcpy(copy + 16, packet.data + 16, 4);
        }
    }
    free(copy);
}

static void captured_request_when_cut_anywhere_is_survived(void **state)
{
    (void)state;
    assert_true(for_each_capture(cut_capture) > 100);
}

static void flip_capture(const char *name, const struct capture *asked)
{
    static const uint8_t masks[] = {0x01, 0x80, 0xff};
    struct bytes packet = capture_message(asked, 0);
    uint8_t *copy = malloc(packet.len + 1);
    assert(copy != NULL && packet.data != NULL);
    memcpy(copy, packet.data, packet.len);
    for (size_t at = 0; at < packet.len; at++) {
        for (size_t i = 0; i < sizeof(masks); i++) {
            copy[at] ^= masks[i];
            run_hostile(transport_of(name), bytes_of(copy, packet.len));
            copy[at] ^= masks[i];
        }
    }
    free(copy);
}

static void captured_request_when_bytes_change_is_survived(void **state)
{
    (void)state;
    assert_true(for_each_capture(flip_capture) > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(captured_request_when_run_is_answered_as_captured),
        cmocka_unit_test(prefix_record_when_asked_by_the_national_sdk_hides_its_key),
        cmocka_unit_test(captured_request_when_cut_anywhere_is_survived),
        cmocka_unit_test(captured_request_when_bytes_change_is_survived),
    };
    return cmocka_run_group_tests(tests, open_store, close_store);
}
