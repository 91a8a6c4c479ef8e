/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls over the control socket: what a running node tells and does (control_parts.h).
 *
 * One row per call. Adding one: a row, its function, a command that calls it.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin/command_forward.h"
#include "admin/control_parts.h"
#include "admin/figures.h"
#include "protocol/text.h"
#include "resolver/cache.h"

typedef enum status call_function(struct control *control, json_t *arguments, json_t **out_result,
                                  struct fault *fault);

/* A setting of the generation that serves; the caller frees it. */
static json_t *running_setting(struct control *control, const char *name)
{
    (void)pthread_mutex_lock(&control->lock);
    json_t *value = json_deep_copy(json_object_get(control->settings, name));
    (void)pthread_mutex_unlock(&control->lock);
    return value != NULL ? value : json_string("");
}

/* --- node ------------------------------------------------------------------------------------- */

static enum status call_node_status(struct control *control, json_t *arguments, json_t **out_result,
                                    struct fault *fault)
{
    (void)arguments;
    struct node *node = control->options.node;
    struct registry_figures figures;
    enum status status = registry_figures(control->options.registry, &figures);
    if (status != STATUS_OK) {
        return fault_set(fault, status, "%s", "the store's figures");
    }
    int64_t started_ms = node_started_ms(node);
    char started[TEXT_TIME_LEN];
    text_time_ms(started_ms, started);
    *out_result = json_pack(
        "{s:o, s:o, s:s, s:s, s:i, s:s, s:I, s:i, s:i, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:b, "
        "s:b, s:I, "
        "s:I}",
        "prefix", running_setting(control, "node.prefix"), "description",
        running_setting(control, "node.description"), "state",
        control->drains ? "draining" : "running", "version", GUANTONG_VERSION, "pid", (int)getpid(),
        "started", started, "uptime_s",
        (json_int_t)((net_wall_ms(control->net) - started_ms) / 1000), "port", (int)node_port(node),
        "tls_port", (int)node_tls_port(node), "http_port", (int)node_http_port(node), "https_port",
        (int)node_https_port(node), "workers", (json_int_t)node_worker_count(node), "generation",
        (json_int_t)node_generation(node), "records", (json_int_t)figures.records, "prefixes",
        (json_int_t)figures.prefixes, "journal_head", (json_int_t)figures.journal_head,
        "refuses_writes", figures.refuses_writes, "store_is_full",
        !figures.refuses_writes && figures.refusal == STATUS_STORAGE_FULL, "clock_behind_ms",
        (json_int_t)figures_clock_behind_ms(&figures, net_wall_ms(control->net)),
        "oldest_reader_age_s", (json_int_t)figures_age_s(&figures, net_wall_ms(control->net)));
    json_t *probes = node_probes(node, "");
    (void)json_object_set(*out_result, "canary", json_object_get(probes, "canary"));
    json_decref(probes);
    return STATUS_OK;
}

/* What probes found: of all delegated prefixes, or of one with its history. */
static enum status call_probe_states(struct control *control, json_t *arguments,
                                     json_t **out_result, struct fault *fault)
{
    (void)fault;
    *out_result =
        node_probes(control->options.node, json_string_value(json_object_get(arguments, "prefix")));
    return STATUS_OK;
}

static enum status call_node_reload(struct control *control, json_t *arguments, json_t **out_result,
                                    struct fault *fault)
{
    (void)arguments;
    enum status status = control->options.reload(control->options.context, fault);
    if (status == STATUS_OK) {
        *out_result =
            json_pack("{s:I}", "generation", (json_int_t)node_generation(control->options.node));
    }
    return status;
}

/* What `guantong key rotate` changes of the node's own facts, in the order it asks for; the next
 * generation serves with it. */
static enum status call_site_publish(struct control *control, json_t *arguments,
                                     json_t **out_result, struct fault *fault)
{
    static const char *const names[] = {"site_key_since", "site"};
    struct arena *arena = arena_new(1024, CONTROL_FRAME_MAX);
    enum status status = arena == NULL ? STATUS_NO_MEMORY : STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < sizeof(names) / sizeof(names[0]); i++) {
        const char *hex = json_string_value(json_object_get(arguments, names[i]));
        struct bytes value = BYTES_NONE;
        if (hex != NULL) {
            status = text_hex_parse(bytes_of_text(hex), arena, &value);
        }
        if (hex != NULL && status == STATUS_OK) {
            status = registry_set_meta(control->options.registry, names[i], value);
        }
    }
    arena_free(arena);
    return status == STATUS_OK ? call_node_reload(control, arguments, out_result, fault)
                               : fault_set(fault, status, "%s", "the site record");
}

static enum status call_node_drain(struct control *control, json_t *arguments, json_t **out_result,
                                   struct fault *fault)
{
    (void)arguments;
    (void)fault;
    control->drains = true;
    control->options.drain(control->options.context);
    *out_result = json_pack("{s:s, s:i}", "state", "draining", "pid", (int)getpid());
    return STATUS_OK;
}

/* --- figures ---------------------------------------------------------------------------------- */

static json_t *openmetrics(struct control *control, const struct registry_figures *store,
                           const struct committer_figures *commits)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL) {
        return NULL;
    }
    metrics_openmetrics(node_metrics(control->options.node), out);
    figures_openmetrics(store, commits, out);
    (void)fputs("# EOF\n", out);
    json_t *result = fclose(out) == 0 ? json_pack("{s:s}", "openmetrics", text) : NULL;
    free(text);
    return result;
}

