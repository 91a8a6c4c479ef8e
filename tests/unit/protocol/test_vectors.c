/* SPDX-License-Identifier: Apache-2.0
 *
 * Every captured message, read and written again: each message of each file in tests/vectors must
 * be understood by the decoders its operation calls for, and come out byte for byte. What is
 * malformed on purpose is listed with the outcome we want. Request digests in answers are computed
 * again from the requests.
 */
#include "tests/unit/protocol/vectors.h"

#include <dirent.h>
#include <stdlib.h>

#include "protocol/digest.h"
#include "protocol/fragment.h"
#include "tests/unit/protocol/recode.h"

#define FILES_MAX 1024

/* Requests that are not what they should be, and what reading them must give. */
enum expectation {
    AS_USUAL,
    NOT_A_MESSAGE,      /* message_decode: PROTOCOL_ERROR */
    BAD_BODY,           /* the body's decoder: PROTOCOL_ERROR */
    UNKNOWN_OPCODE,     /* no decoder */
    WITHOUT_CREDENTIAL, /* ends behind the body: comes out four zero bytes longer */
    NO_MESSAGES,        /* the file is empty */
};

static const struct special {
    const char *file;
    enum expectation expectation;
} specials[] = {
    {"raw-garbage-udp.req.hex", NOT_A_MESSAGE},
    {"raw-biglen-tcp.req.hex", NOT_A_MESSAGE},
    {"raw-shortmsg-tcp.req.hex", NOT_A_MESSAGE},
    {"raw-shortmsg-udp.req.hex", NOT_A_MESSAGE},
    {"raw-handlelen-overflow-udp.req.hex", BAD_BODY},
    {"raw-response-as-request-udp.req.hex", BAD_BODY},
    {"raw-op0-udp.req.hex", UNKNOWN_OPCODE},
    {"raw-badop-udp.req.hex", UNKNOWN_OPCODE},
    {"raw-nocred-tcp.req.hex", WITHOUT_CREDENTIAL},
    {"raw-nocred-udp.req.hex", WITHOUT_CREDENTIAL},
    {"create-udp-multipacket.resp.hex", NO_MESSAGES},
};

struct walk {
    struct arena *arena;      /* of one file */
    struct arena *flow_arena; /* of one exchange's requests */
    const char *file;
    enum expectation expectation;
    char flow[256];        /* the file's name up to the exchange's number */
    struct bytes original; /* digested bytes of the flow's last request that is no answer */
    struct fragment_set *set;
    bool is_assembling;
    size_t messages;
    size_t in_file;
    size_t encrypted;
    size_t digests;
    size_t rest_files;
};

static enum expectation expectation_of(const char *file)
{
    for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++) {
        if (strcmp(specials[i].file, file) == 0) {
            return specials[i].expectation;
        }
    }
    return AS_USUAL;
}

static void check_same(const struct walk *walk, const char *what, struct bytes again,
                       struct bytes packet)
{
    if (!bytes_equal(again, packet)) {
        fail_msg("%s: %s of message %zu comes out differently", walk->file, what, walk->in_file);
    }
}

/* The digest an answer carries is that of the request it answers. */
static void check_digest(struct walk *walk, const struct message *answer)
{
    struct digest carried;
    struct digest computed;
    struct bytes body;
    bool has_digest = false;
    if (answer->header.response_code == status_wire_code(STATUS_AUTHENTICATION_NEEDED)) {
        struct body_challenge challenge;
        assert_int_equal(body_challenge_decode(answer->body, answer->envelope.version, &challenge),
                         STATUS_OK);
        carried = challenge.digest;
    } else {
        assert_int_equal(body_take_digest(answer, &body, &carried, &has_digest), STATUS_OK);
        if (!has_digest) {
            return;
        }
    }
    if (walk->original.len == 0) {
        return; /* the request was encrypted */
    }
    assert_int_equal(digest_compute(carried.algorithm, walk->original, &computed), STATUS_OK);
    check_same(walk, "the digest", bytes_of(computed.data, computed.len),
               bytes_of(carried.data, carried.len));
    assert_int_equal(digest_algorithm_for(answer->envelope.version), carried.algorithm);
    walk->digests++;
}

static void check_envelope(const struct walk *walk, struct bytes packet)
{
    struct envelope envelope;
    uint8_t out[MESSAGE_ENVELOPE_LEN];
    struct wire_writer w = wire_write(out, sizeof(out));
    assert_int_equal(envelope_decode(packet, &envelope), STATUS_OK);
    envelope_encode(&w, &envelope);
    check_same(walk, "the envelope", wire_wrote(&w), bytes_of(packet.data, sizeof(out)));
}

