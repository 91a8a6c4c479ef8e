/* SPDX-License-Identifier: Apache-2.0
 *
 * Disk images after a power failure (power_image.h).
 */
#include "tests/crash/power_image.h"

#include <stdlib.h>
#include <string.h>

#include "tests/crash/workload.h"

#define SECTOR 512

/* How much of what was not synced has reached the disk. */
enum cut_kind {
    CUT_NONE,
    CUT_ALL,
    CUT_SOME,   /* each write or not */
    CUT_TORN,   /* each sector of each write or not */
    CUT_PREFIX, /* in order up to one that is torn */
    CUT_SUFFIX, /* the latest ones only: reordered */
    CUT_MOSTLY, /* all but a few sectors */
    CUT_KINDS,
};

static void reserve(struct disk_image *image, size_t len)
{
    if (len > image->capacity) {
        size_t capacity = len * 2;
        uint8_t *data = realloc(image->data, capacity);
        if (data == NULL) {
            abort();
        }
        memset(data + image->capacity, 0, capacity - image->capacity);
        image->data = data;
        image->capacity = capacity;
    }
}

static void set_len(struct disk_image *image, size_t len)
{
    reserve(image, len);
    if (len < image->len) {
        memset(image->data + len, 0, image->len - len);
    }
    image->len = len;
}

static void put(struct disk_image *image, uint64_t offset, const uint8_t *data, size_t len)
{
    if (offset + len > image->len) {
        set_len(image, offset + len);
    }
    memcpy(image->data + offset, data, len);
}

static void apply(struct disk_image *image, const struct pending_write *write)
{
    if (write->data == NULL) {
        set_len(image, write->offset);
    } else {
        put(image, write->offset, write->data, write->len);
    }
}

static void push(struct power_disk *disk, const struct pending_write *write)
{
    if (disk->pending_count == disk->pending_capacity) {
        disk->pending_capacity = disk->pending_capacity * 2 + 64;
        disk->pending = realloc(disk->pending, disk->pending_capacity * sizeof(*disk->pending));
        if (disk->pending == NULL) {
            abort();
        }
    }
    disk->pending[disk->pending_count++] = *write;
}

void power_disk_take(struct power_disk *disk, const struct record_header *header,
                     const uint8_t *data)
{
    const struct pending_write write = {data, header->offset, header->len};
    switch ((enum record_kind)header->kind) {
    case RECORD_WRITE:
    case RECORD_TRUNCATE:
        push(disk, &write);
        break;
    case RECORD_DURABLE:
        /* That write alone: what else is pending stays so. */
        apply(&disk->durable, &disk->pending[--disk->pending_count]);
        break;
    case RECORD_SYNC:
        for (size_t i = 0; i < disk->pending_count; i++) {
            apply(&disk->durable, &disk->pending[i]);
        }
        disk->pending_count = 0;
        break;
    case RECORD_MARK:
        break;
    }
}

void power_disk_done(struct power_disk *disk)
{
    free(disk->durable.data);
    free(disk->pending);
}

/* Each sector is kept with `chance` of 256. */
static void apply_torn(struct disk_image *image, const struct pending_write *write, unsigned chance,
                       uint64_t *random)
{
    if (write->data == NULL) {
        if (workload_random(random) % 256 < chance) {
            apply(image, write);
        }
        return;
    }
    for (size_t at = 0; at < write->len;) {
        size_t len = SECTOR - (write->offset + at) % SECTOR;
        len = len > write->len - at ? write->len - at : len;
        if (workload_random(random) % 256 < chance) {
            put(image, write->offset + at, write->data + at, len);
        }
        at += len;
    }
}

void power_disk_cut(const struct power_disk *disk, uint64_t *random, struct disk_image *out)
{
    enum cut_kind kind = (enum cut_kind)(workload_random(random) % CUT_KINDS);
    size_t middle = disk->pending_count == 0 ? 0 : workload_random(random) % disk->pending_count;
    bool is_extended = workload_random(random) % 2 == 0;
    set_len(out, 0);
    put(out, 0, disk->durable.data, disk->durable.len);
    size_t longest = out->len;
    for (size_t i = 0; i < disk->pending_count; i++) {
        const struct pending_write *write = &disk->pending[i];
        bool is_kept = kind == CUT_ALL || (kind == CUT_SOME && workload_random(random) % 2 == 0) ||
                       (kind == CUT_PREFIX && i < middle) || (kind == CUT_SUFFIX && i >= middle);
        if (is_kept) {
            apply(out, write);
        } else if (kind == CUT_TORN || (kind == CUT_PREFIX && i == middle)) {
            apply_torn(out, write, 128, random);
        } else if (kind == CUT_MOSTLY) {
            apply_torn(out, write, 250, random);
        }
        longest = write->offset + write->len > longest ? write->offset + write->len : longest;
    }
    /* The length may be known to the disk before the data: a hole reads as zeros. */
    if (is_extended && longest > out->len) {
        set_len(out, longest);
    }
}
