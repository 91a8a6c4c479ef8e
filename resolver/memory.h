/* SPDX-License-Identifier: Apache-2.0
 *
 * How much memory files may take: what the kernel calls available, or less where the control group
 * of the process says so.
 */
#pragma once

#include <stdint.h>

/* `root` is "" (tests bring a tree of their own with proc and sys below it); UINT64_MAX: nothing is
 * known. Pages of files that are in memory already count as available. */
uint64_t memory_available(const char *root);

/* A file of which so many bytes can stay in memory beside everything else: four fifths. */
static inline uint64_t memory_for_files(uint64_t available)
{
    return available / 5 * 4;
}
