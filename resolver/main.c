/* SPDX-License-Identifier: Apache-2.0
 *
 * The program guantongd: the composition root, the one file that may include everything.
 *
 * The main thread opens everything, then runs a loop of its own for signals and for what the admin
 * thread asks (reload, drain), which arrives by mail. It alone starts, reloads and stops the node.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "admin/control.h"
#include "admin/directory.h"
#include "admin/figures.h"
#include "resolver/activation.h"
#include "resolver/mailbox.h"
#include "resolver/memory.h"
#include "resolver/metrics_port.h"
#include "resolver/net_socket.h"
#include "resolver/node.h"
#include "resolver/notify.h"
#include "resolver/privilege.h"
#include "resolver/warmup.h"

#define PATHS_ROOM 16384
#define EXIT_USAGE 2
#define EXIT_CONFIGURATION 3

struct daemon {
    const char *directory;
    const char *notify_path;
    bool may_be_root;
    struct activation given;
    struct arena *paths;
    struct settings *settings;
    struct log *log;
    struct registry *registry;
    struct node *node;
    struct net *net;
    struct mailbox *mailbox;
    struct net_signal *signals[3];
    struct control *control;
    struct metrics_port *metrics_port;
    struct warmup *warmup; /* NULL: not asked for yet */

    struct mail drain;
    atomic_bool drain_is_asked;

    /* A reload the admin thread waits for; it asks for one at a time. */
    struct mail reload;
    pthread_mutex_t lock; /* the three below */
    pthread_cond_t changed;
    bool reload_is_done;
    bool is_stopping;
    struct fault reload_fault;
};

static const char usage[] =
    "Usage: guantongd [--allow-root] [DIR | --dir DIR]\n"
    "       guantongd --version | --help\n"
    "\n"
    "Serves the node in DIR, which `guantong init DIR` makes: answers the Handle protocol on the\n"
    "addresses of DIR/guantong.yaml. DIR defaults to $GUANTONG_DIR, then /var/lib/guantong.\n"
    "\n"
    "  --allow-root   serve as root although DIR is root's and strangers can connect\n"
    "\n"
    "SIGHUP reads guantong.yaml again, SIGTERM lets answers in progress finish and ends.\n";

/* Once in a run: what was read then is in memory, or was pushed out by what is asked for. */
static void warm_up(struct daemon *daemon)
{
    if (!daemon->settings->store_warm_up || daemon->warmup != NULL) {
        return;
    }
    struct warmup_options options = {
        .path = directory_path(daemon->paths, daemon->directory, "store/data.mdb"),
        .memory_bytes = memory_for_files(memory_available("")),
        .log = daemon->log,
    };
    if (options.path == NULL || warmup_start(&options, &daemon->warmup) != STATUS_OK) {
        log_write(daemon->log, LOG_LEVEL_INFO, "store", "not warmed up (no memory)");
    }
}

/* --- reload ---------------------------------------------------------------------------------- */

static struct log_options log_options_of(const struct daemon *daemon, struct arena *paths)
{
    const struct settings *settings = daemon->settings;
    const char *file = settings->log_file;
    if (file[0] != '\0' && file[0] != '/') {
        file = directory_path(paths, daemon->directory, file);
    }
    return (struct log_options){
        .level = log_level_parse(settings->log_level),
        .is_json = strcmp(settings->log_format, "json") == 0,
        .file = file,
        .to_stderr = true,
    };
}

/* Serves with `settings`, which become the daemon's; on failure they are freed. */
static enum status adopt(struct daemon *daemon, struct settings *settings, struct fault *fault)
{
    enum status status = node_reload(daemon->node, settings, fault);
    if (status != STATUS_OK) {
        settings_free(settings);
        return status;
    }
    settings_free(daemon->settings);
    daemon->settings = settings;
    control_publish_settings(daemon->control, settings);
    warm_up(daemon);
    struct arena *paths = arena_new(PATHS_ROOM, PATHS_ROOM);
    struct fault log_fault = {0};
    if (paths != NULL) {
        struct log_options options = log_options_of(daemon, paths);
        if (log_reopen(daemon->log, &options, &log_fault) != STATUS_OK) {
            log_write(daemon->log, LOG_LEVEL_ERROR, "log", "%s", log_fault.text);
        }
    }
    arena_free(paths);
    return STATUS_OK;
}

