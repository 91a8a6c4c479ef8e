/* SPDX-License-Identifier: Apache-2.0
 *
 * op_siteinfo.c: the site record as it is, to whoever asks.
 */
#include "tests/unit/resolver/exchange_fixture.h"

static const uint8_t site[] = {0, 1, 2, 11, 0, 7, 0x80, 2};

static int open_fixture(void **state)
{
    static struct fixture fixture;
    fixture_open(&fixture);
    fixture.generation.site = bytes_of(site, sizeof(site));
    *state = &fixture;
    return 0;
}

static int close_fixture(void **state)
{
    fixture_close(*state);
    return 0;
}

static struct bytes name_body(uint8_t room[64], const char *name)
{
    struct wire_writer w = wire_write(room, 64);
    body_handle_encode(&w, bytes_of_text(name));
    return wire_wrote(&w);
}

static void siteinfo_when_asked_is_the_bare_record(void **state)
{
    static const char *const names[] = {"/", "77.9999/elsewhere", ""};
    uint8_t room[64];
    for (size_t i = 0; i < 3; i++) {
        for (int transport = EXCHANGE_UDP; transport <= EXCHANGE_TCP; transport++) {
            struct fixture_ask ask = fixture_ask(OPCODE_GET_SITE_INFO);
            struct message answer = fixture_answer(*state, (enum exchange_transport)transport, &ask,
                                                   name_body(room, names[i]));
            assert_int_equal(answer.header.response_code, 1);
            assert_true(bytes_equal(answer.body, bytes_of(site, sizeof(site))));
        }
    }
}

static void siteinfo_when_digest_wanted_has_it_in_front(void **state)
{
    uint8_t room[64];
    struct fixture_ask ask = fixture_ask(OPCODE_GET_SITE_INFO);
    ask.flags |= MESSAGE_REQUEST_DIGEST;
    struct message answer = fixture_answer(*state, EXCHANGE_TCP, &ask, name_body(room, "/"));
    struct bytes body;
    struct digest digest;
    bool has_digest;
    assert_int_equal(body_take_digest(&answer, &body, &digest, &has_digest), STATUS_OK);
    assert_true(has_digest);
    assert_true(bytes_equal(body, bytes_of(site, sizeof(site))));
}

static void siteinfo_when_malformed_is_refused(void **state)
{
    struct fixture_ask ask = fixture_ask(OPCODE_GET_SITE_INFO);
    struct message answer =
        fixture_answer(*state, EXCHANGE_TCP, &ask, BYTES_LITERAL("\0\0\0\x7f/"));
    assert_int_equal(answer.header.response_code, 4);
    assert_int_equal(answer.header.opcode, OPCODE_GET_SITE_INFO);
}

static void siteinfo_when_there_is_none_says_so(void **state)
{
    struct fixture *f = *state;
    uint8_t room[64];
    f->generation.site = BYTES_NONE;
    struct fixture_ask ask = fixture_ask(OPCODE_GET_SITE_INFO);
    struct message answer = fixture_answer(f, EXCHANGE_TCP, &ask, name_body(room, "/"));
    assert_int_equal(answer.header.response_code, 2);
    f->generation.site = bytes_of(site, sizeof(site));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siteinfo_when_asked_is_the_bare_record),
        cmocka_unit_test(siteinfo_when_digest_wanted_has_it_in_front),
        cmocka_unit_test(siteinfo_when_malformed_is_refused),
        cmocka_unit_test(siteinfo_when_there_is_none_says_so),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
