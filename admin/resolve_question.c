/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line of `guantong resolve` (resolve_question.h).
 */
#include "admin/resolve_question.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "admin/say.h"
#include "protocol/body.h"
#include "protocol/handle.h"
#include "protocol/opcode.h"

#define LIST_MAX 256 /* filters of one question */
#define TIMEOUT_DEFAULT_MS 5000
#define HTTP_PORT "8000" /* what listen.http_port and listen.https_port are by default */
#define HTTPS_PORT "8443"

/* --- lists ------------------------------------------------------------------------------------ */

/* The next entry of "a,b,c"; false at the end. */
static bool next_entry(const char **at, struct bytes *out_entry)
{
    if (**at == '\0') {
        return false;
    }
    size_t len = strcspn(*at, ",");
    *out_entry = bytes_of(*at, len);
    *at += len + ((*at)[len] == ',' ? 1 : 0);
    return true;
}

static bool parse_index(struct bytes text, uint32_t *out_index)
{
    uint64_t index = 0;
    for (size_t i = 0; i < text.len && i < 11; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        index = index * 10 + (uint64_t)(text.data[i] - '0');
    }
    *out_index = (uint32_t)index;
    return text.len > 0 && index > 0 && index <= INT32_MAX;
}

static bool read_lists(struct command_call *call, struct resolve_question *question,
                       const char **out_wrong)
{
    const char *indexes = command_option(call, "--index");
    const char *types = command_option(call, "--types");
    struct bytes entry;
    uint8_t *room = arena_alloc(call->arena, (size_t)4 * LIST_MAX);
    size_t types_size = types == NULL ? 0 : 5 * strlen(types) + 8;
    uint8_t *types_room = arena_alloc(call->arena, types_size + 1);
    if (room == NULL || types_room == NULL) {
        *out_wrong = "--types";
        return false;
    }
    struct wire_writer w = wire_write(room, (size_t)4 * LIST_MAX);
    *out_wrong = "--index: numbers separated by commas, such as 1,300";
    while (indexes != NULL && next_entry(&indexes, &entry)) {
        uint32_t index;
        if (!parse_index(entry, &index)) {
            return false;
        }
        wire_put_u32(&w, index);
        question->index_count++;
    }
    question->indexes = wire_wrote(&w);
    if (w.failed) {
        return false;
    }
    w = wire_write(types_room, types_size);
    *out_wrong = "--types: names separated by commas, such as URL,HS_ADMIN";
    while (types != NULL && next_entry(&types, &entry)) {
        if (entry.len == 0 || question->type_count == LIST_MAX) {
            return false;
        }
        wire_put_bytes(&w, entry);
        question->type_count++;
    }
    question->types = wire_wrote(&w);
    return !w.failed;
}

/* --- version and time ------------------------------------------------------------------------- */

static bool parse_version(const char **at, struct message_version *out_version)
{
    unsigned long parts[2];
    for (size_t i = 0; i < 2; i++) {
        char *end = NULL;
        if (**at < '0' || **at > '9') {
            return false;
        }
        parts[i] = strtoul(*at, &end, 10);
        if (parts[i] > 255 || (i == 0 && *end != '.')) {
            return false;
        }
        *at = i == 0 ? end + 1 : end;
    }
    *out_version = (struct message_version){(uint8_t)parts[0], (uint8_t)parts[1]};
    return parts[0] <= 31; /* five bits hold a suggested major version */
}

/* "2.10": message and suggestion alike; "2.3/2.10": each. */
static bool read_version(const char *text, struct resolve_question *question)
{
    if (!parse_version(&text, &question->version)) {
        return false;
    }
    question->suggested = question->version;
    if (*text == '/') {
        text++;
        return parse_version(&text, &question->suggested) && *text == '\0';
    }
    return *text == '\0';
}

/* --- the whole line --------------------------------------------------------------------------- */

static void read_flags(struct command_call *call, struct resolve_question *question)
{
    static const struct {
        const char *option;
        uint32_t set, clear;
    } switches[] = {
        {"--private", 0, MESSAGE_PUBLIC_ONLY},          {"--certified", MESSAGE_CERTIFIED, 0},
        {"--auth", (uint32_t)MESSAGE_AUTHORITATIVE, 0}, {"--digest", MESSAGE_REQUEST_DIGEST, 0},
        {"--no-recurse", 0, MESSAGE_RECURSIVE},         {"--no-refer", MESSAGE_DO_NOT_REFER, 0},
        {"--trusted", MESSAGE_TRUSTED_QUERY, 0},
    };
    question->flags = MESSAGE_RECURSIVE | MESSAGE_CACHE_CERTIFIED | MESSAGE_PUBLIC_ONLY;
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++) {
        if (command_has(call, switches[i].option)) {
            question->flags |= switches[i].set;
            question->flags &= ~switches[i].clear;
        }
    }
}

