/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows that were not taken (reject.h).
 */
#include "admin/reject.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "protocol/handle.h"
#include "protocol/text.h"

#define ROW_MAX (16u << 20)

enum status reject_init(struct reject *reject, const char *path)
{
    *reject = (struct reject){.path = path, .arena = arena_new(4096, ROW_MAX)};
    return reject->arena == NULL ? STATUS_NO_MEMORY : STATUS_OK;
}

static void set_text(json_t *object, struct arena *arena, const char *name, struct bytes text)
{
    if (handle_is_utf8(text)) {
        json_object_set_new(object, name, json_stringn((const char *)text.data, text.len));
        return;
    }
    char encoded_name[32];
    (void)snprintf(encoded_name, sizeof encoded_name, "%s_base64", name);
    json_object_set_new(object, encoded_name, json_string(text_base64(arena, text)));
}

static json_t *row_json(struct arena *arena, const struct reject_row *row)
{
    json_t *object = json_object();
    json_object_set_new(object, "file", json_string(row->file));
    json_object_set_new(object, "line", json_integer((json_int_t)row->line));
    if (row->column > 0) {
        json_object_set_new(object, "column", json_integer((json_int_t)row->column));
    }
    if (row->handle.len > 0) {
        set_text(object, arena, "handle", row->handle);
    }
    json_object_set_new(object, "code", json_string(status_name(row->code)));
    json_object_set_new(object, "reason", json_string(row->reason));
    set_text(object, arena, "row", row->original);
    return object;
}

enum status reject_add(struct reject *reject, const struct reject_row *row, struct fault *fault)
{
    reject->count++;
    if (reject->path == NULL) {
        return STATUS_OK;
    }
    if (reject->stream == NULL) {
        /* The rows may hold secret keys: a new file is its owner's alone. */
        int file = open(reject->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        reject->stream = file < 0 ? NULL : fdopen(file, "w");
    }
    if (reject->stream == NULL) {
        return fault_set(fault, STATUS_SYSTEM, "%s: %s", reject->path, strerror(errno));
    }
    arena_reset(reject->arena);
    json_t *object = row_json(reject->arena, row);
    bool is_written = object != NULL && json_dumpf(object, reject->stream, JSON_COMPACT) == 0 &&
                      fputc('\n', reject->stream) != EOF;
    json_decref(object);
    return is_written ? STATUS_OK
                      : fault_set(fault, STATUS_SYSTEM, "%s cannot be written", reject->path);
}

enum status reject_resume(struct reject *reject, uint64_t bytes, uint64_t count,
                          struct fault *fault)
{
    reject->count = count;
    if (reject->path == NULL || bytes == 0) {
        return STATUS_OK;
    }
    int file = open(reject->path, O_WRONLY | O_CLOEXEC);
    off_t end = file < 0 ? -1 : lseek(file, 0, SEEK_END);
    if (end >= 0 && (uint64_t)end < bytes) {
        (void)close(file);
        return fault_set(fault, STATUS_SYSTEM, "%s: rejected rows of the first run are missing",
                         reject->path);
    }
    if (end >= 0 && ftruncate(file, (off_t)bytes) == 0 && lseek(file, 0, SEEK_END) >= 0) {
        reject->stream = fdopen(file, "w");
    }
    if (reject->stream == NULL) {
        enum status status =
            fault_set(fault, STATUS_SYSTEM, "%s: %s", reject->path, strerror(errno));
        if (file >= 0) {
            (void)close(file);
        }
        return status;
    }
    return STATUS_OK;
}

enum status reject_settle(struct reject *reject, uint64_t *out_bytes, struct fault *fault)
{
    *out_bytes = 0;
    if (reject->stream == NULL) {
        return STATUS_OK;
    }
    int file = fileno(reject->stream);
    off_t end = fflush(reject->stream) == 0 && fdatasync(file) == 0 ? lseek(file, 0, SEEK_CUR) : -1;
    if (end < 0) {
        return fault_set(fault, STATUS_SYSTEM, "%s: %s", reject->path, strerror(errno));
    }
    *out_bytes = (uint64_t)end;
    return STATUS_OK;
}

enum status reject_done(struct reject *reject, struct fault *fault)
{
    FILE *stream = reject->stream;
    reject->stream = NULL;
    arena_free(reject->arena);
    reject->arena = NULL;
    if (stream != NULL && fclose(stream) != 0) {
        return fault_set(fault, STATUS_SYSTEM, "%s: %s", reject->path, strerror(errno));
    }
    return STATUS_OK;
}
