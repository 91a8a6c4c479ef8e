/* SPDX-License-Identifier: Apache-2.0
 *
 * One request and its answer: decode, dispatch, reply. Pure: bytes in, bytes out.
 *
 * What cannot be decoded is still answered where the envelope could be read, so that a client does
 * not wait for a timeout (protocol.md §13 row 25); what is itself an answer never is, so that two
 * servers cannot be made to talk to each other for ever (§14 row 27).
 */
#include "resolver/exchange.h"

#include "protocol/body.h"
#include "resolver/dispatch.h"

#define NONCE_LEN 16
#define MIXED_VERSION ((struct message_version){2, 3}) /* early errors: what every client reads */
#define OWN_VERSION ((struct message_version){MESSAGE_VERSION_MAJOR, MESSAGE_VERSION_MINOR})

/* Taken over from request to answer (protocol.md §4.2); KC, OVRW, MINT and the low bits are not. */
static const uint32_t copied_flags =
    (uint32_t)MESSAGE_AUTHORITATIVE | (uint32_t)MESSAGE_CERTIFIED | (uint32_t)MESSAGE_ENCRYPT |
    (uint32_t)MESSAGE_CACHE_CERTIFIED | (uint32_t)MESSAGE_PUBLIC_ONLY |
    (uint32_t)MESSAGE_REQUEST_DIGEST | (uint32_t)MESSAGE_DO_NOT_REFER;

static const uint32_t early_flags =
    (uint32_t)MESSAGE_RECURSIVE | (uint32_t)MESSAGE_CACHE_CERTIFIED | (uint32_t)MESSAGE_PUBLIC_ONLY;

/* Digest algorithm bytes and the flag that announces them came with 2.1 (protocol.md §3.2). */
static bool knows_digest_flag(struct message_version version)
{
    return message_version_compare(version, (struct message_version){2, 1}) >= 0;
}

static uint32_t expiration(const struct exchange *x)
{
    return (uint32_t)(x->scope->now_ms / 1000 + MESSAGE_EXPIRY_S);
}

static void prepare_answer(struct exchange *x)
{
    const struct envelope *asked = &x->message.envelope;
    const struct header *header = &x->message.header;
    struct message_version version = message_answer_version(asked);
    uint32_t flags = (header->flags & copied_flags) | MESSAGE_RECURSIVE;
    if (x->scope->generation->is_primary) {
        flags |= (uint32_t)MESSAGE_AUTHORITATIVE;
    }
    if (!knows_digest_flag(version)) {
        flags &= ~(uint32_t)MESSAGE_REQUEST_DIGEST;
    }
    x->answer_envelope = (struct envelope){
        .version = version,
        .suggested = OWN_VERSION,
        .session_id = asked->session_id,
        .request_id = asked->request_id,
    };
    x->answer_header = (struct header){
        .opcode = header->opcode,
        .flags = flags,
        .site_serial = x->scope->generation->site_serial,
        .recursion_count = header->recursion_count,
        .expiration = expiration(x),
    };
}

/* The same for a request that could not be decoded: what its envelope says, in a version every
 * client reads (protocol.md §3.4). */
static void prepare_early_answer(struct exchange *x, const struct envelope *asked, uint32_t opcode)
{
    x->answer_envelope = (struct envelope){
        .version = MIXED_VERSION,
        .suggested = OWN_VERSION,
        .session_id = asked->session_id,
        .request_id = asked->request_id,
    };
    x->answer_header = (struct header){
        .opcode = opcode,
        .flags = early_flags,
        .site_serial = MESSAGE_SERIAL_UNKNOWN,
        .expiration = expiration(x),
    };
}

static struct message_marks open_answer(struct exchange *x, enum status outcome)
{
    x->outcome = outcome;
    x->answer_header.response_code =
        message_code_for(status_wire_code(outcome), x->answer_envelope.version);
    return message_open(&x->reply, &x->answer_envelope, &x->answer_header);
}

static bool digest_request(const struct exchange *x, struct digest *out_digest)
{
    enum digest_algorithm algorithm = digest_algorithm_for(x->answer_envelope.version);
    return digest_compute(algorithm, x->message.digested, out_digest) == STATUS_OK;
}

struct message_marks exchange_open(struct exchange *x, enum status outcome)
{
    struct message_marks marks = open_answer(x, outcome);
    if ((x->answer_header.flags & MESSAGE_REQUEST_DIGEST) != 0) {
        struct digest digest;
        if (digest_request(x, &digest)) {
            digest_encode(&x->reply, &digest);
        } else {
            x->reply.failed = true;
        }
    }
    return marks;
}

enum status exchange_close(struct exchange *x, struct message_marks marks)
{
    message_close(&x->reply, marks, NULL);
    return x->reply.failed ? STATUS_NO_ROOM : STATUS_OK;
}

enum status exchange_refuse(struct exchange *x, enum status outcome, const char *text)
{
    struct message_marks marks = exchange_open(x, outcome);
    struct body_error error = {.text = bytes_of_text(text)};
    body_error_encode(&x->reply, &error);
    return exchange_close(x, marks);
}

