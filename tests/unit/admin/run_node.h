/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests: a node made by `guantong init`, serving in this process with its control socket.
 */
#pragma once

#include "tests/unit/admin/run_command.h"

#include "admin/control.h"
#include "admin/directory.h"
#include "admin/writer.h"

struct home {
    char path[64];
    char socket[96];
    struct arena *arena;
    struct settings *settings;
    struct log *log;
    struct registry *registry;
    struct node *node;
    struct control *control;
    int reloads;
    int drains;
    bool reload_fails;
};

/* A directory with prefix 88.1000, nothing running. */
static inline struct home *home_make(void)
{
    struct home *home = calloc(1, sizeof(*home));
    assert_non_null(home);
    scratch_make(home->path);
    MUST(EXIT_OK, "init", home->path, "--prefix", "88.1000", "--listen", "127.0.0.1");
    (void)snprintf(home->socket, sizeof(home->socket), "%s/run/control.sock", home->path);
    home->arena = arena_new(4096, 1 << 20);
    assert_non_null(home->arena);
    return home;
}

static inline enum status home_on_reload(void *context, struct fault *fault)
{
    struct home *home = context;
    home->reloads++;
    return home->reload_fails ? fault_set(fault, STATUS_BAD_SETTING, "line 3 is wrong") : STATUS_OK;
}

static inline void home_on_drain(void *context)
{
    struct home *home = context;
    home->drains++;
}

/* Node and control socket; `queue_sets` bounds the committer's queue. */
static inline void home_serve(struct home *home, int64_t queue_sets)
{
    static const char *const addresses[] = {"127.0.0.1"};
    struct fault fault = {.status = STATUS_OK};
    const struct log_options quiet = {.level = LOG_LEVEL_ERROR};
    assert_int_equal(log_open(&quiet, &home->log, &fault), STATUS_OK);
    assert_int_equal(
        directory_open_registry(home->arena, home->path, false, &home->registry, &fault),
        STATUS_OK);
    home->settings = settings_defaults();
    assert_non_null(home->settings);
    home->settings->listen_addresses = (struct settings_list){1, addresses};
    home->settings->listen_handle_port = 0;
    home->settings->workers_count = 1;
    home->settings->store_queue_sets = queue_sets;
    const struct node_options node = {
        .settings = home->settings,
        .registry = home->registry,
        .log = home->log,
    };
    assert_int_equal(node_start(&node, &home->node, &fault), STATUS_OK);
    const struct control_options control = {
        .socket_path = home->socket,
        .node = home->node,
        .registry = home->registry,
        .log = home->log,
        .reload = home_on_reload,
        .drain = home_on_drain,
        .context = home,
    };
    assert_int_equal(control_start(&control, &home->control, &fault), STATUS_OK);
}

static inline void home_stop(struct home *home)
{
    control_stop(home->control);
    home->control = NULL;
    if (home->node != NULL) {
        node_drain(home->node, 1000);
    }
    node_free(home->node);
    home->node = NULL;
    registry_close(home->registry);
    home->registry = NULL;
    settings_free(home->settings);
    home->settings = NULL;
    log_close(home->log);
    home->log = NULL;
}

static inline void home_free(struct home *home)
{
    home_stop(home);
    scratch_remove(home->path);
    arena_free(home->arena);
    free(home);
}

/* A set of `count` records <prefix>/<name>-<i>, one URL each, holding `text`. */
static inline struct change_set *home_set(const char *name, size_t count, const char *text)
{
    struct change_set *set =
        change_set_new(CHANGE_PER_ITEM, BYTES_LITERAL("test"), BYTES_LITERAL("test"));
    assert_non_null(set);
    for (size_t i = 0; i < count; i++) {
        char handle[96];
        struct value value = {
            .index = 1,
            .timestamp = 1,
            .ttl = VALUE_TTL_DEFAULT,
            .permissions = VALUE_PERMISSIONS_DEFAULT,
            .type = BYTES_LITERAL("URL"),
            .data = bytes_of_text(text),
        };
        (void)snprintf(handle, sizeof(handle), "%s-%zu", name, i);
        const struct record record = {bytes_of_text(handle), &value, 1};
        assert_int_equal(change_set_put_record(set, &record, CHANGE_REPLACE, NULL), STATUS_OK);
    }
    return set;
}

static inline bool home_has(struct home *home, const char *handle)
{
    struct snapshot *snapshot = NULL;
    struct record_row row;
    assert_int_equal(snapshot_new(home->registry, &snapshot), STATUS_OK);
    enum status status =
        registry_get_record(snapshot, bytes_of_text(handle), CASE_INSENSITIVE, &row);
    snapshot_free(snapshot);
    return status == STATUS_OK;
}
