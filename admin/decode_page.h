/* SPDX-License-Identifier: Apache-2.0
 *
 * Fields of a packet with their offsets, as an indented page or as JSON, whichever was asked for.
 *
 *   000044     8  handle            88.1000/x
 *
 * `at` of a field is a slice of the packet: its place gives the offset. JSON fields are
 * {"name","offset","length","value","fields"}. Owned by one thread.
 */
#pragma once

#include "admin/command.h"

#define DECODE_DEPTH_MAX 6

struct decode_page {
    struct command_call *call;
    struct bytes packet;
    size_t origin; /* bytes at the packet's start that were not given */
    unsigned depth;
    json_t *lists[DECODE_DEPTH_MAX]; /* NULL when a page is printed */
    bool is_damaged;                 /* something could not be read */
};

void decode_page_begin(struct decode_page *page, struct command_call *call, struct bytes packet,
                       size_t origin);

/* `text` must be safe to print; NULL counts as empty. */
void decode_page_field(struct decode_page *page, struct bytes at, const char *name,
                       const char *text);

/* A field with fields inside; the ones that follow belong to it until it is closed. */
void decode_page_open(struct decode_page *page, struct bytes at, const char *name,
                      const char *text);
void decode_page_close(struct decode_page *page);

/* Bytes that are not what they should be. */
void decode_page_damage(struct decode_page *page, struct bytes at, const char *what);

/* The fields as a new reference; NULL for a page. */
json_t *decode_page_end(struct decode_page *page);
