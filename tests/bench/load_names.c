/* SPDX-License-Identifier: Apache-2.0
 *
 * Patterns, lists and draws (load_names.h). Zipf by rejection-inversion (W. Hörmann, G. Derflinger,
 * "Rejection-inversion to generate variates from monotone discrete distributions", 1996): no table,
 * the same cost for ten names and ten million.
 */
#include "tests/bench/load_names.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define ZIPF_EXPONENT 0.99
#define STRIDE 11400714785074694791u /* prime, about 2^64 / golden ratio */

/* splitmix64 */
static uint64_t next_random(struct names *names)
{
    uint64_t z = (names->random += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static double next_share(struct names *names)
{
    return (double)(next_random(names) >> 11) * 0x1p-53;
}

static double zipf_integral(double x)
{
    return (pow(x, 1 - ZIPF_EXPONENT) - 1) / (1 - ZIPF_EXPONENT);
}

static double zipf_inverse(double u)
{
    return pow(1 + u * (1 - ZIPF_EXPONENT), 1 / (1 - ZIPF_EXPONENT));
}

static double zipf_weight(double x)
{
    return pow(x, -ZIPF_EXPONENT);
}

static void zipf_init(struct names *names)
{
    names->zipf_first = zipf_integral(1.5) - 1;
    names->zipf_last = zipf_integral((double)names->count + 0.5);
    names->zipf_accept = 2 - zipf_inverse(zipf_integral(2.5) - zipf_weight(2));
}

/* 1 .. count, 1 the most frequent. */
static uint64_t zipf_rank(struct names *names)
{
    for (;;) {
        double u = names->zipf_last + next_share(names) * (names->zipf_first - names->zipf_last);
        double x = zipf_inverse(u);
        double rank = floor(x + 0.5);
        rank = rank < 1 ? 1 : rank;
        rank = rank > (double)names->count ? (double)names->count : rank;
        if (rank - x <= names->zipf_accept || u >= zipf_integral(rank + 0.5) - zipf_weight(rank)) {
            return (uint64_t)rank;
        }
    }
}

static const char *read_pattern(struct names *names)
{
    const char *pattern = names->options.pattern;
    names->pattern_len = strlen(pattern);
    names->digits_at = strcspn(pattern, "#");
    names->digits = strspn(pattern + names->digits_at, "#");
    names->count = names->options.count;
    if (names->pattern_len > NAMES_TEXT_MAX) {
        return "the pattern is too long";
    }
    if (names->count > UINT32_MAX) {
        return "--count is too large";
    }
    if (names->count == 0 || (names->digits == 0 && names->count > 1)) {
        return "a pattern needs '#' signs and --count";
    }
    return NULL;
}

static const char *read_file(const char *path, char **out_text, size_t *out_len)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return "the list cannot be opened";
    }
    const char *fault = "the list cannot be read";
    if (fseek(file, 0, SEEK_END) == 0) {
        long size = ftell(file);
        char *text = size > 0 ? malloc((size_t)size) : NULL;
        if (text != NULL && fseek(file, 0, SEEK_SET) == 0 &&
            fread(text, 1, (size_t)size, file) == (size_t)size) {
            *out_text = text;
            *out_len = (size_t)size;
            text = NULL;
            fault = NULL;
        }
        free(text);
    }
    (void)fclose(file);
    return fault;
}

static const char *read_list(struct names *names)
{
    size_t len = 0;
    const char *fault = read_file(names->options.list, &names->text, &len);
    if (fault != NULL) {
        return fault;
    }
    size_t lines = 1;
    for (size_t i = 0; i < len; i++) {
        lines += names->text[i] == '\n';
    }
    names->lines = calloc(lines, sizeof(*names->lines));
    if (names->lines == NULL) {
        return "out of memory";
    }
    for (size_t at = 0; at < len;) {
        const char *end = memchr(names->text + at, '\n', len - at);
        size_t line = end == NULL ? len - at : (size_t)(end - names->text) - at;
        if (line > NAMES_TEXT_MAX) {
            return "the list holds a name that is too long";
        }
        if (line > 0) {
            names->lines[names->count++] = bytes_of((uint8_t *)names->text + at, line);
        }
        at += line + 1;
    }
    return names->count == 0 ? "the list is empty" : NULL;
}

const char *names_init(struct names *names, const struct names_options *options)
{
    *names = (struct names){.options = *options, .random = options->seed};
    const char *fault = options->list != NULL      ? read_list(names)
                        : options->pattern != NULL ? read_pattern(names)
                                                   : "--names or --list is needed";
    if (fault != NULL) {
        names_done(names);
        return fault;
    }
    names->stride = STRIDE % names->count;
    zipf_init(names);
    return NULL;
}

void names_done(struct names *names)
{
    free(names->text);
    free(names->lines);
    *names = (struct names){0};
}

uint64_t names_draw(struct names *names)
{
    if (names->options.is_zipf) {
        return zipf_rank(names) * names->stride % names->count; /* both below 2^32 */
    }
    return next_random(names) % names->count;
}

size_t names_text(const struct names *names, uint64_t number, uint8_t out_text[NAMES_TEXT_MAX])
{
    if (names->lines != NULL) {
        struct bytes line = names->lines[number];
        memcpy(out_text, line.data, line.len);
        return line.len;
    }
    memcpy(out_text, names->options.pattern, names->pattern_len);
    for (size_t i = names->digits; i-- > 0; number /= 10) {
        out_text[names->digits_at + i] = (uint8_t)('0' + number % 10);
    }
    return names->pattern_len;
}