static enum status load_and_adopt(struct daemon *daemon, struct fault *fault)
{
    struct arena *paths = arena_new(PATHS_ROOM, PATHS_ROOM);
    struct settings *loaded = NULL;
    if (paths == NULL) {
        return fault_set(fault, STATUS_NO_MEMORY, "out of memory");
    }
    enum status status = directory_settings(paths, daemon->directory, &loaded, fault);
    arena_free(paths);
    if (status != STATUS_OK) {
        return status;
    }
    struct settings *merged = settings_merge(daemon->settings, loaded);
    settings_free(loaded);
    if (merged == NULL) {
        return fault_set(fault, STATUS_NO_MEMORY, "out of memory");
    }
    return adopt(daemon, merged, fault);
}

static enum status reload(struct daemon *daemon, struct fault *fault)
{
    notify_reloading(daemon->notify_path);
    enum status status = load_and_adopt(daemon, fault);
    if (status == STATUS_OK) {
        log_write(daemon->log, LOG_LEVEL_NOTICE, "node", "settings reloaded (generation %llu)",
                  (unsigned long long)node_generation(daemon->node));
    } else {
        log_write(daemon->log, LOG_LEVEL_ERROR, "node", "settings kept: reload failed (%s)",
                  fault->text);
    }
    notify_send(daemon->notify_path, "READY=1");
    return status;
}

static void daemon_on_hangup(void *context)
{
    struct fault fault = {0};
    (void)reload(context, &fault);
}

static void daemon_on_reload(struct mail *mail, void *owner)
{
    (void)mail;
    struct daemon *daemon = owner;
    struct fault fault = {.status = STATUS_OK};
    fault.status = reload(daemon, &fault);
    (void)pthread_mutex_lock(&daemon->lock);
    daemon->reload_fault = fault;
    daemon->reload_is_done = true;
    (void)pthread_cond_broadcast(&daemon->changed);
    (void)pthread_mutex_unlock(&daemon->lock);
}

/* On the admin thread: the main thread does it, and this one waits. */
static enum status control_on_reload(void *context, struct fault *fault)
{
    struct daemon *daemon = context;
    enum status status = STATUS_SERVER_BACKUP;
    (void)pthread_mutex_lock(&daemon->lock);
    if (!daemon->is_stopping) {
        daemon->reload_is_done = false;
        daemon->reload.opened = daemon_on_reload;
        mailbox_post(daemon->mailbox, &daemon->reload);
        while (!daemon->reload_is_done && !daemon->is_stopping) {
            (void)pthread_cond_wait(&daemon->changed, &daemon->lock);
        }
        if (daemon->reload_is_done) {
            status = daemon->reload_fault.status;
            *fault = daemon->reload_fault;
        }
    }
    (void)pthread_mutex_unlock(&daemon->lock);
    return status == STATUS_SERVER_BACKUP ? fault_set(fault, status, "the node is stopping")
                                          : status;
}

/* --- stopping -------------------------------------------------------------------------------- */

static void daemon_on_stop(void *context)
{
    struct daemon *daemon = context;
    net_stop(daemon->net);
}

static void daemon_on_drain(struct mail *mail, void *owner)
{
    (void)mail;
    daemon_on_stop(owner);
}

/* On the admin thread. */
static void control_on_drain(void *context)
{
    struct daemon *daemon = context;
    if (!atomic_exchange(&daemon->drain_is_asked, true)) {
        daemon->drain.opened = daemon_on_drain;
        mailbox_post(daemon->mailbox, &daemon->drain);
    }
}

static void free_signals(struct daemon *daemon)
{
    for (size_t i = 0; i < 3; i++) {
        net_signal_free(daemon->signals[i]);
        daemon->signals[i] = NULL;
    }
}

