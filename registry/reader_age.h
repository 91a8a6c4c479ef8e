/* SPDX-License-Identifier: Apache-2.0
 *
 * When was a transaction superseded? So that a reader's lag can be told in seconds.
 *
 * LMDB knows which transaction a reader sees, not since when. The committer notes at most one
 * commit a second; whoever sees transaction T has been holding pages since the first noted one
 * behind T. After READER_AGE_NOTES seconds of steady writing the oldest notes are overwritten: an
 * age is then at least what is told. One mutex, held for a few steps; embedded in the registry.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/status.h"

#define READER_AGE_NOTES 4096
#define READER_AGE_STEP_MS 1000

struct reader_age_note {
    uint64_t txn;
    int64_t time_ms;
};

struct reader_age {
    pthread_mutex_t lock;
    bool has_lock;
    uint64_t count; /* noted ever; the next goes to count % READER_AGE_NOTES */
    struct reader_age_note notes[READER_AGE_NOTES];
};

enum status reader_age_init(struct reader_age *age);
void reader_age_done(struct reader_age *age);

/* After a commit; transactions rise. */
void reader_age_note(struct reader_age *age, uint64_t txn, int64_t time_ms);

/* When the first noted transaction behind `txn` was committed; 0: none was. */
int64_t reader_age_since(struct reader_age *age, uint64_t txn);
