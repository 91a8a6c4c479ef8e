/* SPDX-License-Identifier: Apache-2.0
 *
 * What a REST request asks (protocol.md §9.2), and the same in the words of the Handle protocol: a
 * client's packet. Pure; everything lives in the arena or is borrowed from the request.
 */
#pragma once

#include "protocol/body.h"
#include "resolver/http.h"

struct rest_asked {
    struct bytes handle; /* of the path, decoded */

    uint32_t index_count; /* 0 and not various: all of them */
    struct bytes indexes; /* encoded */
    uint32_t type_count;
    struct bytes types; /* encoded */
    bool takes_various; /* index=various: those of the body */
    bool is_authoritative;
    bool is_certified;
    bool says_public_only; /* publicOnly was given */
    bool is_public_only;
    bool does_not_refer;
    bool is_create_only; /* overwrite was given and is not true */
    bool mints;

    bool has_prefix; /* of a list */
    struct bytes prefix;
    bool has_page;
    bool has_page_size;
    uint64_t page;
    uint64_t page_size;

    bool is_pretty;
    struct bytes callback; /* empty: none */

    size_t index_room; /* behind what is encoded */
    size_t type_room;
};

/* The query, then the body of a POST: form, or JSON object with the same names (lists for what may
 * be repeated). BAD_SYNTAX with the reason, NO_MEMORY. */
enum status rest_question_read(struct arena *arena, const struct http_request *request,
                               struct rest_asked *out_asked, struct fault *fault);

/* The part of the path behind `before`, decoded. BAD_SYNTAX. */
enum status rest_question_path(struct arena *arena, const struct http_request *request,
                               const char *before, struct bytes *out_part, struct fault *fault);

/* The values of a PUT: any of the accepted shapes. BAD_SYNTAX: no JSON, or none of them;
 * INVALID_VALUE; NO_MEMORY. */
enum status rest_question_values(struct arena *arena, const struct http_request *request,
                                 const struct rest_asked *asked, struct body_values *out_values,
                                 struct fault *fault);

/* Packets; none: NO_MEMORY, or it would be too long for a message. */
struct bytes rest_question_resolve(struct arena *arena, const struct rest_asked *asked,
                                   bool is_public_only, int64_t now_ms);
struct bytes rest_question_put(struct arena *arena, const struct rest_asked *asked,
                               const struct body_values *values, int64_t now_ms);
struct bytes rest_question_delete(struct arena *arena, const struct rest_asked *asked,
                                  int64_t now_ms);
/* Operations whose body is a name: lists, homes, site info. */
struct bytes rest_question_name(struct arena *arena, uint32_t opcode, struct bytes name,
                                int64_t now_ms);
