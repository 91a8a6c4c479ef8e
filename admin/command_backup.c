/* SPDX-License-Identifier: Apache-2.0
 *
 * guantong backup recipient|create|list|verify|restore.
 *
 * A backup holds every secret value of the store, so only who reads the store himself makes one:
 * the node's own user and root. Members of group guantong, who ask the daemon for the rest, are
 * refused.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "admin/backup_create.h"
#include "admin/backup_restore.h"
#include "admin/backup_verify.h"
#include "admin/command.h"
#include "admin/command_reach.h"
#include "admin/directory.h"
#include "admin/progress.h"
#include "admin/say.h"
#include "protocol/text.h"

#define RECIPIENT_NAME "backup/recipient.pem"
#define SHOW_EVERY_MS 200

/* --- progress --------------------------------------------------------------------------------- */

struct show {
    struct command_call *call;
    bool heeds_signals; /* they are held back, and stop the work */
    int64_t next_ms;
    bool is_shown;
};

static int64_t clock_ms(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static const char *phase_text(struct command_call *call, enum backup_phase phase)
{
    switch (phase) {
    case BACKUP_COPIES:
        return say_text(call, "copying the store", "正在复制存储");
    case BACKUP_DIGESTS:
        return say_text(call, "comparing digests", "正在比对摘要");
    case BACKUP_READS:
        return say_text(call, "reading every row", "正在读取每一行");
    case BACKUP_VERIFIES:
        return say_text(call, "verifying the journal", "正在校验日志");
    case BACKUP_RESTORES:
        break;
    }
    return say_text(call, "restoring", "正在恢复");
}

static bool show_on_progress(void *context, enum backup_phase phase, uint64_t done, uint64_t total)
{
    struct show *show = context;
    struct command_call *call = show->call;
    if (call->err_is_terminal && !call->is_json && clock_ms(CLOCK_MONOTONIC) >= show->next_ms) {
        char counted[32];
        bool is_bytes = phase != BACKUP_READS && phase != BACKUP_VERIFIES;
        progress_count(is_bytes ? done >> 20 : done, counted);
        uint64_t percent = total == 0 || done >= total ? 100 : done * 100 / total;
        (void)fprintf(call->err, "\r%s: %s%s  %" PRIu64 " %%\033[K", phase_text(call, phase),
                      counted, is_bytes ? " MiB" : "", percent);
        (void)fflush(call->err);
        show->next_ms = clock_ms(CLOCK_MONOTONIC) + SHOW_EVERY_MS;
        show->is_shown = true;
    }
    return !show->heeds_signals || !command_signal_waits();
}

static void show_clear(struct show *show)
{
    if (show->is_shown) {
        (void)fputs("\r\033[K", show->call->err);
        (void)fflush(show->call->err);
    }
}

static struct backup_watch watch_of(struct show *show)
{
    return (struct backup_watch){show_on_progress, show};
}

/* A file that may not grow further is a full disk, not the end of the program. */
struct quiet {
    struct command_signals signals;
    void (*former)(int);
};

static void quiet_begin(struct quiet *quiet)
{
    command_hold_signals(&quiet->signals);
    quiet->former = signal(SIGXFSZ, SIG_IGN);
}

static void quiet_end(struct quiet *quiet)
{
    (void)signal(SIGXFSZ, quiet->former == SIG_ERR ? SIG_DFL : quiet->former);
    command_release_signals(&quiet->signals);
}

/* --- recipient -------------------------------------------------------------------------------- */

/* Would the private key lie in the directory it is to survive? */
static bool lies_inside(const char *directory, const char *file)
{
    char copy[PATH_MAX];
    char parent[PATH_MAX];
    char node[PATH_MAX];
    (void)snprintf(copy, sizeof(copy), "%s", file);
    if (realpath(dirname(copy), parent) == NULL || realpath(directory, node) == NULL) {
        return false;
    }
    size_t len = strlen(node);
    return strncmp(parent, node, len) == 0 && (parent[len] == '\0' || parent[len] == '/');
}

static enum status make_recipient(struct command_call *call, const char *key,
                                  const char *certificate, struct fault *fault)
{
    struct settings *settings = NULL;
    const char *backups = directory_path(call->arena, call->directory, "backup");
    enum status status = directory_settings(call->arena, call->directory, &settings, fault);
    if (status != STATUS_OK || settings == NULL) {
        return status;
    }
    char name[64]; /* what a certificate's common name may hold */
    (void)snprintf(name, sizeof(name), "backup of %.50s", settings->node_prefix);
    settings_free(settings);
    if (backups == NULL || (mkdir(backups, 0750) != 0 && errno != EEXIST)) {
        return fault_set(fault, STATUS_SYSTEM, "%s", strerror(errno));
    }
    return backup_recipient_make(key, certificate, name, fault);
}

int command_backup_recipient(struct command_call *call)
{
    const char *key = call->arguments[0];
    const char *certificate = directory_path(call->arena, call->directory, RECIPIENT_NAME);
    struct fault fault = {STATUS_OK, ""};
    if (certificate == NULL) {
        return say_problem(call, PROBLEM_NO_MEMORY, key);
    }
    if (lies_inside(call->directory, key)) {
        return say_problem_because(call, PROBLEM_BAD_ARGUMENT, key,
                                   say_text(call, "it would be lost with the node's directory",
                                            "该文件会随节点目录一同丢失"));
    }
    if (access(certificate, F_OK) == 0) {
        return say_problem_because(call, PROBLEM_FILE, certificate,
                                   say_text(call, "a recipient exists already; move it away first",
                                            "已有接收者，请先移走"));
    }
    enum status status = make_recipient(call, key, certificate, &fault);
    if (status != STATUS_OK) {
        return say_problem_because(call, PROBLEM_FILE, key, fault.text);
    }
    if (call->is_json) {
        return say_json(call,
                        json_pack("{s:s, s:s}", "private_key", key, "certificate", certificate));
    }
    (void)fprintf(call->out, "%s: %s\n%s: %s\n%s\n", say_text(call, "certificate", "证书"),
                  certificate, say_text(call, "private key", "私钥"), key,
                  say_text(call,
                           "Backups are encrypted to the certificate from now on. Move the private "
                           "key off this machine and keep it safe: without it no backup gives the "
                           "node's keys back.",
                           "此后的备份均以该证书加密密钥。请将私钥移离本机并妥善保管：没有它，"
                           "任何备份都无法恢复节点的密钥。"));
    return EXIT_OK;
}

/* --- create ----------------------------------------------------------------------------------- */

static int load_recipient(struct command_call *call, struct backup_recipient **out_recipient)
{
    const char *path = command_option(call, "--recipient");
    bool without = command_has(call, "--without-keys");
    struct fault fault = {STATUS_OK, ""};
    if (without) {
        return path == NULL ? EXIT_OK
                            : say_problem(call, PROBLEM_BAD_OPTION, "--recipient, --without-keys");
    }
    if (path == NULL) {
        path = directory_path(call->arena, call->directory, RECIPIENT_NAME);
        if (path == NULL || access(path, F_OK) != 0) {
            return say_problem(call, PROBLEM_NO_RECIPIENT, NULL);
        }
    }
    return backup_recipient_load(path, out_recipient, &fault) == STATUS_OK
               ? EXIT_OK
               : say_problem_because(call, PROBLEM_FILE, path, fault.text);
}

static int tell_failure(struct command_call *call, enum status status, const char *what,
                        const struct fault *fault)
{
    switch (status) {
    case STATUS_ACCESS_DENIED:
        return say_problem_because(call, PROBLEM_OWN_USER, what, fault->text);
    case STATUS_STORAGE_FULL:
        return say_problem_because(call, PROBLEM_BACKUP_ROOM, what, fault->text);
    default:
        return say_status(call, status, what, fault);
    }
}

static int tell_made(struct command_call *call, const struct backup_made *made)
{
    const struct backup_manifest *manifest = &made->manifest;
    if (call->is_json) {
        json_t *recipient = manifest->has_keys ? json_string(manifest->recipient) : json_null();
        return say_json(call, json_pack("{s:s, s:I, s:I, s:I, s:I, s:o, s:I}", "backup", made->path,
                                        "bytes", (json_int_t)made->bytes, "records",
                                        (json_int_t)manifest->records, "position",
                                        (json_int_t)manifest->position, "txn",
                                        (json_int_t)manifest->txn, "keys_for", recipient,
                                        "instant_held_ms", (json_int_t)made->store_ms));
    }
    char records[32];
    char mebibytes[32];
    progress_count(manifest->records, records);
    progress_count(made->bytes >> 20, mebibytes);
    (void)fprintf(call->out,
                  call->is_chinese ? "%s\n%s 条记录，日志位置 %" PRIu64 "，%s MiB，%s%s\n"
                                   : "%s\n%s records, journal position %" PRIu64 ", %s MiB, %s%s\n",
                  made->path, records, manifest->position, mebibytes,
                  manifest->has_keys
                      ? say_text(call, "keys encrypted to ", "密钥已加密给 ")
                      : say_text(call,
                                 "WITHOUT KEYS: keep those of keys/ elsewhere, the store "
                                 "cannot be served without them",
                                 "不含密钥：请另行保管 keys/ 中的文件，缺少它们节点无法运行"),
                  manifest->has_keys ? manifest->recipient : "");
    return EXIT_OK;
}

int command_backup_create(struct command_call *call)
{
    struct backup_recipient *recipient = NULL;
    int exit = load_recipient(call, &recipient);
    if (exit != EXIT_OK) {
        return exit;
    }
    struct show show = {.call = call, .heeds_signals = true};
    const struct backup_create_options options = {
        .directory = call->directory,
        .parent = command_option(call, "--to"),
        .recipient = recipient,
        .now_ms = clock_ms(CLOCK_REALTIME),
        .watch = watch_of(&show),
    };
    struct fault fault = {STATUS_OK, ""};
    struct quiet quiet;
    struct backup_made *made = arena_alloc(call->arena, sizeof(*made));
    quiet_begin(&quiet);
    enum status status =
        made == NULL ? STATUS_NO_MEMORY : backup_create(&options, call->arena, made, &fault);
    show_clear(&show);
    exit = status == STATUS_OK ? tell_made(call, made)
                               : tell_failure(call, status, call->directory, &fault);
    backup_recipient_free(recipient);
    (void)fflush(call->out);
    (void)fflush(call->err);
    quiet_end(&quiet);
    return exit;
}

/* --- list ------------------------------------------------------------------------------------- */

struct listed {
    const char *name;
    bool is_sound; /* the manifest is; members are not looked at */
    struct backup_manifest manifest;
};

static int by_name(const void *a, const void *b)
{
    const struct listed *const *left = a;
    const struct listed *const *right = b;
    return strcmp((*left)->name, (*right)->name);
}

/* Every directory in backup/ that is not hidden, in order of name. */
static size_t find_backups(struct command_call *call, const char *path, struct listed **out,
                           size_t max)
{
    DIR *entries = opendir(path);
    const struct dirent *entry = NULL;
    size_t count = 0;
    while (entries != NULL && count < max && (entry = readdir(entries)) != NULL) {
        const char *whole = directory_path(call->arena, path, entry->d_name);
        struct listed *listed = arena_alloc(call->arena, sizeof(*listed));
        struct stat facts;
        if (entry->d_name[0] == '.' || whole == NULL || listed == NULL ||
            stat(whole, &facts) != 0 || !S_ISDIR(facts.st_mode)) {
            continue;
        }
        struct fault fault;
        *listed = (struct listed){.name = arena_text(call->arena, bytes_of_text(entry->d_name))};
        listed->is_sound =
            backup_verify_manifest(whole, call->arena, &listed->manifest, &fault) == STATUS_OK;
        if (listed->name != NULL) {
            out[count++] = listed;
        }
    }
    if (entries != NULL) {
        (void)closedir(entries);
    }
    qsort((void *)out, count, sizeof(void *), by_name);
    return count;
}

static uint64_t bytes_of_members(const struct backup_manifest *manifest)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < manifest->member_count; i++) {
        bytes += manifest->members[i].bytes;
    }
    return bytes;
}

