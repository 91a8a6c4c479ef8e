/* SPDX-License-Identifier: Apache-2.0
 *
 * OC_GET_SITE_INFO (protocol.md §5.3): the record alone, without a length in front.
 */
#include "resolver/op_siteinfo.h"

#include "protocol/body.h"

enum status op_siteinfo(struct exchange *x)
{
    struct bytes ignored;
    if (body_handle_decode(x->message.body, true, &ignored) != STATUS_OK) {
        return exchange_refuse(x, STATUS_PROTOCOL_ERROR, "malformed body");
    }
    struct bytes site = x->scope->generation->site;
    if (site.len == 0) {
        return exchange_refuse(x, STATUS_ERROR, "this node has no site record");
    }
    struct message_marks marks = exchange_open(x, STATUS_OK);
    wire_put_raw(&x->reply, site);
    return exchange_close(x, marks);
}
