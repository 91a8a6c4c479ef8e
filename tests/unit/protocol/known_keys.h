/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads tests/vectors/crypto-known-keys.txt ("[block] ...", then "name = hex"), and keys and
 * messages of the captures.
 *
 * For test programs only: what cannot be read fails the test. Memory comes from an arena.
 */
#pragma once

#include "tests/unit/protocol/vectors.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "protocol/pubkey.h"

/* The value of the line that begins with `name` in the block that begins with `block`. */
static inline struct bytes known_keys_get(struct arena *arena, const char *block, const char *name)
{
    struct bytes rest = vectors_file(arena, "crypto-known-keys.txt");
    struct bytes line;
    bool is_inside = false;
    while (vectors_next_line(&rest, &line)) {
        if (line.len > 0 && line.data[0] == '[') {
            is_inside = bytes_start_with(line, bytes_of_text(block));
        }
        const uint8_t *equals = line.len == 0 ? NULL : memchr(line.data, '=', line.len);
        if (is_inside && equals != NULL && bytes_start_with(line, bytes_of_text(name))) {
            return vectors_hex(arena, bytes_from(line, (size_t)(equals - line.data) + 1));
        }
    }
    fail_msg("crypto-known-keys.txt has no %s in %s", name, block);
    abort();
}

/* A key record of tests/vectors/keys, private ones with their container. */
static inline EVP_PKEY *known_keys_public(struct arena *arena, const char *file)
{
    struct pubkey record;
    EVP_PKEY *key = NULL;
    assert_int_equal(pubkey_decode(vectors_file(arena, file), &record), STATUS_OK);
    assert_int_equal(pubkey_to_evp(&record, &key), STATUS_OK);
    return key;
}

static inline EVP_PKEY *known_keys_private(struct arena *arena, const char *file)
{
    EVP_PKEY *key = NULL;
    assert_int_equal(pubkey_private_to_evp(vectors_file(arena, file), &key), STATUS_OK);
    return key;
}

/* The first line of a capture: one packet. */
static inline struct bytes known_keys_packet(struct arena *arena, const char *file)
{
    struct bytes rest = vectors_file(arena, file);
    struct bytes line = BYTES_NONE;
    assert_true(vectors_next_line(&rest, &line));
    return vectors_hex(arena, line);
}

static inline struct message known_keys_message(struct arena *arena, const char *file)
{
    struct message message;
    assert_int_equal(message_decode(known_keys_packet(arena, file), &message), STATUS_OK);
    return message;
}

/* The same bytes elsewhere, one bit turned. */
static inline struct bytes known_keys_flipped(struct arena *arena, struct bytes from, size_t bit)
{
    uint8_t *copy = vectors_room(arena, from.len);
    memcpy(copy, from.data, from.len);
    copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
    return bytes_of(copy, from.len);
}

/* A message of this version, session 7, request 01020304, from header ‖ body and credential as they
 * stand in the known keys. */
static inline struct message known_keys_assemble(struct arena *arena, struct envelope envelope,
                                                 struct bytes digested, struct bytes credential)
{
    size_t len = MESSAGE_ENVELOPE_LEN + digested.len + 4 + credential.len;
    uint8_t *packet = vectors_room(arena, len);
    struct wire_writer w = wire_write(packet, len);
    struct message message;
    envelope.message_len = (uint32_t)(len - MESSAGE_ENVELOPE_LEN);
    envelope_encode(&w, &envelope);
    wire_put_raw(&w, digested);
    wire_put_bytes(&w, credential);
    assert_int_equal(message_decode(wire_wrote(&w), &message), STATUS_OK);
    return message;
}

/* How a credential travels. */
static inline struct bytes known_keys_encoded(struct arena *arena,
                                              const struct credential *credential)
{
    uint8_t *room = vectors_room(arena, 8192);
    struct wire_writer w = wire_write(room, 8192);
    struct envelope envelope = {.version = {2, 11}};
    struct header header = {.opcode = 1};
    message_close(&w, message_open(&w, &envelope, &header), credential);
    assert_false(w.failed);
    return bytes_from(wire_wrote(&w), MESSAGE_ENVELOPE_LEN + MESSAGE_HEADER_LEN + 4);
}

static inline void known_keys_assert_no_errors(void)
{
    assert_int_equal(ERR_peek_error(), 0);
}
