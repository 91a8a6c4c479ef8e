/* SPDX-License-Identifier: Apache-2.0
 *
 * Notes of progress as JSON (import_resume.h).
 */
#include "admin/import_resume.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT 1
#define NOTE_PATH_MAX 4096
#define NOTE_MAX (64u << 10)

enum status import_resume_about(const char *path, struct import_resume_note *out_note)
{
    struct stat about;
    if (stat(path, &about) != 0 || !S_ISREG(about.st_mode)) {
        return STATUS_NOT_FOUND;
    }
    *out_note = (struct import_resume_note){
        .size = (uint64_t)about.st_size,
        .mtime_ns = (int64_t)about.st_mtim.tv_sec * 1000000000 + about.st_mtim.tv_nsec,
    };
    return STATUS_OK;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* An example may have been cut within a character. */
static json_t *text_json(const char *text)
{
    json_t *whole = json_string(text);
    return whole == NULL ? json_string("") : whole;
}

static json_t *state_json(const struct import_state *state)
{
    const struct import_figures *figures = &state->figures;
    json_t *examples = json_array();
    json_t *notes = json_array();
    for (size_t i = 0; i < figures->example_count; i++) {
        json_array_append_new(examples, text_json(figures->examples[i]));
    }
    for (size_t i = 0; i < IMPORT_NOTE_COUNT; i++) {
        json_array_append_new(notes, json_pack("[I, o]", (json_int_t)state->note_counts[i],
                                               text_json(state->note_examples[i])));
    }
    char chain[2 * JOURNAL_HASH_LEN + 1] = "";
    for (size_t i = 0; i < JOURNAL_HASH_LEN; i++) {
        (void)snprintf(chain + 2 * i, 3, "%02x", state->chain[i]);
    }
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:o*, s:o*}", "first_position",
                     (json_int_t)state->first_position, "read", (json_int_t)figures->read,
                     "created", (json_int_t)figures->created, "replaced",
                     (json_int_t)figures->replaced, "unchanged", (json_int_t)figures->unchanged,
                     "rejected", (json_int_t)figures->rejected, "over_quota",
                     (json_int_t)figures->over_quota, "position", (json_int_t)state->position,
                     "chain", chain, "first_rejected", examples, "warnings", notes);
}

static bool write_text(const char *path, const char *text)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) {
        return false;
    }
    size_t len = strlen(text);
    bool is_written = write(file, text, len) == (ssize_t)len && fdatasync(file) == 0;
    return close(file) == 0 && is_written;
}

