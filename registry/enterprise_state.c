/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of states and acts (enterprise_state.h).
 */
#include "registry/enterprise_state.h"

struct step {
    enum enterprise_state from;
    enum enterprise_act act;
    enum enterprise_state to;
};

static const struct step steps[] = {
    {ENTERPRISE_DRAFTED, ENTERPRISE_SUBMIT, ENTERPRISE_SUBMITTED},
    {ENTERPRISE_DRAFTED, ENTERPRISE_REMOVE, ENTERPRISE_CANCELLED},
    {ENTERPRISE_SUBMITTED, ENTERPRISE_VERIFY, ENTERPRISE_VERIFIED},
    {ENTERPRISE_SUBMITTED, ENTERPRISE_REJECT, ENTERPRISE_REJECTED},
    {ENTERPRISE_SUBMITTED, ENTERPRISE_REMOVE, ENTERPRISE_CANCELLED},
    {ENTERPRISE_VERIFIED, ENTERPRISE_REVIEW, ENTERPRISE_IN_REVIEW},
    {ENTERPRISE_VERIFIED, ENTERPRISE_APPROVE, ENTERPRISE_APPROVED},
    {ENTERPRISE_VERIFIED, ENTERPRISE_REJECT, ENTERPRISE_REJECTED},
    {ENTERPRISE_VERIFIED, ENTERPRISE_REMOVE, ENTERPRISE_CANCELLED},
    {ENTERPRISE_IN_REVIEW, ENTERPRISE_APPROVE, ENTERPRISE_APPROVED},
    {ENTERPRISE_IN_REVIEW, ENTERPRISE_REJECT, ENTERPRISE_REJECTED},
    {ENTERPRISE_IN_REVIEW, ENTERPRISE_REMOVE, ENTERPRISE_CANCELLED},
    {ENTERPRISE_REJECTED, ENTERPRISE_SUBMIT, ENTERPRISE_SUBMITTED},
    {ENTERPRISE_REJECTED, ENTERPRISE_REMOVE, ENTERPRISE_CANCELLED},
    {ENTERPRISE_APPROVED, ENTERPRISE_CONFIRM, ENTERPRISE_ENABLED},
    {ENTERPRISE_APPROVED, ENTERPRISE_REFUSE, ENTERPRISE_REJECTED},
    {ENTERPRISE_APPROVED, ENTERPRISE_REMOVE, ENTERPRISE_CANCELLED},
    {ENTERPRISE_ENABLED, ENTERPRISE_SUSPEND, ENTERPRISE_SUSPENDED},
    {ENTERPRISE_ENABLED, ENTERPRISE_CANCEL, ENTERPRISE_TO_DELETE},
    {ENTERPRISE_SUSPENDED, ENTERPRISE_SUSPEND, ENTERPRISE_SUSPENDED},
    {ENTERPRISE_SUSPENDED, ENTERPRISE_RESUME, ENTERPRISE_ENABLED},
    {ENTERPRISE_SUSPENDED, ENTERPRISE_CANCEL, ENTERPRISE_TO_DELETE},
    {ENTERPRISE_TO_DELETE, ENTERPRISE_RESUME, ENTERPRISE_ENABLED},
    {ENTERPRISE_TO_DELETE, ENTERPRISE_REMOVE, ENTERPRISE_CANCELLED},
};

#define STEPS (sizeof(steps) / sizeof(steps[0]))

const struct enterprise_act_row *enterprise_act_row(enum enterprise_act act)
{
    static const struct enterprise_act_row rows[ENTERPRISE_ACTS] = {
        [ENTERPRISE_SUBMIT] = {"submit", "applicant", "申请人", "提交"},
        [ENTERPRISE_VERIFY] = {"verify", "reviewer", "审核员", "核验"},
        [ENTERPRISE_REVIEW] = {"review", "reviewer", "审核员", "开始审核"},
        [ENTERPRISE_APPROVE] = {"approve", "reviewer", "审核员", "通过"},
        [ENTERPRISE_REJECT] = {"reject", "reviewer", "审核员", "驳回"},
        [ENTERPRISE_CONFIRM] = {"prefix confirm", "operator", "运营人员", "登记国家顶级节点确认"},
        [ENTERPRISE_REFUSE] = {"prefix refuse", "operator", "运营人员", "登记国家顶级节点拒绝"},
        [ENTERPRISE_SUSPEND] = {"suspend", "operator", "运营人员", "暂停"},
        [ENTERPRISE_RESUME] = {"resume", "operator", "运营人员", "恢复"},
        [ENTERPRISE_CANCEL] = {"cancel", "operator", "运营人员", "注销"},
        [ENTERPRISE_REMOVE] = {"remove", "operator", "运营人员", "终结"},
    };
    return &rows[act];
}

