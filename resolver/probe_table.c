/* SPDX-License-Identifier: Apache-2.0
 *
 * A sorted array of prefixes and three canary ways (probe_table.h).
 */
#include "resolver/probe_table.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "resolver/probe_json.h"

#define FILE_MAX_BYTES (256u << 20)
#define PATH_ROOM 4096
#define POINTER sizeof(void *)

struct probe_table {
    pthread_mutex_t lock; /* what follows, but for due, visit and seen of entries */
    struct metrics_slot *metrics;
    struct probe_entry **entries;
    size_t count;
    size_t room;
    struct probe_entry *canaries[CANARY_WAYS];
};

static const char *const way_names[CANARY_WAYS] = {"udp", "tcp", "above"};

const char *canary_way_name(enum canary_way way)
{
    return way_names[way];
}

static void count(const struct probe_table *table, const struct probe_entry *entry, int64_t delta)
{
    metrics_add(table->metrics, entry->is_canary ? METRIC_canary_ways : METRIC_probe_prefixes,
                (unsigned)entry->track.state, delta);
}

static struct probe_entry *entry_new(struct bytes name)
{
    struct probe_entry *entry = calloc(1, sizeof(*entry) + name.len + 1);
    if (entry != NULL) {
        memcpy(entry->name, name.data, name.len);
        entry->name_len = name.len;
    }
    return entry;
}

static void entry_free(struct probe_entry *entry)
{
    if (entry != NULL) {
        probe_track_done(&entry->track);
        free(entry);
    }
}

struct probe_table *probe_table_new(struct metrics_slot *metrics)
{
    struct probe_table *table = calloc(1, sizeof(*table));
    if (table == NULL) {
        return NULL;
    }
    (void)pthread_mutex_init(&table->lock, NULL);
    table->metrics = metrics;
    for (size_t i = 0; i < CANARY_WAYS; i++) {
        table->canaries[i] = entry_new(bytes_of_text(way_names[i]));
        if (table->canaries[i] == NULL) {
            probe_table_free(table);
            return NULL;
        }
        table->canaries[i]->is_canary = true;
        table->canaries[i]->way = (enum canary_way)i;
        count(table, table->canaries[i], 1);
    }
    return table;
}

void probe_table_free(struct probe_table *table)
{
    if (table == NULL) {
        return;
    }
    for (size_t i = 0; i < table->count; i++) {
        entry_free(table->entries[i]);
    }
    for (size_t i = 0; i < CANARY_WAYS; i++) {
        entry_free(table->canaries[i]);
    }
    (void)pthread_mutex_destroy(&table->lock);
    free(table->entries);
    free(table);
}

/* --- entries ---------------------------------------------------------------------------------- */

