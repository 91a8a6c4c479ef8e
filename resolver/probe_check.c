/* SPDX-License-Identifier: Apache-2.0
 *
 * Site record, then name (probe_check.h), by the client that every command uses.
 */
#include "resolver/probe_check.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "protocol/opcode.h"
#include "protocol/pubkey.h"
#include "protocol/site.h"
#include "resolver/server_trust.h"

#define BODY_ROOM 4096
#define ARENA_FIRST 4096
#define ARENA_MAX (4u << 20)

struct probe_check {
    struct net *net;
    struct probe_question question;
    probe_checked *done;
    void *context;
    struct client *client;
    EVP_PKEY *key;
    struct tls_context *tls;
    struct net_timer *late; /* tells what could not begin */
    int64_t asked_us;
    struct probe_result result;
    size_t body_len;
    uint8_t body[BODY_ROOM];
};

/* --- findings --------------------------------------------------------------------------------- */

static enum finding finding_of_status(enum status status)
{
    switch (status) {
    case STATUS_OK:
        return FINDING_OK;
    case STATUS_TIMED_OUT:
        return FINDING_NO_ANSWER;
    case STATUS_UNREACHABLE:
        return FINDING_UNREACHABLE;
    case STATUS_CLOSED:
        return FINDING_CLOSED;
    case STATUS_INVALID_CREDENTIAL:
        return FINDING_WRONG_KEY;
    case STATUS_NO_MEMORY:
    case STATUS_SYSTEM:
        return FINDING_NOT_CHECKED;
    default:
        return FINDING_NOT_HANDLE;
    }
}

static enum finding judge_responsible(void *context, const struct client_answer *answer)
{
    (void)context;
    switch (status_of_wire_code(answer->message->header.response_code)) {
    case STATUS_OK:
    case STATUS_HANDLE_NOT_FOUND:
    case STATUS_VALUES_NOT_FOUND:
    case STATUS_AUTHENTICATION_NEEDED:
    case STATUS_ACCESS_DENIED:
        return FINDING_OK;
    case STATUS_NOT_RESPONSIBLE:
    case STATUS_SERVICE_REFERRAL:
    case STATUS_PREFIX_REFERRAL:
        return FINDING_NOT_RESPONSIBLE;
    case STATUS_SERVER_BUSY:
        return FINDING_BUSY;
    default:
        return FINDING_REFUSED;
    }
}

/* Serials go round (RFC 1982): half of them are newer. */
static bool is_newer(uint16_t told, uint16_t held)
{
    return told != held && (uint16_t)(told - held) < 0x8000;
}

static enum finding judge_site(struct probe_check *check, const struct client_answer *answer)
{
    uint32_t code = answer->message->header.response_code;
    struct bytes data = BYTES_NONE;
    struct site site;
    if (code != status_wire_code(STATUS_OK) || body_site_decode(answer->body, &data) != STATUS_OK) {
        return code == status_wire_code(STATUS_SERVER_BUSY) ? FINDING_BUSY : FINDING_OK;
    }
    struct arena *arena = arena_new(ARENA_FIRST, ARENA_MAX);
    enum finding finding = FINDING_OK;
    if (arena != NULL && site_decode(data, arena, &site) == STATUS_OK) {
        uint16_t held = check->question.target.serial;
        check->result.serial = site.serial;
        finding = held != MESSAGE_SERIAL_UNKNOWN && is_newer(site.serial, held) ? FINDING_NEWER_SITE
                                                                                : FINDING_OK;
    }
    arena_free(arena);
    return finding;
}

/* The worse of two; of equals the first. */
static void found(struct probe_check *check, enum finding finding)
{
    if (finding_row(finding)->outcome > finding_row(check->result.finding)->outcome) {
        check->result.finding = finding;
    }
}

/* --- steps ------------------------------------------------------------------------------------ */

static void finish(struct probe_check *check)
{
    probe_checked *done = check->done;
    void *context = check->context;
    struct probe_result result = check->result;
    probe_check_cancel(check);
    done(context, &result);
}

static void check_on_late(void *context)
{
    finish(context);
}

static bool take(struct probe_check *check, enum status status, const struct client_answer *answer)
{
    if (status != STATUS_OK) {
        found(check, finding_of_status(status));
        return false;
    }
    int64_t rtt_us = net_now_us(check->net) - check->asked_us;
    rtt_us = rtt_us > 0 ? rtt_us : 1;
    if (check->result.rtt_us == 0 || rtt_us < check->result.rtt_us) {
        check->result.rtt_us = rtt_us;
    }
    check->result.code = answer->message->header.response_code;
    check->result.version = answer->message->envelope.version;
    check->result.is_certified = answer->is_certified;
    return true;
}

static void check_on_name(void *context, enum status status, const struct client_answer *answer)
{
    struct probe_check *check = context;
    const struct probe_question *question = &check->question;
    if (take(check, status, answer)) {
        found(check, question->judge == NULL ? judge_responsible(NULL, answer)
                                             : question->judge(question->judge_context, answer));
    }
    finish(check);
}

