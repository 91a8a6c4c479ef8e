/* SPDX-License-Identifier: Apache-2.0
 *
 * guantong prefix confirm|refuse: the top node's answer to an application, as the operator records
 * it. Confirming enables the enterprise and homes or delegates the prefix in one set.
 */
#include <string.h>
#include <time.h>

#include "admin/enterprise_desk.h"
#include "admin/own_records.h"
#include "admin/prefix_service.h"
#include "admin/say.h"

struct answer {
    struct desk desk;
    struct enterprise_row before;
    struct enterprise_row after;
    struct bytes prefix;
    const char *reference;
    const char *date;
    bool is_delegated;
    struct delegation service;
};

static bool is_date(const char *text)
{
    struct tm day = {0};
    const char *end = strptime(text, "%Y-%m-%d", &day);
    return strlen(text) == 10 && end != NULL && *end == '\0';
}

/* The answer's reference and date: nothing is recorded without them. */
static int read_answer(struct command_call *call, struct answer *answer)
{
    answer->prefix = bytes_of_text(call->arguments[0]);
    answer->reference = command_option(call, "--reference");
    answer->date = command_option(call, "--date");
    if (answer->reference == NULL || answer->date == NULL) {
        return say_problem(call, PROBLEM_MISSING_ARGUMENT,
                           answer->reference == NULL ? "--reference" : "--date");
    }
    if (!is_date(answer->date)) {
        return say_problem(call, PROBLEM_BAD_ARGUMENT, answer->date);
    }
    if (answer->reference[0] == '\0' || strlen(answer->reference) > ENTERPRISE_REFERENCE_MAX) {
        return say_problem(call, PROBLEM_BAD_ARGUMENT, "--reference");
    }
    answer->is_delegated = prefix_service_is_given(call);
    return answer->is_delegated ? prefix_service_read(call, &answer->service) : EXIT_OK;
}

/* Where its records are: here, unless the options tell of a node of its own. */
static enum status put_service(struct answer *answer, struct change_set *set, struct fault *fault)
{
    struct desk *desk = &answer->desk;
    struct delegation here = {BYTES_LITERAL("HS_SITE"), BYTES_NONE};
    const struct own_records_facts facts = {
        .prefix = answer->prefix,
        .administrator = bytes_of_text(desk->settings->node_prefix),
        .now_s = (uint32_t)time(NULL),
    };
    enum status status =
        answer->is_delegated ? STATUS_OK : registry_get_meta(desk->snapshot, "site", &here.data);
    return status == STATUS_OK
               ? delegation_put(set, desk->snapshot, desk->call->arena, &facts,
                                answer->is_delegated ? &answer->service : &here, fault)
               : fault_set(fault, status, "%s", "the node's site record");
}

static enum status put_prefix(void *context, struct change_set *set, struct fault *fault)
{
    struct answer *answer = context;
    struct prefix_row row = own_records_prefix(answer->prefix, answer->desk.settings);
    row.enterprise = answer->before.id;
    row.hosting = answer->is_delegated ? PREFIX_DELEGATED : PREFIX_HOSTED;
    enum status status = change_set_put_prefix(set, &row, CHANGE_CREATE, fault);
    status = status == STATUS_OK ? put_service(answer, set, fault) : status;
    return status == STATUS_OK ? change_set_audit(set, "prefix confirm", answer->prefix,
                                                  bytes_of_text(answer->reference))
                               : status;
}

/* The prefix must be one label below the node's, as the applied one was. */
static int check_further(struct answer *answer)
{
    struct command_call *call = answer->desk.call;
    struct fault fault = {.status = STATUS_OK};
    if (handle_check_prefix(answer->prefix, &fault) != STATUS_OK) {
        return say_problem_because(call, PROBLEM_INVALID_PREFIX, call->arguments[0], fault.text);
    }
    if (!bytes_equal_nocase(handle_parent_prefix(answer->prefix),
                            bytes_of_text(answer->desk.settings->node_prefix))) {
        return say_problem_because(
            call, PROBLEM_INVALID_PREFIX, call->arguments[0],
            say_text(call, "not one label below this node's prefix", "不是本节点前缀的下一级"));
    }
    return answer->before.state == ENTERPRISE_ENABLED
               ? EXIT_OK
               : desk_say_state(&answer->desk, &answer->before, ENTERPRISE_CONFIRM);
}

