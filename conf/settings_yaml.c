/* SPDX-License-Identifier: Apache-2.0
 *
 * The reader of guantong.yaml on libyaml's events: three levels, one function each, so that depth
 * is bounded by the code and not by the file. See settings_yaml.h.
 */
#include "conf/settings_yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <yaml.h>

#include "conf/settings_value.h"

#define NAME_TEXT 128     /* "section.key" as it stands in messages */
#define PLAIN_NAME_MAX 40 /* a longer name is shortened in messages */
#define NEAR_DISTANCE 3   /* typing errors up to which "did you mean" is fair */

struct place {
    size_t line;
    size_t column;
};

struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one */
    const char *name;
    struct bytes text;
    struct settings *settings;
    struct arena *arena;
    struct place *places;   /* per row: where its value stands; line 0: not in the file */
    struct place *sections; /* per first row of a section: where its name stands */
    struct fault *fault;
};

static struct place place_of(yaml_mark_t mark)
{
    return (struct place){.line = mark.line + 1, .column = mark.column + 1};
}

static struct place here(const struct reader *reader)
{
    return place_of(reader->event.start_mark);
}

__attribute__((format(printf, 3, 4))) static enum status
refuse(struct reader *reader, struct place place, const char *format, ...)
{
    char why[sizeof(((struct fault *)NULL)->text)];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(why, sizeof(why), format, arguments);
    va_end(arguments);
    return fault_set(reader->fault, STATUS_BAD_SETTING, "%s:%zu:%zu: %s", reader->name, place.line,
                     place.column, why);
}

/* Passes on what another file found: a reason gets its place, lack of memory needs none. */
static enum status pass_on(struct reader *reader, struct place place, enum status status,
                           const struct fault *why)
{
    return status == STATUS_BAD_SETTING ? refuse(reader, place, "%s", why->text) : status;
}

/* Line and column of a byte: libyaml tells the byte only when it is not UTF-8. */
static struct place place_of_offset(struct bytes text, size_t offset)
{
    struct place place = {.line = 1, .column = 1};
    for (size_t i = 0; i < offset && i < text.len; i++) {
        if (text.data[i] == '\n') {
            place = (struct place){.line = place.line + 1, .column = 1};
        } else if ((text.data[i] & 0xc0) != 0x80) {
            place.column++;
        }
    }
    return place;
}

static enum status refuse_syntax(struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    const char *problem = parser->problem == NULL ? "not YAML" : parser->problem;
    if (parser->error == YAML_MEMORY_ERROR) {
        return STATUS_NO_MEMORY;
    }
    if (parser->error == YAML_READER_ERROR) {
        return refuse(reader, place_of_offset(reader->text, parser->problem_offset),
                      "not UTF-8 text (%s)", problem);
    }
    return refuse(reader, place_of(parser->problem_mark), "%s", problem);
}

/* An event of the allowed kinds, or a refusal. */
static enum status next(struct reader *reader)
{
    yaml_event_delete(&reader->event);
    if (yaml_parser_parse(&reader->parser, &reader->event) == 0) {
        return refuse_syntax(reader);
    }
    const yaml_event_t *event = &reader->event;
    const yaml_char_t *anchor = NULL;
    const yaml_char_t *tag = NULL;
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return refuse(reader, here(reader), "aliases (*name) are not allowed");
    case YAML_SCALAR_EVENT:
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
        if (memchr(event->data.scalar.value, '\0', event->data.scalar.length) != NULL) {
            return refuse(reader, here(reader), "a text may not hold a zero byte");
        }
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
        break;
    default:
        break;
    }
    if (anchor != NULL) {
        return refuse(reader, here(reader), "anchors (&name) are not allowed");
    }
    return tag == NULL ? STATUS_OK : refuse(reader, here(reader), "tags (!name) are not allowed");
}

static const char *scalar(const struct reader *reader)
{
    return (const char *)reader->event.data.scalar.value;
}

/* `key:` with nothing behind it. */
static bool is_nothing(const struct reader *reader)
{
    return reader->event.type == YAML_SCALAR_EVENT &&
           reader->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (scalar(reader)[0] == '\0' || strcmp(scalar(reader), "~") == 0 ||
            strcmp(scalar(reader), "null") == 0);
}

static void show_name(char out[NAME_TEXT], const char *section, const char *key)
{
    size_t plain = strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
    bool is_plain = plain > 0 && plain <= PLAIN_NAME_MAX && key[plain] == '\0';
    const struct settings_quote quote = settings_quote(key);
    (void)snprintf(out, NAME_TEXT, "%s%s%.60s", section, section[0] == '\0' ? "" : ".",
                   is_plain ? key : quote.text);
}

