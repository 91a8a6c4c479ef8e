/* SPDX-License-Identifier: Apache-2.0
 *
 * What a disk may hold when the power goes: the recorded writes up to a moment, as images.
 *
 * Synced writes are in `durable`; what came after stands in `pending`, of which a cut keeps any
 * part: dropped, reordered, or torn at 512 bytes. One thread; the recording's bytes are borrowed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "tests/crash/recording.h"

struct disk_image {
    uint8_t *data;
    size_t len;
    size_t capacity;
};

struct pending_write {
    const uint8_t *data; /* NULL: the length becomes `offset` */
    uint64_t offset;
    size_t len;
};

struct power_disk {
    struct disk_image durable;
    struct pending_write *pending;
    size_t pending_count;
    size_t pending_capacity;
};

/* Out of memory ends the process, here and below: it is a test's tool. */
void power_disk_take(struct power_disk *disk, const struct record_header *header,
                     const uint8_t *data);
void power_disk_done(struct power_disk *disk);

/* One of the images possible now, chosen by `random` (advanced). `out` is reused. */
void power_disk_cut(const struct power_disk *disk, uint64_t *random, struct disk_image *out);
