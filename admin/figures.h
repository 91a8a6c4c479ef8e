/* SPDX-License-Identifier: Apache-2.0
 *
 * Figures of the store and the committer beside the per-thread metrics (figures.def).
 */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "registry/committer.h"
#include "registry/registry.h"

/* {"records":1,...}; NULL: no memory. */
json_t *figures_json(const struct registry_figures *store, const struct committer_figures *commits);

/* OpenMetrics families, without the closing "# EOF". */
void figures_openmetrics(const struct registry_figures *store,
                         const struct committer_figures *commits, FILE *out);

/* Seconds since the oldest reader's transaction was superseded; 0: nobody holds anything back. */
uint64_t figures_age_s(const struct registry_figures *store, int64_t now_ms);

/* How far the clock is behind the newest change: over 2 000 it was set back. */
uint64_t figures_clock_behind_ms(const struct registry_figures *store, int64_t now_ms);

#define FIGURES_CLOCK_ALARM_MS 2000

/* Rows behind those of metrics_write_reference. */
void figures_write_reference(FILE *out);
