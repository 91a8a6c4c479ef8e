/* SPDX-License-Identifier: Apache-2.0
 *
 * hot_path.c: an answer from memory is the answer of the full way, for every request that is
 * recognised, and it is told only while it is true.
 */
#include "tests/unit/resolver/exchange_fixture.h"

#include "resolver/hot_path.h"

#define SET_BYTES (1u << 20)
#define ROOM 4096

static const char *const name_a = "88.1000/a";

static int open_fixture(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    fixture_open(f);
    fixture_home(f, "88.1000", PREFIX_ACTIVE, CASE_INSENSITIVE);
    fixture_home(f, "88.2000", PREFIX_ACTIVE, CASE_SENSITIVE);
    struct value value = fixture_value(1, "URL", "https://example.com/1", 0x0e);
    fixture_put(f, bytes_of_text(name_a), &value, 1);
    fixture_put(f, BYTES_LITERAL("88.2000/a"), &value, 1);
    fixture_put(f, BYTES_LITERAL("0.NA/88.1000"), &value, 1);
    assert_int_equal(hot_path_new(SET_BYTES, f->registry, f->scope.metrics, &f->scope.hot),
                     STATUS_OK);
    assert_non_null(f->scope.hot);
    *state = f;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *f = *state;
    hot_path_free(f->scope.hot);
    fixture_close(f);
    free(f);
    return 0;
}

static struct bytes packet_of(struct fixture *f, const struct fixture_ask *ask, const char *name)
{
    static uint8_t room[ROOM];
    struct bytes body = fixture_resolution(room, sizeof(room), bytes_of_text(name), NULL, 0, NULL);
    return fixture_packet(f, ask, body);
}

/* The answer from memory, none when there is none. */
static struct bytes hot(struct fixture *f, struct bytes packet)
{
    static uint8_t room[ROOM];
    static const struct net_address nobody;
    struct hot_turn turn;
    struct hot_request request;
    hot_begin(&turn, &f->scope, EXCHANGE_UDP);
    hot_look(&turn, packet, &request);
    hot_find(&turn, &request, 1);
    size_t len = hot_answer(&turn, &request, &nobody, room);
    hot_end(&turn);
    return bytes_of(room, len);
}

static struct bytes hot_name(struct fixture *f, const char *name)
{
    struct fixture_ask ask = fixture_ask(OPCODE_RESOLUTION);
    return hot(f, packet_of(f, &ask, name));
}

static struct bytes full_name(struct fixture *f, const char *name)
{
    struct fixture_ask ask = fixture_ask(OPCODE_RESOLUTION);
    return fixture_run(f, EXCHANGE_UDP, packet_of(f, &ask, name));
}

static void put(struct fixture *f, const char *name, const char *data)
{
    struct value value = fixture_value(1, "URL", data, 0x0e);
    fixture_put(f, bytes_of_text(name), &value, 1);
}

static void answer_when_kept_equals_the_full_way_for_all_flags(void **state)
{
    struct fixture *f = *state;
    static const struct message_version versions[] = {{2, 0}, {2, 3}, {2, 11}, {3, 0}, {5, 1}};
    static const struct message_version suggested[] = {{0, 0}, {2, 1}, {2, 10}, {2, 11}, {7, 7}};
    static const uint32_t special = (uint32_t)MESSAGE_CERTIFIED | (uint32_t)MESSAGE_ENCRYPT |
                                    (uint32_t)MESSAGE_REQUEST_DIGEST |
                                    (uint32_t)MESSAGE_TRUSTED_QUERY;
    (void)full_name(f, name_a);
    for (uint32_t flags = 0; flags < 1u << 14; flags++) {
        struct fixture_ask ask = fixture_ask(OPCODE_RESOLUTION);
        ask.flags = flags >> 2 << 20 | (flags & 3);
        ask.version = versions[flags % 5];
        ask.suggested = suggested[flags / 5 % 5];
        ask.recursion_count = (uint8_t)flags;
        struct bytes packet = packet_of(f, &ask, name_a);
        struct bytes from_memory = hot(f, packet);
        assert_int_equal(from_memory.len > 0, (ask.flags & special) == 0);
        if (from_memory.len > 0) {
            struct bytes full = fixture_run(f, EXCHANGE_UDP, packet);
            assert_int_equal(from_memory.len, full.len);
            assert_memory_equal(from_memory.data, full.data, full.len);
        }
    }
}

static void answer_when_kept_spells_as_asked_and_follows_the_case_rule(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(hot_name(f, "88.1000/A").len, 0);
    (void)full_name(f, "88.1000/a");
    assert_int_equal(hot_name(f, "88.1000/A").len, 0); /* another spelling is another answer */
    struct bytes full = full_name(f, "88.1000/A");
    struct bytes from_memory = hot_name(f, "88.1000/A");
    assert_true(bytes_equal(from_memory, full));
    assert_true(hot_name(f, "88.1000/a").len > 0);
    (void)full_name(f, "88.2000/a");
    (void)full_name(f, "88.2000/A"); /* not found */
    assert_true(hot_name(f, "88.2000/a").len > 0);
    assert_int_equal(hot_name(f, "88.2000/A").len, 0);
}

