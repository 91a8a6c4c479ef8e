/* SPDX-License-Identifier: Apache-2.0
 *
 * The bodies of every operation, requests and answers (protocol.md §5).
 *
 * Decoders take the bare body (the request digest, if any, already taken off with
 * `body_take_digest`), borrow from it, put lists into the arena and refuse trailing bytes except
 * where noted: PROTOCOL_ERROR, or NO_MEMORY. Encoders write to a cursor that remembers failure.
 * Text lists are kept encoded and walked with `body_next_text`.
 */
#pragma once

#include "protocol/arena.h"
#include "protocol/digest.h"
#include "protocol/message.h"
#include "protocol/value.h"

/* Takes the request digest off an answer's body when the header's RD flag is set (§5.1). */
enum status body_take_digest(const struct message *answer, struct bytes *out_body,
                             struct digest *out_digest, bool *out_has_digest);

/* --- 1 resolution, §5.2 ------------------------------------------------------------------- */
struct body_resolution {
    struct bytes handle;
    uint32_t index_count;
    struct bytes indexes; /* encoded, index_count x int4 */
    uint32_t type_count;
    struct bytes types; /* encoded, type_count strings, well formed */
};
enum status body_resolution_decode(struct bytes body, struct body_resolution *out);
void body_resolution_encode(struct wire_writer *w, const struct body_resolution *body);

/* Walks encoded string lists (types, names); false at the end. */
bool body_next_text(struct wire_reader *r, struct bytes *out_text);

/* handle ‖ count ‖ values: the answer to 1; the request of 100, 102, 104. */
struct body_values {
    struct bytes handle;
    struct value *values;
    size_t count;
};
enum status body_values_decode(struct bytes body, struct arena *arena, struct body_values *out);
void body_values_encode(struct wire_writer *w, const struct body_values *body);

/* --- 2 site info, §5.3: the raw HS_SITE record; a leading length equal to the rest is skipped ---
 */
enum status body_site_decode(struct bytes body, struct bytes *out_site);

/* --- a bare handle: requests 2, 101, 105, 106, 300, 301, 302, 401, 1000, 1003; answer to 100 ----
 * An empty body is accepted where `may_be_empty`. */
enum status body_handle_decode(struct bytes body, bool may_be_empty, struct bytes *out_handle);
void body_handle_encode(struct wire_writer *w, struct bytes handle);

/* --- 103 remove value ----------------------------------------------------------------------- */
struct body_remove {
    struct bytes handle;
    uint32_t index_count;
    struct bytes indexes;
};
enum status body_remove_decode(struct bytes body, struct body_remove *out);
void body_remove_encode(struct wire_writer *w, const struct body_remove *body);

/* --- lists of names, answers to 105, 106, 302, §5.5 ------------------------------------------- */
struct body_names {
    uint32_t count;
    struct bytes names; /* encoded strings */
};
enum status body_names_decode(struct bytes body, struct body_names *out);
void body_names_encode(struct wire_writer *w, const struct body_names *body);

/* --- errors and referrals, §5.6 ----------------------------------------------------------------
 */
struct body_error {
    struct bytes text;
    uint32_t index_count; /* 0 when absent */
    struct bytes indexes;
};
enum status body_error_decode(struct bytes body, struct body_error *out);
void body_error_encode(struct wire_writer *w, const struct body_error *body);

struct body_referral {
    struct bytes handle; /* may be empty */
    struct value *values;
    size_t count;
};
enum status body_referral_decode(struct bytes body, struct arena *arena, struct body_referral *out);
void body_referral_encode(struct wire_writer *w, const struct body_referral *body);

/* --- 402 challenge, §5.8: digest ‖ nonce; below 2.1: nonce ‖ int4 length and MD5 ---------------
 */
struct body_challenge {
    struct digest digest;
    struct bytes nonce;
};
/* Takes the answer with its digest still in front; `version` is the answer's. */
enum status body_challenge_decode(struct bytes body, struct message_version version,
                                  struct body_challenge *out);
void body_challenge_encode(struct wire_writer *w, struct message_version version,
                           const struct body_challenge *body);

/* --- 200 answer to a challenge, §5.8 -----------------------------------------------------------
 */
struct body_answer {
    struct bytes type; /* HS_SECKEY, HS_PUBKEY */
    struct reference identity;
    struct bytes signed_response;
};
enum status body_answer_decode(struct bytes body, struct body_answer *out);
void body_answer_encode(struct wire_writer *w, const struct body_answer *body);

