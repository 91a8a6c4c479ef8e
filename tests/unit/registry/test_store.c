/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening and closing a store: locks, read-only beside a writer, other schemas, truncated files.
 */
#include "tests/unit/registry/store_fixture.h"

#include <fcntl.h>
#include <lmdb.h>
#include <sys/wait.h>

#include "registry/keys.h"
#include "registry/store.h"

static enum status try_open(const struct registry_options *options, struct fault *fault)
{
    struct registry *registry = NULL;
    enum status status = registry_open(options, &registry, fault);
    registry_close(registry);
    return status;
}

/* Runs `body` in another process, as one process opens a store once; its result. */
static int in_child(int (*body)(const struct fixture *f), const struct fixture *f)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(body(f));
    }
    int result = 0;
    assert_int_equal(waitpid(pid, &result, 0), pid);
    assert_true(WIFEXITED(result));
    return WEXITSTATUS(result);
}

static int child_opens_for_writing(const struct fixture *f)
{
    struct fault fault = {0};
    enum status status = try_open(&f->options, &fault);
    char pid[24];
    (void)snprintf(pid, sizeof(pid), "process %d", (int)getppid());
    return status == STATUS_LOCKED && strstr(fault.text, pid) != NULL ? 0 : 1;
}

static void store_with_a_writer_is_locked_for_the_next(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    assert_int_equal(in_child(child_opens_for_writing, &f), 0);
    fixture_end(&f);
}

static int child_reads(const struct fixture *f)
{
    struct registry_options options = {.path = f->path, .is_read_only = true};
    struct registry *registry = NULL;
    struct snapshot *snapshot = NULL;
    struct record_row row;
    struct fault fault = {0};
    if (registry_open(&options, &registry, &fault) != STATUS_OK ||
        snapshot_new(registry, &snapshot) != STATUS_OK ||
        registry_get_record(snapshot, BYTES_LITERAL("88.1000/a"), CASE_INSENSITIVE, &row) !=
            STATUS_OK) {
        return 1;
    }
    struct change_set *set = fixture_set(CHANGE_PER_ITEM);
    bool is_refused = fixture_add(set, "88.1000/b", "x", CHANGE_CREATE) == STATUS_OK &&
                      committer_commit_now(registry, snapshot, set, 1) == STATUS_READ_ONLY;
    change_set_free(set);
    snapshot_free(snapshot);
    registry_close(registry);
    return is_refused ? 0 : 2;
}

static void store_opened_beside_its_writer_reads_and_refuses_to_write(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    assert_int_equal(fixture_put(&f, "88.1000/a", "x"), STATUS_OK);
    assert_int_equal(in_child(child_reads, &f), 0);
    fixture_end(&f);
}

/* In a process of its own: opens, sees nothing, waits for the writer, refreshes, sees the record.
 */
static int watch(const struct fixture *f, uint64_t map_bytes, int from_writer, int to_writer)
{
    struct registry_options options = {
        .path = f->path, .is_read_only = true, .map_bytes = map_bytes};
    struct registry *registry = NULL;
    struct snapshot *snapshot = NULL;
    struct record_row row;
    char byte = 0;
    struct bytes handle = BYTES_LITERAL("88.1000/late");
    bool is_right =
        registry_open(&options, &registry, NULL) == STATUS_OK &&
        snapshot_new(registry, &snapshot) == STATUS_OK &&
        registry_get_record(snapshot, handle, CASE_INSENSITIVE, &row) == STATUS_HANDLE_NOT_FOUND &&
        write(to_writer, "r", 1) == 1 && read(from_writer, &byte, 1) == 1 &&
        snapshot_refresh(snapshot) == STATUS_OK &&
        registry_get_record(snapshot, handle, CASE_INSENSITIVE, &row) == STATUS_OK;
    snapshot_free(snapshot);
    registry_close(registry);
    return is_right ? 0 : 1;
}

/* Writes about `bytes`, then the record the reader looks for. */
static void write_late(struct fixture *f, size_t bytes)
{
    static char data[200001];
    memset(data, 'x', sizeof(data) - 1);
    for (size_t i = 0; i < bytes / sizeof(data); i++) {
        char handle[32];
        (void)snprintf(handle, sizeof(handle), "88.1000/%zu", i);
        assert_int_equal(fixture_put(f, handle, data), STATUS_OK);
    }
    assert_int_equal(fixture_put(f, "88.1000/late", "x"), STATUS_OK);
}

