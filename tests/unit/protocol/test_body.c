/* SPDX-License-Identifier: Apache-2.0
 *
 * Bodies of resolution, administration and between servers: vectors V2, V5, V15, V16, every vector
 * both ways, and what is malformed (protocol.md §14 rows 31-33, 67).
 */
#include "tests/unit/protocol/vectors.h"

#include <stdlib.h>

#include "protocol/body.h"
#include "tests/unit/protocol/recode.h"

#define TEXT(literal) BYTES_LITERAL(literal)
#define V2_11 ((struct message_version){2, 11})
#define V2_8 ((struct message_version){2, 8})

static int setup(void **state)
{
    *state = arena_new(1 << 16, 4 << 20);
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    arena_free(*state);
    return 0;
}

/* Decodes and encodes a body as its message calls for; none unless that went well. */
static enum status again(struct arena *arena, const struct message *message, struct bytes *out_body)
{
    uint8_t *room = arena_alloc(arena, message->body.len);
    struct wire_writer w = wire_write(room, message->body.len);
    assert_non_null(room);
    enum status status = recode_body(message, arena, &w);
    *out_body = wire_wrote(&w);
    return status;
}

static const char *const vectors_with_bodies[] = {
    "V2.message",  "V5.message", "V9.message",  "V11.message",   "V12.message",
    "V13.request", "V13.answer", "V14.message", "V15.not_found", "V15.backup_at_2_4",
    "V16.create",  "V16.remove", "V20.message",
};

static void computed_bodies_when_recoded_come_out_the_same(void **state)
{
    for (size_t i = 0; i < sizeof(vectors_with_bodies) / sizeof(*vectors_with_bodies); i++) {
        struct message message = vectors_message(*state, vectors_with_bodies[i]);
        struct bytes body;
        assert_int_equal(again(*state, &message, &body), STATUS_OK);
        vectors_assert_equal(body, message.body);
    }
}

/* Where a body may end: the empty one of errors, set-ups with fewer zeros behind them. */
static bool may_end_at(const struct message *message, size_t len)
{
    if (message->header.opcode == OPCODE_SESSION_SETUP ||
        message->header.opcode == OPCODE_SESSION_TERMINATE) {
        return len + 2 >= message->body.len || len == 0;
    }
    return len == 0 && message->header.response_code > 1 &&
           (message->header.flags & MESSAGE_REQUEST_DIGEST) == 0;
}

static void computed_bodies_when_cut_or_longer_then_protocol_error(void **state)
{
    static const uint8_t junk[] = {1, 2, 3, 4};
    for (size_t i = 0; i < sizeof(vectors_with_bodies) / sizeof(*vectors_with_bodies); i++) {
        struct message message = vectors_message(*state, vectors_with_bodies[i]);
        struct message changed = message;
        struct bytes body;
        for (size_t len = 0; len < message.body.len; len++) {
            uint8_t *cut = malloc(len == 0 ? 1 : len);
            assert_non_null(cut);
            memcpy(cut, message.body.data, len);
            changed.body = bytes_of(cut, len);
            if (!may_end_at(&message, len)) {
                assert_int_equal(again(*state, &changed, &body), STATUS_PROTOCOL_ERROR);
            }
            free(cut);
        }
        uint8_t *longer = arena_alloc(*state, message.body.len + sizeof(junk));
        assert_non_null(longer);
        memcpy(longer, message.body.data, message.body.len);
        memcpy(longer + message.body.len, junk, sizeof(junk));
        for (size_t more = 1; more <= sizeof(junk); more++) {
            changed.body = bytes_of(longer, message.body.len + more);
            assert_int_equal(again(*state, &changed, &body), STATUS_PROTOCOL_ERROR);
        }
    }
}