/* Also what was opened half. A second signal finds its default action and ends at once. */
static void daemon_close(struct daemon *daemon)
{
    free_signals(daemon);
    metrics_port_close(daemon->metrics_port);
    (void)pthread_mutex_lock(&daemon->lock);
    daemon->is_stopping = true;
    (void)pthread_cond_broadcast(&daemon->changed);
    (void)pthread_mutex_unlock(&daemon->lock);
    control_stop(daemon->control);
    warmup_stop(daemon->warmup);
    if (daemon->node != NULL) {
        node_drain(daemon->node, daemon->settings->node_drain_timeout);
    }
    node_free(daemon->node);
    registry_close(daemon->registry);
    mailbox_free(daemon->mailbox);
    net_free(daemon->net);
    log_close(daemon->log);
    settings_free(daemon->settings);
    arena_free(daemon->paths);
    (void)pthread_cond_destroy(&daemon->changed);
    (void)pthread_mutex_destroy(&daemon->lock);
}

/* --- starting -------------------------------------------------------------------------------- */

static bool is_for_strangers(const char *text)
{
    struct net_address address;
    return net_address_parse(text, 0, &address) != STATUS_OK || !net_address_is_loopback(&address);
}

static bool listens_to_strangers(const struct daemon *daemon)
{
    const struct settings *settings = daemon->settings;
    for (size_t i = 0; i < daemon->given.count; i++) {
        struct net_address local = net_socket_local(daemon->given.fds[i]);
        if (!net_address_is_loopback(&local)) {
            return true;
        }
    }
    for (size_t i = 0; daemon->given.count == 0 && i < settings->listen_addresses.count; i++) {
        if (is_for_strangers(settings->listen_addresses.items[i])) {
            return true;
        }
    }
    return settings->listen_metrics_port != 0 && is_for_strangers(settings->listen_metrics_address);
}

static enum status leave_root(struct daemon *daemon, struct fault *fault)
{
    enum status status = privilege_drop(daemon->directory, fault);
    if (status != STATUS_OK || !privilege_is_root()) {
        return status;
    }
    if (!daemon->may_be_root && listens_to_strangers(daemon)) {
        return fault_set(fault, STATUS_ACCESS_DENIED,
                         "%s belongs to root and strangers can connect: give the directory to "
                         "another user, listen on loopback alone, or say --allow-root",
                         daemon->directory);
    }
    return STATUS_OK;
}

static enum status open_settings(struct daemon *daemon, struct fault *fault)
{
    daemon->paths = arena_new(PATHS_ROOM, PATHS_ROOM);
    if (daemon->paths == NULL) {
        return fault_set(fault, STATUS_NO_MEMORY, "out of memory");
    }
    if (!directory_is_node(daemon->directory)) {
        return fault_set(fault, STATUS_BAD_SETTING,
                         "%s holds no guantong.yaml (`guantong init` makes a node)",
                         daemon->directory);
    }
    enum status status =
        directory_settings(daemon->paths, daemon->directory, &daemon->settings, fault);
    if (status != STATUS_OK) {
        return STATUS_BAD_SETTING;
    }
    return leave_root(daemon, fault);
}

static void write_metrics(struct node *node, FILE *out)
{
    struct registry_figures store;
    struct committer_figures commits;
    metrics_openmetrics(node_metrics(node), out);
    if (registry_figures(node_registry(node), &store) == STATUS_OK) {
        committer_figures(node_committer(node), &commits);
        figures_openmetrics(&store, &commits, out);
    }
}

static void daemon_on_scrape(void *context, FILE *out)
{
    const struct daemon *daemon = context;
    write_metrics(daemon->node, out);
}

