/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables of nested codes (codes.h): one sorted array, texts in one block.
 */
#include "registry/codes.h"

#include <stdlib.h>

#include "protocol/handle.h"

#define FIRST_ROWS 256
#define FIRST_TEXT 8192

static const char *const level_words[][4] = {
    [CODES_REGION] = {"province", "city", "county", NULL},
    [CODES_INDUSTRY] = {"section", "division", "group", "class"},
};

/* Offsets while rows come, because the block moves when it grows. */
struct raw_row {
    size_t text; /* code ‖ parent ‖ name */
    uint8_t code_len;
    uint8_t parent_len;
    uint8_t name_len;
    uint8_t level;
};

struct codes {
    enum codes_kind kind;
    struct raw_row *raw; /* until closed */
    struct code_row *rows;
    size_t count;
    size_t capacity;
    uint8_t *text;
    size_t text_len;
    size_t text_size;
};

enum status codes_new(enum codes_kind kind, struct codes **out_codes)
{
    struct codes *codes = calloc(1, sizeof(*codes));
    if (codes == NULL) {
        return STATUS_NO_MEMORY;
    }
    codes->kind = kind;
    *out_codes = codes;
    return STATUS_OK;
}

void codes_free(struct codes *codes)
{
    if (codes != NULL) {
        free(codes->raw);
        free(codes->rows);
        free(codes->text);
        free(codes);
    }
}

/* Makes room for one more row with `len` bytes of text. */
static bool reserve(struct codes *codes, size_t len)
{
    if (codes->count == codes->capacity) {
        size_t capacity = codes->capacity == 0 ? FIRST_ROWS : 2 * codes->capacity;
        struct raw_row *grown = reallocarray(codes->raw, capacity, sizeof(*grown));
        if (grown == NULL) {
            return false;
        }
        codes->raw = grown;
        codes->capacity = capacity;
    }
    if (codes->text_size - codes->text_len < len) {
        size_t size = codes->text_size == 0 ? FIRST_TEXT : 2 * codes->text_size;
        uint8_t *grown = realloc(codes->text, size);
        if (grown == NULL) {
            return false;
        }
        codes->text = grown;
        codes->text_size = size;
    }
    return true;
}

static void put_text(struct codes *codes, struct bytes text)
{
    if (text.len > 0) {
        memcpy(codes->text + codes->text_len, text.data, text.len);
        codes->text_len += text.len;
    }
}

static bool is_sound(const struct codes *codes, const struct code_row *row)
{
    size_t levels = sizeof(level_words[0]) / sizeof(level_words[0][0]);
    return codes->count < CODES_ROWS_MAX && row->code.len > 0 && row->code.len <= CODES_CODE_MAX &&
           row->parent.len <= CODES_CODE_MAX && row->name.len > 0 &&
           row->name.len <= CODES_NAME_MAX && row->level >= 1 && row->level <= levels &&
           level_words[codes->kind][row->level - 1] != NULL && handle_is_utf8(row->code) &&
           handle_is_utf8(row->name);
}

enum status codes_add(struct codes *codes, const struct code_row *row)
{
    if (codes->rows != NULL || !is_sound(codes, row)) {
        return STATUS_BAD_SYNTAX;
    }
    if (!reserve(codes, row->code.len + row->parent.len + row->name.len)) {
        return STATUS_NO_MEMORY;
    }
    codes->raw[codes->count++] = (struct raw_row){
        .text = codes->text_len,
        .code_len = (uint8_t)row->code.len,
        .parent_len = (uint8_t)row->parent.len,
        .name_len = (uint8_t)row->name.len,
        .level = (uint8_t)row->level,
    };
    put_text(codes, row->code);
    put_text(codes, row->parent);
    put_text(codes, row->name);
    return STATUS_OK;
}

static int by_code(const void *a, const void *b)
{
    const struct code_row *one = a;
    const struct code_row *other = b;
    return bytes_compare(one->code, other->code);
}

static enum status settle(struct codes *codes)
{
    codes->rows = calloc(codes->count + 1, sizeof(*codes->rows));
    if (codes->rows == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < codes->count; i++) {
        const struct raw_row *raw = &codes->raw[i];
        const uint8_t *at = codes->text + raw->text;
        codes->rows[i] = (struct code_row){
            .code = bytes_of(at, raw->code_len),
            .parent = bytes_of(at + raw->code_len, raw->parent_len),
            .level = raw->level,
            .name = bytes_of(at + raw->code_len + raw->parent_len, raw->name_len),
        };
    }
    qsort(codes->rows, codes->count, sizeof(*codes->rows), by_code);
    free(codes->raw);
    codes->raw = NULL;
    return STATUS_OK;
}

/* Municipalities have counties without a city between; industries leave nothing out. */
static bool has_fitting_parent(const struct codes *codes, const struct code_row *row)
{
    if (row->parent.len == 0) {
        return row->level == 1;
    }
    const struct code_row *parent = codes_find(codes, row->parent);
    return parent != NULL && (codes->kind == CODES_REGION ? parent->level < row->level
                                                          : parent->level + 1 == row->level);
}

/* Published tables leave out cities that are none ("directly administered"): what names one as its
 * parent lies in its province, which the first two digits tell. */
static void find_province(const struct codes *codes, struct code_row *row)
{
    if (codes->kind != CODES_REGION || row->code.len != 6 || row->parent.len == 0 ||
        codes_find(codes, row->parent) != NULL) {
        return;
    }
    uint8_t text[6] = {row->code.data[0], row->code.data[1], '0', '0', '0', '0'};
    const struct code_row *province = codes_find(codes, bytes_of(text, sizeof(text)));
    if (province != NULL && province->level == 1) {
        row->parent = province->code;
    }
}

enum status codes_close(struct codes *codes, const struct code_row **out_row)
{
    enum status status = settle(codes);
    if (status != STATUS_OK) {
        return status;
    }
    for (size_t i = 0; i < codes->count; i++) {
        find_province(codes, &codes->rows[i]);
        bool is_double = i > 0 && by_code(&codes->rows[i - 1], &codes->rows[i]) == 0;
        if (is_double || !has_fitting_parent(codes, &codes->rows[i])) {
            *out_row = &codes->rows[i];
            return STATUS_BAD_SYNTAX;
        }
    }
    return STATUS_OK;
}

size_t codes_count(const struct codes *codes)
{
    return codes->count;
}

unsigned codes_level(enum codes_kind kind, struct bytes word)
{
    size_t levels = sizeof(level_words[0]) / sizeof(level_words[0][0]);
    for (size_t i = 0; i < levels && level_words[kind][i] != NULL; i++) {
        if (bytes_equal(word, bytes_of_text(level_words[kind][i]))) {
            return (unsigned)i + 1;
        }
    }
    return 0;
}

const struct code_row *codes_find(const struct codes *codes, struct bytes code)
{
    const struct code_row wanted = {.code = code};
    return codes->rows == NULL
               ? NULL
               : bsearch(&wanted, codes->rows, codes->count, sizeof(*codes->rows), by_code);
}

bool codes_nests(const struct codes *codes, struct bytes inner, struct bytes outer)
{
    /* Parents are of a lower level, so this ends. */
    for (const struct code_row *row = codes_find(codes, inner); row != NULL && row->parent.len > 0;
         row = codes_find(codes, row->parent)) {
        if (bytes_equal(row->parent, outer)) {
            return codes_find(codes, outer) != NULL;
        }
    }
    return false;
}
