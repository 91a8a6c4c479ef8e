/* SPDX-License-Identifier: Apache-2.0
 *
 * guantong enterprise submit|verify|review|approve|reject|suspend|resume|cancel|remove: the steps
 * of an enterprise, and of a change of it that is under review.
 */
#include <string.h>

#include "admin/enterprise_desk.h"
#include "admin/say.h"

struct step {
    struct desk desk;
    struct enterprise_row before;
    struct enterprise_row after;
    enum enterprise_act act;
    const char *action;
    const char *reason;
    enum enterprise_policy policy;
    bool has_prefixes; /* they go with it, to this state */
    enum prefix_state prefixes;
};

/* A change under review walks before the enterprise itself does, where it can. */
static bool step_change(struct step *step)
{
    enum enterprise_state to = ENTERPRISE_NONE;
    if (step->before.review == ENTERPRISE_NONE ||
        !enterprise_state_step(step->before.review, step->act, &to)) {
        return false;
    }
    bool is_over = step->act == ENTERPRISE_APPROVE || step->act == ENTERPRISE_REMOVE;
    if (step->act == ENTERPRISE_APPROVE) {
        step->after.dossier = step->before.pending;
    }
    step->after.review = is_over ? ENTERPRISE_NONE : to;
    if (is_over) {
        step->after.pending = BYTES_NONE;
    }
    return true;
}

static int take_step(struct step *step)
{
    enum enterprise_state to = ENTERPRISE_NONE;
    struct enterprise_row *after = &step->after;
    if (step->before.dossier.len == 0) {
        return say_problem_because(
            step->desk.call, PROBLEM_REFUSED, enterprise_act_row(step->act)->word,
            say_text(step->desk.call, "this is the node's own enterprise", "这是本节点自身"));
    }
    *after = step->before;
    if (!enterprise_state_step(step->before.state, step->act, &to)) {
        return step_change(step) ? EXIT_OK : desk_say_state(&step->desk, &step->before, step->act);
    }
    after->state = to;
    after->policy = to == ENTERPRISE_SUSPENDED ? step->policy : ENTERPRISE_POLICY_NONE;
    step->has_prefixes = after->reference.len > 0;
    switch (to) {
    case ENTERPRISE_ENABLED:
        step->prefixes = PREFIX_ACTIVE;
        break;
    case ENTERPRISE_SUSPENDED:
        step->prefixes =
            step->policy == ENTERPRISE_KEEP_READING ? PREFIX_READ_ONLY : PREFIX_STOPPED;
        break;
    case ENTERPRISE_CANCELLED:
        step->prefixes = PREFIX_UNHOMED;
        break;
    default:
        step->prefixes = PREFIX_STOPPED;
        break;
    }
    return EXIT_OK;
}

static int write_step(struct step *step)
{
    struct desk_prefixes prefixes = {&step->desk, step->before.id, step->prefixes};
    const struct desk_act act = {
        .action = step->action,
        .before = &step->before,
        .after = &step->after,
        .reason = step->reason,
        .more = step->has_prefixes ? desk_put_prefixes : NULL,
        .context = &prefixes,
    };
    int exit = desk_write(&step->desk, &act);
    return exit == EXIT_OK ? desk_say_done(&step->desk, &step->after) : exit;
}

/* What is verified holds by today's rules and tables. */
static int check_rules(struct step *step)
{
    if (step->act != ENTERPRISE_VERIFY) {
        return EXIT_OK;
    }
    bool is_change = step->before.pending.len > 0 && step->before.review != ENTERPRISE_NONE;
    json_t *dossier = desk_json(is_change ? step->before.pending : step->before.dossier);
    int exit = desk_check(&step->desk, dossier);
    json_decref(dossier);
    return exit;
}

static int run_step(struct command_call *call, struct step *step)
{
    int exit = desk_open(call, &step->desk);
    exit = exit == EXIT_OK ? desk_find(&step->desk, call->arguments[0], &step->before) : exit;
    exit = exit == EXIT_OK ? take_step(step) : exit;
    exit = exit == EXIT_OK ? check_rules(step) : exit;
    exit = exit == EXIT_OK ? write_step(step) : exit;
    desk_close(&step->desk);
    return exit;
}

static int act(struct command_call *call, enum enterprise_act act, const char *action)
{
    struct step step = {.act = act, .action = action, .reason = command_option(call, "--note")};
    return run_step(call, &step);
}

/* Acts that nobody does without saying why. */
static int act_with_reason(struct command_call *call, struct step *step)
{
    step->reason = command_option(call, "--reason");
    if (step->reason == NULL || step->reason[strspn(step->reason, " \t")] == '\0') {
        return say_problem(call, PROBLEM_MISSING_ARGUMENT, "--reason");
    }
    if (strlen(step->reason) > (size_t)DOSSIER_REASON_MAX * 4) {
        return say_problem(call, PROBLEM_BAD_ARGUMENT, "--reason");
    }
    return run_step(call, step);
}

int command_enterprise_submit(struct command_call *call)
{
    return act(call, ENTERPRISE_SUBMIT, "enterprise submit");
}

int command_enterprise_verify(struct command_call *call)
{
    return act(call, ENTERPRISE_VERIFY, "enterprise verify");
}

int command_enterprise_review(struct command_call *call)
{
    return act(call, ENTERPRISE_REVIEW, "enterprise review");
}

int command_enterprise_approve(struct command_call *call)
{
    return act(call, ENTERPRISE_APPROVE, "enterprise approve");
}

int command_enterprise_reject(struct command_call *call)
{
    struct step step = {.act = ENTERPRISE_REJECT, .action = "enterprise reject"};
    return act_with_reason(call, &step);
}

int command_enterprise_suspend(struct command_call *call)
{
    struct step step = {.act = ENTERPRISE_SUSPEND, .action = "enterprise suspend"};
    const char *policy = command_option(call, "--policy");
    if (policy == NULL) {
        return say_problem(call, PROBLEM_MISSING_ARGUMENT, "--policy");
    }
    if (strcmp(policy, enterprise_policy_word(ENTERPRISE_KEEP_READING)) == 0) {
        step.policy = ENTERPRISE_KEEP_READING;
    } else if (strcmp(policy, enterprise_policy_word(ENTERPRISE_HOLD)) == 0) {
        step.policy = ENTERPRISE_HOLD;
    } else {
        return say_problem(call, PROBLEM_BAD_ARGUMENT, policy);
    }
    return act_with_reason(call, &step);
}

int command_enterprise_resume(struct command_call *call)
{
    return act(call, ENTERPRISE_RESUME, "enterprise resume");
}

int command_enterprise_cancel(struct command_call *call)
{
    struct step step = {.act = ENTERPRISE_CANCEL, .action = "enterprise cancel"};
    int exit = command_confirm(call, "enterprise cancel");
    return exit == EXIT_OK ? act_with_reason(call, &step) : exit;
}

int command_enterprise_remove(struct command_call *call)
{
    struct step step = {.act = ENTERPRISE_REMOVE, .action = "enterprise remove"};
    int exit = command_confirm(call, "enterprise remove");
    return exit == EXIT_OK ? act_with_reason(call, &step) : exit;
}
