/* SPDX-License-Identifier: Apache-2.0
 *
 * Session encryption: vector V17, the known keys of versions 2.4 to 2.11, a whole captured session
 * opened with its key, the block of the SM4 standard; cipher texts nobody may take (protocol.md §14
 * rows 9, 10).
 */
#include "protocol/session_cipher.h"

#include "tests/unit/protocol/known_keys.h"

#include "protocol/body.h"
#include "protocol/session_mac.h"

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define V(minor) ((struct message_version){2, (minor)})
#define ROOM 4096

static int set_up(void **state)
{
    *state = arena_new(1 << 16, 64 << 20);
    return *state == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    known_keys_assert_no_errors();
    arena_free(*state);
    return 0;
}

static struct wire_writer room(struct arena *arena)
{
    return wire_write(vectors_room(arena, ROOM), ROOM);
}

/* first, first + 1, ... */
static struct session_key counted_key(enum session_algorithm algorithm, size_t len, uint8_t first)
{
    struct session_key key = {.algorithm = algorithm, .len = len};
    for (size_t i = 0; i < len; i++) {
        key.data[i] = (uint8_t)(first + i);
    }
    return key;
}

static void assert_both_ways(struct arena *arena, const struct session_key *key,
                             struct message_version version, struct bytes cipher_text,
                             struct bytes plain)
{
    struct bytes iv = bytes_of(cipher_text.data, session_cipher_iv_len(key->algorithm));
    struct wire_writer w = room(arena);
    assert_int_equal(session_cipher_encrypt(key, version, iv, plain, &w), STATUS_OK);
    vectors_assert_equal(wire_wrote(&w), cipher_text);
    w = room(arena);
    assert_int_equal(session_cipher_decrypt(key, version, cipher_text, &w), STATUS_OK);
    vectors_assert_equal(wire_wrote(&w), plain);
}

static void texts_of_v17_when_encrypted_are_the_known_ones(void **state)
{
    struct session_key key = counted_key(SESSION_AES, 32, 1);
    struct bytes second = vectors_get(*state, "V17.cipher_text_2");
    assert_both_ways(*state, &key, V(11), vectors_get(*state, "V17.cipher_text_1"),
                     BYTES_LITERAL("hello handle"));
    assert_both_ways(*state, &key, V(11), second, vectors_get(*state, "V14.message"));
    struct envelope envelope;
    assert_int_equal(envelope_decode(vectors_get(*state, "V17.envelope_2"), &envelope), STATUS_OK);
    assert_true(envelope.is_encrypted);
    assert_int_equal(envelope.message_len, second.len);
}

static void texts_of_known_keys_when_encrypted_are_the_known_ones(void **state)
{
    static const uint8_t minors[] = {4, 5, 6, 7, 8, 11};
    struct session_key aes = counted_key(SESSION_AES, 32, 0x10);
    struct session_key desede = counted_key(SESSION_DESEDE, 24, 0x10);
    for (size_t i = 0; i < sizeof(minors); i++) {
        char block[32];
        (void)snprintf(block, sizeof(block), "[session MAC 2.%u]", minors[i]);
        struct bytes plain = known_keys_get(*state, block, "whole message");
        assert_both_ways(*state, &aes, V(minors[i]), known_keys_get(*state, block, "AES encrypted"),
                         plain);
        assert_both_ways(*state, &desede, V(minors[i]),
                         known_keys_get(*state, block, "DESede encrypted"), plain);
    }
}

/* What the library makes of ECB, which we do not speak. */
static void assert_is_ecb(struct arena *arena, const char *cipher, const uint8_t *key,
                          struct bytes cipher_text, struct bytes plain)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    EVP_CIPHER *algorithm = EVP_CIPHER_fetch(NULL, cipher, NULL);
    uint8_t *out = vectors_room(arena, ROOM);
    int len = 0;
    int last = 0;
    assert_int_equal(EVP_DecryptInit_ex2(context, algorithm, key, NULL, NULL), 1);
    assert_int_equal(EVP_DecryptUpdate(context, out, &len, cipher_text.data, (int)cipher_text.len),
                     1);
    assert_int_equal(EVP_DecryptFinal_ex(context, out + len, &last), 1);
    vectors_assert_equal(bytes_of(out, (size_t)len + (size_t)last), plain);
    EVP_CIPHER_free(algorithm);
    EVP_CIPHER_CTX_free(context);
}

