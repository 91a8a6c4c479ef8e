/* SPDX-License-Identifier: Apache-2.0
 *
 * Latencies in log-linear buckets: 128 to each power of two, so that a percentile read back is at
 * most 1 % too high and recording is a few instructions. Values are nanoseconds. One thread.
 */
#pragma once

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 7
#define HISTOGRAM_SUB (1u << HISTOGRAM_SUB_BITS)
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_SUB_BITS + 1) * HISTOGRAM_SUB)

struct histogram {
    uint64_t count;
    uint64_t sum;
    uint64_t min;
    uint64_t max;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* A zeroed histogram is empty. */
void histogram_record(struct histogram *histogram, uint64_t value);

/* The value that `share` (0..1) of the recorded ones do not exceed; 0 when there is none. */
uint64_t histogram_percentile(const struct histogram *histogram, double share);
