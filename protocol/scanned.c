/* SPDX-License-Identifier: Apache-2.0
 *
 * Readings of scanned text; see scanned.h.
 *
 * First the carrier is taken off (address, scheme, blanks), then the rest is cleaned code point by
 * code point.
 */
#include "protocol/scanned.h"

#include <stdlib.h>

#include <utf8proc.h>

/* --- the carrier --------------------------------------------------------------------------------
 */

static bool takes_nocase(struct bytes *text, const char *start)
{
    struct bytes begin = bytes_of_text(start);
    if (text->len < begin.len || !bytes_equal_nocase(bytes_of(text->data, begin.len), begin)) {
        return false;
    }
    *text = bytes_from(*text, begin.len);
    return true;
}

static size_t find(struct bytes text, const char *any)
{
    size_t at = 0;
    while (at < text.len && (text.data[at] == '\0' || strchr(any, text.data[at]) == NULL)) {
        at++;
    }
    return at;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_char(uint8_t c)
{
    uint8_t upper = bytes_ascii_upper(c);
    return is_digit(c) || (upper >= 'A' && upper <= 'Z');
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct bytes trimmed(struct bytes text)
{
    while (text.len > 0 && is_blank(text.data[0])) {
        text = bytes_from(text, 1);
    }
    while (text.len > 0 && is_blank(text.data[text.len - 1])) {
        text.len--;
    }
    return text;
}

/* 88.608 or 0.NA with something behind its slash: what addresses of proxies carry. */
static bool begins_with_prefix(struct bytes text)
{
    struct bytes prefix = handle_prefix(text);
    return prefix.len > 0 && text.len > prefix.len + 1 && is_digit(prefix.data[0]) &&
           handle_check_prefix(prefix, NULL) == STATUS_OK;
}

static int hex_digit(uint8_t c)
{
    uint8_t upper = bytes_ascii_upper(c);
    if (is_digit(c)) {
        return c - '0';
    }
    return upper >= 'A' && upper <= 'F' ? upper - 'A' + 10 : -1;
}

/* Undoes percent escapes; a broken one stays as it is. NULL data: no memory. */
static struct bytes unescaped(struct arena *arena, struct bytes text, bool plus_is_blank)
{
    uint8_t *room = arena_alloc(arena, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; room != NULL && i < text.len; i++) {
        int high = text.data[i] == '%' && i + 2 < text.len ? hex_digit(text.data[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(text.data[i + 2]) : -1;
        if (low >= 0) {
            room[len++] = (uint8_t)(high * 16 + low);
            i += 2;
        } else {
            room[len++] = text.data[i] == '+' && plus_is_blank ? ' ' : text.data[i];
        }
    }
    return bytes_of(room, room == NULL ? 0 : len);
}

/* ?hdl=NAME and its like, where the path says nothing. */
static struct bytes name_of_query(struct arena *arena, struct bytes query)
{
    static const char *const parameters[] = {"hdl=", "handle=", "identifier=", "id=", "code="};
    while (query.len > 0) {
        size_t end = find(query, "&");
        struct bytes one = bytes_of(query.data, end);
        for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++) {
            struct bytes value = one;
            if (takes_nocase(&value, parameters[i]) && value.len > 0) {
                return unescaped(arena, value, true);
            }
        }
        query = bytes_from(query, end + 1);
    }
    return BYTES_NONE;
}

static bool takes_scheme(struct bytes *text)
{
    struct bytes rest = *text;
    if (takes_nocase(&rest, "info:hdl/") || takes_nocase(&rest, "info:doi/") ||
        takes_nocase(&rest, "hdl:") || takes_nocase(&rest, "doi:")) {
        *text = rest;
        return true;
    }
    if (takes_nocase(&rest, "urn:")) {
        size_t space = find(rest, ":/");
        if (space < rest.len && rest.data[space] == ':') {
            *text = bytes_from(rest, space + 1);
            return true;
        }
    }
    return false;
}

/* The name in what follows the host: behind /api/handles/ or some other path, or in the query. */
static struct bytes name_of_address(struct arena *arena, struct bytes rest)
{
    size_t end = find(rest, "?#");
    struct bytes path = bytes_of(rest.data, end);
    struct bytes query = bytes_from(rest, end + 1);
    if (end < rest.len && rest.data[end] == '#') {
        query = BYTES_NONE;
    }
    query.len = query.len == 0 ? 0 : find(query, "#");
    struct bytes name = unescaped(arena, path, false);
    (void)takes_nocase(&name, "api/handles/");
    while (name.len > 0 && !takes_scheme(&name) && !begins_with_prefix(name)) {
        const uint8_t *slash = memchr(name.data, '/', name.len);
        name = slash == NULL ? BYTES_NONE : bytes_from(name, (size_t)(slash - name.data) + 1);
    }
    return name.len > 0 ? name : name_of_query(arena, query);
}

/* http://host/..., //host/..., or host.example/88...: true when there is a name in it. */
static bool takes_address(struct arena *arena, struct bytes *text)
{
    struct bytes rest = *text;
    bool has_scheme = takes_nocase(&rest, "https://") || takes_nocase(&rest, "http://") ||
                      takes_nocase(&rest, "https:/") || takes_nocase(&rest, "http:/") ||
                      takes_nocase(&rest, "//");
    struct bytes host = handle_prefix(rest);
    bool looks_like_host = find(host, ".:") < host.len;
    if (host.len == 0 || (!has_scheme && (!looks_like_host || is_digit(host.data[0])))) {
        return false;
    }
    struct bytes name = name_of_address(arena, bytes_from(rest, host.len + 1));
    if (name.len == 0) {
        return false;
    }
    *text = name;
    return true;
}

/* What a carrier put around the name. */
static struct scanned_reading without_carrier(struct arena *arena, struct bytes text)
{
    struct scanned_reading reading = {trimmed(text), 0};
    if (takes_scheme(&reading.name)) {
        reading.changes |= SCANNED_SCHEME;
    } else if (takes_address(arena, &reading.name)) {
        reading.changes |= SCANNED_ADDRESS;
    }
    struct bytes bare = trimmed(reading.name);
    reading.changes |=
        trimmed(text).len != text.len || bare.len != reading.name.len ? SCANNED_BLANKS : 0u;
    reading.name = bare;
    return reading;
}

/* --- guesses ------------------------------------------------------------------------------------
 */

/* What other alphabets have that looks like ASCII, in order of code points. */
static const struct look_alike {
    int32_t point;
    char ascii;
} look_alikes[] = {
    {0x00B7, '.'}, {0x0391, 'A'}, {0x0392, 'B'}, {0x0395, 'E'}, {0x0396, 'Z'}, {0x0397, 'H'},
    {0x0399, 'I'}, {0x039A, 'K'}, {0x039C, 'M'}, {0x039D, 'N'}, {0x039F, 'O'}, {0x03A1, 'P'},
    {0x03A4, 'T'}, {0x03A5, 'Y'}, {0x03A7, 'X'}, {0x03BF, 'o'}, {0x0405, 'S'}, {0x0406, 'I'},
    {0x0408, 'J'}, {0x0410, 'A'}, {0x0412, 'B'}, {0x0415, 'E'}, {0x041A, 'K'}, {0x041C, 'M'},
    {0x041D, 'H'}, {0x041E, 'O'}, {0x0420, 'P'}, {0x0421, 'C'}, {0x0422, 'T'}, {0x0425, 'X'},
    {0x0430, 'a'}, {0x0435, 'e'}, {0x043E, 'o'}, {0x0440, 'p'}, {0x0441, 'c'}, {0x0443, 'y'},
    {0x0445, 'x'}, {0x0455, 's'}, {0x0456, 'i'}, {0x0458, 'j'}, {0x2010, '-'}, {0x2011, '-'},
    {0x2012, '-'}, {0x2013, '-'}, {0x2014, '-'}, {0x2015, '-'}, {0x2022, '.'}, {0x2024, '.'},
    {0x2027, '.'}, {0x2044, '/'}, {0x2212, '-'}, {0x2215, '/'}, {0x2571, '/'}, {0x29F8, '/'},
    {0x3001, ','}, {0x3002, '.'}, {0x30FB, '.'},
};

static int by_point(const void *a, const void *b)
{
    int32_t left = *(const int32_t *)a;
    int32_t right = ((const struct look_alike *)b)->point;
    return left < right ? -1 : left > right;
}

static char look_alike_of(int32_t point)
{
    const struct look_alike *found =
        bsearch(&point, look_alikes, sizeof(look_alikes) / sizeof(look_alikes[0]),
                sizeof(look_alikes[0]), by_point);
    return found == NULL ? '\0' : found->ascii;
}

/* Cannot be seen, so nobody can have meant it. */
static bool is_invisible(int32_t point)
{
    utf8proc_category_t category = utf8proc_category(point);
    return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF ||
           category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL ||
           category == UTF8PROC_CATEGORY_ZP || (point >= 0xFE00 && point <= 0xFE0F);
}

/* NFKC of valid UTF-8; the text itself when nothing changes or memory is out. */
static struct bytes composed(struct arena *arena, struct bytes text, unsigned *changes)
{
    utf8proc_uint8_t *made = NULL;
    utf8proc_ssize_t len =
        utf8proc_map(text.data, (utf8proc_ssize_t)text.len, &made,
                     (utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT));
    struct bytes result = text;
    if (len > 0 && !bytes_equal(bytes_of(made, (size_t)len), text)) {
        result = arena_copy(arena, bytes_of(made, (size_t)len));
        *changes |= SCANNED_WIDTH;
    }
    free(made);
    return result.data == NULL ? text : result;
}

/* Without what cannot be seen, and with ASCII for what looks like it. */
static struct bytes cleaned(struct arena *arena, struct bytes text, unsigned *changes)
{
    uint8_t *room = arena_alloc(arena, text.len + 1);
    size_t len = 0;
    for (size_t at = 0; room != NULL && at < text.len;) {
        utf8proc_int32_t point = -1;
        utf8proc_ssize_t step =
            utf8proc_iterate(text.data + at, (utf8proc_ssize_t)(text.len - at), &point);
        size_t taken = step > 0 ? (size_t)step : 1;
        char ascii = step > 0 ? look_alike_of(point) : '\0';
        if (step > 0 && is_invisible(point)) {
            *changes |= SCANNED_INVISIBLE;
        } else if (ascii != '\0') {
            room[len++] = (uint8_t)ascii;
            *changes |= SCANNED_LOOK_ALIKE;
        } else {
            memcpy(room + len, text.data + at, taken);
            len += taken;
        }
        at += taken;
    }
    return room == NULL ? text : bytes_of(room, len);
}

/* Words before the name: up to where digits and dots begin that end with a slash. */
static struct bytes without_words(struct bytes text, unsigned *changes)
{
    for (size_t at = 0; at < text.len; at++) {
        bool may_begin = at == 0 || !(is_name_char(text.data[at - 1]) || text.data[at - 1] == '.');
        if (may_begin && is_digit(text.data[at]) && begins_with_prefix(bytes_from(text, at))) {
            *changes |= at > 0 ? SCANNED_AROUND : 0u;
            return bytes_from(text, at);
        }
    }
    return text;
}

static struct bytes without_ending(struct bytes text, unsigned *changes)
{
    static const char *const endings[] = {"/", ".",  ",", ";",  ":", "!", "?",  ")",  "]",  "}",
                                          ">", "\"", "'", "\\", "”", "’", "》", "】", "」", "』"};
    bool goes_on = true;
    while (goes_on && text.len > 1) {
        goes_on = false;
        for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
            struct bytes end = bytes_of_text(endings[i]);
            if (text.len > end.len && bytes_equal(bytes_from(text, text.len - end.len), end)) {
                text.len -= end.len;
                *changes |= SCANNED_ENDING;
                goes_on = true;
            }
        }
    }
    return text;
}

/* O and l among digits: in a prefix that would be all digits otherwise, or in a suffix. */
static void digits_for_letters(uint8_t *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        switch (text[i]) {
        case 'O':
        case 'o':
            text[i] = '0';
            break;
        case 'I':
        case 'l':
        case '|':
            text[i] = '1';
            break;
        default:
            break;
        }
    }
}

static bool is_number(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!is_digit(text.data[i]) && text.data[i] != '.') {
            return false;
        }
    }
    return text.len > 0;
}