/* Where the prefix stands or would stand. */
static size_t place_of(const struct probe_table *table, struct bytes prefix, bool *out_is_there)
{
    size_t low = 0;
    size_t high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct probe_entry *entry = table->entries[middle];
        int order = bytes_compare(bytes_of(entry->name, entry->name_len), prefix);
        if (order == 0) {
            *out_is_there = true;
            return middle;
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    *out_is_there = false;
    return low;
}

static bool make_room(struct probe_table *table)
{
    size_t room = table->room == 0 ? 64 : 2 * table->room;
    if (table->count < table->room) {
        return true;
    }
    struct probe_entry **grown = realloc(table->entries, room * POINTER);
    if (grown == NULL) {
        return false;
    }
    table->entries = grown;
    table->room = room;
    return true;
}

struct probe_entry *probe_table_prefix(struct probe_table *table, struct bytes prefix,
                                       bool *out_is_new)
{
    bool is_there = false;
    size_t at = place_of(table, prefix, &is_there);
    *out_is_new = !is_there;
    if (is_there) {
        return table->entries[at];
    }
    struct probe_entry *entry = entry_new(prefix);
    (void)pthread_mutex_lock(&table->lock);
    if (entry != NULL && make_room(table)) {
        memmove(table->entries + at + 1, table->entries + at, (table->count - at) * POINTER);
        table->entries[at] = entry;
        table->count++;
        count(table, entry, 1);
    } else {
        entry_free(entry);
        entry = NULL;
    }
    (void)pthread_mutex_unlock(&table->lock);
    return entry;
}

struct probe_entry *probe_table_canary(struct probe_table *table, enum canary_way way)
{
    return table->canaries[way];
}

size_t probe_table_count(const struct probe_table *table)
{
    return table->count;
}

struct probe_entry *probe_table_at(const struct probe_table *table, size_t index)
{
    return table->entries[index];
}

void probe_table_remove(struct probe_table *table, size_t index)
{
    struct probe_entry *entry = table->entries[index];
    (void)pthread_mutex_lock(&table->lock);
    count(table, entry, -1);
    table->count--;
    memmove(table->entries + index, table->entries + index + 1, (table->count - index) * POINTER);
    (void)pthread_mutex_unlock(&table->lock);
    entry_free(entry);
}

bool probe_table_note(struct probe_table *table, struct probe_entry *entry,
                      const struct probe_round *round, const struct probe_rules *rules)
{
    (void)pthread_mutex_lock(&table->lock);
    count(table, entry, -1);
    bool has_changed = probe_track_note(&entry->track, round, rules);
    count(table, entry, 1);
    (void)pthread_mutex_unlock(&table->lock);
    return has_changed;
}

void probe_table_forget(struct probe_table *table, struct probe_entry *entry)
{
    (void)pthread_mutex_lock(&table->lock);
    count(table, entry, -1);
    entry->track.state = PROBE_UNKNOWN;
    entry->track.since_ms = 0;
    entry->track.streak = 0;
    count(table, entry, 1);
    (void)pthread_mutex_unlock(&table->lock);
}

/* --- JSON and file ---------------------------------------------------------------------------- */

static json_t *tracks_json(const struct probe_table *table, const char *prefix, bool has_history)
{
    json_t *prefixes = json_object();
    json_t *canary = json_object();
    for (size_t i = 0; i < table->count; i++) {
        const struct probe_entry *entry = table->entries[i];
        bool is_asked =
            prefix == NULL ||
            bytes_equal_nocase(bytes_of_text(prefix), bytes_of(entry->name, entry->name_len));
        if (is_asked) {
            (void)json_object_set_new(
                prefixes, entry->name,
                probe_track_json(&entry->track, has_history || prefix != NULL));
        }
    }
    for (size_t i = 0; i < CANARY_WAYS; i++) {
        (void)json_object_set_new(canary, way_names[i],
                                  probe_track_json(&table->canaries[i]->track, has_history));
    }
    return json_pack("{s:o, s:o}", "prefixes", prefixes, "canary", canary);
}

json_t *probe_table_json(struct probe_table *table, const char *prefix)
{
    (void)pthread_mutex_lock(&table->lock);
    json_t *json = tracks_json(table, prefix, false);
    (void)pthread_mutex_unlock(&table->lock);
    return json;
}

static void restore(struct probe_table *table, struct probe_entry *entry, const json_t *json,
                    size_t history)
{
    (void)pthread_mutex_lock(&table->lock);
    count(table, entry, -1);
    probe_track_from_json(json, history, &entry->track);
    count(table, entry, 1);
    (void)pthread_mutex_unlock(&table->lock);
}

enum status probe_table_load(struct probe_table *table, const char *path, size_t history)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_SYSTEM;
    }
    bool is_small = fseek(file, 0, SEEK_END) == 0 && ftell(file) <= (long)FILE_MAX_BYTES &&
                    fseek(file, 0, SEEK_SET) == 0;
    json_t *json = is_small ? json_loadf(file, JSON_REJECT_DUPLICATES, NULL) : NULL;
    (void)fclose(file);
    json_t *prefixes = json_object_get(json, "prefixes");
    if (!json_is_object(prefixes)) {
        json_decref(json);
        return STATUS_CORRUPT;
    }
    const char *name = NULL;
    json_t *track = NULL;
    json_object_foreach(prefixes, name, track)
    {
        bool is_new = false;
        struct probe_entry *entry = probe_table_prefix(table, bytes_of_text(name), &is_new);
        if (entry != NULL && is_new) {
            restore(table, entry, track, history);
        }
    }
    for (size_t i = 0; i < CANARY_WAYS; i++) {
        restore(table, table->canaries[i],
                json_object_get(json_object_get(json, "canary"), way_names[i]), history);
    }
    json_decref(json);
    return STATUS_OK;
}

enum status probe_table_save(struct probe_table *table, const char *path)
{
    char fresh[PATH_ROOM];
    int len = snprintf(fresh, sizeof(fresh), "%s.new", path);
    if (len < 0 || (size_t)len >= sizeof(fresh)) {
        return STATUS_NO_ROOM;
    }
    json_t *json = tracks_json(table, NULL, true); /* this thread alone changes it */
    FILE *file = json == NULL ? NULL : fopen(fresh, "we");
    bool is_written = file != NULL && json_dumpf(json, file, JSON_COMPACT) == 0;
    is_written = file != NULL && fclose(file) == 0 && is_written;
    json_decref(json);
    if (is_written && rename(fresh, path) == 0) {
        return STATUS_OK;
    }
    (void)unlink(fresh);
    return STATUS_SYSTEM;
}
