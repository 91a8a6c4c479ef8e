/* SPDX-License-Identifier: Apache-2.0
 *
 * What the cache finds, for how long, and what it does not take (resolver/cache.h).
 */
#include "tests/unit/resolver/cache_fixture.h"

/* --- time ---------------------------------------------------------------------------------------
 */

static void answer_when_put_then_found_as_it_was(void **state)
{
    struct cache_fixture *f = *state;
    struct asked asked;
    struct cache_entry entry;
    struct value values[] = {value_of(1, "URL", "https://x.example/", 3600),
                             value_of(2, "EMAIL", "a@x.example", 7200)};
    struct value_list list;
    encode(&list, values, 2);
    const struct cache_question *question = ask(&asked, "20.500/Part-1");
    assert_int_equal(get(f, question, &entry), CACHE_NONE);
    assert_int_equal(put_values(f, question, values, 2), STATUS_OK);
    assert_int_equal(get(f, question, &entry), CACHE_FRESH);
    assert_true(bytes_equal(entry.values, list.encoded));
    assert_true(bytes_equal(entry.handle, BYTES_LITERAL("20.500/Part-1")));
    assert_int_equal(entry.code, 1);
    assert_true(entry.is_whole);
    assert_int_equal(entry.expires_ms, NOON + 3600 * SECOND); /* the earliest of its values */
}

static void answer_when_old_then_leaves_with_what_is_left(void **state)
{
    struct cache_fixture *f = *state;
    struct asked asked;
    struct cache_entry entry;
    const struct cache_question *question = ask(&asked, "20.500/1");
    assert_int_equal(put_url(f, question, "x", 100), STATUS_OK);
    f->now_ms = NOON + 40 * SECOND + 999;
    assert_int_equal(get(f, question, &entry), CACHE_FRESH);
    assert_int_equal(leaving_ttl(f, &entry), 60);
    f->now_ms = NOON + 100 * SECOND - 1;
    assert_int_equal(get(f, question, &entry), CACHE_FRESH);
    assert_int_equal(leaving_ttl(f, &entry), 1);
}

static void answer_when_over_its_time_then_stale_for_a_week(void **state)
{
    struct cache_fixture *f = *state;
    struct asked asked;
    struct cache_entry entry;
    const struct cache_question *question = ask(&asked, "20.500/1");
    assert_int_equal(put_url(f, question, "x", 100), STATUS_OK);
    f->now_ms = NOON + 100 * SECOND;
    assert_int_equal(get(f, question, &entry), CACHE_STALE);
    assert_int_equal(leaving_ttl(f, &entry), 30);
    f->now_ms += 7 * DAY - 1;
    assert_int_equal(get(f, question, &entry), CACHE_STALE);
    f->now_ms += 1;
    assert_int_equal(get(f, question, &entry), CACHE_NONE);
}

static void answer_when_swept_then_room_is_given_back(void **state)
{
    struct cache_fixture *f = *state;
    struct asked asked;
    struct cache_figures figures;
    assert_int_equal(put_url(f, ask(&asked, "20.500/1"), "x", 100), STATUS_OK);
    assert_int_equal(put_url(f, ask(&asked, "20.500/2"), "x", 3600), STATUS_OK);
    cache_tick(f->cache, NOON + 100 * SECOND + 7 * DAY);
    cache_settle(f->cache);
    assert_int_equal(cache_figures(f->cache, &figures), STATUS_OK);
    assert_int_equal(figures.entries, 1);
}

static void ttl_when_over_the_cap_then_kept_for_the_cap(void **state)
{
    struct cache_fixture *f = *state;
    struct asked asked;
    struct cache_entry entry;
    const struct cache_question *question = ask(&asked, "20.500/1");
    assert_int_equal(put_url(f, question, "x", 172800), STATUS_OK);
    f->now_ms = NOON + DAY - 1;
    assert_int_equal(get(f, question, &entry), CACHE_FRESH);
    assert_int_equal(leaving_ttl(f, &entry), 172800 - 86399);
    f->now_ms = NOON + DAY;
    assert_int_equal(get(f, question, &entry), CACHE_STALE);
}

