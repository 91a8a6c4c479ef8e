/* SPDX-License-Identifier: Apache-2.0
 *
 * Pages of packed entries (hot_set.h).
 *
 * The first 64 bytes of a page are its line: a tag of 16 bits and a start for each entry, oldest
 * first, one bit each for "used lately". Entries follow without gaps, in units of 16 bytes; taking
 * one out moves those behind it. A page of zeros is an empty one, so that fresh memory needs no
 * work, and what was never reached takes none.
 */
#include "resolver/hot_set.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "protocol/wire.h"

#define WAYS 16
#define UNIT 16
#define CACHE_LINE 64
#define FIRST_UNIT (CACHE_LINE / UNIT)
#define PAGE_UNITS (HOT_SET_PAGE / UNIT)
#define ADMIT_ONE_IN 8

struct line {
    uint16_t tags[WAYS];
    uint8_t starts[WAYS]; /* in units from the page's begin */
    uint16_t used_lately; /* a bit for each entry */
    uint16_t used_units;  /* of all entries */
    uint8_t count;
};

struct page {
    _Alignas(CACHE_LINE) struct line line;
    uint8_t rest[HOT_SET_PAGE - CACHE_LINE];
};

_Static_assert(sizeof(struct line) <= CACHE_LINE, "the line is one cache line");
_Static_assert(sizeof(struct page) == HOT_SET_PAGE, "a page is a page");
_Static_assert(HOT_SET_BODY_MAX + sizeof(struct hot_entry) <= (HOT_SET_PAGE - CACHE_LINE) / 2,
               "a page holds two of the largest");

struct hot_set {
    struct page *pages;
    uint64_t page_count;
    uint64_t newcomers;
    struct hot_set_figures figures;
};

struct hot_set *hot_set_new(uint64_t bytes)
{
    struct hot_set *set = calloc(1, sizeof(*set));
    uint64_t count = bytes / HOT_SET_PAGE > 0 ? bytes / HOT_SET_PAGE : 1;
    if (set == NULL || count > UINT32_MAX) {
        free(set);
        return NULL;
    }
    void *memory = mmap(NULL, count * HOT_SET_PAGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        free(set);
        return NULL;
    }
    /* Each look goes to another place: with small pages it would wait for the TLB, too. */
    (void)madvise(memory, count * HOT_SET_PAGE, MADV_HUGEPAGE);
    set->pages = memory;
    set->page_count = count;
    return set;
}

void hot_set_free(struct hot_set *set)
{
    if (set != NULL) {
        (void)munmap(set->pages, set->page_count * HOT_SET_PAGE);
        free(set);
    }
}

/* The upper half chooses the page, other bits are the tag. */
static struct page *page_of(const struct hot_set *set, uint64_t hash)
{
    return &set->pages[(hash >> 32) * set->page_count >> 32];
}

static uint16_t tag_of(uint64_t hash)
{
    return (uint16_t)(hash >> 16);
}

/* Bit i: entry i has this tag. */
static unsigned matches(const struct line *line, uint16_t tag)
{
    unsigned found = 0;
    for (unsigned i = 0; i < WAYS; i++) {
        found |= (unsigned)(line->tags[i] == tag) << i;
    }
    return found & ((1u << line->count) - 1);
}

static struct hot_entry *entry_at(const struct page *page, unsigned way)
{
    return (struct hot_entry *)((uintptr_t)page + (uintptr_t)page->line.starts[way] * UNIT);
}

/* `len` is that of body and lease. */
static size_t units_of(size_t len)
{
    return (sizeof(struct hot_entry) + len + UNIT - 1) / UNIT;
}

struct hot_lease hot_entry_lease(const struct hot_entry *entry)
{
    struct hot_lease lease;
    assert(entry->lease_len == sizeof(lease));
    memcpy(&lease, entry->body + entry->body_len, sizeof(lease));
    return lease;
}

void hot_entry_renew(struct hot_entry *entry, const struct hot_lease *lease)
{
    assert(entry->lease_len == sizeof(*lease));
    memcpy(entry->body + entry->body_len, lease, sizeof(*lease));
}

void hot_set_prefetch(const struct hot_set *set, uint64_t hash)
{
    __builtin_prefetch(page_of(set, hash));
}

void hot_set_prefetch_entry(const struct hot_set *set, uint64_t hash)
{
    const struct page *page = page_of(set, hash);
    unsigned found = matches(&page->line, tag_of(hash));
    if (found == 0) {
        return;
    }
    unsigned way = (unsigned)__builtin_ctz(found);
    unsigned next = way + 1;
    size_t end = next < page->line.count ? page->line.starts[next]
                                         : (size_t)FIRST_UNIT + page->line.used_units;
    for (size_t unit = page->line.starts[way]; unit < end; unit += CACHE_LINE / UNIT) {
        __builtin_prefetch((const uint8_t *)page + unit * UNIT);
    }
}

