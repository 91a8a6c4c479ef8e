/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys that live on other nodes: asked for at the one server the settings name, which resolves for
 * us (auth.key_server), or as other names are (elsewhere.h); protocol.md §7.4.
 *
 * A public key is resolved and kept for a while; a secret key never leaves its node, so that server
 * is asked to judge the answer (operation 201), and without one nobody is. When keys/key_server.pem holds that server's public
 * key, its signature is asked for and must be right. Worker's thread.
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
