/* SPDX-License-Identifier: Apache-2.0
 *
 * The limit of a bulk load: rows of one size under the names of a pattern, put into a new LMDB
 * environment and made durable once at the end. Names in order go in by MDB_APPEND, as our store
 * keeps them; with `hashed` under 8-byte keys without order. baseline_echo_lmdb serves the result.
 * Frozen: it uses no header of ours.
 *
 *   baseline_fill_lmdb DIR PATTERN COUNT ROW_BYTES [hashed]     prints the seconds until durable
 */
#include <lmdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PER_COMMIT 100000
#define MAP_BYTES (64ull << 30)
#define NAME_MAX_BYTES 400

static void need(int error, const char *what)
{
    if (error != 0) {
        (void)fprintf(stderr, "baseline_fill_lmdb: %s: %s\n", what, mdb_strerror(error));
        exit(1);
    }
}

/* FNV-1a, its high bits mixed down; baseline_echo_lmdb has the same. */
static uint64_t hash_of(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *name != '\0'; name++) {
        hash = (hash ^ (uint8_t)*name) * 0x100000001b3u;
    }
    return (hash ^ hash >> 29) * 0xbf58476d1ce4e5b9u;
}

static void fill(MDB_env *env, char *name, unsigned long count, MDB_val row, int is_hashed)
{
    MDB_txn *txn;
    MDB_dbi rows;
    size_t at = strcspn(name, "#");
    size_t digits = strspn(name + at, "#");
    need(mdb_txn_begin(env, NULL, 0, &txn), "begin");
    need(mdb_dbi_open(txn, NULL, 0, &rows), "open");
    for (unsigned long i = 0; i < count; i++) {
        unsigned long n = i;
        for (size_t d = digits; d-- > 0; n /= 10) {
            name[at + d] = (char)('0' + n % 10);
        }
        uint64_t hash = hash_of(name);
        MDB_val key = {strlen(name), name};
        if (is_hashed) {
            key = (MDB_val){sizeof(hash), &hash};
        }
        MDB_val data = row;
        need(mdb_put(txn, rows, &key, &data, is_hashed ? 0 : MDB_APPEND), "put");
        if (i % PER_COMMIT == PER_COMMIT - 1) {
            need(mdb_txn_commit(txn), "commit");
            need(mdb_txn_begin(env, NULL, 0, &txn), "begin");
        }
    }
    need(mdb_txn_commit(txn), "commit");
    need(mdb_env_sync(env, 1), "sync");
}

int main(int count, char **text)
{
    char name[NAME_MAX_BYTES];
    struct timespec begin;
    struct timespec end;
    MDB_env *env;
    if (count < 5 || strlen(text[2]) >= sizeof(name) || strtoul(text[4], NULL, 10) == 0) {
        (void)fprintf(stderr, "baseline_fill_lmdb DIR PATTERN COUNT ROW_BYTES [hashed]\n");
        return 2;
    }
    MDB_val row = {strtoul(text[4], NULL, 10), NULL};
    row.mv_data = malloc(row.mv_size);
    if (row.mv_data == NULL) {
        return 1;
    }
    memset(row.mv_data, 'x', row.mv_size);
    (void)snprintf(name, sizeof(name), "%s", text[2]);
    (void)clock_gettime(CLOCK_MONOTONIC, &begin);
    need(mdb_env_create(&env), "create");
    need(mdb_env_set_mapsize(env, MAP_BYTES), "map size");
    need(mdb_env_open(env, text[1], MDB_NOSYNC | MDB_NOTLS, 0600), text[1]);
    fill(env, name, strtoul(text[3], NULL, 10), row, count > 5);
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    mdb_env_close(env);
    free(row.mv_data);
    double seconds = (double)(end.tv_sec - begin.tv_sec);
    printf("%.6f\n", seconds + (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
    return 0;
}
