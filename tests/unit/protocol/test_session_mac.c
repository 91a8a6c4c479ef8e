/* SPDX-License-Identifier: Apache-2.0
 *
 * HS_MAC: vector V14, the known keys of versions 2.3 to 2.11, and what has to be refused
 * (protocol.md §7.7, §14 rows 61-63).
 */
#include "protocol/session_mac.h"

#include "tests/unit/protocol/known_keys.h"

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define V(minor) ((struct message_version){2, (minor)})

static int set_up(void **state)
{
    *state = arena_new(1 << 16, 16 << 20);
    return *state == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    known_keys_assert_no_errors();
    arena_free(*state);
    return 0;
}

static struct bytes counted_key(struct arena *arena, uint8_t first)
{
    uint8_t *key = vectors_room(arena, 32);
    for (size_t i = 0; i < 32; i++) {
        key[i] = (uint8_t)(first + i);
    }
    return bytes_of(key, 32);
}

static struct envelope envelope_of(uint8_t minor, uint32_t session_id)
{
    return (struct envelope){.version = {2, minor},
                             .suggested = {2, 11},
                             .session_id = session_id,
                             .request_id = 0x01020304};
}

/* V14 and known keys: everything that differs between both. */
struct known {
    struct bytes key;
    struct bytes digested;
    struct bytes credential;
    struct envelope envelope;
};

static struct known v14(struct arena *arena, uint8_t minor)
{
    char name[32];
    struct message message = vectors_message(arena, "V14.message");
    (void)snprintf(name, sizeof(name), "V14.credential_2_%u", minor);
    return (struct known){counted_key(arena, 1), message.digested, vectors_get(arena, name),
                          envelope_of(minor, 0x2a)};
}

static struct known known_block(struct arena *arena, uint8_t minor)
{
    char block[32];
    (void)snprintf(block, sizeof(block), "[session MAC 2.%u]", minor);
    return (struct known){counted_key(arena, 0x10), known_keys_get(arena, block, "header+body"),
                          known_keys_get(arena, block, "credential"), envelope_of(minor, 7)};
}

static struct message message_of(struct arena *arena, const struct known *known)
{
    return known_keys_assemble(arena, known->envelope, known->digested, known->credential);
}

static void assert_known(struct arena *arena, const struct known *known)
{
    uint8_t room[SESSION_MAC_MAX];
    struct credential made;
    assert_int_equal(
        session_mac_make(known->key, &known->envelope, 1, known->digested, room, &made), STATUS_OK);
    vectors_assert_equal(known_keys_encoded(arena, &made), known->credential);
    struct message message = message_of(arena, known);
    assert_int_equal(session_mac_check(known->key, known->envelope.version, &message), STATUS_OK);
}

static void assert_refused(struct arena *arena, const struct known *known)
{
    uint8_t room[SESSION_MAC_MAX];
    struct credential made;
    struct message message = message_of(arena, known);
    assert_int_equal(
        session_mac_make(known->key, &known->envelope, 1, known->digested, room, &made),
        STATUS_NOT_SUPPORTED);
    assert_int_equal(session_mac_check(known->key, known->envelope.version, &message),
                     STATUS_NOT_SUPPORTED);
}

static void mac_of_v14_when_made_is_the_known_one(void **state)
{
    static const uint8_t minors[] = {11, 8, 7, 4};
    for (size_t i = 0; i < sizeof(minors); i++) {
        struct known known = v14(*state, minors[i]);
        assert_known(*state, &known);
    }
}

static void mac_of_v14_when_read_whole_holds(void **state)
{
    struct message message = vectors_message(*state, "V14.message");
    message.envelope.session_id = 0x2a;
    message.envelope.request_id = 0x01020304;
    assert_int_equal(session_mac_check(counted_key(*state, 1), V(11), &message), STATUS_OK);
}

static void mac_of_known_keys_when_made_is_the_known_one(void **state)
{
    static const uint8_t minors[] = {3, 4, 7, 8, 11};
    for (size_t i = 0; i < sizeof(minors); i++) {
        struct known known = known_block(*state, minors[i]);
        assert_known(*state, &known);
    }
}

static void mac_of_versions_2_5_and_2_6_when_asked_for_is_refused(void **state)
{
    for (uint8_t minor = 5; minor <= 6; minor++) {
        struct known derived = v14(*state, minor);
        struct known known = known_block(*state, minor);
        assert_refused(*state, &derived);
        assert_refused(*state, &known);
    }
}

static void mac_when_any_bit_is_flipped_fails(void **state)
{
    static const uint8_t minors[] = {4, 7, 11};
    for (size_t i = 0; i < sizeof(minors); i++) {
        struct known known = v14(*state, minors[i]);
        struct message message = message_of(*state, &known);
        struct message changed = message;
        for (size_t bit = 0; bit < message.digested.len * 8; bit++) {
            changed.digested = known_keys_flipped(*state, message.digested, bit);
            assert_int_equal(session_mac_check(known.key, V(minors[i]), &changed),
                             STATUS_INVALID_SESSION_KEY);
        }
        changed = message;
        for (size_t bit = 0; bit < message.credential.signature.len * 8; bit++) {
            changed.credential.signature =
                known_keys_flipped(*state, message.credential.signature, bit);
            assert_int_equal(session_mac_check(known.key, V(minors[i]), &changed),
                             STATUS_INVALID_SESSION_KEY);
        }
        changed = message;
        struct bytes other_key = known_keys_flipped(*state, known.key, 255);
        assert_int_equal(session_mac_check(other_key, V(minors[i]), &changed),
                         STATUS_INVALID_SESSION_KEY);
    }
}

