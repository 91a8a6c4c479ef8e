/* SPDX-License-Identifier: Apache-2.0
 *
 * The recording of a writer's run: what reached the store's data file and the ledger, in order.
 *
 * A file of records, each a header and `len` bytes. Between RECORD_WRITE and the RECORD_DURABLE
 * that follows a write through an O_DSYNC descriptor, that write is under way.
 */
#pragma once

#include <stdint.h>

enum record_kind {
    RECORD_WRITE = 1,    /* `len` bytes at `offset` of the data file */
    RECORD_DURABLE = 2,  /* the write before was O_DSYNC and returned */
    RECORD_TRUNCATE = 3, /* the data file has `offset` bytes now */
    RECORD_SYNC = 4,     /* fdatasync or fsync of the data file returned */
    RECORD_MARK = 5,     /* `len` bytes appended to the ledger */
};

struct record_header {
    uint32_t kind; /* enum record_kind */
    uint32_t len;
    uint64_t offset;
};
