/* SPDX-License-Identifier: Apache-2.0
 *
 * Help at every level, the command reference (Markdown) and guantong(1), all from commands.def.
 */
#include "admin/command.h"

#include <stdlib.h>
#include <string.h>

#include "admin/say.h"

static const char *either(bool is_chinese, const char *english, const char *chinese)
{
    return is_chinese ? chinese : english;
}

static const char *row_help(const struct command_row *row, bool is_chinese)
{
    return either(is_chinese, row->help, row->help_zh);
}

/* "guantong prefix home [DIR] PREFIX... [options]" */
static void print_usage(FILE *out, const struct command_row *row)
{
    (void)fprintf(out, "guantong %s%s%s", row->noun, row->verb[0] == '\0' ? "" : " ", row->verb);
    if (row->needs == COMMAND_MAKES_DIRECTORY) {
        (void)fputs(" DIR", out);
    } else if (row->needs != COMMAND_NO_DIRECTORY) {
        (void)fputs(" [DIR]", out);
    }
    if (row->arguments[0] != '\0') {
        (void)fprintf(out, " %s", row->arguments);
    }
    if (row->options[0] != '\0') {
        (void)fputs(" [options]", out);
    }
}

/* "  name  help", the names padded to `width` columns. */
static void print_line(FILE *out, const char *name, size_t width, const char *help)
{
    size_t taken = say_width(name);
    (void)fprintf(out, "  %s%*s  %s\n", name, (int)(taken < width ? width - taken : 0), "", help);
}

void command_help_all(FILE *out, bool is_chinese)
{
    (void)fprintf(out, "%s\n\n",
                  either(is_chinese,
                         "guantong runs a secondary node of the industrial identifier system.",
                         "guantong 运行工业互联网标识解析二级节点。"));
    (void)fprintf(out, "%s\n\n%s\n",
                  either(is_chinese, "Usage: guantong COMMAND [DIR] ARGUMENTS [options]",
                         "用法：guantong 命令 [目录] 参数 [选项]"),
                  either(is_chinese, "Commands:", "命令："));
    for (size_t i = 0; i < command_row_count(); i++) {
        const struct command_row *row = command_row(i);
        if (row->verb[0] == '\0') {
            print_line(out, row->noun, 10, row_help(row, is_chinese));
        }
    }
    (void)fprintf(out, "\n%s\n",
                  either(is_chinese, "Groups (each has verbs, see guantong GROUP --help):",
                         "命令组（用 guantong 组名 --help 查看）："));
    for (size_t i = 0; i < command_noun_count(); i++) {
        const struct command_noun_row *noun = command_noun(i);
        print_line(out, noun->noun, 10, either(is_chinese, noun->help, noun->help_zh));
    }
    (void)fprintf(
        out, "\n%s\n",
        either(is_chinese,
               "DIR is --dir DIR, else a first argument that is a node's directory, else\n"
               "GUANTONG_DIR, else /var/lib/guantong. --json makes every answer JSON.\n\n"
               "First steps:\n"
               "  guantong init ./node --prefix 88.1000 --listen 127.0.0.1 --port 2641\n"
               "  guantong import ./node parts.jsonl\n"
               "  guantongd ./node &\n"
               "  guantong resolve 0.NA/88.1000 @127.0.0.1:2641",
               "目录取 --dir，否则取首个为节点目录的参数，否则取 GUANTONG_DIR，\n"
               "再否则取 /var/lib/guantong。--json 使全部输出为 JSON。\n\n"
               "第一步：\n"
               "  guantong init ./node --prefix 88.1000 --listen 127.0.0.1 --port 2641\n"
               "  guantong import ./node parts.jsonl\n"
               "  guantongd ./node &\n"
               "  guantong resolve 0.NA/88.1000 @127.0.0.1:2641"));
}

void command_help_noun(FILE *out, const char *noun, bool is_chinese)
{
    for (size_t i = 0; i < command_noun_count(); i++) {
        const struct command_noun_row *row = command_noun(i);
        if (strcmp(row->noun, noun) == 0) {
            (void)fprintf(out, "guantong %s: %s\n\n", noun,
                          either(is_chinese, row->help, row->help_zh));
        }
    }
    for (size_t i = 0; i < command_row_count(); i++) {
        const struct command_row *row = command_row(i);
        if (strcmp(row->noun, noun) == 0) {
            print_line(out, row->verb, 10, row_help(row, is_chinese));
        }
    }
    (void)fprintf(out, "\n%s guantong %s %s --help\n", either(is_chinese, "More:", "详情："), noun,
                  either(is_chinese, "VERB", "动词"));
}

