/* SPDX-License-Identifier: Apache-2.0
 *
 * Who has logged in on a connection (operation 2001, protocol.md §12.3). Embedded in a connection,
 * its worker's thread.
 */
#pragma once

#include "protocol/value.h"

#define LOGIN_IDLE_MS (15 * 60 * 1000) /* §12.3 */

struct login {
    uint8_t *handle; /* NULL: nobody */
    size_t handle_len;
    uint32_t index;
    int64_t used_ms;
    bool was_in; /* somebody was, and is no longer */
};

/* NO_MEMORY: nobody is in then. */
enum status login_enter(struct login *login, struct reference identity, int64_t now_ms);
void login_leave(struct login *login);

static inline bool login_is_in(const struct login *login)
{
    return login->handle != NULL;
}

/* Who is in; counts as use. false: nobody, or idle for too long. */
bool login_get(struct login *login, int64_t now_ms, struct reference *out_identity);
