/* SPDX-License-Identifier: Apache-2.0
 *
 * guantong apikey new|list|revoke.
 *
 * A key is told once, when it is made: the store keeps an HMAC of its secret under a key derived
 * from keys/commit.key, which whoever makes keys must be able to read.
 */
#include <openssl/crypto.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "admin/command.h"
#include "admin/command_reach.h"
#include "admin/directory.h"
#include "admin/say.h"
#include "admin/writer.h"
#include "protocol/handle.h"
#include "protocol/text.h"
#include "protocol/wire.h"
#include "registry/apikey_row.h"
#include "registry/change_set.h"

#define LIST_ROOM 4096
#define KEY_START "gtk_"
#define DEFAULT_VERBS "read,list"

static const struct {
    const char *name;
    enum apikey_verb verb;
} verbs[] = {
    {"read", APIKEY_READ},     {"create", APIKEY_CREATE}, {"change", APIKEY_CHANGE},
    {"delete", APIKEY_DELETE}, {"list", APIKEY_LIST},
};
#define VERB_COUNT (sizeof(verbs) / sizeof(verbs[0]))

struct apikey_work {
    struct command_call *call;
    struct writer *writer;
    struct snapshot *snapshot;
    struct apikey_row row;
    uint8_t prefixes[LIST_ROOM];
    uint8_t networks[LIST_ROOM];
    uint8_t mac[APIKEY_MAC_LEN];
    char id[APIKEY_ID_LEN + 1];
    char *secret; /* in the arena, until it was told */
};

/* --- words -------------------------------------------------------------------------------------
 */

/* The next part of a list with commas; NULL: there is none. */
static const char *next_word(struct arena *arena, const char **at)
{
    if (*at == NULL || **at == '\0') {
        return NULL;
    }
    size_t len = strcspn(*at, ",");
    const char *word = arena_text(arena, bytes_of(*at, len));
    *at += len + ((*at)[len] == ',' ? 1 : 0);
    return word;
}

static uint32_t verb_named(const char *name)
{
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (strcmp(name, verbs[i].name) == 0) {
            return (uint32_t)verbs[i].verb;
        }
    }
    return 0;
}

static json_t *verbs_json(uint32_t given)
{
    json_t *list = json_array();
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if ((given & (uint32_t)verbs[i].verb) != 0) {
            (void)json_array_append_new(list, json_string(verbs[i].name));
        }
    }
    return list;
}

static json_t *texts_json(struct bytes encoded, uint32_t count)
{
    json_t *list = json_array();
    struct wire_reader r = wire_read(encoded);
    for (uint32_t i = 0; i < count; i++) {
        struct bytes text = wire_bytes(&r);
        (void)json_array_append_new(list, json_stringn((const char *)text.data, text.len));
    }
    return list;
}

static const char *identity_text(struct arena *arena, const struct reference *identity)
{
    size_t size = identity->handle.len + 16;
    char *text = arena_alloc(arena, size);
    if (text != NULL) {
        (void)snprintf(text, size, "%u:%.*s", (unsigned)identity->index, (int)identity->handle.len,
                       (const char *)identity->handle.data);
    }
    return text == NULL ? "" : text;
}

static json_t *row_json(struct arena *arena, const struct apikey_row *row)
{
    char created[TEXT_TIME_LEN];
    char expires[TEXT_TIME_LEN];
    text_time_ms(row->created_ms, created);
    text_time_ms(row->expires_ms, expires);
    return json_pack("{s:s%, s:s, s:s, s:s%, s:o, s:o, s:o, s:s?, s:s?, s:s%}", "id", row->id.data,
                     row->id.len, "state", row->state == APIKEY_ACTIVE ? "active" : "revoked",
                     "identity", identity_text(arena, &row->identity), "enterprise",
                     row->enterprise.data, row->enterprise.len, "prefixes",
                     texts_json(row->prefixes, row->prefix_count), "verbs", verbs_json(row->verbs),
                     "addresses", texts_json(row->networks, row->network_count), "created",
                     row->created_ms == 0 ? NULL : created, "expires",
                     row->expires_ms == 0 ? NULL : expires, "note",
                     row->note.len == 0 ? "" : (const char *)row->note.data, row->note.len);
}

