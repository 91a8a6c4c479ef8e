/* SPDX-License-Identifier: Apache-2.0
 *
 * The identity of a connection (login.h).
 */
#include "resolver/login.h"

#include <stdlib.h>

enum status login_enter(struct login *login, struct reference identity, int64_t now_ms)
{
    uint8_t *copy = malloc(identity.handle.len + 1);
    login_leave(login);
    if (copy == NULL) {
        return STATUS_NO_MEMORY;
    }
    if (identity.handle.len > 0) {
        memcpy(copy, identity.handle.data, identity.handle.len);
    }
    *login = (struct login){
        .handle = copy,
        .handle_len = identity.handle.len,
        .index = identity.index,
        .used_ms = now_ms,
    };
    return STATUS_OK;
}

void login_leave(struct login *login)
{
    bool was_in = login->handle != NULL || login->was_in;
    free(login->handle);
    *login = (struct login){.was_in = was_in};
}

bool login_get(struct login *login, int64_t now_ms, struct reference *out_identity)
{
    if (login->handle == NULL) {
        return false;
    }
    if (now_ms - login->used_ms > LOGIN_IDLE_MS) {
        login_leave(login);
        return false;
    }
    login->used_ms = now_ms;
    *out_identity = (struct reference){
        .handle = bytes_of(login->handle, login->handle_len),
        .index = login->index,
    };
    return true;
}
