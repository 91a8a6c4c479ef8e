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
#include "resolver/caller.h"
#include "resolver/commit.h"
#include "resolver/dispatch.h"
#include "resolver/exchange_progress.h"
#include "resolver/seal.h"

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

static uint32_t expiration(const struct exchange_scope *scope)
{
    return (uint32_t)(scope->now_ms / 1000 + MESSAGE_EXPIRY_S);
}

void exchange_answer_head(const struct exchange_scope *scope, const struct envelope *asked,
                          const struct header *header, struct envelope *out_envelope,
                          struct header *out_header)
{
    struct message_version version = message_answer_version(asked);
    uint32_t flags = (header->flags & copied_flags) | MESSAGE_RECURSIVE;
    if (scope->generation->is_primary) {
        flags |= (uint32_t)MESSAGE_AUTHORITATIVE;
    }
    if (!knows_digest_flag(version)) {
        flags &= ~(uint32_t)MESSAGE_REQUEST_DIGEST;
    }
    *out_envelope = (struct envelope){
        .version = version,
        .suggested = OWN_VERSION,
        .session_id = asked->session_id,
        .request_id = asked->request_id,
    };
    *out_header = (struct header){
        .opcode = header->opcode,
        .flags = flags,
        .site_serial = scope->generation->site_serial,
        .recursion_count = header->recursion_count,
        .expiration = expiration(scope),
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
        .expiration = expiration(x->scope),
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

enum status exchange_challenge(struct exchange *x)
{
    struct message_version version = x->answer_envelope.version;
    struct body_challenge challenge;
    uint8_t nonce[SESSION_NONCE_LEN];
    if (!digest_request(x, &challenge.digest)) {
        return exchange_refuse(x, STATUS_ERROR, "");
    }
    x->scope->random(nonce, sizeof(nonce));
    enum status status =
        caller_keep_challenge(x, &challenge.digest, nonce, &x->answer_envelope.session_id);
    if (status != STATUS_OK) {
        return exchange_refuse(x, status, "");
    }
    challenge.nonce = bytes_of(nonce, sizeof(nonce));
    if (knows_digest_flag(version)) {
        x->answer_header.flags |= MESSAGE_REQUEST_DIGEST;
    }
    struct message_marks marks = open_answer(x, STATUS_AUTHENTICATION_NEEDED);
    body_challenge_encode(&x->reply, version, &challenge);
    return exchange_close(x, marks);
}

bool exchange_is_national(const struct exchange *x)
{
    const struct envelope *asked = &x->message.envelope;
    return x->transport != EXCHANGE_UDP && asked->version.major == 2 && asked->version.minor == 3 &&
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
    if (asked->is_truncated && x->transport != EXCHANGE_UDP) {
        *out_text = "pieces are not accepted over TCP";
        return STATUS_PROTOCOL_ERROR;
    }
    *out_text = "malformed message";
    return STATUS_OK;
}

static bool is_parked(const struct exchange *x)
{
    return x->progress != NULL && x->progress->parked != NULL;
}

/* The message, decrypted and decoded. */
static enum status open_request(struct exchange *x, const struct envelope *asked,
                                const char **out_text)
{
    struct bytes packet = x->request;
    enum status status = judge_envelope(x, asked, out_text);
    if (status == STATUS_OK && asked->is_encrypted) {
        *out_text = "";
        status = caller_decrypt(x, asked, &packet);
    }
    if (status == STATUS_OK) {
        status = message_decode(packet, &x->message);
        if (status == STATUS_OK && x->message.header.response_code != 0) {
            status = STATUS_SESSION_FAILED; /* the code of a plain one was looked at before */
        }
        /* One word for all that is wrong with what was encrypted (§14 rows 9, 10). */
        status = status != STATUS_OK && asked->is_encrypted ? STATUS_SESSION_FAILED : status;
    }
    return status;
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
    enum status status = open_request(x, &asked, &text);
    if (status != STATUS_OK) {
        prepare_early_answer(x, &asked, opcode);
        return exchange_refuse(x, status, text);
    }
    if (!is_parked(x)) {
        metrics_add(x->scope->metrics, METRIC_operations,
                    metrics_opcode_label(x->message.header.opcode), 1);
    }
    exchange_answer_head(x->scope, &x->message.envelope, &x->message.header, &x->answer_envelope,
                         &x->answer_header);
    if (is_parked(x) && parked_is_late(x->progress->parked)) {
        return exchange_refuse(x, STATUS_SERVER_BUSY, "");
    }
    if (!caller_admit(x, &status)) {
        return status;
    }
    commit_take_home(x);
    return dispatch_run(x);
}

static void rewind_reply(struct exchange *x, uint8_t *start)
{
    x->reply.at = start;
    x->reply.failed = false;
}

/* Its answer, ready to leave. */
static enum status run(struct exchange *x)
{
    uint8_t *start = x->reply.at;
    enum status status;
    if (seal_take_signed(x, &status)) {
        return status;
    }
    status = answer(x);
    if (status == STATUS_NO_ROOM) {
        rewind_reply(x, start);
        status = exchange_refuse(x, STATUS_ERROR, "the answer does not fit a message");
    }
    if (status == STATUS_OK || status == STATUS_MORE) {
        status = seal_answer(x, start, status);
    }
    if (status != STATUS_OK && status != STATUS_MORE) {
        rewind_reply(x, start);
    }
    return status;
}

/* What it remembered is given back, but for the answer that others may ask for again. */
static void end(struct exchange *x, enum status status, struct bytes answer)
{
    struct progress *progress = x->progress;
    if (progress == NULL) {
        return;
    }
    struct parked *parked = progress->parked;
    caller_leave(x, status == STATUS_OK ? answer : BYTES_NONE);
    x->progress = NULL;
    progress_free(progress);
    if (parked != NULL) {
        parked_discard(parked);
    }
}

enum status exchange_run(struct exchange *x)
{
    struct metrics_slot *metrics = x->scope->metrics;
    if (!is_parked(x)) {
        metrics_add(metrics, METRIC_requests, x->transport, 1);
        metrics_add(metrics, METRIC_request_bytes, x->transport, (int64_t)x->request.len);
    }
    uint8_t *start = x->reply.at;
    enum status status = run(x);
    if (status == STATUS_PENDING) {
        return status;
    }
    struct bytes answer = bytes_of(start, (size_t)(x->reply.at - start));
    if (status == STATUS_OK || status == STATUS_MORE) {
        metrics_add(metrics, METRIC_answers, metrics_code_label(status_wire_code(x->outcome)), 1);
        metrics_add(metrics, METRIC_answer_bytes, x->transport, (int64_t)answer.len);
    } else {
        status = STATUS_DROP;
        x->outcome = STATUS_DROP;
        metrics_add(metrics, METRIC_dropped, x->transport, 1);
    }
    if (status == STATUS_MORE) {
        parked_tells_more(x->progress->parked);
    } else {
        end(x, status, answer);
    }
    return status;
}
