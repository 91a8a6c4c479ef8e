/* SPDX-License-Identifier: Apache-2.0
 *
 * Envelope, header and credential: what every message has (protocol.md §3.1, §4; RFC 3652 §2).
 *
 *   envelope 20 ‖ header 24 ‖ body ‖ int4 credential length ‖ credential
 *
 * `message_decode` borrows everything from the packet. Bodies are in body.h.
 */
#pragma once

#include "protocol/bytes.h"
#include "protocol/status.h"
#include "protocol/wire.h"

#define MESSAGE_ENVELOPE_LEN 20
#define MESSAGE_HEADER_LEN 24
#define MESSAGE_MAX 262144 /* bytes after the envelope */
#define MESSAGE_PACKET_MAX (MESSAGE_ENVELOPE_LEN + MESSAGE_MAX)
#define MESSAGE_EXPIRY_S 43200 /* our answers' expiration: now + 12 h */
#define MESSAGE_SERIAL_UNKNOWN 0xffff
#define MESSAGE_VERSION_MAJOR 2 /* what we speak: 2.11 */
#define MESSAGE_VERSION_MINOR 11

/* Operation flags, protocol.md §4.2. */
enum message_flag {
    MESSAGE_AUTHORITATIVE = (int)0x80000000,
    MESSAGE_CERTIFIED = 0x40000000,
    MESSAGE_ENCRYPT = 0x20000000,
    MESSAGE_RECURSIVE = 0x10000000,
    MESSAGE_CACHE_CERTIFIED = 0x08000000,
    MESSAGE_CONTINUED = 0x04000000,
    MESSAGE_KEEP_ALIVE = 0x02000000,
    MESSAGE_PUBLIC_ONLY = 0x01000000,
    MESSAGE_REQUEST_DIGEST = 0x00800000,
    MESSAGE_OVERWRITE = 0x00400000,
    MESSAGE_MINT = 0x00200000,
    MESSAGE_DO_NOT_REFER = 0x00100000,
    MESSAGE_STALE = 0x00000010, /* ours, in answers: over its time, and nobody else answers */
    MESSAGE_TRUSTED_QUERY = 0x00000002,
    MESSAGE_TRUSTED_RESULT = 0x00000001,
};

/* Ordered as protocol.md §3.2: major 5 is an old numbering that ranks as 2.0. */
struct message_version {
    uint8_t major;
    uint8_t minor;
};

struct envelope {
    struct message_version version;
    struct message_version suggested; /* as the bytes say; major 0: not given */
    bool is_compressed;
    bool is_encrypted;
    bool is_truncated; /* a fragment (UDP) */
    uint32_t session_id;
    uint32_t request_id;
    uint32_t sequence;    /* fragment number */
    uint32_t message_len; /* of the complete message after the envelope */
};

struct header {
    uint32_t opcode;
    uint32_t response_code; /* 0 in requests */
    uint32_t flags;         /* enum message_flag */
    uint16_t site_serial;
    uint8_t recursion_count;
    uint32_t expiration; /* seconds since 1970 */
};

/* protocol.md §4.5. */
struct credential {
    bool is_present;
    uint8_t version;
    uint16_t options;
    struct bytes signer;
    uint32_t counter;
    struct bytes type;      /* HS_SIGNED, HS_MAC */
    struct bytes algorithm; /* as sent: a name, or one byte 01/02/03 */
    struct bytes signature;
};

struct message {
    struct envelope envelope;
    struct header header;
    struct bytes digested; /* header ‖ body: what digests and signatures cover */
    struct bytes body;
    struct credential credential;
};

/* < 0, 0, > 0 as a ranks below, equal to, above b. */
int message_version_compare(struct message_version a, struct message_version b);

/* What we answer in: min(suggested or, when not given, the message's own; 2.11); 5 counts as 2.0.
 * Messages whose version is not known are answered in 2.3 framing (protocol.md §14 row 11). */
struct message_version message_answer_version(const struct envelope *request);

/* Versions 0, 1, 4 and above 5 are not understood (protocol.md §14 row 11). */
bool message_version_is_known(struct message_version version);

/* Reads 20 bytes; PROTOCOL_ERROR when fewer. Nothing is judged. */
enum status envelope_decode(struct bytes packet, struct envelope *out_envelope);
void envelope_encode(struct wire_writer *w, const struct envelope *envelope);

/* A whole unencrypted message with its envelope (fragments reassembled). PROTOCOL_ERROR: lengths
 * that lie, trailing bytes, compression, cipher text; INVALID_CREDENTIAL: unknown credential
 * version or type, and lengths lying inside the credential of a message that names a session. A
 * missing credential section (message ends right after the body) is accepted. */
enum status message_decode(struct bytes packet, struct message *out_message);

/* Envelope with a length to be patched, and header: the body is written behind it. */
struct message_marks {
    uint8_t *message_len;
    uint8_t *body_len;
};
struct message_marks message_open(struct wire_writer *w, const struct envelope *envelope,
                                  const struct header *header);

/* Closes the body, writes the credential (NULL: none, length 0) and patches the lengths. The writer
 * fails when the message exceeds MESSAGE_MAX. */
void message_close(struct wire_writer *w, struct message_marks marks,
                   const struct credential *credential);

/* message_open .. body .. message_close in one. */
void message_encode(struct wire_writer *w, const struct message *message);

/* Response code as it travels to a peer of this version: below 2.5, 7 is 303 and 202 is 201. */
uint32_t message_code_for(uint32_t response_code, struct message_version version);