static void ttl_when_absolute_then_kept_until_then_and_unchanged(void **state)
{
    struct cache_fixture *f = *state;
    struct asked asked;
    struct cache_entry entry;
    const struct cache_question *question = ask(&asked, "20.500/1");
    struct value value = value_of(1, "URL", "x", (uint32_t)(NOON / SECOND) + 50);
    value.ttl_type = VALUE_TTL_ABSOLUTE;
    assert_int_equal(put_values(f, question, &value, 1), STATUS_OK);
    f->now_ms = NOON + 49 * SECOND;
    assert_int_equal(get(f, question, &entry), CACHE_FRESH);
    assert_int_equal(leaving_ttl(f, &entry), value.ttl);
    f->now_ms = NOON + 50 * SECOND;
    assert_int_equal(get(f, question, &entry), CACHE_STALE);
    assert_int_equal(leaving_ttl(f, &entry), value.ttl);
}

static void ttl_when_absolute_and_far_away_then_capped(void **state)
{
    struct cache_fixture *f = *state;
    struct asked asked;
    struct cache_entry entry;
    struct value value = value_of(1, "URL", "x", UINT32_MAX);
    value.ttl_type = VALUE_TTL_ABSOLUTE;
    assert_int_equal(put_values(f, ask(&asked, "20.500/1"), &value, 1), STATUS_OK);
    assert_int_equal(get(f, &asked.question, &entry), CACHE_FRESH);
    assert_int_equal(entry.expires_ms, NOON + DAY);
}

static void ttl_when_nothing_is_left_then_not_kept(void **state)
{
    struct cache_fixture *f = *state;
    struct asked asked;
    const struct cache_question *question = ask(&asked, "20.500/1");
    struct value values[] = {value_of(1, "URL", "x", 3600), value_of(2, "URL", "y", 3600)};
    static const struct {
        uint8_t type;
        uint32_t ttl;
    } over[] = {
        {VALUE_TTL_RELATIVE, 0},
        {VALUE_TTL_RELATIVE, UINT32_C(0x80000000)},
        {VALUE_TTL_ABSOLUTE, 0},
        {VALUE_TTL_ABSOLUTE, (uint32_t)(NOON / SECOND)},
        {2, 3600},
        {255, 3600},
    };
    for (size_t i = 0; i < sizeof(over) / sizeof(over[0]); i++) {
        values[1].ttl_type = over[i].type;
        values[1].ttl = over[i].ttl;
        assert_int_equal(put_values(f, question, values, 2), STATUS_NOT_SUPPORTED);
    }
}

static void clock_when_set_back_a_little_then_entries_of_later_are_over(void **state)
{
    struct cache_fixture *f = *state;
    struct asked asked;
    struct cache_entry entry;
    const struct cache_question *question = ask(&asked, "20.500/1");
    assert_int_equal(put_url(f, question, "x", 100), STATUS_OK);
    f->now_ms = NOON - 1;
    assert_int_equal(get(f, question, &entry), CACHE_NONE);
    f->now_ms = NOON;
    assert_int_equal(get(f, question, &entry), CACHE_FRESH);
}

static void clock_when_set_back_far_then_everything_goes(void **state)
{
    struct cache_fixture *f = *state;
    struct asked asked;
    struct cache_entry entry;
    const struct cache_question *question = ask(&asked, "20.500/1");
    f->now_ms = NOON + DAY;
    cache_tick(f->cache, f->now_ms);
    assert_int_equal(put_url(f, question, "x", 100), STATUS_OK);
    assert_int_equal(get(f, question, &entry), CACHE_FRESH);
    cache_tick(f->cache, NOON);
    cache_settle(f->cache);
    assert_int_equal(get(f, question, &entry), CACHE_NONE);
    f->now_ms = NOON;
    assert_int_equal(put_url(f, question, "x", 100), STATUS_OK);
    cache_tick(f->cache, NOON + 10 * SECOND);
    cache_settle(f->cache);
    assert_int_equal(get(f, question, &entry), CACHE_FRESH);
}