static void v2_resolution_fields(void **state)
{
    struct message message = vectors_message(*state, "V2.message");
    struct body_resolution body;
    struct bytes text;
    assert_int_equal(body_resolution_decode(message.body, &body), STATUS_OK);
    vectors_assert_equal(body.handle, TEXT("20.1000/Abc"));
    assert_int_equal(body.index_count, 2);
    struct wire_reader indexes = wire_read(body.indexes);
    assert_int_equal(wire_u32(&indexes), 1);
    assert_int_equal(wire_u32(&indexes), 100);
    assert_int_equal(body.type_count, 2);
    struct wire_reader types = wire_read(body.types);
    assert_true(body_next_text(&types, &text));
    vectors_assert_equal(text, TEXT("URL"));
    assert_true(body_next_text(&types, &text));
    vectors_assert_equal(text, TEXT("HS_ADMIN"));
    assert_false(body_next_text(&types, &text));
    assert_true(wire_done(&types));
}

static void next_text_when_cut_then_false_and_failed(void **state)
{
    static const uint8_t cut[] = {0, 0, 0, 2, 'a'};
    struct wire_reader r = wire_read(bytes_of(cut, sizeof(cut)));
    struct bytes text;
    (void)state;
    assert_false(body_next_text(&r, &text));
    assert_false(wire_ok(&r));
}

static void resolution_when_counts_lie_then_protocol_error(void **state)
{
    static const size_t counts_at[] = {15, 27};
    static const uint32_t lies[] = {1, 3, 1000000, 0x80000000, 0xffffffff};
    struct message message = vectors_message(*state, "V2.message");
    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < sizeof(lies) / sizeof(lies[0]); j++) {
            uint8_t changed[64];
            struct body_resolution body;
            memcpy(changed, message.body.data, message.body.len);
            wire_store_u32(changed + counts_at[i], lies[j]);
            assert_int_equal(body_resolution_decode(bytes_of(changed, message.body.len), &body),
                             STATUS_PROTOCOL_ERROR);
        }
    }
}

static void v5_digest_then_values(void **state)
{
    struct message message = vectors_message(*state, "V5.message");
    struct bytes rest;
    struct digest digest;
    struct body_values body;
    bool has_digest = false;
    assert_int_equal(body_take_digest(&message, &rest, &digest, &has_digest), STATUS_OK);
    assert_true(has_digest);
    assert_int_equal(digest.algorithm, DIGEST_SHA256);
    vectors_assert_equal(bytes_of(digest.data, digest.len), vectors_get(*state, "V2.sha256"));
    assert_int_equal(body_values_decode(rest, *state, &body), STATUS_OK);
    vectors_assert_equal(body.handle, TEXT("20.1000/Abc"));
    assert_int_equal(body.count, 1);
    assert_int_equal(body.values[0].index, 1);
}

static void take_digest_when_flag_is_clear_then_whole_body(void **state)
{
    struct message message = vectors_message(*state, "V5.message");
    struct bytes rest;
    struct digest digest;
    bool has_digest = true;
    message.header.flags = 0;
    assert_int_equal(body_take_digest(&message, &rest, &digest, &has_digest), STATUS_OK);
    assert_false(has_digest);
    vectors_assert_equal(rest, message.body);
    message.header.flags = MESSAGE_REQUEST_DIGEST;
    message.body = TEXT("\x09");
    assert_int_equal(body_take_digest(&message, &rest, &digest, &has_digest),
                     STATUS_PROTOCOL_ERROR);
    message.body = BYTES_NONE;
    assert_int_equal(body_take_digest(&message, &rest, &digest, &has_digest),
                     STATUS_PROTOCOL_ERROR);
}

/* The known keys hold a challenge at 2.0, 2.3 and 2.11 with its digest and nonce. */
/* The other framing of the digest: its code, then as many bytes as the code says. */
static void v15_error_fields(void **state)
{
    struct message message = vectors_message(*state, "V15.backup_at_2_4");
    struct body_error body;
    assert_int_equal(message.header.response_code,
                     message_code_for(7, (struct message_version){2, 4}));
    assert_int_equal(body_error_decode(message.body, &body), STATUS_OK);
    vectors_assert_equal(body.text, TEXT("busy"));
    assert_int_equal(body.index_count, 0);
}