static void watch_while_writing(uint64_t reader_map_bytes, size_t bytes)
{
    struct fixture f;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    int to_child[2];
    int from_child[2];
    assert_int_equal(pipe(to_child), 0);
    assert_int_equal(pipe(from_child), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        _exit(watch(&f, reader_map_bytes, to_child[0], from_child[1]));
    }
    char byte = 0;
    assert_int_equal(read(from_child[0], &byte, 1), 1);
    write_late(&f, bytes);
    assert_int_equal(write(to_child[1], "g", 1), 1);
    int result = 0;
    assert_int_equal(waitpid(pid, &result, 0), pid);
    assert_int_equal(result, 0);
    for (int i = 0; i < 2; i++) {
        (void)close(to_child[i]);
        (void)close(from_child[i]);
    }
    fixture_end(&f);
}

static void snapshot_in_a_reading_process_sees_later_commits(void **state)
{
    (void)state;
    watch_while_writing(0, 0);
}

static void snapshot_in_a_reading_process_follows_a_file_that_outgrows_its_map(void **state)
{
    (void)state;
    watch_while_writing(1u << 20, 4u << 20);
}

static void store_that_is_not_there_is_only_made_when_allowed(void **state)
{
    (void)state;
    struct fixture f;
    struct fault fault = {0};
    fixture_begin(&f);
    char path[96];
    (void)snprintf(path, sizeof(path), "%s/inner", f.path);
    struct registry_options options = f.options;
    options.path = path;
    options.may_create = false;
    assert_int_equal(try_open(&options, &fault), STATUS_SYSTEM);
    assert_true(fault.text[0] != '\0');
    options.may_create = true;
    assert_int_equal(try_open(&options, &fault), STATUS_OK);
    options.may_create = false;
    assert_int_equal(try_open(&options, &fault), STATUS_OK);
    fixture_end(&f);
}

static void store_opened_for_writing_without_commitment_key_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    fixture_close(&f);
    f.options.commitment_key.len = 31;
    assert_int_equal(try_open(&f.options, NULL), STATUS_BAD_SETTING);
    f.options.commitment_key.len = 32;
    fixture_open(&f);
    fixture_end(&f);
}