/* The prefix in digits when that makes it a number, a backslash as slash. */
static struct bytes with_digits(struct arena *arena, struct bytes text, unsigned *changes)
{
    struct bytes copy = arena_copy(arena, text);
    if (copy.data == NULL) {
        return text;
    }
    uint8_t *room = arena_alloc(arena, copy.len);
    if (room == NULL) {
        return text;
    }
    memcpy(room, copy.data, copy.len);
    size_t slash = find(copy, "/\\");
    if (slash < copy.len) {
        room[slash] = '/';
    }
    struct bytes result = bytes_of(room, copy.len);
    uint8_t prefix[HANDLE_PREFIX_MAX];
    size_t len = slash < copy.len ? slash : 0;
    if (len > 0 && len <= sizeof(prefix) && !handle_is_prefix_record(result)) {
        memcpy(prefix, room, len);
        digits_for_letters(prefix, len);
        if (is_number(bytes_of(prefix, len))) {
            memcpy(room, prefix, len);
        }
    }
    *changes |= bytes_equal(result, text) ? 0u : SCANNED_LOOK_ALIKE;
    return result;
}

static struct scanned_reading guess(struct arena *arena, struct bytes text)
{
    struct scanned_reading reading = {BYTES_NONE, 0};
    struct bytes plain = cleaned(arena, text, &reading.changes);
    plain = composed(arena, plain, &reading.changes);
    plain = cleaned(arena, plain, &reading.changes); /* what composing brought: 。 of ｡ */
    struct scanned_reading inner = without_carrier(arena, plain);
    reading.changes |= inner.changes;
    struct bytes decoded = unescaped(arena, inner.name, false);
    if (decoded.data != NULL && decoded.len != inner.name.len && handle_is_utf8(decoded)) {
        reading.changes |= SCANNED_ESCAPES;
        inner.name = decoded;
    }
    struct bytes name = with_digits(arena, inner.name, &reading.changes);
    name = without_words(name, &reading.changes);
    reading.name = without_ending(name, &reading.changes);
    return reading;
}