static void list_row(struct command_call *call, const struct listed *listed, json_t *items,
                     struct say_table *table)
{
    const struct backup_manifest *manifest = &listed->manifest;
    char created[TEXT_TIME_LEN] = "";
    char records[32] = "";
    char mebibytes[32] = "";
    if (listed->is_sound) {
        text_time_ms(manifest->created_ms, created);
        progress_count(manifest->records, records);
        progress_count(bytes_of_members(manifest) >> 20, mebibytes);
    }
    if (items != NULL) {
        (void)json_array_append_new(items,
                                    json_pack("{s:s, s:b, s:s, s:I, s:I, s:I, s:b}", "name",
                                              listed->name, "readable", listed->is_sound, "created",
                                              created, "records", (json_int_t)manifest->records,
                                              "position", (json_int_t)manifest->position, "bytes",
                                              (json_int_t)bytes_of_members(manifest), "has_keys",
                                              manifest->has_keys));
        return;
    }
    const char *keys = manifest->has_keys ? manifest->recipient : say_text(call, "none", "无");
    const char *cells[] = {say_printable(call->arena, bytes_of_text(listed->name)), created,
                           records, mebibytes,
                           listed->is_sound ? say_printable(call->arena, bytes_of_text(keys))
                                            : say_text(call, "unreadable manifest", "清单不可读")};
    say_table_row(table, cells);
}

