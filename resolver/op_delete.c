/* SPDX-License-Identifier: Apache-2.0
 *
 * Deleting records. That there is none (100) is told to those who answered a challenge, right or
 * wrong (§5.4).
 */
#include "resolver/op_delete.h"

enum status op_delete_judge(struct auth *auth, const void *subject)
{
    return auth_record(auth, subject, AUTH_DELETE_HANDLE);
}

enum status op_delete(struct exchange *x)
{
    struct bytes handle;
    struct lookup found;
    struct auth auth;
    enum status status;
    if (body_handle_decode(x->message.body, false, &handle) != STATUS_OK) {
        return administer_refuse_malformed(x);
    }
    const struct change_set *done = exchange_committed(x);
    if (done != NULL) {
        return administer_is_done(x, done, &status) ? administer_confirm(x) : status;
    }
    status = administer_find(x, handle, &found);
    if (status != STATUS_OK) {
        return administer_refuse(x, status);
    }
    if (exchange_identity(x) == NULL) {
        return exchange_demand_identity(x);
    }
    if (found.record.version == 0) {
        return exchange_refuse(x, STATUS_HANDLE_NOT_FOUND, "");
    }
    if (!administer_admit(x, &auth, op_delete_judge, &found, &status)) {
        return status;
    }
    return administer_commit(x, &auth, &(struct administer_change){.handle = found.handle});
}
