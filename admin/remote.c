/* SPDX-License-Identifier: Apache-2.0
 *
 * Server, identity and calls of `guantong remote` (remote.h).
 */
#include "admin/remote.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/key_open.h"
#include "admin/say.h"
#include "protocol/handle.h"
#include "protocol/pubkey.h"
#include "protocol/text.h"
#include "resolver/tls.h"

#define TIMEOUT_DEFAULT_MS 10000

static void random_bytes(void *out, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t got = getrandom((uint8_t *)out + done, len - done, 0);
        done += got > 0 ? (size_t)got : 0;
    }
}

/* --- what login kept -------------------------------------------------------------------------- */

static const char *kept_directory(struct arena *arena)
{
    const char *base = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    char path[1024];
    if (base != NULL && base[0] == '/') {
        (void)snprintf(path, sizeof(path), "%s/guantong", base);
    } else if (home != NULL && home[0] == '/') {
        (void)snprintf(path, sizeof(path), "%s/.config/guantong", home);
    } else {
        return NULL;
    }
    return arena_text(arena, bytes_of_text(path));
}

static const char *kept_path(struct arena *arena)
{
    const char *directory = kept_directory(arena);
    char path[1100];
    if (directory == NULL) {
        return NULL;
    }
    (void)snprintf(path, sizeof(path), "%s/remote.json", directory);
    return arena_text(arena, bytes_of_text(path));
}

static const char *kept_text(struct arena *arena, json_t *kept, const char *name)
{
    const char *text = json_string_value(json_object_get(kept, name));
    return text == NULL ? NULL : arena_text(arena, bytes_of_text(text));
}

/* Fills what the command line left open; a file that is not there is no problem. */
static void take_kept(struct remote *remote)
{
    struct arena *arena = remote->call->arena;
    const char *path = kept_path(arena);
    json_error_t error;
    json_t *kept = path == NULL ? NULL : json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (kept == NULL) {
        return;
    }
    const char *server = kept_text(arena, kept, "server");
    const char *public_key = kept_text(arena, kept, "server_key");
    struct server_name name;
    bool has_server = server != NULL && server_name_parse(arena, server, &name);
    bool is_same = has_server &&
                   (remote->server.host == NULL || (strcmp(name.host, remote->server.host) == 0 &&
                                                    strcmp(name.port, remote->server.port) == 0));
    if (is_same) {
        remote->server = name;
        if (public_key != NULL) {
            (void)text_base64_parse(bytes_of_text(public_key), arena, &remote->server_record);
        }
    }
    if (remote->identity_text == NULL && remote->key_path == NULL) {
        remote->identity_text = kept_text(arena, kept, "identity");
        remote->key_path = kept_text(arena, kept, "key");
        remote->is_secret = json_is_true(json_object_get(kept, "is_secret"));
    }
    json_decref(kept);
}