/* signed_response of HS_PUBKEY: string algorithm ‖ bytes signature (§7.6). */
struct body_signature {
    struct bytes algorithm;
    struct bytes signature;
};
enum status body_signature_decode(struct bytes signed_response, struct body_signature *out);
void body_signature_encode(struct wire_writer *w, const struct body_signature *body);

/* signed_response of HS_SECKEY, all forms of §7.5. `form` is the algorithm byte, 0 for bare MD5. */
struct body_mac {
    uint8_t form; /* 0, 01, 02, 03, 12, 13, 22 (hex); 16 bytes are always form 0 */
    struct bytes mac;
    struct bytes salt;   /* form 22 only */
    uint32_t iterations; /* form 22 only */
    uint32_t key_bits;   /* form 22 only */
};
enum status body_mac_decode(struct bytes signed_response, struct body_mac *out);
void body_mac_encode(struct wire_writer *w, const struct body_mac *body);

/* --- 201 verify, §5.10 ---------------------------------------------------------------------------
 */
struct body_verify {
    struct reference identity;
    struct bytes nonce;
    struct bytes digest; /* the digest's bytes, however they were framed */
    struct bytes signed_response;
};
enum status body_verify_decode(struct bytes body, struct body_verify *out);
void body_verify_encode(struct wire_writer *w, const struct body_verify *body);
enum status body_verified_decode(struct bytes body, bool *out_is_valid);
void body_verified_encode(struct wire_writer *w, bool is_valid);

/* --- 400 session set-up, §5.11; trailing zero bytes are accepted and counted; a mode not listed
 * is INVALID_SESSION_SETUP
 * ------------------------------------------------------------------------- */
enum session_mode {
    SESSION_CLIENT_KEY = 1,
    SESSION_SERVER_KEY = 2,
    SESSION_HANDLE_KEY = 3,
    SESSION_DIFFIE_HELLMAN = 4,
};
struct body_session_setup {
    uint16_t mode;
    uint32_t timeout_s;
    struct reference identity;     /* index FFFFFFFF when anonymous */
    struct bytes public_key;       /* modes 1, 4 */
    struct reference exchange_key; /* mode 3 */
    uint32_t trailing_zeros;       /* 2 for every client of version 2.x */
};
enum status body_session_setup_decode(struct bytes body, struct body_session_setup *out);
void body_session_setup_encode(struct wire_writer *w, const struct body_session_setup *body);

struct body_session_answer {
    uint16_t mode;
    struct bytes data;
    uint32_t trailing_zeros;
};
enum status body_session_answer_decode(struct bytes body, struct body_session_answer *out);
void body_session_answer_encode(struct wire_writer *w, const struct body_session_answer *body);

/* --- 402 exchange key (request): bytes -----------------------------------------------------------
 */
enum status body_exchange_key_decode(struct bytes body, struct bytes *out_encrypted_key);
void body_exchange_key_encode(struct wire_writer *w, struct bytes encrypted_key);

/* --- 1000 answer: long8
 * ---------------------------------------------------------------------------- */
enum status body_txn_id_decode(struct bytes body, uint64_t *out_id);
void body_txn_id_encode(struct wire_writer *w, uint64_t id);

/* --- 1001 retrieve transaction log, 1002 dump handles, §5.13; a server number that is not below
 * the count, or an unknown hash option, is PROTOCOL_ERROR
 * ------------------------------------------------ */
struct body_retrieve_log {
    bool has_kind; /* versions from 2.9 lead with the kind */
    uint8_t kind;  /* 0 id and date, 1 state */
    uint64_t last_id;
    uint64_t last_date_ms;
    struct bytes state; /* JSON text, kind 1 */
    uint8_t hash_option;
    uint32_t server_count;
    uint32_t server_number;
};
enum status body_retrieve_log_decode(struct bytes body, struct message_version version,
                                     struct body_retrieve_log *out);
void body_retrieve_log_encode(struct wire_writer *w, const struct body_retrieve_log *body);

struct body_dump {
    uint8_t hash_option;
    uint32_t server_count;
    uint32_t server_number;
    bool has_start;
    struct bytes start_point;
    uint32_t start_type;
};
enum status body_dump_decode(struct bytes body, struct body_dump *out);
void body_dump_encode(struct wire_writer *w, const struct body_dump *body);

/* Answer of 1001 and 1002: one byte, then a stream that is not a message follows. */
enum status body_stream_decode(struct bytes body, bool *out_keep_alive);
void body_stream_encode(struct wire_writer *w, bool keep_alive);

/* --- 2000 password login (resolution-shaped), 2001 login: handle ‖ index
 * ----------------------------- */
enum status body_login_decode(struct bytes body, struct reference *out_identity);
void body_login_encode(struct wire_writer *w, const struct reference *identity);
