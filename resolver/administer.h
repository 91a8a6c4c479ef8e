/* SPDX-License-Identifier: Apache-2.0
 *
 * What handlers of administrative operations share: finding what is to be changed, the order in
 * which a caller is asked, judged and verified (protocol.md §7.1), the answer to what was written.
 * Worker's thread.
 */
#pragma once

#include "resolver/auth.h"

/* The record a request is about, under a prefix that is hosted here. OK, also when there is no such
 * record: then its version is 0. Else what to refuse with: NOT_RESPONSIBLE, PREFIX_REFERRAL,
 * INVALID_HANDLE, CONFLICT when the terms name another version, CORRUPT. */
enum status administer_find(struct exchange *x, struct bytes name, struct lookup *out_found);

/* Refuses with the words for that status. */
enum status administer_refuse(struct exchange *x, enum status status);
enum status administer_refuse_malformed(struct exchange *x);

/* Has the caller the right? OK, PENDING, or what to refuse with. `subject` is the handler's. */
typedef enum status administer_judge(struct auth *auth, const void *subject);

/* Authorises, then authenticates, then authorises once more what was claimed without an index.
 * `auth` is begun here. true: go on; false: return `out_status`, which was answered or waits. */
bool administer_admit(struct exchange *x, struct auth *auth, administer_judge *judge,
                      const void *subject, enum status *out_status);

/* The values of a record, decoded into the arena, sorted by index. NO_MEMORY, ERROR. */
enum status administer_values(struct exchange *x, const struct lookup *found,
                              struct body_values *out_values);

/* Are these fit to be put into a record (protocol.md §5.4)? Clears their timestamps: the server
 * says when. */
enum status administer_check_values(struct body_values *body, struct fault *fault);

/* One change of one record in the caller's name, resting on what `auth` read (NULL: on nothing).
 * `values` NULL: deletion. Returns what the handler returns. */
struct administer_change {
    struct bytes handle;
    const struct body_values *values;
    enum change_mode mode;
};
/* Puts it into a set. What change_set_put_record and change_set_delete_record return; CONFLICT: the
 * set rests on another version of something read. */
enum status administer_fill(struct change_set *set, const struct auth *auth,
                            const struct administer_change *change, struct fault *fault);
enum status administer_commit(struct exchange *x, const struct auth *auth,
                              const struct administer_change *change);

/* The set came back: did it do what was asked? false: refused, return `out_status`. */
bool administer_is_done(struct exchange *x, const struct change_set *done, enum status *out_status);

/* An empty answer of success. */
enum status administer_confirm(struct exchange *x);
