/* SPDX-License-Identifier: Apache-2.0
 *
 * guantong prefix route-test: the way a stranger goes to the node of a prefix, step by step: what
 * this node says about it, every server and protocol that record tells, and what the service above
 * says. The loop is the command's own; one question at a time.
 */
#include <stdlib.h>
#include <sys/random.h>

#include "admin/command_reach.h"
#include "admin/directory.h"
#include "admin/route_states.h"
#include "admin/say.h"
#include "admin/server_name.h"
#include "resolver/probe.h"
#include "resolver/probe_check.h"
#include "resolver/probe_host.h"
#include "resolver/probe_route.h"
#include "resolver/upward.h"

#define TIMEOUT_MS 3000
#define CANARY_SUFFIX "/canary" /* as probes ask for: it need not exist */

struct route_test {
    struct command_call *call;
    struct settings *settings;
    struct net *net;
    struct dns *dns; /* NULL: no name was to be looked up yet */
    const char *prefix;
    struct bytes handle; /* to be resolved there; empty: none was given */
    int64_t timeout_ms;
    struct probe_route route;  /* to the prefix, as our node tells it */
    struct probe_route own;    /* to ourselves, likewise */
    struct probe_route *reads; /* where judges put what an answer tells */
    json_t *steps;
    bool has_failed;
    bool is_done;
    struct probe_result result;
};

static void fill_random(void *out, size_t len)
{
    uint8_t *at = out;
    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);
        at += got > 0 ? got : 0;
        len -= got > 0 ? (size_t)got : 0;
    }
}

/* --- telling ---------------------------------------------------------------------------------- */

struct step {
    const char *name; /* "own", "server", "above" */
    const char *where;
};

static json_t *step_json(const struct step *step, const struct probe_result *result)
{
    const struct finding_row *row = finding_row(result->finding);
    char version[16];
    (void)snprintf(version, sizeof(version), "%u.%u", (unsigned)result->version.major,
                   (unsigned)result->version.minor);
    bool is_answered = result->rtt_us > 0;
    bool has_serial = result->serial != MESSAGE_SERIAL_UNKNOWN;
    return json_pack(
        "{s:s, s:s, s:b, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:b}", "step", step->name, "where",
        step->where, "ok", row->outcome != PROBE_FAILED, "finding", row->name, "text", row->english,
        "remedy", row->remedy, "rtt_us", is_answered ? json_integer(result->rtt_us) : json_null(),
        "code", is_answered ? json_integer(result->code) : json_null(), "version",
        is_answered ? json_string(version) : json_null(), "serial",
        has_serial ? json_integer(result->serial) : json_null(), "signed", result->is_certified);
}

static void print_step(struct command_call *call, const struct step *step,
                       const struct probe_result *result)
{
    static const char *const names[][3] = {
        {"own", "this node", "本节点"}, {"server", "server", "服务器"}, {"above", "above", "上级"}};
    const struct finding_row *row = finding_row(result->finding);
    const char *mark = row->outcome == PROBE_GOOD ? "✓" : row->outcome == PROBE_FAILED ? "✗" : "!";
    const char *name = "";
    char rtt[32];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        name =
            strcmp(names[i][0], step->name) == 0 ? say_text(call, names[i][1], names[i][2]) : name;
    }
    (void)fprintf(call->out, "%s %s %s: %s", mark, name,
                  say_printable(call->arena, bytes_of_text(step->where)),
                  say_text(call, row->english, row->chinese));
    if (result->rtt_us > 0) {
        (void)fprintf(call->out, " (%s, %s %u.%u", route_states_rtt(result->rtt_us, rtt),
                      say_text(call, "version", "版本"), (unsigned)result->version.major,
                      (unsigned)result->version.minor);
        if (result->serial != MESSAGE_SERIAL_UNKNOWN) {
            (void)fprintf(call->out, ", %s %u", say_text(call, "site serial", "站点序号"),
                          (unsigned)result->serial);
        }
        (void)fprintf(call->out, "%s)",
                      result->is_certified ? say_text(call, ", signed", "，签名正确") : "");
    }
    (void)fputc('\n', call->out);
    if (row->remedy[0] != '\0') {
        (void)fprintf(call->out, "  %s: %s\n", say_text(call, "remedy", "处理"),
                      say_text(call, row->remedy, row->remedy_zh));
    }
}

static void tell(struct route_test *test, const struct step *step,
                 const struct probe_result *result)
{
    test->has_failed |= finding_row(result->finding)->outcome == PROBE_FAILED;
    if (test->call->is_json) {
        (void)json_array_append_new(test->steps, step_json(step, result));
    } else {
        print_step(test->call, step, result);
    }
}

static void tell_finding(struct route_test *test, const struct step *step, enum finding finding)
{
    const struct probe_result result = {.finding = finding, .serial = MESSAGE_SERIAL_UNKNOWN};
    tell(test, step, &result);
}

