/* SPDX-License-Identifier: Apache-2.0
 *
 * Encryption inside sessions (protocol.md §7.9, §12.7): AES-128-CBC and DESede-CBC with the IV in
 * front, SM4-CBC as the national SDK has it, PKCS #5 padding.
 *
 * Thread-safe: no state. OpenSSL's error queue is left as found. NOT_SUPPORTED: single DES, which
 * is no protection (and not in OpenSSL's default provider), and versions below 2.4, which use ECB.
 *
 * SM4 takes its key for the IV and sends none: equal beginnings show, and padding errors can give
 * the key away. It is for callers whose settings ask for it, never by default.
 */
#pragma once

#include "protocol/message.h"
#include "protocol/session_key.h"

#define SESSION_CIPHER_IV_MAX 16
#define SESSION_CIPHER_OVERHEAD_MAX 32 /* IV and padding, bytes */

/* Bytes of IV the caller draws at random for each message: 16, 8, or 0 (SM4; unsupported ones). */
size_t session_cipher_iv_len(enum session_algorithm algorithm);

/* Appends IV ‖ cipher text of header ‖ body ‖ credential. `version` is the session's.
 * INVALID_SESSION_KEY: too short for the cipher. NO_ROOM: `w` has less than the plain text and
 * SESSION_CIPHER_OVERHEAD_MAX bytes left. ERROR: an IV of another length than the one above. */
enum status session_cipher_encrypt(const struct session_key *key, struct message_version version,
                                   struct bytes iv, struct bytes plain, struct wire_writer *w);

/* Appends the plain text; nothing is left behind in `w` on failure. SESSION_FAILED, the same after
 * the same work, for every cipher text of at least IV and block that does not come out (§14 rows 9,
 * 10). What does come out and then is no message, or has a wrong MAC, must be answered just so, or
 * the answers tell how the padding was. NO_ROOM: `w` has less left than the cipher text is long. */
enum status session_cipher_decrypt(const struct session_key *key, struct message_version version,
                                   struct bytes cipher_text, struct wire_writer *w);
