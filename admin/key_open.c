/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening key files for commands (key_open.h).
 */
#include "admin/key_open.h"

#include "admin/say.h"

int key_say_unread(struct command_call *call, enum status status, const struct fault *fault)
{
    switch (status) {
    case STATUS_AUTHENTICATION_NEEDED:
    case STATUS_AUTHENTICATION_FAILED:
        return say_problem(call, PROBLEM_KEY_SEALED, fault->text);
    case STATUS_SYSTEM:
        return say_problem(call, PROBLEM_FILE, fault->text);
    default:
        return say_problem(call, PROBLEM_KEY_FORM, fault->text);
    }
}

int key_open(struct command_call *call, const char *path, struct key_file *out_file)
{
    const char *from = command_option(call, "--pass-phrase-file");
    struct key_pass_phrase pass_phrase = {.len = 0};
    struct fault fault = {STATUS_OK, ""};
    if (from != NULL && key_pass_phrase_read(from, false, &pass_phrase, &fault) != STATUS_OK) {
        return say_problem_because(call, PROBLEM_FILE, "--pass-phrase-file", fault.text);
    }
    enum status status = key_file_read(call->arena, path, &pass_phrase, out_file, &fault);
    bool asks = status == STATUS_AUTHENTICATION_NEEDED && from == NULL && call->err_is_terminal;
    if (asks && key_pass_phrase_read("-", false, &pass_phrase, &fault) == STATUS_OK) {
        status = key_file_read(call->arena, path, &pass_phrase, out_file, &fault);
    }
    key_pass_phrase_cleanse(&pass_phrase);
    return status == STATUS_OK ? EXIT_OK : key_say_unread(call, status, &fault);
}
