/* SPDX-License-Identifier: Apache-2.0
 *
 * Notes of commits, one a second (reader_age.h).
 */
#include "registry/reader_age.h"

enum status reader_age_init(struct reader_age *age)
{
    if (pthread_mutex_init(&age->lock, NULL) != 0) {
        return STATUS_NO_MEMORY;
    }
    age->has_lock = true;
    age->count = 0;
    return STATUS_OK;
}

void reader_age_done(struct reader_age *age)
{
    if (age->has_lock) {
        (void)pthread_mutex_destroy(&age->lock);
        age->has_lock = false;
    }
}

static struct reader_age_note *note_at(struct reader_age *age, uint64_t number)
{
    return &age->notes[number % READER_AGE_NOTES];
}

void reader_age_note(struct reader_age *age, uint64_t txn, int64_t time_ms)
{
    (void)pthread_mutex_lock(&age->lock);
    if (age->count == 0 || time_ms - note_at(age, age->count - 1)->time_ms >= READER_AGE_STEP_MS) {
        *note_at(age, age->count) = (struct reader_age_note){txn, time_ms};
        age->count++;
    }
    (void)pthread_mutex_unlock(&age->lock);
}

int64_t reader_age_since(struct reader_age *age, uint64_t txn)
{
    int64_t since_ms = 0;
    (void)pthread_mutex_lock(&age->lock);
    uint64_t low = age->count > READER_AGE_NOTES ? age->count - READER_AGE_NOTES : 0;
    uint64_t high = age->count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (note_at(age, middle)->txn > txn) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    if (low < age->count) {
        since_ms = note_at(age, low)->time_ms;
    }
    (void)pthread_mutex_unlock(&age->lock);
    return since_ms;
}
