/* SPDX-License-Identifier: Apache-2.0
 *
 * What an import says at its end: counts, the first rejected rows, warnings, where to go on.
 */
#pragma once

#include "admin/import_load.h"

struct import_summary {
    struct command_call *call;
    const struct import_figures *figures;
    const struct import_notes *notes;
    json_t *reject_files; /* paths */
    int64_t elapsed_ms;
    uint64_t resumed_line; /* rows up to here are an earlier run's; 0: none */
    bool is_interrupted;
    bool is_resumable; /* with --resume */
    const char *stopped_file;
    uint64_t stopped_line;
};

void import_summary_say(const struct import_summary *summary);
void import_summary_json(const struct import_summary *summary);