static int read_arguments(struct command_call *call, struct resolve_question *question)
{
    for (size_t i = 0; i < call->argument_count; i++) {
        const char *argument = call->arguments[i];
        if (argument[0] == '@') {
            if (!server_name_parse(call->arena, argument, &question->server)) {
                return say_problem(call, PROBLEM_BAD_ARGUMENT, argument);
            }
        } else if (question->name.len > 0) {
            return say_problem(call, PROBLEM_TOO_MANY_ARGUMENTS, argument);
        } else {
            bool has_scheme = strncasecmp(argument, "hdl:", 4) == 0;
            question->name = bytes_of_text(argument + (has_scheme ? 4 : 0));
        }
    }
    if (question->name.len == 0 && question->is_site_info) {
        question->name = BYTES_LITERAL("/");
    }
    if (question->name.len == 0) {
        return say_problem(call, PROBLEM_MISSING_ARGUMENT, "NAME");
    }
    if (question->name.len > HANDLE_MAX || !handle_is_utf8(question->name)) {
        return say_problem(call, PROBLEM_INVALID_HANDLE,
                           say_printable(call->arena, question->name));
    }
    return EXIT_OK;
}

/* Where nodes listen that were set up as `guantong init` proposes. */
static void choose_port(struct resolve_question *question)
{
    if (question->server.has_port) {
        return;
    }
    if (question->tries_http) {
        question->server.port = question->uses_tls ? HTTPS_PORT : HTTP_PORT;
    } else if (question->tries_tls) {
        question->server.port = SERVER_NAME_TLS_PORT;
    }
}

int resolve_question_read(struct command_call *call, struct resolve_question *out_question)
{
    bool is_udp = command_has(call, "--udp");
    bool is_tcp = command_has(call, "--tcp");
    bool is_tls = command_has(call, "--tls") || command_has(call, "--server-key");
    bool is_http = command_has(call, "--http");
    struct resolve_question question = {
        .is_site_info = command_has(call, "--site-info"),
        .server = {"127.0.0.1", SERVER_NAME_PORT, false},
        .tries_udp = !is_tls && !is_http && (is_udp || !is_tcp),
        .tries_tcp = !is_tls && !is_http && (is_tcp || !is_udp),
        .tries_tls = is_tls && !is_http,
        .tries_http = is_http,
        .uses_tls = is_tls,
        .server_key = command_option(call, "--server-key"),
        .timeout_ms = TIMEOUT_DEFAULT_MS,
        .version = {2, 3}, /* what clients send to a server they do not know, protocol.md §3.2 */
        .suggested = {MESSAGE_VERSION_MAJOR, MESSAGE_VERSION_MINOR},
    };
    const char *version = command_option(call, "--version");
    const char *timeout = command_option(call, "--timeout");
    const char *wrong = NULL;
    int exit_code = read_arguments(call, &question);
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    if (version != NULL && !read_version(version, &question)) {
        return say_problem(call, PROBLEM_BAD_OPTION, "--version: such as 2.11, or 2.3/2.11");
    }
    if (timeout != NULL && !server_name_parse_timeout(timeout, &question.timeout_ms)) {
        return say_problem(call, PROBLEM_BAD_OPTION, "--timeout: such as 500ms, 5s, 1m");
    }
    if (!read_lists(call, &question, &wrong)) {
        return say_problem(call, PROBLEM_BAD_OPTION, wrong);
    }
    if ((is_tls || is_http) && (is_udp || is_tcp)) {
        return say_problem(call, PROBLEM_BAD_OPTION,
                           is_http ? "--http: without --udp and --tcp"
                                   : "--tls: without --udp and --tcp");
    }
    choose_port(&question);
    read_flags(call, &question);
    *out_question = question;
    return EXIT_OK;
}

enum status resolve_question_encode(const struct resolve_question *question, struct arena *arena,
                                    uint32_t request_id, uint32_t now_s, struct bytes *out_packet)
{
    size_t size = MESSAGE_ENVELOPE_LEN + MESSAGE_HEADER_LEN + 64 + question->name.len +
                  question->indexes.len + question->types.len;
    uint8_t *room = arena_alloc(arena, size);
    if (room == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct envelope envelope = {
        .version = question->version, .suggested = question->suggested, .request_id = request_id};
    struct header header = {
        .opcode = question->is_site_info ? OPCODE_GET_SITE_INFO : OPCODE_RESOLUTION,
        .flags = question->flags,
        .site_serial = MESSAGE_SERIAL_UNKNOWN,
        .expiration = now_s + MESSAGE_EXPIRY_S,
    };
    struct wire_writer w = wire_write(room, size);
    struct message_marks marks = message_open(&w, &envelope, &header);
    if (question->is_site_info) {
        body_handle_encode(&w, question->name);
    } else {
        struct body_resolution body = {question->name, question->index_count, question->indexes,
                                       question->type_count, question->types};
        body_resolution_encode(&w, &body);
    }
    message_close(&w, marks, NULL);
    *out_packet = wire_wrote(&w);
    return w.failed ? STATUS_NO_ROOM : STATUS_OK;
}