static bool is_applied_for(const struct answer *answer)
{
    json_t *dossier = desk_json(answer->before.dossier);
    const char *prefix = json_string_value(json_object_get(dossier, "ent_prefix"));
    bool is_it = prefix != NULL && bytes_equal_nocase(bytes_of_text(prefix), answer->prefix);
    json_decref(dossier);
    return is_it;
}

/* The first answer enables the enterprise; later ones bring further prefixes. */
static int confirm(struct answer *answer)
{
    enum enterprise_state to = ENTERPRISE_NONE;
    answer->after = answer->before;
    if (answer->before.dossier.len == 0) {
        return say_problem(answer->desk.call, PROBLEM_ENTERPRISE_UNKNOWN,
                           answer->desk.call->arguments[0]);
    }
    if (!is_applied_for(answer)) {
        return check_further(answer);
    }
    if (!enterprise_state_step(answer->before.state, ENTERPRISE_CONFIRM, &to)) {
        return desk_say_state(&answer->desk, &answer->before, ENTERPRISE_CONFIRM);
    }
    answer->after.state = to;
    answer->after.reference = bytes_of_text(answer->reference);
    answer->after.confirmed_on = bytes_of_text(answer->date);
    return EXIT_OK;
}

static const char *reason_of(struct answer *answer)
{
    const char *reason = command_option(answer->desk.call, "--reason");
    char text[ENTERPRISE_REFERENCE_MAX + 64 + HANDLE_PREFIX_MAX];
    (void)snprintf(text, sizeof(text), "%.*s: %s, %s", (int)answer->prefix.len,
                   (const char *)answer->prefix.data, answer->reference, answer->date);
    struct bytes parts[] = {bytes_of_text(text), bytes_of_text(reason == NULL ? "" : "; "),
                            bytes_of_text(reason == NULL ? "" : reason)};
    size_t size = parts[0].len + parts[1].len + parts[2].len + 1;
    char *whole = arena_alloc(answer->desk.call->arena, size);
    if (whole == NULL) {
        return "";
    }
    (void)snprintf(whole, size, "%s%s%s", text, reason == NULL ? "" : "; ",
                   reason == NULL ? "" : reason);
    return whole;
}

static int record(struct answer *answer, bool is_yes)
{
    const struct desk_act act = {
        .action = is_yes ? "enterprise confirm" : "enterprise refuse",
        .before = &answer->before,
        .after = &answer->after,
        .reason = reason_of(answer),
        .more = is_yes ? put_prefix : NULL,
        .context = answer,
    };
    int exit = desk_write(&answer->desk, &act);
    return exit == EXIT_OK ? desk_say_done(&answer->desk, &answer->after) : exit;
}

int command_prefix_confirm(struct command_call *call)
{
    struct answer answer = {.is_delegated = false};
    const char *name = command_option(call, "--enterprise");
    int exit = read_answer(call, &answer);
    if (exit != EXIT_OK) {
        return exit;
    }
    exit = desk_open(call, &answer.desk);
    if (exit == EXIT_OK) {
        exit = desk_find(&answer.desk, name == NULL ? call->arguments[0] : name, &answer.before);
    }
    exit = exit == EXIT_OK ? confirm(&answer) : exit;
    exit = exit == EXIT_OK ? record(&answer, true) : exit;
    desk_close(&answer.desk);
    return exit;
}

int command_prefix_refuse(struct command_call *call)
{
    struct answer answer = {.is_delegated = false};
    enum enterprise_state to = ENTERPRISE_NONE;
    int exit = read_answer(call, &answer);
    if (exit == EXIT_OK && command_option(call, "--reason") == NULL) {
        exit = say_problem(call, PROBLEM_MISSING_ARGUMENT, "--reason");
    }
    if (exit != EXIT_OK) {
        return exit;
    }
    exit = desk_open(call, &answer.desk);
    exit = exit == EXIT_OK ? desk_find(&answer.desk, call->arguments[0], &answer.before) : exit;
    if (exit == EXIT_OK) {
        answer.after = answer.before;
        exit = enterprise_state_step(answer.before.state, ENTERPRISE_REFUSE, &to)
                   ? EXIT_OK
                   : desk_say_state(&answer.desk, &answer.before, ENTERPRISE_REFUSE);
        answer.after.state = to;
    }
    exit = exit == EXIT_OK ? record(&answer, false) : exit;
    desk_close(&answer.desk);
    return exit;
}
