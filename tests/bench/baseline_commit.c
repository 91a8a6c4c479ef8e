/* SPDX-License-Identifier: Apache-2.0
 *
 * The limit of durable writes: rows of one size under names in random order, so many to a synced
 * LMDB transaction. Frozen: it uses no header of ours.
 *
 *   baseline_commit DIR SECONDS GROUP ROW_BYTES      prints microseconds for each row, by the clock
 *                                                    and of CPU
 */
#include <lmdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAP_BYTES (16ull << 30)

static void need(int error, const char *what)
{
    if (error != 0) {
        (void)fprintf(stderr, "baseline_commit: %s: %s\n", what, mdb_strerror(error));
        exit(1);
    }
}

static double seconds_of(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* splitmix64 */
static uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static void commit_group(MDB_env *env, unsigned long group, MDB_val row, uint64_t *state)
{
    MDB_txn *txn;
    MDB_dbi rows;
    char name[64];
    need(mdb_txn_begin(env, NULL, 0, &txn), "begin");
    need(mdb_dbi_open(txn, NULL, 0, &rows), "open");
    for (unsigned long i = 0; i < group; i++) {
        MDB_val data = row;
        int len = snprintf(name, sizeof(name), "88.608.8889/C-%010llu",
                           (unsigned long long)(next_random(state) % 10000000000u));
        MDB_val key = {(size_t)len, name};
        need(mdb_put(txn, rows, &key, &data, 0), "put");
    }
    need(mdb_txn_commit(txn), "commit");
}

int main(int count, char **text)
{
    MDB_env *env;
    if (count < 5 || strtoul(text[3], NULL, 10) == 0 || strtoul(text[4], NULL, 10) == 0) {
        (void)fprintf(stderr, "baseline_commit DIR SECONDS GROUP ROW_BYTES\n");
        return 2;
    }
    unsigned long group = strtoul(text[3], NULL, 10);
    MDB_val row = {strtoul(text[4], NULL, 10), NULL};
    row.mv_data = calloc(1, row.mv_size);
    if (row.mv_data == NULL) {
        return 1;
    }
    need(mdb_env_create(&env), "create");
    need(mdb_env_set_mapsize(env, MAP_BYTES), "map size");
    need(mdb_env_open(env, text[1], MDB_NOTLS, 0600), text[1]);
    uint64_t state = 1;
    unsigned long done = 0;
    double begin = seconds_of(CLOCK_MONOTONIC);
    double cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    double until = begin + strtod(text[2], NULL);
    while (seconds_of(CLOCK_MONOTONIC) < until) {
        commit_group(env, group, row, &state);
        done += group;
    }
    double waited = seconds_of(CLOCK_MONOTONIC) - begin;
    cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("%.4f %.4f\n", waited * 1e6 / (double)done, cpu * 1e6 / (double)done);
    mdb_env_close(env);
    free(row.mv_data);
    return 0;
}
