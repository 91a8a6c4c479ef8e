/* SPDX-License-Identifier: Apache-2.0
 *
 * guantong remote login [@HOST]: fetches the server's key, proves the identity without changing
 * anything, and keeps server, identity and the key file's path for the other remote commands.
 *
 * A public key is proved by the record it stands in; a secret by letting the server verify an
 * answer to a challenge of our own (opcode 201), so that the secret stays here.
 */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "admin/remote.h"
#include "admin/say.h"
#include "protocol/opcode.h"
#include "protocol/pubkey.h"
#include "protocol/secret_answer.h"
#include "protocol/site.h"

enum proof { PROOF_NONE, PROOF_RIGHT, PROOF_WRONG, PROOF_NOT_HERE };

/* --- the server's key ------------------------------------------------------------------------- */

static bool site_key(struct arena *arena, struct bytes body, struct bytes *out_record)
{
    struct bytes raw;
    struct site site;
    if (body_site_decode(body, &raw) != STATUS_OK || site_decode(raw, arena, &site) != STATUS_OK ||
        site.server_count == 0) {
        return false;
    }
    *out_record = site.servers[0].public_key;
    return true;
}

/* Asks for the site record, then once more to see it signed by the key it names. */
static int fetch_server_key(struct remote *remote, bool *out_is_certified)
{
    uint8_t room[16];
    struct wire_writer w = wire_write(room, sizeof(room));
    body_handle_encode(&w, BYTES_LITERAL("/"));
    struct client_request request = {.opcode = OPCODE_GET_SITE_INFO, .body = wire_wrote(&w)};
    struct pubkey record;
    *out_is_certified = false;
    if (remote_ask(remote, &request, NULL, NULL) != STATUS_OK || remote->outcome != STATUS_OK ||
        !site_key(remote->call->arena, remote->body, &remote->server_record)) {
        return remote_say_failure(remote, remote->server.host);
    }
    if (remote->server_record.len > 0 &&
        pubkey_decode(remote->server_record, &record) == STATUS_OK && remote->server_key == NULL &&
        pubkey_to_evp(&record, &remote->server_key) == STATUS_OK) {
        *out_is_certified = remote_ask(remote, &request, NULL, NULL) == STATUS_OK;
        EVP_PKEY_free(remote->server_key);
        remote->server_key = NULL;
    }
    return EXIT_OK;
}

/* --- the identity ----------------------------------------------------------------------------- */

static enum status ask_own_value(struct remote *remote)
{
    const struct reference *name = &remote->identity.name;
    size_t size = 64 + name->handle.len;
    uint8_t *room = arena_alloc(remote->call->arena, size);
    uint8_t index[4];
    if (room == NULL) {
        return STATUS_NO_MEMORY;
    }
    wire_store_u32(index, name->index);
    struct wire_writer w = wire_write(room, size);
    struct body_resolution body = {.handle = name->handle,
                                   .index_count = name->index == 0 ? 0 : 1,
                                   .indexes = bytes_of(index, name->index == 0 ? 0 : 4)};
    body_resolution_encode(&w, &body);
    struct client_request request = {.opcode = OPCODE_RESOLUTION,
                                     .flags = MESSAGE_PUBLIC_ONLY | MESSAGE_RECURSIVE,
                                     .body = wire_wrote(&w)};
    return remote_ask(remote, &request, NULL, NULL);
}

static bool is_own_key(const struct remote *remote, const struct value *value)
{
    struct pubkey record;
    EVP_PKEY *key = NULL;
    bool is_own = bytes_equal(value->type, BYTES_LITERAL("HS_PUBKEY")) &&
                  pubkey_decode(value->data, &record) == STATUS_OK &&
                  pubkey_to_evp(&record, &key) == STATUS_OK &&
                  EVP_PKEY_eq(key, remote->identity.key) == 1;
    EVP_PKEY_free(key);
    return is_own;
}

static enum proof prove_key(struct remote *remote)
{
    struct body_values values;
    if (ask_own_value(remote) != STATUS_OK) {
        return PROOF_NONE;
    }
    if (remote->outcome != STATUS_OK) {
        bool is_known_here = remote->outcome == STATUS_HANDLE_NOT_FOUND ||
                             remote->outcome == STATUS_VALUES_NOT_FOUND;
        return is_known_here ? PROOF_WRONG : PROOF_NOT_HERE;
    }
    if (body_values_decode(remote->body, remote->call->arena, &values) != STATUS_OK) {
        return PROOF_NONE;
    }
    for (size_t i = 0; i < values.count; i++) {
        if (is_own_key(remote, &values.values[i])) {
            return PROOF_RIGHT;
        }
    }
    return PROOF_WRONG;
}

