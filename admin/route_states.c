/* SPDX-License-Identifier: Apache-2.0
 *
 * States of routes, fetched and put into words (route_states.h).
 */
#include "admin/route_states.h"

#include "admin/command_reach.h"
#include "admin/directory.h"
#include "admin/say.h"
#include "resolver/probe_state.h"

static json_t *read_file(struct command_call *call)
{
    const char *path = directory_path(call->arena, call->directory, "cache/probes.json");
    json_t *states = path == NULL ? NULL : json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
    if (json_is_object(json_object_get(states, "prefixes"))) {
        return states;
    }
    json_decref(states);
    return json_pack("{s:{}, s:{}}", "prefixes", "canary");
}

json_t *route_states(struct command_call *call, const char *prefix, bool *out_is_live)
{
    struct fault fault = {.status = STATUS_OK};
    json_t *states = NULL;
    *out_is_live = true;
    if (call->node != NULL) {
        return node_probes(call->node, prefix);
    }
    json_t *arguments = prefix == NULL ? NULL : json_pack("{s:s}", "prefix", prefix);
    enum status status = command_call_node(call, "probe states", arguments, &states, &fault);
    json_decref(arguments);
    if (status == STATUS_OK) {
        return states;
    }
    *out_is_live = false;
    return read_file(call);
}

json_t *route_states_of(const json_t *states, struct bytes prefix)
{
    char name[512];
    if (prefix.len >= sizeof(name)) {
        return NULL;
    }
    for (size_t i = 0; i < prefix.len; i++) {
        name[i] = (char)bytes_ascii_upper(prefix.data[i]);
    }
    name[prefix.len] = '\0';
    return json_object_get(json_object_get(states, "prefixes"), name);
}

const char *route_states_word(const struct command_call *call, const char *state)
{
    static const char *const chinese[PROBE_STATES] = {"未知", "正常", "降级", "中断"};
    enum probe_state known = probe_state_of_name(state);
    return say_text(call, probe_state_name(known), chinese[known]);
}

const char *route_states_rtt(json_int_t rtt_us, char out[32])
{
    if (rtt_us <= 0) {
        return "-";
    }
    (void)snprintf(out, 32, "%.2f ms", (double)rtt_us / 1000);
    return out;
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? "" : text;
}

const char *route_states_line(struct command_call *call, const json_t *track)
{
    const char *name = text_of(track, "finding");
    const struct finding_row *finding = finding_row(finding_of_name(name));
    const char *since = text_of(track, "since");
    const char *where = text_of(track, "where");
    bool is_told = name[0] != '\0' && strcmp(name, "OK") != 0;
    char line[512];
    int len = snprintf(
        line, sizeof(line), "%s%s%s%s%s%s%s%s", route_states_word(call, text_of(track, "state")),
        since[0] == '\0' ? "" : say_text(call, " since ", "，自 "), since, is_told ? " (" : "",
        is_told ? where : "", is_told && where[0] != '\0' ? " " : "",
        is_told ? say_text(call, finding->english, finding->chinese) : "", is_told ? ")" : "");
    size_t used = len < 0 ? 0 : (size_t)len < sizeof(line) ? (size_t)len : sizeof(line) - 1;
    return say_printable(call->arena, bytes_of(line, used));
}