static enum status call_stats(struct control *control, json_t *arguments, json_t **out_result,
                              struct fault *fault)
{
    struct registry_figures store;
    struct committer_figures commits;
    enum status status = registry_figures(control->options.registry, &store);
    if (status != STATUS_OK) {
        return fault_set(fault, status, "%s", "the store's figures");
    }
    committer_figures(node_committer(control->options.node), &commits);
    if (json_is_true(json_object_get(arguments, "openmetrics"))) {
        *out_result = openmetrics(control, &store, &commits);
        return STATUS_OK;
    }
    *out_result =
        json_pack("{s:o, s:o}", "requests", metrics_json(node_metrics(control->options.node)),
                  "store", figures_json(&store, &commits));
    return STATUS_OK;
}

/* --- cache ------------------------------------------------------------------------------------ */

static enum status call_cache_flush(struct control *control, json_t *arguments, json_t **out_result,
                                    struct fault *fault)
{
    const char *scope = json_string_value(json_object_get(arguments, "scope"));
    const char *name = json_string_value(json_object_get(arguments, "name"));
    uint64_t removed = 0;
    if (scope == NULL || name == NULL) {
        return fault_set(fault, STATUS_PROTOCOL_ERROR, "%s", "scope and name are missing");
    }
    enum cache_scope what = strcmp(scope, "all") == 0      ? CACHE_ALL
                            : strcmp(scope, "prefix") == 0 ? CACHE_PREFIX
                                                           : CACHE_NAME;
    enum status status =
        cache_flush(node_cache(control->options.node), what, bytes_of_text(name), &removed);
    if (status == STATUS_OK) {
        *out_result = json_pack("{s:I}", "removed", (json_int_t)removed);
    }
    return status == STATUS_CLOSED ? fault_set(fault, STATUS_NOT_SUPPORTED, "%s",
                                               "a cache (this node keeps none, see cache.size)")
                                   : status;
}

/* --- settings --------------------------------------------------------------------------------- */

void control_publish_settings(struct control *control, const struct settings *settings)
{
    json_t *fresh = json_object();
    for (size_t i = 0; i < settings_row_count(); i++) {
        const struct setting_row *row = settings_row(i);
        char name[96];
        char value[4096];
        (void)snprintf(name, sizeof(name), "%s.%s", row->section, row->key);
        (void)json_object_set_new(fresh, name,
                                  json_string(settings_value(settings, row, value, sizeof(value))));
    }
    (void)pthread_mutex_lock(&control->lock);
    json_t *old = control->settings;
    control->settings = fresh;
    (void)pthread_mutex_unlock(&control->lock);
    json_decref(old);
}

static enum status call_conf_running(struct control *control, json_t *arguments,
                                     json_t **out_result, struct fault *fault)
{
    (void)arguments;
    (void)pthread_mutex_lock(&control->lock);
    *out_result = control->settings == NULL ? NULL : json_deep_copy(control->settings);
    (void)pthread_mutex_unlock(&control->lock);
    return *out_result != NULL ? STATUS_OK
                               : fault_set(fault, STATUS_NOT_FOUND, "%s", "no settings are known");
}

/* --- reading for others ----------------------------------------------------------------------- */

static enum status call_run(struct control *control, json_t *arguments, json_t **out_result,
                            struct fault *fault)
{
    const struct command_forward_daemon daemon = {control->options.registry, control->options.node};
    return command_forward_run(arguments, &daemon, out_result, fault);
}

/* --- dispatch --------------------------------------------------------------------------------- */

static const struct {
    const char *command;
    call_function *function;
    bool is_noted; /* worth a line in the log: it changes something */
} calls[] = {
    {"node status", call_node_status, false},   {"node reload", call_node_reload, true},
    {"node drain", call_node_drain, true},      {"stats", call_stats, false},
    {"conf running", call_conf_running, false}, {"run", call_run, false},
    {"site publish", call_site_publish, true},  {"cache flush", call_cache_flush, true},
    {"probe states", call_probe_states, false},
};

static void send_json(struct control_connection *connection, enum control_kind kind,
                      json_t *document)
{
    char *text = document == NULL ? NULL : json_dumps(document, JSON_COMPACT);
    json_decref(document);
    if (text == NULL) {
        connection->is_dead = true;
        return;
    }
    control_connection_send(connection, kind, bytes_of_text(text));
    free(text);
}

static enum status run(struct control_connection *connection, const char *command,
                       json_t *arguments, json_t **out_result, struct fault *fault)
{
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (strcmp(calls[i].command, command) != 0) {
            continue;
        }
        enum status status = calls[i].function(connection->control, arguments, out_result, fault);
        if (calls[i].is_noted) {
            log_write(connection->control->options.log, LOG_LEVEL_NOTICE, "control", "%s by %s: %s",
                      command, connection->actor, status_english(status));
        }
        if (status == STATUS_OK && *out_result == NULL) {
            status = STATUS_NO_MEMORY;
        }
        return status;
    }
    return fault_set(fault, STATUS_NOT_SUPPORTED, "%s",
                     "this daemon does not know the command; is it older than the tool?");
}

void control_calls_take(struct control_connection *connection, struct bytes payload)
{
    struct fault fault = {.status = STATUS_OK};
    json_t *call =
        json_loadb((const char *)payload.data, payload.len, JSON_REJECT_DUPLICATES, NULL);
    const char *command = json_string_value(json_object_get(call, "command"));
    json_t *result = NULL;
    enum status status =
        command == NULL
            ? fault_set(&fault, STATUS_PROTOCOL_ERROR, "%s", "the call is not a JSON object")
            : run(connection, command, json_object_get(call, "arguments"), &result, &fault);
    if (status == STATUS_OK) {
        send_json(connection, CONTROL_RESULT, result);
    } else {
        json_decref(result);
        send_json(connection, CONTROL_PROBLEM,
                  json_pack("{s:s, s:s}", "status", status_name(status), "text", fault.text));
    }
    json_decref(call);
}
