/* SPDX-License-Identifier: Apache-2.0
 *
 * Entity tags (http_tag.h).
 */
#include "resolver/http_tag.h"

#define NUMBER_MAX 20
#define HASH_DIGITS 16
#define HASH_START 0xcbf29ce484222325u
#define HASH_STEP 0x100000001b3u

/* FNV-1a: tells apart what one client asks; nothing rests on it. */
static uint64_t hash_of(struct bytes query, bool is_public_only)
{
    uint64_t hash = HASH_START ^ (is_public_only ? 0 : 1);
    for (size_t i = 0; i < query.len; i++) {
        hash = (hash ^ query.data[i]) * HASH_STEP;
    }
    return hash;
}

/* The digits of `number` to `room`, at least `least` of them. */
static char *put_number(char *room, uint64_t number, unsigned base, unsigned least)
{
    char digits[NUMBER_MAX];
    unsigned count = 0;
    do {
        digits[count++] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number != 0 || count < least);
    while (count > 0) {
        *room++ = digits[--count];
    }
    return room;
}

struct bytes http_tag_make(uint64_t version, struct bytes query, bool is_public_only,
                           char room[HTTP_TAG_ROOM])
{
    char *at = room;
    *at++ = '"';
    at = put_number(at, version, 10, 1);
    if (query.len > 0 || !is_public_only) {
        *at++ = '-';
        at = put_number(at, hash_of(query, is_public_only), 16, HASH_DIGITS);
    }
    *at++ = '"';
    return bytes_of(room, (size_t)(at - room));
}

/* The next tag of a list, with its quotes; false: there is none, or what follows is no tag. */
static bool next_tag(struct bytes *rest, struct bytes *out_tag, bool *out_is_weak)
{
    while (rest->len > 0 &&
           (rest->data[0] == ' ' || rest->data[0] == ',' || rest->data[0] == '\t')) {
        *rest = bytes_from(*rest, 1);
    }
    *out_is_weak = bytes_start_with(*rest, BYTES_LITERAL("W/"));
    struct bytes at = *out_is_weak ? bytes_from(*rest, 2) : *rest;
    const uint8_t *end =
        at.len < 2 || at.data[0] != '"' ? NULL : memchr(at.data + 1, '"', at.len - 1);
    if (end == NULL) {
        return false;
    }
    size_t len = (size_t)(end - at.data) + 1;
    *out_tag = bytes_of(at.data, len);
    *rest = bytes_from(at, len);
    return true;
}

static bool is_any(struct bytes field)
{
    return bytes_equal(field, BYTES_LITERAL("*"));
}

bool http_tag_is_known(const struct http_request *request, struct bytes tag)
{
    struct bytes rest = http_request_field(request, "If-None-Match");
    struct bytes theirs;
    bool is_weak;
    if (is_any(rest)) {
        return true;
    }
    while (next_tag(&rest, &theirs, &is_weak)) {
        if (bytes_equal(theirs, tag)) {
            return true;
        }
    }
    return false;
}

/* Is it a tag of this version, however shown? */
static bool is_of_version(struct bytes tag, uint64_t version)
{
    char room[HTTP_TAG_ROOM];
    struct bytes start = http_tag_make(version, BYTES_NONE, true, room);
    start.len--; /* what follows tells how it is shown */
    return bytes_start_with(tag, start) &&
           (tag.data[start.len] == '"' || tag.data[start.len] == '-');
}

static bool matches(struct bytes field, uint64_t version)
{
    struct bytes tag;
    bool is_weak;
    if (version == 0 || is_any(field)) {
        return version != 0;
    }
    while (next_tag(&field, &tag, &is_weak)) {
        if (!is_weak && is_of_version(tag, version)) {
            return true;
        }
    }
    return false;
}

bool http_tag_allows(const struct http_request *request, uint64_t version,
                     struct exchange_terms *out_terms)
{
    struct bytes only = http_request_field(request, "If-Match");
    struct bytes none = http_request_field(request, "If-None-Match");
    bool is_bound = only.data != NULL || none.data != NULL;
    if ((only.data != NULL && !matches(only, version)) ||
        (none.data != NULL && matches(none, version))) {
        return false;
    }
    out_terms->has_version = is_bound;
    out_terms->version = version;
    return true;
}
