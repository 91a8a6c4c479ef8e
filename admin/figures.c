/* SPDX-License-Identifier: Apache-2.0
 *
 * The table behind figures.h.
 */
#include "admin/figures.h"

#include <inttypes.h>
#include <time.h>

enum kind { COUNTER, GAUGE };

#define FIGURE(name, kind, value, help) FIGURE_##name,
enum figure {
#include "admin/figures.def"
    FIGURE_COUNT
};
#undef FIGURE

static const struct row {
    const char *name;
    enum kind kind;
    const char *help;
} rows[FIGURE_COUNT] = {
#define FIGURE(name, kind, value, help) [FIGURE_##name] = {#name, kind, help},
#include "admin/figures.def"
#undef FIGURE
};

static const char *kind_word(enum kind kind)
{
    return kind == COUNTER ? "counter" : "gauge";
}

static const char *kind_suffix(enum kind kind)
{
    return kind == COUNTER ? "_total" : "";
}

uint64_t figures_age_s(const struct registry_figures *store, int64_t now_ms)
{
    bool is_old = store->oldest_reader_since_ms != 0 && now_ms > store->oldest_reader_since_ms;
    return is_old ? (uint64_t)(now_ms - store->oldest_reader_since_ms) / 1000 : 0;
}

uint64_t figures_clock_behind_ms(const struct registry_figures *store, int64_t now_ms)
{
    return store->journal_time_ms > now_ms ? (uint64_t)(store->journal_time_ms - now_ms) : 0;
}

static void gather(const struct registry_figures *store, const struct committer_figures *commits,
                   uint64_t out[FIGURE_COUNT])
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    int64_t now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
#define FIGURE(name, kind, value, help) out[FIGURE_##name] = (value);
#include "admin/figures.def"
#undef FIGURE
}

json_t *figures_json(const struct registry_figures *store, const struct committer_figures *commits)
{
    uint64_t values[FIGURE_COUNT];
    gather(store, commits, values);
    json_t *object = json_object();
    for (size_t i = 0; i < FIGURE_COUNT; i++) {
        (void)json_object_set_new(object, rows[i].name, json_integer((json_int_t)values[i]));
    }
    return object;
}

void figures_openmetrics(const struct registry_figures *store,
                         const struct committer_figures *commits, FILE *out)
{
    uint64_t values[FIGURE_COUNT];
    gather(store, commits, values);
    for (size_t i = 0; i < FIGURE_COUNT; i++) {
        const struct row *row = &rows[i];
        (void)fprintf(out,
                      "# TYPE guantong_%s %s\n# HELP guantong_%s %s\nguantong_%s%s %" PRIu64 "\n",
                      row->name, kind_word(row->kind), row->name, row->help, row->name,
                      kind_suffix(row->kind), values[i]);
    }
}

void figures_write_reference(FILE *out)
{
    for (size_t i = 0; i < FIGURE_COUNT; i++) {
        (void)fprintf(out, "| `guantong_%s%s` | %s |  | %s |\n", rows[i].name,
                      kind_suffix(rows[i].kind), kind_word(rows[i].kind), rows[i].help);
    }
}
