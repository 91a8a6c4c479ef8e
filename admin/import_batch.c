/* SPDX-License-Identifier: Apache-2.0
 *
 * The reference server's batch text: `CREATE handle`, then a line per value, up to an empty line
 * (Handle.Net technical manual 4.1, 4.7-4.9).
 *
 *   CREATE 88.1000/x
 *   100 HS_ADMIN 86400 1110 ADMIN 300:111111111111:0.NA/88.1000
 *   1 URL 86400 1110 UTF8 https://x.example/
 *
 * AUTHENTICATE and SESSIONSETUP are read over, what they hold goes nowhere. The other operations
 * change what is there or need another server: they are refused one by one. FILE data is refused,
 * too: text that arrives from elsewhere does not choose files of this machine.
 */
#include "admin/import_rows.h"

#include <stdlib.h>

#include "protocol/handle.h"
#include "protocol/value_types.h"

#define ORIGINAL_MAX (4 * IMPORT_LINE_MAX)

struct import_batch {
    struct import_rows rows; /* first: the reader is handed out by it */
    struct import_lines *lines;
    struct arena *arena;
    struct import_line line; /* read, not yet taken */
    bool has_line;
    struct import_text original;
    enum status status; /* what is wrong with the record */
    struct fault fault;
    uint64_t bad_line;
};

enum operation {
    OPERATION_NONE,
    OPERATION_CREATE,
    OPERATION_SECRET_LINE,  /* one line follows */
    OPERATION_SECRET_BLOCK, /* lines up to an empty one follow */
    OPERATION_OTHER,
};

static const struct {
    const char *word;
    enum operation operation;
} operations[] = {
    {"CREATE", OPERATION_CREATE},
    {"AUTHENTICATE", OPERATION_SECRET_LINE},
    {"SESSIONSETUP", OPERATION_SECRET_BLOCK},
    {"DELETE", OPERATION_OTHER},
    {"ADD", OPERATION_OTHER},
    {"MODIFY", OPERATION_OTHER},
    {"REMOVE", OPERATION_OTHER},
    {"HOME", OPERATION_OTHER},
    {"UNHOME", OPERATION_OTHER},
};

/* --- lines ------------------------------------------------------------------------------------ */

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static struct bytes trim(struct bytes text)
{
    while (text.len > 0 && is_blank(text.data[0])) {
        text = bytes_from(text, 1);
    }
    while (text.len > 0 && is_blank(text.data[text.len - 1])) {
        text.len--;
    }
    return text;
}

/* The first word; `text` becomes what stands behind one blank. */
static struct bytes take_word(struct bytes *text)
{
    size_t len = 0;
    while (len < text->len && !is_blank(text->data[len])) {
        len++;
    }
    struct bytes word = {text->data, len};
    *text = bytes_from(*text, len < text->len ? len + 1 : len);
    return word;
}

static enum operation operation_of(struct bytes line)
{
    struct bytes word = take_word(&line);
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        if (bytes_equal_nocase(word, bytes_of_text(operations[i].word))) {
            return operations[i].operation;
        }
    }
    return OPERATION_NONE;
}

bool import_batch_begins(struct bytes start)
{
    const uint8_t *end = start.len == 0 ? NULL : memchr(start.data, '\n', start.len);
    struct bytes line = {start.data, end == NULL ? start.len : (size_t)(end - start.data) + 1};
    return operation_of(import_lines_trim(line)) != OPERATION_NONE;
}

/* Sees the next line without taking it; what cannot be read is an outcome as of the lines. */
static enum status see(struct import_batch *reader, struct fault *fault)
{
    if (reader->has_line) {
        return STATUS_OK;
    }
    enum status status = import_lines_next(reader->lines, &reader->line, fault);
    reader->has_line = status == STATUS_OK;
    if (reader->has_line) {
        reader->line.text = import_lines_trim(reader->line.text);
    }
    return status;
}

static void refuse(struct import_batch *reader, enum status status, const char *reason)
{
    if (reader->status == STATUS_OK) {
        reader->status = fault_set(&reader->fault, status, "%s", reason);
        reader->bad_line = reader->line.number;
    }
}

/* Takes the line seen; it stays readable until the next one is seen. */
static struct bytes take(struct import_batch *reader)
{
    struct bytes text = reader->line.text;
    reader->has_line = false;
    if (!handle_is_utf8(text)) {
        struct fault fault;
        enum status status = import_rows_not_utf8(text, &fault);
        refuse(reader, status, fault.text);
    }
    return text;
}

static void keep(struct import_batch *reader, struct bytes line)
{
    struct import_text *original = &reader->original;
    if (original->len + line.len < ORIGINAL_MAX) {
        (void)(import_text_append(original, line) &&
               import_text_append(original, BYTES_LITERAL("\n")));
    }
}

/* --- data ------------------------------------------------------------------------------------- */

