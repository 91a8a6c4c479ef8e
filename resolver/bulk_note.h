/* SPDX-License-Identifier: Apache-2.0
 *
 * A note of many names to be resolved, as it is sent, and its answer: a line of JSON for each name,
 * in the order of the names, however they were answered. Pure; one owner.
 */
#pragma once

#include <jansson.h>

#include "resolver/rest_question.h"

struct bulk_line {
    struct bytes
        name;     /* borrowed from the request or the document; data NULL: it is not readable */
    size_t first; /* of the same name: this one's own place, or one before it */
    size_t at;    /* its answer in `text` */
    size_t len;   /* 0: not answered yet */
};

struct bulk_note {
    json_t *document; /* what names borrow; NULL: they borrow the request */
    struct bulk_line *lines;
    size_t count;
    struct rest_asked asked; /* what is wanted of each; its lists are in `lists` */
    struct http_body lists;
    struct http_body text; /* answers as they came */
    size_t told;           /* how many of `text` stand in the order of the names */
    size_t open_bytes;     /* of the names not answered yet */
    size_t open_count;
};

/* All zero is a note of nothing. */
void bulk_note_done(struct bulk_note *note);

/* What the query and the body ask, at most `most` names; `key` is secret. BAD_SYNTAX; NO_ROOM: more
 * names; NOT_SUPPORTED: another type of content; NO_MEMORY. `request` must outlive the note. */
struct bulk_note_bounds {
    size_t most;
    uint64_t key[2];
};
enum status bulk_note_read(struct bulk_note *note, const struct http_request *request,
                           const struct bulk_note_bounds *bounds, struct arena *arena,
                           struct fault *fault);

/* The JSON of name `at`. */
void bulk_note_put(struct bulk_note *note, size_t at, struct bytes json);

/* Would an answer of `len` bytes leave no room, of `most`, to say of all others that theirs was
 * left out? */
bool bulk_note_is_full(const struct bulk_note *note, size_t len, size_t most);

/* The lines in the order of the names. NO_MEMORY. */
enum status bulk_note_finish(struct bulk_note *note, struct bytes *out_body);

/* Is this what the request sends, whatever its parameters? */
bool bulk_is_of_type(const struct http_request *request, const char *type);
/* Content that holds a JSON document a line. */
bool bulk_is_lines(const struct http_request *request);

/* Takes the next line that is not blank off `*rest`, counting lines; false: there is none. */
bool bulk_next_line(struct bytes *rest, size_t *number, struct bytes *out_line);
