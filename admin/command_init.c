/* SPDX-License-Identifier: Apache-2.0
 *
 * guantong init DIR: a node's directory, complete or not at all.
 *
 * Everything is judged before anything is made; whatever was made is removed when a later step
 * fails or a signal asks to stop.
 */
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "admin/command.h"
#include "admin/command_reach.h"
#include "admin/control.h"
#include "admin/directory.h"
#include "admin/init_keys.h"
#include "admin/init_site.h"
#include "admin/own_records.h"
#include "admin/say.h"
#include "protocol/text.h"
#include "registry/committer.h"

#define PREFIX_FALLBACK "88.608"
#define PORT_FALLBACK 2641
#define LISTEN_TEXT_MAX 1024
#define NODE_ID_LEN 16

#define OTHER_PORTS 3
static const struct {
    const char *option;
    const char *setting;
} other_ports[OTHER_PORTS] = {
    {"--tls-port", "listen.tls_port"},
    {"--http-port", "listen.http_port"},
    {"--https-port", "listen.https_port"},
};

struct init {
    struct command_call *call;
    const char *prefix;
    const char *description;
    char listen[LISTEN_TEXT_MAX]; /* "a, b"; empty: the default */
    struct net_address address;   /* for the site record */
    bool address_is_guess;
    struct bytes site; /* of --site, or built once the key is there */
    bool directory_existed;
    struct init_keys keys;
    char node_id[2 * NODE_ID_LEN + 1];
    int64_t now_ms;
    struct fault fault;
};

/* --- what was asked --------------------------------------------------------------------------- */

static bool is_wildcard(const struct net_address *address)
{
    static const uint8_t any[16] = {0};
    static const uint8_t any_ipv4[16] = {[10] = 0xff, [11] = 0xff};
    return memcmp(address->ip, any, 16) == 0 || memcmp(address->ip, any_ipv4, 16) == 0;
}

/* How fit an address one listens on is to be told to others. */
static int fitness(const struct net_address *address)
{
    if (is_wildcard(address)) {
        return 2; /* then the interfaces tell */
    }
    return net_address_is_loopback(address) ? 1 : 3;
}

static int take_listen(struct init *init, const char *text, int *best)
{
    struct net_address address;
    size_t used = strlen(init->listen);
    if (net_address_parse(text, 0, &address) != STATUS_OK ||
        used + strlen(text) + 3 > sizeof(init->listen)) {
        return say_problem(init->call, PROBLEM_BAD_ARGUMENT, text);
    }
    (void)snprintf(init->listen + used, sizeof(init->listen) - used, "%s%s", used == 0 ? "" : ", ",
                   text);
    if (fitness(&address) > *best) {
        *best = fitness(&address);
        init->address = address;
        init->address_is_guess = is_wildcard(&address);
    }
    return EXIT_OK;
}

/* Every --listen joined for the settings, and the address for the site record. */
static int read_listen(struct init *init)
{
    struct command_call *call = init->call;
    int best = 0;
    init->address_is_guess = true;
    for (size_t i = 0; i < call->option_count; i++) {
        if (strcmp(call->options[i][0], "--listen") == 0) {
            int exit = take_listen(init, call->options[i][1], &best);
            if (exit != EXIT_OK) {
                return exit;
            }
        }
    }
    const char *given = command_option(call, "--address");
    if (given != NULL) {
        init->address_is_guess = false;
        return net_address_parse(given, 0, &init->address) == STATUS_OK
                   ? EXIT_OK
                   : say_problem(call, PROBLEM_BAD_ARGUMENT, given);
    }
    if (init->address_is_guess) {
        init->address = init_site_own_address();
    }
    return EXIT_OK;
}

