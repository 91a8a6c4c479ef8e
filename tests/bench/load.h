/* SPDX-License-Identifier: Apache-2.0
 *
 * One run of the load generator: what it was asked to do, where it stands, what it counted.
 *
 * Closed loop: a fixed number of requests is outstanding; the next one leaves when an answer came.
 * Open loop: requests leave at a fixed rate whatever comes back, and latency counts from the moment
 * a request was meant to leave, so that a stalled server is not spared the requests it delayed.
 * Everything belongs to one thread.
 */
#pragma once

#include <sys/socket.h>

#include "tests/bench/load_flight.h"
#include "tests/bench/load_histogram.h"
#include "tests/bench/load_names.h"

#define LOAD_SOCKETS_MAX 1024
#define LOAD_REQUEST_MAX 512

enum load_mode { LOAD_UDP, LOAD_TCP, LOAD_TCP_ONE_SHOT };

struct load_options {
    enum load_mode mode;
    struct names_options names;
    struct sockaddr_storage server;
    socklen_t server_len;
    uint32_t sockets;     /* UDP sockets or TCP connections */
    uint32_t outstanding; /* in all (UDP), on each connection (TCP) */
    uint64_t rate;        /* per second, open loop; 0: closed loop */
    int64_t seconds_ns;
    int64_t warmup_ns;
    int64_t timeout_ns; /* then an answer is lost */
    uint32_t code;      /* the response code every answer must have */
    uint32_t length;    /* bytes of every answer with its envelope; 0: any */
    int core;           /* to run on; -1: any */
    int pid;            /* of the server whose CPU time is read; 0: none */
    bool sleeps;        /* waits in the kernel rather than in a loop */
};

struct load_counts {
    uint64_t sent;
    uint64_t right;
    uint64_t wrong;     /* id, code, handle or length is not what it should be; lies, garbage */
    uint64_t duplicate; /* answered already */
    uint64_t late;      /* given up already */
    uint64_t lost;      /* given up */
    uint64_t broken;    /* connections that ended before their answers came */
    uint64_t in_window; /* right, between warm-up and end */
    uint64_t bytes_in;
    uint64_t bytes_out;
};

struct load {
    struct load_options options;
    struct names names;
    struct flight flight;
    struct load_counts counts;
    struct histogram latency;
    int64_t begin_ns;
    int64_t measure_ns;
    int64_t end_ns;
    int64_t swept_ns;
    uint64_t issued;       /* open loop: requests taken from the schedule */
    int64_t server_cpu_ns; /* at the beginning of the window, then of the window */
    int64_t own_cpu_ns;    /* the same of this process */
    bool is_measuring;
    bool is_over;      /* what is measured has ended; answers under way are awaited */
    const char *fault; /* why the run ended early */
    void (*on_lost)(struct load *load, const struct flight_request *request);
    void *context; /* of on_lost */
};

/* The runs; false with `fault` set when nothing could be measured. */
bool load_udp_run(struct load *load);
bool load_tcp_run(struct load *load);

/* --- load_pace.c: time and the schedule --- */

int64_t load_now_ns(void);
void load_begin(struct load *load);

/* Once in each turn of a run: phases and lost requests. False when all is done. */
bool load_goes_on(struct load *load, int64_t now_ns);

/* How many requests may leave now. What an open loop owes when its time is up still leaves. */
uint32_t load_due(const struct load *load, int64_t now_ns);

/* How long a run that sleeps may wait; 0 when it spins. */
int64_t load_patience_ns(const struct load *load, int64_t now_ns);

/* The next request, encoded; NULL when the table is full. */
struct flight_request *load_next(struct load *load, uint32_t owner, int64_t now_ns,
                                 uint8_t out_packet[LOAD_REQUEST_MAX], size_t *out_len);

/* --- load_answer.c: what came back --- */

/* A datagram, or a whole packet of a stream; the request it ended, NULL when none. */
struct flight_request *load_settle(struct load *load, uint32_t owner, struct bytes packet,
                                   int64_t now_ns);