/* --- asking ----------------------------------------------------------------------------------- */

static void test_on_checked(void *context, const struct probe_result *result)
{
    struct route_test *test = context;
    test->result = *result;
    test->is_done = true;
    net_stop(test->net);
}

static void ask(struct route_test *test, struct probe_question *question)
{
    struct probe_check *check = NULL;
    question->timeout_ms = test->timeout_ms;
    question->judge_context = test;
    question->random = fill_random;
    test->is_done = false;
    test->result =
        (struct probe_result){.finding = FINDING_NOT_CHECKED, .serial = MESSAGE_SERIAL_UNKNOWN};
    if (probe_check_start(test->net, question, test_on_checked, test, &check) != STATUS_OK) {
        return;
    }
    while (!test->is_done) {
        net_run(test->net);
    }
}

static enum finding judge_code(uint32_t code)
{
    switch (status_of_wire_code(code)) {
    case STATUS_OK:
        return FINDING_OK;
    case STATUS_HANDLE_NOT_FOUND:
    case STATUS_VALUES_NOT_FOUND:
        return FINDING_NOT_FOUND;
    case STATUS_NOT_RESPONSIBLE:
    case STATUS_SERVICE_REFERRAL:
    case STATUS_PREFIX_REFERRAL:
        return FINDING_NOT_RESPONSIBLE;
    case STATUS_SERVER_BUSY:
        return FINDING_BUSY;
    default:
        return FINDING_REFUSED;
    }
}

/* A handle that must be there. */
static enum finding test_on_handle(void *context, const struct client_answer *answer)
{
    (void)context;
    uint32_t code = answer->message->header.response_code;
    return code == status_wire_code(STATUS_AUTHENTICATION_NEEDED) ? FINDING_OK : judge_code(code);
}

/* Reads the values of an answer, which are copied, as a service. */
static enum finding read_values(struct route_test *test, struct bytes body,
                                struct probe_route *out_route)
{
    struct body_values values;
    struct bytes copy = arena_copy(test->call->arena, body);
    if (copy.data == NULL || body_values_decode(copy, test->call->arena, &values) != STATUS_OK) {
        return FINDING_NOT_HANDLE;
    }
    return probe_route_read(values.values, values.count, test->call->arena, out_route) == STATUS_OK
               ? FINDING_OK
               : FINDING_NOT_CHECKED;
}

static enum finding test_on_record(void *context, const struct client_answer *answer)
{
    struct route_test *test = context;
    enum finding finding = judge_code(answer->message->header.response_code);
    return finding == FINDING_OK ? read_values(test, answer->body, test->reads) : finding;
}

/* --- this node -------------------------------------------------------------------------------- */

static struct bytes record_of(struct command_call *call, const char *prefix)
{
    size_t size = strlen(prefix) + sizeof("0.NA/");
    char *room = arena_alloc(call->arena, size);
    return room == NULL ? BYTES_NONE
                        : bytes_of(room, (size_t)snprintf(room, size, "0.NA/%s", prefix));
}

/* Asks our own node for a record that tells a service. */
static void ask_own(struct route_test *test, struct bytes name, struct probe_route *out_route,
                    char where[PROBE_WHERE_MAX])
{
    struct probe_question question = {
        .target = {.transport = test->settings->listen_tcp ? ASK_TCP : ASK_UDP,
                   .version = {MESSAGE_VERSION_MAJOR, MESSAGE_VERSION_MINOR},
                   .serial = MESSAGE_SERIAL_UNKNOWN},
        .name = name,
        .flags = MESSAGE_PUBLIC_ONLY | MESSAGE_RECURSIVE,
        .skips_site = true,
        .judge = test_on_record,
    };
    uint16_t port = (uint16_t)test->settings->listen_handle_port;
    (void)probe_own_address(test->settings, port, &question.target.address);
    test->reads = out_route;
    ask(test, &question);
    probe_where(&question.target, where);
}

static void walk_own(struct route_test *test)
{
    char where[PROBE_WHERE_MAX];
    const struct step step = {"own", where};
    ask_own(test, record_of(test->call, test->settings->node_prefix), &test->own, where);
    ask_own(test, record_of(test->call, test->prefix), &test->route, where);
    struct bytes alias = test->route.alias;
    if (test->result.finding == FINDING_OK && alias.len > 0) {
        ask_own(test, alias, &test->route, where);
    }
    if (test->result.finding == FINDING_OK && test->route.count == 0) {
        test->result.finding = FINDING_NO_SERVER;
    }
    tell(test, &step, &test->result);
}

/* --- its servers ------------------------------------------------------------------------------ */