static void check_on_site(void *context, enum status status, const struct client_answer *answer);

static enum status ask_site(struct probe_check *check)
{
    uint8_t body[8];
    struct wire_writer w = wire_write(body, sizeof(body));
    body_handle_encode(&w, BYTES_LITERAL("/"));
    const struct client_request request = {
        .opcode = OPCODE_GET_SITE_INFO, .flags = MESSAGE_PUBLIC_ONLY, .body = wire_wrote(&w)};
    check->asked_us = net_now_us(check->net);
    return client_call(check->client, &request, NULL, check_on_site, check);
}

static enum status ask_name(struct probe_check *check)
{
    const struct client_request request = {.opcode = OPCODE_RESOLUTION,
                                           .flags = check->question.flags,
                                           .body = bytes_of(check->body, check->body_len)};
    check->asked_us = net_now_us(check->net);
    return client_call(check->client, &request, NULL, check_on_name, check);
}

static void check_on_site(void *context, enum status status, const struct client_answer *answer)
{
    struct probe_check *check = context;
    if (!take(check, status, answer)) {
        finish(check);
        return;
    }
    found(check, judge_site(check, answer));
    status = check->body_len > 0 ? ask_name(check) : STATUS_NOT_FOUND;
    if (status != STATUS_OK) {
        found(check, status == STATUS_NOT_FOUND ? FINDING_OK : finding_of_status(status));
        finish(check);
    }
}

/* --- public ----------------------------------------------------------------------------------- */

static enum status prepare(struct probe_check *check)
{
    const struct probe_question *question = &check->question;
    struct pubkey record;
    if (question->name.len > 0) {
        const struct body_resolution body = {.handle = question->name};
        struct wire_writer w = wire_write(check->body, sizeof(check->body));
        body_resolution_encode(&w, &body);
        check->body_len = w.failed ? 0 : wire_wrote(&w).len;
    }
    if (question->target.public_key.len > 0 &&
        (pubkey_decode(question->target.public_key, &record) != STATUS_OK ||
         pubkey_to_evp(&record, &check->key) != STATUS_OK)) {
        return STATUS_INVALID_CREDENTIAL;
    }
    enum status status = server_trust_new(&question->target, &check->tls);
    if (status != STATUS_OK) {
        return status;
    }
    const struct client_options options = {
        .server = question->target.address,
        .transport = question->target.transport,
        .timeout_ms = question->timeout_ms,
        .version = question->target.version,
        .tls = check->tls,
        .path = question->target.path,
        .server_key = check->key,
        .random = question->random,
    };
    status = net_timer_new(check->net, check_on_late, check, &check->late);
    return status == STATUS_OK ? client_new(check->net, &options, &check->client) : status;
}

enum status probe_check_start(struct net *net, const struct probe_question *question,
                              probe_checked *done, void *context, struct probe_check **out_check)
{
    struct probe_check *check = calloc(1, sizeof(*check));
    if (check == NULL) {
        return STATUS_NO_MEMORY;
    }
    check->net = net;
    check->question = *question;
    check->done = done;
    check->context = context;
    check->result.serial = MESSAGE_SERIAL_UNKNOWN;
    enum status status = prepare(check);
    if (status == STATUS_OK) {
        status = question->skips_site ? ask_name(check) : ask_site(check);
    }
    if (status != STATUS_OK && check->late == NULL &&
        net_timer_new(net, check_on_late, check, &check->late) != STATUS_OK) {
        probe_check_cancel(check);
        return STATUS_NO_MEMORY;
    }
    if (status != STATUS_OK) {
        found(check, finding_of_status(status));
        net_timer_start(check->late, 0);
    }
    *out_check = check;
    return STATUS_OK;
}

void probe_check_cancel(struct probe_check *check)
{
    if (check == NULL) {
        return;
    }
    client_free(check->client);
    net_timer_free(check->late);
    tls_context_free(check->tls);
    EVP_PKEY_free(check->key);
    free(check);
}

void probe_where(const struct service_target *target, char out[PROBE_WHERE_MAX])
{
    static const char *const names[] = {[ASK_UDP] = "udp",
                                        [ASK_TCP] = "tcp",
                                        [ASK_TLS] = "tls",
                                        [ASK_HTTP] = "http",
                                        [ASK_HTTPS] = "https"};
    const char *name = names[target->transport];
    char address[NET_ADDRESS_TEXT];
    net_address_text(&target->address, address);
    const char *port = strrchr(address, ':');
    if (target->host.len == 0) {
        (void)snprintf(out, PROBE_WHERE_MAX, "%s %s", name, address);
        return;
    }
    (void)snprintf(out, PROBE_WHERE_MAX, "%s %.*s%s", name,
                   (int)(target->host.len < 60 ? target->host.len : 60),
                   (const char *)target->host.data, port == NULL ? "" : port);
}
