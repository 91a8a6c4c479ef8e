/* SPDX-License-Identifier: Apache-2.0
 *
 * What most commands begin with: the store opened for reading, a running node asked, the settings
 * loaded. Failures are reported here; callers only pass the exit code on.
 */
#include "admin/command_reach.h"

#include <errno.h>

#include "admin/control.h"
#include "admin/directory.h"
#include "admin/say.h"

int command_check_node(struct command_call *call)
{
    if (directory_is_node(call->directory)) {
        return EXIT_OK;
    }
    return say_problem(call, errno == EACCES ? PROBLEM_ACCESS_DENIED : PROBLEM_NOT_A_NODE,
                       call->directory);
}

int command_open_store(struct command_call *call, struct registry **out_registry,
                       struct snapshot **out_snapshot)
{
    struct fault fault = {.status = STATUS_OK};
    struct registry *registry = NULL;
    enum status status = STATUS_OK;
    if (call->registry == NULL) {
        status = directory_open_registry(call->arena, call->directory, true, &registry, &fault);
    }
    if (status == STATUS_OK) {
        status = snapshot_new(call->registry == NULL ? registry : call->registry, out_snapshot);
    }
    if (status != STATUS_OK) {
        registry_close(registry);
        return say_status(call, status, call->directory, &fault);
    }
    *out_registry = registry;
    return EXIT_OK;
}

void command_close_store(struct registry *registry, struct snapshot *snapshot)
{
    snapshot_free(snapshot);
    registry_close(registry);
}

int command_load_settings(struct command_call *call, struct settings **out_settings)
{
    struct fault fault = {.status = STATUS_OK};
    enum status status = directory_settings(call->arena, call->directory, out_settings, &fault);
    return status == STATUS_OK ? EXIT_OK : say_status(call, status, call->directory, &fault);
}

enum status command_call_node(struct command_call *call, const char *command, json_t *arguments,
                              json_t **out_result, struct fault *fault)
{
    const char *path = directory_path(call->arena, call->directory, "run/control.sock");
    struct control_client *client = NULL;
    enum status status = path == NULL ? STATUS_NO_MEMORY : control_connect(path, &client);
    if (status == STATUS_OK) {
        status = control_call(client, command, arguments, out_result, fault);
    }
    control_disconnect(client);
    return status;
}

int command_ask_node(struct command_call *call, const char *command, json_t *arguments,
                     json_t **out_result)
{
    struct fault fault = {.status = STATUS_OK};
    enum status status = command_call_node(call, command, arguments, out_result, &fault);
    json_decref(arguments);
    if (status == STATUS_UNREACHABLE) {
        return say_problem(call, PROBLEM_NODE_DOWN, call->directory);
    }
    return status == STATUS_OK ? EXIT_OK : say_status(call, status, call->directory, &fault);
}

enum case_rule command_case_rule(struct snapshot *snapshot, struct bytes handle)
{
    struct prefix_row row;
    if (registry_find_home(snapshot, handle, &row) == STATUS_OK ||
        registry_get_prefix(snapshot, handle_governing_prefix(handle), &row) == STATUS_OK) {
        return row.case_rule;
    }
    return CASE_INSENSITIVE;
}

enum status command_handle(struct command_call *call, const char *name, struct bytes *out_handle)
{
    uint8_t *room = arena_alloc(call->arena, HANDLE_EXPANDED_MAX);
    return room == NULL ? STATUS_NO_MEMORY : handle_expand(bytes_of_text(name), room, out_handle);
}

static const int stop_signals[] = {SIGINT, SIGTERM, SIGHUP};

void command_hold_signals(struct command_signals *out_held)
{
    sigset_t held;
    (void)sigemptyset(&held);
    for (size_t i = 0; i < sizeof(stop_signals) / sizeof(stop_signals[0]); i++) {
        (void)sigaddset(&held, stop_signals[i]);
    }
    (void)pthread_sigmask(SIG_BLOCK, &held, &out_held->former);
}

bool command_signal_waits(void)
{
    sigset_t pending;
    (void)sigemptyset(&pending);
    (void)sigpending(&pending);
    for (size_t i = 0; i < sizeof(stop_signals) / sizeof(stop_signals[0]); i++) {
        if (sigismember(&pending, stop_signals[i]) == 1) {
            return true;
        }
    }
    return false;
}

void command_release_signals(const struct command_signals *held)
{
    (void)pthread_sigmask(SIG_SETMASK, &held->former, NULL);
}

bool command_number(const char *text, uint64_t max, uint64_t *out_number)
{
    uint64_t number = 0;
    if (text[0] == '\0') {
        return false;
    }
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || number > (max - (uint64_t)(*text - '0')) / 10) {
            return false;
        }
        number = number * 10 + (uint64_t)(*text - '0');
    }
    *out_number = number;
    return number <= max;
}
