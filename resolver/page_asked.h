/* SPDX-License-Identifier: Apache-2.0
 *
 * What a request for the page asks: which text, in which language, to be shown or followed
 * (protocol.md §9.9). Pure; everything is in the arena or borrowed from the request.
 */
#pragma once

#include "conf/settings.h"
#include "resolver/page_out.h"

enum page_code { PAGE_CODE_NONE, PAGE_CODE_SVG, PAGE_CODE_PNG };

struct page_asked {
    enum page_language language;
    struct bytes text;  /* the path without its slash, decoded, or ?hdl=; empty: the start page */
    bool is_by_form;    /* ?hdl= of the start page */
    bool is_redirected; /* to where the record leads, when it leads anywhere */
    bool ignores_aliases;
    struct bytes append;      /* urlappend */
    struct bytes choice_name; /* locatt=name:value */
    struct bytes choice_value;
    struct bytes country;
    enum page_code code; /* the symbol alone */
    bool code_is_bare;   /* ?of=handle: it holds the name itself */
    uint64_t scale;      /* pixels of a module (PNG), or of the whole (SVG); 0: not given */
};

/* BAD_SYNTAX: broken escapes. */
enum status page_asked_read(struct arena *arena, const struct http_request *request,
                            const struct settings *settings, struct page_asked *out_asked);

/* Where this node is reached from outside, without a slash at its end: the setting, or the Host of
 * the request when that is nothing but a host. Empty: not known. */
struct bytes page_asked_base(struct arena *arena, const struct http_request *request,
                             const struct settings *settings);

/* base/handle, escaped; empty without a base or memory. */
struct bytes page_asked_address(struct arena *arena, struct bytes base, struct bytes handle);
