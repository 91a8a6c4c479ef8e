/* SPDX-License-Identifier: Apache-2.0
 *
 * Whom to believe behind TLS: the key in the server's site record and no other, as clients of the
 * Handle world do (protocol.md §3.6); where the record tells none, whoever answers.
 */
#pragma once

#include "resolver/service.h"
#include "resolver/tls.h"

/* OK: `out_tls` is the caller's, NULL when the target needs none. INVALID_VALUE and the like: the
 * key makes no sense, so nobody can be believed; NO_MEMORY. */
enum status server_trust_new(const struct service_target *target, struct tls_context **out_tls);