static void error_when_empty_or_with_indexes_then_read(void **state)
{
    static const uint8_t with_indexes[] = {0, 0, 0, 1, 'x', 0, 0, 0, 1, 0, 0, 0, 7};
    struct body_error body = {.index_count = 99};
    uint8_t out[32];
    struct wire_writer w = wire_write(out, sizeof(out));
    (void)state;
    assert_int_equal(body_error_decode(BYTES_NONE, &body), STATUS_OK);
    assert_int_equal(body.text.len, 0);
    assert_int_equal(body.index_count, 0);
    assert_int_equal(body_error_decode(bytes_of(with_indexes, sizeof(with_indexes)), &body),
                     STATUS_OK);
    assert_int_equal(body.index_count, 1);
    body_error_encode(&w, &body);
    vectors_assert_equal(wire_wrote(&w), bytes_of(with_indexes, sizeof(with_indexes)));
    for (size_t len = 1; len < sizeof(with_indexes); len++) {
        assert_int_equal(body_error_decode(bytes_of(with_indexes, len), &body),
                         len == 5 ? STATUS_OK : STATUS_PROTOCOL_ERROR);
    }
}

static void referral_when_with_or_without_values_then_both_ways(void **state)
{
    struct value value = {.index = 1, .type = TEXT("HS_SERV"), .data = TEXT("0.SITE/x")};
    struct body_referral named = {.handle = TEXT("0.SITE/x")};
    struct body_referral valued = {.values = &value, .count = 1};
    const struct body_referral *const rows[] = {&named, &valued};
    for (size_t i = 0; i < 2; i++) {
        uint8_t out[128];
        uint8_t out_again[128];
        struct wire_writer w = wire_write(out, sizeof(out));
        struct wire_writer w_again = wire_write(out_again, sizeof(out_again));
        struct body_referral read;
        body_referral_encode(&w, rows[i]);
        struct bytes body = wire_wrote(&w);
        assert_int_equal(body_referral_decode(body, *state, &read), STATUS_OK);
        vectors_assert_equal(read.handle, rows[i]->handle);
        assert_int_equal(read.count, rows[i]->count);
        body_referral_encode(&w_again, &read);
        vectors_assert_equal(wire_wrote(&w_again), body);
        assert_int_equal(body_referral_decode(bytes_of(out, body.len - 1), *state, &read),
                         STATUS_PROTOCOL_ERROR);
        assert_int_equal(body_referral_decode(bytes_of(out, body.len + 1), *state, &read),
                         STATUS_PROTOCOL_ERROR);
    }
    assert_int_equal(body_referral_decode(BYTES_NONE, *state, &valued), STATUS_PROTOCOL_ERROR);
}

static void v16_remove_fields(void **state)
{
    struct message message = vectors_message(*state, "V16.remove");
    struct body_remove body;
    assert_int_equal(body_remove_decode(message.body, &body), STATUS_OK);
    vectors_assert_equal(body.handle, TEXT("20.1000/Abc"));
    assert_int_equal(body.index_count, 2);
    struct wire_reader indexes = wire_read(body.indexes);
    assert_int_equal(wire_u32(&indexes), 3);
    assert_int_equal(wire_u32(&indexes), 5);
    assert_true(wire_done(&indexes));
}

static void values_when_memory_is_out_then_told(void **state)
{
    struct message message = vectors_message(*state, "V16.create");
    struct arena *small = arena_new(16, 16);
    struct body_values values;
    struct body_referral referral;
    assert_non_null(small);
    assert_int_equal(body_values_decode(message.body, small, &values), STATUS_NO_MEMORY);
    assert_int_equal(body_referral_decode(message.body, small, &referral), STATUS_NO_MEMORY);
    arena_free(small);
}