static int read_options(struct init *init)
{
    struct command_call *call = init->call;
    const char *prefix = command_option(call, "--prefix");
    const char *description = command_option(call, "--description");
    const char *port = command_option(call, "--port");
    const char *site = command_option(call, "--site");
    uint64_t number = PORT_FALLBACK;
    init->prefix = prefix == NULL ? PREFIX_FALLBACK : prefix;
    init->description = description == NULL ? "" : description;
    if (handle_check_prefix(bytes_of_text(init->prefix), &init->fault) != STATUS_OK) {
        return say_problem(call, PROBLEM_INVALID_PREFIX, init->prefix);
    }
    if (!handle_is_utf8(bytes_of_text(init->description)) ||
        strpbrk(init->description, "\r\n") != NULL) {
        return say_problem(call, PROBLEM_BAD_ARGUMENT, "--description");
    }
    if (port != NULL && (!command_number(port, UINT16_MAX, &number) || number == 0)) {
        return say_problem(call, PROBLEM_BAD_ARGUMENT, port);
    }
    for (size_t i = 0; i < OTHER_PORTS; i++) {
        const char *other = command_option(call, other_ports[i].option);
        uint64_t other_number = 0;
        if (other != NULL && !command_number(other, UINT16_MAX, &other_number)) {
            return say_problem(call, PROBLEM_BAD_ARGUMENT, other);
        }
    }
    int exit = read_listen(init);
    init->address.port = (uint16_t)number;
    if (exit != EXIT_OK || site == NULL) {
        return exit;
    }
    enum status status = init_site_read(call->arena, site, &init->site, &init->fault);
    if (status == STATUS_SYSTEM) {
        return say_problem(call, PROBLEM_FILE, site);
    }
    return status == STATUS_OK
               ? EXIT_OK
               : say_problem_because(call, PROBLEM_SITE_FILE, site, init->fault.text);
}

/* --- the directory ---------------------------------------------------------------------------- */

/* Absent, or a directory with nothing in it. */
static int check_directory(struct init *init)
{
    struct command_call *call = init->call;
    DIR *directory = opendir(call->directory);
    if (directory == NULL) {
        if (errno == ENOENT) {
            return EXIT_OK;
        }
        return errno == EACCES ? say_problem(call, PROBLEM_ACCESS_DENIED, call->directory)
                               : say_problem_because(call, PROBLEM_DIRECTORY_TAKEN, call->directory,
                                                     strerror(errno));
    }
    init->directory_existed = true;
    int entries = 0;
    while (entries <= 2 && readdir(directory) != NULL) {
        entries++;
    }
    (void)closedir(directory);
    return entries <= 2 ? EXIT_OK : say_problem(call, PROBLEM_DIRECTORY_TAKEN, call->directory);
}

static enum status make_one(struct init *init, const char *name, mode_t mode)
{
    struct command_call *call = init->call;
    const char *path =
        name[0] == '\0' ? call->directory : directory_path(call->arena, call->directory, name);
    if (path != NULL && mkdir(path, mode) == 0) {
        return STATUS_OK;
    }
    return fault_set(&init->fault, STATUS_SYSTEM, "%s/%s: %s", call->directory, name,
                     strerror(errno));
}

static enum status make_tree(struct init *init)
{
    static const char *const names[] = {"store", "cache", "files", "log", "run", "backup"};
    enum status status = init->directory_existed ? STATUS_OK : make_one(init, "", 0750);
    if (status == STATUS_OK) {
        status = make_one(init, "keys", 0700);
    }
    for (size_t i = 0; status == STATUS_OK && i < sizeof(names) / sizeof(names[0]); i++) {
        status = make_one(init, names[i], 0750);
    }
    return status;
}

static int remove_entry(const char *path, const struct stat *facts, int kind, struct FTW *where)
{
    (void)facts;
    (void)kind;
    /* The directory itself stays when it was there before. */
    return where->level == 0 ? 0 : remove(path);
}