static enum status make_directories(struct arena *arena, const char *directory)
{
    char *path = arena_text(arena, bytes_of_text(directory));
    if (path == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (char *at = strchr(path + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
        *at = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST) {
            return STATUS_SYSTEM;
        }
        *at = '/';
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST ? STATUS_OK : STATUS_SYSTEM;
}

enum status remote_remember(const struct remote *remote, const char **out_path, struct fault *fault)
{
    struct arena *arena = remote->call->arena;
    const char *directory = kept_directory(arena);
    const char *path = kept_path(arena);
    char *key_path = remote->key_path == NULL ? NULL : realpath(remote->key_path, NULL);
    if (directory == NULL || path == NULL) {
        free(key_path);
        return fault_set(fault, STATUS_SYSTEM, "%s", "neither XDG_CONFIG_HOME nor HOME is set");
    }
    char server[512];
    bool is_v6 = strchr(remote->server.host, ':') != NULL;
    (void)snprintf(server, sizeof(server), is_v6 ? "@[%s]:%s" : "@%s:%s", remote->server.host,
                   remote->server.port);
    const char *public_key = text_base64(arena, remote->server_record);
    json_t *kept = json_pack("{s:s, s:s?, s:s?, s:b, s:s?}", "server", server, "identity",
                             remote->identity_text, "key", key_path, "is_secret",
                             (int)remote->is_secret, "server_key", public_key);
    char *text = kept == NULL ? NULL : json_dumps(kept, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    enum status status = text == NULL ? STATUS_NO_MEMORY : make_directories(arena, directory);
    if (status == STATUS_OK && unlink(path) != 0 && errno != ENOENT) {
        status = STATUS_SYSTEM;
    }
    if (status == STATUS_OK) {
        status = key_file_write(path, bytes_of_text(text), true, fault);
    } else {
        (void)fault_set(fault, status, "%s: %s", path, strerror(errno));
    }
    free(text);
    json_decref(kept);
    free(key_path);
    *out_path = path;
    return status;
}

enum status remote_forget(struct command_call *call, const char **out_path, struct fault *fault)
{
    const char *path = kept_path(call->arena);
    if (path == NULL) {
        return fault_set(fault, STATUS_SYSTEM, "%s", "neither XDG_CONFIG_HOME nor HOME is set");
    }
    *out_path = path;
    if (unlink(path) == 0) {
        return STATUS_OK;
    }
    return errno == ENOENT ? STATUS_NOT_FOUND
                           : fault_set(fault, STATUS_SYSTEM, "%s: %s", path, strerror(errno));
}

/* --- opening ---------------------------------------------------------------------------------- */

static int take_arguments(struct remote *remote)
{
    struct command_call *call = remote->call;
    remote->arguments =
        arena_calloc(call->arena, call->argument_count + 1, sizeof(*remote->arguments));
    if (remote->arguments == NULL) {
        return say_status(call, STATUS_NO_MEMORY, "remote", NULL);
    }
    for (size_t i = 0; i < call->argument_count; i++) {
        const char *argument = call->arguments[i];
        if (argument[0] != '@') {
            remote->arguments[remote->argument_count++] = argument;
        } else if (!server_name_parse(call->arena, argument, &remote->server)) {
            return say_problem(call, PROBLEM_BAD_ARGUMENT, argument);
        }
    }
    return EXIT_OK;
}

static int take_options(struct remote *remote)
{
    struct command_call *call = remote->call;
    const char *timeout = command_option(call, "--timeout");
    const char *secret = command_option(call, "--secret-file");
    remote->timeout_ms = TIMEOUT_DEFAULT_MS;
    if (timeout != NULL && !server_name_parse_timeout(timeout, &remote->timeout_ms)) {
        return say_problem(call, PROBLEM_BAD_OPTION, "--timeout: such as 500ms, 5s, 1m");
    }
    remote->identity_text = command_option(call, "--identity");
    remote->key_path = secret != NULL ? secret : command_option(call, "--key");
    remote->is_secret = secret != NULL;
    remote->is_tls = command_has(call, "--tls");
    bool has_port = remote->server.host != NULL && remote->server.has_port;
    take_kept(remote);
    if (remote->server.host == NULL) {
        remote->server = (struct server_name){"127.0.0.1", SERVER_NAME_PORT, false};
    }
    if (remote->is_tls && !has_port) { /* what is kept is the port of TCP */
        remote->server.port = SERVER_NAME_TLS_PORT;
    }
    return EXIT_OK;
}

static int read_key(struct remote *remote)
{
    struct fault fault;
    int exit_code = key_open(remote->call, remote->key_path, &remote->key);
    remote->identity.key = remote->key.key;
    if (exit_code == EXIT_OK && !remote->key.is_private) {
        (void)fault_set(&fault, STATUS_INVALID_VALUE, "%s holds a public key only",
                        remote->key_path);
        exit_code = say_problem(remote->call, PROBLEM_KEY_FORM, fault.text);
    }
    return exit_code;
}

static int take_identity(struct remote *remote, bool needs_identity)
{
    struct command_call *call = remote->call;
    struct fault fault;
    if (remote->identity_text == NULL && remote->key_path == NULL && !needs_identity) {
        return EXIT_OK;
    }
    if (remote->identity_text == NULL || remote->key_path == NULL) {
        return say_problem(
            call, PROBLEM_MISSING_ARGUMENT,
            "--identity INDEX:HANDLE with --key FILE or --secret-file FILE (or once: "
            "guantong remote login)");
    }
    if (handle_parse_reference(bytes_of_text(remote->identity_text), &remote->identity.name.index,
                               &remote->identity.name.handle) != STATUS_OK) {
        return say_problem_because(call, PROBLEM_BAD_OPTION, "--identity",
                                   "INDEX:HANDLE is expected, such as 300:88.608.8889/User_li");
    }
    if (!remote->is_secret) {
        return read_key(remote);
    }
    enum status status =
        key_file_read_secret(call->arena, remote->key_path, &remote->identity.secret, &fault);
    return status == STATUS_OK ? EXIT_OK : say_problem(call, PROBLEM_FILE, fault.text);
}

static int take_server_key(struct remote *remote)
{
    struct command_call *call = remote->call;
    struct pubkey record;
    if (!command_has(call, "--certified")) {
        return EXIT_OK;
    }
    bool is_known = remote->server_record.len > 0 &&
                    pubkey_decode(remote->server_record, &record) == STATUS_OK &&
                    pubkey_to_evp(&record, &remote->server_key) == STATUS_OK;
    return is_known ? EXIT_OK
                    : say_problem_because(call, PROBLEM_BAD_OPTION, "--certified",
                                          "the server's key is not known; guantong remote login "
                                          "@HOST fetches and keeps it");
}

/* A certificate made of our key says who asks, so that no challenge is needed. */
static int open_tls(struct remote *remote)
{
    struct tls_client_options options = {
        .key = remote->identity.key,
        .name = remote->identity_text,
    };
    struct pubkey record;
    EVP_PKEY *trusted = NULL;
    enum status status = STATUS_OK;
    if (!remote->is_tls) {
        return EXIT_OK;
    }
    if (remote->server_record.len > 0) {
        status = pubkey_decode(remote->server_record, &record);
        status = status == STATUS_OK ? pubkey_to_evp(&record, &trusted) : status;
    }
    options.server_key = trusted;
    if (status == STATUS_OK) {
        status = tls_client_context_new(&options, &remote->tls);
    }
    if (status == STATUS_NOT_SUPPORTED) { /* SM2, DSA: they answer a challenge inside */
        options.key = NULL;
        status = tls_client_context_new(&options, &remote->tls);
    }
    EVP_PKEY_free(trusted);
    return status == STATUS_OK ? EXIT_OK : say_status(remote->call, status, "TLS", NULL);
}

int remote_open(struct command_call *call, bool needs_identity, struct remote *out_remote)
{
    struct fault fault = {STATUS_OK, ""};
    *out_remote = (struct remote){.call = call, .text = ""};
    int exit_code = take_arguments(out_remote);
    if (exit_code == EXIT_OK) {
        exit_code = take_options(out_remote);
    }
    if (exit_code == EXIT_OK) {
        exit_code = take_identity(out_remote, needs_identity);
    }
    if (exit_code == EXIT_OK) {
        exit_code = take_server_key(out_remote);
    }
    if (exit_code == EXIT_OK) {
        exit_code = open_tls(out_remote);
    }
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    if (server_name_find(&out_remote->server, out_remote->addresses, &out_remote->address_count,
                         &fault) != STATUS_OK) {
        return say_problem(call, PROBLEM_UNREACHABLE, fault.text);
    }
    enum status status = net_new(&out_remote->net);
    return status == STATUS_OK ? EXIT_OK : say_status(call, status, "remote", NULL);
}

void remote_close(struct remote *remote)
{
    net_free(remote->net);
    key_file_done(&remote->key);
    EVP_PKEY_free(remote->server_key);
    tls_context_free(remote->tls);
    if (remote->identity.secret.len > 0) {
        OPENSSL_cleanse((void *)(uintptr_t)remote->identity.secret.data,
                        remote->identity.secret.len);
    }
}

/* --- calls ------------------------------------------------------------------------------------ */

/* What a server says when it refuses. */
static const char *text_of(struct arena *arena, struct bytes body)
{
    struct body_error error;
    const char *text = NULL;
    if (body_error_decode(body, &error) == STATUS_OK) {
        text = say_printable(arena, error.text);
    }
    return text == NULL ? "" : text;
}

static void remote_on_done(void *context, enum status status, const struct client_answer *answer)
{
    struct remote *remote = context;
    struct arena *arena = remote->call->arena;
    remote->status = status;
    remote->outcome = STATUS_ERROR;
    if (status == STATUS_OK) {
        remote->code = answer->message->header.response_code;
        remote->outcome = remote->code == 1 ? STATUS_OK : status_of_wire_code(remote->code);
        remote->body = arena_copy(arena, answer->body);
        remote->text = remote->code == 1 ? "" : text_of(arena, answer->body);
    }
    net_stop(remote->net);
}

static bool remote_on_more(void *context, const struct client_answer *answer)
{
    struct remote *remote = context;
    return remote->more(remote->context, answer);
}

static enum status ask_at(struct remote *remote, const struct net_address *address,
                          const struct client_request *request)
{
    struct client_options options = {
        .server = *address,
        .transport = remote->is_tls ? ASK_TLS : ASK_TCP,
        .tls = remote->tls,
        .timeout_ms = remote->timeout_ms,
        .identity = remote->identity_text != NULL ? &remote->identity : NULL,
        .server_key = remote->server_key,
        .random = random_bytes,
    };
    struct client *client = NULL;
    enum status status = client_new(remote->net, &options, &client);
    remote->status = STATUS_PENDING;
    if (status == STATUS_OK) {
        status = client_call(client, request, remote->more == NULL ? NULL : remote_on_more,
                             remote_on_done, remote);
    }
    while (status == STATUS_OK && remote->status == STATUS_PENDING) {
        net_run(remote->net);
    }
    client_free(client);
    return status == STATUS_OK ? remote->status : status;
}

/* Another address is tried only while nothing can have happened at the one before. */
enum status remote_ask(struct remote *remote, const struct client_request *request,
                       client_more *more, void *context)
{
    enum status status = STATUS_UNREACHABLE;
    remote->more = more;
    remote->context = context;
    for (size_t i = 0; i < remote->address_count && status == STATUS_UNREACHABLE; i++) {
        size_t at = (remote->address + i) % remote->address_count;
        status = ask_at(remote, &remote->addresses[at], request);
        if (status != STATUS_UNREACHABLE) {
            remote->address = at;
        }
    }
    remote->status = status;
    return status;
}

int remote_say_failure(struct remote *remote, const char *what)
{
    struct command_call *call = remote->call;
    struct fault where;
    (void)fault_set(&where, remote->status, "%s:%s", remote->server.host, remote->server.port);
    switch (remote->status) {
    case STATUS_OK:
        break;
    case STATUS_TIMED_OUT:
        return say_problem(call, PROBLEM_TIMED_OUT, where.text);
    case STATUS_UNREACHABLE:
        return say_problem(call, PROBLEM_UNREACHABLE, where.text);
    case STATUS_CLOSED:
        return say_problem(call, PROBLEM_CLOSED, where.text);
    case STATUS_PROTOCOL_ERROR:
        return say_problem(call, PROBLEM_MALFORMED_ANSWER, where.text);
    case STATUS_INVALID_CREDENTIAL:
        return say_problem_because(call, PROBLEM_REFUSED, what,
                                   "the server does not have the key kept for it, or did not sign "
                                   "with it (guantong remote login fetches it anew)");
    case STATUS_AUTHENTICATION_FAILED:
        return say_problem_because(call, PROBLEM_REFUSED, what,
                                   "the server wants something else signed than what was asked; "
                                   "nothing was signed");
    default:
        return say_status(call, remote->status, what, NULL);
    }
    struct fault said;
    (void)fault_set(&said, remote->outcome, "%u %s%s%s", remote->code,
                    call->is_chinese ? status_chinese(remote->outcome)
                                     : status_english(remote->outcome),
                    remote->text[0] != '\0' ? ": " : "", remote->text);
    (void)say_problem_because(call, PROBLEM_REFUSED, what, said.text);
    return say_exit(remote->outcome);
}
