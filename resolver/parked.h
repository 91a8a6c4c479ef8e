/* SPDX-License-Identifier: Apache-2.0
 *
 * Exchanges that wait: for the committer, for the crypto pool, for another server, for their peer
 * to take more of a list (design "Waiting"). One table per worker, its thread only.
 *
 * What is waited for is a `struct wait`, embedded in something that owns its bytes. It goes out
 * once, comes home as mail exactly once, and stays in the exchange's list as a result until the
 * exchange ends. An exchange is parked by its first wait: its request is copied into a block of its
 * own, and `exchange_run` is run again from there whenever a wait comes home. Nothing borrowed
 * survives, and no read transaction.
 *
 * Whoever is late is answered 3 (server busy); but a write that was submitted is waited for. When
 * the connection has gone the exchange goes on to its end, and its answer is dropped.
 */
#pragma once

#include "resolver/exchange.h"
#include "resolver/mailbox.h"

struct parked;
struct parked_table;

enum wait_kind {
    WAIT_VERIFY, /* an answer to a challenge is judged */
    WAIT_KEY,    /* a key that lives elsewhere */
    WAIT_COMMIT,
    WAIT_SIGN,      /* an answer gets its signature */
    WAIT_SETUP,     /* a session key is agreed on */
    WAIT_FIRST,     /* the same request is being answered already */
    WAIT_AGAIN,     /* for nothing: the decision is to be made anew */
    WAIT_FORWARD,   /* a name that lives elsewhere */
    WAIT_ELSEWHERE, /* a key or group that lives elsewhere */
    WAIT_TRUST,     /* signatures of a record are judged */
    WAIT_KINDS,
};

/* First member of what is waited for. */
struct wait {
    struct mail mail; /* wait_begin sets `opened` */
    struct wait *next;
    struct parked *parked;
    enum wait_kind kind;
    enum status status; /* how it went; set by whoever does it, before it is posted */
    bool is_home;
    void (*free)(struct wait *wait);
};

/* Parks the exchange if it is not parked yet, and counts the wait as gone out; `free` ends it and
 * all it owns. SERVER_BUSY: over a limit, or the scope knows no waiting; the wait stays the
 * caller's. */
enum status wait_begin(struct exchange *x, struct wait *wait, enum wait_kind kind,
                       void (*free)(struct wait *wait));

/* Parks the exchange without a wait: its connection will run it again. SERVER_BUSY as above. */
enum status wait_stay(struct exchange *x);

/* It could not be sent after all; it is the caller's again. */
void wait_cancel(struct exchange *x, struct wait *wait);

/* Instead of being sent anywhere it comes home with the table's next tick, a tenth of a second. */
void wait_a_moment(struct exchange *x, struct wait *wait);

/* The result of that kind, if it has come home. */
struct wait *wait_result(const struct exchange *x, enum wait_kind kind);

/* Is one of that kind on its way? Then PENDING is all there is to say. */
bool wait_is_out(const struct exchange *x, enum wait_kind kind);

/* Frees the result of that kind, so that the step may be taken anew. */
void wait_forget(struct exchange *x, enum wait_kind kind);

/* --- the worker's -------------------------------------------------------------------------------
 */

struct worker;

enum status parked_table_new(struct worker *worker, struct parked_table **out_table);
/* Every wait must have come home before: those in the mailbox are opened first. */
void parked_table_free(struct parked_table *table);
size_t parked_count(const struct parked_table *table);
size_t parked_bytes(const struct parked_table *table);

/* From now on results are only taken in: the worker is being taken down. */
void parked_table_close(struct parked_table *table);

/* The exchange that was parked here has come to its end. */
void parked_discard(struct parked *parked);

/* It waits for nothing but its peer: its connection runs it again. */
void parked_tells_more(struct parked *parked);

/* Over its time: it is to be answered 3. */
bool parked_is_late(const struct parked *parked);

/* --- for connections ----------------------------------------------------------------------------
 */

/* Those of one connection; embedded in it. */
struct parked_list {
    struct parked *first;
    size_t count;      /* all of them */
    size_t more_count; /* with more of a list to tell */
};

/* The connection is gone: answers will be dropped. */
void parked_list_orphan(struct parked_list *list);

/* Runs the first that has more to tell; its answer is appended to `room` (MESSAGE_PACKET_MAX).
 * `out_question`: which it is, as its route says; NULL: nobody asks. */
enum status parked_list_continue(struct parked_list *list, const struct exchange_scope *scope,
                                 uint8_t *room, size_t *out_len, uint32_t *out_question);