/* "--listen=ADDRESS ..." as one reads it. */
static void option_text(const struct command_option_spec *spec, char *out, size_t size)
{
    (void)snprintf(out, size, "%s%s%s%s", spec->name,
                   spec->value[0] == '\0' ? ""
                   : spec->name[1] == '-' ? "="
                                          : " ",
                   spec->value, spec->may_repeat ? " ..." : "");
}

static void print_options(FILE *out, const struct command_row *row, const char *options,
                          bool is_chinese)
{
    struct command_option_spec spec;
    size_t width = 0;
    char text[96];
    for (const char *at = options; command_next_option(&at, &spec);) {
        option_text(&spec, text, sizeof(text));
        width = strlen(text) > width ? strlen(text) : width;
    }
    for (const char *at = options; command_next_option(&at, &spec);) {
        const struct command_option_row *help = command_option_help(row, spec.name);
        option_text(&spec, text, sizeof(text));
        print_line(out, text, width,
                   help == NULL ? "" : either(is_chinese, help->help, help->help_zh));
    }
}

void command_help_row(FILE *out, const struct command_row *row, bool is_chinese)
{
    (void)fputs(either(is_chinese, "Usage: ", "用法："), out);
    print_usage(out, row);
    (void)fprintf(out, "\n\n%s\n", row_help(row, is_chinese));
    if (row->options[0] != '\0') {
        (void)fprintf(out, "\n%s\n", either(is_chinese, "Options:", "选项："));
        print_options(out, row, row->options, is_chinese);
    }
    (void)fprintf(out, "\n%s\n", either(is_chinese, "Common options:", "通用选项："));
    print_options(out, row, command_common_options(row), is_chinese);
    (void)fprintf(out, "\n%s\n  %s\n", either(is_chinese, "Example:", "示例："), row->example);
}

/* --- the reference page ----------------------------------------------------------------------- */

static void reference_options(FILE *out, const struct command_row *row, const char *options,
                              bool is_chinese)
{
    struct command_option_spec spec;
    char text[96];
    while (command_next_option(&options, &spec)) {
        const struct command_option_row *help = command_option_help(row, spec.name);
        option_text(&spec, text, sizeof(text));
        (void)fprintf(out, "- `%s` %s\n", text,
                      help == NULL ? "" : either(is_chinese, help->help, help->help_zh));
    }
}

void command_help_reference(FILE *out, bool is_chinese)
{
    (void)fprintf(
        out, "# %s\n\n%s\n", either(is_chinese, "Commands", "命令"),
        either(is_chinese,
               "Made by `guantong help reference` from `admin/commands.def`. Every command "
               "also takes `--json` and `--help`, those with a directory `--dir DIR`, those "
               "that write `--dry-run` and `--yes`.",
               "由 `guantong help reference --zh` 从 `admin/commands.def` 生成。所有命令都接受 "
               "`--json` 与 `--help`；需要目录的接受 `--dir 目录`；写入类命令接受 `--dry-run` "
               "与 `--yes`。"));
    for (size_t i = 0; i < command_row_count(); i++) {
        const struct command_row *row = command_row(i);
        (void)fprintf(out, "\n## %s%s%s\n\n%s\n\n```\n", row->noun, row->verb[0] == '\0' ? "" : " ",
                      row->verb, row_help(row, is_chinese));
        print_usage(out, row);
        (void)fputs("\n```\n", out);
        if (row->options[0] != '\0') {
            (void)fputc('\n', out);
            reference_options(out, row, row->options, is_chinese);
        }
        (void)fprintf(out, "\n%s\n\n```\n%s\n```\n", either(is_chinese, "Example:", "示例："),
                      row->example);
    }
}

/* --- guantong(1) ------------------------------------------------------------------------------ */

/* Text of a man page: a leading dot or quote would be a request, a backslash an escape. */
static void man_text(FILE *out, const char *text)
{
    if (text[0] == '.' || text[0] == '\'') {
        (void)fputs("\\&", out);
    }
    for (; *text != '\0'; text++) {
        if (*text == '\\') {
            (void)fputs("\\e", out);
        } else if (*text == '-') {
            (void)fputs("\\-", out);
        } else {
            (void)fputc(*text, out);
        }
    }
}

