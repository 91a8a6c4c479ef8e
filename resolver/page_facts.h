/* SPDX-License-Identifier: Apache-2.0
 *
 * What this node itself knows about a name that is shown: whose prefix it is, when the record was
 * registered and changed, or how old the copy in the cache is.
 *
 * Worker's thread; what is filled in is borrowed from snapshot, cache and arena.
 */
#pragma once

#include "resolver/page_html.h"

/* Fills owner, source, fetched_ms, created_ms, changed_ms and version for `model->handle` (when it
 * is empty: nothing). A source that is PAGE_STALE before stays so: the answer said it. true: the
 * name's home is here. */
bool page_facts_fill(struct http_call *call, struct page_model *model);
