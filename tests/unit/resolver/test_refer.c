/* SPDX-License-Identifier: Apache-2.0
 *
 * refer.c: who is told where else something is to be had, and in which form.
 */
#include "tests/unit/resolver/exchange_fixture.h"

#include "protocol/site.h"
#include "resolver/refer.h"

#define BODY_ROOM 512

static const char *const keeper_types[] = {"HS_SERV.PREFIX", "HS_NA_DELEGATE", "HS_SITE.PREFIX"};

static struct bytes site_bytes(uint8_t room[256])
{
    struct site_interface interface = {SITE_BOTH, SITE_TCP, 2641};
    struct site_server server = {.id = 1, .interfaces = &interface, .interface_count = 1};
    const struct site site = {.format = 1,
                              .protocol_major = 2,
                              .protocol_minor = 11,
                              .servers = &server,
                              .server_count = 1};
    struct wire_writer w = wire_write(room, 256);
    site_encode(&w, &site);
    return wire_wrote(&w);
}

static void put_one(struct fixture *f, const char *handle, const char *type, uint8_t permissions)
{
    uint8_t room[256];
    struct value values[] = {fixture_value(1, "URL", "https://example.com/", 0x0e),
                             fixture_value(2, type, "88.1000/service", permissions)};
    bool is_site = strstr(type, "SITE") != NULL || strstr(type, "DELEGATE") != NULL;
    values[1].data = is_site ? site_bytes(room) : values[1].data;
    fixture_put(f, bytes_of_text(handle), values, 2);
}

/* 88.1000 gives away what is derived from it, but 88.1000.5 is kept here and gives nothing away. */
static int open_fixture(void **state)
{
    static struct fixture fixture;
    fixture_open(&fixture);
    fixture_home(&fixture, "88.1000", PREFIX_ACTIVE, CASE_INSENSITIVE);
    fixture_home(&fixture, "88.2000", PREFIX_ACTIVE, CASE_INSENSITIVE);
    put_one(&fixture, "0.NA/88.1000", "HS_SERV.PREFIX", 0x0e);
    put_one(&fixture, "0.NA/88.1000.5", "EMAIL", 0x0e);
    put_one(&fixture, "0.NA/88.2000", "HS_SERV", 0x0e);
    *state = &fixture;
    return 0;
}

static int close_fixture(void **state)
{
    fixture_close(*state);
    return 0;
}

static struct message resolve(struct fixture *f, const char *name, struct message_version version,
                              uint32_t flags)
{
    uint8_t room[BODY_ROOM];
    struct fixture_ask ask = fixture_ask(OPCODE_RESOLUTION);
    ask.suggested = version;
    ask.flags |= flags;
    struct bytes body = fixture_resolution(room, sizeof(room), bytes_of_text(name), NULL, 0, NULL);
    return fixture_answer(f, EXCHANGE_TCP, &ask, body);
}

static struct message resolve_now(struct fixture *f, const char *name)
{
    return resolve(f, name, (struct message_version){2, 11}, 0);
}

/* A referral without a handle, to this one value. */
static void assert_refers(struct fixture *f, const struct message *answer, const char *type)
{
    struct body_referral referral;
    struct digest digest;
    struct bytes body;
    bool has_digest;
    assert_int_equal(body_take_digest(answer, &body, &digest, &has_digest), STATUS_OK);
    assert_int_equal(body_referral_decode(body, f->arena, &referral), STATUS_OK);
    assert_int_equal(referral.handle.len, 0);
    assert_int_equal(referral.count, 1);
    assert_true(bytes_equal(referral.values[0].type, bytes_of_text(type)));
    assert_int_equal(referral.values[0].index, 2);
}

