/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of a change set: its items, what was asked and what was prepared of each.
 *
 * A set belongs to whoever holds it: the thread that builds and prepares it, then the committer,
 * then the builder again; never two at once, so nothing here is locked. What was asked lives in
 * `asked` for the life of the set; what was prepared lives in `prepared`, which every
 * change_set_prepare starts anew.
 */
#pragma once

#include "registry/change_set.h"
#include "registry/committer.h"
#include "registry/enterprise_row.h"
#include "registry/journal.h"
#include "registry/record_digest.h"

/* Slots of a set's table of keys: a power of two, at most half full. */
#define CHANGE_KEY_SLOTS 4096

/* Keys of the index of enterprises, before and after. */
struct change_uniques {
    struct enterprise_uniques before;
    struct enterprise_uniques after;
};

struct change_item {
    /* asked */
    enum change_table table;
    enum journal_operation operation;
    enum change_mode mode;
    struct bytes handle;   /* record: as spelled; prefix: upper case; audit: the object */
    struct bytes identity; /* record: folded as if its suffix kept its case */
    struct bytes values;   /* record put: encoded list, sorted; enterprise: content */
    uint32_t flags;        /* enum record_flag */
    bool lacks_timestamps; /* some value has timestamp 0 */
    const struct prefix_row *asked_prefix;
    struct bytes action; /* audit */
    struct bytes detail;

    bool has_expectation; /* change_set_expect */
    uint64_t decided_version;

    /* prepared */
    enum status prepared_status;
    const char *reason;          /* why it failed, beside the status; "" or a literal */
    struct bytes canonical;      /* what the journal calls it */
    struct bytes key;            /* where its row lies */
    uint64_t expected_version;   /* of the stored row, 0: absent */
    uint64_t expected_tombstone; /* version of the deletion mark, 0: none */
    uint64_t version;            /* it will have */
    bool meets_damage;           /* the row or mark it supersedes is damaged: given up */
    enum journal_class class;
    struct prefix_row *prefix;      /* the row to be stored but for slot and position */
    struct change_uniques *uniques; /* enterprise: what the index loses and gains */
    enum enterprise_state state;    /* enterprise: it will have */
    struct bytes owner;             /* enterprise that governs a record */
    uint8_t *row;
    size_t row_len;
    int64_t created_ms;  /* of the stored row; 0: created now */
    size_t stored_bytes; /* of the stored value list */
    uint8_t digest[JOURNAL_HASH_LEN];
    uint8_t hash[JOURNAL_HASH_LEN];

    /* decided by the commit */
    enum status status;
};

struct change_dependency {
    enum change_table table;
    struct bytes name; /* as given */
    struct bytes key;  /* prepared */
    uint64_t version;
};

struct change_set {
    enum change_policy policy;
    struct bytes actor;
    struct bytes origin;
    struct arena *asked;
    struct arena *prepared;
    struct hasher *hasher;

    /* items[0] is the enterprise row that homing a first prefix implies; what was asked follows. */
    struct change_item *items;
    size_t count; /* asked */
    size_t capacity;
    size_t encoded_len;
    size_t prefix_count;
    size_t enterprise_count;
    struct change_dependency dependencies[CHANGE_SET_DEPENDENCIES_MAX];
    size_t dependency_count;
    struct change_repeat *repeat; /* NULL: not to be remembered */
    uint16_t slots[CHANGE_KEY_SLOTS];

    bool is_prepared;
    int64_t now_ms;
    struct bytes enterprise; /* of the first item that has one: the committer's lane */
    enum status status;

    /* the committer's, while it is queued */
    struct change_set *next;
    committer_done *done;
    void *context;
};

/* The key of an item that no other item of the set may have. */
typedef struct bytes change_item_key(const struct change_item *item);

/* The free slot for items[index] in the table of keys, to be filled with the index; NULL when
 * another item has its key. */
uint16_t *change_item_slot(struct change_set *set, size_t index, change_item_key *key_of);

/* The row of a prefix that the set itself homes or changes; its items were prepared. */
bool change_item_find_prefix(const struct change_set *set, struct bytes prefix,
                             struct prefix_row *out_row);

/* As it is hashed and written into the journal. */
struct journal_item change_item_journal(const struct change_item *item);

/* Offset and length of the time in an audit row, filled in by the commit. */
#define CHANGE_AUDIT_TIME_AT 9
#define CHANGE_AUDIT_TIME_LEN 24