static enum status open_node(struct daemon *daemon, struct fault *fault)
{
    struct log_options log = log_options_of(daemon, daemon->paths);
    enum status status = log_open(&log, &daemon->log, fault);
    if (status != STATUS_OK) {
        return status;
    }
    if (privilege_is_root()) {
        log_write(daemon->log, LOG_LEVEL_WARNING, "node", "running as root");
    }
    status =
        directory_open_registry(daemon->paths, daemon->directory, false, &daemon->registry, fault);
    if (status != STATUS_OK) {
        return status;
    }
    if (registry_damage(daemon->registry) != NULL) {
        log_write(daemon->log, LOG_LEVEL_ERROR, "store",
                  "%s: serving what can be read, every write is refused (keep a copy of the "
                  "directory, then restore a backup: guantong backup restore)",
                  registry_damage(daemon->registry));
    }
    struct node_options options = {
        .settings = daemon->settings,
        .registry = daemon->registry,
        .log = daemon->log,
        .given = daemon->given.fds,
        .given_as = daemon->given.as,
        .given_count = daemon->given.count,
        .directory = daemon->directory,
        .write_metrics = write_metrics,
        .previous_key_path =
            directory_path(daemon->paths, daemon->directory, "keys/site.previous.pem"),
        .site_key_path = directory_path(daemon->paths, daemon->directory, "keys/site.pem"),
        .key_server_key_path =
            directory_path(daemon->paths, daemon->directory, "keys/key_server.pem"),
    };
    return node_start(&options, &daemon->node, fault);
}

static enum status open_signals(struct daemon *daemon)
{
    static const struct {
        int number;
        net_signalled *signalled;
    } rows[3] = {
        {SIGHUP, daemon_on_hangup},
        {SIGTERM, daemon_on_stop},
        {SIGINT, daemon_on_stop},
    };
    for (size_t i = 0; i < 3; i++) {
        enum status status = net_signal_new(daemon->net, rows[i].number, rows[i].signalled, daemon,
                                            &daemon->signals[i]);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

static enum status open_control(struct daemon *daemon, struct fault *fault)
{
    enum status status = net_new(&daemon->net);
    if (status == STATUS_OK) {
        status = mailbox_new(daemon->net, daemon, &daemon->mailbox);
    }
    if (status == STATUS_OK) {
        status = open_signals(daemon);
    }
    if (status != STATUS_OK) {
        return fault_set(fault, status, "the main loop: %s", status_english(status));
    }
    struct control_options options = {
        .socket_path = directory_path(daemon->paths, daemon->directory, "run/control.sock"),
        .node = daemon->node,
        .registry = daemon->registry,
        .log = daemon->log,
        .reload = control_on_reload,
        .drain = control_on_drain,
        .context = daemon,
    };
    status = control_start(&options, &daemon->control, fault);
    if (status == STATUS_OK) {
        control_publish_settings(daemon->control, daemon->settings);
    }
    return status;
}

/* A node that cannot be watched still serves. */
static void open_metrics_port(struct daemon *daemon)
{
    const struct settings *settings = daemon->settings;
    struct metrics_port_options options = {
        .net = daemon->net,
        .write = daemon_on_scrape,
        .context = daemon,
    };
    if (settings->listen_metrics_port == 0) {
        return;
    }
    struct fault fault = {0};
    enum status status =
        net_address_parse(settings->listen_metrics_address, (uint16_t)settings->listen_metrics_port,
                          &options.address);
    if (status == STATUS_OK) {
        status = metrics_port_open(&options, &daemon->metrics_port, &fault);
    }
    if (status != STATUS_OK) {
        log_write(daemon->log, LOG_LEVEL_ERROR, "metrics", "no metrics port (%s)",
                  fault.text[0] != '\0' ? fault.text : status_english(status));
    }
}

static enum status daemon_open(struct daemon *daemon, struct fault *fault)
{
    enum status status = activation_take(&daemon->given, fault);
    if (status == STATUS_OK) {
        status = open_settings(daemon, fault);
    }
    if (status == STATUS_OK) {
        privilege_hide_memory();
        privilege_raise_files();
        status = open_node(daemon, fault);
    }
    if (status == STATUS_OK) {
        status = open_control(daemon, fault);
    }
    if (status == STATUS_OK) {
        open_metrics_port(daemon);
    }
    return status;
}

/* Nobody needs the descriptors any more: the workers have their own. */
static void tell_given(struct daemon *daemon)
{
    for (size_t i = 0; i < daemon->given.count; i++) {
        struct net_address local = net_socket_local(daemon->given.fds[i]);
        char text[NET_ADDRESS_TEXT];
        net_address_text(&local, text);
        log_write(daemon->log, LOG_LEVEL_INFO, "node", "socket of the service manager: %s", text);
    }
    log_write(daemon->log, LOG_LEVEL_NOTICE, "node",
              "ready: %zu sockets of the service manager, %zu workers (guantongd %s)",
              daemon->given.count, node_worker_count(daemon->node), GUANTONG_VERSION);
    activation_close(&daemon->given);
}

static void tell_failure(const struct daemon *daemon, const char *text)
{
    if (daemon->log != NULL) {
        log_write(daemon->log, LOG_LEVEL_ERROR, "node", "cannot start (%s)", text);
    } else {
        (void)fprintf(stderr, "guantongd: %s\n", text);
    }
}

/* Signals reach the main thread's loop alone: threads started meanwhile inherit the mask. */
static void mask_signals(int how)
{
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGHUP);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)pthread_sigmask(how, &signals, NULL);
}