static void check_again(struct walk *walk, struct bytes packet, struct message *message)
{
    size_t size = packet.len + 4;
    uint8_t *body_room = arena_alloc(walk->arena, size);
    uint8_t *packet_room = arena_alloc(walk->arena, size);
    assert_non_null(body_room);
    assert_non_null(packet_room);
    struct wire_writer body = wire_write(body_room, size);
    enum status status = recode_body(message, walk->arena, &body);
    if (walk->expectation == BAD_BODY || walk->expectation == UNKNOWN_OPCODE) {
        assert_int_equal(status, walk->expectation == BAD_BODY ? STATUS_PROTOCOL_ERROR
                                                               : STATUS_NOT_SUPPORTED);
        return;
    }
    if (status != STATUS_OK) {
        fail_msg("%s: the body of message %zu is not understood: %s", walk->file, walk->in_file,
                 status_name(status));
    }
    check_same(walk, "the body", wire_wrote(&body), message->body);

    struct wire_writer whole = wire_write(packet_room, size);
    message->body = wire_wrote(&body);
    message_encode(&whole, message);
    struct bytes again = wire_wrote(&whole);
    if (walk->expectation == WITHOUT_CREDENTIAL) {
        /* Behind the body nothing; otherwise the lengths differ by the four bytes. */
        assert_int_equal(again.len, packet.len + 4);
        check_same(walk, "header and body",
                   bytes_of(again.data + MESSAGE_ENVELOPE_LEN, packet.len - MESSAGE_ENVELOPE_LEN),
                   bytes_from(packet, MESSAGE_ENVELOPE_LEN));
        return;
    }
    check_same(walk, "all", again, packet);
}

static void take_original(struct walk *walk, const struct message *request)
{
    if (request->header.opcode != OPCODE_CHALLENGE_RESPONSE) {
        walk->original = arena_copy(walk->flow_arena, request->digested);
    }
}

/* A whole message with its envelope. */
static void check_message(struct walk *walk, struct bytes packet)
{
    struct envelope envelope;
    struct message message;
    walk->messages++;
    walk->in_file++;
    assert_int_equal(envelope_decode(packet, &envelope), STATUS_OK);
    bool is_request = strstr(walk->file, ".req.") != NULL;
    check_envelope(walk, packet);
    if (envelope.is_encrypted) {
        assert_int_equal(message_decode(packet, &message), STATUS_PROTOCOL_ERROR);
        walk->original = is_request ? BYTES_NONE : walk->original;
        walk->encrypted++;
        return;
    }
    enum status status = message_decode(packet, &message);
    if (status != STATUS_OK) {
        fail_msg("%s: message %zu is not understood: %s", walk->file, walk->in_file,
                 status_name(status));
    }
    check_again(walk, packet, &message);
    if (is_request) {
        take_original(walk, &message);
    } else {
        check_digest(walk, &message);
    }
}

static void check_fragment(struct walk *walk, const struct envelope *envelope,
                           struct bytes datagram)
{
    uint8_t again[MESSAGE_ENVELOPE_LEN];
    fragment_envelope(envelope, envelope->sequence, again);
    check_same(walk, "a fragment's envelope", bytes_of(again, sizeof(again)),
               bytes_of(datagram.data, sizeof(again)));
    if (!walk->is_assembling) {
        uint8_t *buffer = arena_alloc(walk->arena, fragment_buffer_len(envelope));
        assert_non_null(buffer);
        fragment_set_init(walk->set, envelope, buffer);
        walk->is_assembling = true;
    }
    enum fragment_added added = fragment_set_add(walk->set, envelope, datagram);
    if (added == FRAGMENT_COMPLETE) {
        walk->is_assembling = false;
        check_message(walk, fragment_set_message(walk->set));
    } else {
        assert_int_equal(added, FRAGMENT_STORED);
    }
}

static void expect_no_message(const struct walk *walk, struct bytes packet)
{
    struct envelope envelope;
    struct message message;
    assert_int_equal(message_decode(packet, &message), STATUS_PROTOCOL_ERROR);
    if (envelope_decode(packet, &envelope) == STATUS_OK) {
        assert_int_equal(fragment_classify(&envelope, packet.len), FRAGMENT_BAD);
    } else {
        assert_string_equal(walk->file, "raw-garbage-udp.req.hex");
    }
}

/* One line: a message, several, or a datagram that is a piece of one. */
static void check_packets(struct walk *walk, struct bytes rest)
{
    if (walk->expectation == NOT_A_MESSAGE) {
        walk->messages++;
        walk->in_file++;
        expect_no_message(walk, rest);
        return;
    }
    while (rest.len > 0) {
        struct envelope envelope;
        assert_int_equal(envelope_decode(rest, &envelope), STATUS_OK);
        size_t len = (size_t)envelope.message_len + MESSAGE_ENVELOPE_LEN;
        if (len > rest.len || envelope.sequence > 0) {
            len = fragment_payload_len(envelope.message_len, envelope.sequence);
            len += MESSAGE_ENVELOPE_LEN;
            assert_int_equal(fragment_classify(&envelope, len), FRAGMENT_PIECE);
            check_fragment(walk, &envelope, bytes_of(rest.data, len));
        } else if (envelope.is_truncated && envelope.message_len > FRAGMENT_PAYLOAD) {
            check_fragment(walk, &envelope, bytes_of(rest.data, FRAGMENT_DATAGRAM));
            len = FRAGMENT_DATAGRAM;
        } else {
            assert_int_equal(fragment_classify(&envelope, len), FRAGMENT_WHOLE);
            check_message(walk, bytes_of(rest.data, len));
        }
        rest = bytes_from(rest, len);
    }
}