static void prefix_when_kept_elsewhere_is_referred_by_each_kind_of_value(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(keeper_types) / sizeof(keeper_types[0]); i++) {
        put_one(f, "0.NA/88.1000", keeper_types[i], 0x0e);
        struct message answer = resolve_now(f, "0.NA/88.1000.7");
        assert_int_equal(answer.header.response_code, 303);
        assert_refers(f, &answer, keeper_types[i]);
        answer = resolve_now(f, "88.1000.7.8"); /* farther below, and without a slash */
        assert_int_equal(answer.header.response_code, 303);
    }
    put_one(f, "0.NA/88.1000", "HS_SERV.PREFIX", 0x0e);
}

static void prefix_when_here_is_answered(void **state)
{
    assert_int_equal(resolve_now(*state, "0.NA/88.1000.5").header.response_code, 1);
}

static void prefix_when_the_nearest_above_it_gives_nothing_away_is_absent(void **state)
{
    assert_int_equal(resolve_now(*state, "0.NA/88.1000.5.1").header.response_code, 100);
    assert_int_equal(resolve_now(*state, "0.NA/88.1000.5.1.2").header.response_code, 100);
    assert_int_equal(resolve_now(*state, "0.NA/88.2000.1").header.response_code, 100);
}

static void prefix_when_what_tells_its_keeper_is_not_public_is_absent(void **state)
{
    struct fixture *f = *state;
    put_one(f, "0.NA/88.1000", "HS_SERV.PREFIX", 0x0c);
    assert_int_equal(resolve_now(f, "0.NA/88.1000.7").header.response_code, 100);
    put_one(f, "0.NA/88.1000", "HS_SERV.PREFIX", 0x0e);
}

static void caller_when_he_wants_no_referral_gets_none(void **state)
{
    struct message answer =
        resolve(*state, "0.NA/88.1000.7", (struct message_version){2, 11}, MESSAGE_DO_NOT_REFER);
    assert_int_equal(answer.header.response_code, 100);
}

/* This node has nobody to ask, so it cannot resolve on their behalf; but it does not say that there
 * is no such prefix. */
static void caller_when_too_old_for_referrals_is_not_told_that_there_is_none(void **state)
{
    static const struct message_version old[] = {{2, 9}, {2, 5}, {2, 3}};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(resolve(*state, "0.NA/88.1000.7", old[i], 0).header.response_code, 301);
    }
    struct message_version first = {2, 10};
    assert_int_equal(resolve(*state, "0.NA/88.1000.7", first, 0).header.response_code, 303);
}

static struct message create(struct fixture *f, const char *name, struct message_version version,
                             uint32_t flags)
{
    uint8_t room[BODY_ROOM];
    struct value value = fixture_value(1, "URL", "https://example.com/", 0x0e);
    struct wire_writer w = wire_write(room, sizeof(room));
    struct fixture_ask ask = fixture_ask(OPCODE_CREATE_HANDLE);
    ask.suggested = version;
    ask.flags |= flags;
    body_values_encode(&w, &(struct body_values){bytes_of_text(name), &value, 1});
    return fixture_answer(f, EXCHANGE_TCP, &ask, wire_wrote(&w));
}

static void change_when_the_prefix_is_kept_elsewhere_is_referred_to_its_keeper(void **state)
{
    struct fixture *f = *state;
    struct message_version now = {2, 11};
    struct message answer = create(f, "0.NA/88.1000.7", now, 0);
    assert_int_equal(answer.header.response_code, 303);
    assert_refers(f, &answer, "HS_SERV.PREFIX");
    assert_int_equal(create(f, "0.NA/88.1000.5.1", now, 0).header.response_code, 402);
}

static void change_when_no_referral_is_known_or_wanted_is_judged_here(void **state)
{
    struct message_version now = {2, 11};
    struct message_version old = {2, 9};
    assert_int_equal(create(*state, "0.NA/88.1000.7", old, 0).header.response_code, 402);
    assert_int_equal(
        create(*state, "0.NA/88.1000.7", now, MESSAGE_DO_NOT_REFER).header.response_code, 402);
}

