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

/* Rows behind those of metrics_write_reference. */
void figures_write_reference(FILE *out);
