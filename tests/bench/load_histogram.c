/* SPDX-License-Identifier: Apache-2.0
 *
 * Log-linear buckets (load_histogram.h): values below 128 have one each; above, a bucket is named
 * by the position of the highest bit and the seven bits behind it.
 */
#include "tests/bench/load_histogram.h"

#include <math.h>
#include <stddef.h>

static size_t bucket_of(uint64_t value)
{
    if (value < HISTOGRAM_SUB) {
        return (size_t)value;
    }
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    return (size_t)(shift + 1) * HISTOGRAM_SUB + (size_t)((value >> shift) - HISTOGRAM_SUB);
}

/* The largest value that falls into the bucket. */
static uint64_t bucket_top(size_t bucket)
{
    if (bucket < HISTOGRAM_SUB) {
        return bucket;
    }
    unsigned shift = (unsigned)(bucket / HISTOGRAM_SUB) - 1;
    uint64_t start = HISTOGRAM_SUB + bucket % HISTOGRAM_SUB;
    return (start << shift) + ((UINT64_C(1) << shift) - 1);
}

void histogram_record(struct histogram *histogram, uint64_t value)
{
    if (histogram->count == 0 || value < histogram->min) {
        histogram->min = value;
    }
    if (value > histogram->max) {
        histogram->max = value;
    }
    histogram->count++;
    histogram->sum += value;
    histogram->buckets[bucket_of(value)]++;
}

uint64_t histogram_percentile(const struct histogram *histogram, double share)
{
    uint64_t wanted = (uint64_t)ceil(share * (double)histogram->count);
    uint64_t seen = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS && histogram->count > 0; i++) {
        seen += histogram->buckets[i];
        if (seen >= wanted && seen > 0) {
            uint64_t top = bucket_top(i);
            return top < histogram->max ? top : histogram->max;
        }
    }
    return histogram->max;
}