static void limits_when_changed_then_hold_for_what_comes(void **state)
{
    struct cache_fixture *f = *state;
    struct asked asked;
    struct cache_entry entry;
    const struct cache_limits limits = {50 * SECOND, 0, 0};
    cache_limit(f->cache, &limits);
    const struct cache_question *question = ask(&asked, "20.500/1");
    assert_int_equal(put_url(f, question, "x", 100), STATUS_OK);
    assert_int_equal(get(f, question, &entry), CACHE_FRESH);
    assert_int_equal(entry.expires_ms, NOON + 50 * SECOND);
    assert_int_equal(entry.kept_until_ms, NOON + 50 * SECOND);
    assert_int_equal(put_code(f, ask(&asked, "20.500/2"), 100), STATUS_NOT_SUPPORTED);
}

/* --- names and questions ------------------------------------------------------------------------
 */

static void name_when_spelled_otherwise_then_by_the_case_rule(void **state)
{
    struct cache_fixture *f = *state;
    struct asked asked;
    struct cache_entry entry;
    assert_int_equal(put_url(f, ask(&asked, "20.ab/Part"), "x", 100), STATUS_OK);
    assert_int_equal(get(f, ask(&asked, "20.AB/Part"), &entry), CACHE_FRESH);
    assert_true(bytes_equal(entry.handle, BYTES_LITERAL("20.ab/Part")));
    assert_int_equal(get(f, ask(&asked, "20.AB/PART"), &entry), CACHE_NONE);
    assert_int_equal(put_url(f, ask(&asked, "0.NA/20.ab"), "x", 100), STATUS_OK);
    assert_int_equal(get(f, ask(&asked, "0.na/20.AB"), &entry), CACHE_FRESH);
}

static void name_when_very_long_then_found_and_told_apart(void **state)
{
    struct cache_fixture *f = *state;
    static char first[2000];
    static char second[2000];
    struct asked asked;
    struct cache_entry entry;
    (void)memset(first, 'a', sizeof(first) - 1);
    first[3] = '/';
    (void)memcpy(second, first, sizeof(second));
    second[1998] = 'b';
    assert_int_equal(put_url(f, ask(&asked, first), "1", 100), STATUS_OK);
    assert_int_equal(get(f, ask(&asked, second), &entry), CACHE_NONE);
    assert_int_equal(put_url(f, ask(&asked, second), "22", 100), STATUS_OK);
    assert_int_equal(get(f, ask(&asked, first), &entry), CACHE_FRESH);
    assert_int_equal(entry.values.len, 4 + VALUE_SMALLEST + 3 + 1);
    assert_int_equal(get(f, ask(&asked, second), &entry), CACHE_FRESH);
    assert_int_equal(entry.values.len, 4 + VALUE_SMALLEST + 3 + 2);
}

static void question_when_filtered_then_the_whole_record_will_do(void **state)
{
    struct cache_fixture *f = *state;
    struct asked asked;
    struct cache_entry entry;
    assert_int_equal(put_url(f, ask(&asked, "20.500/1"), "x", 100), STATUS_OK);
    assert_int_equal(get(f, ask_type(&asked, "20.500/1", "URL"), &entry), CACHE_FRESH);
    assert_true(entry.is_whole);
}

