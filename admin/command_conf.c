/* SPDX-License-Identifier: Apache-2.0
 *
 * guantong conf check|show|diff|reference.
 */
#include "conf/settings.h"

#include <string.h>

#include "admin/command.h"
#include "admin/command_reach.h"
#include "admin/directory.h"
#include "admin/say.h"

#define VALUE_TEXT_MAX 4096
#define NAME_MAX_LEN 96

int command_conf_check(struct command_call *call)
{
    const char *path = call->argument_count > 0
                           ? call->arguments[0]
                           : directory_path(call->arena, call->directory, "guantong.yaml");
    if (path == NULL) {
        return say_problem(call, PROBLEM_NO_MEMORY, call->directory);
    }
    int exit = call->argument_count == 0 ? command_check_node(call) : EXIT_OK;
    if (exit != EXIT_OK) {
        return exit;
    }
    struct fault fault = {.status = STATUS_OK};
    struct settings *settings = NULL;
    enum status status = settings_load(path, &settings, &fault);
    settings_free(settings);
    if (status == STATUS_SYSTEM) {
        return say_problem(call, PROBLEM_FILE, fault.text); /* which names the file */
    }
    if (status != STATUS_OK) {
        return say_status(call, status, path, &fault);
    }
    if (call->is_json) {
        return say_json(call, json_pack("{s:s, s:b}", "file", path, "sound", 1));
    }
    (void)fprintf(call->out, "%s: %s\n", say_printable(call->arena, bytes_of_text(path)),
                  say_text(call, "sound", "正确"));
    return EXIT_OK;
}

static void row_name(const struct setting_row *row, char out[NAME_MAX_LEN])
{
    (void)snprintf(out, NAME_MAX_LEN, "%s.%s", row->section, row->key);
}

static const char *takes_text(const struct command_call *call, bool needs_restart)
{
    return needs_restart ? say_text(call, "a restart", "需要重启")
                         : say_text(call, "a reload", "重载即可");
}

static const char *reload_word(const struct setting_row *row)
{
    return row->reload == SETTING_LIVE ? "live" : "restart";
}

int command_conf_show(struct command_call *call)
{
    struct settings *settings = NULL;
    int exit = command_load_settings(call, &settings);
    if (exit != EXIT_OK) {
        return exit;
    }
    const char *headings[] = {say_text(call, "SETTING", "设置"), say_text(call, "VALUE", "值"),
                              say_text(call, "DEFAULT", "默认值"),
                              say_text(call, "TAKES", "生效方式")};
    struct say_table *table = say_table_new(headings, 4);
    json_t *items = json_array();
    for (size_t i = 0; i < settings_row_count(); i++) {
        const struct setting_row *row = settings_row(i);
        bool is_default = settings_is_default(settings, row);
        if (is_default && !command_has(call, "--all")) {
            continue;
        }
        char name[NAME_MAX_LEN];
        char value[VALUE_TEXT_MAX];
        row_name(row, name);
        const char *shown = settings_value(settings, row, value, sizeof(value));
        const char *cells[] = {name, say_printable(call->arena, bytes_of_text(shown)),
                               row->fallback, takes_text(call, row->reload == SETTING_RESTART)};
        say_table_row(table, cells);
        (void)json_array_append_new(items,
                                    json_pack("{s:s, s:s, s:s, s:b, s:s}", "setting", name, "value",
                                              shown, "default", row->fallback, "is_default",
                                              is_default, "reload", reload_word(row)));
    }
    settings_free(settings);
    if (call->is_json) {
        say_table_free(table);
        return say_json(call, json_pack("{s:o, s:n}", "items", items, "next"));
    }
    json_decref(items);
    say_table_print(table, call->out);
    return EXIT_OK;
}

/* --- diff ------------------------------------------------------------------------------------- */

/* What the file is compared with: the running node's values, else the defaults. */
static int load_other(struct command_call *call, json_t **out_running)
{
    struct fault fault = {.status = STATUS_OK};
    enum status status = command_call_node(call, "conf running", NULL, out_running, &fault);
    if (status == STATUS_OK || status == STATUS_UNREACHABLE) {
        return EXIT_OK;
    }
    return say_status(call, status, call->directory, &fault);
}

static void print_diff(struct command_call *call, json_t *items, bool is_running)
{
    if (json_array_size(items) == 0) {
        (void)fprintf(call->out, "%s\n",
                      is_running
                          ? say_text(call, "the running node uses exactly these settings",
                                     "运行中的节点与文件一致")
                          : say_text(call, "every setting is at its default", "全部为默认值"));
        return;
    }
    const char *headings[] = {say_text(call, "SETTING", "设置"), say_text(call, "FILE", "文件"),
                              is_running ? say_text(call, "RUNNING", "运行中")
                                         : say_text(call, "DEFAULT", "默认值"),
                              say_text(call, "TAKES", "生效方式")};
    struct say_table *table = say_table_new(headings, 4);
    size_t at = 0;
    json_t *item = NULL;
    json_array_foreach(items, at, item)
    {
        bool needs_restart = json_is_true(json_object_get(item, "needs_restart"));
        const char *file = json_string_value(json_object_get(item, "file"));
        const char *other = json_string_value(json_object_get(item, "other"));
        const char *cells[] = {json_string_value(json_object_get(item, "setting")),
                               say_printable(call->arena, bytes_of_text(file)),
                               say_printable(call->arena, bytes_of_text(other)),
                               takes_text(call, needs_restart)};
        say_table_row(table, cells);
    }
    say_table_print(table, call->out);
}

int command_conf_diff(struct command_call *call)
{
    struct settings *settings = NULL;
    json_t *running = NULL;
    int exit = command_load_settings(call, &settings);
    if (exit == EXIT_OK) {
        exit = load_other(call, &running);
    }
    if (exit != EXIT_OK) {
        settings_free(settings);
        return exit;
    }
    json_t *items = json_array();
    for (size_t i = 0; i < settings_row_count(); i++) {
        const struct setting_row *row = settings_row(i);
        char name[NAME_MAX_LEN];
        char value[VALUE_TEXT_MAX];
        row_name(row, name);
        const char *file = settings_value(settings, row, value, sizeof(value));
        const char *other = json_string_value(json_object_get(running, name));
        bool differs = running == NULL ? !settings_is_default(settings, row)
                                       : other == NULL || strcmp(other, file) != 0;
        if (differs) {
            (void)json_array_append_new(
                items, json_pack("{s:s, s:s, s:s, s:b}", "setting", name, "file", file, "other",
                                 other == NULL ? row->fallback : other, "needs_restart",
                                 row->reload == SETTING_RESTART));
        }
    }
    settings_free(settings);
    if (call->is_json) {
        exit = say_json(call, json_pack("{s:s, s:O, s:n}", "against",
                                        running == NULL ? "defaults" : "running", "items", items,
                                        "next"));
    } else {
        print_diff(call, items, running != NULL);
    }
    json_decref(items);
    json_decref(running);
    return exit;
}

int command_conf_reference(struct command_call *call)
{
    if (command_has(call, "--man")) {
        settings_write_man(call->out);
    } else {
        settings_write_reference(call->out, command_has(call, "--zh"));
    }
    return EXIT_OK;
}
