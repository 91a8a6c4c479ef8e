/* SPDX-License-Identifier: Apache-2.0
 *
 * guantong key rotate|retire: a new key for the node while clients still know the old one.
 *
 * Clients verify with the key of the site record they hold, and every request names its serial. So:
 * the node first has both keys, then the record tells the new one under a higher serial, and each
 * answer is signed with the key its client knows (resolver/generation.h), until the old one is
 * retired. Each step may be the last before a power cut: the command run again goes on from there.
 */
#include <inttypes.h>
#include <openssl/evp.h>
#include <string.h>
#include <time.h>

#include "admin/command_reach.h"
#include "admin/rotation_keys.h"
#include "admin/rotation_site.h"
#include "admin/say.h"
#include "admin/writer.h"
#include "protocol/message.h"
#include "protocol/text.h"

#define FIRST_SERIAL 1

struct rotate {
    struct command_call *call;
    struct settings *settings;
    struct writer *writer;
    struct snapshot *snapshot;
    struct bytes site_data; /* in the arena, as everything below */
    struct site site;
    struct rotation_keys keys;
    uint16_t serial; /* of the record to come */
    struct fault fault;
};

/* --- the store -------------------------------------------------------------------------------- */

static void ignore_outcome(void *context, uint64_t tag, enum status status,
                           const struct writer_item *items, size_t count)
{
    (void)context;
    (void)tag;
    (void)status;
    (void)items;
    (void)count;
}

static enum status read_site(struct rotate *rotate)
{
    struct bytes stored = BYTES_NONE;
    enum status status = registry_get_meta(rotate->snapshot, "site", &stored);
    if (status == STATUS_OK) {
        rotate->site_data = arena_copy(rotate->call->arena, stored);
        status = rotate->site_data.data == NULL
                     ? STATUS_NO_MEMORY
                     : site_decode(rotate->site_data, rotate->call->arena, &rotate->site);
    }
    if (status != STATUS_OK) {
        return fault_set(&rotate->fault, status, "%s", "the store's site record cannot be read");
    }
    uint32_t next = (uint32_t)rotate->site.serial + 1;
    rotate->serial = next < MESSAGE_SERIAL_UNKNOWN ? (uint16_t)next : FIRST_SERIAL;
    return STATUS_OK;
}

static enum status open_all(struct rotate *rotate)
{
    struct command_call *call = rotate->call;
    enum status status = writer_open(call, ignore_outcome, NULL, &rotate->writer, &rotate->fault);
    if (status == STATUS_OK) {
        status = snapshot_new(writer_registry(rotate->writer), &rotate->snapshot);
    }
    if (status == STATUS_OK) {
        status = snapshot_refresh(rotate->snapshot);
    }
    if (status == STATUS_OK) {
        status = read_site(rotate);
    }
    if (status == STATUS_OK) {
        status = rotation_keys_load(call->arena, call->directory, &rotate->keys, &rotate->fault);
    }
    return status;
}

static void close_all(struct rotate *rotate)
{
    rotation_keys_done(&rotate->keys);
    snapshot_free(rotate->snapshot);
    writer_close(rotate->writer);
    settings_free(rotate->settings);
}

/* A fact of the node, by whoever has the store; then a running node serves with it. `value` empty:
 * nothing but that. */
static enum status set_fact(struct rotate *rotate, const char *name, struct bytes value)
{
    struct command_call *call = rotate->call;
    if (!writer_is_through_daemon(rotate->writer)) {
        return value.len == 0 ? STATUS_OK
                              : registry_set_meta(writer_registry(rotate->writer), name, value);
    }
    const char *hex = text_hex(call->arena, value);
    json_t *arguments = json_pack("{s:s*}", name, value.len == 0 ? NULL : hex);
    json_t *result = NULL;
    enum status status =
        command_call_node(call, "site publish", arguments, &result, &rotate->fault);
    json_decref(arguments);
    json_decref(result);
    return status;
}

/* --- publishing ------------------------------------------------------------------------------- */

static enum status commit_record(struct rotate *rotate, const struct record *record,
                                 uint64_t version)
{
    struct change_set *set =
        change_set_new(CHANGE_ALL_OR_NOTHING, writer_actor(rotate->writer), BYTES_LITERAL("cli"));
    char serial[8];
    (void)snprintf(serial, sizeof(serial), "%u", (unsigned)rotate->serial);
    enum status status = set == NULL ? STATUS_NO_MEMORY : STATUS_OK;
    if (status == STATUS_OK) {
        status = change_set_put_record(set, record, CHANGE_REPLACE, &rotate->fault);
    }
    if (status == STATUS_OK) {
        status = change_set_depends(set, CHANGE_RECORD, record->handle, version);
    }
    if (status == STATUS_OK) {
        status = change_set_audit(set, "key rotate", record->handle, bytes_of_text(serial));
    }
    if (status != STATUS_OK) {
        change_set_free(set);
        return status;
    }
    return writer_write(rotate->writer, set, &rotate->fault);
}