static void man_options(FILE *out, const struct command_row *row)
{
    struct command_option_spec spec;
    char text[96];
    for (const char *at = row->options; command_next_option(&at, &spec);) {
        const struct command_option_row *help = command_option_help(row, spec.name);
        option_text(&spec, text, sizeof(text));
        (void)fputs(".RS\n.TP\n.B ", out);
        man_text(out, text);
        (void)fputc('\n', out);
        man_text(out, help == NULL ? "" : help->help);
        (void)fputs("\n.RE\n", out);
    }
}

static void man_row(FILE *out, const struct command_row *row)
{
    char *usage = NULL;
    size_t len = 0;
    FILE *text = open_memstream(&usage, &len);
    if (text == NULL) {
        return;
    }
    print_usage(text, row);
    if (fclose(text) == 0) {
        (void)fputs(".TP\n.B ", out);
        man_text(out, usage);
        (void)fputc('\n', out);
        man_text(out, row->help);
        (void)fputs("\n", out);
        man_options(out, row);
        (void)fputs(".IP\nExample:\n.EX\n", out);
        man_text(out, row->example);
        (void)fputs("\n.EE\n", out);
    }
    free(usage);
}

void command_help_man(FILE *out)
{
    (void)fprintf(
        out,
        ".\\\" SPDX-License-Identifier: Apache-2.0\n"
        ".\\\" Made by `guantong help man` from admin/commands.def.\n"
        ".TH GUANTONG 1 \"\" \"guantong %s\" \"Guantong\"\n"
        ".SH NAME\nguantong \\- run a secondary node of the industrial identifier system\n"
        ".SH SYNOPSIS\n.B guantong\n.I COMMAND\n[\\fIDIR\\fR] \\fIARGUMENTS\\fR "
        "[\\fIoptions\\fR]\n"
        ".SH DESCRIPTION\n"
        "Sets up a node's directory, loads and shows records, asks Handle servers, and\n"
        "looks into a running node. DIR is \\-\\-dir DIR, else a first argument that is a\n"
        "directory holding guantong.yaml, else GUANTONG_DIR, else /var/lib/guantong.\n"
        "Reading commands open the store beside the daemon; writes go through its control\n"
        "socket while it is up, else they open the store.\n"
        ".PP\nEvery command takes \\-\\-json (one JSON document, errors too) and \\-\\-help;\n"
        "those with a directory \\-\\-dir DIR; those that write \\-\\-dry\\-run and \\-\\-yes.\n"
        ".SH COMMANDS\n",
        GUANTONG_VERSION);
    for (size_t i = 0; i < command_row_count(); i++) {
        man_row(out, command_row(i));
    }
    (void)fputs(
        ".SH EXIT STATUS\n"
        "0 done; 1 a negative answer (not found, not verified); 2 usage; 3 configuration;\n"
        "4 refused; 5 unreachable or timed out; 6 partly done, the rest is in the reject file;\n"
        "7 quota; 70 a mistake of ours.\n"
        ".SH ENVIRONMENT\n.TP\n.B GUANTONG_DIR\nThe node's directory.\n"
        ".TP\n.B LC_ALL, LC_MESSAGES, LANG\nChinese messages when the first one set begins "
        "with zh.\n"
        ".SH SEE ALSO\n.BR guantongd (8),\n.BR guantong.yaml (5)\n",
        out);
}

/* --- the command ------------------------------------------------------------------------------ */

int command_help(struct command_call *call)
{
    bool is_chinese = call->is_chinese || command_has(call, "--zh");
    const char *topic = call->argument_count > 0 ? call->arguments[0] : NULL;
    const char *verb = call->argument_count > 1 ? call->arguments[1] : NULL;
    if (topic == NULL) {
        command_help_all(call->out, is_chinese);
        return EXIT_OK;
    }
    if (strcmp(topic, "reference") == 0) {
        command_help_reference(call->out, command_has(call, "--zh"));
        return EXIT_OK;
    }
    if (strcmp(topic, "man") == 0) {
        command_help_man(call->out);
        return EXIT_OK;
    }
    const struct command_row *row = command_find(topic, verb);
    if (row != NULL) {
        command_help_row(call->out, row, is_chinese);
        return EXIT_OK;
    }
    for (size_t i = 0; verb == NULL && i < command_noun_count(); i++) {
        if (strcmp(command_noun(i)->noun, topic) == 0) {
            command_help_noun(call->out, topic, is_chinese);
            return EXIT_OK;
        }
    }
    return say_problem(call, PROBLEM_UNKNOWN_COMMAND, topic);
}