static uint32_t list(struct fixture *f, uint32_t opcode, const char *name, uint32_t flags)
{
    uint8_t room[BODY_ROOM];
    struct wire_writer w = wire_write(room, sizeof(room));
    struct fixture_ask ask = fixture_ask(opcode);
    f->settings->admin_allow_list_handles = true;
    ask.flags |= flags;
    body_handle_encode(&w, bytes_of_text(name));
    struct message answer = fixture_answer(f, EXCHANGE_TCP, &ask, wire_wrote(&w));
    if (answer.header.response_code == 303) {
        assert_refers(f, &answer, "HS_SERV.PREFIX");
    }
    return answer.header.response_code;
}

static void list_when_the_prefix_is_kept_elsewhere_is_referred_to_its_keeper(void **state)
{
    struct fixture *f = *state;
    static const uint32_t opcodes[] = {OPCODE_LIST_HANDLES, OPCODE_LIST_DERIVED_PREFIXES};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(list(f, opcodes[i], "0.NA/88.1000.7", 0), 303);
        assert_int_equal(list(f, opcodes[i], "88.1000.7.8", 0), 303);
        assert_int_equal(list(f, opcodes[i], "0.NA/88.1000.7", MESSAGE_DO_NOT_REFER), 301);
        assert_int_equal(list(f, opcodes[i], "0.NA/88.1000.5", 0), 301); /* kept here */
        assert_int_equal(list(f, opcodes[i], "0.NA/88.2000.7", 0), 301);
        assert_int_equal(list(f, opcodes[i], "0.NA/77", 0), 301);
        assert_int_equal(list(f, opcodes[i], "0.NA/88.1000", 0), 402);
    }
}

static void service_when_told_by_a_record_is_referred_to_unless_unwanted(void **state)
{
    struct fixture *f = *state;
    struct record_row row;
    struct bytes values = BYTES_NONE;
    (void)resolve_now(f, "0.NA/88.2000"); /* leaves an exchange behind */
    f->x.message.header.flags = 0;
    assert_int_equal(
        registry_get_record(f->snapshot, BYTES_LITERAL("0.NA/88.2000"), CASE_INSENSITIVE, &row),
        STATUS_OK);
    assert_true(refer_tells_other(&f->x, row.values));
    assert_int_equal(refer_service(&f->x, row.values, &values), STATUS_SERVICE_REFERRAL);
    struct wire_reader r = wire_read(values);
    assert_int_equal(wire_u32(&r), 1);
    f->x.message.header.flags = MESSAGE_DO_NOT_REFER;
    assert_int_equal(refer_service(&f->x, row.values, &values), STATUS_NOT_RESPONSIBLE);
    assert_int_equal(
        registry_get_record(f->snapshot, BYTES_LITERAL("0.NA/88.1000.5"), CASE_INSENSITIVE, &row),
        STATUS_OK);
    f->x.message.header.flags = 0;
    assert_false(refer_tells_other(&f->x, row.values));
    assert_int_equal(refer_service(&f->x, row.values, &values), STATUS_NOT_RESPONSIBLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefix_when_kept_elsewhere_is_referred_by_each_kind_of_value),
        cmocka_unit_test(prefix_when_here_is_answered),
        cmocka_unit_test(prefix_when_the_nearest_above_it_gives_nothing_away_is_absent),
        cmocka_unit_test(prefix_when_what_tells_its_keeper_is_not_public_is_absent),
        cmocka_unit_test(caller_when_he_wants_no_referral_gets_none),
        cmocka_unit_test(caller_when_too_old_for_referrals_is_not_told_that_there_is_none),
        cmocka_unit_test(change_when_the_prefix_is_kept_elsewhere_is_referred_to_its_keeper),
        cmocka_unit_test(change_when_no_referral_is_known_or_wanted_is_judged_here),
        cmocka_unit_test(list_when_the_prefix_is_kept_elsewhere_is_referred_to_its_keeper),
        cmocka_unit_test(service_when_told_by_a_record_is_referred_to_unless_unwanted),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
