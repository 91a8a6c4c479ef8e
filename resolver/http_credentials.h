/* SPDX-License-Identifier: Apache-2.0
 *
 * What a client says to prove who it is: an Authorization field, or the same members in JSON
 * (protocol.md §9.6, §9.7). Only read here, not judged. Pure; decoded parts lie in the arena, the
 * rest is borrowed.
 */
#pragma once

#include "protocol/arena.h"
#include "protocol/value.h"
#include "protocol/wire.h"

#define HTTP_CREDENTIALS_MAX 16384 /* bytes of a field that is read */

enum http_scheme {
    HTTP_SCHEME_NONE,
    HTTP_SCHEME_BASIC,
    HTTP_SCHEME_HANDLE,
    HTTP_SCHEME_BEARER,
    HTTP_SCHEME_OTHER,
};

/* Members that were not said have data NULL. */
struct http_credentials {
    enum http_scheme scheme;
    struct reference user;  /* Basic: its user; Handle: `id`; index 0: nobody is named */
    struct bytes password;  /* Basic */
    struct bytes token;     /* Bearer */
    struct bytes session;   /* the rest: Handle */
    struct bytes type;      /* HS_SECKEY, HS_PUBKEY */
    struct bytes algorithm; /* SHA-256, PBKDF2WithHmacSHA1, ... */
    struct bytes cnonce;    /* decoded, as what follows */
    struct bytes signature;
    struct bytes salt;
    uint32_t iterations;
    uint32_t key_bits;
    bool has_certificate; /* what the connection showed is meant */
};

/* The scheme alone, of whatever follows. */
enum http_scheme http_credentials_scheme(struct bytes field);

/* BAD_SYNTAX: it is none of its scheme's, something is said twice, or it is too long. NO_MEMORY. */
enum status http_credentials_read(struct arena *arena, struct bytes field,
                                  struct http_credentials *out);

/* The members of a JSON object, as those of the Handle scheme. */
enum status http_credentials_read_json(struct arena *arena, struct bytes text,
                                       struct http_credentials *out);

/* One of them by its name; unknown ones are passed over. BAD_SYNTAX also when it was said before.
 */
enum status http_credentials_set(struct arena *arena, struct bytes name, struct bytes value,
                                 struct http_credentials *out);

/* The answer to a challenge that they are, in the words of the Handle protocol (§7.5, §7.6).
 * BAD_SYNTAX: incomplete, or of no known kind. */
enum status http_credentials_answer(const struct http_credentials *credentials, bool *out_is_secret,
                                    struct wire_writer *w);