/* Writes a row past the registry, as a disk or a stranger might. */
static void write_raw(const struct fixture *f, const char *database, struct bytes key,
                      struct bytes row)
{
    MDB_env *env = NULL;
    MDB_txn *txn = NULL;
    MDB_dbi dbi = 0;
    MDB_val at = store_val(key);
    MDB_val val = store_val(row);
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 64), 0);
    assert_int_equal(mdb_env_set_mapsize(env, FIXTURE_MAP_BYTES), 0);
    assert_int_equal(mdb_env_open(env, f->path, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, database, 0, &dbi), 0);
    assert_int_equal(mdb_put(txn, dbi, &at, &val, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

static void store_of_a_newer_schema_is_refused_by_its_number(void **state)
{
    (void)state;
    struct fixture f;
    struct fault fault = {0};
    fixture_begin(&f);
    fixture_close(&f);
    write_raw(&f, "meta", BYTES_LITERAL("schema"), BYTES_LITERAL("\0\0\0\x63"));
    assert_int_equal(try_open(&f.options, &fault), STATUS_CORRUPT);
    assert_non_null(strstr(fault.text, "99"));
    write_raw(&f, "meta", BYTES_LITERAL("schema"), BYTES_LITERAL("\0\0\0\1"));
    fixture_open(&f);
    fixture_end(&f);
}

static void store_with_a_truncated_file_is_refused(void **state)
{
    (void)state;
    struct fixture f;
    struct fault fault = {0};
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    for (int i = 0; i < 200; i++) {
        char handle[32];
        (void)snprintf(handle, sizeof(handle), "88.1000/%d", i);
        assert_int_equal(fixture_put(&f, handle, "some data"), STATUS_OK);
    }
    fixture_close(&f);
    char path[96];
    struct stat whole;
    (void)snprintf(path, sizeof(path), "%s/data.mdb", f.path);
    assert_int_equal(stat(path, &whole), 0);
    assert_int_equal(truncate(path, whole.st_size / 2), 0);
    assert_int_equal(try_open(&f.options, &fault), STATUS_CORRUPT);
    struct registry_options reading = {.path = f.path, .is_read_only = true};
    assert_int_equal(try_open(&reading, &fault), STATUS_CORRUPT);
    struct stat after;
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(after.st_size, whole.st_size / 2);
    assert_int_equal(nftw(f.path, fixture_unlink, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* What stands in LMDB's first two pages before anything was committed, cut as a kill may cut it. */
static void store_whose_making_was_cut_short_is_made_again(void **state)
{
    (void)state;
    struct fixture f;
    struct fault fault = {0};
    char path[96];
    uint8_t first[8192] = {0};
    fixture_begin(&f);
    fixture_close(&f);
    (void)snprintf(path, sizeof(path), "%s/data.mdb", f.path);
    static const off_t lens[] = {1, 512, 4096, 4097, 8191, 8192};
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        int fd = open(path, O_RDWR | O_TRUNC);
        assert_int_equal(pwrite(fd, first, (size_t)lens[i], 0), lens[i]);
        assert_int_equal(close(fd), 0);
        f.options.may_create = false;
        assert_int_equal(try_open(&f.options, &fault), STATUS_SYSTEM);
        assert_non_null(strstr(fault.text, "did not finish"));
        f.options.may_create = true;
        fixture_open(&f);
        fixture_home(&f, "88.1000");
        fixture_verify(&f);
        fixture_close(&f);
    }
    /* Of a store that held something, the same length is damage. */
    assert_int_equal(truncate(path, 8192), 0);
    assert_int_equal(try_open(&f.options, &fault), STATUS_CORRUPT);
    assert_int_equal(truncate(path, 4096), 0);
    assert_int_equal(try_open(&f.options, &fault), STATUS_CORRUPT);
    struct stat after;
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(after.st_size, 4096);
    assert_int_equal(nftw(f.path, fixture_unlink, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void store_ending_in_free_pages_is_extended_over_them(void **state)
{
    (void)state;
    static char big[100001];
    memset(big, 'b', sizeof(big) - 1);
    struct fixture f;
    struct record_row row;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    assert_int_equal(fixture_put(&f, "88.1000/a", "x"), STATUS_OK);
    assert_int_equal(fixture_put(&f, "88.1000/big", big), STATUS_OK);
    /* The large row becomes a history row behind the old one; removing history frees the end. */
    fixture_close(&f);
    MDB_env *env = NULL;
    MDB_txn *txn = NULL;
    MDB_dbi dbi = 0;
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 64), 0);
    assert_int_equal(mdb_env_set_mapsize(env, FIXTURE_MAP_BYTES), 0);
    assert_int_equal(mdb_env_open(env, f.path, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, "record", 0, &dbi), 0);
    MDB_val key = store_val(BYTES_LITERAL("88.1000/BIG"));
    assert_int_equal(mdb_del(txn, dbi, &key, NULL), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
    char path[96];
    struct stat whole;
    (void)snprintf(path, sizeof(path), "%s/data.mdb", f.path);
    assert_int_equal(stat(path, &whole), 0);
    assert_int_equal(truncate(path, whole.st_size - 4096), 0);
    struct fault fault = {0};
    struct registry *registry = NULL;
    enum status status = registry_open(&f.options, &registry, &fault);
    struct stat after;
    assert_int_equal(stat(path, &after), 0);
    registry_close(registry);
    if (status == STATUS_OK) {
        assert_int_equal(after.st_size, whole.st_size);
        fixture_open(&f);
        assert_int_equal(fixture_get(&f, "88.1000/a", &row), STATUS_OK);
        fixture_end(&f);
    } else {
        print_error("%s\n", fault.text);
        fail();
    }
}

static int child_writes_past_us(const struct fixture *f)
{
    write_raw(f, "meta", BYTES_LITERAL("stranger"), BYTES_LITERAL("was here"));
    return 0;
}

/* The writer's lock can be deleted, LMDB's own tools ignore it: what we then do not know about must
 * not be written over. */
static void store_written_by_a_stranger_refuses_to_write_until_reopened(void **state)
{
    (void)state;
    struct fixture f;
    struct record_row row;
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    assert_int_equal(fixture_put(&f, "88.1000/a", "x"), STATUS_OK);
    assert_int_equal(in_child(child_writes_past_us, &f), 0);
    assert_int_equal(fixture_put(&f, "88.1000/b", "x"), STATUS_STORAGE_FAILED);
    assert_int_equal(fixture_get(&f, "88.1000/a", &row), STATUS_OK);
    struct registry_figures figures;
    assert_int_equal(registry_figures(f.registry, &figures), STATUS_OK);
    assert_true(figures.refuses_writes);
    fixture_close(&f);
    fixture_open(&f);
    assert_int_equal(fixture_put(&f, "88.1000/b", "x"), STATUS_OK);
    fixture_verify(&f);
    fixture_end(&f);
}

static void files_of_the_store_are_kept_from_children(void **state)
{
    (void)state;
    struct fixture f;
    fixture_begin(&f);
    int ours = 0;
    for (int fd = 3; fd < 256; fd++) {
        char link[32];
        char path[256];
        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        ssize_t len = readlink(link, path, sizeof(path) - 1);
        path[len < 0 ? 0 : len] = '\0';
        if (strncmp(path, f.path, strlen(f.path)) == 0) {
            ours++;
            assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
        }
    }
    assert_true(ours >= 4);
    fixture_end(&f);
}

/* The head is continued from; whoever only looks may open the store all the same. */
static void store_whose_newest_journal_row_miscounts_is_not_written_on(void **state)
{
    (void)state;
    struct fixture f;
    struct fault fault = {0};
    struct bytes row;
    struct store_key key;
    uint8_t copy[1024];
    fixture_begin(&f);
    fixture_home(&f, "88.1000"); /* enterprise and prefix: two items */
    keys_journal(1, &key);
    assert_int_equal(store_get(snapshot_store(f.snapshot), STORE_JOURNAL, keys_bytes(&key), &row),
                     STATUS_OK);
    assert_true(row.len <= sizeof(copy));
    memcpy(copy, row.data, row.len);
    size_t len = row.len;
    fixture_close(&f);
    assert_int_equal(copy[4], 2);
    copy[4] = 1;
    write_raw(&f, "journal", keys_bytes(&key), bytes_of(copy, len));
    assert_int_equal(try_open(&f.options, &fault), STATUS_CORRUPT);
    struct registry_options options = f.options;
    f.options.is_read_only = true;
    fixture_open(&f);
    struct journal_report report;
    assert_int_equal(journal_verify(f.registry, NULL, NULL, &report), STATUS_CORRUPT);
    fixture_close(&f);
    f.options = options;
    f.options.serves_damaged = true;
    fixture_open(&f);
    struct registry_figures figures;
    assert_non_null(registry_damage(f.registry));
    assert_int_equal(fixture_put(&f, "88.1000/a", "x"), STATUS_CORRUPT);
    assert_int_equal(registry_figures(f.registry, &figures), STATUS_OK);
    assert_true(figures.refuses_writes);
    fixture_close(&f);
    f.options = options;
    copy[4] = 2;
    write_raw(&f, "journal", keys_bytes(&key), bytes_of(copy, len));
    fixture_open(&f);
    fixture_verify(&f);
    fixture_end(&f);
}

/* Between a writer's commit and the moment it covers the file's end. */
static void store_short_for_a_moment_beside_its_writer_is_read(void **state)
{
    (void)state;
    struct fixture f;
    struct stat whole;
    char path[96];
    fixture_begin(&f);
    fixture_home(&f, "88.1000");
    fixture_close(&f);
    (void)snprintf(path, sizeof(path), "%s/data.mdb", f.path);
    assert_int_equal(stat(path, &whole), 0);
    assert_int_equal(truncate(path, whole.st_size - 4096), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)usleep(20000);
        _exit(truncate(path, whole.st_size) == 0 ? 0 : 1);
    }
    struct registry_options reading = {.path = f.path, .is_read_only = true};
    struct registry *registry = NULL;
    struct fault fault = {0};
    /* The page cut off is in use, so only its length is looked at before it is back. */
    enum status status = registry_open(&reading, &registry, &fault);
    int result = 0;
    assert_int_equal(waitpid(pid, &result, 0), pid);
    assert_int_equal(result, 0);
    registry_close(registry);
    assert_int_not_equal(status, STATUS_SYSTEM);
    assert_null(strstr(fault.text, "last page"));
    assert_int_equal(nftw(f.path, fixture_unlink, 8, FTW_DEPTH | FTW_PHYS), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(store_with_a_writer_is_locked_for_the_next),
        cmocka_unit_test(store_opened_beside_its_writer_reads_and_refuses_to_write),
        cmocka_unit_test(snapshot_in_a_reading_process_sees_later_commits),
        cmocka_unit_test(snapshot_in_a_reading_process_follows_a_file_that_outgrows_its_map),
        cmocka_unit_test(store_that_is_not_there_is_only_made_when_allowed),
        cmocka_unit_test(store_opened_for_writing_without_commitment_key_is_refused),
        cmocka_unit_test(store_of_a_newer_schema_is_refused_by_its_number),
        cmocka_unit_test(store_with_a_truncated_file_is_refused),
        cmocka_unit_test(store_whose_making_was_cut_short_is_made_again),
        cmocka_unit_test(store_ending_in_free_pages_is_extended_over_them),
        cmocka_unit_test(store_written_by_a_stranger_refuses_to_write_until_reopened),
        cmocka_unit_test(store_whose_newest_journal_row_miscounts_is_not_written_on),
        cmocka_unit_test(files_of_the_store_are_kept_from_children),
        cmocka_unit_test(store_short_for_a_moment_beside_its_writer_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
