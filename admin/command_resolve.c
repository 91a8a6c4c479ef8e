/* SPDX-License-Identifier: Apache-2.0
 *
 * `guantong resolve NAME [@HOST[:PORT]]`: one question to a Handle server, its answer shown.
 *
 * UDP first, then TCP when nothing came back and neither was asked for; every address of a host's
 * name in turn. The loop is the command's own. With --follow-aliases the name in HS_ALIAS is asked
 * for next: servers never do that (protocol.md §8.8). With --verify the answer's signatures are
 * followed here (resolve_verify.h).
 */
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "admin/key_file.h"
#include "admin/resolve_print.h"
#include "admin/say.h"
#include "protocol/handle.h"
#include "resolver/tls.h"

#define ALIASES_MAX 20        /* as proxies do, protocol.md §8.8 */
#define UDP_SHARE_MAX_MS 3000 /* of the time given, when TCP is to be tried after it */

struct resolve {
    struct command_call *call;
    struct net *net;
    struct tls_context *tls; /* NULL: not asked for */
    struct resolve_question *question;
    struct net_address servers[SERVER_NAME_ADDRESSES_MAX];
    size_t server_count;
    struct resolve_answer answer;
    struct resolve_verify *verify; /* NULL: not asked for */
    int64_t began_us;
    enum status status; /* of the exchange made last */
};

static int64_t clock_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void resolve_on_done(void *context, enum status status, struct bytes packet,
                            const struct ask_figures *figures)
{
    struct resolve *resolve = context;
    resolve->status = status;
    if (status == STATUS_OK) {
        resolve->answer.figures = *figures;
        resolve->answer.figures.elapsed_us =
            clock_us() - resolve->began_us; /* finer than the loop's clock */
        resolve->answer.packet = arena_copy(resolve->call->arena, packet);
        if (resolve->answer.packet.data == NULL) {
            resolve->status = STATUS_NO_MEMORY;
        }
    }
    net_stop(resolve->net);
}

static enum status ask_once(struct resolve *resolve, const struct net_address *server,
                            enum ask_transport transport, int64_t timeout_ms)
{
    struct ask_options options = {
        .server = *server, .transport = transport, .timeout_ms = timeout_ms, .tls = resolve->tls};
    struct ask *ask = NULL;
    net_address_text(server, resolve->answer.server);
    resolve->answer.transport = transport;
    resolve->status = STATUS_PENDING;
    resolve->began_us = clock_us();
    enum status status =
        ask_start(resolve->net, &options, resolve->answer.request, resolve_on_done, resolve, &ask);
    if (status != STATUS_OK) {
        return status;
    }
    while (resolve->status == STATUS_PENDING) {
        net_run(resolve->net);
    }
    return resolve->status;
}

static enum status ask_all(struct resolve *resolve, enum ask_transport transport,
                           int64_t timeout_ms)
{
    enum status status = STATUS_UNREACHABLE;
    for (size_t i = 0; i < resolve->server_count && status != STATUS_OK; i++) {
        status = ask_once(resolve, &resolve->servers[i], transport, timeout_ms);
        if (status == STATUS_NO_MEMORY) {
            break;
        }
    }
    return status;
}

static enum status exchange(struct resolve *resolve)
{
    const struct resolve_question *question = resolve->question;
    enum status status = STATUS_UNREACHABLE;
    int64_t left_ms = question->timeout_ms;
    if (question->tries_udp) {
        int64_t share_ms = question->tries_tcp ? left_ms / 2 : left_ms;
        if (question->tries_tcp && share_ms > UDP_SHARE_MAX_MS) {
            share_ms = UDP_SHARE_MAX_MS;
        }
        int64_t began_ms = net_now_ms(resolve->net);
        status = ask_all(resolve, ASK_UDP, share_ms);
        left_ms -= net_now_ms(resolve->net) - began_ms;
    }
    if (status != STATUS_OK && status != STATUS_NO_MEMORY && question->tries_tcp && left_ms > 0) {
        resolve->answer.fell_back = question->tries_udp;
        status = ask_all(resolve, ASK_TCP, left_ms);
    }
    if (question->tries_tls) {
        status = ask_all(resolve, ASK_TLS, left_ms);
    }
    if (question->tries_http) {
        status = ask_all(resolve, question->uses_tls ? ASK_HTTPS : ASK_HTTP, left_ms);
    }
    return status;
}

