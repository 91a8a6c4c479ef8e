/* SPDX-License-Identifier: Apache-2.0
 *
 * Where acts on enterprises are done: settings, code tables, store and writer opened together; a
 * row looked up, changed by one act, and written in one set with its prefixes and its audit row.
 *
 * Everything handed out lives in the call's arena. Functions returning int report their failure and
 * return the exit code.
 */
#pragma once

#include "admin/code_tables.h"
#include "admin/writer.h"
#include "registry/dossier.h"
#include "registry/enterprise.h"

struct desk {
    struct command_call *call;
    struct settings *settings;
    struct writer *writer;
    struct snapshot *snapshot;
    struct code_tables tables;
};

int desk_open(struct command_call *call, struct desk *out_desk);
void desk_close(struct desk *desk);

/* By id, prefix applied for, or credential code. */
int desk_find(struct desk *desk, const char *name, struct enterprise_row *out_row);

/* Reports what breaks a rule. */
int desk_check(struct desk *desk, const json_t *dossier);

/* Reports when another enterprise than `id` has its credential or prefix. */
int desk_check_unique(struct desk *desk, const json_t *dossier, struct bytes id);

/* NULL: no memory. */
json_t *desk_json(struct bytes text);
struct bytes desk_text(struct desk *desk, const json_t *json);

/* One act: the row before and after, the words for notes and audit. */
struct desk_act {
    const char *action;                  /* "enterprise approve" */
    const struct enterprise_row *before; /* NULL: a new enterprise */
    struct enterprise_row *after;        /* its notes are filled by desk_write */
    const char *reason;                  /* may be NULL */
    /* Puts what belongs to it into the set, too; may be NULL. */
    enum status (*more)(void *context, struct change_set *set, struct fault *fault);
    void *context;
};
int desk_write(struct desk *desk, const struct desk_act *act);

/* The prefixes of an enterprise go to this state with it: a `more`. */
struct desk_prefixes {
    struct desk *desk;
    struct bytes enterprise;
    enum prefix_state state;
};
enum status desk_put_prefixes(void *prefixes, struct change_set *set, struct fault *fault);

/* Reports that the act cannot be done now and which can. */
int desk_say_state(struct desk *desk, const struct enterprise_row *row, enum enterprise_act act);

/* The answer of an act, as text or JSON. */
int desk_say_done(struct desk *desk, const struct enterprise_row *row);