#define LIST_MAX 4096

int command_backup_list(struct command_call *call)
{
    const char *path = directory_path(call->arena, call->directory, "backup");
    struct listed **found = arena_calloc(call->arena, LIST_MAX, sizeof(struct listed *));
    if (path == NULL || found == NULL) {
        return say_problem(call, PROBLEM_NO_MEMORY, call->directory);
    }
    size_t count = find_backups(call, path, found, LIST_MAX);
    const char *headings[] = {say_text(call, "BACKUP", "备份"), say_text(call, "MADE", "时间"),
                              say_text(call, "RECORDS", "记录"), "MIB",
                              say_text(call, "KEYS FOR", "密钥接收者")};
    json_t *items = call->is_json ? json_array() : NULL;
    struct say_table *table = items != NULL ? NULL : say_table_new(headings, 5);
    for (size_t i = 0; i < count; i++) {
        list_row(call, found[i], items, table);
    }
    if (items != NULL) {
        return say_json(call, json_pack("{s:o, s:n}", "items", items, "next"));
    }
    say_table_print(table, call->out);
    return EXIT_OK;
}

/* --- verify ----------------------------------------------------------------------------------- */

static int load_opener(struct command_call *call, struct backup_opener **out_opener)
{
    const char *path = command_option(call, "--key");
    struct fault fault = {STATUS_OK, ""};
    return path == NULL || backup_opener_load(path, out_opener, &fault) == STATUS_OK
               ? EXIT_OK
               : say_problem_because(call, PROBLEM_FILE, path, fault.text);
}