static struct bytes encoded(struct import_batch *reader, const struct wire_writer *w)
{
    if (w->failed) {
        refuse(reader, STATUS_NO_ROOM, "the record is too large");
    }
    return wire_wrote(w);
}

static struct wire_writer room_for(struct import_batch *reader, size_t len)
{
    uint8_t *room = arena_alloc(reader->arena, len);
    return room == NULL ? (struct wire_writer){.failed = true} : wire_write(room, len);
}

/* "300:111111111111:0.NA/88.1000"; the twelve stand in the manual's order, which is not that of the
 * bits: read values comes eighth. */
static struct bytes admin_data(struct import_batch *reader, struct bytes text)
{
    static const uint16_t bits[12] = {0x001, 0x002, 0x004, 0x008, 0x010, 0x020,
                                      0x040, 0x400, 0x080, 0x100, 0x200, 0x800};
    struct admin admin = {0};
    const uint8_t *colon = text.len == 0 ? NULL : memchr(text.data, ':', text.len);
    size_t index_len = colon == NULL ? 0 : (size_t)(colon - text.data);
    struct bytes rest = bytes_from(text, index_len + 1);
    bool is_right = colon != NULL && rest.len > 13 && rest.data[12] == ':' &&
                    import_text_number(bytes_of(text.data, index_len), &admin.identity.index);
    for (size_t i = 0; is_right && i < 12; i++) {
        is_right = rest.data[i] == '0' || rest.data[i] == '1';
        admin.permissions |= rest.data[i] == '1' ? bits[i] : 0;
    }
    if (!is_right) {
        refuse(reader, STATUS_INVALID_VALUE, "ADMIN: index:permissions:handle is expected");
        return BYTES_NONE;
    }
    admin.identity.handle = bytes_from(rest, 13);
    struct wire_writer w = room_for(reader, admin.identity.handle.len + 16);
    admin_encode(&w, &admin);
    return encoded(reader, &w);
}

/* "300:88.1000/a; 300:88.1000/b;" */
static struct bytes list_data(struct import_batch *reader, struct bytes text)
{
    struct wire_writer w = room_for(reader, text.len * 4 + 16);
    uint32_t count = 0;
    uint8_t *mark = wire_room(&w, 4);
    while (text.len > 0) {
        const uint8_t *end = memchr(text.data, ';', text.len);
        size_t len = end == NULL ? text.len : (size_t)(end - text.data);
        struct bytes entry = trim(bytes_of(text.data, len));
        struct reference reference;
        if (entry.len > 0) {
            if (handle_parse_reference(entry, &reference.index, &reference.handle) != STATUS_OK) {
                refuse(reader, STATUS_INVALID_VALUE, "LIST: index:handle;... is expected");
                return BYTES_NONE;
            }
            wire_put_bytes(&w, reference.handle);
            wire_put_u32(&w, reference.index);
            count++;
        }
        text = bytes_from(text, len + 1);
    }
    if (mark != NULL) {
        wire_store_u32(mark, count);
    }
    return encoded(reader, &w);
}

static struct bytes data_of(struct import_batch *reader, struct bytes form, struct bytes text)
{
    if (bytes_equal_nocase(form, BYTES_LITERAL("UTF8"))) {
        struct bytes copy = arena_copy(reader->arena, text);
        if (copy.data == NULL && copy.len > 0) {
            refuse(reader, STATUS_NO_ROOM, "the record is too large");
            return BYTES_NONE;
        }
        return copy;
    }
    if (bytes_equal_nocase(form, BYTES_LITERAL("ADMIN"))) {
        return admin_data(reader, trim(text));
    }
    if (bytes_equal_nocase(form, BYTES_LITERAL("LIST"))) {
        return list_data(reader, trim(text));
    }
    refuse(reader, STATUS_INVALID_VALUE,
           bytes_equal_nocase(form, BYTES_LITERAL("FILE"))
               ? "FILE data is not read: give the record as JSON Lines"
               : "UTF8, ADMIN or LIST is expected before the data");
    return BYTES_NONE;
}

/* --- records ---------------------------------------------------------------------------------- */

static void read_value(struct import_batch *reader, struct bytes line, struct value *value)
{
    *value = (struct value){0};
    if (!import_text_number(take_word(&line), &value->index) || value->index == 0) {
        refuse(reader, STATUS_INVALID_VALUE, "a value begins with its index, from 1 on");
    }
    value->type = arena_copy(reader->arena, take_word(&line));
    if (!import_text_number(take_word(&line), &value->ttl)) {
        refuse(reader, STATUS_INVALID_VALUE, "seconds are expected behind the type");
    }
    if (value_permissions_parse(take_word(&line), &value->permissions) != STATUS_OK) {
        refuse(reader, STATUS_INVALID_VALUE, "permissions such as 1110 are expected");
    }
    struct bytes form = take_word(&line);
    if (bytes_equal_nocase(form, BYTES_LITERAL("ADMIN")) && trim(line).len == 0) {
        struct fault fault; /* the manual breaks the line here */
        form = BYTES_LITERAL("ADMIN");
        line = see(reader, &fault) == STATUS_OK ? take(reader) : BYTES_NONE;
        keep(reader, line);
    }
    value->data = data_of(reader, form, line);
    if (value->type.data == NULL || value->type.len == 0) {
        refuse(reader, STATUS_INVALID_VALUE, "the type is missing");
    }
}

