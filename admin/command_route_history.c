/* SPDX-License-Identifier: Apache-2.0
 *
 * guantong prefix route-history: what the probes of a delegated prefix's node met, and when.
 */
#include "admin/route_states.h"
#include "admin/say.h"
#include "resolver/probe_state.h"

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? "-" : text;
}

static json_int_t number_of(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static void add_row(struct command_call *call, struct say_table *table, const json_t *stretch)
{
    const struct finding_row *finding =
        finding_row(finding_of_name(json_string_value(json_object_get(stretch, "finding"))));
    const char *where = text_of(stretch, "where");
    char rounds[32];
    char rtt[32];
    char what[256];
    (void)snprintf(rounds, sizeof(rounds), "%" JSON_INTEGER_FORMAT, number_of(stretch, "rounds"));
    int len = snprintf(what, sizeof(what), "%s%s%s", where, where[0] == '\0' ? "" : " ",
                       say_text(call, finding->english, finding->chinese));
    size_t used = len < 0 ? 0 : (size_t)len < sizeof(what) ? (size_t)len : sizeof(what) - 1;
    const char *cells[] = {
        say_printable(call->arena, bytes_of_text(text_of(stretch, "first"))),
        say_printable(call->arena, bytes_of_text(text_of(stretch, "last"))),
        rounds,
        route_states_word(call, text_of(stretch, "state")),
        route_states_rtt(number_of(stretch, "rtt_min_us"), rtt),
        say_printable(call->arena, bytes_of(what, used)),
    };
    say_table_row(table, cells);
}

static void print(struct command_call *call, const json_t *track, bool is_live)
{
    const char *headings[] = {say_text(call, "FROM", "起"),       say_text(call, "TO", "止"),
                              say_text(call, "ROUNDS", "次数"),   say_text(call, "STATE", "状态"),
                              say_text(call, "QUICKEST", "最快"), say_text(call, "FOUND", "结果")};
    const json_t *history = json_object_get(track, "history");
    size_t index = 0;
    const json_t *stretch = NULL;
    (void)fprintf(call->out, "%s: %s%s\n",
                  say_printable(call->arena, bytes_of_text(call->arguments[0])),
                  route_states_line(call, track),
                  is_live ? ""
                          : say_text(call, "; the node is not running, this is of its last run",
                                     "；节点未运行，以下为上次运行的记录"));
    struct say_table *table = say_table_new(headings, 6);
    json_array_foreach(history, index, stretch)
    {
        add_row(call, table, stretch);
    }
    say_table_print(table, call->out);
}

int command_prefix_route_history(struct command_call *call)
{
    const char *prefix = call->arguments[0];
    bool is_live = false;
    json_t *states = route_states(call, prefix, &is_live);
    json_t *track = route_states_of(states, bytes_of_text(prefix));
    int exit = EXIT_OK;
    if (track == NULL) {
        exit = say_problem(call, PROBLEM_NOT_PROBED, prefix);
    } else if (call->is_json) {
        json_t *document = json_deep_copy(track);
        (void)json_object_set_new(document, "prefix", json_string(prefix));
        (void)json_object_set_new(document, "is_live", json_boolean(is_live));
        exit = say_json(call, document);
    } else {
        print(call, track, is_live);
    }
    json_decref(states);
    return exit;
}
