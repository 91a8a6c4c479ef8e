/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers from what was kept (op_repeat.h).
 */
#include "resolver/op_repeat.h"

#include "protocol/body.h"
#include "registry/repeats.h"
#include "resolver/identity.h"

static enum status tell(struct exchange *x, const struct repeat_row *row,
                        const struct repeat_item *outcome)
{
    uint32_t mint = x->message.header.flags & (uint32_t)MESSAGE_MINT;
    x->answer_header.flags |= mint;
    if (outcome->replaces) {
        x->answer_header.flags |= (uint32_t)MESSAGE_OVERWRITE;
    }
    struct message_marks marks = exchange_open(x, STATUS_OK);
    if (mint != 0) {
        body_handle_encode(&x->reply, row->note);
    }
    return exchange_close(x, marks);
}

bool op_repeat_answers(struct exchange *x, enum status *out_status)
{
    const struct exchange_terms *terms = &x->route.terms;
    const struct identity *who = exchange_identity(x);
    struct bytes key = bytes_of(terms->repeat_key, sizeof(terms->repeat_key));
    struct bytes digest = bytes_of(terms->repeat_digest, sizeof(terms->repeat_digest));
    struct repeat_row row;
    struct repeat_item outcome;
    if (who == NULL || !who->is_verified || exchange_committed(x) != NULL ||
        repeats_get(x->scope->snapshot, key, x->scope->now_ms, &row) != STATUS_OK) {
        return false;
    }
    struct wire_reader r = wire_read(row.items);
    bool is_one = row.count == 1 && repeats_next_item(&r, &outcome);
    *out_status = is_one && bytes_equal(row.digest, digest)
                      ? tell(x, &row, &outcome)
                      : exchange_refuse(x, STATUS_CONFLICT, EXCHANGE_TERMS_CLASH);
    return true;
}
