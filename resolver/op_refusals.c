/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations that are decoded and refused; see op_refusals.h.
 */
#include "resolver/op_refusals.h"

#include "protocol/body.h"
#include "resolver/identity.h"

static enum status refuse_malformed(struct exchange *x)
{
    return exchange_refuse(x, STATUS_PROTOCOL_ERROR, "malformed body");
}

static enum status refuse_unserved(struct exchange *x)
{
    return exchange_refuse(x, STATUS_NOT_SUPPORTED, "this operation is not supported here");
}

static enum status refuse_named(struct exchange *x)
{
    struct bytes ignored;
    if (body_handle_decode(x->message.body, true, &ignored) != STATUS_OK) {
        return refuse_malformed(x);
    }
    return refuse_unserved(x);
}

enum status op_next_txn_id(struct exchange *x)
{
    return refuse_named(x);
}

enum status op_backup(struct exchange *x)
{
    return refuse_named(x);
}

enum status op_retrieve_log(struct exchange *x)
{
    struct body_retrieve_log body;
    struct message_version version = x->message.envelope.version;
    if (body_retrieve_log_decode(x->message.body, version, &body) != STATUS_OK) {
        return refuse_malformed(x);
    }
    return refuse_unserved(x);
}

enum status op_dump_handles(struct exchange *x)
{
    struct body_dump body;
    if (body_dump_decode(x->message.body, &body) != STATUS_OK) {
        return refuse_malformed(x);
    }
    return refuse_unserved(x);
}