static void undo(struct init *init)
{
    (void)nftw(init->call->directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    if (!init->directory_existed) {
        (void)rmdir(init->call->directory);
    }
}

static enum status write_settings(struct init *init)
{
    struct command_call *call = init->call;
    char port[8];
    (void)snprintf(port, sizeof(port), "%u", (unsigned)init->address.port);
    const char *overrides[8][2] = {{"node.prefix", init->prefix}, {"listen.handle_port", port}};
    size_t count = 2;
    /* A port of one's own is for a node beside others, which have the usual ports already. */
    if (command_option(call, "--port") != NULL) {
        overrides[count][0] = "listen.metrics_port";
        overrides[count++][1] = "0";
    }
    for (size_t i = 0; i < OTHER_PORTS; i++) {
        const char *other = command_option(call, other_ports[i].option);
        if (other != NULL || command_option(call, "--port") != NULL) {
            overrides[count][0] = other_ports[i].setting;
            overrides[count++][1] = other == NULL ? "0" : other;
        }
    }
    if (init->listen[0] != '\0') {
        overrides[count][0] = "listen.addresses";
        overrides[count++][1] = init->listen;
    }
    if (init->description[0] != '\0') {
        overrides[count][0] = "node.description";
        overrides[count++][1] = init->description;
    }
    const char *path = directory_path(call->arena, call->directory, "guantong.yaml");
    FILE *out = path == NULL ? NULL : fopen(path, "wxe");
    if (out == NULL) {
        return fault_set(&init->fault, STATUS_SYSTEM, "guantong.yaml: %s", strerror(errno));
    }
    enum status status = settings_write_template(out, (const char *const(*)[2])overrides, count);
    bool is_written = fflush(out) == 0 && fsync(fileno(out)) == 0;
    bool is_closed = fclose(out) == 0;
    return status == STATUS_OK && !(is_written && is_closed)
               ? fault_set(&init->fault, STATUS_SYSTEM, "guantong.yaml: %s", strerror(errno))
               : status;
}

/* --- the store -------------------------------------------------------------------------------- */

static enum status commit(struct init *init, struct registry *registry, struct change_set *set)
{
    struct snapshot *snapshot = NULL;
    enum status status = snapshot_new(registry, &snapshot);
    if (status == STATUS_OK) {
        status = committer_commit_now(registry, snapshot, set, init->now_ms);
    }
    snapshot_free(snapshot);
    return status;
}

static enum status home_prefix(struct init *init, struct registry *registry,
                               const struct settings *settings, struct bytes actor)
{
    struct change_set *set = change_set_new(CHANGE_ALL_OR_NOTHING, actor, BYTES_LITERAL("init"));
    const struct prefix_row row = own_records_prefix(bytes_of_text(init->prefix), settings);
    enum status status = set == NULL
                             ? STATUS_NO_MEMORY
                             : change_set_put_prefix(set, &row, CHANGE_CREATE, &init->fault);
    if (status == STATUS_OK) {
        status = change_set_audit(set, "init", bytes_of_text(init->prefix), BYTES_NONE);
    }
    if (status == STATUS_OK) {
        status = commit(init, registry, set);
    }
    change_set_free(set);
    return status;
}

static enum status put_own_record(struct init *init, struct registry *registry, struct bytes actor)
{
    const struct own_records_facts facts = {
        .prefix = bytes_of_text(init->prefix),
        .administrator = bytes_of_text(init->prefix),
        .site = init->site,
        .public_key = init->keys.site_public,
        .now_s = (uint32_t)(init->now_ms / 1000),
    };
    struct record record;
    enum status status = own_records_build(init->call->arena, &facts, &record);
    struct change_set *set = change_set_new(CHANGE_ALL_OR_NOTHING, actor, BYTES_LITERAL("init"));
    if (status == STATUS_OK) {
        status = set == NULL ? STATUS_NO_MEMORY
                             : change_set_put_record(set, &record, CHANGE_CREATE, &init->fault);
    }
    if (status == STATUS_OK) {
        status = commit(init, registry, set);
    }
    change_set_free(set);
    return status;
}

static enum status set_facts(struct init *init, struct registry *registry)
{
    char created[TEXT_TIME_LEN];
    text_time_ms(init->now_ms, created);
    enum status status = registry_set_meta(registry, "node_id", bytes_of_text(init->node_id));
    if (status == STATUS_OK) {
        status = registry_set_meta(registry, "created", bytes_of_text(created));
    }
    return status == STATUS_OK ? registry_set_meta(registry, "site", init->site) : status;
}

static enum status fill_store(struct init *init, const struct settings *settings)
{
    struct command_call *call = init->call;
    char actor[80];
    control_actor(geteuid(), actor, sizeof(actor));
    const struct registry_options options = {
        .path = directory_path(call->arena, call->directory, "store"),
        .map_bytes = (uint64_t)settings->store_map_size,
        .map_bytes_max = (uint64_t)settings->store_map_max,
        .reserve_bytes = (uint64_t)settings->store_reserve,
        .may_create = true,
        .commitment_key = bytes_of(init->keys.commitment, INIT_SECRET_LEN),
    };
    struct registry *registry = NULL;
    enum status status =
        options.path == NULL ? STATUS_NO_MEMORY : registry_open(&options, &registry, &init->fault);
    if (status == STATUS_OK) {
        status = set_facts(init, registry);
    }
    if (status == STATUS_OK) {
        status = home_prefix(init, registry, settings, bytes_of_text(actor));
    }
    if (status == STATUS_OK) {
        status = put_own_record(init, registry, bytes_of_text(actor));
    }
    registry_close(registry);
    return status;
}

/* --- the whole -------------------------------------------------------------------------------- */

static enum status name_node(struct init *init)
{
    uint8_t id[NODE_ID_LEN];
    struct timespec now;
    if (RAND_bytes(id, sizeof(id)) != 1 || clock_gettime(CLOCK_REALTIME, &now) != 0) {
        return STATUS_SYSTEM;
    }
    const char *hex = text_hex(init->call->arena, bytes_of(id, sizeof(id)));
    if (hex == NULL) {
        return STATUS_NO_MEMORY;
    }
    (void)snprintf(init->node_id, sizeof(init->node_id), "%s", hex);
    init->now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    return STATUS_OK;
}

static enum status make(struct init *init)
{
    struct command_call *call = init->call;
    struct settings *settings = NULL;
    enum status status = make_tree(init);
    if (status == STATUS_OK) {
        status = write_settings(init);
    }
    if (status == STATUS_OK) {
        status = directory_settings(call->arena, call->directory, &settings, &init->fault);
    }
    if (status == STATUS_OK) {
        status = name_node(init);
    }
    if (status == STATUS_OK) {
        status = init_keys_make(call->arena, call->directory, command_has(call, "--sm"),
                                &init->keys, &init->fault);
    }
    if (status == STATUS_OK && init->site.len == 0) {
        const struct init_site_facts facts = {
            .address = init->address,
            .description = init->description,
            .public_key = init->keys.site_public,
            .http_port = (uint16_t)settings->listen_http_port,
            .https_port = (uint16_t)settings->listen_https_port,
        };
        status = init_site_build(call->arena, &facts, &init->site);
    }
    if (status == STATUS_OK) {
        status = fill_store(init, settings);
    }
    OPENSSL_cleanse(init->keys.commitment, sizeof(init->keys.commitment));
    settings_free(settings);
    return status;
}

static void print_next(struct init *init, const char *address)
{
    struct command_call *call = init->call;
    const char *directory = say_printable(call->arena, bytes_of_text(call->directory));
    (void)fprintf(call->out, "%s %s: %s\n", say_text(call, "node", "节点"), init->prefix,
                  directory);
    if (!command_has(call, "--site")) {
        (void)fprintf(call->out, "%s %s\n",
                      say_text(call, "its site record says", "站点记录中的地址："), address);
    }
    if (init->address_is_guess && !command_has(call, "--site")) {
        (void)fprintf(
            call->out, "%s\n",
            say_text(call,
                     "that address was taken from this machine's interfaces; if others "
                     "reach it elsewhere, make the node again with --address ADDRESS",
                     "该地址取自本机网卡；若外部通过其他地址访问，请用 --address 地址 重新创建"));
    }
    (void)fprintf(call->out,
                  "\n%s\n"
                  "  guantongd %s\n"
                  "  guantong import %s FILE.jsonl\n"
                  "  guantong resolve 0.NA/%s @%s\n",
                  say_text(call, "Next:", "接下来："), directory, directory, init->prefix, address);
}

static int tell(struct init *init)
{
    struct command_call *call = init->call;
    char address[NET_ADDRESS_TEXT];
    net_address_text(&init->address, address);
    bool has_site = command_has(call, "--site");
    if (call->is_json) {
        return say_json(call, json_pack("{s:s, s:s, s:s*, s:s*, s:b}", "directory", call->directory,
                                        "prefix", init->prefix, "site", has_site ? NULL : address,
                                        "node_id", init->node_id[0] == '\0' ? NULL : init->node_id,
                                        "dry_run", call->is_dry_run));
    }
    if (!call->is_dry_run) {
        print_next(init, address);
        return EXIT_OK;
    }
    (void)fprintf(call->out, "%s %s: %s\n",
                  say_text(call, "nothing made (dry run): node", "未创建（试运行）：节点"),
                  init->prefix, say_printable(call->arena, bytes_of_text(call->directory)));
    return EXIT_OK;
}

/* make, not left halfway by Ctrl-C: the signal is taken once everything is made or undone. */
static enum status make_undisturbed(struct init *init)
{
    struct command_signals held;
    command_hold_signals(&held);
    enum status status = make(init);
    if (status == STATUS_OK && command_signal_waits()) {
        status = fault_set(&init->fault, STATUS_SYSTEM, "interrupted, nothing was made");
    }
    if (status != STATUS_OK) {
        undo(init);
    }
    command_release_signals(&held);
    return status;
}

int command_init(struct command_call *call)
{
    struct init init = {.call = call};
    int exit = read_options(&init);
    if (exit == EXIT_OK) {
        exit = check_directory(&init);
    }
    if (exit != EXIT_OK || call->is_dry_run) {
        return exit == EXIT_OK ? tell(&init) : exit;
    }
    enum status status = make_undisturbed(&init);
    if (status != STATUS_OK) {
        return say_status(call, status, call->directory, &init.fault);
    }
    return tell(&init);
}