static void site_when_length_leads_then_skipped(void **state)
{
    static const uint8_t led[] = {0, 0, 0, 5, 0, 1, 2, 11, 0};
    struct bytes site = BYTES_NONE;
    (void)state;
    assert_int_equal(body_site_decode(bytes_of(led, sizeof(led)), &site), STATUS_OK);
    vectors_assert_equal(site, bytes_of(led + 4, 5));
    assert_int_equal(body_site_decode(bytes_of(led + 4, 5), &site), STATUS_OK);
    vectors_assert_equal(site, bytes_of(led + 4, 5));
    assert_int_equal(body_site_decode(bytes_of(led, 4), &site), STATUS_OK);
    assert_int_equal(site.len, 4);
    assert_int_equal(body_site_decode(bytes_of(led, 3), &site), STATUS_PROTOCOL_ERROR);
}

static void handle_when_empty_body_then_where_allowed(void **state)
{
    struct bytes handle = TEXT("x");
    (void)state;
    assert_int_equal(body_handle_decode(BYTES_NONE, false, &handle), STATUS_PROTOCOL_ERROR);
    vectors_assert_equal(handle, TEXT("x"));
    assert_int_equal(body_handle_decode(BYTES_NONE, true, &handle), STATUS_OK);
    assert_int_equal(handle.len, 0);
    assert_int_equal(body_handle_decode(TEXT("\0\0\0\1/"), true, &handle), STATUS_OK);
    vectors_assert_equal(handle, TEXT("/"));
    assert_int_equal(body_handle_decode(TEXT("\0\0\0\1/x"), true, &handle), STATUS_PROTOCOL_ERROR);
    assert_int_equal(body_handle_decode(TEXT("\x7f\xff\xff\xff/"), true, &handle),
                     STATUS_PROTOCOL_ERROR);
}

static void names_both_ways(void **state)
{
    static const uint8_t names[] = {0, 0, 0, 2, 0, 0, 0, 1, 'a', 0, 0, 0, 0};
    struct body_names body;
    uint8_t out[32];
    struct wire_writer w = wire_write(out, sizeof(out));
    (void)state;
    assert_int_equal(body_names_decode(bytes_of(names, sizeof(names)), &body), STATUS_OK);
    assert_int_equal(body.count, 2);
    body_names_encode(&w, &body);
    vectors_assert_equal(wire_wrote(&w), bytes_of(names, sizeof(names)));
    for (size_t len = 0; len < sizeof(names); len++) {
        assert_int_equal(body_names_decode(bytes_of(names, len), &body), STATUS_PROTOCOL_ERROR);
    }
    assert_int_equal(body_names_decode(TEXT("\0\0\0\0"), &body), STATUS_OK);
    assert_int_equal(body_names_decode(TEXT("\0\0\0\0\0"), &body), STATUS_PROTOCOL_ERROR);
}