/* 0.NA/<prefix>, if it tells the old key. */
static enum status change_own_record(struct rotate *rotate, const struct rotation_change *change)
{
    struct arena *arena = rotate->call->arena;
    char name[HANDLE_MAX + 8];
    struct record_row row;
    int len = snprintf(name, sizeof(name), "0.NA/%s", rotate->settings->node_prefix);
    struct bytes handle = bytes_of(name, (size_t)len);
    enum status status = registry_get_record(rotate->snapshot, handle, CASE_INSENSITIVE, &row);
    if (status == STATUS_HANDLE_NOT_FOUND) {
        return STATUS_OK;
    }
    struct record record = {0};
    if (status == STATUS_OK) {
        struct wire_reader r = wire_read(arena_copy(arena, row.values));
        record.handle = arena_copy(arena, row.handle);
        status = value_list_decode(&r, arena, &record.values, &record.count);
    }
    if (status == STATUS_OK) {
        status = rotation_record(arena, change, record.values, record.count);
        if (status == STATUS_NOT_FOUND) {
            return STATUS_OK;
        }
    }
    return status == STATUS_OK ? commit_record(rotate, &record, row.version) : status;
}

static enum status publish(struct rotate *rotate)
{
    const struct rotation_change change = {
        .from = rotate->keys.previous,
        .to = rotate->keys.now,
        .serial = rotate->serial,
    };
    struct bytes site = BYTES_NONE;
    enum status status = rotation_site(rotate->call->arena, &change, rotate->site_data, &site);
    if (status == STATUS_OK) {
        status = change_own_record(rotate, &change);
    }
    return status == STATUS_OK ? set_fact(rotate, "site", site) : status;
}

/* --- rotate ----------------------------------------------------------------------------------- */

/* Before anything can be signed with the new key it must be known which clients have it. */
static enum status exchange_keys(struct rotate *rotate)
{
    struct command_call *call = rotate->call;
    char since[8];
    int len = snprintf(since, sizeof(since), "%u", (unsigned)rotate->serial);
    enum status status = set_fact(rotate, "site_key_since", bytes_of(since, (size_t)len));
    if (status == STATUS_OK && rotate->keys.next == NULL) {
        status = rotation_keys_make(call->arena, call->directory, &rotate->keys, &rotate->fault);
    }
    if (status == STATUS_OK) {
        status =
            rotation_keys_exchange(call->arena, call->directory, &rotate->keys, &rotate->fault);
    }
    return status == STATUS_OK ? set_fact(rotate, "", BYTES_NONE) : status;
}

static enum status do_rotate(struct rotate *rotate)
{
    bool is_begun = rotate->keys.previous != NULL && rotate->keys.next == NULL;
    bool is_told = rotation_site_tells(&rotate->site, rotate->keys.now);
    if (is_begun && is_told) {
        return fault_set(&rotate->fault, STATUS_CONFLICT, "%s",
                         "the key before the last rotation is still there; once no client needs "
                         "it: guantong key retire");
    }
    if (rotate->keys.previous == NULL && !is_told) {
        return fault_set(&rotate->fault, STATUS_NOT_SUPPORTED, "%s",
                         "keys/site.pem is not the key the site record tells");
    }
    if (rotate->call->is_dry_run) {
        return STATUS_OK;
    }
    enum status status = is_begun ? STATUS_OK : exchange_keys(rotate);
    return status == STATUS_OK ? publish(rotate) : status;
}

static int tell(struct rotate *rotate)
{
    struct command_call *call = rotate->call;
    if (call->is_json) {
        return say_json(call, json_pack("{s:i, s:b}", "serial", (int)rotate->serial, "dry_run",
                                        call->is_dry_run));
    }
    if (call->is_dry_run) {
        (void)fprintf(call->out, "%s\n",
                      say_text(call, "nothing changed (dry run)", "未更改（试运行）"));
        return EXIT_OK;
    }
    (void)fprintf(
        call->out, "%s %u\n%s\n",
        say_text(call, "new key; the site record has serial", "已更换密钥；站点记录序号为"),
        (unsigned)rotate->serial,
        say_text(call,
                 "clients that know the old record are answered with the old key; after "
                 "a day or two: guantong key retire",
                 "持有旧记录的客户端仍得到旧密钥签名的应答；一两天后请执行 guantong key "
                 "retire"));
    return EXIT_OK;
}

int command_key_rotate(struct command_call *call)
{
    struct rotate rotate = {.call = call, .fault = {STATUS_OK, ""}};
    struct command_signals held;
    int exit = command_load_settings(call, &rotate.settings);
    if (exit != EXIT_OK) {
        return exit;
    }
    command_hold_signals(&held);
    enum status status = open_all(&rotate);
    if (status == STATUS_OK) {
        status = do_rotate(&rotate);
    }
    command_release_signals(&held);
    exit = status == STATUS_OK ? tell(&rotate)
                               : say_status(call, status, "keys/site.pem", &rotate.fault);
    close_all(&rotate);
    return exit;
}

/* --- retire ----------------------------------------------------------------------------------- */

int command_key_retire(struct command_call *call)
{
    struct fault fault = {STATUS_OK, ""};
    json_t *result = NULL;
    int exit =
        call->is_dry_run
            ? EXIT_OK
            : command_confirm(call, say_text(call, "removing the previous key", "删除上一密钥"));
    if (exit != EXIT_OK || call->is_dry_run) {
        return exit;
    }
    enum status status = rotation_keys_retire(call->arena, call->directory, &fault);
    if (status != STATUS_OK) {
        return say_status(call, status, "keys/site.previous.pem", &fault);
    }
    status = command_call_node(call, "node reload", NULL, &result, &fault);
    json_decref(result);
    if (status != STATUS_OK && status != STATUS_UNREACHABLE) {
        return say_status(call, status, "keys/site.previous.pem", &fault);
    }
    if (call->is_json) {
        return say_json(call, json_pack("{s:b}", "retired", true));
    }
    (void)fprintf(call->out, "%s\n", say_text(call, "the previous key is gone", "上一密钥已删除"));
    return EXIT_OK;
}