static void ask_server(struct route_test *test, const struct service_target *target)
{
    char where[PROBE_WHERE_MAX];
    const struct step step = {"server", where};
    bool has_handle = test->handle.len > 0;
    struct probe_question question = {
        .target = *target,
        .name = test->handle,
        .flags = MESSAGE_PUBLIC_ONLY,
        .judge = has_handle ? test_on_handle : NULL,
    };
    char room[512];
    if (!has_handle) {
        int len = snprintf(room, sizeof(room), "%s" CANARY_SUFFIX, test->prefix);
        question.name = bytes_of(room, len > 0 && (size_t)len < sizeof(room) ? (size_t)len : 0);
    }
    ask(test, &question);
    probe_where(target, where);
    tell(test, &step, &test->result);
}

static void test_on_names(void *context)
{
    struct route_test *test = context;
    net_stop(test->net);
}

/* As probe_host_services, waited for. */
static enum status find_services(struct route_test *test, const struct service_target *target,
                                 struct dns_service out[DNS_SERVICES_MAX], size_t *out_count)
{
    struct dns_waiter waiter = {.called = test_on_names, .context = test};
    enum status status = STATUS_OK;
    if (!target->has_records) {
        return STATUS_NOT_FOUND;
    }
    if (test->dns == NULL) {
        status = dns_new(test->net, &test->settings->upstream_name_servers, &test->dns);
    }
    if (status != STATUS_OK) {
        return status;
    }
    while ((status = probe_host_services(test->dns, target, out, out_count)) == STATUS_PENDING) {
        dns_wait(test->dns, &waiter);
        net_run(test->net);
        dns_forget(test->dns, &waiter);
    }
    return status;
}

typedef void visit_target(struct route_test *test, const struct service_target *target);

struct visitor {
    const char *name; /* of the step */
    visit_target *visit;
    bool takes_records; /* SRV */
};

static void tell_no_host(struct route_test *test, const struct visitor *visitor,
                         const struct service_target *target)
{
    char where[PROBE_WHERE_MAX];
    const struct step step = {visitor->name, where};
    probe_where(target, where);
    tell_finding(test, &step, FINDING_NO_HOST);
}

static void each_address(struct route_test *test, const struct visitor *visitor,
                         const struct service_target *named)
{
    struct service_target target = *named;
    struct net_address found[SERVER_NAME_ADDRESSES_MAX];
    struct fault fault = {STATUS_OK, ""};
    size_t count = 0;
    const struct server_name host = {arena_text(test->call->arena, target.host), "0", true};
    if (host.host == NULL || server_name_find(&host, found, &count, &fault) != STATUS_OK) {
        tell_no_host(test, visitor, &target);
    }
    target.host = BYTES_NONE;
    for (size_t i = 0; i < count; i++) {
        memcpy(target.address.ip, found[i].ip, sizeof(found[i].ip));
        target.address.scope = found[i].scope;
        visitor->visit(test, &target);
    }
}

/* A host whose name may have SRV records. */
static void each_service(struct route_test *test, const struct visitor *visitor,
                         const struct service_target *target)
{
    struct dns_service services[DNS_SERVICES_MAX];
    size_t count = 0;
    enum status status =
        visitor->takes_records ? find_services(test, target, services, &count) : STATUS_NOT_FOUND;
    if (status == STATUS_NOT_FOUND) {
        each_address(test, visitor, target);
    } else if (status != STATUS_OK) {
        tell_no_host(test, visitor, target);
    }
    for (size_t i = 0; i < count; i++) {
        struct service_target one = *target;
        one.host = bytes_of_text(services[i].host);
        one.address.port = services[i].port;
        each_address(test, visitor, &one);
    }
}

static void each_target(struct route_test *test, const struct probe_route *route,
                        const struct visitor *visitor)
{
    for (size_t i = 0; i < route->count; i++) {
        if (route->targets[i].host.len == 0) {
            visitor->visit(test, &route->targets[i]);
        } else {
            each_service(test, visitor, &route->targets[i]);
        }
    }
}

static void tell_unchecked(struct route_test *test)
{
    struct command_call *call = test->call;
    if (!call->is_json && test->route.unsupported > 0) {
        (void)fprintf(call->out, "- %zu %s\n", test->route.unsupported,
                      say_text(call, "interfaces of unknown protocols were not checked",
                               "个未知协议接口未检查"));
    }
    if (!call->is_json && test->route.left_out > 0) {
        (void)fprintf(call->out, "- %zu %s\n", test->route.left_out,
                      say_text(call, "more ways were not checked", "个其余路径未检查"));
    }
}

/* --- the service above ------------------------------------------------------------------------ */