static void answer_when_it_is_none_of_values_is_not_kept(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"88.1000/missing", "77.1/x", "88.1000", "0.SITE/status"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)full_name(f, names[i]);
        assert_int_equal(hot_name(f, names[i]).len, 0);
    }
    struct value sealed = fixture_value(2, "NOTE", "for administrators", 0x0c);
    fixture_put(f, BYTES_LITERAL("88.1000/sealed"), &sealed, 1);
    (void)full_name(f, "88.1000/sealed");
    assert_int_equal(hot_name(f, "88.1000/sealed").len, 0);
    (void)full_name(f, "0.NA/88.1000");
    assert_true(hot_name(f, "0.NA/88.1000").len > 0);
}

static void answer_when_its_record_changed_is_not_told(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 3; i++) {
        (void)full_name(f, name_a);
        assert_true(hot_name(f, name_a).len > 0);
        put(f, "88.1000/A", i % 2 == 0 ? "https://example.com/even" : "https://example.com/odd");
        assert_int_equal(hot_name(f, name_a).len, 0);
    }
    struct bytes full = full_name(f, name_a);
    assert_true(bytes_equal(hot_name(f, name_a), full));
    struct change_set *set = fixture_set();
    assert_int_equal(change_set_delete_record(set, bytes_of_text(name_a)), STATUS_OK);
    fixture_commit(f, set);
    assert_int_equal(hot_name(f, name_a).len, 0);
    put(f, name_a, "https://example.com/again");
    assert_int_equal(hot_name(f, name_a).len, 0);
    (void)full_name(f, name_a);
    assert_true(hot_name(f, name_a).len > 0);
}

static void answer_when_a_new_name_comes_stays(void **state)
{
    struct fixture *f = *state;
    (void)full_name(f, name_a);
    put(f, "88.1000/new", "https://example.com/new");
    put(f, "88.1000/newer", "https://example.com/newer");
    assert_true(hot_name(f, name_a).len > 0);
}

static void answer_when_its_prefix_stops_is_not_told(void **state)
{
    struct fixture *f = *state;
    (void)full_name(f, name_a);
    assert_true(hot_name(f, name_a).len > 0);
    fixture_home(f, "88.1000", PREFIX_STOPPED, CASE_INSENSITIVE);
    assert_int_equal(hot_name(f, name_a).len, 0);
    (void)full_name(f, name_a);
    assert_int_equal(hot_name(f, name_a).len, 0);
    fixture_home(f, "88.1000", PREFIX_ACTIVE, CASE_INSENSITIVE);
    assert_int_equal(hot_name(f, name_a).len, 0);
    (void)full_name(f, name_a);
    assert_true(hot_name(f, name_a).len > 0);
}

/* A worker that read before a commit keeps what it read after it. */
static void answer_when_filled_from_an_older_snapshot_is_not_told(void **state)
{
    struct fixture *f = *state;
    struct snapshot *old = NULL;
    assert_int_equal(snapshot_new(f->registry, &old), STATUS_OK);
    assert_int_equal(snapshot_refresh(old), STATUS_OK);
    put(f, name_a, "https://example.com/newer");
    f->scope.snapshot = old;
    (void)full_name(f, name_a);
    f->scope.snapshot = f->snapshot;
    assert_int_equal(hot_name(f, name_a).len, 0);
    (void)full_name(f, name_a);
    assert_true(hot_name(f, name_a).len > 0);
    f->scope.snapshot = old; /* nor what is newer than the turn */
    assert_int_equal(hot_name(f, name_a).len, 0);
    f->scope.snapshot = f->snapshot;
    snapshot_free(old);
}

static void answer_when_time_and_site_move_on_says_so(void **state)
{
    struct fixture *f = *state;
    (void)full_name(f, name_a);
    f->scope.now_ms += 100000;
    f->generation.site_serial++;
    f->generation.is_primary = false;
    struct bytes from_memory = hot_name(f, name_a);
    assert_true(from_memory.len > 0);
    assert_true(bytes_equal(from_memory, full_name(f, name_a)));
}

static void answer_when_told_counts_as_over_the_full_way(void **state)
{
    struct fixture *f = *state;
    static const enum metric same[] = {METRIC_requests,      METRIC_straight_answers,
                                       METRIC_request_bytes, METRIC_answer_bytes,
                                       METRIC_operations,    METRIC_answers};
    const unsigned labels[] = {EXCHANGE_UDP,
                               0,
                               EXCHANGE_UDP,
                               EXCHANGE_UDP,
                               metrics_opcode_label(OPCODE_RESOLUTION),
                               metrics_code_label(1)};
    int64_t before[6];
    int64_t full[6];
    for (size_t i = 0; i < 6; i++) {
        before[i] = metrics_sum(f->metrics, same[i], labels[i]);
    }
    (void)full_name(f, name_a);
    for (size_t i = 0; i < 6; i++) {
        full[i] = metrics_sum(f->metrics, same[i], labels[i]);
    }
    assert_true(hot_name(f, name_a).len > 0);
    for (size_t i = 0; i < 6; i++) {
        int64_t after = metrics_sum(f->metrics, same[i], labels[i]);
        assert_int_equal(after - full[i], full[i] - before[i]);
    }
    assert_int_equal(metrics_sum(f->metrics, METRIC_hot_hits, 0), 1);
    assert_int_equal(hot_name(f, "88.1000/missing").len, 0);
    assert_int_equal(metrics_sum(f->metrics, METRIC_hot_misses, 0), 1);
    assert_int_equal(metrics_sum(f->metrics, METRIC_hot_entries, 0), 1);
    assert_true(metrics_sum(f->metrics, METRIC_hot_bytes, 0) > 0);
    hot_path_free(f->scope.hot);
    f->scope.hot = NULL;
    assert_int_equal(metrics_sum(f->metrics, METRIC_hot_entries, 0), 0);
    assert_int_equal(metrics_sum(f->metrics, METRIC_hot_bytes, 0), 0);
}