static void texts_below_version_2_4_when_met_are_refused(void **state)
{
    static const char block[] = "[session MAC 2.3]";
    struct session_key aes = counted_key(SESSION_AES, 32, 0x10);
    struct session_key desede = counted_key(SESSION_DESEDE, 24, 0x10);
    struct bytes plain = known_keys_get(*state, block, "whole message");
    struct bytes aes_text = known_keys_get(*state, block, "AES encrypted");
    struct bytes desede_text = known_keys_get(*state, block, "DESede encrypted");
    struct wire_writer w = room(*state);
    assert_int_equal(session_cipher_decrypt(&aes, V(3), aes_text, &w), STATUS_NOT_SUPPORTED);
    assert_int_equal(session_cipher_decrypt(&desede, V(3), desede_text, &w), STATUS_NOT_SUPPORTED);
    assert_int_equal(session_cipher_encrypt(&aes, V(3), bytes_of(plain.data, 16), plain, &w),
                     STATUS_NOT_SUPPORTED);
    assert_int_equal(wire_wrote(&w).len, 0);
    assert_is_ecb(*state, "AES-128-ECB", aes.data, aes_text, plain);
    assert_is_ecb(*state, "DES-EDE3-ECB", desede.data, desede_text, plain);
}

/* GB/T 32907: the block 01..10 under the key 01..10. With the key for the IV, a block of zeros
 * becomes that very block before it is encrypted. */
static void sm4_when_encrypting_has_its_key_for_the_iv(void **state)
{
    static const uint8_t key_bytes[16] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
                                          0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10};
    static const uint8_t known[16] = {0x68, 0x1e, 0xdf, 0x34, 0xd2, 0x06, 0x96, 0x5e,
                                      0x86, 0xb3, 0xe9, 0x4f, 0x53, 0x6e, 0x42, 0x46};
    static const uint8_t zeros[16];
    struct session_key key = {.algorithm = SESSION_SM4, .len = 16};
    memcpy(key.data, key_bytes, 16);
    struct wire_writer w = room(*state);
    assert_int_equal(
        session_cipher_encrypt(&key, V(10), BYTES_NONE, bytes_of(zeros, sizeof(zeros)), &w),
        STATUS_OK);
    struct bytes cipher_text = wire_wrote(&w);
    assert_int_equal(cipher_text.len, 32);
    assert_memory_equal(cipher_text.data, known, sizeof(known));
    w = room(*state);
    assert_int_equal(session_cipher_decrypt(&key, V(10), cipher_text, &w), STATUS_OK);
    vectors_assert_equal(wire_wrote(&w), bytes_of(zeros, sizeof(zeros)));
}

/* --- a captured session --------------------------------------------------------------------------
 */

static struct session_key captured_key(struct arena *arena)
{
    struct message answer = known_keys_message(arena, "captured/session-hdl.1.resp.hex");
    EVP_PKEY *own = known_keys_private(arena, "keys/adminpriv.bin");
    struct body_session_answer accepted;
    struct digest digest;
    struct bytes body;
    bool has_digest = false;
    struct session_key key;
    assert_int_equal(body_take_digest(&answer, &body, &digest, &has_digest), STATUS_OK);
    assert_int_equal(body_session_answer_decode(body, &accepted), STATUS_OK);
    assert_int_equal(session_key_unseal(own, accepted.data, &key), STATUS_OK);
    EVP_PKEY_free(own);
    return key;
}

/* The message of an encrypted packet: its envelope, the plain text behind it. */
static struct message opened(struct arena *arena, const struct session_key *key, const char *file)
{
    struct bytes packet = known_keys_packet(arena, file);
    struct envelope envelope;
    struct message message;
    assert_int_equal(envelope_decode(packet, &envelope), STATUS_OK);
    assert_true(envelope.is_encrypted);
    struct wire_writer plain = room(arena);
    assert_int_equal(session_cipher_decrypt(key, envelope.version,
                                            bytes_from(packet, MESSAGE_ENVELOPE_LEN), &plain),
                     STATUS_OK);
    envelope.is_encrypted = false;
    envelope.message_len = (uint32_t)wire_wrote(&plain).len;
    struct wire_writer w = room(arena);
    envelope_encode(&w, &envelope);
    wire_put_raw(&w, wire_wrote(&plain));
    assert_int_equal(message_decode(wire_wrote(&w), &message), STATUS_OK);
    return message;
}

