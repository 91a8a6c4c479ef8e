/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of settings for people: the commented guantong.yaml of a new node and the reference
 * page. Both are what settings.def says, in its order.
 */
#include <stdio.h>

#include "conf/settings_value.h"

#define VALUE_TEXT 4096
#define COMMENT_WIDTH 96 /* columns of a comment in the template */

/* Words of `text` as comment lines, broken at blanks. */
static void write_comment(FILE *out, const char *text)
{
    while (*text != '\0') {
        size_t len = strlen(text);
        for (size_t i = COMMENT_WIDTH; len > COMMENT_WIDTH && i > 0; i--) {
            if (text[i] == ' ') {
                len = i;
            }
        }
        (void)fprintf(out, "  # %.*s\n", (int)len, text);
        text += len;
        text += strspn(text, " ");
    }
}

/* Texts always stand in quotes: other tools would read 88.10 as the number 88.1. */
static void write_quoted(FILE *out, const char *text)
{
    (void)fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            (void)fputc('\\', out);
        }
        (void)fputc(*text, out);
    }
    (void)fputc('"', out);
}

static void write_value(FILE *out, const struct settings *settings, const struct setting_row *row)
{
    char text[VALUE_TEXT];
    const void *field = settings_field_const(settings, row);
    if (row->type == SETTING_LIST) {
        const struct settings_list *list = field;
        (void)fputc('[', out);
        for (size_t i = 0; i < list->count; i++) {
            (void)fputs(i == 0 ? "" : ", ", out);
            write_quoted(out, list->items[i]);
        }
        (void)fputc(']', out);
    } else if (row->type == SETTING_TEXT) {
        write_quoted(out, *(const char *const *)field);
    } else {
        (void)fputs(settings_value(settings, row, text, sizeof(text)), out);
    }
}

static void write_row(FILE *out, const struct settings *settings, const struct setting_row *row,
                      bool is_commented)
{
    (void)fputc('\n', out);
    write_comment(out, row->help);
    if (row->reload == SETTING_RESTART) {
        write_comment(out, "A change takes effect at the next start.");
    }
    if (row->type == SETTING_CHOICE) {
        (void)fprintf(out, "  # One of: %s\n", row->min);
    } else if (row->min[0] != '\0' || row->max[0] != '\0') {
        (void)fprintf(out, "  # Range: %s to %s\n", row->min, row->max);
    }
    (void)fprintf(out, "  %s%s: ", is_commented ? "#" : "", row->key);
    write_value(out, settings, row);
    (void)fputc('\n', out);
}

static enum status apply_overrides(struct settings *settings, const char *const (*overrides)[2],
                                   size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct setting_row *row = settings_find(overrides[i][0], NULL);
        if (row == NULL) {
            return STATUS_BAD_SETTING;
        }
        enum status status = settings_value_parse(settings_arena(settings), row, overrides[i][1],
                                                  settings_field(settings, row), NULL);
        if (status != STATUS_OK) {
            return status;
        }
    }
    const struct setting_row *blamed;
    return settings_check_whole(settings, &blamed, NULL);
}

static bool is_overridden(const struct setting_row *row, const char *const (*overrides)[2],
                          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (settings_find(overrides[i][0], NULL) == row) {
            return true;
        }
    }
    return false;
}

enum status settings_write_template(FILE *out, const char *const (*overrides)[2], size_t count)
{
    struct settings *settings = settings_defaults();
    if (settings == NULL) {
        return STATUS_NO_MEMORY;
    }
    enum status status = apply_overrides(settings, overrides, count);
    if (status == STATUS_OK) {
        (void)fputs("# Settings of this node. A line that starts with \"#\" shows a default: take "
                    "the \"#\" away to change it.\n"
                    "# Check with `guantong conf check`, apply with `guantong node reload`.\n",
                    out);
        const char *section = "";
        for (size_t i = 0; i < settings_row_count(); i++) {
            const struct setting_row *row = settings_row(i);
            if (strcmp(row->section, section) != 0) {
                section = row->section;
                (void)fprintf(out, "\n%s:", section);
            }
            write_row(out, settings, row, !is_overridden(row, overrides, count));
        }
        status = ferror(out) != 0 ? STATUS_SYSTEM : STATUS_OK;
    }
    settings_free(settings);
    return status;
}