enum status import_resume_write(const char *note_path, const struct import_resume_note *note,
                                struct fault *fault)
{
    char partial[NOTE_PATH_MAX];
    json_t *root =
        json_pack("{s:i, s:I, s:I, s:s, s:b, s:I, s:I, s:I, s:o*}", "format", FORMAT, "size",
                  (json_int_t)note->size, "mtime_ns", (json_int_t)note->mtime_ns, "options",
                  note->options, "pending", (int)note->is_pending, "line", (json_int_t)note->line,
                  "elapsed_ms", (json_int_t)note->elapsed_ms, "reject_bytes",
                  (json_int_t)note->reject_bytes, "state", state_json(&note->state));
    char *text = root == NULL ? NULL : json_dumps(root, JSON_COMPACT);
    json_decref(root);
    if (text == NULL) {
        return STATUS_NO_MEMORY;
    }
    int len = snprintf(partial, sizeof(partial), "%s.new", note_path);
    bool is_done = len > 0 && (size_t)len < sizeof(partial) && write_text(partial, text) &&
                   rename(partial, note_path) == 0;
    free(text);
    return is_done ? STATUS_OK
                   : fault_set(fault, STATUS_SYSTEM, "%s: %s", note_path, strerror(errno));
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool take_text(json_t *from, char *to, size_t size)
{
    const char *text = json_string_value(from);
    if (text == NULL || strlen(text) >= size) {
        return false;
    }
    memcpy(to, text, strlen(text) + 1);
    return true;
}

static bool take_chain(json_t *from, uint8_t out[JOURNAL_HASH_LEN])
{
    const char *text = json_string_value(from);
    if (text == NULL || strlen(text) != (size_t)2 * JOURNAL_HASH_LEN) {
        return false;
    }
    for (size_t i = 0; i < JOURNAL_HASH_LEN; i++) {
        char two[3] = {text[2 * i], text[2 * i + 1], '\0'};
        char *end = NULL;
        out[i] = (uint8_t)strtoul(two, &end, 16);
        if (*end != '\0') {
            return false;
        }
    }
    return true;
}

static bool take_lists(json_t *examples, json_t *notes, struct import_state *state)
{
    struct import_figures *figures = &state->figures;
    size_t at;
    json_t *row;
    bool is_right = json_array_size(examples) <= IMPORT_EXAMPLES_MAX &&
                    json_array_size(notes) == IMPORT_NOTE_COUNT;
    json_array_foreach(examples, at, row)
    {
        is_right = is_right && take_text(row, figures->examples[at], sizeof figures->examples[0]);
        figures->example_count += is_right;
    }
    json_array_foreach(notes, at, row)
    {
        is_right = is_right && take_text(json_array_get(row, 1), state->note_examples[at],
                                         sizeof state->note_examples[0]);
        if (is_right) {
            state->note_counts[at] = (uint64_t)json_integer_value(json_array_get(row, 0));
        }
    }
    return is_right;
}

static bool take_state(json_t *from, struct import_state *state)
{
    json_int_t read = 0;
    json_int_t created = 0;
    json_int_t replaced = 0;
    json_int_t unchanged = 0;
    json_int_t rejected = 0;
    json_int_t over_quota = 0;
    json_int_t position = 0;
    json_int_t first_position = 0;
    json_t *chain = NULL;
    json_t *examples = NULL;
    json_t *notes = NULL;
    if (json_unpack(from, "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o}",
                    "first_position", &first_position, "read", &read, "created", &created,
                    "replaced", &replaced, "unchanged", &unchanged, "rejected", &rejected,
                    "over_quota", &over_quota, "position", &position, "chain", &chain,
                    "first_rejected", &examples, "warnings", &notes) != 0) {
        return false;
    }
    state->figures = (struct import_figures){
        .read = (uint64_t)read,
        .created = (uint64_t)created,
        .replaced = (uint64_t)replaced,
        .unchanged = (uint64_t)unchanged,
        .rejected = (uint64_t)rejected,
        .over_quota = (uint64_t)over_quota,
    };
    state->position = (uint64_t)position;
    state->first_position = (uint64_t)first_position;
    return take_chain(chain, state->chain) && take_lists(examples, notes, state);
}

static bool take_note(json_t *root, struct import_resume_note *note)
{
    int format = 0;
    int is_pending = 0;
    json_int_t size = 0;
    json_int_t mtime_ns = 0;
    json_int_t line = 0;
    json_int_t elapsed_ms = 0;
    json_int_t reject_bytes = 0;
    json_t *options = NULL;
    json_t *state = NULL;
    if (json_unpack(root, "{s:i, s:I, s:I, s:o, s:b, s:I, s:I, s:I, s:o}", "format", &format,
                    "size", &size, "mtime_ns", &mtime_ns, "options", &options, "pending",
                    &is_pending, "line", &line, "elapsed_ms", &elapsed_ms, "reject_bytes",
                    &reject_bytes, "state", &state) != 0 ||
        format != FORMAT) {
        return false;
    }
    note->size = (uint64_t)size;
    note->mtime_ns = mtime_ns;
    note->line = (uint64_t)line;
    note->is_pending = is_pending != 0;
    note->elapsed_ms = elapsed_ms;
    note->reject_bytes = (uint64_t)reject_bytes;
    return take_text(options, note->options, sizeof note->options) &&
           take_state(state, &note->state);
}

enum status import_resume_read(const char *note_path, struct import_resume_note *out_note,
                               struct fault *fault)
{
    struct stat about;
    if (stat(note_path, &about) != 0) {
        return errno == ENOENT
                   ? STATUS_NOT_FOUND
                   : fault_set(fault, STATUS_SYSTEM, "%s: %s", note_path, strerror(errno));
    }
    json_t *root = about.st_size > NOTE_MAX ? NULL : json_load_file(note_path, 0, NULL);
    struct import_resume_note note = {0};
    bool is_right = root != NULL && take_note(root, &note);
    json_decref(root);
    if (!is_right) {
        return fault_set(fault, STATUS_NOT_SUPPORTED,
                         "%s cannot be read: import again without --resume", note_path);
    }
    *out_note = note;
    return STATUS_OK;
}