/* What does not hold is a negative answer; what could not be looked at is not. */
static int tell_unsound(struct command_call *call, enum status status, const char *path,
                        const struct fault *fault)
{
    const char *key = command_option(call, "--key");
    if (status == STATUS_CORRUPT || status == STATUS_BAD_SETTING || status == STATUS_BAD_SYNTAX) {
        return say_problem_because(call, PROBLEM_BACKUP_DAMAGED, path, fault->text);
    }
    if (key != NULL && (status == STATUS_ACCESS_DENIED || status == STATUS_NOT_FOUND)) {
        return say_problem_because(call, PROBLEM_WRONG_KEY, key, fault->text);
    }
    return tell_failure(call, status, path, fault);
}

static enum status verify_at(struct command_call *call, const char *path,
                             const struct backup_opener *opener, struct backup_verified *verified,
                             struct fault *fault)
{
    struct show show = {.call = call};
    const struct backup_verify_options options = {
        .path = path, .opener = opener, .watch = watch_of(&show)};
    enum status status = backup_verify(&options, call->arena, verified, fault);
    show_clear(&show);
    return status;
}

static int tell_verified(struct command_call *call, const char *path,
                         const struct backup_verified *verified)
{
    const struct backup_manifest *manifest = &verified->manifest;
    char created[TEXT_TIME_LEN];
    text_time_ms(manifest->created_ms, created);
    if (call->is_json) {
        return say_json(call, json_pack("{s:s, s:b, s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "backup",
                                        path, "holds", 1, "created", created, "prefix",
                                        manifest->prefix, "records", (json_int_t)manifest->records,
                                        "position", (json_int_t)manifest->position, "bodies",
                                        (json_int_t)verified->rows.journal.bodies, "versions_lost",
                                        (json_int_t)verified->rows.lost, "keys_opened",
                                        (json_int_t)verified->opened_keys));
    }
    char records[32];
    progress_count(manifest->records, records);
    (void)fprintf(call->out,
                  call->is_chinese
                      ? "备份完整：前缀 %s，%s，%s 条记录，日志位置 %" PRIu64 "\n"
                      : "the backup holds: prefix %s, %s, %s records, journal position %" PRIu64
                        "\n",
                  manifest->prefix, created, records, manifest->position);
    return EXIT_OK;
}

int command_backup_verify(struct command_call *call)
{
    const char *path = call->arguments[0];
    struct fault fault = {STATUS_OK, ""};
    struct backup_opener *opener = NULL;
    struct backup_verified *verified = arena_alloc(call->arena, sizeof(*verified));
    int exit = load_opener(call, &opener);
    if (exit != EXIT_OK || verified == NULL) {
        backup_opener_free(opener);
        return verified == NULL ? say_problem(call, PROBLEM_NO_MEMORY, path) : exit;
    }
    enum status status = verify_at(call, path, opener, verified, &fault);
    exit = status == STATUS_OK ? tell_verified(call, path, verified)
                               : tell_unsound(call, status, path, &fault);
    backup_opener_free(opener);
    return exit;
}