static const char *type_name(enum setting_type type, bool is_chinese)
{
    static const char *const names[][2] = {
        [SETTING_TEXT] = {"text", "文本"},         [SETTING_BOOL] = {"yes or no", "yes 或 no"},
        [SETTING_INTEGER] = {"number", "整数"},    [SETTING_SIZE] = {"size", "大小"},
        [SETTING_DURATION] = {"duration", "时长"}, [SETTING_LIST] = {"list", "列表"},
        [SETTING_CHOICE] = {"choice", "枚举"},
    };
    return names[type][is_chinese ? 1 : 0];
}

/* Markdown would take <prefix> for a tag and a bar for the next column. */
static void write_cell(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '<' || *text == '|') {
            (void)fputc('\\', out);
        }
        (void)fputc(*text, out);
    }
}

static void write_code(FILE *out, const char *text)
{
    (void)fprintf(out, text[0] == '\0' ? "%s" : "`%s`", text);
}

static void write_range(FILE *out, const struct setting_row *row, bool is_chinese)
{
    if (row->type == SETTING_CHOICE) {
        for (const char *word = row->min; *word != '\0';) {
            size_t len = strcspn(word, "|");
            (void)fprintf(out, "%s`%.*s`", word == row->min ? "" : " ", (int)len, word);
            word += len + (word[len] == '|');
        }
    } else if (row->min[0] != '\0') {
        (void)fprintf(out, is_chinese ? "%s 至 %s" : "%s to %s", row->min, row->max);
    }
}

void settings_write_reference(FILE *out, bool is_chinese)
{
    (void)fputs(is_chinese
                    ? "# 配置项\n\n"
                      "本页由 `guantong conf reference --zh` 生成。"
                      "配置文件为节点目录中的 `guantong.yaml`：节名下缩进书写各键。"
                      "大小可写作 `64K`、`16M`、`4G`、`1T`，时长写作 `500ms`、`30s`、`5m`、`1h`、"
                      "`1d`，列表可写作 YAML 序列或以逗号分隔。"
                      "“重载”为 `node reload` 后生效，“重启”为下次启动后生效。\n"
                    : "# Settings\n\n"
                      "This page is what `guantong conf reference` prints. The file is "
                      "`guantong.yaml` in the node's directory: sections, with their keys "
                      "indented below them. Sizes are written `64K`, `16M`, `4G`, `1T`; "
                      "durations `500ms`, `30s`, `5m`, `1h`, `1d`; lists as YAML sequences "
                      "or separated by commas. *reload*: a change takes effect with "
                      "`guantong node reload`; *restart*: at the next start.\n",
                out);
    const char *section = "";
    for (size_t i = 0; i < settings_row_count(); i++) {
        const struct setting_row *row = settings_row(i);
        if (strcmp(row->section, section) != 0) {
            section = row->section;
            (void)fprintf(out, "\n## %s\n\n%s\n|---|---|---|---|---|---|\n", section,
                          is_chinese ? "| 键 | 类型 | 默认值 | 范围 | 生效 | 含义 |"
                                     : "| key | type | default | range | change | meaning |");
        }
        (void)fprintf(out, "| `%s` | %s | ", row->key, type_name(row->type, is_chinese));
        write_code(out, row->fallback);
        (void)fputs(" | ", out);
        write_range(out, row, is_chinese);
        const char *change = is_chinese ? (row->reload == SETTING_LIVE ? "重载" : "重启")
                                        : (row->reload == SETTING_LIVE ? "reload" : "restart");
        (void)fprintf(out, " | %s | ", change);
        write_cell(out, is_chinese ? row->help_zh : row->help);
        (void)fputs(" |\n", out);
    }
}
