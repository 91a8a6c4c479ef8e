/* SPDX-License-Identifier: Apache-2.0
 *
 * op_resolve.c: which values leave, for whom, and that the straight copy is the same answer.
 */
#include "tests/unit/resolver/exchange_fixture.h"

#define ROOM 4096

static const char *const open_name = "88.1000/open";
static const char *const mixed_name = "88.1000/mixed";

static int open_fixture(void **state)
{
    static struct fixture fixture;
    struct fixture *f = &fixture;
    fixture_open(f);
    fixture_home(f, "88.1000", PREFIX_ACTIVE, CASE_INSENSITIVE);
    fixture_home(f, "88.2000", PREFIX_ACTIVE, CASE_SENSITIVE);
    fixture_home(f, "88.3000", PREFIX_STOPPED, CASE_INSENSITIVE);
    const struct value open_values[] = {
        fixture_value(3, "URL.HTTP", "https://example.com/", 0x0e),
        fixture_value(1, "URL", "https://example.com/1", 0x0f),
        fixture_value(2, "EMAIL", "a@example.com", 0x02),
    };
    fixture_put(f, bytes_of_text(open_name), open_values, 3);
    const struct value mixed_values[] = {
        fixture_value(1, "URL", "https://example.com/1", 0x0e),
        fixture_value(2, "NOTE", "administrators", 0x0c),
        fixture_value(3, "HS_SECKEY", "s3cret", 0x0e),
        fixture_value(4, "SEALED", "nobody", 0x00),
        fixture_value(5, "HS_SECKEY.SM4", "s3cret", 0x0e),
    };
    fixture_put(f, bytes_of_text(mixed_name), mixed_values, 5);
    fixture_put(f, BYTES_LITERAL("0.NA/88.1000"), open_values, 3);
    fixture_put(f, BYTES_LITERAL("88.2000/Exact"), open_values, 3);
    *state = f;
    return 0;
}

static int close_fixture(void **state)
{
    fixture_close(*state);
    return 0;
}

struct wanted {
    const char *name;
    uint32_t indexes[3];
    size_t index_count;
    const char *types[3];
    uint32_t flags;
};

static struct message resolve(struct fixture *f, const struct wanted *wanted)
{
    uint8_t room[ROOM];
    struct fixture_ask ask = fixture_ask(OPCODE_RESOLUTION);
    ask.flags = wanted->flags;
    struct bytes body = fixture_resolution(room, sizeof(room), bytes_of_text(wanted->name),
                                           wanted->indexes, wanted->index_count, wanted->types);
    return fixture_answer(f, EXCHANGE_UDP, &ask, body);
}

/* The indexes of a success answer's values as digits, "" when there is none. */
static const char *indexes_of(struct fixture *f, const struct message *answer, char out[16])
{
    struct body_values body;
    size_t len = 0;
    if (answer->header.response_code == 1) {
        assert_int_equal(body_values_decode(answer->body, f->arena, &body), STATUS_OK);
        assert_in_range(body.count, 1, 15);
        for (size_t i = 0; i < body.count; i++) {
            out[len++] = (char)('0' + body.values[i].index);
        }
    }
    out[len] = '\0';
    return out;
}

static void assert_resolves(struct fixture *f, const struct wanted *wanted, uint32_t code,
                            const char *indexes)
{
    char shown[16];
    struct message answer = resolve(f, wanted);
    if (answer.header.response_code != code) {
        fail_msg("%s: %u instead of %u", wanted->name, answer.header.response_code, code);
    }
    assert_string_equal(indexes_of(f, &answer, shown), indexes);
}

