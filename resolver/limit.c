/* SPDX-License-Identifier: Apache-2.0
 *
 * One row for each limit (limit.h). Any worker's thread; what they share is in the log.
 */
#include "resolver/limit.h"

#include <assert.h>

#include "resolver/worker.h"

static_assert((int)LIMIT_COUNT <= LOG_GATES, "each limit has a gate of its own");

static const struct {
    enum metric metric;
    const char *said;
    const char *setting;
} rows[LIMIT_COUNT] = {
    [LIMIT_UDP_PER_SOURCE] = {METRIC_udp_over_source, "UDP request not answered",
                              "limits.udp_per_source"},
    [LIMIT_UDP_PER_NETWORK] = {METRIC_udp_over_network, "UDP request not answered",
                               "limits.udp_per_network"},
    [LIMIT_UDP_LARGE] = {METRIC_udp_over_large, "answer of several datagrams not sent",
                         "limits.udp_large_bytes"},
    [LIMIT_REASSEMBLY] = {METRIC_reassembly_refused, "piece of a UDP message not kept",
                          "limits.reassembly_per_source or limits.reassembly_bytes"},
    [LIMIT_REASSEMBLY_BYTES] = {METRIC_reassembly_crowded,
                                "its UDP message in pieces took the place of unfinished ones",
                                "limits.reassembly_bytes"},
    [LIMIT_CONNECTIONS] = {METRIC_tcp_refused, "connection refused", "limits.connections"},
    [LIMIT_CONNECTIONS_PER_SOURCE] = {METRIC_tcp_over_source, "connection refused",
                                      "limits.connections_per_source"},
    [LIMIT_PIPELINED] = {METRIC_tcp_held_back, "connection not read until its answers are taken",
                         "limits.pipelined"},
    [LIMIT_OUTPUT] = {METRIC_tcp_output_closed, "connection closed, it takes no answers",
                      "limits.output_bytes"},
    [LIMIT_FIRST_REQUEST] = {METRIC_tcp_timeouts, "connection closed, its first request is late",
                             "limits.first_request"},
    [LIMIT_HANDSHAKE] = {METRIC_tls_late, "connection closed, its TLS handshake is late",
                         "limits.handshake"},
    [LIMIT_HANDSHAKES] = {METRIC_tls_over_source, "TLS connection refused", "limits.handshakes"},
    [LIMIT_MESSAGE] = {METRIC_tcp_slow_messages, "connection closed, its message is late",
                       "limits.message"},
    [LIMIT_PARKED] = {METRIC_parked_refused, "request answered busy, too many wait",
                      "limits.parked, limits.parked_bytes or limits.parked_per_source"},
    [LIMIT_CERTIFIED] = {METRIC_certified_refused, "answer not signed", "limits.certified"},
    [LIMIT_TRUST] = {METRIC_trust_refused, "signatures of a record not followed", "limits.trust"},
    [LIMIT_VERIFY] = {METRIC_verify_refused, "question about an answer refused", "limits.verify"},
    [LIMIT_CHALLENGES] = {METRIC_challenges_displaced,
                          "its challenge took the place of an older one",
                          "limits.challenges, limits.challenge_bytes or "
                          "limits.challenges_per_source"},
    [LIMIT_SESSIONS] = {METRIC_sessions_displaced, "its session took the place of an older one",
                        "limits.sessions or limits.sessions_per_source"},
    [LIMIT_DUPLICATES] = {METRIC_repeats_forgotten,
                          "for its request an older answer was forgotten that may be asked again",
                          "limits.repeated_bytes"},
    [LIMIT_CROWDED] = {METRIC_repeats_crowded,
                       "request answered busy, too many are under way that are done once",
                       "limits.repeated_bytes"},
    [LIMIT_ELSEWHERE] = {METRIC_elsewhere_refused, "key or group of another node not asked for",
                         "limits.elsewhere"},
    [LIMIT_WRONG_ANSWERS] = {METRIC_wrong_answers_refused,
                             "answer to a challenge not judged, too many were wrong",
                             "limits.wrong_answers"},
    [LIMIT_DESCRIPTORS] = {METRIC_tcp_descriptors,
                           "connections wait, no descriptor or memory is left",
                           "LimitNOFILE of the service"},
};

void limit_hits(const struct worker *worker, enum limit limit, const struct net_address *peer,
                size_t count)
{
    if (count == 0) {
        return;
    }
    const struct worker_options *options = &worker->options;
    metrics_add(options->metrics, rows[limit].metric, 0, (int64_t)count);
    if (options->log == NULL || !log_wants(options->log, LOG_LEVEL_WARNING) ||
        !log_gate(options->log, (unsigned)limit, net_now_ms(options->net))) {
        return;
    }
    char text[NET_ADDRESS_TEXT] = "node";
    if (peer != NULL) {
        net_address_text(peer, text);
    }
    log_write(options->log, LOG_LEVEL_WARNING, "limits", "%s: %s (%s)", text, rows[limit].said,
              rows[limit].setting);
}

void limit_hit(const struct worker *worker, enum limit limit, const struct net_address *peer)
{
    limit_hits(worker, limit, peer, 1);
}
