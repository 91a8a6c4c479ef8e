/* SPDX-License-Identifier: Apache-2.0
 *
 * A file of LMDB 0.9 looked at without LMDB (cache_check.h): its trees are walked with a stack of
 * bounded depth, one page in memory per level, every page marked in a bitmap.
 *
 * Layout: a page is number 8 ‖ pad 2 ‖ flags 2 ‖ lower 2 ‖ upper 2 (overflow: count 4 instead of
 * the last two) ‖ node offsets 2 each; a node is low 2 ‖ high 2 ‖ flags 2 ‖ key length 2 ‖ key ‖
 * data, of a branch low ‖ high ‖ flags are the child's number; a tree is pad 4 ‖ flags 2 ‖ depth 2
 * ‖ branch, leaf, overflow pages, entries, root 8 each. Numbers are the machine's own.
 */
#include "resolver/cache_check.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC 0xBEEFC0DEu
#define VERSION 1
#define PAGE_MAX 0x8000 /* bytes; machines may have larger ones */
#define PAGE_HEAD 16
#define NODE_HEAD 8
#define TREE_LEN 48
#define PAGE_BRANCH 0x01u
#define PAGE_LEAF 0x02u
#define PAGE_OVERFLOW 0x04u
#define PAGE_META 0x08u
#define PAGE_KINDS 0x6fu /* all that tell what a page is */
#define NODE_BIG 0x01u
#define NODE_TREE 0x02u
#define KEY_MAX 511
#define DEPTH_MAX 30
#define TREES_MAX 8
#define TREE_INTEGER_KEY 0x08u
#define NO_PAGE UINT64_MAX
#define META_DATA 16
#define META_TREES (META_DATA + 24)
#define META_LAST_PAGE (META_TREES + 2 * TREE_LEN)
#define META_TXN (META_LAST_PAGE + 8)

struct tree {
    uint16_t flags;
    uint16_t depth;
    uint64_t branches, leaves, overflows, entries, root;
};

struct level {
    uint8_t *page;
    uint16_t at; /* the next node */
    uint16_t count;
};

struct check {
    int fd;
    size_t page; /* bytes */
    uint64_t last_page;
    uint64_t file_pages;
    uint8_t *seen;
    bool used[PAGE_MAX / 2]; /* of the page that is looked at, two bytes each */
    struct level levels[DEPTH_MAX];
    struct tree found;    /* counted in the tree that is walked */
    uint8_t key[KEY_MAX]; /* the last one of that tree */
    size_t key_len;       /* 0: there was none */
    bool is_separator;    /* it stood in a branch: the next may equal it */
    struct tree named[TREES_MAX];
    size_t named_count;
};

static uint16_t u16_at(const uint8_t *at)
{
    uint16_t v;
    memcpy(&v, at, sizeof(v));
    return v;
}

static uint32_t u32_at(const uint8_t *at)
{
    uint32_t v;
    memcpy(&v, at, sizeof(v));
    return v;
}

static uint64_t u64_at(const uint8_t *at)
{
    uint64_t v;
    memcpy(&v, at, sizeof(v));
    return v;
}

static struct tree tree_at(const uint8_t *at)
{
    return (struct tree){u16_at(at + 4),  u16_at(at + 6),  u64_at(at + 8), u64_at(at + 16),
                         u64_at(at + 24), u64_at(at + 32), u64_at(at + 40)};
}

/* --- pages --------------------------------------------------------------------------------------
 */

static bool read_at(const struct check *check, uint64_t number, uint8_t *out, size_t len)
{
    return pread(check->fd, out, len, (off_t)(number * check->page)) == (ssize_t)len;
}

/* Inside the file, and not reached before. */
static bool mark(struct check *check, uint64_t number)
{
    if (number < 2 || number > check->last_page) {
        return false;
    }
    uint8_t bit = (uint8_t)(1u << (number & 7));
    bool is_new = (check->seen[number >> 3] & bit) == 0;
    check->seen[number >> 3] |= bit;
    return is_new;
}

/* How long a node is; 0: it cannot be one. */
static size_t node_len(const struct check *check, const uint8_t *page, size_t at, bool may_be_bare)
{
    bool is_leaf = (u16_at(page + 10) & PAGE_LEAF) != 0;
    if (at + NODE_HEAD > check->page || (at & 1) != 0) {
        return 0;
    }
    size_t key_len = u16_at(page + at + 6);
    bool is_big = is_leaf && (u16_at(page + at + 4) & NODE_BIG) != 0;
    size_t data_len = is_big ? sizeof(uint64_t) : is_leaf ? u32_at(page + at) : 0;
    if (key_len > KEY_MAX || (key_len == 0 && !may_be_bare) || data_len > check->page) {
        return 0;
    }
    return (NODE_HEAD + key_len + data_len + 1) & ~(size_t)1;
}