static void captured_session_when_opened_holds_its_macs(void **state)
{
    static const struct {
        const char *file;
        uint32_t opcode;
        uint32_t response_code;
        uint32_t counter; /* 0: an answer to a challenge, without a MAC */
    } rows[] = {
        {"captured/session-hdl.2.req.hex", 100, 0, 1},
        {"captured/session-hdl.2.resp.hex", 100, 402, 1},
        {"captured/session-hdl.3.req.hex", 200, 0, 0},
        {"captured/session-hdl.3.resp.hex", 100, 1, 2},
        {"captured/session-hdl.4.req.hex", 1, 0, 2},
        {"captured/session-hdl.4.resp.hex", 1, 402, 3},
        {"captured/session-hdl.5.req.hex", 200, 0, 0},
        {"captured/session-hdl.5.resp.hex", 1, 1, 4},
        {"captured/session-hdl.6.req.hex", 401, 0, 3},
    };
    struct session_key key = captured_key(*state);
    struct bytes mac_key = bytes_of(key.data, key.len);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct message message = opened(*state, &key, rows[i].file);
        assert_int_equal(message.header.opcode, rows[i].opcode);
        assert_int_equal(message.header.response_code, rows[i].response_code);
        assert_int_equal(message.credential.is_present, rows[i].counter != 0);
        if (rows[i].counter != 0) {
            assert_int_equal(message.credential.counter, rows[i].counter);
            assert_int_equal(session_mac_check(mac_key, V(11), &message), STATUS_OK);
            message.digested = known_keys_flipped(*state, message.digested, 0);
            assert_int_equal(session_mac_check(mac_key, V(11), &message),
                             STATUS_INVALID_SESSION_KEY);
        }
    }
}

/* --- every length, and what has to fail
 * ------------------------------------------------------------ */

static const enum session_algorithm algorithms[] = {SESSION_AES, SESSION_DESEDE, SESSION_SM4};

#define ALGORITHM_COUNT (sizeof(algorithms) / sizeof(algorithms[0]))

static size_t block_len(enum session_algorithm algorithm)
{
    return algorithm == SESSION_DESEDE ? 8 : 16;
}

static struct bytes encrypted(struct arena *arena, const struct session_key *key,
                              struct bytes plain)
{
    static const uint8_t iv[SESSION_CIPHER_IV_MAX] = {9, 8, 7, 6, 5};
    struct wire_writer w = room(arena);
    struct bytes iv_bytes = bytes_of(iv, session_cipher_iv_len(key->algorithm));
    assert_int_equal(session_cipher_encrypt(key, V(11), iv_bytes, plain, &w), STATUS_OK);
    return wire_wrote(&w);
}

static void text_when_of_any_length_comes_back(void **state)
{
    static const uint8_t text[64] = "sixty-four bytes, of which so many are taken as it needs to";
    for (size_t i = 0; i < ALGORITHM_COUNT; i++) {
        struct session_key key = counted_key(algorithms[i], 32, 1);
        for (size_t len = 0; len <= sizeof(text); len++) {
            struct bytes cipher_text = encrypted(*state, &key, bytes_of(text, len));
            assert_true(cipher_text.len <= len + SESSION_CIPHER_OVERHEAD_MAX);
            struct wire_writer w = room(*state);
            assert_int_equal(session_cipher_decrypt(&key, V(11), cipher_text, &w), STATUS_OK);
            vectors_assert_equal(wire_wrote(&w), bytes_of(text, len));
        }
    }
}

static void text_when_cut_or_longer_fails(void **state)
{
    for (size_t i = 0; i < ALGORITHM_COUNT; i++) {
        struct session_key key = counted_key(algorithms[i], 32, 1);
        size_t block = block_len(algorithms[i]);
        size_t iv_len = session_cipher_iv_len(algorithms[i]);
        struct bytes cipher_text = encrypted(*state, &key, BYTES_LITERAL("hello handle"));
        struct wire_writer longer = room(*state);
        wire_put_raw(&longer, cipher_text);
        wire_put_u8(&longer, 0);
        for (size_t len = 0; len <= cipher_text.len + 1; len++) {
            bool is_whole = len >= iv_len + block && (len - iv_len) % block == 0;
            struct wire_writer w = room(*state);
            if (!is_whole) {
                assert_int_equal(
                    session_cipher_decrypt(&key, V(11), bytes_of(longer.start, len), &w),
                    STATUS_SESSION_FAILED);
                assert_false(w.failed);
                assert_int_equal(wire_wrote(&w).len, 0);
            }
        }
    }
}

/* The last block as it would have to be, padding and all, by encrypting with it for plain text and
 * taking away what the library pads. */
static struct bytes padded_text(struct arena *arena, const struct session_key *key,
                                const uint8_t *last)
{
    size_t block = block_len(key->algorithm);
    struct bytes whole = encrypted(arena, key, bytes_of(last, block));
    return bytes_of(whole.data, whole.len - block);
}

static void padding_when_wrong_fails_and_leaves_nothing(void **state)
{
    for (size_t i = 0; i < ALGORITHM_COUNT; i++) {
        struct session_key key = counted_key(algorithms[i], 32, 1);
        size_t block = block_len(algorithms[i]);
        for (unsigned pad = 0; pad < 256; pad++) {
            uint8_t last[16];
            memset(last, (int)pad, block);
            struct bytes cipher_text = padded_text(*state, &key, last);
            struct wire_writer w = room(*state);
            wire_put_u8(&w, 0x77);
            bool is_right = pad >= 1 && pad <= block;
            assert_int_equal(session_cipher_decrypt(&key, V(11), cipher_text, &w),
                             is_right ? STATUS_OK : STATUS_SESSION_FAILED);
            assert_int_equal(wire_wrote(&w).len, is_right ? 1 + block - pad : 1);
            for (unsigned at = 1; is_right && at <= pad; at++) {
                last[block - at] ^= 0x40; /* one byte of the padding is another */
                w = room(*state);
                assert_int_equal(
                    session_cipher_decrypt(&key, V(11), padded_text(*state, &key, last), &w),
                    STATUS_SESSION_FAILED);
                last[block - at] ^= 0x40;
            }
        }
    }
}

