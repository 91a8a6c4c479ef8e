/* SPDX-License-Identifier: Apache-2.0
 *
 * Per-thread cells and the three ways to read them: JSON, OpenMetrics, the reference page.
 *
 * All cells of a metric lie next to each other, one per label value. Their places are constants
 * made from metrics.def. One writer per slot: relaxed load and store, no lock prefix.
 */
#include "resolver/metrics.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "protocol/opcode.h"
#include "resolver/probe_state.h"

#define CACHE_LINE 64

enum label { LABEL_NONE, LABEL_TRANSPORT, LABEL_OPCODE, LABEL_CODE, LABEL_CACHE, LABEL_STATE };

/* How many values a label has; the opcode label's last one is "unknown". */
enum label_count {
    LABEL_COUNT_NONE = 1,
    LABEL_COUNT_TRANSPORT = 5,
    LABEL_COUNT_CACHE = 4,
    LABEL_COUNT_STATE = PROBE_STATES,
    LABEL_COUNT_OPCODE = 1
#define OPCODE(name, number, effect, transports, handler) +1
#include "protocol/opcode.def"
#undef OPCODE
    ,
    LABEL_COUNT_CODE = 0
#define STATUS(name, wire, http, english, chinese) +((wire) != 0)
#include "protocol/status.def"
#undef STATUS
};