static void filters_when_given_select_their_union(void **state)
{
    static const struct {
        struct wanted wanted;
        uint32_t code;
        const char *indexes;
    } cases[] = {
        {{.name = "88.1000/open"}, 1, "123"},
        {{.name = "88.1000/open", .indexes = {2}, .index_count = 1}, 1, "2"},
        {{.name = "88.1000/open", .indexes = {3, 1, 9}, .index_count = 3}, 1, "13"},
        {{.name = "88.1000/open", .indexes = {9}, .index_count = 1}, 200, ""},
        {{.name = "88.1000/open", .types = {"URL"}}, 1, "1"},
        {{.name = "88.1000/open", .types = {"url."}}, 1, "13"},
        {{.name = "88.1000/open", .types = {"Url.Http"}}, 1, "3"},
        {{.name = "88.1000/open", .types = {"UR."}}, 200, ""},
        {{.name = "88.1000/open", .types = {"EMAIL", "URL"}}, 1, "12"},
        {{.name = "88.1000/open", .indexes = {3}, .index_count = 1, .types = {"EMAIL"}}, 1, "23"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_resolves(*state, &cases[i].wanted, cases[i].code, cases[i].indexes);
    }
}

static void permissions_when_public_only_show_public_values(void **state)
{
    static const struct {
        struct wanted wanted;
        uint32_t code;
        const char *indexes;
    } cases[] = {
        {{.name = "88.1000/mixed", .flags = MESSAGE_PUBLIC_ONLY}, 1, "1"},
        {{.name = "88.1000/mixed",
          .indexes = {1, 2},
          .index_count = 2,
          .flags = MESSAGE_PUBLIC_ONLY},
         1,
         "1"},
        {{.name = "88.1000/mixed", .indexes = {2}, .index_count = 1, .flags = MESSAGE_PUBLIC_ONLY},
         200,
         ""},
        {{.name = "88.1000/mixed", .types = {"HS_SECKEY."}, .flags = MESSAGE_PUBLIC_ONLY}, 200, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_resolves(*state, &cases[i].wanted, cases[i].code, cases[i].indexes);
    }
}

static void permissions_when_not_public_only_cover_every_selected_value(void **state)
{
    static const struct {
        struct wanted wanted;
        uint32_t code;
        const char *indexes;
    } cases[] = {
        {{.name = "88.1000/open"}, 1, "123"},
        {{.name = "88.1000/mixed"}, 401, ""}, /* index 4 is for nobody, however late it comes */
        {{.name = "88.1000/mixed", .indexes = {1}, .index_count = 1}, 1, "1"},
        {{.name = "88.1000/mixed", .indexes = {1, 2}, .index_count = 2}, 402, ""},
        {{.name = "88.1000/mixed", .indexes = {3}, .index_count = 1}, 402, ""},
        {{.name = "88.1000/mixed", .indexes = {5}, .index_count = 1}, 402, ""},
        {{.name = "88.1000/mixed", .indexes = {2, 4}, .index_count = 2}, 401, ""},
        {{.name = "88.1000/mixed", .indexes = {9}, .index_count = 1}, 200, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_resolves(*state, &cases[i].wanted, cases[i].code, cases[i].indexes);
    }
}

static void challenge_when_sent_is_bound_to_the_request_and_fresh(void **state)
{
    struct fixture *f = *state;
    uint8_t room[ROOM];
    const uint32_t index = 2;
    struct fixture_ask ask = fixture_ask(OPCODE_RESOLUTION);
    ask.flags = MESSAGE_RECURSIVE;
    struct bytes body =
        fixture_resolution(room, sizeof(room), bytes_of_text(mixed_name), &index, 1, NULL);
    struct message first = fixture_answer(f, EXCHANGE_UDP, &ask, body);
    uint32_t first_id = first.envelope.session_id;
    uint8_t first_nonce[16];
    assert_int_not_equal(first.header.flags & MESSAGE_REQUEST_DIGEST, 0);
    memcpy(first_nonce, first.body.data + first.body.len - 16, 16);
    fixture_assert_challenge(&first, fixture_packet(f, &ask, body));
    struct message second = fixture_answer(f, EXCHANGE_UDP, &ask, body);
    assert_int_not_equal(second.envelope.session_id, first_id);
    assert_memory_not_equal(second.body.data + second.body.len - 16, first_nonce, 16);
}

static void national_sdk_when_not_public_only_gets_public_values(void **state)
{
    struct fixture *f = *state;
    uint8_t room[ROOM];
    char shown[16];
    struct fixture_ask ask = fixture_ask(OPCODE_RESOLUTION);
    ask.version = (struct message_version){2, 3};
    ask.suggested = (struct message_version){2, 10};
    ask.flags = 0;
    struct bytes body =
        fixture_resolution(room, sizeof(room), bytes_of_text(mixed_name), NULL, 0, NULL);
    struct message answer = fixture_answer(f, EXCHANGE_TCP, &ask, body);
    assert_string_equal(indexes_of(f, &answer, shown), "1");
    answer = fixture_answer(f, EXCHANGE_UDP, &ask, body); /* it never speaks UDP */
    assert_int_equal(answer.header.response_code, 401);
}

static void names_when_asked_find_their_record_or_the_reason(void **state)
{
    static char long_name[HANDLE_MAX + 2];
    (void)snprintf(long_name, sizeof(long_name), "88.1000/%0*d", HANDLE_MAX - 7, 1);
    const struct {
        struct wanted wanted;
        uint32_t code;
        const char *indexes;
    } cases[] = {
        {{.name = "88.1000/OPEN"}, 1, "123"},
        {{.name = "88.1000"}, 1, "123"},
        {{.name = "0.na/88.1000"}, 1, "123"},
        {{.name = "88.2000/Exact"}, 1, "123"},
        {{.name = "88.2000/exact"}, 100, ""},
        {{.name = "88.1000/missing"}, 100, ""},
        {{.name = "88.1000/\xff\xfe"}, 100, ""},
        {{.name = "0.NA/88.1000.5"}, 100, ""},
        {{.name = "88.1000.5/x"}, 301, ""},
        {{.name = "88.3000/x"}, 301, ""},
        {{.name = "77.9999/x"}, 301, ""},
        {{.name = "0"}, 100, ""},
        {{.name = ""}, 102, ""},
        {{.name = long_name}, 102, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_resolves(*state, &cases[i].wanted, cases[i].code, cases[i].indexes);
    }
}

static void name_when_answered_is_spelled_as_asked(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"88.1000/oPeN", "88.1000", "0.nA/88.1000"};
    for (size_t i = 0; i < 3; i++) {
        struct message answer = resolve(f, &(struct wanted){.name = names[i]});
        struct body_values body;
        assert_int_equal(body_values_decode(answer.body, f->arena, &body), STATUS_OK);
        assert_true(bytes_equal(body.handle, bytes_of_text(names[i])));
    }
}

static void refusal_when_sent_has_the_captured_text(void **state)
{
    struct message answer = resolve(*state, &(struct wanted){.name = "77.9999/x"});
    assert_true(bytes_equal(fixture_text(&answer), BYTES_LITERAL("That prefix doesn't live here")));
    answer = resolve(*state, &(struct wanted){.name = "88.1000/missing"});
    assert_int_equal(fixture_text(&answer).len, 0);
    assert_int_equal(answer.body.len, 4);
}

static void server_status_when_asked_is_nothing_public(void **state)
{
    struct wanted wanted = {.name = "0.site/STATUS", .flags = MESSAGE_PUBLIC_ONLY};
    assert_resolves(*state, &wanted, 200, "");
    wanted.flags = 0;
    assert_resolves(*state, &wanted, 402, "");
}

static void body_when_it_lies_is_malformed(void **state)
{
    struct fixture *f = *state;
    uint8_t room[ROOM];
    struct fixture_ask ask = fixture_ask(OPCODE_RESOLUTION);
    struct bytes body =
        fixture_resolution(room, sizeof(room), bytes_of_text(open_name), NULL, 0, NULL);
    for (size_t len = 0; len < body.len; len++) {
        struct message answer = fixture_answer(f, EXCHANGE_UDP, &ask, bytes_of(room, len));
        assert_int_equal(answer.header.response_code, 4);
        assert_int_equal(answer.envelope.version.minor, 11);
    }
    room[body.len] = 0; /* something behind the lists */
    struct message answer = fixture_answer(f, EXCHANGE_UDP, &ask, bytes_of(room, body.len + 1));
    assert_int_equal(answer.header.response_code, 4);
}

static void filters_when_longer_than_any_record_are_refused(void **state)
{
    struct fixture *f = *state;
    static uint32_t indexes[VALUE_COUNT_MAX + 1];
    static uint8_t room[sizeof(indexes) + 64];
    struct fixture_ask ask = fixture_ask(OPCODE_RESOLUTION);
    for (size_t extra = 0; extra < 2; extra++) {
        struct bytes body = fixture_resolution(room, sizeof(room), bytes_of_text(open_name),
                                               indexes, VALUE_COUNT_MAX + extra, NULL);
        struct message answer = fixture_answer(f, EXCHANGE_TCP, &ask, body);
        assert_int_equal(answer.header.response_code, extra == 0 ? 200 : 4);
    }
}

/* --- the straight copy ---------------------------------------------------------------------- */

static const uint32_t all_flags[] = {
    0x80000000u, 0x40000000u, 0x20000000u, 0x10000000u, 0x08000000u, 0x04000000u, 0x02000000u,
    0x01000000u, 0x00800000u, 0x00400000u, 0x00200000u, 0x00100000u, 0x00000002u, 0x00000001u,
};
#define FLAG_COUNT (sizeof(all_flags) / sizeof(all_flags[0]))

/* The digest right? Then it is overwritten, so that answers to two requests compare. */
static void take_digest(struct fixture *f, struct bytes reply, const struct fixture_ask *ask,
                        struct bytes body)
{
    struct message answer;
    struct message request;
    struct digest given;
    struct digest expected;
    struct bytes rest;
    bool has_digest;
    assert_int_equal(message_decode(reply, &answer), STATUS_OK);
    assert_int_equal(answer.header.response_code, 1);
    assert_int_equal(body_take_digest(&answer, &rest, &given, &has_digest), STATUS_OK);
    if (!has_digest) {
        return;
    }
    assert_int_equal(message_decode(fixture_packet(f, ask, body), &request), STATUS_OK);
    assert_int_equal(digest_compute(given.algorithm, request.digested, &expected), STATUS_OK);
    assert_memory_equal(given.data, expected.data, expected.len);
    size_t at = MESSAGE_ENVELOPE_LEN + MESSAGE_HEADER_LEN + 1;
    memset(f->reply + at, 0, expected.len);
}

static void straight_copy_when_compared_equals_the_walked_answer(void **state)
{
    struct fixture *f = *state;
    static const uint8_t minors[] = {0, 3, 11};
    static const char *const every_type[] = {"URL.", "EMAIL", NULL};
    uint8_t whole_room[ROOM];
    uint8_t walked_room[ROOM];
    uint8_t straight[ROOM];
    struct bytes name = bytes_of_text(open_name);
    struct bytes whole = fixture_resolution(whole_room, ROOM, name, NULL, 0, NULL);
    struct bytes walked = fixture_resolution(walked_room, ROOM, name, NULL, 0, every_type);
    for (uint32_t combination = 0; combination < 3u << FLAG_COUNT; combination++) {
        struct fixture_ask ask = fixture_ask(OPCODE_RESOLUTION);
        ask.flags = 0;
        for (size_t i = 0; i < FLAG_COUNT; i++) {
            ask.flags |= (combination >> i & 1) != 0 ? all_flags[i] : 0;
        }
        ask.suggested.minor = ask.version.minor = minors[combination >> FLAG_COUNT];
        int64_t before = metrics_sum(f->metrics, METRIC_straight_answers, 0);
        struct bytes reply = fixture_run(f, EXCHANGE_UDP, fixture_packet(f, &ask, whole));
        int64_t between = metrics_sum(f->metrics, METRIC_straight_answers, 0);
        assert_int_equal(between - before, (ask.flags & MESSAGE_CERTIFIED) == 0);
        take_digest(f, reply, &ask, whole);
        assert_in_range(reply.len, 1, ROOM);
        memcpy(straight, reply.data, reply.len);
        size_t straight_len = reply.len;

        reply = fixture_run(f, EXCHANGE_UDP, fixture_packet(f, &ask, walked));
        assert_int_equal(metrics_sum(f->metrics, METRIC_straight_answers, 0), between);
        take_digest(f, reply, &ask, walked);
        assert_int_equal(reply.len, straight_len);
        assert_memory_equal(reply.data, straight, straight_len);
    }
}

static void straight_copy_when_a_value_is_not_public_is_not_taken(void **state)
{
    struct fixture *f = *state;
    int64_t before = metrics_sum(f->metrics, METRIC_straight_answers, 0);
    (void)resolve(f, &(struct wanted){.name = mixed_name, .flags = MESSAGE_PUBLIC_ONLY});
    assert_int_equal(metrics_sum(f->metrics, METRIC_straight_answers, 0), before);
}

/* Flips a bit of `text` wherever the store's file has it. */
static void damage(const struct fixture *f, const char *text)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/data.mdb", f->directory);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    static uint8_t content[4u << 20];
    size_t len = fread(content, 1, sizeof(content), file);
    size_t text_len = strlen(text);
    unsigned found = 0;
    for (size_t at = 0; at + text_len <= len; at++) {
        if (memcmp(content + at, text, text_len) == 0) {
            assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
            assert_int_equal(fputc(content[at] ^ 0x20, file), content[at] ^ 0x20);
            found++;
        }
    }
    assert_int_equal(fclose(file), 0);
    assert_true(found > 0);
}

static void record_when_damaged_is_an_error_and_counted(void **state)
{
    struct fixture *f = *state;
    struct value value = fixture_value(1, "URL", "damaged-on-disk", 0x0e);
    fixture_put(f, BYTES_LITERAL("88.1000/damaged"), &value, 1);
    assert_resolves(f, &(struct wanted){.name = "88.1000/damaged"}, 1, "1");
    int64_t before = metrics_sum(f->metrics, METRIC_stored_damage, 0);
    damage(f, "damaged-on-disk");
    assert_resolves(f, &(struct wanted){.name = "88.1000/damaged"}, 2, "");
    assert_int_equal(metrics_sum(f->metrics, METRIC_stored_damage, 0), before + 1);
    assert_resolves(f, &(struct wanted){.name = open_name}, 1, "123");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_when_given_select_their_union),
        cmocka_unit_test(permissions_when_public_only_show_public_values),
        cmocka_unit_test(permissions_when_not_public_only_cover_every_selected_value),
        cmocka_unit_test(challenge_when_sent_is_bound_to_the_request_and_fresh),
        cmocka_unit_test(national_sdk_when_not_public_only_gets_public_values),
        cmocka_unit_test(names_when_asked_find_their_record_or_the_reason),
        cmocka_unit_test(name_when_answered_is_spelled_as_asked),
        cmocka_unit_test(refusal_when_sent_has_the_captured_text),
        cmocka_unit_test(server_status_when_asked_is_nothing_public),
        cmocka_unit_test(body_when_it_lies_is_malformed),
        cmocka_unit_test(filters_when_longer_than_any_record_are_refused),
        cmocka_unit_test(straight_copy_when_compared_equals_the_walked_answer),
        cmocka_unit_test(straight_copy_when_a_value_is_not_public_is_not_taken),
        cmocka_unit_test(record_when_damaged_is_an_error_and_counted),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
