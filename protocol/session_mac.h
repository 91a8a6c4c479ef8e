/* SPDX-License-Identifier: Apache-2.0
 *
 * The MAC by which messages of a session are known (HS_MAC; protocol.md §4.5, §7.7).
 *
 * Thread-safe: no state; the counter is the caller's to judge. Keys are borrowed: the whole session
 * key, not the part the cipher takes. OpenSSL's error queue is left as found.
 *
 * NOT_SUPPORTED: versions 2.5 and 2.6, whose forms are defective (decisions).
 */
#pragma once

#include "protocol/message.h"

#define SESSION_MAC_MAX 32     /* bytes */
#define SESSION_MAC_KEY_MIN 16 /* bytes; a DES key is no key */
#define SESSION_MAC_NAME_HS_MAC "HS_MAC"

/* The HS_MAC credential of a message with this envelope; `digested` is its header ‖ body as they
 * will travel, body length filled in. The MAC lies in `room` and is borrowed from there.
 * INVALID_SESSION_KEY: the key is too short. */
enum status session_mac_make(struct bytes key, const struct envelope *envelope, uint32_t counter,
                             struct bytes digested, uint8_t room[SESSION_MAC_MAX],
                             struct credential *out_credential);

/* INVALID_CREDENTIAL: there is no HS_MAC credential (§14 row 63). INVALID_SESSION_KEY: it is wrong,
 * or weaker than a session of `session_version` has to use (§14 row 62). */
enum status session_mac_check(struct bytes key, struct message_version session_version,
                              const struct message *message);