static void path_when_switched_off_keeps_nothing(void **state)
{
    struct fixture *f = *state;
    hot_path_free(f->scope.hot);
    assert_int_equal(hot_path_new(0, f->registry, f->scope.metrics, &f->scope.hot), STATUS_OK);
    assert_null(f->scope.hot);
    assert_true(full_name(f, name_a).len > 0);
    assert_int_equal(hot_name(f, name_a).len, 0);
    assert_int_equal(metrics_sum(f->metrics, METRIC_hot_misses, 0), 0);
}

/* --- what is recognised ----------------------------------------------------------------------- */

static void request_when_longer_or_shorter_is_not_recognised(void **state)
{
    struct fixture *f = *state;
    struct fixture_ask ask = fixture_ask(OPCODE_RESOLUTION);
    struct plain_request plain;
    uint8_t copy[ROOM] = {0};
    struct bytes packet = packet_of(f, &ask, name_a);
    assert_true(plain_request_read(packet, &plain));
    assert_true(bytes_equal(plain.name, bytes_of_text(name_a)));
    for (size_t len = 0; len < packet.len; len++) {
        assert_false(plain_request_read(bytes_of(packet.data, len), &plain));
    }
    struct wire_writer w = wire_write(copy, sizeof(copy));
    wire_put_raw(&w, packet);
    assert_false(plain_request_read(bytes_of(copy, packet.len + 1), &plain));
}

/* Bytes an answer does not depend on, or copies. */
static bool is_free(size_t at)
{
    bool is_minor_version = at == 1 || at == 3;
    bool is_request_id_or_sequence = at >= 8 && at < 16;
    bool is_flag = at == 2 || (at >= 28 && at < 32);
    bool is_serial_to_expiration = at >= 32 && at < 40;
    bool is_name = at >= 48 && at < 48 + strlen(name_a);
    return is_minor_version || is_request_id_or_sequence || is_flag || is_serial_to_expiration ||
           is_name;
}

static void request_when_any_other_byte_differs_is_not_recognised(void **state)
{
    struct fixture *f = *state;
    struct fixture_ask ask = fixture_ask(OPCODE_RESOLUTION);
    struct plain_request plain;
    uint8_t copy[ROOM] = {0};
    struct bytes packet = packet_of(f, &ask, name_a);
    for (size_t at = 0; at < packet.len; at++) {
        struct wire_writer w = wire_write(copy, sizeof(copy));
        wire_put_raw(&w, packet);
        copy[at] ^= 0x80;
        if (!is_free(at) && plain_request_read(wire_wrote(&w), &plain)) {
            fail_msg("byte %zu", at);
        }
    }
}

static void request_when_of_another_kind_is_not_recognised(void **state)
{
    struct fixture *f = *state;
    struct plain_request plain;
    struct fixture_ask ask = fixture_ask(OPCODE_GET_SITE_INFO);
    assert_false(plain_request_read(packet_of(f, &ask, name_a), &plain));
    ask.opcode = OPCODE_RESOLUTION;
    ask.session_id = 1;
    assert_false(plain_request_read(packet_of(f, &ask, name_a), &plain));
    ask.session_id = 0;
    assert_false(plain_request_read(packet_of(f, &ask, ""), &plain));
    assert_true(plain_request_read(packet_of(f, &ask, "x"), &plain));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
    const struct CMUnitTest tests[] = {
        CASE(answer_when_kept_equals_the_full_way_for_all_flags),
        CASE(answer_when_kept_spells_as_asked_and_follows_the_case_rule),
        CASE(answer_when_it_is_none_of_values_is_not_kept),
        CASE(answer_when_its_record_changed_is_not_told),
        CASE(answer_when_a_new_name_comes_stays),
        CASE(answer_when_its_prefix_stops_is_not_told),
        CASE(answer_when_filled_from_an_older_snapshot_is_not_told),
        CASE(answer_when_time_and_site_move_on_says_so),
        CASE(answer_when_told_counts_as_over_the_full_way),
        CASE(path_when_switched_off_keeps_nothing),
        CASE(request_when_longer_or_shorter_is_not_recognised),
        CASE(request_when_any_other_byte_differs_is_not_recognised),
        CASE(request_when_of_another_kind_is_not_recognised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