/* The suffix with digits for letters that look like them. */
static struct scanned_reading bold_guess(struct arena *arena, struct scanned_reading base)
{
    struct bytes prefix = handle_prefix(base.name);
    uint8_t *room = arena_alloc(arena, base.name.len + 1);
    if (room == NULL || prefix.len == 0) {
        return base;
    }
    memcpy(room, base.name.data, base.name.len);
    digits_for_letters(room + prefix.len, base.name.len - prefix.len);
    base.name = bytes_of(room, base.name.len);
    base.changes |= SCANNED_LOOK_ALIKE;
    return base;
}

/* --- readings -----------------------------------------------------------------------------------
 */

/* Could this be a handle as it stands? */
static bool is_possible(struct bytes name)
{
    struct bytes prefix = handle_prefix(name);
    return name.len > 0 && name.len <= HANDLE_MAX && handle_is_utf8(name) &&
           handle_check_prefix(prefix.len > 0 ? prefix : name, NULL) == STATUS_OK;
}

static void keep(struct scanned *scanned, struct scanned_reading reading)
{
    bool is_bare_prefix = handle_prefix(reading.name).len == 0;
    if (!is_possible(reading.name) || scanned->count == SCANNED_READINGS_MAX ||
        (is_bare_prefix && reading.changes != 0 && !is_digit(reading.name.data[0]))) {
        return;
    }
    for (size_t i = 0; i < scanned->count; i++) {
        if (bytes_equal(scanned->readings[i].name, reading.name)) {
            return;
        }
    }
    scanned->readings[scanned->count++] = reading;
}

enum status scanned_read(struct arena *arena, struct bytes text, struct scanned *out_scanned)
{
    struct scanned scanned = {.count = 0};
    if (text.len == 0 || text.len > SCANNED_TEXT_MAX) {
        return STATUS_INVALID_HANDLE;
    }
    struct scanned_reading exact = {text, 0};
    struct scanned_reading bare = without_carrier(arena, text);
    keep(&scanned, exact);
    keep(&scanned, bare);
    if (handle_is_utf8(text)) {
        struct scanned_reading guessed = guess(arena, text);
        keep(&scanned, guessed);
        keep(&scanned, bold_guess(arena, guessed));
    }
    if (scanned.count == 0) {
        return STATUS_INVALID_HANDLE;
    }
    *out_scanned = scanned;
    return STATUS_OK;
}

bool scanned_is_guess(const struct scanned_reading *reading)
{
    return (reading->changes & ~(unsigned)SCANNED_CARRIER) != 0;
}