/* --- reading what is asked for -----------------------------------------------------------------
 */

static int read_verbs(struct apikey_work *work)
{
    struct command_call *call = work->call;
    const char *given = command_option(call, "--verbs");
    const char *at = given == NULL ? DEFAULT_VERBS : given;
    const char *word = NULL;
    while ((word = next_word(call->arena, &at)) != NULL) {
        uint32_t verb = verb_named(word);
        if (verb == 0) {
            return say_problem(call, PROBLEM_BAD_ARGUMENT, word);
        }
        work->row.verbs |= verb;
    }
    return work->row.verbs != 0 ? EXIT_OK : say_problem(call, PROBLEM_BAD_ARGUMENT, "--verbs");
}

/* One enterprise for all: that of the first. */
static int take_prefix(struct apikey_work *work, struct wire_writer *w, const char *name)
{
    struct command_call *call = work->call;
    struct prefix_row prefix;
    if (registry_get_prefix(work->snapshot, bytes_of_text(name), &prefix) != STATUS_OK ||
        prefix.hosting != PREFIX_HOSTED) {
        return say_problem(call, PROBLEM_NOT_HOMED, name);
    }
    if (work->row.prefix_count == 0) {
        work->row.enterprise = arena_copy(call->arena, prefix.enterprise);
    } else if (!bytes_equal(work->row.enterprise, prefix.enterprise)) {
        return say_problem_because(
            call, PROBLEM_BAD_ARGUMENT, name,
            say_text(call, "it is another enterprise's", "该前缀属于另一企业"));
    }
    wire_put_bytes(w, prefix.prefix);
    work->row.prefix_count++;
    return EXIT_OK;
}

static int read_prefixes(struct apikey_work *work)
{
    struct command_call *call = work->call;
    struct wire_writer w = wire_write(work->prefixes, sizeof(work->prefixes));
    int exit = EXIT_OK;
    for (size_t i = 0; exit == EXIT_OK && i < call->argument_count; i++) {
        exit = take_prefix(work, &w, call->arguments[i]);
    }
    work->row.prefixes = wire_wrote(&w);
    bool fits = !w.failed && work->row.prefix_count <= APIKEY_LIST_MAX;
    return exit != EXIT_OK || fits ? exit : say_problem(call, PROBLEM_BAD_ARGUMENT, "PREFIX...");
}

static int read_addresses(struct apikey_work *work)
{
    struct command_call *call = work->call;
    const char *at = command_option(call, "--addresses");
    const char *word = NULL;
    struct settings_network network;
    struct wire_writer w = wire_write(work->networks, sizeof(work->networks));
    while ((word = next_word(call->arena, &at)) != NULL) {
        if (settings_parse_network(word, &network) != STATUS_OK) {
            return say_problem(call, PROBLEM_BAD_ARGUMENT, word);
        }
        wire_put_bytes(&w, bytes_of_text(word));
        work->row.network_count++;
    }
    work->row.networks = wire_wrote(&w);
    bool fits = !w.failed && work->row.network_count <= APIKEY_LIST_MAX;
    return fits ? EXIT_OK : say_problem(call, PROBLEM_BAD_ARGUMENT, "--addresses");
}

/* "90d", "2027-01-01", "2027-01-01T08:00:00+08:00". */
static int read_expiry(struct apikey_work *work)
{
    struct command_call *call = work->call;
    const char *text = command_option(call, "--expires");
    int64_t now_ms = (int64_t)time(NULL) * 1000;
    int64_t passed_ms = 0;
    int64_t seconds = 0;
    char day[TEXT_TIME_LEN];
    if (text == NULL) {
        return EXIT_OK;
    }
    if (settings_parse_number(SETTING_DURATION, text, &passed_ms) == STATUS_OK) {
        work->row.expires_ms = now_ms + passed_ms;
    } else {
        bool is_day = strlen(text) == strlen("2027-01-01");
        (void)snprintf(day, sizeof(day), "%.10sT00:00:00Z", text);
        if (text_time_parse(bytes_of_text(is_day ? day : text), &seconds) != STATUS_OK) {
            return say_problem(call, PROBLEM_BAD_ARGUMENT, text);
        }
        work->row.expires_ms = seconds * 1000;
    }
    return work->row.expires_ms > now_ms ? EXIT_OK : say_problem(call, PROBLEM_BAD_ARGUMENT, text);
}