static void part_when_kept_then_answers_that_question_alone(void **state)
{
    struct cache_fixture *f = *state;
    struct asked asked;
    struct cache_entry entry;
    assert_int_equal(put_url(f, ask_type(&asked, "20.500/1", "URL"), "x", 100), STATUS_OK);
    assert_int_equal(get(f, &asked.question, &entry), CACHE_FRESH);
    assert_false(entry.is_whole);
    assert_int_equal(get(f, ask_type(&asked, "20.500/1", "EMAIL"), &entry), CACHE_NONE);
    assert_int_equal(get(f, ask(&asked, "20.500/1"), &entry), CACHE_NONE);
}

static void part_when_the_whole_is_stale_then_the_newer_one_is_told(void **state)
{
    struct cache_fixture *f = *state;
    struct asked whole;
    struct asked part;
    struct cache_entry entry;
    assert_int_equal(put_url(f, ask(&whole, "20.500/1"), "x", 100), STATUS_OK);
    f->now_ms = NOON + 200 * SECOND;
    assert_int_equal(put_url(f, ask_type(&part, "20.500/1", "URL"), "y", 100), STATUS_OK);
    assert_int_equal(get(f, &part.question, &entry), CACHE_FRESH);
    assert_false(entry.is_whole);
    f->now_ms = NOON + 400 * SECOND;
    assert_int_equal(get(f, &part.question, &entry), CACHE_STALE);
    assert_false(entry.is_whole);
    assert_int_equal(get(f, &whole.question, &entry), CACHE_STALE);
    assert_true(entry.is_whole);
}

static void sites_when_kept_then_apart_from_answers(void **state)
{
    struct cache_fixture *f = *state;
    struct asked asked;
    struct cache_entry entry;
    struct cache_question *question = ask(&asked, "0.NA/20.500");
    question->kind = CACHE_SITES;
    assert_int_equal(put_url(f, question, "x", 100), STATUS_OK);
    assert_int_equal(get(f, question, &entry), CACHE_FRESH);
    question->kind = CACHE_ANSWERS;
    assert_int_equal(get(f, question, &entry), CACHE_NONE);
}

/* --- answers that say no ------------------------------------------------------------------------
 */

static void no_such_handle_when_kept_then_answers_every_question_for_a_minute(void **state)
{
    struct cache_fixture *f = *state;
    struct asked asked;
    struct cache_entry entry;
    assert_int_equal(put_code(f, ask_type(&asked, "20.500/1", "URL"), 100), STATUS_OK);
    assert_int_equal(get(f, ask(&asked, "20.500/1"), &entry), CACHE_FRESH);
    assert_int_equal(entry.code, 100);
    assert_int_equal(get(f, ask_type(&asked, "20.500/1", "EMAIL"), &entry), CACHE_FRESH);
    f->now_ms = NOON + 60 * SECOND - 1;
    assert_int_equal(get(f, &asked.question, &entry), CACHE_FRESH);
    f->now_ms = NOON + 60 * SECOND; /* never stale */
    assert_int_equal(get(f, &asked.question, &entry), CACHE_NONE);
}

static void no_such_values_when_kept_then_answers_that_question_alone(void **state)
{
    struct cache_fixture *f = *state;
    struct asked asked;
    struct cache_entry entry;
    assert_int_equal(put_code(f, ask_type(&asked, "20.500/1", "URL"), 200), STATUS_OK);
    assert_int_equal(get(f, &asked.question, &entry), CACHE_FRESH);
    assert_int_equal(entry.code, 200);
    assert_int_equal(get(f, ask_type(&asked, "20.500/1", "EMAIL"), &entry), CACHE_NONE);
}

static void answer_when_newer_then_takes_the_place_of_the_old(void **state)
{
    struct cache_fixture *f = *state;
    struct asked asked;
    struct cache_entry entry;
    struct cache_figures figures;
    const struct cache_question *question = ask(&asked, "20.500/1");
    assert_int_equal(put_code(f, question, 100), STATUS_OK);
    assert_int_equal(put_url(f, question, "x", 100), STATUS_OK);
    assert_int_equal(get(f, question, &entry), CACHE_FRESH);
    assert_int_equal(entry.code, 1);
    assert_int_equal(cache_figures(f->cache, &figures), STATUS_OK);
    assert_int_equal(figures.entries, 1);
}