struct state_row {
    const char *word;
    const char *text_zh;
    int national;
};

#define STOPPED 0
#define ENABLED 1
#define TO_DELETE 2
#define REJECTED 3
#define WAITING 4
#define IN_REVIEW 5

static const struct state_row states[] = {
    [ENTERPRISE_NONE] = {"", "", STOPPED},
    [ENTERPRISE_ENABLED] = {"enabled", "已启用", ENABLED},
    [ENTERPRISE_DRAFTED] = {"drafted", "草稿", WAITING},
    [ENTERPRISE_SUBMITTED] = {"submitted", "待核验", WAITING},
    [ENTERPRISE_VERIFIED] = {"verified", "已核验", IN_REVIEW},
    [ENTERPRISE_IN_REVIEW] = {"in-review", "审核中", IN_REVIEW},
    [ENTERPRISE_REJECTED] = {"rejected", "已驳回", REJECTED},
    [ENTERPRISE_APPROVED] = {"approved", "已通过，待国家顶级节点确认", IN_REVIEW},
    [ENTERPRISE_SUSPENDED] = {"suspended", "已暂停", STOPPED},
    [ENTERPRISE_TO_DELETE] = {"to-delete", "待注销", TO_DELETE},
    [ENTERPRISE_CANCELLED] = {"cancelled", "已注销", STOPPED},
};

bool enterprise_state_is_known(enum enterprise_state state)
{
    return state >= ENTERPRISE_ENABLED && state <= ENTERPRISE_CANCELLED;
}

const char *enterprise_state_word(enum enterprise_state state)
{
    return enterprise_state_is_known(state) ? states[state].word : "?";
}

const char *enterprise_state_text_zh(enum enterprise_state state)
{
    return enterprise_state_is_known(state) ? states[state].text_zh : "?";
}

int enterprise_state_national(enum enterprise_state state)
{
    return enterprise_state_is_known(state) ? states[state].national : STOPPED;
}

bool enterprise_state_step(enum enterprise_state from, enum enterprise_act act,
                           enum enterprise_state *out_to)
{
    for (size_t i = 0; i < STEPS; i++) {
        if (steps[i].from == from && steps[i].act == act) {
            *out_to = steps[i].to;
            return true;
        }
    }
    return false;
}

bool enterprise_state_may_become(enum enterprise_state from, enum enterprise_state to)
{
    if (from == ENTERPRISE_NONE) {
        return to == ENTERPRISE_DRAFTED || to == ENTERPRISE_SUBMITTED;
    }
    for (size_t i = 0; i < STEPS; i++) {
        if (steps[i].from == from && steps[i].to == to) {
            return true;
        }
    }
    return from == to;
}

bool enterprise_state_review_may_become(enum enterprise_state from, enum enterprise_state to)
{
    if (to == ENTERPRISE_NONE || (from == ENTERPRISE_NONE && to == ENTERPRISE_SUBMITTED)) {
        return true;
    }
    bool is_review = to >= ENTERPRISE_SUBMITTED && to <= ENTERPRISE_REJECTED;
    return is_review &&
           (from == to || (from != ENTERPRISE_NONE && enterprise_state_may_become(from, to)));
}

const char *enterprise_policy_word(enum enterprise_policy policy)
{
    switch (policy) {
    case ENTERPRISE_KEEP_READING:
        return "keep-reading";
    case ENTERPRISE_HOLD:
        return "hold";
    case ENTERPRISE_POLICY_NONE:
        break;
    }
    return "";
}
