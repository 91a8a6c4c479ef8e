/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes into the head of a request, judged: where it ends, and how long the body behind it is
 * (RFC 9112). Pure; what is found is borrowed from the bytes.
 *
 * llhttp reads it after every byte has been looked at here: what two servers could read differently
 * is refused, also where the RFC would allow to be generous (protocol.md §14 row 70).
 */
#pragma once

#include "resolver/http.h"

#define HTTP_FIELDS_MAX 64

enum http_head_found {
    HTTP_HEAD_PART, /* more is to come */
    HTTP_HEAD_WHOLE,
    HTTP_HEAD_BROKEN, /* a line that ends in a bare LF: 400 */
};

/* Does a whole head stand at the start of `data`? `out_len` are its bytes with the empty line. */
enum http_head_found http_head_find(struct bytes data, size_t *out_len);

struct http_head {
    enum http_verb verb;
    struct bytes path;
    struct bytes query;
    struct http_field fields[HTTP_FIELDS_MAX];
    size_t field_count;
    bool is_old;     /* HTTP/1.0 */
    bool goes_on;    /* the connection is kept after the answer */
    bool is_chunked; /* the body; else it has `body_len` bytes */
    bool expects;    /* 100 Continue before the body is sent */
    bool is_rest;    /* a refusal: of an escape below /api/ alone, so it is told as REST does */
    uint64_t body_len;
};

/* `head` is one as http_head_find found it. 0: it is good; else the HTTP status of the refusal,
 * after which nobody can say where the next request begins. */
unsigned http_head_read(struct bytes head, struct http_head *out_head);

/* The first field of that name among `fields`; BYTES_NONE: none. */
struct bytes http_field_find(const struct http_field *fields, size_t count, const char *name);
size_t http_field_count(const struct http_field *fields, size_t count, const char *name);

/* Takes the first of the words that commas divide in a field's value; false: there is none. */
bool http_field_word(struct bytes *rest, struct bytes *out_word);