static int read_identity(struct apikey_work *work)
{
    struct command_call *call = work->call;
    const char *text = command_option(call, "--identity");
    struct reference *identity = &work->row.identity;
    if (text == NULL) {
        size_t size = HANDLE_PREFIX_MAX + 16;
        char *made = arena_alloc(call->arena, size);
        if (made == NULL) {
            return say_problem(call, PROBLEM_NO_MEMORY, "--identity");
        }
        (void)snprintf(made, size, "300:0.NA/%s", call->arguments[0]);
        text = made;
    }
    bool is_one = handle_parse_reference(bytes_of_text(text), &identity->index,
                                         &identity->handle) == STATUS_OK &&
                  identity->index != 0 && handle_check(identity->handle, NULL) == STATUS_OK;
    return is_one ? EXIT_OK : say_problem(call, PROBLEM_BAD_ARGUMENT, text);
}

/* --- the secret --------------------------------------------------------------------------------
 */

static bool draw(void *out, size_t len)
{
    return getrandom(out, len, 0) == (ssize_t)len;
}

/* Of 36 signs; the few bytes that would make some likelier are left out. */
static bool draw_id(char out[APIKEY_ID_LEN + 1])
{
    static const char signs[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    for (size_t i = 0; i < APIKEY_ID_LEN;) {
        uint8_t byte = 0;
        if (!draw(&byte, sizeof(byte))) {
            return false;
        }
        if (byte < 252) {
            out[i++] = signs[byte % 36];
        }
    }
    out[APIKEY_ID_LEN] = '\0';
    return true;
}

static int make_secret(struct apikey_work *work)
{
    struct command_call *call = work->call;
    uint8_t key[REGISTRY_COMMITMENT_KEY_LEN];
    uint8_t secret[APIKEY_SECRET_LEN];
    struct fault fault = {.status = STATUS_OK};
    enum status status = directory_commitment_key(call->arena, call->directory, key, &fault);
    if (status != STATUS_OK) {
        return say_status(call, status, call->directory, &fault);
    }
    bool is_drawn = draw_id(work->id) && draw(secret, sizeof(secret));
    work->secret = is_drawn ? text_base64url(call->arena, bytes_of(secret, sizeof(secret))) : NULL;
    OPENSSL_cleanse(secret, sizeof(secret));
    status = work->secret == NULL
                 ? STATUS_ERROR
                 : apikey_row_mac(bytes_of(key, sizeof(key)), bytes_of_text(work->id),
                                  bytes_of_text(work->secret), work->mac);
    OPENSSL_cleanse(key, sizeof(key));
    work->row.id = bytes_of_text(work->id);
    work->row.mac = bytes_of(work->mac, sizeof(work->mac));
    return status == STATUS_OK ? EXIT_OK : say_status(call, status, "apikey new", NULL);
}

/* --- writing -----------------------------------------------------------------------------------
 */

static int open_work(struct apikey_work *work)
{
    struct command_call *call = work->call;
    struct fault fault = {.status = STATUS_OK};
    enum status status = writer_open(call, NULL, NULL, &work->writer, &fault);
    if (status != STATUS_OK) {
        return say_status(call, status, call->directory, &fault);
    }
    struct registry *registry = writer_registry(work->writer);
    status = registry == NULL ? STATUS_ACCESS_DENIED : snapshot_new(registry, &work->snapshot);
    return status == STATUS_OK ? EXIT_OK : say_status(call, status, call->directory, NULL);
}

static void close_work(struct apikey_work *work)
{
    if (work->secret != NULL) {
        OPENSSL_cleanse(work->secret, strlen(work->secret));
    }
    snapshot_free(work->snapshot);
    writer_close(work->writer);
}

static int write_row(struct apikey_work *work, const char *action, enum change_mode mode)
{
    struct command_call *call = work->call;
    struct fault fault = {.status = STATUS_OK};
    struct change_set *set =
        change_set_new(CHANGE_ALL_OR_NOTHING, writer_actor(work->writer), BYTES_LITERAL("cli"));
    json_t *row = row_json(call->arena, &work->row);
    char *detail = json_dumps(row, JSON_COMPACT);
    json_decref(row);
    enum status status = set == NULL || detail == NULL
                             ? STATUS_NO_MEMORY
                             : change_set_put_apikey(set, &work->row, mode, &fault);
    if (status == STATUS_OK) {
        status = change_set_audit(set, action, work->row.id, bytes_of_text(detail));
    }
    snapshot_rest(work->snapshot);
    if (status == STATUS_OK) {
        status = writer_write(work->writer, set, &fault);
    } else {
        change_set_free(set);
    }
    free(detail);
    const char *what = work->id[0] == '\0' ? "apikey" : work->id;
    return status == STATUS_OK ? EXIT_OK : say_status(call, status, what, &fault);
}

static int tell_new(struct apikey_work *work)
{
    struct command_call *call = work->call;
    char key[160];
    (void)snprintf(key, sizeof(key), KEY_START "%s_%s", work->id, work->secret);
    if (call->is_json) {
        json_t *told = row_json(call->arena, &work->row);
        if (!call->is_dry_run) {
            (void)json_object_set_new(told, "key", json_string(key));
        }
        (void)json_object_del(told, "created");
        OPENSSL_cleanse(key, sizeof(key));
        return say_json(call, told);
    }
    if (call->is_dry_run) {
        (void)fprintf(call->out, "%s\n", say_text(call, "would be made (dry run)", "（试运行）"));
    } else {
        (void)fprintf(call->out, "%s\n", key);
        (void)fprintf(call->err, "%s\n",
                      say_text(call, "This is told once: keep it where only its program reads it.",
                               "密钥仅显示一次，请妥善保存，仅供使用它的程序读取。"));
    }
    OPENSSL_cleanse(key, sizeof(key));
    return EXIT_OK;
}

int command_apikey_new(struct command_call *call)
{
    struct apikey_work work = {.call = call, .row = {.state = APIKEY_ACTIVE}};
    const char *note = command_option(call, "--note");
    work.row.note = bytes_of_text(note == NULL ? "" : note);
    int (*const steps[])(struct apikey_work *) = {
        read_verbs, read_addresses, read_expiry, read_identity,
        open_work,  read_prefixes,  make_secret,
    };
    int exit = EXIT_OK;
    for (size_t i = 0; exit == EXIT_OK && i < sizeof(steps) / sizeof(steps[0]); i++) {
        exit = steps[i](&work);
    }
    if (exit == EXIT_OK) {
        exit = write_row(&work, "apikey new", CHANGE_CREATE);
    }
    if (exit == EXIT_OK) {
        exit = tell_new(&work);
    }
    close_work(&work);
    return exit;
}

static int revoke_one(struct apikey_work *work, const char *id)
{
    struct command_call *call = work->call;
    struct apikey_row stored;
    enum status status = snapshot_refresh(work->snapshot);
    if (status == STATUS_OK) {
        status = registry_get_apikey(work->snapshot, bytes_of_text(id), &stored);
    }
    if (status != STATUS_OK) {
        return say_status(call, status, id, NULL);
    }
    if (stored.state != APIKEY_REVOKED) {
        work->row = stored;
        work->row.state = APIKEY_REVOKED;
        (void)snprintf(work->id, sizeof(work->id), "%s", id);
        int exit = write_row(work, "apikey revoke", CHANGE_MODIFY);
        if (exit != EXIT_OK) {
            return exit;
        }
    }
    if (!call->is_json) {
        (void)fprintf(call->out, "%s: %s\n", id,
                      call->is_dry_run ? say_text(call, "would be revoked", "将被吊销")
                                       : say_text(call, "revoked", "已吊销"));
    }
    return EXIT_OK;
}

int command_apikey_revoke(struct command_call *call)
{
    struct apikey_work work = {.call = call};
    json_t *items = json_array();
    int exit = open_work(&work);
    for (size_t i = 0; exit == EXIT_OK && i < call->argument_count; i++) {
        exit = revoke_one(&work, call->arguments[i]);
        (void)json_array_append_new(
            items, json_pack("{s:s, s:s}", "id", call->arguments[i], "state", "revoked"));
    }
    if (exit == EXIT_OK && call->is_json) {
        exit = say_json(call, json_pack("{s:O, s:n}", "items", items, "next"));
    }
    json_decref(items);
    close_work(&work);
    return exit;
}

/* --- list --------------------------------------------------------------------------------------
 */

static const char *joined(struct arena *arena, json_t *list)
{
    char room[LIST_ROOM];
    size_t len = 0;
    size_t i = 0;
    json_t *text = NULL;
    room[0] = '\0';
    json_array_foreach(list, i, text)
    {
        int more = snprintf(room + len, sizeof(room) - len, "%s%s", i == 0 ? "" : ",",
                            json_string_value(text));
        len += more > 0 && (size_t)more < sizeof(room) - len ? (size_t)more : 0;
    }
    json_decref(list);
    return say_printable(arena, bytes_of(room, len));
}

static void list_one(struct command_call *call, const struct apikey_row *row, json_t *items,
                     struct say_table *table)
{
    struct arena *arena = call->arena;
    char expires[TEXT_TIME_LEN] = "-";
    if (call->is_json) {
        (void)json_array_append_new(items, row_json(arena, row));
        return;
    }
    if (row->expires_ms != 0) {
        text_time_s(row->expires_ms / 1000, expires);
    }
    const struct bytes identity = bytes_of_text(identity_text(arena, &row->identity));
    say_table_row(table, (const char *const[]){
                             say_printable(arena, row->id),
                             row->state == APIKEY_ACTIVE ? say_text(call, "active", "有效")
                                                         : say_text(call, "revoked", "已吊销"),
                             say_printable(arena, identity),
                             joined(arena, texts_json(row->prefixes, row->prefix_count)),
                             joined(arena, verbs_json(row->verbs)),
                             joined(arena, texts_json(row->networks, row->network_count)), expires,
                             say_printable(arena, row->note)});
}

int command_apikey_list(struct command_call *call)
{
    struct registry *registry = NULL;
    struct snapshot *snapshot = NULL;
    struct apikey_row row;
    int exit = command_open_store(call, &registry, &snapshot);
    if (exit != EXIT_OK) {
        return exit;
    }
    const char *headings[] = {
        say_text(call, "ID", "编号"),      say_text(call, "STATE", "状态"),
        say_text(call, "ACTS AS", "身份"), say_text(call, "PREFIXES", "前缀"),
        say_text(call, "VERBS", "权限"),   say_text(call, "ADDRESSES", "地址"),
        say_text(call, "EXPIRES", "到期"), say_text(call, "NOTE", "备注")};
    json_t *items = json_array();
    struct say_table *table = say_table_new(headings, sizeof(headings) / sizeof(headings[0]));
    enum status status = registry_next_apikey(snapshot, BYTES_NONE, &row);
    while (status == STATUS_OK) {
        list_one(call, &row, items, table);
        status = registry_next_apikey(snapshot, row.id, &row);
    }
    command_close_store(registry, snapshot);
    if (status != STATUS_NOT_FOUND) {
        exit = say_status(call, status, call->directory, NULL);
    } else if (call->is_json) {
        exit = say_json(call, json_pack("{s:O, s:n}", "items", items, "next"));
    } else {
        say_table_print(table, call->out);
        table = NULL;
    }
    say_table_free(table);
    json_decref(items);
    return exit;
}