/* The way of the entry with this key, WAYS when there is none. */
static unsigned find_way(const struct page *page, uint64_t hash, struct bytes key)
{
    for (unsigned found = matches(&page->line, tag_of(hash)); found != 0; found &= found - 1) {
        unsigned way = (unsigned)__builtin_ctz(found);
        const struct hot_entry *entry = entry_at(page, way);
        if (entry->key_len == key.len && memcmp(entry->body, key.data, key.len) == 0) {
            return way;
        }
    }
    return WAYS;
}

struct hot_entry *hot_set_find(struct hot_set *set, uint64_t hash, struct bytes key)
{
    struct page *page = page_of(set, hash);
    unsigned way = find_way(page, hash, key);
    if (way == WAYS) {
        return NULL;
    }
    uint16_t bit = (uint16_t)(1u << way);
    if ((page->line.used_lately & bit) == 0) {
        page->line.used_lately |= bit;
    }
    return entry_at(page, way);
}

/* --- making room ----------------------------------------------------------------------------- */

static void take_out(struct hot_set *set, struct page *page, unsigned way)
{
    struct line *line = &page->line;
    const struct hot_entry *entry = entry_at(page, way);
    size_t units = units_of((size_t)entry->body_len + entry->lease_len);
    size_t start = line->starts[way];
    size_t behind = FIRST_UNIT + line->used_units - start - units;
    set->figures.entries--;
    set->figures.bytes -= entry->body_len;
    memmove((uint8_t *)page + start * UNIT, (uint8_t *)page + (start + units) * UNIT,
            behind * UNIT);
    for (unsigned i = way; i + 1 < line->count; i++) {
        line->tags[i] = line->tags[i + 1];
        line->starts[i] = (uint8_t)(line->starts[i + 1] - units);
    }
    unsigned younger = (unsigned)line->used_lately >> (way + 1) << way;
    unsigned older = line->used_lately & ((1u << way) - 1);
    line->used_lately = (uint16_t)(younger | older);
    line->used_units = (uint16_t)(line->used_units - units);
    line->count--;
}

static bool has_room(const struct line *line, size_t units)
{
    return line->count < WAYS && FIRST_UNIT + line->used_units + units <= PAGE_UNITS;
}

/* From the oldest on: one used lately gets a second chance, the others go. */
static void make_room(struct hot_set *set, struct page *page, size_t units)
{
    unsigned way = 0;
    while (!has_room(&page->line, units)) {
        if (way == page->line.count) {
            way = 0;
        }
        unsigned bit = 1u << way;
        if ((page->line.used_lately & bit) != 0) {
            page->line.used_lately = (uint16_t)(page->line.used_lately & ~bit);
            way++;
        } else {
            take_out(set, page, way);
            set->figures.evictions++;
        }
    }
}

static void append(struct hot_set *set, struct page *page, const struct hot_entry *head,
                   const struct hot_body *body)
{
    struct line *line = &page->line;
    unsigned way = line->count++;
    line->starts[way] = (uint8_t)(FIRST_UNIT + line->used_units);
    size_t len = (size_t)head->body_len + head->lease_len;
    line->used_units = (uint16_t)(line->used_units + units_of(len));
    struct hot_entry *entry = entry_at(page, way);
    *entry = *head;
    struct wire_writer w = wire_write(entry->body, len);
    wire_put_bytes(&w, body->name);
    wire_put_raw(&w, body->values);
    wire_put_raw(&w, bytes_of(body->lease, head->lease_len));
    assert(!w.failed && w.at == w.end);
    set->figures.entries++;
    set->figures.bytes += head->body_len;
}

void hot_set_put(struct hot_set *set, uint64_t hash, uint64_t txn, const struct hot_body *body)
{
    size_t key_len = 4 + body->name.len;
    size_t body_len = key_len + body->values.len;
    size_t lease_len = body->lease == NULL ? 0 : sizeof(*body->lease);
    if (body_len + lease_len > HOT_SET_BODY_MAX) {
        return;
    }
    struct page *page = page_of(set, hash);
    uint8_t key[HOT_SET_BODY_MAX];
    struct wire_writer w = wire_write(key, sizeof(key));
    wire_put_bytes(&w, body->name);
    unsigned way = find_way(page, hash, bytes_of(key, key_len));
    size_t units = units_of(body_len + lease_len);
    if (way != WAYS) {
        take_out(set, page, way);
    } else if (!has_room(&page->line, units) && set->newcomers++ % ADMIT_ONE_IN != 0) {
        return;
    }
    make_room(set, page, units);
    const struct hot_entry head = {
        .txn = txn,
        .body_len = (uint32_t)body_len,
        .key_len = (uint16_t)key_len,
        .lease_len = (uint16_t)lease_len,
    };
    append(set, page, &head, body);
    page->line.tags[page->line.count - 1] = tag_of(hash);
}

struct hot_set_figures hot_set_figures(const struct hot_set *set)
{
    return set->figures;
}