/* Nodes fill the page from `upper` to its end, each byte once. */
static bool is_filled(struct check *check, const uint8_t *page, size_t upper, size_t count)
{
    bool is_branch = (u16_at(page + 10) & PAGE_BRANCH) != 0;
    size_t filled = 0;
    memset(check->used, 0, check->page / 2);
    for (size_t i = 0; i < count; i++) {
        size_t at = u16_at(page + PAGE_HEAD + 2 * i);
        size_t len = at < upper ? 0 : node_len(check, page, at, is_branch && i == 0);
        if (len == 0 || at + len > check->page) {
            return false;
        }
        for (size_t byte = at; byte < at + len; byte += 2) {
            if (check->used[byte / 2]) {
                return false;
            }
            check->used[byte / 2] = true;
        }
        filled += len;
    }
    return filled == check->page - upper;
}

static bool is_page_sound(struct check *check, const uint8_t *page, uint64_t number)
{
    unsigned kind = u16_at(page + 10) & PAGE_KINDS;
    size_t lower = u16_at(page + 12);
    size_t upper = u16_at(page + 14);
    if (u64_at(page) != number || (kind != PAGE_BRANCH && kind != PAGE_LEAF) || lower < PAGE_HEAD ||
        lower > upper || upper > check->page || (lower & 1) != 0) {
        return false;
    }
    size_t count = (lower - PAGE_HEAD) / 2;
    return count > 0 && is_filled(check, page, upper, count);
}

/* Pages of a value that has pages of its own. */
static bool take_overflow(struct check *check, uint64_t number, size_t len)
{
    uint8_t head[PAGE_HEAD];
    if (number < 2 || number > check->last_page || !read_at(check, number, head, sizeof(head))) {
        return false;
    }
    uint64_t count = u32_at(head + 12);
    if (u64_at(head) != number || (u16_at(head + 10) & PAGE_KINDS) != PAGE_OVERFLOW ||
        count != (PAGE_HEAD - 1 + len) / check->page + 1 || count > check->last_page + 1 - number ||
        number + count > check->file_pages) {
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (!mark(check, number + i)) {
            return false;
        }
    }
    check->found.overflows += count;
    return true;
}

/* --- trees --------------------------------------------------------------------------------------
 */

/* What a leaf's node holds, `is_main`: trees by name. */
static bool take_node(struct check *check, const uint8_t *node, bool is_main)
{
    unsigned flags = u16_at(node + 4);
    const uint8_t *data = node + NODE_HEAD + u16_at(node + 6);
    check->found.entries++;
    if (is_main) {
        if (flags != NODE_TREE || u32_at(node) != TREE_LEN || check->named_count == TREES_MAX) {
            return false;
        }
        check->named[check->named_count++] = tree_at(data);
        return true;
    }
    if ((flags & ~NODE_BIG) != 0) {
        return false;
    }
    return (flags & NODE_BIG) == 0 || take_overflow(check, u64_at(data), u32_at(node));
}

static bool enter(struct check *check, size_t depth, uint64_t number, const struct tree *tree)
{
    struct level *level = &check->levels[depth];
    if (!mark(check, number) || number >= check->file_pages) {
        return false;
    }
    if (level->page == NULL && (level->page = malloc(check->page)) == NULL) {
        return false;
    }
    if (!read_at(check, number, level->page, check->page) ||
        !is_page_sound(check, level->page, number)) {
        return false;
    }
    bool is_leaf = (u16_at(level->page + 10) & PAGE_LEAF) != 0;
    check->found.leaves += is_leaf;
    check->found.branches += !is_leaf;
    level->at = 0;
    level->count = (uint16_t)((u16_at(level->page + 12) - PAGE_HEAD) / 2);
    return is_leaf == (depth + 1u == tree->depth); /* all leaves are equally deep */
}

static int compare(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len, bool is_integer)
{
    if (is_integer && a_len == sizeof(uint64_t) && b_len == sizeof(uint64_t)) {
        return (u64_at(a) > u64_at(b)) - (u64_at(a) < u64_at(b));
    }
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return order != 0 ? order : (a_len > b_len) - (a_len < b_len);
}

/* Keys rise from the tree's first leaf to its last, and separators stand between. */
static bool rises(struct check *check, const uint8_t *node, bool is_leaf, const struct tree *tree)
{
    const uint8_t *key = node + NODE_HEAD;
    size_t len = u16_at(node + 6);
    bool is_integer = (tree->flags & TREE_INTEGER_KEY) != 0;
    if (len == 0) {
        return true; /* a branch's first */
    }
    if (is_integer && len != sizeof(uint64_t)) {
        return false;
    }
    int order = check->key_len == 0 ? 1 : compare(key, len, check->key, check->key_len, is_integer);
    memcpy(check->key, key, len);
    check->key_len = len;
    bool may_equal = check->is_separator;
    check->is_separator = !is_leaf;
    return order > 0 || (order == 0 && may_equal);
}

static const uint8_t *next_node(struct level *level)
{
    const uint8_t *node = level->page + u16_at(level->page + PAGE_HEAD + 2u * level->at);
    level->at++;
    return node;
}

/* What is done with each leaf's node beside take_node. */
typedef bool leaf_node(struct check *check, const uint8_t *node);