static enum status refuse_key(struct reader *reader, const char *section, const char *key)
{
    const struct setting_row *nearest = settings_row(0);
    char shown[NAME_TEXT];
    char full[2 * NAME_TEXT];
    show_name(shown, section, key);
    (void)snprintf(full, sizeof(full), "%s.%.128s", section, key);
    (void)settings_find(full, &nearest);
    for (size_t i = 0; i < settings_row_count(); i++) { /* the right key in the wrong section */
        if (strcmp(settings_row(i)->key, key) == 0) {
            nearest = settings_row(i);
        }
    }
    char meant[NAME_TEXT];
    (void)snprintf(meant, sizeof(meant), "%s.%s", nearest->section, nearest->key);
    bool is_near =
        settings_distance(full, meant) <= NEAR_DISTANCE || strcmp(nearest->key, key) == 0;
    return refuse(reader, here(reader), "unknown setting %s; %s %s%s", shown,
                  is_near ? "did you mean" : "the nearest known one is", meant, is_near ? "?" : "");
}

static enum status refuse_section(struct reader *reader, const char *section)
{
    const struct setting_row *nearest = settings_row(0);
    size_t best = SIZE_MAX;
    char shown[NAME_TEXT];
    show_name(shown, "", section);
    for (size_t i = 0; i < settings_row_count(); i++) {
        const struct setting_row *row = settings_row(i);
        size_t distance = settings_distance(section, row->section);
        if (strcmp(section, row->key) == 0) {
            return refuse(reader, here(reader),
                          "unknown section %s; did you mean %s, below section %s?", shown, row->key,
                          row->section);
        }
        if (distance < best) {
            best = distance;
            nearest = row;
        }
    }
    bool is_near = best <= NEAR_DISTANCE;
    return refuse(reader, here(reader), "unknown section %s; %s %s%s", shown,
                  is_near ? "did you mean" : "the nearest known one is", nearest->section,
                  is_near ? "?" : "");
}

