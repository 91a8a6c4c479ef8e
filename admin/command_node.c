/* SPDX-License-Identifier: Apache-2.0
 *
 * guantong node status|reload|drain: all asked of the running node.
 */
#include "admin/command.h"
#include "admin/command_reach.h"
#include "admin/figures.h"
#include "admin/route_states.h"
#include "admin/say.h"

static json_int_t number(json_t *result, const char *name)
{
    return json_integer_value(json_object_get(result, name));
}

static void print_warnings(struct command_call *call, json_t *result)
{
    json_int_t behind_ms = number(result, "clock_behind_ms");
    if (json_is_true(json_object_get(result, "refuses_writes"))) {
        (void)fprintf(
            call->out, "%s\n",
            say_text(call, "writes are refused since a failed sync", "磁盘同步失败后已拒绝写入"));
    }
    if (json_is_true(json_object_get(result, "store_is_full"))) {
        (void)fprintf(call->out, "%s\n",
                      say_text(call,
                               "warning: the store is full, records are refused; free disk space, "
                               "or raise store.map_max and reload",
                               "警告：存储已满，拒绝写入记录；请释放磁盘空间，或调大 "
                               "store.map_max 后重载"));
    }
    if (behind_ms > FIGURES_CLOCK_ALARM_MS) {
        (void)fprintf(call->out,
                      call->is_chinese
                          ? "警告：时钟被调回，落后于最新变更 %" JSON_INTEGER_FORMAT
                            " 毫秒；请检查时间同步\n"
                          : "warning: the clock was set back, it is %" JSON_INTEGER_FORMAT
                            " ms behind the newest change; check the time service\n",
                      behind_ms);
    }
}

/* Is our own canary answered, at our sockets and through the service above? */
static void add_canary(struct command_call *call, json_t *canary, struct say_table *table)
{
    static const char *const ways[][3] = {
        {"udp", "canary over UDP", "探针标识（UDP）"},
        {"tcp", "canary over TCP", "探针标识（TCP）"},
        {"above", "canary from above", "探针标识（经上级）"},
    };
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        json_t *track = json_object_get(canary, ways[i][0]);
        char line[640];
        char rtt[32];
        const char *state = track == NULL ? "-" : route_states_line(call, track);
        json_int_t rtt_us = json_integer_value(json_object_get(track, "rtt_us"));
        (void)snprintf(line, sizeof(line), "%s%s%s", state, rtt_us > 0 ? ", " : "",
                       rtt_us > 0 ? route_states_rtt(rtt_us, rtt) : "");
        const char *cells[] = {say_text(call, ways[i][1], ways[i][2]), line};
        say_table_row(table, cells);
    }
}

static void print_status(struct command_call *call, json_t *result)
{
    static const char *const names[][3] = {
        {"prefix", "prefix", "前缀"},
        {"description", "description", "名称"},
        {"state", "state", "状态"},
        {"version", "version", "版本"},
        {"pid", "pid", "进程号"},
        {"started", "started", "启动时间"},
        {"port", "port", "端口"},
        {"tls_port", "TLS port", "TLS 端口"},
        {"http_port", "HTTP port", "HTTP 端口"},
        {"https_port", "HTTPS port", "HTTPS 端口"},
        {"workers", "workers", "工作线程"},
        {"generation", "settings generation", "设置代次"},
        {"records", "records", "记录数"},
        {"prefixes", "prefixes", "前缀数"},
        {"journal_head", "journal head", "日志位置"},
    };
    const char *headings[] = {say_text(call, "NODE", "节点"),
                              say_printable(call->arena, bytes_of_text(call->directory))};
    struct say_table *table = say_table_new(headings, 2);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        json_t *value = json_object_get(result, names[i][0]);
        char digits[32];
        (void)snprintf(digits, sizeof(digits), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        const char *cells[] = {
            say_text(call, names[i][1], names[i][2]),
            json_is_string(value)
                ? say_printable(call->arena, bytes_of_text(json_string_value(value)))
                : digits};
        say_table_row(table, cells);
    }
    add_canary(call, json_object_get(result, "canary"), table);
    say_table_print(table, call->out);
    print_warnings(call, result);
}

int command_node_status(struct command_call *call)
{
    json_t *result = NULL;
    int exit = command_ask_node(call, "node status", NULL, &result);
    if (exit != EXIT_OK) {
        return exit;
    }
    if (call->is_json) {
        return say_json(call, result);
    }
    print_status(call, result);
    json_decref(result);
    return EXIT_OK;
}

int command_node_reload(struct command_call *call)
{
    json_t *result = NULL;
    int exit = command_ask_node(call, "node reload", NULL, &result);
    if (exit != EXIT_OK) {
        return exit;
    }
    if (call->is_json) {
        return say_json(call, result);
    }
    (void)fprintf(call->out, "%s %" JSON_INTEGER_FORMAT "\n",
                  say_text(call, "reloaded, settings generation", "已重载，设置代次"),
                  number(result, "generation"));
    json_decref(result);
    return EXIT_OK;
}

int command_node_drain(struct command_call *call)
{
    json_t *result = NULL;
    int exit = command_ask_node(call, "node drain", NULL, &result);
    if (exit != EXIT_OK) {
        return exit;
    }
    if (call->is_json) {
        return say_json(call, result);
    }
    (void)fprintf(call->out, "%s (pid %" JSON_INTEGER_FORMAT ")\n",
                  say_text(call, "draining", "正在停止"), number(result, "pid"));
    json_decref(result);
    return EXIT_OK;
}