static void retrieve_log_when_each_form_then_both_ways(void **state)
{
    static const struct body_retrieve_log rows[] = {
        {.last_id = 9, .last_date_ms = 1700000000000, .hash_option = 2, .server_count = 1},
        {.has_kind = true, .last_id = 9, .last_date_ms = 8, .server_count = 3, .server_number = 2},
        {.has_kind = true, .kind = 1, .state = {(const uint8_t *)"{}", 2}, .server_count = 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct message_version version = rows[i].has_kind ? V2_11 : V2_8;
        struct body_retrieve_log read;
        uint8_t out[64];
        uint8_t out_again[64];
        struct wire_writer w = wire_write(out, sizeof(out));
        struct wire_writer w_again = wire_write(out_again, sizeof(out_again));
        body_retrieve_log_encode(&w, &rows[i]);
        struct bytes body = wire_wrote(&w);
        assert_int_equal(body_retrieve_log_decode(body, version, &read), STATUS_OK);
        assert_true(read.last_id == rows[i].last_id);
        vectors_assert_equal(read.state, rows[i].state);
        body_retrieve_log_encode(&w_again, &read);
        vectors_assert_equal(wire_wrote(&w_again), body);
        for (size_t len = 0; len < body.len; len++) {
            assert_int_equal(body_retrieve_log_decode(bytes_of(out, len), version, &read),
                             STATUS_PROTOCOL_ERROR);
        }
        out[0] = 2;
        assert_int_equal(body_retrieve_log_decode(body, V2_11, &read), STATUS_PROTOCOL_ERROR);
    }
}

static enum status dump_of(uint8_t hash_option, uint32_t server_count, uint32_t server_number)
{
    struct body_dump body = {
        .hash_option = hash_option, .server_count = server_count, .server_number = server_number};
    struct body_dump read;
    uint8_t out[16];
    struct wire_writer w = wire_write(out, sizeof(out));
    body_dump_encode(&w, &body);
    return body_dump_decode(wire_wrote(&w), &read);
}

static void dump_when_share_is_impossible_then_protocol_error(void **state)
{
    (void)state;
    assert_int_equal(dump_of(0, 1, 0), STATUS_OK);
    assert_int_equal(dump_of(2, 3, 2), STATUS_OK);
    assert_int_equal(dump_of(3, 3, 2), STATUS_PROTOCOL_ERROR);
    assert_int_equal(dump_of(0, 0, 0), STATUS_PROTOCOL_ERROR);
    assert_int_equal(dump_of(0, 3, 3), STATUS_PROTOCOL_ERROR);
    assert_int_equal(dump_of(0, 3, 0xffffffff), STATUS_PROTOCOL_ERROR);
    assert_int_equal(dump_of(0, 0x80000000, 1), STATUS_PROTOCOL_ERROR);
}

static void dump_when_started_in_the_middle_then_both_ways(void **state)
{
    struct body_dump body = {
        .server_count = 1, .has_start = true, .start_point = TEXT("20.1/x"), .start_type = 2};
    struct body_dump read;
    uint8_t out[64];
    struct wire_writer w = wire_write(out, sizeof(out));
    (void)state;
    body_dump_encode(&w, &body);
    assert_int_equal(body_dump_decode(wire_wrote(&w), &read), STATUS_OK);
    assert_true(read.has_start);
    vectors_assert_equal(read.start_point, TEXT("20.1/x"));
    assert_int_equal(read.start_type, 2);
    assert_int_equal(body_dump_decode(bytes_of(out, 10), &read), STATUS_PROTOCOL_ERROR);
}

static void stream_both_ways(void **state)
{
    bool keep_alive = false;
    uint8_t out[1];
    (void)state;
    for (int wanted = 0; wanted < 2; wanted++) {
        struct wire_writer w = wire_write(out, sizeof(out));
        body_stream_encode(&w, wanted == 1);
        assert_int_equal(body_stream_decode(wire_wrote(&w), &keep_alive), STATUS_OK);
        assert_int_equal(keep_alive, wanted);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(computed_bodies_when_recoded_come_out_the_same),
        CASE(computed_bodies_when_cut_or_longer_then_protocol_error),
        CASE(v2_resolution_fields),
        CASE(next_text_when_cut_then_false_and_failed),
        CASE(resolution_when_counts_lie_then_protocol_error),
        CASE(v5_digest_then_values),
        CASE(take_digest_when_flag_is_clear_then_whole_body),
        CASE(v15_error_fields),
        CASE(error_when_empty_or_with_indexes_then_read),
        CASE(referral_when_with_or_without_values_then_both_ways),
        CASE(v16_remove_fields),
        CASE(values_when_memory_is_out_then_told),
        CASE(site_when_length_leads_then_skipped),
        CASE(handle_when_empty_body_then_where_allowed),
        CASE(names_both_ways),
        CASE(retrieve_log_when_each_form_then_both_ways),
        CASE(dump_when_share_is_impossible_then_protocol_error),
        CASE(dump_when_started_in_the_middle_then_both_ways),
        CASE(stream_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