static enum proof prove_secret(struct remote *remote)
{
    uint8_t noise[16 + 32 + SECRET_ANSWER_SALT_LEN];
    uint8_t signed_room[SECRET_ANSWER_MAX];
    uint8_t room[4096];
    if (getrandom(noise, sizeof(noise), 0) != (ssize_t)sizeof(noise)) {
        return PROOF_NONE;
    }
    struct secret_challenge challenge = {bytes_of(noise, 16), bytes_of(noise + 16, 32)};
    struct wire_writer signed_response = wire_write(signed_room, sizeof(signed_room));
    struct wire_writer w = wire_write(room, sizeof(room));
    if (secret_answer_make(SECRET_PBKDF2, remote->identity.secret, &challenge, noise + 48,
                           &signed_response) != STATUS_OK) {
        return PROOF_NONE;
    }
    struct body_verify body = {remote->identity.name, challenge.nonce, challenge.digest,
                               wire_wrote(&signed_response)};
    body_verify_encode(&w, &body);
    struct client_request request = {.opcode = OPCODE_VERIFY_RESPONSE, .body = wire_wrote(&w)};
    bool is_valid = false;
    if (w.failed || remote_ask(remote, &request, NULL, NULL) != STATUS_OK) {
        return PROOF_NONE;
    }
    if (remote->outcome != STATUS_OK) {
        return remote->outcome == STATUS_HANDLE_NOT_FOUND ||
                       remote->outcome == STATUS_VALUES_NOT_FOUND
                   ? PROOF_WRONG
                   : PROOF_NOT_HERE;
    }
    if (body_verified_decode(remote->body, &is_valid) != STATUS_OK) {
        return PROOF_NONE;
    }
    return is_valid ? PROOF_RIGHT : PROOF_WRONG;
}

/* --- the command ------------------------------------------------------------------------------ */

static int report(struct remote *remote, enum proof proof, bool is_certified, const char *path)
{
    struct command_call *call = remote->call;
    bool is_right = proof == PROOF_RIGHT;
    if (call->is_json) {
        return say_json(call,
                        json_pack("{s:s, s:s, s:s?, s:b, s:b, s:s}", "host", remote->server.host,
                                  "port", remote->server.port, "identity", remote->identity_text,
                                  "identity_proved", (int)is_right, "server_certified",
                                  (int)is_certified, "kept_in", path));
    }
    (void)fprintf(call->out, "%s %s:%s, %s\n", say_text(call, "server  ", "服务器"),
                  remote->server.host, remote->server.port,
                  is_certified ? say_text(call, "answers are signed by its key", "应答由其密钥签名")
                               : say_text(call, "answers are not signed", "应答未签名"));
    if (remote->identity_text != NULL) {
        (void)fprintf(call->out, "%s %s, %s\n", say_text(call, "identity", "身份  "),
                      remote->identity_text,
                      is_right ? say_text(call, "proved", "已验证")
                               : say_text(call, "its record is not on this server, not proved",
                                          "其记录不在该服务器，未验证"));
    }
    (void)fprintf(call->out, "%s %s\n", say_text(call, "kept in ", "已保存"), path);
    return EXIT_OK;
}

static int login(struct remote *remote)
{
    struct command_call *call = remote->call;
    struct fault fault;
    const char *path = NULL;
    bool is_certified = false;
    struct bytes kept = remote->server_record;
    int exit_code = fetch_server_key(remote, &is_certified);
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    if (kept.len > 0 && !bytes_equal(kept, remote->server_record)) {
        return say_problem_because(
            call, PROBLEM_REFUSED, remote->server.host,
            "its key is not the one kept at the last login; if it was "
            "changed on purpose: guantong remote login --forget, then again");
    }
    enum proof proof = PROOF_NOT_HERE;
    if (remote->identity_text != NULL) {
        proof = remote->is_secret ? prove_secret(remote) : prove_key(remote);
    }
    if (proof == PROOF_NONE) {
        return remote_say_failure(remote, remote->identity_text);
    }
    if (proof == PROOF_WRONG) {
        return say_problem_because(call, PROBLEM_REFUSED, remote->identity_text,
                                   "the server has no such key there, or another one");
    }
    enum status status = remote_remember(remote, &path, &fault);
    return status == STATUS_OK ? report(remote, proof, is_certified, path)
                               : say_problem(call, PROBLEM_FILE, fault.text);
}

static int forget(struct command_call *call)
{
    const char *path = NULL;
    struct fault fault;
    enum status status = remote_forget(call, &path, &fault);
    if (status == STATUS_SYSTEM) {
        return say_problem(call, PROBLEM_FILE, fault.text);
    }
    if (call->is_json) {
        return say_json(call, json_pack("{s:b}", "forgotten", (int)(status == STATUS_OK)));
    }
    (void)fprintf(call->out, "%s\n",
                  status == STATUS_OK ? say_text(call, "forgotten", "已清除")
                                      : say_text(call, "there was none", "没有已保存的登录"));
    return EXIT_OK;
}

int command_remote_login(struct command_call *call)
{
    if (command_has(call, "--forget")) {
        return forget(call);
    }
    struct remote remote;
    int exit_code = remote_open(call, false, &remote);
    if (exit_code == EXIT_OK && remote.argument_count > 0) {
        exit_code = say_problem(call, PROBLEM_TOO_MANY_ARGUMENTS, remote.arguments[0]);
    }
    if (exit_code == EXIT_OK) {
        exit_code = login(&remote);
    }
    remote_close(&remote);
    return exit_code;
}
