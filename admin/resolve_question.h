/* SPDX-License-Identifier: Apache-2.0
 *
 * What `guantong resolve` was asked: server, name, filters, flags; and its bytes.
 */
#pragma once

#include "admin/command.h"
#include "admin/server_name.h"
#include "protocol/message.h"

struct resolve_question {
    struct bytes name; /* "hdl:" taken off; "/" for --site-info without a name */
    bool is_site_info;
    struct server_name server;
    bool tries_udp, tries_tcp, tries_tls, tries_http;
    bool uses_tls;          /* TLS, and HTTP over it */
    const char *server_key; /* file of the one key TLS trusts; NULL: any */
    int64_t timeout_ms;
    uint32_t flags;
    struct message_version version;
    struct message_version suggested;
    uint32_t index_count;
    struct bytes indexes; /* encoded */
    uint32_t type_count;
    struct bytes types; /* encoded */
};

/* EXIT_OK, or the exit code of a problem that has been said. */
int resolve_question_read(struct command_call *call, struct resolve_question *out_question);

/* The request as a packet in the arena; NO_MEMORY, NO_ROOM. */
enum status resolve_question_encode(const struct resolve_question *question, struct arena *arena,
                                    uint32_t request_id, uint32_t now_s, struct bytes *out_packet);
