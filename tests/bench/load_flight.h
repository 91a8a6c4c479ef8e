/* SPDX-License-Identifier: Apache-2.0
 *
 * The requests that wait for their answers, and what became of all of them.
 *
 * A request id is a generation and the number of its place in the table, so an answer finds its
 * request without a search and one that comes twice, or after its request was given up, is known
 * as such. A place is used again as late as possible. One thread.
 */
#pragma once

#include "protocol/message.h"

#define FLIGHT_MAX 65536u    /* places a request id can name */
#define FLIGHT_PIECES_MAX 64 /* datagrams of one answer */

enum flight_state { FLIGHT_FREE, FLIGHT_WAITING, FLIGHT_ANSWERED, FLIGHT_LOST };

struct flight_request {
    uint32_t id;
    uint32_t owner; /* the socket it went to */
    uint64_t name;
    int64_t due_ns;  /* when it was meant to leave */
    int64_t sent_ns; /* when it did */
    uint64_t pieces; /* of the answer, a bit each */
    enum flight_state state;
    enum flight_state previous; /* of the id one generation before */
    bool is_counted;            /* meant to leave after the warm-up */
};

struct flight {
    struct flight_request *requests;
    uint32_t *free; /* a ring */
    uint32_t size;
    uint32_t free_at;
    uint32_t free_count;
};

bool flight_init(struct flight *flight, uint32_t size);
void flight_done(struct flight *flight);

static inline uint32_t flight_waiting(const struct flight *flight)
{
    return flight->size - flight->free_count;
}

/* A place with a fresh id, waiting; NULL when all are taken. */
struct flight_request *flight_take(struct flight *flight);

/* Ends the wait; the place may be used again. */
void flight_release(struct flight *flight, struct flight_request *request,
                    enum flight_state outcome);

/* The place this id names, or NULL; whether it is the id that waits there is for the caller. */
struct flight_request *flight_find(struct flight *flight, uint32_t id);

/* Is this the id the place had before its present one? */
bool flight_is_previous(const struct flight_request *request, uint32_t id);