static enum status read_sequence(struct reader *reader, const struct setting_row *row)
{
    const char *items[SETTINGS_ITEMS_MAX];
    size_t count = 0;
    if (row->type != SETTING_LIST) {
        return refuse(reader, here(reader), "%s.%s: takes one value, not a list", row->section,
                      row->key);
    }
    enum status status = next(reader);
    for (; status == STATUS_OK && reader->event.type == YAML_SCALAR_EVENT; status = next(reader)) {
        struct fault why = {.status = STATUS_OK};
        if (count == SETTINGS_ITEMS_MAX) {
            return refuse(reader, here(reader), "%s.%s: more than %d items", row->section, row->key,
                          SETTINGS_ITEMS_MAX);
        }
        status = settings_check_item(row, scalar(reader), &why);
        if (status != STATUS_OK) {
            return pass_on(reader, here(reader), status, &why);
        }
        items[count] = arena_text(reader->arena, bytes_of_text(scalar(reader)));
        if (items[count++] == NULL) {
            return STATUS_NO_MEMORY;
        }
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (reader->event.type != YAML_SEQUENCE_END_EVENT) {
        return refuse(reader, here(reader), "%s.%s: an item must be a plain text", row->section,
                      row->key);
    }
    return settings_value_list(reader->arena, items, count, settings_field(reader->settings, row));
}

/* The current event starts the value of `row`. */
static enum status read_value(struct reader *reader, const struct setting_row *row)
{
    if (reader->event.type == YAML_SEQUENCE_START_EVENT) {
        return read_sequence(reader, row);
    }
    if (reader->event.type != YAML_SCALAR_EVENT) {
        return refuse(reader, here(reader), "%s.%s: takes a value, not further keys", row->section,
                      row->key);
    }
    if (is_nothing(reader)) {
        return refuse(reader, here(reader), "%s.%s: has no value (write \"\" for an empty text)",
                      row->section, row->key);
    }
    struct fault why = {.status = STATUS_OK};
    enum status status = settings_value_parse(reader->arena, row, scalar(reader),
                                              settings_field(reader->settings, row), &why);
    return pass_on(reader, here(reader), status, &why);
}

/* The current event is a key below `section`. */
static enum status read_key(struct reader *reader, const char *section)
{
    if (reader->event.type != YAML_SCALAR_EVENT) {
        return refuse(reader, here(reader), "section %s: a key must be a plain text", section);
    }
    const struct setting_row *row = NULL;
    size_t index = 0;
    for (; index < settings_row_count() && row == NULL; index++) {
        const struct setting_row *candidate = settings_row(index);
        if (strcmp(candidate->section, section) == 0 &&
            strcmp(candidate->key, scalar(reader)) == 0) {
            row = candidate;
        }
    }
    if (row == NULL) {
        return refuse_key(reader, section, scalar(reader));
    }
    struct place *place = &reader->places[index - 1];
    if (place->line != 0) {
        return refuse(reader, here(reader), "%s.%s: set twice, first in line %zu", section,
                      row->key, place->line);
    }
    *place = here(reader);
    enum status status = next(reader);
    return status == STATUS_OK ? read_value(reader, row) : status;
}

/* The current event is the name of a section. */
static enum status read_section(struct reader *reader)
{
    if (reader->event.type != YAML_SCALAR_EVENT) {
        return refuse(reader, here(reader), "the name of a section must be a plain text");
    }
    const char *section = NULL;
    size_t index = 0;
    for (; index < settings_row_count() && section == NULL; index++) {
        if (strcmp(settings_row(index)->section, scalar(reader)) == 0) {
            section = settings_row(index)->section;
        }
    }
    if (section == NULL) {
        return refuse_section(reader, scalar(reader));
    }
    struct place *place = &reader->sections[index - 1];
    if (place->line != 0) {
        return refuse(reader, here(reader), "section %s: stands twice, first in line %zu", section,
                      place->line);
    }
    *place = here(reader);
    enum status status = next(reader);
    if (status != STATUS_OK || is_nothing(reader)) {
        return status; /* all keys of the section may be commented out */
    }
    if (reader->event.type != YAML_MAPPING_START_EVENT) {
        return refuse(reader, here(reader), "section %s: keys are expected below it", section);
    }
    status = next(reader);
    while (status == STATUS_OK && reader->event.type != YAML_MAPPING_END_EVENT) {
        status = read_key(reader, section);
        status = status == STATUS_OK ? next(reader) : status;
    }
    return status;
}

/* The current event starts the document's content. */
static enum status read_sections(struct reader *reader)
{
    if (is_nothing(reader)) {
        return STATUS_OK;
    }
    if (reader->event.type != YAML_MAPPING_START_EVENT) {
        return refuse(reader, here(reader), "sections such as node: or listen: are expected");
    }
    enum status status = next(reader);
    while (status == STATUS_OK && reader->event.type != YAML_MAPPING_END_EVENT) {
        status = read_section(reader);
        status = status == STATUS_OK ? next(reader) : status;
    }
    return status;
}

static enum status read_stream(struct reader *reader)
{
    enum status status = next(reader); /* the stream's start */
    status = status == STATUS_OK ? next(reader) : status;
    if (status != STATUS_OK || reader->event.type == YAML_STREAM_END_EVENT) {
        return status; /* empty, or nothing but comments: defaults */
    }
    status = next(reader);
    status = status == STATUS_OK ? read_sections(reader) : status;
    status = status == STATUS_OK ? next(reader) : status; /* the document's end */
    status = status == STATUS_OK ? next(reader) : status;
    if (status == STATUS_OK && reader->event.type != YAML_STREAM_END_EVENT) {
        return refuse(reader, here(reader), "a second document starts here");
    }
    return status;
}

static enum status check_whole(struct reader *reader)
{
    struct fault why = {.status = STATUS_OK};
    const struct setting_row *row = NULL;
    enum status status = settings_check_whole(reader->settings, &row, &why);
    struct place place = {.line = 1, .column = 1};
    for (size_t i = 0; i < settings_row_count(); i++) {
        if (settings_row(i) == row && reader->places[i].line != 0) {
            place = reader->places[i];
        }
    }
    return pass_on(reader, place, status, &why);
}

enum status settings_yaml_read(struct bytes text, const char *name, struct settings *settings,
                               struct fault *fault)
{
    struct reader reader = {.name = name, .text = text, .settings = settings, .fault = fault};
    reader.arena = settings_arena(settings);
    reader.places = arena_calloc(reader.arena, settings_row_count(), sizeof(*reader.places));
    reader.sections = arena_calloc(reader.arena, settings_row_count(), sizeof(*reader.sections));
    if (reader.places == NULL || reader.sections == NULL ||
        yaml_parser_initialize(&reader.parser) == 0) {
        return fault_set(fault, STATUS_NO_MEMORY, "%s: out of memory", name);
    }
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, text.data, text.len);
    enum status status = read_stream(&reader);
    status = status == STATUS_OK ? check_whole(&reader) : status;
    yaml_event_delete(&reader.event);
    yaml_parser_delete(&reader.parser);
    if (status == STATUS_NO_MEMORY) {
        (void)fault_set(fault, status, "%s: out of memory", name);
    }
    return status;
}