static bool walk(struct check *check, const struct tree *tree, bool is_main, leaf_node *each)
{
    check->found = (struct tree){.root = tree->root};
    check->key_len = 0;
    check->is_separator = false;
    if (tree->root == NO_PAGE) {
        return tree->depth == 0 && tree->entries == 0;
    }
    if (tree->depth == 0 || tree->depth > DEPTH_MAX || !enter(check, 0, tree->root, tree)) {
        return false;
    }
    size_t depth = 0;
    while (true) {
        struct level *level = &check->levels[depth];
        if (level->at == level->count) {
            if (depth == 0) {
                break;
            }
            depth--;
            continue;
        }
        const uint8_t *node = next_node(level);
        if (!rises(check, node, depth + 1u == tree->depth, tree)) {
            return false;
        }
        if (depth + 1u == tree->depth) {
            if (!take_node(check, node, is_main) || (each != NULL && !each(check, node))) {
                return false;
            }
            continue;
        }
        uint64_t child = u32_at(node) | (uint64_t)u16_at(node + 4) << 32;
        depth++;
        if (!enter(check, depth, child, tree)) {
            return false;
        }
    }
    return check->found.branches == tree->branches && check->found.leaves == tree->leaves &&
           check->found.overflows == tree->overflows && check->found.entries == tree->entries;
}

/* --- free pages ---------------------------------------------------------------------------------
 */

/* count 8 ‖ numbers 8 each, falling; these pages are in no tree. */
static bool take_free(struct check *check, const uint8_t *node)
{
    size_t len = u32_at(node);
    const uint8_t *data = node + NODE_HEAD + u16_at(node + 6);
    bool is_big = (u16_at(node + 4) & NODE_BIG) != 0;
    uint8_t *copy = NULL;
    if (u16_at(node + 6) != sizeof(uint64_t) || len < sizeof(uint64_t) ||
        len > (check->last_page + 2) * sizeof(uint64_t)) {
        return false;
    }
    if (is_big) {
        copy = malloc(len);
        uint64_t from = u64_at(data) * check->page + PAGE_HEAD;
        if (copy == NULL || pread(check->fd, copy, len, (off_t)from) != (ssize_t)len) {
            free(copy);
            return false;
        }
        data = copy;
    }
    uint64_t count = u64_at(data);
    bool is_sound = count <= len / sizeof(uint64_t) - 1;
    uint64_t before = NO_PAGE;
    for (uint64_t i = 0; is_sound && i < count; i++) {
        uint64_t number = u64_at(data + (i + 1) * sizeof(uint64_t));
        is_sound = number < before && mark(check, number);
        before = number;
    }
    free(copy);
    return is_sound;
}

/* --- the file -----------------------------------------------------------------------------------
 */

static bool is_meta_sound(const struct check *check, const uint8_t *meta, uint64_t number)
{
    return u64_at(meta) == number && (u16_at(meta + 10) & PAGE_KINDS) == PAGE_META &&
           u32_at(meta + META_DATA) == MAGIC && u32_at(meta + META_DATA + 4) == VERSION &&
           u32_at(meta + META_TREES) == check->page &&
           (u16_at(meta + META_TREES + 4) & ~TREE_INTEGER_KEY) == 0 &&
           u16_at(meta + META_TREES + TREE_LEN + 4) == 0;
}

static bool check_trees(struct check *check, const uint8_t *meta)
{
    struct tree free_tree = tree_at(meta + META_TREES);
    struct tree main_tree = tree_at(meta + META_TREES + TREE_LEN);
    if (!walk(check, &free_tree, false, take_free) || !walk(check, &main_tree, true, NULL)) {
        return false;
    }
    for (size_t i = 0; i < check->named_count; i++) {
        if (check->named[i].flags != 0 || !walk(check, &check->named[i], false, NULL)) {
            return false;
        }
    }
    return true;
}

static enum status check_file(struct check *check, uint64_t max_bytes)
{
    uint8_t metas[2][256];
    struct stat about;
    if (fstat(check->fd, &about) != 0) {
        return STATUS_STORAGE_FAILED;
    }
    check->file_pages = (uint64_t)about.st_size / check->page;
    for (uint64_t i = 0; i < 2; i++) {
        if (!read_at(check, i, metas[i], sizeof(metas[i])) || !is_meta_sound(check, metas[i], i)) {
            return STATUS_CORRUPT;
        }
    }
    const uint8_t *meta = metas[u64_at(metas[0] + META_TXN) < u64_at(metas[1] + META_TXN)];
    check->last_page = u64_at(meta + META_LAST_PAGE);
    if (check->last_page < 1 || check->last_page >= max_bytes / check->page) {
        return STATUS_CORRUPT;
    }
    check->seen = calloc(1, check->last_page / 8 + 1);
    if (check->seen == NULL) {
        return STATUS_NO_MEMORY;
    }
    return check_trees(check, meta) ? STATUS_OK : STATUS_CORRUPT;
}

enum status cache_check(int fd, uint64_t max_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct check check = {.fd = fd, .page = page < PAGE_MAX ? page : PAGE_MAX};
    enum status status = check_file(&check, max_bytes);
    for (size_t i = 0; i < DEPTH_MAX; i++) {
        free(check.levels[i].page);
    }
    free(check.seen);
    return status;
}
