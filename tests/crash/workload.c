/* SPDX-License-Identifier: Apache-2.0
 *
 * Sets, names and values of the crash tests (workload.h).
 */
#include "tests/crash/workload.h"

#include <stdio.h>
#include <stdlib.h>

/* One handle in this many has a key that must be shortened. */
#define LONG_HANDLE_EVERY 24
#define LONG_HANDLE_LEN 600

static const char *const prefixes[WORKLOAD_PREFIXES] = {"88.1000", "88.1001"};
static const uint8_t commitment_key[REGISTRY_COMMITMENT_KEY_LEN] =
    "0123456789abcdef0123456789abcde";

struct bytes workload_commitment_key(void)
{
    return bytes_of(commitment_key, sizeof(commitment_key));
}

static void make_item(uint64_t *state, struct workload_item *out_item)
{
    static const enum change_mode modes[] = {CHANGE_REPLACE, CHANGE_REPLACE, CHANGE_REPLACE,
                                             CHANGE_CREATE, CHANGE_MODIFY};
    uint64_t random = workload_random(state);
    *out_item = (struct workload_item){
        .is_put = random % 4 != 0,
        .mode = modes[(random >> 8) % (sizeof(modes) / sizeof(modes[0]))],
        .handle = (uint32_t)((random >> 32) % WORKLOAD_HANDLES),
    };
}

static bool has_handle(const struct workload_set *set, uint32_t handle)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->items[i].handle == handle) {
            return true;
        }
    }
    return false;
}

void workload_make(uint64_t seed, uint64_t number, struct workload_set *out_set)
{
    uint64_t state = seed * 0x2545f4914f6cdd1du + number;
    uint64_t random = workload_random(&state);
    *out_set = (struct workload_set){
        .seed = seed,
        .number = number,
        .policy = random % 3 == 0 ? CHANGE_ALL_OR_NOTHING : CHANGE_PER_ITEM,
        .has_audit = number > 0 && random % 4 == 0,
    };
    size_t wanted = number == 0 ? 0 : 1 + (random >> 16) % WORKLOAD_ITEMS_MAX;
    while (out_set->count < wanted) {
        struct workload_item item;
        make_item(&state, &item);
        if (!has_handle(out_set, item.handle)) {
            out_set->items[out_set->count++] = item;
        }
    }
}

struct bytes workload_prefix(uint32_t handle)
{
    return bytes_of_text(prefixes[handle % WORKLOAD_PREFIXES]);
}

struct bytes workload_handle(uint32_t handle, char out[WORKLOAD_HANDLE_BYTES])
{
    int len = snprintf(out, WORKLOAD_HANDLE_BYTES, "%s/H%04u", prefixes[handle % WORKLOAD_PREFIXES],
                       handle);
    size_t at = (size_t)len;
    if (handle % LONG_HANDLE_EVERY == 0) {
        memset(out + at, 'L', LONG_HANDLE_LEN - at);
        at = LONG_HANDLE_LEN;
    }
    return bytes_of(out, at);
}

uint32_t workload_find(struct bytes handle)
{
    const uint8_t *slash = handle.len == 0 ? NULL : memchr(handle.data, '/', handle.len);
    char digits[5] = "";
    if (slash == NULL || (size_t)(handle.data + handle.len - slash) < 6) {
        return WORKLOAD_HANDLES;
    }
    memcpy(digits, slash + 2, 4);
    uint32_t found = (uint32_t)strtoul(digits, NULL, 10);
    char name[WORKLOAD_HANDLE_BYTES];
    return found < WORKLOAD_HANDLES && bytes_equal(workload_handle(found, name), handle)
               ? found
               : WORKLOAD_HANDLES;
}

struct bytes workload_actor(uint64_t number, char out[32])
{
    int len = snprintf(out, 32, "set:%lu", (unsigned long)number);
    return bytes_of(out, (size_t)len);
}

