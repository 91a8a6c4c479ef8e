/* SPDX-License-Identifier: Apache-2.0
 *
 * guantong stats: figures of the running node, as a table, JSON or OpenMetrics.
 */
#include <string.h>

#include "admin/command.h"
#include "admin/command_reach.h"
#include "admin/figures.h"
#include "admin/say.h"
#include "resolver/metrics.h"

/* One row a figure; a figure with labels one row a label. */
static void add_rows(struct say_table *table, json_t *figures)
{
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach(figures, name, value)
    {
        char number[32];
        if (json_is_object(value)) {
            const char *label = NULL;
            json_t *part = NULL;
            json_object_foreach(value, label, part)
            {
                char labelled[256];
                (void)snprintf(labelled, sizeof(labelled), "%s.%s", name, label);
                (void)snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
                               json_integer_value(part));
                const char *cells[] = {labelled, number};
                say_table_row(table, cells);
            }
            continue;
        }
        (void)snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        const char *cells[] = {name, number};
        say_table_row(table, cells);
    }
}

static int show_figures(struct command_call *call)
{
    json_t *result = NULL;
    int exit = command_ask_node(call, "stats", NULL, &result);
    if (exit != EXIT_OK) {
        return exit;
    }
    if (call->is_json) {
        return say_json(call, result);
    }
    const char *headings[] = {say_text(call, "FIGURE", "指标"), say_text(call, "VALUE", "值")};
    struct say_table *table = say_table_new(headings, 2);
    add_rows(table, json_object_get(result, "requests"));
    add_rows(table, json_object_get(result, "store"));
    say_table_print(table, call->out);
    json_decref(result);
    return EXIT_OK;
}

static int show_openmetrics(struct command_call *call)
{
    json_t *result = NULL;
    int exit = command_ask_node(call, "stats", json_pack("{s:b}", "openmetrics", 1), &result);
    if (exit != EXIT_OK) {
        return exit;
    }
    const char *text = json_string_value(json_object_get(result, "openmetrics"));
    if (call->is_json) {
        return say_json(call, result);
    }
    (void)fputs(text == NULL ? "" : text, call->out);
    json_decref(result);
    return EXIT_OK;
}

int command_stats(struct command_call *call)
{
    if (call->argument_count > 0) {
        if (strcmp(call->arguments[0], "reference") != 0) {
            return say_problem(call, PROBLEM_TOO_MANY_ARGUMENTS, call->arguments[0]);
        }
        metrics_write_reference(call->out);
        figures_write_reference(call->out);
        return EXIT_OK;
    }
    int exit = command_check_node(call);
    if (exit != EXIT_OK) {
        return exit;
    }
    return command_has(call, "--openmetrics") ? show_openmetrics(call) : show_figures(call);
}
