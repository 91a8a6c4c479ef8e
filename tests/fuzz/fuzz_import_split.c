/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as lines of CSV: what import_split takes, libcsv takes, too, as one whole row of the
 * same fields. What it leaves to libcsv it leaves untouched.
 */
#include <csv.h>
#include <stdlib.h>

#include "admin/import_split.h"

#define FIELDS_MAX 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct parsed {
    struct import_text text;
    size_t starts[FIELDS_MAX + 1];
    size_t count;
    size_t rows;
};

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static int no_space(unsigned char c)
{
    (void)c;
    return 0;
}

static void on_field(void *text, size_t len, void *context)
{
    struct parsed *parsed = context;
    require(parsed->rows == 0);
    if (parsed->count < FIELDS_MAX) {
        require(import_text_append(&parsed->text, bytes_of(text, len)));
        parsed->starts[parsed->count + 1] = parsed->text.len;
    }
    parsed->count++;
}

static void on_row(int end, void *context)
{
    (void)end;
    ((struct parsed *)context)->rows++;
}

/* As import_csv.c asks it. */
static struct parsed parse(struct bytes line)
{
    struct parsed parsed = {0};
    struct csv_parser parser;
    require(csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI) == 0);
    csv_set_space_func(&parser, no_space);
    require(csv_parse(&parser, line.data, line.len, on_field, on_row, &parsed) == line.len);
    require(parsed.rows == 1);
    require(csv_fini(&parser, on_field, on_row, &parsed) == 0);
    require(parsed.rows == 1);
    csv_free(&parser);
    return parsed;
}

static void compare(struct bytes line, size_t max)
{
    struct import_text text = {0};
    size_t starts[FIELDS_MAX + 1] = {0};
    size_t count = 0;
    if (!import_split_row(line, &text, starts, max, &count)) {
        require(text.len == 0);
        free(text.data);
        return;
    }
    struct parsed parsed = parse(line);
    require(parsed.count == count);
    size_t kept = count < max ? count : max;
    for (size_t i = 0; i <= kept; i++) {
        require(starts[i] == parsed.starts[i]);
    }
    require(text.len == starts[kept]);
    require(text.len == 0 || memcmp(text.data, parsed.text.data, text.len) == 0);
    free(text.data);
    free(parsed.text.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes rest = bytes_of(data, size);
    while (rest.len > 0) {
        const uint8_t *end = memchr(rest.data, '\n', rest.len);
        size_t len = end == NULL ? rest.len : (size_t)(end - rest.data) + 1;
        compare(bytes_of(rest.data, len), FIELDS_MAX);
        compare(bytes_of(rest.data, len), 1);
        rest = bytes_from(rest, len);
    }
    return 0;
}