uint64_t workload_number(struct bytes actor)
{
    char text[32];
    if (actor.len <= 4 || actor.len >= sizeof(text) || memcmp(actor.data, "set:", 4) != 0) {
        return UINT64_MAX;
    }
    memcpy(text, actor.data + 4, actor.len - 4);
    text[actor.len - 4] = '\0';
    char *end = NULL;
    uint64_t number = strtoul(text, &end, 10);
    return *end == '\0' ? number : UINT64_MAX;
}

/* Mostly short, sometimes over a page, so that LMDB takes overflow pages. */
static size_t data_len(uint64_t random)
{
    if (random % 32 == 0) {
        return 3000 + (random >> 8) % (WORKLOAD_DATA_MAX - 3000);
    }
    return 40 + (random >> 8) % 360;
}

/* `start`, then letters; `len` is longer than any start. */
static struct bytes fill(char *data, size_t len, uint64_t *state, const char *start)
{
    for (size_t at = 0; at < len; at++) {
        bool is_start = *start != '\0';
        data[at] = is_start ? *start++ : (char)('a' + workload_random(state) % 26);
    }
    return bytes_of(data, len);
}

void workload_values(const struct workload_set *set, size_t item, struct workload_values *out)
{
    uint64_t state = set->seed ^ (set->number << 8) ^ ((uint64_t)item << 56);
    out->count = 1 + workload_random(&state) % WORKLOAD_VALUES_MAX;
    for (size_t i = 0; i < out->count; i++) {
        char start[40];
        (void)snprintf(start, sizeof(start), "%lu.%zu.%zu ", (unsigned long)set->number, item, i);
        uint64_t random = workload_random(&state);
        bool is_public = (random >> 40) % 5 != 0;
        out->values[i] = (struct value){
            .index = (uint32_t)i + 1,
            .timestamp = 1600000000,
            .ttl = VALUE_TTL_DEFAULT,
            .permissions =
                is_public ? VALUE_PERMISSIONS_DEFAULT : VALUE_ADMIN_READ | VALUE_ADMIN_WRITE,
            .type = BYTES_LITERAL("DESC"),
            .data = fill(out->data[i], data_len(random), &state, start),
        };
    }
}

static enum status add_prefixes(struct change_set *set)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < WORKLOAD_PREFIXES && status == STATUS_OK; i++) {
        const struct prefix_row row = {
            .prefix = bytes_of_text(prefixes[i]),
            .enterprise = BYTES_LITERAL("self"),
            .state = PREFIX_ACTIVE,
            .hosting = PREFIX_HOSTED,
            .case_rule = CASE_INSENSITIVE,
        };
        status = change_set_put_prefix(set, &row, CHANGE_CREATE, NULL);
    }
    return status;
}

static enum status add_items(struct change_set *set, const struct workload_set *work)
{
    struct workload_values *values = malloc(sizeof(*values));
    enum status status = values == NULL ? STATUS_NO_MEMORY : STATUS_OK;
    for (size_t i = 0; i < work->count && status == STATUS_OK; i++) {
        char name[WORKLOAD_HANDLE_BYTES];
        struct record record = {.handle = workload_handle(work->items[i].handle, name)};
        if (!work->items[i].is_put) {
            status = change_set_delete_record(set, record.handle);
            continue;
        }
        workload_values(work, i, values);
        record.values = values->values;
        record.count = values->count;
        status = change_set_put_record(set, &record, work->items[i].mode, NULL);
    }
    free(values);
    return status;
}

struct change_set *workload_build(const struct workload_set *work)
{
    char actor[32];
    struct change_set *set =
        change_set_new(work->policy, workload_actor(work->number, actor), BYTES_LITERAL("crash"));
    if (set == NULL) {
        return NULL;
    }
    enum status status = work->number == 0 ? add_prefixes(set) : add_items(set, work);
    if (status == STATUS_OK && work->has_audit) {
        status = change_set_audit(set, "crash.write", bytes_of_text(prefixes[0]), BYTES_NONE);
    }
    if (status != STATUS_OK) {
        change_set_free(set);
        return NULL;
    }
    return set;
}
