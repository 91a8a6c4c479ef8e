/* SPDX-License-Identifier: Apache-2.0
 *
 * Figures of a running node (metrics.def): one slot per thread, written by its owner with relaxed
 * stores, summed by whoever reads.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "protocol/status.h"

enum metric {
#define METRIC(name, kind, label, help) METRIC_##name,
#include "resolver/metrics.def"
#undef METRIC
    METRIC_COUNT
};

struct metrics;
struct metrics_slot;

enum status metrics_new(size_t slots, struct metrics **out_metrics);
void metrics_free(struct metrics *metrics);
struct metrics_slot *metrics_slot(struct metrics *metrics, size_t index);

/* The owner's thread only. `label` is the index within the metric's label (0 for NONE). */
void metrics_add(struct metrics_slot *slot, enum metric metric, unsigned label, int64_t delta);

/* Label indexes. */
unsigned metrics_opcode_label(uint32_t opcode);
unsigned metrics_code_label(uint32_t response_code);

int64_t metrics_sum(const struct metrics *metrics, enum metric metric, unsigned label);
size_t metrics_label_count(enum metric metric);
const char *metrics_label_name(enum metric metric, unsigned label);
const char *metrics_name(enum metric metric);

/* {"requests":{"udp":1,"tcp":2,"tls":0},"straight_answers":3,...}; NULL: no memory. */
json_t *metrics_json(const struct metrics *metrics);
/* OpenMetrics text of these families, without the closing "# EOF". */
void metrics_openmetrics(const struct metrics *metrics, FILE *out);
/* The reference page docs/metrics.md. */
void metrics_write_reference(FILE *out);
