/* SPDX-License-Identifier: Apache-2.0
 *
 * CRC-32C (Castagnoli), the checksum of stored rows. Pure functions; not a protection against
 * people, only against disks.
 */
#pragma once

#include "protocol/bytes.h"

/* The checksum of what `crc` covers followed by `data`; start with 0. */
uint32_t crc32c_extend(uint32_t crc, struct bytes data);

/* The same without the processor's instruction, so that a test can hold both together. */
uint32_t crc32c_extend_portable(uint32_t crc, struct bytes data);

/* Over key and row, leaving out the row's four bytes at `checksum_at`, which must exist. */
uint32_t crc32c_row(struct bytes key, struct bytes row, size_t checksum_at);
