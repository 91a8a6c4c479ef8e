/* SPDX-License-Identifier: Apache-2.0
 *
 * Findings in words (dossier_findings.h).
 */
#include "admin/dossier_findings.h"

#include "admin/say.h"

struct flaw_text {
    const char *word;
    const char *rule;
    const char *rule_zh;
    const char *remedy;
    const char *remedy_zh;
};

#define OVERRIDE "or say why it stands: \"overrides\": {\"the item\": \"the reason\"}"
#define OVERRIDE_ZH "或说明理由：\"overrides\": {\"数据项\": \"理由\"}"

static const struct flaw_text texts[] = {
    [DOSSIER_MISSING] = {"missing", "is required", "为必填项", "add it", "请补充"},
    [DOSSIER_UNKNOWN] = {"unknown", "is no item of a dossier", "不是企业资料的数据项",
                         "leave it out, or correct its name", "请删除或更正名称"},
    [DOSSIER_FORM] = {"form", "does not have the form of such an item", "格式不正确",
                      "write it as the table of items says", "请按数据项说明填写"},
    [DOSSIER_LONG] = {"long", "is too long", "超出长度上限", "shorten it", "请缩短"},
    [DOSSIER_RANGE] = {"range", "is none of the values allowed", "不在允许的取值范围内",
                       "choose one that is", "请选择允许的取值"},
    [DOSSIER_NO_CODE] = {"no_code", "is in no code table", "不在代码表中", "correct it, " OVERRIDE,
                         "请更正，" OVERRIDE_ZH},
    [DOSSIER_NESTING] = {"nesting", "does not lie within the code above it", "与上级代码不对应",
                         "correct one of the two, " OVERRIDE, "请更正其一，" OVERRIDE_ZH},
    [DOSSIER_CHECK] = {"check", "has a wrong check character", "校验码不正确",
                       "compare it with the document, " OVERRIDE, "请与证件核对，" OVERRIDE_ZH},
    [DOSSIER_FOREIGN] = {"foreign", "is not one label below this node's prefix",
                         "不是本节点前缀的下一级", "choose another one", "请另选"},
    [DOSSIER_DOUBLE] = {"double", "stands there twice", "重复", "leave one out", "请删除一个"},
    [DOSSIER_REASON] = {"reason", "is overridden without a reason, or without need",
                        "的例外没有理由，或并不需要", "give a reason, or leave the override out",
                        "请给出理由，或删除该例外"},
};

static const char *item_text(struct command_call *call, const struct dossier_finding *finding)
{
    return finding->item == NULL ? "" : say_text(call, finding->item->text, finding->item->text_zh);
}

static void print_finding(struct command_call *call, const struct dossier_finding *finding)
{
    const struct flaw_text *text = &texts[finding->flaw];
    const char *path = say_printable(call->arena, bytes_of_text(finding->path));
    const char *item = item_text(call, finding);
    (void)fprintf(call->err, "  %s%s%s%s %s", path,
                  item[0] == '\0' ? "" : say_text(call, " (", "（"), item,
                  item[0] == '\0' ? "" : say_text(call, ")", "）"),
                  say_text(call, text->rule, text->rule_zh));
    if (finding->expected != '\0') {
        (void)fprintf(call->err, "%s%c%s", say_text(call, " (should be ", "（应为 "),
                      finding->expected, say_text(call, ")", "）"));
    }
    (void)fprintf(call->err, "%s%s\n", say_text(call, ": ", "："),
                  say_text(call, text->remedy, text->remedy_zh));
}

static json_t *finding_json(struct command_call *call, const struct dossier_finding *finding)
{
    const struct flaw_text *text = &texts[finding->flaw];
    char expected[2] = {finding->expected, '\0'};
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "item", finding->path, "flaw", text->word,
                     "rule", say_text(call, text->rule, text->rule_zh), "remedy",
                     say_text(call, text->remedy, text->remedy_zh), "what",
                     item_text(call, finding), "expected", expected);
}

static int say_as_json(struct command_call *call, const struct dossier_findings *findings)
{
    json_t *list = json_array();
    for (size_t i = 0; i < findings->count; i++) {
        if (!findings->list[i].is_overridden) {
            (void)json_array_append_new(list, finding_json(call, &findings->list[i]));
        }
    }
    (void)say_json(call, json_pack("{s:{s:s, s:s, s:s, s:o}}", "error", "code", "GT1215", "reason",
                                   say_text(call, "the dossier breaks rules", "企业资料不符合规则"),
                                   "remedy",
                                   say_text(call, "correct the items named", "请更正所列数据项"),
                                   "findings", list));
    return EXIT_REFUSED;
}

int dossier_findings_say(struct command_call *call, const struct dossier_findings *findings)
{
    if (call->is_json) {
        return say_as_json(call, findings);
    }
    char count[32];
    (void)snprintf(count, sizeof(count), "%zu", findings->open);
    int exit = say_problem(call, PROBLEM_DOSSIER, count);
    for (size_t i = 0; i < findings->count; i++) {
        if (!findings->list[i].is_overridden) {
            print_finding(call, &findings->list[i]);
        }
    }
    return exit;
}
