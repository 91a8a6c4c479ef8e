/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of http_stream.c, http_call.c and http_reply.c: a call from its head to its reply.
 */
#pragma once

#include "resolver/http_chunks.h"
#include "resolver/http_parse.h"
#include "resolver/http_stream.h"
#include "resolver/stream_parts.h"

#define HTTP_DATE_ROOM 40

/* Something asked and not answered to its end, or not asked yet. */
struct http_asked {
    struct http_asked *next;
    uint32_t id; /* what its exchange's route says; 0: it waits to be asked */
    uint32_t tag;
    http_answered *answered;
    bool keeps_id;
    struct exchange_terms terms;
    uint8_t *packet; /* owned; NULL once it was asked */
    size_t len;
};

struct http_inside {
    struct http_call call;
    struct stream *stream;
    struct turn *turn;           /* while something of it runs */
    struct exchange_scope scope; /* of handlers: their own arena */
    struct http_head head;
    struct buffer text; /* what the head borrows */
    struct buffer body;
    size_t body_counted; /* of it, in the worker's body_bytes */
    struct http_chunks chunks;
    struct buffer reply;    /* status line and fields */
    struct buffer question; /* what is being asked */
    struct http_asked *asked;
    struct http_asked *spare; /* so that asking needs no memory when it is too late to say so */
    size_t asked_count;
    struct http_later *later; /* on its way to go on with the call; NULL: none */
    unsigned status;          /* of the reply; 0: not begun */
    unsigned depth;           /* of handlers and callbacks that run */
    bool is_receiving;
    bool has_time; /* for its body */
    bool has_replied;
    bool has_failed; /* no memory for the reply */
    bool is_from;    /* http_call_is_from was called */
};

struct http_worker {
    size_t body_bytes;         /* memory of bodies that came, or are coming */
    struct http_inside *spare; /* the last call's: the next needs no memory */
    struct arena *arena;       /* what handlers make */
    size_t bulk_count;         /* calls for many names that are under way */
    int64_t date_s;            /* of the text */
    char date[HTTP_DATE_ROOM];
};

/* Runs the handler of a whole request. */
void http_call_begin(struct http_inside *inside);
/* An answer to one of its questions. */
void http_call_answer(struct http_inside *inside, uint32_t id, enum status status,
                      struct bytes packet);
/* Frees what it asked and what its handler kept. */
void http_call_end(struct http_inside *inside);

/* "HTTP/1.1 404 Not Found"'s words. */
const char *http_reply_reason(unsigned status);
/* The answer to what is no request: the connection ends with it. */
void http_reply_refuse(struct turn *turn, unsigned status);
/* 400 with a body as REST has it. */
void http_reply_refuse_rest(struct turn *turn);
/* The same to somebody who speaks HTTP where TLS was to come. */
void http_reply_plain(struct turn *turn);