/* Its record of the prefix, or a referral: do they lead where we say, or to us? */
static enum finding test_on_above(void *context, const struct client_answer *answer)
{
    struct route_test *test = context;
    struct probe_route told = {.count = 0};
    struct body_referral referral;
    uint32_t code = answer->message->header.response_code;
    bool is_referral = code == status_wire_code(STATUS_SERVICE_REFERRAL) ||
                       code == status_wire_code(STATUS_PREFIX_REFERRAL);
    if (!is_referral) {
        enum finding finding = judge_code(code);
        finding = finding == FINDING_OK ? read_values(test, answer->body, &told) : finding;
        return finding == FINDING_OK && !probe_route_meets(&test->route, &told)
                   ? FINDING_OTHER_SERVICE
                   : finding;
    }
    if (body_referral_decode(answer->body, test->call->arena, &referral) != STATUS_OK) {
        return FINDING_NOT_HANDLE;
    }
    if (referral.count == 0 && referral.handle.len > 0) {
        return FINDING_OK; /* where our service is said to stand */
    }
    return probe_route_referred(referral.values, referral.count, test->call->arena, &told) ==
                       STATUS_OK &&
                   (probe_route_meets(&test->own, &told) || probe_route_meets(&test->route, &told))
               ? FINDING_OK
               : FINDING_OTHER_SERVICE;
}

static void ask_above(struct route_test *test, const struct service_target *target)
{
    char where[PROBE_WHERE_MAX];
    const struct step step = {"above", where};
    struct probe_question question = {
        .target = *target,
        .name = record_of(test->call, test->prefix),
        .flags = MESSAGE_PUBLIC_ONLY | MESSAGE_RECURSIVE,
        .skips_site = true,
        .judge = test_on_above,
    };
    ask(test, &question);
    probe_where(target, where);
    tell(test, &step, &test->result);
}

static int walk_above(struct route_test *test)
{
    struct command_call *call = test->call;
    static const struct visitor above = {"above", ask_above, true};
    struct upward *upward = NULL;
    struct probe_route route;
    struct fault fault = {STATUS_OK, ""};
    const char *file = test->settings->upstream_site_file;
    if (file[0] != '\0' && file[0] != '/') {
        file = directory_path(call->arena, call->directory, file);
    }
    enum status status =
        upward_new(test->settings, file != NULL && file[0] != '\0' ? file : NULL, &upward, &fault);
    if (status != STATUS_OK) {
        return say_status(call, status, "upstream", &fault);
    }
    probe_route_of(&upward->service, &route);
    if (route.count == 0 && !call->is_json) {
        (void)fprintf(call->out, "- %s\n",
                      say_text(call, "no service above is configured (upstream.servers)",
                               "未配置上级节点（upstream.servers）"));
    }
    each_target(test, &route, &above);
    upward_free(upward);
    return EXIT_OK;
}

/* --- the command ------------------------------------------------------------------------------ */

static int read_options(struct route_test *test)
{
    struct command_call *call = test->call;
    const char *handle = command_option(call, "--handle");
    const char *timeout = command_option(call, "--timeout");
    struct fault fault = {STATUS_OK, ""};
    test->prefix = call->arguments[0];
    test->timeout_ms = TIMEOUT_MS;
    if (handle_check_prefix(bytes_of_text(test->prefix), &fault) != STATUS_OK) {
        return say_problem_because(call, PROBLEM_INVALID_PREFIX, test->prefix, fault.text);
    }
    if (timeout != NULL && !server_name_parse_timeout(timeout, &test->timeout_ms)) {
        return say_problem(call, PROBLEM_BAD_ARGUMENT, timeout);
    }
    if (handle == NULL) {
        return EXIT_OK;
    }
    enum status status = command_handle(call, handle, &test->handle);
    return status == STATUS_OK ? EXIT_OK : say_status(call, status, handle, NULL);
}

static int walk(struct route_test *test)
{
    static const struct visitor servers = {"server", ask_server, false};
    walk_own(test);
    each_target(test, &test->route, &servers);
    tell_unchecked(test);
    int exit = walk_above(test);
    if (exit != EXIT_OK) {
        return exit;
    }
    if (test->call->is_json) {
        (void)say_json(test->call, json_pack("{s:s, s:b, s:O}", "prefix", test->prefix, "ok",
                                             !test->has_failed, "steps", test->steps));
    }
    return test->has_failed ? EXIT_NEGATIVE : EXIT_OK;
}

int command_prefix_route_test(struct command_call *call)
{
    struct route_test test = {.call = call};
    int exit = read_options(&test);
    if (exit == EXIT_OK) {
        exit = command_load_settings(call, &test.settings);
    }
    if (exit != EXIT_OK) {
        return exit;
    }
    test.steps = json_array();
    enum status status = net_new(&test.net);
    exit = status == STATUS_OK ? walk(&test) : say_status(call, status, "route-test", NULL);
    dns_free(test.dns);
    net_free(test.net);
    json_decref(test.steps);
    settings_free(test.settings);
    return exit;
}
