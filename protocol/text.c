/* SPDX-License-Identifier: Apache-2.0
 *
 * Binary and times as text, of our own: both alphabets of base64 and both kinds of UTC time must be
 * read strictly, and results belong into an arena.
 */
#include "protocol/text.h"

#include <time.h>

#include "protocol/wire.h"

#define BASE64_STANDARD "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
#define BASE64_URL "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

#define YEAR_MAX_S 253402300799   /* 9999-12-31T23:59:59Z, the last RFC 3339 can write */
#define YEAR_MIN_S (-62167219200) /* 0000-01-01T00:00:00Z */

char *text_hex(struct arena *arena, struct bytes data)
{
    static const char digits[] = "0123456789abcdef";
    char *text = data.len > SIZE_MAX / 2 - 1 ? NULL : arena_alloc(arena, data.len * 2 + 1);
    if (text == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < data.len; i++) {
        text[2 * i] = digits[data.data[i] >> 4];
        text[2 * i + 1] = digits[data.data[i] & 0x0f];
    }
    text[2 * data.len] = '\0';
    return text;
}

/* -1 for anything but a hex digit. */
static int hex_digit(uint8_t c)
{
    uint8_t upper = bytes_ascii_upper(c);
    if (upper >= '0' && upper <= '9') {
        return upper - '0';
    }
    return upper >= 'A' && upper <= 'F' ? upper - 'A' + 10 : -1;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

enum status text_hex_parse(struct bytes text, struct arena *arena, struct bytes *out_data)
{
    uint8_t *data = arena_alloc(arena, text.len / 2 + 1);
    unsigned pending = 0;
    size_t digits = 0;
    if (data == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < text.len; i++) {
        int digit = hex_digit(text.data[i]);
        if (digit < 0 && !is_space(text.data[i])) {
            return STATUS_BAD_SYNTAX;
        }
        if (digit < 0) {
            continue;
        }
        pending = pending << 4 | (unsigned)digit;
        if (digits % 2 == 1) {
            data[digits / 2] = (uint8_t)pending;
        }
        digits++;
    }
    if (digits % 2 != 0) {
        return STATUS_BAD_SYNTAX;
    }
    *out_data = bytes_of(data, digits / 2);
    return STATUS_OK;
}

/* Four characters for each three bytes; the last group's missing ones are `padding` or left out. */
static char *base64_encode(struct arena *arena, struct bytes data, const char *alphabet,
                           bool is_padded)
{
    struct wire_reader r = wire_read(data);
    char *text = data.len > SIZE_MAX / 2 ? NULL : arena_alloc(arena, (data.len + 2) / 3 * 4 + 1);
    size_t len = 0;
    if (text == NULL) {
        return NULL;
    }
    while (wire_left(&r) > 0) {
        size_t have = wire_left(&r) < 3 ? wire_left(&r) : 3;
        uint32_t bits = 0;
        for (size_t i = 0; i < 3; i++) {
            bits = bits << 8 | (i < have ? wire_u8(&r) : 0);
        }
        for (size_t i = 0; i < 4; i++) {
            if (i <= have) {
                text[len++] = alphabet[bits >> (18 - 6 * i) & 0x3f];
            } else if (is_padded) {
                text[len++] = '=';
            }
        }
    }
    text[len] = '\0';
    return text;
}

char *text_base64(struct arena *arena, struct bytes data)
{
    return base64_encode(arena, data, BASE64_STANDARD, true);
}

char *text_base64url(struct arena *arena, struct bytes data)
{
    return base64_encode(arena, data, BASE64_URL, false);
}

static void base64_values(const char *alphabet, uint8_t values[256])
{
    memset(values, 0xff, 256);
    for (uint8_t i = 0; i < 64; i++) {
        values[(uint8_t)alphabet[i]] = i;
    }
}

/* `text` without padding; bits left over behind the last byte must be zero. */
static enum status base64_decode(struct bytes text, const char *alphabet, struct arena *arena,
                                 struct bytes *out_data)
{
    uint8_t values[256];
    uint8_t *data = arena_alloc(arena, text.len / 4 * 3 + 3);
    uint32_t bits = 0;
    unsigned held = 0;
    size_t len = 0;
    if (data == NULL) {
        return STATUS_NO_MEMORY;
    }
    base64_values(alphabet, values);
    for (size_t i = 0; i < text.len; i++) {
        uint8_t six = values[text.data[i]];
        if (six == 0xff) {
            return STATUS_BAD_SYNTAX;
        }
        bits = bits << 6 | six;
        held += 6;
        if (held >= 8) {
            held -= 8;
            data[len++] = (uint8_t)(bits >> held);
        }
    }
    if (held == 6 || (bits & ((1u << held) - 1)) != 0) {
        return STATUS_BAD_SYNTAX;
    }
    *out_data = bytes_of(data, len);
    return STATUS_OK;
}

enum status text_base64_parse(struct bytes text, struct arena *arena, struct bytes *out_data)
{
    if (text.len % 4 != 0) {
        return STATUS_BAD_SYNTAX;
    }
    for (unsigned i = 0; i < 2 && text.len > 0 && text.data[text.len - 1] == '='; i++) {
        text.len--;
    }
    return base64_decode(text, BASE64_STANDARD, arena, out_data);
}

enum status text_base64url_parse(struct bytes text, struct arena *arena, struct bytes *out_data)
{
    return base64_decode(text, BASE64_URL, arena, out_data);
}

/* Times RFC 3339 cannot write become the nearest it can. */
static struct tm broken_down(int64_t seconds)
{
    struct tm tm = {.tm_mday = 1};
    time_t within = seconds > YEAR_MAX_S ? YEAR_MAX_S : seconds;
    within = within < YEAR_MIN_S ? YEAR_MIN_S : within;
    (void)gmtime_r(&within, &tm);
    return tm;
}

static char *put_digits(char *at, int number, int count, char behind)
{
    for (int i = count - 1; i >= 0; i--) {
        at[i] = (char)('0' + number % 10);
        number /= 10;
    }
    at[count] = behind;
    return at + count + 1;
}

/* "2026-11-21T09:20:54" and `behind`; every answer has one, so no format is interpreted. */
static char *put_time(int64_t seconds, char behind, char out[TEXT_TIME_LEN])
{
    struct tm tm = broken_down(seconds);
    char *at = put_digits(out, tm.tm_year + 1900, 4, '-');
    at = put_digits(at, tm.tm_mon + 1, 2, '-');
    at = put_digits(at, tm.tm_mday, 2, 'T');
    at = put_digits(at, tm.tm_hour, 2, ':');
    at = put_digits(at, tm.tm_min, 2, ':');
    return put_digits(at, tm.tm_sec, 2, behind);
}

void text_time_s(int64_t seconds, char out[TEXT_TIME_LEN])
{
    *put_time(seconds, 'Z', out) = '\0';
}

void text_time_ms(int64_t milliseconds, char out[TEXT_TIME_LEN])
{
    int64_t seconds = milliseconds / 1000;
    int64_t rest = milliseconds % 1000;
    if (rest < 0) {
        rest += 1000;
        seconds--;
    }
    char *at = put_time(seconds, '.', out);
    *put_digits(at, (int)rest, 3, 'Z') = '\0';
}

/* A number of exactly `digits` digits. */
static int take_number(struct wire_reader *r, size_t digits)
{
    struct bytes taken = wire_take(r, digits);
    int number = 0;
    for (size_t i = 0; i < taken.len; i++) {
        if (taken.data[i] < '0' || taken.data[i] > '9') {
            r->failed = true;
        }
        number = number * 10 + (taken.data[i] - '0');
    }
    return number;
}

static void take_literal(struct wire_reader *r, char wanted)
{
    if (bytes_ascii_upper(wire_u8(r)) != (uint8_t)wanted) {
        r->failed = true;
    }
}

static int take_within(struct wire_reader *r, int lowest, int highest)
{
    int number = take_number(r, 2);
    if (number < lowest || number > highest) {
        r->failed = true;
    }
    return number;
}

/* ".", then digits that are not kept. */
static uint8_t take_fraction(struct wire_reader *r)
{
    size_t digits = 0;
    uint8_t next = wire_u8(r);
    if (next != '.') {
        return next;
    }
    for (next = wire_u8(r); next >= '0' && next <= '9'; next = wire_u8(r)) {
        digits++;
    }
    r->failed |= digits == 0;
    return next;
}

/* "Z", or hours and minutes before or after UTC, as seconds to subtract; `sign` is taken already.
 */
static int take_offset(struct wire_reader *r, uint8_t sign)
{
    if (sign == 'Z' || sign == 'z') {
        return 0;
    }
    r->failed |= sign != '+' && sign != '-';
    int hours = take_within(r, 0, 23);
    take_literal(r, ':');
    int minutes = take_within(r, 0, 59);
    int seconds = (hours * 60 + minutes) * 60;
    return sign == '-' ? -seconds : seconds;
}

static int days_of_month(int year, int month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && is_leap ? 29 : days[month - 1];
}

enum status text_time_parse(struct bytes text, int64_t *out_seconds)
{
    struct wire_reader r = wire_read(text);
    struct tm tm = {.tm_isdst = 0};
    int year = take_number(&r, 4);
    take_literal(&r, '-');
    int month = take_within(&r, 1, 12);
    take_literal(&r, '-');
    tm.tm_mday = take_within(&r, 1, 31);
    take_literal(&r, 'T');
    tm.tm_hour = take_within(&r, 0, 23);
    take_literal(&r, ':');
    tm.tm_min = take_within(&r, 0, 59);
    take_literal(&r, ':');
    tm.tm_sec = take_within(&r, 0, 60);
    int offset = take_offset(&r, take_fraction(&r));
    if (!wire_done(&r) || tm.tm_mday > days_of_month(year, month)) {
        return STATUS_BAD_SYNTAX;
    }
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    *out_seconds = (int64_t)timegm(&tm) - offset;
    return STATUS_OK;
}