/* --- what is not taken --------------------------------------------------------------------------
 */

static void answer_when_not_fit_then_not_taken(void **state)
{
    struct cache_fixture *f = *state;
    struct asked asked;
    const struct cache_question *question = ask(&asked, "20.500/1");
    struct value value = value_of(1, "URL", "x", 100);
    struct value_list list;
    value.permissions = VALUE_ADMIN_READ | VALUE_ADMIN_WRITE;
    assert_int_equal(put_values(f, question, &value, 1), STATUS_NOT_SUPPORTED);
    value = value_of(1, "HS_SECKEY", "x", 100);
    assert_int_equal(put_values(f, question, &value, 1), STATUS_NOT_SUPPORTED);
    assert_int_equal(put_values(f, question, &value, 0), STATUS_NOT_SUPPORTED);
    assert_int_equal(put_code(f, question, 2), STATUS_NOT_SUPPORTED);
    assert_int_equal(put_code(f, question, 301), STATUS_NOT_SUPPORTED);
    value = value_of(1, "URL", "x", 100);
    encode(&list, &value, 1);
    struct cache_answer cut = {1, 0, BYTES_NONE, bytes_of(list.bytes, list.encoded.len - 1), NOON};
    assert_int_equal(cache_put(f->reader, question, &cut), STATUS_NOT_SUPPORTED);
    struct cache_answer more = {1, 0, BYTES_NONE, bytes_of(list.bytes, list.encoded.len + 1), NOON};
    assert_int_equal(cache_put(f->reader, question, &more), STATUS_NOT_SUPPORTED);
    static char large[66000];
    (void)memset(large, 'x', sizeof(large) - 1);
    assert_int_equal(put_url(f, question, large, 100), STATUS_NOT_SUPPORTED);
}

static void queue_when_full_then_dropped_and_counted(void **state)
{
    struct cache_fixture *f = *state;
    struct asked asked;
    struct cache_figures figures;
    static char large[60000];
    struct value_list list;
    size_t refused = 0;
    (void)memset(large, 'x', sizeof(large) - 1);
    struct value value = value_of(1, "URL", large, 100);
    encode(&list, &value, 1);
    struct cache_answer answer = {1, 0, BYTES_NONE, list.encoded, NOON};
    const struct cache_question *question = ask(&asked, "20.500/1");
    for (size_t i = 0; i < 20000 && refused == 0; i++) {
        enum status status = cache_put(f->reader, question, &answer);
        assert_true(status == STATUS_OK || status == STATUS_SERVER_BUSY);
        refused += status == STATUS_SERVER_BUSY;
    }
    assert_int_equal(refused, 1);
    cache_settle(f->cache);
    assert_int_equal(cache_figures(f->cache, &figures), STATUS_OK);
    assert_int_equal(figures.dropped, 1);
    assert_int_equal(cache_put(f->reader, question, &answer), STATUS_OK);
}

/* --- verified -----------------------------------------------------------------------------------
 */

static enum status put_flags(struct cache_fixture *f, const struct cache_question *question,
                             uint32_t flags)
{
    struct value_list list;
    struct value value = value_of(1, "URL", "x", 100);
    encode(&list, &value, 1);
    struct cache_answer answer = {1, flags, BYTES_NONE, list.encoded, f->now_ms};
    enum status status = cache_put(f->reader, question, &answer);
    cache_settle(f->cache);
    return status;
}