/* The body of an HTTP message of our type; others belong to the JSON interface. */
static void check_http(struct walk *walk, struct bytes http)
{
    static const char type[] = "Content-Type: application/x-hdl-message";
    const uint8_t *end = memmem(http.data, http.len, "\r\n\r\n", 4);
    assert_non_null(end);
    size_t head_len = (size_t)(end - http.data) + 4;
    if (memmem(http.data, head_len, type, sizeof(type) - 1) != NULL) {
        check_packets(walk, bytes_from(http, head_len));
        return;
    }
    assert_int_equal(strncmp(walk->file, "rest-", 5), 0);
    walk->rest_files++;
}

static void enter_flow(struct walk *walk, const char *directory)
{
    char flow[sizeof(walk->flow)];
    size_t len = strcspn(walk->file, ".");
    /* Versions are part of names: "modify-seckey-v2.0.1.req.hex". */
    while (walk->file[len] == '.' && walk->file[len + 1] >= '0' && walk->file[len + 1] <= '9' &&
           walk->file[len - 2] == 'v') {
        len += 1 + strcspn(walk->file + len + 1, ".");
    }
    (void)snprintf(flow, sizeof(flow), "%s/%.*s", directory, (int)len, walk->file);
    if (strcmp(flow, walk->flow) != 0) {
        memcpy(walk->flow, flow, sizeof(flow));
        walk->original = BYTES_NONE;
        arena_reset(walk->flow_arena);
    }
}

static void check_file(struct walk *walk, const char *directory, const char *file)
{
    char path[512];
    struct bytes line;
    (void)snprintf(path, sizeof(path), "%s/%s", directory, file);
    arena_reset(walk->arena);
    walk->file = file;
    walk->in_file = 0;
    walk->is_assembling = false;
    walk->expectation = expectation_of(file);
    enter_flow(walk, directory);
    size_t rest_files = walk->rest_files;
    bool is_http = strstr(file, "-http.") != NULL || strncmp(file, "rest-", 5) == 0;
    struct bytes rest = vectors_file(walk->arena, path);
    while (vectors_next_line(&rest, &line)) {
        struct bytes packet = vectors_hex(walk->arena, line);
        if (is_http) {
            check_http(walk, packet);
        } else {
            check_packets(walk, packet);
        }
    }
    assert_false(walk->is_assembling);
    bool has_something = walk->in_file > 0 || walk->rest_files > rest_files;
    if (has_something == (walk->expectation == NO_MESSAGES)) {
        fail_msg("%s: %zu messages", file, walk->in_file);
    }
}

static int is_hex_file(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot != NULL && strcmp(dot, ".hex") == 0;
}

static size_t check_directory(struct walk *walk, const char *directory)
{
    char path[512];
    struct dirent **entries = NULL;
    (void)snprintf(path, sizeof(path), "%s/%s", TEST_VECTORS, directory);
    int count = scandir(path, &entries, is_hex_file, alphasort);
    assert_in_range(count, 1, FILES_MAX);
    for (int i = 0; i < count; i++) {
        check_file(walk, directory, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return (size_t)count;
}

static void walk_init(struct walk *walk)
{
    *walk = (struct walk){.arena = arena_new(1 << 20, 16 << 20),
                          .flow_arena = arena_new(1 << 16, 16 << 20),
                          .set = malloc(sizeof(struct fragment_set))};
    assert_non_null(walk->arena);
    assert_non_null(walk->flow_arena);
    assert_non_null(walk->set);
}

static void walk_done(struct walk *walk)
{
    arena_free(walk->arena);
    arena_free(walk->flow_arena);
    free(walk->set);
}

static void captured_when_recoded_comes_out_the_same(void **state)
{
    struct walk walk;
    (void)state;
    walk_init(&walk);
    size_t files = check_directory(&walk, "captured");
    printf(
        "%zu files, %zu messages, %zu of them encrypted, %zu digests, %zu of the JSON interface\n",
        files, walk.messages, walk.encrypted, walk.digests, walk.rest_files);
    walk_done(&walk);
}

static void captured_default_session_when_recoded_comes_out_the_same(void **state)
{
    struct walk walk;
    (void)state;
    walk_init(&walk);
    size_t files = check_directory(&walk, "captured-default-session");
    assert_int_equal(files, 42);
    assert_int_equal(walk.messages, 42);
    assert_int_equal(walk.encrypted, 3);
    assert_int_equal(walk.digests, 8);
    assert_int_equal(walk.rest_files, 0);
    walk_done(&walk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(captured_when_recoded_comes_out_the_same),
        cmocka_unit_test(captured_default_session_when_recoded_comes_out_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