static int serve(struct daemon *daemon)
{
    struct fault fault = {0};
    (void)pthread_mutex_init(&daemon->lock, NULL);
    (void)pthread_cond_init(&daemon->changed, NULL);
    mask_signals(SIG_BLOCK);
    enum status status = daemon_open(daemon, &fault);
    mask_signals(SIG_UNBLOCK);
    if (status == STATUS_OK) {
        if (daemon->given.count > 0) {
            tell_given(daemon);
        } else {
            node_tell_ports(daemon->node);
        }
        notify_send(daemon->notify_path, "READY=1");
        warm_up(daemon);
        net_run(daemon->net);
        notify_send(daemon->notify_path, "STOPPING=1");
        log_write(daemon->log, LOG_LEVEL_NOTICE, "node", "stopping");
    } else {
        tell_failure(daemon, fault.text[0] != '\0' ? fault.text : status_english(status));
    }
    daemon_close(daemon);
    if (status == STATUS_OK) {
        return EXIT_SUCCESS;
    }
    return status == STATUS_BAD_SETTING ? EXIT_CONFIGURATION : EXIT_FAILURE;
}

/* --- arguments ------------------------------------------------------------------------------- */

/* Fills `daemon` from the command line; an exit code when there is nothing to serve, else -1. */
static int read_arguments(struct daemon *daemon, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--version") == 0) {
            return printf("guantongd %s\n", GUANTONG_VERSION) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
        }
        if (strcmp(word, "--help") == 0) {
            return fputs(usage, stdout) == EOF ? EXIT_FAILURE : EXIT_SUCCESS;
        }
        if (strcmp(word, "--allow-root") == 0) {
            daemon->may_be_root = true;
        } else if (strcmp(word, "--dir") == 0 && i + 1 < argc && daemon->directory == NULL) {
            daemon->directory = argv[++i];
        } else if (word[0] != '-' && daemon->directory == NULL) {
            daemon->directory = word;
        } else {
            (void)fprintf(stderr, "guantongd: unexpected argument \"%s\"\n%s", word, usage);
            return EXIT_USAGE;
        }
    }
    if (daemon->directory == NULL) {
        daemon->directory = getenv("GUANTONG_DIR");
    }
    if (daemon->directory == NULL || daemon->directory[0] == '\0') {
        daemon->directory = "/var/lib/guantong";
    }
    return -1;
}

int main(int argc, char **argv)
{
    struct daemon daemon = {.notify_path = getenv("NOTIFY_SOCKET")};
    int code = read_arguments(&daemon, argc, argv);
    if (code >= 0) {
        return code;
    }
    (void)umask(027);
    (void)signal(SIGPIPE, SIG_IGN);
    return serve(&daemon);
}
