/* SPDX-License-Identifier: Apache-2.0
 *
 * Operation codes to handlers. The switch below is made from opcode.def: a row whose `op_<handler>`
 * is declared nowhere does not compile.
 */
#include "resolver/dispatch.h"

#include "protocol/opcode.h"
#include "resolver/op_auth.h"
#include "resolver/op_batch.h"
#include "resolver/op_create.h"
#include "resolver/op_delete.h"
#include "resolver/op_home.h"
#include "resolver/op_list.h"
#include "resolver/op_login.h"
#include "resolver/op_refusals.h"
#include "resolver/op_repeat.h"
#include "resolver/op_resolve.h"
#include "resolver/op_session.h"
#include "resolver/op_siteinfo.h"
#include "resolver/op_values.h"

static exchange_handler *handler_of(uint32_t opcode)
{
    switch (opcode) {
#define OPCODE(name, number, effect, transports, handler)                                          \
    case (number):                                                                                 \
        return op_##handler;
#include "protocol/opcode.def"
#undef OPCODE
    default:
        return NULL;
    }
}

enum status dispatch_run(struct exchange *x)
{
    uint32_t opcode = x->message.header.opcode;
    enum status status = STATUS_OK;
    if (x->route.terms.batch != NULL) {
        return op_batch(x);
    }
    if (x->route.terms.has_repeat && op_repeat_answers(x, &status)) {
        return status;
    }
    if (opcode == 0) { /* reserved for errors, protocol.md §14 row 27 */
        return exchange_refuse(x, STATUS_PROTOCOL_ERROR, "operation 0 cannot be asked for");
    }
    const struct opcode_row *row = opcode_find(opcode);
    if (row == NULL) {
        return exchange_refuse(x, STATUS_NOT_SUPPORTED, "unknown operation");
    }
    if (row->transports == OPCODE_STREAM && x->transport == EXCHANGE_UDP) {
        return exchange_refuse(x, STATUS_PROTOCOL_ERROR, "this operation is not served over UDP");
    }
    return handler_of(opcode)(x);
}