/* The lines behind CREATE. Anything but a refusal stops the run. */
static enum status read_record(struct import_batch *reader, struct import_row *row,
                               struct fault *fault)
{
    struct value *values = arena_alloc(reader->arena, VALUE_COUNT_MAX * sizeof *values);
    if (values == NULL) {
        return STATUS_NO_MEMORY;
    }
    row->record.values = values;
    enum status status;
    while ((status = see(reader, fault)) == STATUS_OK) {
        struct bytes line = trim(reader->line.text);
        if (line.len == 0 || operation_of(line) != OPERATION_NONE) {
            break;
        }
        (void)take(reader);
        keep(reader, line);
        struct value value;
        read_value(reader, line, &value);
        if (row->record.count < VALUE_COUNT_MAX) {
            values[row->record.count++] = value;
        } else {
            refuse(reader, STATUS_INVALID_VALUE, "more values than a handle may have");
        }
    }
    if (import_rows_is_refusal(status)) {
        refuse(reader, status, fault->text);
        return STATUS_OK;
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static void skip_block(struct import_batch *reader, bool is_one_line)
{
    struct fault fault;
    while (see(reader, &fault) == STATUS_OK && reader->line.text.len > 0 &&
           (is_one_line || operation_of(reader->line.text) == OPERATION_NONE)) {
        reader->has_line = false;
        if (is_one_line) {
            return;
        }
    }
}

/* One line that begins something. PENDING: nothing came of it. */
static enum status begin(struct import_batch *reader, struct import_row *row, struct fault *fault)
{
    struct bytes line = trim(take(reader));
    struct bytes rest = line;
    enum operation operation = operation_of(line);
    if (operation == OPERATION_SECRET_LINE || operation == OPERATION_SECRET_BLOCK) {
        skip_block(reader, operation == OPERATION_SECRET_LINE);
        return STATUS_PENDING;
    }
    keep(reader, line);
    (void)take_word(&rest);
    row->record.handle =
        arena_copy(reader->arena, operation == OPERATION_NONE ? BYTES_NONE : trim(rest));
    if (operation == OPERATION_CREATE) {
        return read_record(reader, row, fault);
    }
    refuse(reader, STATUS_BAD_SYNTAX,
           operation == OPERATION_OTHER ? "only CREATE is imported"
                                        : "CREATE and a handle are expected");
    if (operation == OPERATION_OTHER) {
        skip_block(reader, false);
    }
    return STATUS_OK;
}

static enum status batch_next(struct import_rows *rows, struct import_row *out_row,
                              struct fault *fault)
{
    struct import_batch *reader = (struct import_batch *)rows;
    enum status status;
    do {
        arena_reset(reader->arena);
        reader->original.len = 0;
        reader->status = STATUS_OK;
        *out_row = (struct import_row){0};
        status = see(reader, fault);
        out_row->line = reader->line.number;
        if (status == STATUS_OK && trim(reader->line.text).len == 0) {
            reader->has_line = false;
            status = STATUS_PENDING;
        } else if (status == STATUS_OK) {
            status = begin(reader, out_row, fault);
        }
    } while (status == STATUS_PENDING);
    if (status != STATUS_OK) {
        return status;
    }
    out_row->original = import_lines_trim(bytes_of(reader->original.data, reader->original.len));
    if (reader->status != STATUS_OK) {
        out_row->line = reader->bad_line;
        return fault_set(fault, reader->status, "%s", reader->fault.text);
    }
    return STATUS_OK;
}

static void batch_close(struct import_rows *rows)
{
    struct import_batch *reader = (struct import_batch *)rows;
    free(reader->original.data);
    arena_free(reader->arena);
    free(reader);
}

enum status import_batch_open(struct import_lines *lines, struct import_rows **out_rows,
                              struct fault *fault)
{
    (void)fault;
    struct import_batch *reader = calloc(1, sizeof *reader);
    if (reader == NULL) {
        return STATUS_NO_MEMORY;
    }
    reader->rows = (struct import_rows){batch_next, batch_close};
    reader->lines = lines;
    reader->arena = arena_new(256u << 10, IMPORT_RECORD_MAX);
    if (reader->arena == NULL) {
        free(reader);
        return STATUS_NO_MEMORY;
    }
    *out_rows = &reader->rows;
    return STATUS_OK;
}
