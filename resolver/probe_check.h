/* SPDX-License-Identifier: Apache-2.0
 *
 * One way to a server, checked as a client would use it: its site record is asked for (operation 2)
 * and compared, then a name; where the site record tells a key, answers must be signed with it.
 *
 * Asynchronous on net.h and of one thread; the prober uses it, and `guantong prefix route-test`.
 */
#pragma once

#include "resolver/client.h"
#include "resolver/probe_state.h"
#include "resolver/service.h"

/* What an answer to the name means. */
typedef enum finding probe_judge(void *context, const struct client_answer *answer);

struct probe_question {
    struct service_target target; /* its host already looked up; key and path are borrowed */
    struct bytes name;            /* copied; empty: only the site is asked for */
    uint32_t flags;               /* of the question for the name */
    bool skips_site;
    int64_t timeout_ms; /* for each of the two */
    probe_judge *judge; /* NULL: whatever shows that the server serves the name's prefix */
    void *judge_context;
    void (*random)(void *out, size_t len);
};

struct probe_result {
    enum finding finding;
    uint32_t code; /* of the last answer; 0: none came */
    struct message_version version;
    uint16_t serial; /* as the server tells it; MESSAGE_SERIAL_UNKNOWN */
    int64_t rtt_us;  /* of the quickest answer; 0: none came */
    bool is_certified;
};

struct probe_check;
typedef void probe_checked(void *context, const struct probe_result *result);

/* `done` is called once, later. What cannot even begin is a finding, too; NO_MEMORY otherwise. */
enum status probe_check_start(struct net *net, const struct probe_question *question,
                              probe_checked *done, void *context, struct probe_check **out_check);
void probe_check_cancel(struct probe_check *check); /* NULL is allowed */

/* "udp 192.0.2.7:2641"; the host's name before the address where there is one. */
void probe_where(const struct service_target *target, char out[PROBE_WHERE_MAX]);
