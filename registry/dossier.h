/* SPDX-License-Identifier: Apache-2.0
 *
 * What is known of an enterprise: the data items of dossier.def as one JSON object, their rules,
 * and what a change of them means. Pure; everything is passed in.
 *
 * The object's members are the items' names; `systems`, `industries` and `licences` are lists of
 * objects; `overrides` says for items whose value breaks a rule that real values break, too, why
 * it stands all the same: {"org_crt_code": "as printed on the licence, seen by Li"}.
 */
#pragma once

#include <jansson.h>

#include "registry/codes.h"

#define DOSSIER_REASON_MAX 500 /* characters */
#define DOSSIER_LIST_MAX 100   /* entries */
#define DOSSIER_FINDINGS_MAX 64
#define DOSSIER_PATH_MAX 64

enum dossier_group {
    DOSSIER_ORG,
    DOSSIER_CONTACT,
    DOSSIER_LEGAL,
    DOSSIER_PREFIX,
    DOSSIER_BUILD,
    DOSSIER_HOSTING,
    DOSSIER_SYSTEM, /* lists from here on */
    DOSSIER_INDUSTRY,
    DOSSIER_LICENCE,
};

enum dossier_kind {
    DOSSIER_KIND_TEXT,
    DOSSIER_KIND_CHOICE,     /* 1 to `max`, a number or its digits */
    DOSSIER_KIND_NUMBER,     /* 0 to `max` */
    DOSSIER_KIND_DATE,       /* 2026-11-21 */
    DOSSIER_KIND_REGION,     /* code of level `max` */
    DOSSIER_KIND_INDUSTRY,   /* likewise */
    DOSSIER_KIND_AREA,       /* one of the rules' */
    DOSSIER_KIND_CLASS,      /* chain-leader, specialised, little-giant, above-scale, small-micro */
    DOSSIER_KIND_CREDENTIAL, /* of the enterprise */
    DOSSIER_KIND_PERSON,     /* number of a person's document */
    DOSSIER_KIND_EMAIL,
    DOSSIER_KIND_PHONE,
    DOSSIER_KIND_PREFIX,
    DOSSIER_KIND_ADDRESSES,
    DOSSIER_KIND_FILE, /* SHA-256 of an attachment, 64 hex digits */
};

enum dossier_need {
    DOSSIER_NEED_REQUIRED,
    DOSSIER_NEED_OPTIONAL,
    DOSSIER_NEED_LOCAL,
    DOSSIER_NEED_CLOUD,
};

struct dossier_item {
    enum dossier_group group;
    const char *name;
    const char *national; /* "": the national interfaces do not know it */
    enum dossier_kind kind;
    int64_t max;
    enum dossier_need need;
    bool is_reviewed; /* a change of it is */
    bool is_personal;
    const char *text;
    const char *text_zh;
};

const struct dossier_item *dossier_items(size_t *out_count);
/* The list an item's group stands in, "systems"; NULL: the object itself. */
const char *dossier_list_of(enum dossier_group group);

enum dossier_flaw {
    DOSSIER_MISSING,
    DOSSIER_UNKNOWN, /* no such item */
    DOSSIER_FORM,    /* not what its kind wants */
    DOSSIER_LONG,
    DOSSIER_RANGE,   /* no such choice, number or list length */
    DOSSIER_NO_CODE, /* in no table; may be overridden */
    DOSSIER_NESTING, /* the code lies elsewhere; may be overridden */
    DOSSIER_CHECK,   /* its check character; may be overridden */
    DOSSIER_FOREIGN, /* the prefix is not below this node's */
    DOSSIER_DOUBLE,  /* twice in a list where once is enough */
    DOSSIER_REASON,  /* an override without a reason, or of what cannot be overridden */
};

struct dossier_finding {
    char path[DOSSIER_PATH_MAX];     /* "systems[2].name" */
    const struct dossier_item *item; /* NULL: of the whole */
    enum dossier_flaw flaw;
    char expected;      /* of CHECK: the character that should stand there; else NUL */
    bool is_overridden; /* a recorded reason stands against it: it is told, and stops nothing */
};

struct dossier_findings {
    struct dossier_finding list[DOSSIER_FINDINGS_MAX];
    size_t count;
    size_t open; /* not overridden; also those that found no room in the list */
};

/* All borrowed. */
struct dossier_rules {
    const struct codes *regions;
    const struct codes *industries;
    const char *const *areas; /* report.areas */
    size_t area_count;
    struct bytes node_prefix; /* "88.608" */
};

/* true: nothing stands open. `dossier` may be any JSON. */
bool dossier_check(const json_t *dossier, const struct dossier_rules *rules,
                   struct dossier_findings *out_findings);

enum dossier_change { DOSSIER_SAME, DOSSIER_INCREMENTAL, DOSSIER_FULL };

/* What it takes to go from one to the other: FULL is reviewed again. Both are sound. */
enum dossier_change dossier_compare(const json_t *from, const json_t *to);

/* A copy in which nobody can be recognised: personal texts keep an end, images are left out. NULL:
 * no memory. The caller's. */
json_t *dossier_masked(const json_t *dossier);