static enum status make_request(struct resolve *resolve)
{
    uint32_t request_id = 0;
    while (request_id == 0) {
        if (getrandom(&request_id, sizeof request_id, 0) != (ssize_t)sizeof request_id) {
            return STATUS_SYSTEM;
        }
    }
    int64_t now_s = net_wall_ms(resolve->net) / 1000;
    return resolve_question_encode(resolve->question, resolve->call->arena, request_id,
                                   (uint32_t)now_s, &resolve->answer.request);
}

/* What went wrong on the way, with the server's name as the user wrote it. */
static int say_failure(const struct resolve *resolve, enum status status, const struct fault *fault)
{
    struct command_call *call = resolve->call;
    struct fault where;
    (void)fault_set(&where, status, "%s:%s", resolve->question->server.host,
                    resolve->question->server.port);
    switch (status) {
    case STATUS_TIMED_OUT:
        return say_problem(call, PROBLEM_TIMED_OUT, where.text);
    case STATUS_UNREACHABLE:
        return say_problem(call, PROBLEM_UNREACHABLE, where.text);
    case STATUS_CLOSED:
        return say_problem(call, PROBLEM_CLOSED, where.text);
    case STATUS_INVALID_CREDENTIAL:
        return say_problem_because(call, PROBLEM_REFUSED, where.text,
                                   "the server has another key than --server-key");
    case STATUS_PROTOCOL_ERROR:
        return say_problem(call, PROBLEM_MALFORMED_ANSWER, where.text);
    default:
        return say_status(call, status, where.text, fault);
    }
}

static enum status ask_and_read(struct resolve *resolve, struct fault *fault)
{
    enum status status = make_request(resolve);
    if (status == STATUS_OK) {
        status = exchange(resolve);
    }
    return status == STATUS_OK ? resolve_answer_read(&resolve->answer, resolve->call->arena, fault)
                               : status;
}