/* --- restore ---------------------------------------------------------------------------------- */

static int tell_restored(struct command_call *call, const char *target,
                         const struct backup_verified *verified)
{
    const struct backup_manifest *manifest = &verified->manifest;
    bool has_keys = verified->opened_keys > 0;
    if (call->is_json) {
        return say_json(call, json_pack("{s:s, s:s, s:I, s:I, s:I}", "directory", target, "prefix",
                                        manifest->prefix, "records", (json_int_t)manifest->records,
                                        "position", (json_int_t)manifest->position, "keys",
                                        (json_int_t)verified->opened_keys));
    }
    char records[32];
    progress_count(manifest->records, records);
    (void)fprintf(call->out,
                  call->is_chinese ? "已恢复到 %s：前缀 %s，%s 条记录，日志位置 %" PRIu64 "\n"
                                   : "restored to %s: prefix %s, %s records, journal position "
                                     "%" PRIu64 "\n",
                  target, manifest->prefix, records, manifest->position);
    if (!has_keys) {
        (void)fprintf(
            call->out,
            call->is_chinese
                ? "密钥未恢复。启动节点之前，请将 site.pem、head.pem、data.key、commit.key 放入 "
                  "%s/keys，并设为仅所有者可读（chmod 600）：取自另行保管之处，或在持有私钥的机器上"
                  "从备份解出：\n  openssl cms -decrypt -inform DER -in keys/site.pem.cms "
                  "-inkey PRIVATE.pem -out site.pem\n"
                : "The keys were left out. Before the node can start, put site.pem, head.pem, "
                  "data.key and commit.key into %s/keys, each readable by its owner only "
                  "(chmod 600): from where you keep them, or out of the backup, on the machine "
                  "that has the private key:\n  openssl cms -decrypt -inform DER -in "
                  "keys/site.pem.cms -inkey PRIVATE.pem -out site.pem\n",
            target);
    }
    return EXIT_OK;
}

static enum status restore_to(struct command_call *call, const char *target,
                              const struct backup_opener *opener,
                              const struct backup_verified *verified, struct fault *fault)
{
    struct show show = {.call = call, .heeds_signals = true};
    const struct backup_restore_options options = {
        .path = call->arguments[0],
        .target = target,
        .opener = opener,
        .manifest = &verified->manifest,
        .watch = watch_of(&show),
    };
    enum status status = backup_restore(&options, call->arena, fault);
    show_clear(&show);
    return status;
}

static int restore_undisturbed(struct command_call *call, const char *target,
                               const struct backup_opener *opener,
                               const struct backup_verified *verified)
{
    struct fault fault = {STATUS_OK, ""};
    struct quiet quiet;
    quiet_begin(&quiet);
    enum status status = restore_to(call, target, opener, verified, &fault);
    int exit = EXIT_OK;
    if (status == STATUS_OK) {
        exit = tell_restored(call, target, verified);
    } else if (status == STATUS_LOCKED) {
        exit = say_problem(call, PROBLEM_DIRECTORY_TAKEN, target);
    } else {
        exit = tell_unsound(call, status, target, &fault);
    }
    (void)fflush(call->out);
    (void)fflush(call->err);
    quiet_end(&quiet);
    return exit;
}

int command_backup_restore(struct command_call *call)
{
    const char *path = call->arguments[0];
    const char *target = call->arguments[1];
    struct fault fault = {STATUS_OK, ""};
    enum status status = backup_restore_check(target, &fault);
    if (status != STATUS_OK) {
        return status == STATUS_LOCKED ? say_problem(call, PROBLEM_DIRECTORY_TAKEN, target)
                                       : tell_failure(call, status, target, &fault);
    }
    struct backup_opener *opener = NULL;
    struct backup_verified *verified = arena_alloc(call->arena, sizeof(*verified));
    if (verified == NULL) {
        return say_problem(call, PROBLEM_NO_MEMORY, path);
    }
    int exit = load_opener(call, &opener);
    if (exit == EXIT_OK) {
        status = verify_at(call, path, opener, verified, &fault);
        exit = status == STATUS_OK ? restore_undisturbed(call, target, opener, verified)
                                   : tell_unsound(call, status, path, &fault);
    }
    backup_opener_free(opener);
    return exit;
}