/* Never 0 (no session), never negative: clients keep it in a signed word. */
static uint32_t fresh_challenge_id(const struct exchange *x)
{
    uint32_t id = 0;
    while (id == 0) {
        x->scope->random(&id, sizeof(id));
        id &= INT32_MAX;
    }
    return id;
}

enum status exchange_challenge(struct exchange *x)
{
    uint8_t nonce[NONCE_LEN];
    x->scope->random(nonce, sizeof(nonce));
    struct message_version version = x->answer_envelope.version;
    x->answer_envelope.session_id = fresh_challenge_id(x);
    if (knows_digest_flag(version)) {
        x->answer_header.flags |= MESSAGE_REQUEST_DIGEST;
    }
    struct body_challenge challenge = {.nonce = bytes_of(nonce, sizeof(nonce))};
    struct message_marks marks = open_answer(x, STATUS_AUTHENTICATION_NEEDED);
    if (digest_request(x, &challenge.digest)) {
        body_challenge_encode(&x->reply, version, &challenge);
    } else {
        x->reply.failed = true;
    }
    return exchange_close(x, marks);
}

bool exchange_is_national(const struct exchange *x)
{
    const struct envelope *asked = &x->message.envelope;
    return x->transport == EXCHANGE_TCP && asked->version.major == 2 && asked->version.minor == 3 &&
           asked->suggested.major == 2 && asked->suggested.minor == 10;
}

/* The first words of a header that has not been judged yet; zeros where they cannot be read. */
static void peek_header(struct bytes request, const struct envelope *asked, uint32_t *out_opcode,
                        uint32_t *out_code)
{
    struct wire_reader r = wire_read(bytes_from(request, MESSAGE_ENVELOPE_LEN));
    uint32_t opcode = wire_u32(&r);
    uint32_t code = wire_u32(&r);
    bool is_readable = wire_ok(&r) && !asked->is_encrypted && !asked->is_compressed;
    /* An impossible length: TCP cannot know where the header ends, UDP says the same. */
    bool has_header = asked->message_len >= MESSAGE_HEADER_LEN && asked->message_len <= MESSAGE_MAX;
    *out_opcode = is_readable && has_header ? opcode : 0;
    *out_code = is_readable ? code : 0;
}

/* What the envelope alone decides; OK: the message may be decoded. */
static enum status judge_envelope(const struct exchange *x, const struct envelope *asked,
                                  const char **out_text)
{
    if (!message_version_is_known(asked->version)) {
        *out_text = "unknown protocol version";
        return STATUS_PROTOCOL_ERROR;
    }
    if (asked->is_compressed) {
        *out_text = "compression is not supported";
        return STATUS_PROTOCOL_ERROR;
    }
    if (asked->is_truncated && x->transport == EXCHANGE_TCP) {
        *out_text = "pieces are not accepted over TCP";
        return STATUS_PROTOCOL_ERROR;
    }
    if (asked->is_encrypted) { /* §14 rows 7, 8: ids are signed words to clients */
        bool names_session = asked->session_id > 0 && asked->session_id <= INT32_MAX;
        *out_text = "";
        return names_session ? STATUS_SESSION_TIMEOUT : STATUS_SESSION_FAILED;
    }
    *out_text = "malformed message";
    return STATUS_OK;
}

static enum status answer(struct exchange *x)
{
    struct envelope asked;
    uint32_t opcode;
    uint32_t code;
    if (envelope_decode(x->request, &asked) != STATUS_OK) {
        return STATUS_DROP;
    }
    peek_header(x->request, &asked, &opcode, &code);
    if (code != 0) {
        return STATUS_DROP;
    }
    const char *text;
    enum status status = judge_envelope(x, &asked, &text);
    if (status == STATUS_OK) {
        status = message_decode(x->request, &x->message);
    }
    if (status != STATUS_OK) {
        prepare_early_answer(x, &asked, opcode);
        return exchange_refuse(x, status, text);
    }
    metrics_add(x->scope->metrics, METRIC_operations, metrics_opcode_label(opcode), 1);
    prepare_answer(x);
    return dispatch_run(x);
}

static void rewind_reply(struct exchange *x, uint8_t *start)
{
    x->reply.at = start;
    x->reply.failed = false;
}

enum status exchange_run(struct exchange *x)
{
    struct metrics_slot *metrics = x->scope->metrics;
    metrics_add(metrics, METRIC_requests, x->transport, 1);
    metrics_add(metrics, METRIC_request_bytes, x->transport, (int64_t)x->request.len);
    uint8_t *start = x->reply.at;
    enum status status = answer(x);
    if (status == STATUS_NO_ROOM) {
        rewind_reply(x, start);
        status = exchange_refuse(x, STATUS_ERROR, "the answer does not fit a message");
    }
    if (status != STATUS_OK) {
        rewind_reply(x, start);
        x->outcome = STATUS_DROP;
        metrics_add(metrics, METRIC_dropped, x->transport, 1);
        return STATUS_DROP;
    }
    metrics_add(metrics, METRIC_answers, metrics_code_label(status_wire_code(x->outcome)), 1);
    metrics_add(metrics, METRIC_answer_bytes, x->transport, x->reply.at - start);
    return STATUS_OK;
}