/* Rows that travel come first in status.def, so that an enum status is its own label index. */
#define STATUS(name, wire, http, english, chinese)                                                 \
    _Static_assert(((wire) != 0) == ((int)STATUS_##name < (int)LABEL_COUNT_CODE),                  \
                   "status.def: rows with a wire code first");
#include "protocol/status.def"
#undef STATUS

enum cell {
#define METRIC(name, kind, label, help)                                                            \
    CELL_##name, CELL_LAST_##name = CELL_##name + (int)LABEL_COUNT_##label - 1,
#include "resolver/metrics.def"
#undef METRIC
    CELL_COUNT
};

enum kind { KIND_COUNTER, KIND_GAUGE };

struct metric_row {
    const char *name;
    enum kind kind;
    enum label label;
    size_t first_cell;
    size_t label_count;
    const char *help;
};

static const struct metric_row rows[METRIC_COUNT] = {
#define METRIC(name, kind, label, help)                                                            \
    [METRIC_##name] = {#name, KIND_##kind, LABEL_##label, CELL_##name, LABEL_COUNT_##label, help},
#include "resolver/metrics.def"
#undef METRIC
};

static const char *const label_keys[] = {
    [LABEL_NONE] = "",     [LABEL_TRANSPORT] = "transport", [LABEL_OPCODE] = "operation",
    [LABEL_CODE] = "code", [LABEL_CACHE] = "kind",          [LABEL_STATE] = "state",
};

static const struct {
    uint32_t number;
    const char *name;
} opcodes[LABEL_COUNT_OPCODE] = {
#define OPCODE(name, number, effect, transports, handler) {(number), #name},
#include "protocol/opcode.def"
#undef OPCODE
    {0, "unknown"},
};

static const char *const code_names[STATUS_COUNT] = {
#define STATUS(name, wire, http, english, chinese) [STATUS_##name] = #wire,
#include "protocol/status.def"
#undef STATUS
};

struct metrics_slot {
    _Alignas(CACHE_LINE) _Atomic int64_t cells[CELL_COUNT];
};

struct metrics {
    size_t count;
    struct metrics_slot *slots;
};

enum status metrics_new(size_t slots, struct metrics **out_metrics)
{
    struct metrics *metrics = calloc(1, sizeof(*metrics));
    if (metrics == NULL || slots == 0 || slots > SIZE_MAX / sizeof(struct metrics_slot)) {
        free(metrics);
        return STATUS_NO_MEMORY;
    }
    metrics->slots = aligned_alloc(CACHE_LINE, slots * sizeof(struct metrics_slot));
    if (metrics->slots == NULL) {
        free(metrics);
        return STATUS_NO_MEMORY;
    }
    metrics->count = slots;
    for (size_t i = 0; i < slots; i++) {
        for (size_t cell = 0; cell < CELL_COUNT; cell++) {
            atomic_init(&metrics->slots[i].cells[cell], 0);
        }
    }
    *out_metrics = metrics;
    return STATUS_OK;
}

void metrics_free(struct metrics *metrics)
{
    if (metrics != NULL) {
        free(metrics->slots);
        free(metrics);
    }
}

struct metrics_slot *metrics_slot(struct metrics *metrics, size_t index)
{
    assert(index < metrics->count);
    return &metrics->slots[index];
}

void metrics_add(struct metrics_slot *slot, enum metric metric, unsigned label, int64_t delta)
{
    assert(label < rows[metric].label_count);
    _Atomic int64_t *cell = &slot->cells[rows[metric].first_cell + label];
    int64_t now = atomic_load_explicit(cell, memory_order_relaxed);
    atomic_store_explicit(cell, now + delta, memory_order_relaxed);
}

unsigned metrics_opcode_label(uint32_t opcode)
{
    unsigned label = 0;
    while (label < LABEL_COUNT_OPCODE - 1 && opcodes[label].number != opcode) {
        label++;
    }
    return label;
}

unsigned metrics_code_label(uint32_t response_code)
{
    return (unsigned)status_of_wire_code(response_code);
}

int64_t metrics_sum(const struct metrics *metrics, enum metric metric, unsigned label)
{
    int64_t sum = 0;
    size_t cell = rows[metric].first_cell + label;
    for (size_t i = 0; i < metrics->count; i++) {
        sum += atomic_load_explicit(&metrics->slots[i].cells[cell], memory_order_relaxed);
    }
    return sum;
}

size_t metrics_label_count(enum metric metric)
{
    return rows[metric].label_count;
}

const char *metrics_label_name(enum metric metric, unsigned label)
{
    assert(label < rows[metric].label_count);
    static const char *const transports[LABEL_COUNT_TRANSPORT] = {"udp", "tcp", "tls", "http",
                                                                  "https"};
    static const char *const kinds[LABEL_COUNT_CACHE] = {"record", "part", "negative", "sites"};
    switch (rows[metric].label) {
    case LABEL_TRANSPORT:
        return transports[label];
    case LABEL_OPCODE:
        return opcodes[label].name;
    case LABEL_CODE:
        return code_names[label];
    case LABEL_CACHE:
        return kinds[label];
    case LABEL_STATE:
        return probe_state_name((enum probe_state)label);
    case LABEL_NONE:
    default:
        return "";
    }
}

const char *metrics_name(enum metric metric)
{
    return rows[metric].name;
}

/* Operations and codes nobody used would bury the others; all transports are always told. */
static json_t *labelled_json(const struct metrics *metrics, enum metric metric)
{
    json_t *object = json_object();
    for (unsigned label = 0; label < rows[metric].label_count; label++) {
        int64_t sum = metrics_sum(metrics, metric, label);
        if (sum != 0 || rows[metric].label == LABEL_TRANSPORT) {
            (void)json_object_set_new(object, metrics_label_name(metric, label), json_integer(sum));
        }
    }
    return object;
}

json_t *metrics_json(const struct metrics *metrics)
{
    json_t *object = json_object();
    if (object == NULL) {
        return NULL;
    }
    for (enum metric metric = 0; metric < METRIC_COUNT; metric++) {
        json_t *figure = rows[metric].label == LABEL_NONE
                             ? json_integer(metrics_sum(metrics, metric, 0))
                             : labelled_json(metrics, metric);
        if (json_object_set_new(object, rows[metric].name, figure) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static const char *kind_name(enum kind kind)
{
    return kind == KIND_COUNTER ? "counter" : "gauge";
}

void metrics_openmetrics(const struct metrics *metrics, FILE *out)
{
    for (enum metric metric = 0; metric < METRIC_COUNT; metric++) {
        const struct metric_row *row = &rows[metric];
        const char *suffix = row->kind == KIND_COUNTER ? "_total" : "";
        fprintf(out, "# TYPE guantong_%s %s\n", row->name, kind_name(row->kind));
        fprintf(out, "# HELP guantong_%s %s\n", row->name, row->help);
        for (unsigned label = 0; label < row->label_count; label++) {
            fprintf(out, "guantong_%s%s", row->name, suffix);
            if (row->label != LABEL_NONE) {
                fprintf(out, "{%s=\"%s\"}", label_keys[row->label],
                        metrics_label_name(metric, label));
            }
            fprintf(out, " %lld\n", (long long)metrics_sum(metrics, metric, label));
        }
    }
}

void metrics_write_reference(FILE *out)
{
    fputs("# Metrics\n\n"
          "Made from `resolver/metrics.def` and `admin/figures.def`. `guantong stats` shows the "
          "short names, `--openmetrics` "
          "these.\n\n"
          "| metric | kind | label | meaning |\n|---|---|---|---|\n",
          out);
    for (enum metric metric = 0; metric < METRIC_COUNT; metric++) {
        const struct metric_row *row = &rows[metric];
        fprintf(out, "| `guantong_%s%s` | %s | %s | %s |\n", row->name,
                row->kind == KIND_COUNTER ? "_total" : "", kind_name(row->kind),
                label_keys[row->label], row->help);
    }
}