static void verified_when_needed_then_others_do_not_count(void **state)
{
    struct cache_fixture *f = *state;
    struct asked asked;
    struct cache_entry entry;
    struct cache_question *question = ask(&asked, "20.500/1");
    question->needs_verified = true;
    assert_int_equal(put_flags(f, question, CACHE_FLAG_OWN), STATUS_OK);
    assert_int_equal(get(f, question, &entry), CACHE_NONE);
    assert_int_equal(put_flags(f, question, CACHE_VERIFIED | CACHE_FLAG_OWN), STATUS_OK);
    assert_int_equal(get(f, question, &entry), CACHE_FRESH);
    assert_int_equal(entry.flags, CACHE_VERIFIED | CACHE_FLAG_OWN);
}

static void verified_when_fresh_then_not_replaced_by_what_is_not(void **state)
{
    struct cache_fixture *f = *state;
    struct asked asked;
    struct cache_entry entry;
    struct cache_question *question = ask(&asked, "20.500/1");
    assert_int_equal(put_flags(f, question, CACHE_VERIFIED), STATUS_OK);
    assert_int_equal(put_code(f, question, 100), STATUS_OK);
    assert_int_equal(get(f, question, &entry), CACHE_FRESH);
    assert_int_equal(entry.code, 1);
    f->now_ms = NOON + 100 * SECOND;
    assert_int_equal(put_code(f, question, 100), STATUS_OK);
    assert_int_equal(get(f, question, &entry), CACHE_FRESH);
    assert_int_equal(entry.code, 100);
}

/* --- going --------------------------------------------------------------------------------------
 */

static void forget_when_asked_then_everything_of_the_name_goes(void **state)
{
    struct cache_fixture *f = *state;
    struct asked asked;
    struct cache_entry entry;
    struct cache_figures figures;
    assert_int_equal(put_url(f, ask(&asked, "20.500/1"), "x", 100), STATUS_OK);
    assert_int_equal(put_url(f, ask_type(&asked, "20.500/1", "URL"), "x", 100), STATUS_OK);
    assert_int_equal(put_url(f, ask(&asked, "20.500/12"), "x", 100), STATUS_OK);
    assert_int_equal(cache_forget(f->reader, BYTES_LITERAL("20.500/1"), CASE_SENSITIVE), STATUS_OK);
    cache_settle(f->cache);
    assert_int_equal(get(f, ask_type(&asked, "20.500/1", "URL"), &entry), CACHE_NONE);
    assert_int_equal(get(f, ask(&asked, "20.500/12"), &entry), CACHE_FRESH);
    assert_int_equal(cache_figures(f->cache, &figures), STATUS_OK);
    assert_int_equal(figures.entries, 1);
}

static void put_many(struct cache_fixture *f, const char *prefix, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char handle[64];
        struct asked asked;
        struct value_list list;
        struct value value = value_of(1, "URL", "x", 100);
        (void)snprintf(handle, sizeof(handle), "%s/%u", prefix, i);
        encode(&list, &value, 1);
        struct cache_answer answer = {1, 0, BYTES_NONE, list.encoded, f->now_ms};
        assert_int_equal(cache_put(f->reader, ask(&asked, handle), &answer), STATUS_OK);
    }
    cache_settle(f->cache);
}

static void flush_when_of_a_prefix_then_the_others_stay(void **state)
{
    struct cache_fixture *f = *state;
    struct asked asked;
    struct cache_entry entry;
    uint64_t removed = 0;
    put_many(f, "20.ab", 1000);
    put_many(f, "20.abc", 3);
    assert_int_equal(put_url(f, ask(&asked, "0.NA/20.ab"), "x", 100), STATUS_OK);
    assert_int_equal(put_url(f, ask(&asked, "0.NA/20.abc"), "x", 100), STATUS_OK);
    assert_int_equal(cache_flush(f->cache, CACHE_PREFIX, BYTES_LITERAL("20.Ab"), &removed),
                     STATUS_OK);
    assert_int_equal(removed, 1001);
    assert_int_equal(get(f, ask(&asked, "20.ab/7"), &entry), CACHE_NONE);
    assert_int_equal(get(f, ask(&asked, "0.NA/20.AB"), &entry), CACHE_NONE);
    assert_int_equal(get(f, ask(&asked, "20.abc/1"), &entry), CACHE_FRESH);
    assert_int_equal(get(f, ask(&asked, "0.NA/20.ABC"), &entry), CACHE_FRESH);
}

