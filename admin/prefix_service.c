/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading the options that tell of another node (prefix_service.h).
 */
#include "admin/prefix_service.h"

#include "admin/init_site.h"
#include "admin/key_file.h"
#include "admin/say.h"

static enum status read_key(struct command_call *call, struct bytes *out_record,
                            struct fault *fault)
{
    static const struct key_pass_phrase none = {.len = 0};
    const char *path = command_option(call, "--key");
    struct key_file file;
    if (path == NULL) {
        return STATUS_OK;
    }
    enum status status = key_file_read(call->arena, path, &none, &file, fault);
    if (status == STATUS_OK) {
        *out_record = file.record;
        key_file_done(&file);
    }
    return status;
}

/* What the options say about the other node; exactly one of them is given. */
static enum status read_service(struct command_call *call, struct delegation *out_service,
                                struct fault *fault)
{
    const char *file = command_option(call, "--site");
    const char *serv = command_option(call, "--serv");
    const char *where = command_option(call, "--address");
    struct bytes data = BYTES_NONE;
    if (serv != NULL) {
        *out_service = (struct delegation){BYTES_LITERAL("HS_SERV"), bytes_of_text(serv)};
        return handle_check(out_service->data, fault);
    }
    if (file != NULL) {
        enum status status = init_site_read(call->arena, file, &data, fault);
        return status == STATUS_OK ? delegation_of_site(call->arena, data, out_service) : status;
    }
    enum status status = read_key(call, &data, fault);
    return status == STATUS_OK ? delegation_at(call->arena, where, data, out_service) : status;
}

static int check_service_options(struct command_call *call)
{
    static const char *const names[] = {"--site", "--serv", "--address"};
    int given = 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        given += command_has(call, names[i]) ? 1 : 0;
    }
    if (given != 1) {
        return say_problem(call, given == 0 ? PROBLEM_MISSING_ARGUMENT : PROBLEM_BAD_ARGUMENT,
                           "--site, --serv, --address");
    }
    return command_has(call, "--key") && !command_has(call, "--address")
               ? say_problem(call, PROBLEM_BAD_ARGUMENT, "--key")
               : EXIT_OK;
}

static int say_service(struct command_call *call, enum status status, const struct fault *fault)
{
    const char *file = command_option(call, "--site");
    const char *key = command_option(call, "--key");
    const char *serv = command_option(call, "--serv");
    if (file != NULL) {
        return say_problem_because(call, PROBLEM_SITE_FILE, file, fault->text);
    }
    if (serv != NULL) {
        return say_problem_because(call, PROBLEM_INVALID_HANDLE, serv, fault->text);
    }
    return key == NULL || status == STATUS_BAD_SYNTAX
               ? say_problem(call, PROBLEM_BAD_ARGUMENT, command_option(call, "--address"))
               : say_problem_because(call, PROBLEM_KEY_FILE, key, fault->text);
}

bool prefix_service_is_given(const struct command_call *call)
{
    return command_has(call, "--site") || command_has(call, "--serv") ||
           command_has(call, "--address") || command_has(call, "--key");
}

int prefix_service_read(struct command_call *call, struct delegation *out_service)
{
    struct fault fault = {.status = STATUS_OK};
    int exit = check_service_options(call);
    if (exit != EXIT_OK) {
        return exit;
    }
    enum status status = read_service(call, out_service, &fault);
    return status == STATUS_OK ? EXIT_OK : say_service(call, status, &fault);
}