static void mac_when_an_envelope_field_is_changed_fails(void **state)
{
    struct known known = v14(*state, 11);
    struct message message = message_of(*state, &known);
    struct message changed[5] = {message, message, message, message, message};
    changed[0].envelope.session_id++;
    changed[1].envelope.request_id++;
    changed[2].envelope.suggested.minor = 10;
    changed[3].envelope.version.minor = 10;
    changed[4].credential.counter++;
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(session_mac_check(known.key, V(11), &changed[i]),
                         STATUS_INVALID_SESSION_KEY);
    }
    /* Not covered: sequence number and length. */
    message.envelope.sequence = 9;
    assert_int_equal(session_mac_check(known.key, V(11), &message), STATUS_OK);
}

static void mac_when_weaker_than_its_session_is_refused(void **state)
{
    struct known known = v14(*state, 4);
    struct message message = message_of(*state, &known);
    assert_int_equal(session_mac_check(known.key, V(11), &message), STATUS_INVALID_SESSION_KEY);
    assert_int_equal(session_mac_check(known.key, V(7), &message), STATUS_INVALID_SESSION_KEY);
    assert_int_equal(session_mac_check(known.key, V(4), &message), STATUS_OK);
}

static void mac_name_when_spelled_otherwise_is_the_same(void **state)
{
    static const struct {
        const char *name;
        enum status status;
    } rows[] = {
        {"hmac-sha256", STATUS_OK},
        {"HMAC_SHA-256", STATUS_OK},
        {"HmacSHA256", STATUS_OK},
        {"", STATUS_INVALID_SESSION_KEY},
        {"\x02", STATUS_INVALID_SESSION_KEY},
        {"\x03", STATUS_INVALID_SESSION_KEY},
        {"SHA1", STATUS_INVALID_SESSION_KEY},
        {"SHA-256", STATUS_INVALID_SESSION_KEY},
        {"HMAC-SHA1", STATUS_INVALID_SESSION_KEY},
        {"HMAC-SHA2567", STATUS_INVALID_SESSION_KEY},
        {"HMAC-SHA25", STATUS_INVALID_SESSION_KEY},
    };
    struct known known = v14(*state, 11);
    struct message message = message_of(*state, &known);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        message.credential.algorithm = bytes_of_text(rows[i].name);
        assert_int_equal(session_mac_check(known.key, V(11), &message), rows[i].status);
    }
    known = v14(*state, 4);
    message = message_of(*state, &known);
    message.credential.algorithm = BYTES_LITERAL("sha-1");
    assert_int_equal(session_mac_check(known.key, V(4), &message), STATUS_OK);
    message.credential.algorithm = BYTES_LITERAL("\x01");
    assert_int_equal(session_mac_check(known.key, V(4), &message), STATUS_INVALID_SESSION_KEY);
}

static void mac_when_missing_or_a_signature_is_no_credential(void **state)
{
    struct known known = v14(*state, 11);
    struct message message = message_of(*state, &known);
    message.credential.type = BYTES_LITERAL("HS_SIGNED");
    assert_int_equal(session_mac_check(known.key, V(11), &message), STATUS_INVALID_CREDENTIAL);
    message.credential = (struct credential){0};
    assert_int_equal(session_mac_check(known.key, V(11), &message), STATUS_INVALID_CREDENTIAL);
}

static void mac_when_of_another_length_fails(void **state)
{
    struct known known = v14(*state, 11);
    struct message message = message_of(*state, &known);
    struct bytes mac = message.credential.signature;
    for (size_t len = 0; len < mac.len; len++) {
        message.credential.signature = bytes_of(mac.data, len);
        assert_int_equal(session_mac_check(known.key, V(11), &message), STATUS_INVALID_SESSION_KEY);
    }
}

static void key_when_shorter_than_16_bytes_is_refused(void **state)
{
    uint8_t room[SESSION_MAC_MAX];
    struct credential made;
    struct known known = v14(*state, 11);
    struct message message = message_of(*state, &known);
    struct bytes key = bytes_of(known.key.data, SESSION_MAC_KEY_MIN - 1);
    assert_int_equal(session_mac_make(key, &known.envelope, 1, known.digested, room, &made),
                     STATUS_INVALID_SESSION_KEY);
    assert_int_equal(session_mac_check(key, V(11), &message), STATUS_INVALID_SESSION_KEY);
    assert_int_equal(session_mac_check(BYTES_NONE, V(11), &message), STATUS_INVALID_SESSION_KEY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(mac_of_v14_when_made_is_the_known_one),
        CASE(mac_of_v14_when_read_whole_holds),
        CASE(mac_of_known_keys_when_made_is_the_known_one),
        CASE(mac_of_versions_2_5_and_2_6_when_asked_for_is_refused),
        CASE(mac_when_any_bit_is_flipped_fails),
        CASE(mac_when_an_envelope_field_is_changed_fails),
        CASE(mac_when_weaker_than_its_session_is_refused),
        CASE(mac_name_when_spelled_otherwise_is_the_same),
        CASE(mac_when_missing_or_a_signature_is_no_credential),
        CASE(mac_when_of_another_length_fails),
        CASE(key_when_shorter_than_16_bytes_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
