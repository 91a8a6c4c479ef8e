/* SPDX-License-Identifier: Apache-2.0
 *
 * The second environment, for readers after a failed commit (store_rescue.h).
 */
#include "registry/store_rescue.h"

#include "registry/store_file.h"

/* The handles must have the numbers they have in the first, as everybody keeps using those. */
static int open_databases(const struct registry *registry, MDB_env *env)
{
    MDB_txn *txn = NULL;
    int error = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
    if (error != 0) {
        return error;
    }
    for (int i = 0; i < STORE_DATABASES && error == 0; i++) {
        MDB_dbi database = 0;
        if (registry->databases[i] == STORE_NO_DATABASE) {
            continue;
        }
        error = mdb_dbi_open(txn, keys_database_name((enum store_database)i), 0, &database);
        if (error == 0 && database != registry->databases[i]) {
            error = MDB_BAD_DBI;
        }
    }
    if (error != 0) {
        mdb_txn_abort(txn);
        return error;
    }
    return mdb_txn_commit(txn);
}

static int open_second(const struct registry *registry, MDB_env **out_env)
{
    MDB_env *env = NULL;
    int error = mdb_env_create(&env);
    if (error == 0) {
        /* Nothing will be written any more. */
        error = mdb_env_set_mapsize(env, store_file_bytes(registry->directory_fd));
    }
    if (error == 0) {
        error = mdb_env_set_maxdbs(env, STORE_DATABASES_MAX);
    }
    if (error == 0) {
        error = mdb_env_open(env, registry->path, MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS, 0600);
    }
    if (error == 0) {
        error = open_databases(registry, env);
    }
    if (error != 0) {
        mdb_env_close(env);
        return error;
    }
    *out_env = env;
    return 0;
}

int store_rescue_begin(struct registry *registry, MDB_txn **out_txn)
{
    atomic_store_explicit(&registry->refuses_writes, true, memory_order_relaxed);
    (void)pthread_mutex_lock(&registry->write_lock);
    int error = registry->rescue == NULL ? open_second(registry, &registry->rescue) : 0;
    (void)pthread_mutex_unlock(&registry->write_lock);
    return error != 0 ? error : mdb_txn_begin(registry->rescue, NULL, MDB_RDONLY, out_txn);
}
