/* SPDX-License-Identifier: Apache-2.0
 *
 * How far an import came, beside the file imported (FILE.resume), so that one cut off goes on.
 *
 * A note is written every now and then, after everything it tells is durable: it is never ahead of
 * the store. It names the file by size and time of change and the store by its journal, so that
 * neither is taken for another. Owned by one thread.
 */
#pragma once

#include "admin/import_load.h"

struct import_resume_note {
    uint64_t size;    /* of the file imported */
    int64_t mtime_ns; /* of its last change */
    char options[80]; /* that change how it is read */
    uint64_t line;    /* of the last record done */
    bool
        is_pending; /* true only of a store that is about to take its place: else nothing is done */
    int64_t elapsed_ms;
    uint64_t reject_bytes;
    struct import_state state;
};

/* About the file at `path`; NOT_FOUND: it is no plain file, so there can be no note. */
enum status import_resume_about(const char *path, struct import_resume_note *out_note);

/* NOT_FOUND: there is none; NOT_SUPPORTED: it cannot be read; SYSTEM. */
enum status import_resume_read(const char *note_path, struct import_resume_note *out_note,
                               struct fault *fault);

/* Durable when OK. */
enum status import_resume_write(const char *note_path, const struct import_resume_note *note,
                                struct fault *fault);