static void flush_when_of_all_then_nothing_stays(void **state)
{
    struct cache_fixture *f = *state;
    struct cache_figures figures;
    uint64_t removed = 0;
    put_many(f, "20.ab", 700);
    assert_int_equal(cache_flush(f->cache, CACHE_ALL, BYTES_NONE, &removed), STATUS_OK);
    assert_int_equal(removed, 700);
    assert_int_equal(cache_figures(f->cache, &figures), STATUS_OK);
    assert_int_equal(figures.entries, 0);
    assert_int_equal(cache_flush(f->cache, CACHE_NAME, BYTES_LITERAL("20.ab/1"), &removed),
                     STATUS_OK);
    assert_int_equal(removed, 0);
}

static void cache_when_there_is_none_then_holds_nothing(void **state)
{
    (void)state;
    struct asked asked;
    struct cache_entry entry;
    struct cache_reader *reader = NULL;
    struct cache_figures figures;
    uint64_t removed = 0;
    assert_int_equal(cache_reader_new(NULL, NULL, &reader), STATUS_OK);
    assert_null(reader);
    assert_int_equal(cache_get(NULL, ask(&asked, "20.500/1"), NOON, &entry), CACHE_NONE);
    assert_int_equal(cache_forget(NULL, BYTES_LITERAL("20.500/1"), CASE_SENSITIVE), STATUS_CLOSED);
    assert_int_equal(cache_flush(NULL, CACHE_ALL, BYTES_NONE, &removed), STATUS_CLOSED);
    assert_int_equal(cache_figures(NULL, &figures), STATUS_CLOSED);
    cache_rest(NULL);
    cache_tick(NULL, NOON);
    cache_settle(NULL);
    cache_close(NULL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(answer_when_put_then_found_as_it_was),
        CASE(answer_when_old_then_leaves_with_what_is_left),
        CASE(answer_when_over_its_time_then_stale_for_a_week),
        CASE(answer_when_swept_then_room_is_given_back),
        CASE(ttl_when_over_the_cap_then_kept_for_the_cap),
        CASE(ttl_when_absolute_then_kept_until_then_and_unchanged),
        CASE(ttl_when_absolute_and_far_away_then_capped),
        CASE(ttl_when_nothing_is_left_then_not_kept),
        CASE(clock_when_set_back_a_little_then_entries_of_later_are_over),
        CASE(clock_when_set_back_far_then_everything_goes),
        CASE(limits_when_changed_then_hold_for_what_comes),
        CASE(name_when_spelled_otherwise_then_by_the_case_rule),
        CASE(name_when_very_long_then_found_and_told_apart),
        CASE(question_when_filtered_then_the_whole_record_will_do),
        CASE(part_when_kept_then_answers_that_question_alone),
        CASE(part_when_the_whole_is_stale_then_the_newer_one_is_told),
        CASE(sites_when_kept_then_apart_from_answers),
        CASE(no_such_handle_when_kept_then_answers_every_question_for_a_minute),
        CASE(no_such_values_when_kept_then_answers_that_question_alone),
        CASE(answer_when_newer_then_takes_the_place_of_the_old),
        CASE(answer_when_not_fit_then_not_taken),
        CASE(queue_when_full_then_dropped_and_counted),
        CASE(verified_when_needed_then_others_do_not_count),
        CASE(verified_when_fresh_then_not_replaced_by_what_is_not),
        CASE(forget_when_asked_then_everything_of_the_name_goes),
        CASE(flush_when_of_a_prefix_then_the_others_stay),
        CASE(flush_when_of_all_then_nothing_stays),
        cmocka_unit_test(cache_when_there_is_none_then_holds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
