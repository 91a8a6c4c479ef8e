/* SPDX-License-Identifier: Apache-2.0
 *
 * The limit of durable writing: rows of one size under the names of a pattern, put into a new LMDB
 * environment with default flags, so many to a commit. Frozen: it uses no header of ours.
 *
 *   baseline_commit_lmdb DIR PATTERN COUNT ROW_BYTES PER_COMMIT     prints the seconds
 */
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAP_BYTES (64ull << 30)
#define NAME_MAX_BYTES 400

static void need(int error, const char *what)
{
    if (error != 0) {
        (void)fprintf(stderr, "baseline_commit_lmdb: %s: %s\n", what, mdb_strerror(error));
        exit(1);
    }
}

static void commit_group(MDB_env *env, char *name, const unsigned long numbers[2], MDB_val row)
{
    MDB_txn *txn;
    MDB_dbi rows;
    size_t at = strcspn(name, "#");
    size_t digits = strspn(name + at, "#");
    char key_text[NAME_MAX_BYTES];
    need(mdb_txn_begin(env, NULL, 0, &txn), "begin");
    need(mdb_dbi_open(txn, NULL, 0, &rows), "open");
    memcpy(key_text, name, strlen(name) + 1);
    for (unsigned long i = numbers[0]; i < numbers[1]; i++) {
        unsigned long n = i;
        for (size_t d = digits; d-- > 0; n /= 10) {
            key_text[at + d] = (char)('0' + n % 10);
        }
        MDB_val key = {strlen(key_text), key_text};
        MDB_val data = row;
        need(mdb_put(txn, rows, &key, &data, 0), "put");
    }
    need(mdb_txn_commit(txn), "commit");
}

int main(int count, char **text)
{
    char name[NAME_MAX_BYTES];
    struct timespec begin;
    struct timespec end;
    MDB_env *env;
    if (count < 6 || strlen(text[2]) >= sizeof(name) || strtoul(text[4], NULL, 10) == 0 ||
        strtoul(text[5], NULL, 10) == 0) {
        (void)fprintf(stderr, "baseline_commit_lmdb DIR PATTERN COUNT ROW_BYTES PER_COMMIT\n");
        return 2;
    }
    unsigned long total = strtoul(text[3], NULL, 10);
    unsigned long step = strtoul(text[5], NULL, 10);
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
    need(mdb_env_open(env, text[1], MDB_NOTLS, 0600), text[1]);
    for (unsigned long first = 0; first < total; first += step) {
        const unsigned long numbers[2] = {first, first + step < total ? first + step : total};
        commit_group(env, name, numbers, row);
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    mdb_env_close(env);
    free(row.mv_data);
    double seconds = (double)(end.tv_sec - begin.tv_sec);
    printf("%.6f\n", seconds + (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
    return 0;
}
