/* SPDX-License-Identifier: Apache-2.0
 *
 * The page people see after scanning: what is known about a name, as one HTML document.
 *
 * Pure: a model in, at most PAGE_MAX bytes out, whatever the record holds. Foreign bytes pass
 * page_out.h. No request leaves the page but what its links are followed to.
 */
#pragma once

#include "protocol/scanned.h"
#include "resolver/page_out.h"
#include "resolver/qr.h"

#define PAGE_MAX 60000 /* bytes of a page */

enum page_kind { PAGE_KIND_START, PAGE_KIND_RECORD, PAGE_KIND_PROBLEM };

/* Whose answer is shown. */
enum page_source { PAGE_OWN, PAGE_FORWARDED, PAGE_CACHED, PAGE_STALE };

/* Whose name it is, as far as this node's registry tells. */
struct page_owner {
    struct bytes prefix;     /* that governs the name */
    struct bytes enterprise; /* empty: the prefix has no row here */
    struct bytes parent;     /* the nearest one above that has; empty: none */
    struct bytes parent_enterprise;
};

struct page_model {
    enum page_kind kind;
    enum page_language language;
    const char *node_name; /* empty: none was given */

    struct bytes asked;  /* what was scanned or typed */
    struct bytes handle; /* what was looked up; empty: nothing could be */
    unsigned changes;    /* between these two, enum scanned_change */
    struct bytes alias;  /* the name that led to `handle`; empty: none did */
    enum status problem; /* of PAGE_KIND_PROBLEM */
    struct bytes better; /* another name that does exist; empty: none is known */
    unsigned better_changes;

    struct value *values;
    size_t value_count;
    enum page_source source;
    int64_t fetched_ms; /* PAGE_CACHED, PAGE_STALE; 0: not known */
    int64_t created_ms; /* 0: not known here */
    int64_t changed_ms;
    uint64_t version;
    struct page_owner owner;
    const struct qr *qr; /* NULL: none is shown */
    bool qr_is_bare;     /* it holds the name, not an address */
};

/* NO_MEMORY, or NO_ROOM: the body failed. `arena` is scratch. */
enum status page_html(const struct page_model *model, struct arena *arena, struct http_body *out);