static void text_when_tampered_with_never_comes_back(void **state)
{
    struct session_key key = counted_key(SESSION_AES, 32, 1);
    struct bytes plain = vectors_get(*state, "V14.message");
    struct bytes cipher_text = vectors_get(*state, "V17.cipher_text_2");
    for (size_t bit = 0; bit < cipher_text.len * 8; bit += 5) {
        struct wire_writer w = room(*state);
        struct bytes changed = known_keys_flipped(*state, cipher_text, bit);
        enum status status = session_cipher_decrypt(&key, V(11), changed, &w);
        assert_true(status == STATUS_SESSION_FAILED ||
                    (status == STATUS_OK && !bytes_equal(wire_wrote(&w), plain)));
    }
    struct session_key other = key;
    other.data[15] ^= 1;
    struct wire_writer w = room(*state);
    enum status status = session_cipher_decrypt(&other, V(11), cipher_text, &w);
    assert_int_equal(status, STATUS_SESSION_FAILED);
}

static void key_when_of_no_cipher_or_short_is_refused(void **state)
{
    static const struct {
        enum session_algorithm algorithm;
        size_t len;
        enum status status;
    } rows[] = {
        {SESSION_DES, 8, STATUS_NOT_SUPPORTED},
        {(enum session_algorithm)0, 32, STATUS_NOT_SUPPORTED},
        {(enum session_algorithm)5, 32, STATUS_NOT_SUPPORTED},
        {(enum session_algorithm)0x7fffffff, 32, STATUS_NOT_SUPPORTED},
        {SESSION_AES, 15, STATUS_INVALID_SESSION_KEY},
        {SESSION_DESEDE, 23, STATUS_INVALID_SESSION_KEY},
        {SESSION_SM4, 15, STATUS_INVALID_SESSION_KEY},
        {SESSION_AES, 0, STATUS_INVALID_SESSION_KEY},
    };
    struct bytes text = vectors_get(*state, "V17.cipher_text_2");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct session_key key = counted_key(rows[i].algorithm, rows[i].len, 1);
        struct bytes iv = bytes_of(text.data, session_cipher_iv_len(rows[i].algorithm));
        struct wire_writer w = room(*state);
        assert_int_equal(session_cipher_encrypt(&key, V(11), iv, text, &w), rows[i].status);
        assert_int_equal(session_cipher_decrypt(&key, V(11), text, &w), rows[i].status);
        assert_int_equal(wire_wrote(&w).len, 0);
    }
}

static void buffer_when_too_small_is_said_to_be(void **state)
{
    struct session_key key = counted_key(SESSION_AES, 32, 1);
    struct bytes cipher_text = vectors_get(*state, "V17.cipher_text_1");
    struct bytes iv = bytes_of(cipher_text.data, 16);
    struct bytes plain = BYTES_LITERAL("hello handle");
    struct wire_writer w = wire_write(vectors_room(*state, 32), 31);
    assert_int_equal(session_cipher_encrypt(&key, V(11), iv, plain, &w), STATUS_NO_ROOM);
    w = wire_write(vectors_room(*state, 32), 15);
    assert_int_equal(session_cipher_decrypt(&key, V(11), cipher_text, &w), STATUS_NO_ROOM);
    w = room(*state);
    assert_int_equal(session_cipher_encrypt(&key, V(11), bytes_of(cipher_text.data, 15), plain, &w),
                     STATUS_ERROR);
    assert_int_equal(session_cipher_encrypt(&key, V(11), BYTES_NONE, plain, &w), STATUS_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(texts_of_v17_when_encrypted_are_the_known_ones),
        CASE(texts_of_known_keys_when_encrypted_are_the_known_ones),
        CASE(texts_below_version_2_4_when_met_are_refused),
        CASE(sm4_when_encrypting_has_its_key_for_the_iv),
        CASE(captured_session_when_opened_holds_its_macs),
        CASE(text_when_of_any_length_comes_back),
        CASE(text_when_cut_or_longer_fails),
        CASE(padding_when_wrong_fails_and_leaves_nothing),
        CASE(text_when_tampered_with_never_comes_back),
        CASE(key_when_of_no_cipher_or_short_is_refused),
        CASE(buffer_when_too_small_is_said_to_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