/* Filters let values of that type through, too. */
static enum status ask_also_for(struct resolve_question *question, struct bytes type,
                                struct arena *arena)
{
    if (question->index_count == 0 && question->type_count == 0) {
        return STATUS_OK;
    }
    size_t size = question->types.len + 4 + type.len;
    uint8_t *room = arena_alloc(arena, size);
    if (room == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_writer w = wire_write(room, size);
    wire_put_raw(&w, question->types);
    wire_put_bytes(&w, type);
    question->types = wire_wrote(&w);
    question->type_count++;
    return STATUS_OK;
}

static const struct value *find_alias(const struct resolve_answer *answer)
{
    if (answer->message.header.response_code != 1 || answer->question->is_site_info) {
        return NULL;
    }
    for (size_t i = 0; i < answer->values.count; i++) {
        if (bytes_equal_nocase(answer->values.values[i].type, BYTES_LITERAL("HS_ALIAS"))) {
            return &answer->values.values[i];
        }
    }
    return NULL;
}

/* From name to name until one is no alias. RECURSION_TOO_HIGH: there is no end. */
static enum status follow_aliases(struct resolve *resolve, struct fault *fault)
{
    struct command_call *call = resolve->call;
    enum status status = STATUS_OK;
    const struct value *alias = find_alias(&resolve->answer);
    for (int i = 0; status == STATUS_OK && alias != NULL; i++) {
        if (i == ALIASES_MAX || alias->data.len == 0) {
            return fault_set(fault, STATUS_RECURSION_TOO_HIGH, "%s",
                             "aliases of aliases without an end, or an empty one");
        }
        if (!call->is_json && !command_has(call, "--short")) {
            (void)fprintf(call->out, "%s -> %s\n",
                          say_printable(call->arena, resolve->question->name),
                          say_printable(call->arena, alias->data));
        }
        resolve->question->name = alias->data;
        resolve->answer = (struct resolve_answer){.question = resolve->question,
                                                  .is_verified = resolve->answer.is_verified};
        status = ask_and_read(resolve, fault);
        alias = status == STATUS_OK ? find_alias(&resolve->answer) : NULL;
    }
    return status;
}

/* Certificates come from the server that was asked, which may know them from others. */
static enum status resolve_on_fetch(void *context, struct bytes handle,
                                    const struct value **out_values, size_t *out_count)
{
    const struct resolve *outer = context;
    struct resolve_question question = *outer->question;
    struct resolve inner = *outer;
    uint8_t type[16];
    struct wire_writer w = wire_write(type, sizeof type);
    wire_put_bytes(&w, BYTES_LITERAL("HS_CERT"));
    question.name = handle;
    question.index_count = 0;
    question.indexes = BYTES_NONE;
    question.type_count = 1;
    question.types = wire_wrote(&w);
    question.flags = MESSAGE_RECURSIVE | MESSAGE_CACHE_CERTIFIED | MESSAGE_PUBLIC_ONLY;
    inner.question = &question;
    inner.answer = (struct resolve_answer){.question = &question};
    struct fault fault = {STATUS_OK, ""};
    enum status status = ask_and_read(&inner, &fault);
    if (status != STATUS_OK) {
        return status;
    }
    uint32_t code = inner.answer.message.header.response_code;
    *out_values = inner.answer.values.values;
    *out_count = inner.answer.values.count;
    return code == 1 ? STATUS_OK : status_of_wire_code(code);
}

/* Judged under the name that was asked for, whatever name the answer bears. */
static enum status verify_answer(struct resolve *resolve)
{
    const struct body_values *values = &resolve->answer.values;
    struct bytes handle;
    uint8_t *room = arena_alloc(resolve->call->arena, HANDLE_EXPANDED_MAX);
    if (resolve->answer.message.header.response_code != 1 || resolve->question->is_site_info) {
        return STATUS_OK;
    }
    enum status status =
        room == NULL ? STATUS_NO_MEMORY : handle_expand(resolve->question->name, room, &handle);
    if (status == STATUS_OK) {
        const struct record record = {handle, values->values, values->count};
        resolve_verify_run(resolve->verify, &record, resolve_on_fetch, resolve);
        resolve->answer.verify = resolve->verify;
    }
    return status;
}

static int ask_and_print(struct resolve *resolve)
{
    struct fault fault = {STATUS_OK, ""};
    bool follows = command_has(resolve->call, "--follow-aliases");
    enum status status = STATUS_OK;
    if (follows) {
        status = ask_also_for(resolve->question, BYTES_LITERAL("HS_ALIAS"), resolve->call->arena);
    }
    if (status == STATUS_OK && resolve->verify != NULL) {
        status =
            ask_also_for(resolve->question, BYTES_LITERAL("HS_SIGNATURE"), resolve->call->arena);
    }
    if (status == STATUS_OK) {
        status = ask_and_read(resolve, &fault);
    }
    if (status == STATUS_OK && follows) {
        status = follow_aliases(resolve, &fault);
    }
    if (status == STATUS_OK && resolve->verify != NULL) {
        status = verify_answer(resolve);
    }
    return status == STATUS_OK ? resolve_answer_print(resolve->call, &resolve->answer)
                               : say_failure(resolve, status, &fault);
}

/* Whom TLS trusts: the key of the file, or whoever answers. */
static int open_tls(struct resolve *resolve)
{
    struct command_call *call = resolve->call;
    const char *path = resolve->question->server_key;
    struct key_pass_phrase none = {.len = 0};
    struct key_file file = {0};
    struct fault fault = {STATUS_OK, ""};
    enum status status = STATUS_OK;
    if (path != NULL) {
        status = key_file_read(call->arena, path, &none, &file, &fault);
        if (status != STATUS_OK) {
            return say_problem(call, status == STATUS_SYSTEM ? PROBLEM_FILE : PROBLEM_KEY_FORM,
                               fault.text[0] != '\0' ? fault.text : path);
        }
    }
    const struct tls_client_options options = {.server_key = file.key};
    resolve->answer.is_verified = path != NULL;
    status = tls_client_context_new(&options, &resolve->tls);
    key_file_done(&file);
    return status == STATUS_OK ? EXIT_OK : say_status(call, status, "TLS", NULL);
}

int command_resolve(struct command_call *call)
{
    struct resolve_question question;
    int exit_code = resolve_question_read(call, &question);
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    struct resolve resolve = {.call = call, .question = &question};
    resolve.answer.question = &question;
    struct fault fault = {STATUS_OK, ""};
    if (server_name_find(&question.server, resolve.servers, &resolve.server_count, &fault) !=
        STATUS_OK) {
        return say_problem(call, PROBLEM_UNREACHABLE, fault.text);
    }
    struct resolve_verify verify = {0};
    bool verifies = command_has(call, "--verify") || command_has(call, "--trust-root");
    exit_code = verifies ? resolve_verify_open(call, &verify) : EXIT_OK;
    resolve.verify = verifies ? &verify : NULL;
    if (exit_code == EXIT_OK && question.uses_tls) {
        exit_code = open_tls(&resolve);
    }
    if (exit_code != EXIT_OK) {
        resolve_verify_done(&verify);
        return exit_code;
    }
    enum status status = net_new(&resolve.net);
    exit_code =
        status == STATUS_OK ? ask_and_print(&resolve) : say_status(call, status, "resolve", NULL);
    net_free(resolve.net);
    tls_context_free(resolve.tls);
    resolve_verify_done(&verify);
    return exit_code;
}
