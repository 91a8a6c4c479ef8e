/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys that live on other nodes: asked for at the one server the settings name, which resolves for
 * us (auth.key_server), or as other names are (elsewhere.h); protocol.md §7.4.
 *
 * A public key is resolved and kept for a while. A secret key never leaves its node: that server,
 * or without one the server its prefix record names, is asked to judge the answer (operation 201),
 * and believed by its signature alone. The key server's key stands in keys/key_server.pem, that of
 * others in their site record. Worker's thread.
 */
#pragma once

#include "resolver/verify.h"

/* As key_source_find, for a handle of another node. */
enum status key_remote_find(struct exchange *x, uint32_t index, struct verify_case *asked);

/* Judges asked->signed_response by a secret key of that handle: OK, AUTHENTICATION_FAILED,
 * UNABLE_TO_AUTHENTICATE, PENDING. */
enum status key_remote_verify(struct exchange *x, uint32_t index, const struct verify_case *asked);

struct worker;

/* What is still asked for comes home at once: the worker is being taken down. */
void key_remote_cancel_all(struct worker *worker);
