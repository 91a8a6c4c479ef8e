/* SPDX-License-Identifier: Apache-2.0
 *
 * The code tables a node judges dossiers by: those built in (conf/codes), or what `conf codes
 * import` put in their place, in the node's directory under codes/.
 */
#pragma once

#include "admin/command.h"
#include "registry/codes.h"

struct code_tables {
    struct codes *regions;
    struct codes *industries;
    bool are_regions_imported;
    bool are_industries_imported;
};

/* Freed with code_tables_done, also after a failure. BAD_SYNTAX: an imported table is unusable. */
enum status code_tables_load(struct arena *arena, const char *directory,
                             struct code_tables *out_tables, struct fault *fault);
void code_tables_done(struct code_tables *tables);

/* A table as CSV: header code,parent,level,name. The level words tell which kind it is. */
enum status code_tables_parse(struct bytes text, enum codes_kind *out_kind,
                              struct codes **out_codes, struct fault *fault);

/* "codes/region.csv", "codes/industry.csv": in the node's directory. */
const char *code_tables_file(enum codes_kind kind);
