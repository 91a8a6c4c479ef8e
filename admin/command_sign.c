/* SPDX-License-Identifier: Apache-2.0
 *
 * guantong record sign, guantong key cert: HS_SIGNATURE and HS_CERT with a key of ours, offline.
 *
 * What is signed goes to standard output, for `record put` or whatever other way into a store;
 * nothing else is written. Secret and hidden values are not signed: a digest tells those who guess
 * whether they guessed right.
 */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "admin/import_lines.h"
#include "admin/key_open.h"
#include "admin/say.h"
#include "protocol/claims_issue.h"
#include "protocol/handle.h"
#include "protocol/record_json.h"

#define INDEX_DEFAULT 400 /* where both kinds are looked for first */
#define BEFORE_S 600      /* clocks of those who verify may be late */
#define LIFE_DEFAULT "365d"
#define LIFE_MAX 1000000000
#define RECORD_ARENA_FIRST 65536
#define RECORD_ARENA_MAX (32u << 20)
#define PERMISSIONS_MAX 64

struct signing {
    struct command_call *call;
    struct key_file key;
    struct claims_terms terms; /* but for the subject */
    uint32_t index;
};

/* --- what was asked --------------------------------------------------------------------------- */

static int read_identity(struct signing *signing)
{
    struct command_call *call = signing->call;
    struct bytes text = bytes_of_text(command_option(call, "--identity"));
    struct claims_identity identity;
    if (!claims_identity_parse(text, &identity) || identity.index == 0) {
        return say_problem_because(call, PROBLEM_BAD_OPTION, "--identity",
                                   "INDEX:HANDLE of the signer is expected, such as "
                                   "300:88.608.8889/User_li");
    }
    signing->terms.issuer = text;
    return EXIT_OK;
}

static int read_chain(struct signing *signing)
{
    struct command_call *call = signing->call;
    const char *at = command_option(call, "--chain");
    struct bytes *chain = arena_calloc(call->arena, JWS_CHAIN_MAX, sizeof(*chain));
    size_t count = 0;
    if (chain == NULL) {
        return say_status(call, STATUS_NO_MEMORY, "--chain", NULL);
    }
    while (at != NULL && *at != '\0') {
        size_t len = strcspn(at, ",");
        struct claims_identity reference;
        if (count == JWS_CHAIN_MAX || !claims_identity_parse(bytes_of(at, len), &reference)) {
            return say_problem_because(call, PROBLEM_BAD_OPTION, "--chain",
                                       "INDEX:HANDLE of certificates is expected, the signer's "
                                       "first, separated by commas");
        }
        chain[count++] = bytes_of(at, len);
        at += len + (at[len] == ',');
    }
    signing->terms.chain = chain;
    signing->terms.chain_count = count;
    return EXIT_OK;
}

/* "365d", "12h", "30m", "90s"; "never": 0. */
static bool read_life(const char *text, int64_t *out_s)
{
    static const struct {
        const char *unit;
        int64_t seconds;
    } units[] = {{"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}};
    char *end = NULL;
    long number = strtol(text, &end, 10);
    *out_s = 0;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (end != text && strcmp(end, units[i].unit) == 0 && number > 0 && number <= LIFE_MAX) {
            *out_s = number * units[i].seconds;
        }
    }
    return *out_s > 0 || strcmp(text, "never") == 0;
}

static int read_numbers(struct signing *signing)
{
    struct command_call *call = signing->call;
    const char *index = command_option(call, "--index");
    const char *expires = command_option(call, "--expires");
    char *end = NULL;
    unsigned long number = index == NULL ? INDEX_DEFAULT : strtoul(index, &end, 10);
    if (number == 0 || number > INT32_MAX || (index != NULL && (*end != '\0' || *index == '-'))) {
        return say_problem_because(call, PROBLEM_BAD_OPTION, "--index", "a number is expected");
    }
    int64_t life_s = 0;
    if (!read_life(expires == NULL ? LIFE_DEFAULT : expires, &life_s)) {
        return say_problem_because(call, PROBLEM_BAD_OPTION, "--expires",
                                   "a time is expected, such as 365d, or never");
    }
    int64_t now_s = (int64_t)time(NULL);
    signing->index = (uint32_t)number;
    signing->terms.issued_at = now_s;
    signing->terms.not_before = now_s - BEFORE_S;
    signing->terms.expires = life_s == 0 ? 0 : now_s + life_s;
    return EXIT_OK;
}

static int open_key(struct signing *signing)
{
    struct command_call *call = signing->call;
    const char *path = command_option(call, "--key");
    if (path == NULL) {
        return say_problem_because(call, PROBLEM_BAD_OPTION, "--key",
                                   "the signer's private key is expected");
    }
    int exit_code = key_open(call, path, &signing->key);
    if (exit_code == EXIT_OK && !signing->key.is_private) {
        return say_problem_because(call, PROBLEM_BAD_OPTION, "--key", "it holds no private key");
    }
    return exit_code;
}

static int read_all(struct signing *signing)
{
    int exit_code = read_identity(signing);
    exit_code = exit_code == EXIT_OK ? read_chain(signing) : exit_code;
    exit_code = exit_code == EXIT_OK ? read_numbers(signing) : exit_code;
    return exit_code == EXIT_OK ? open_key(signing) : exit_code;
}

static struct value value_of(const struct signing *signing, const char *type, struct bytes data)
{
    return (struct value){
        .index = signing->index,
        .timestamp = (uint32_t)signing->terms.issued_at,
        .ttl = VALUE_TTL_DEFAULT,
        .permissions = VALUE_PERMISSIONS_DEFAULT,
        .type = bytes_of_text(type),
        .data = data,
    };
}

/* --- records ---------------------------------------------------------------------------------- */

/* "sha-256", "sm3"; not given: SM3 for SM2 keys. */
static int read_digest(const struct signing *signing, enum claims_digest *out_digest)
{
    const char *name = command_option(signing->call, "--digest");
    *out_digest = EVP_PKEY_is_a(signing->key.key, "SM2") ? CLAIMS_SM3 : CLAIMS_SHA256;
    if (name != NULL && !claims_digest_parse(bytes_of_text(name), out_digest)) {
        return say_problem_because(signing->call, PROBLEM_BAD_OPTION, "--digest",
                                   "sha-256 or sm3 is expected");
    }
    return EXIT_OK;
}

static bool is_to_be_signed(const struct value *value)
{
    return value_is_public(value) &&
           !bytes_equal_nocase(value->type, BYTES_LITERAL("HS_SIGNATURE"));
}

/* The signature takes the place of whatever had its index. */
static enum status add_signature(const struct signing *signing, enum claims_digest digest,
                                 struct arena *arena, struct record *record)
{
    struct value *values = arena_calloc(arena, record->count + 1, sizeof(*values));
    struct value *covered = arena_calloc(arena, record->count + 1, sizeof(*covered));
    if (values == NULL || covered == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct record signed_part = {record->handle, covered, 0};
    size_t count = 0;
    for (size_t i = 0; i < record->count; i++) {
        const struct value *value = &record->values[i];
        if (value->index == signing->index) {
            continue;
        }
        values[count++] = *value;
        if (is_to_be_signed(value)) {
            covered[signed_part.count++] = *value;
        }
    }
    struct claims_terms terms = signing->terms;
    struct bytes data;
    terms.subject = record->handle;
    enum status status =
        claims_issue_signature(signing->key.key, &terms, digest, &signed_part, arena, &data);
    if (status == STATUS_OK) {
        values[count++] = value_of(signing, "HS_SIGNATURE", data);
        value_list_sort(values, count);
        record->values = values;
        record->count = count;
    }
    return status;
}

static enum status sign_line(const struct signing *signing, enum claims_digest digest,
                             struct bytes line, struct fault *fault)
{
    struct arena *arena = arena_new(RECORD_ARENA_FIRST, RECORD_ARENA_MAX);
    struct record record;
    enum status status =
        arena == NULL
            ? STATUS_NO_MEMORY
            : record_json_parse(line, arena, (uint32_t)signing->terms.issued_at, &record, fault);
    if (status == STATUS_OK) {
        status = add_signature(signing, digest, arena, &record);
        if (status == STATUS_NOT_SUPPORTED) {
            (void)fault_set(fault, status, "RSA, DSA and SM2 keys sign records");
        }
    }
    status = status == STATUS_OK
                 ? value_list_check(record.handle, record.values, record.count, fault)
                 : status;
    if (status == STATUS_OK) {
        say_json_line(signing->call, record_json_encode(&record, RECORD_JSON_PERMISSIONS));
    }
    arena_free(arena);
    return status;
}

static int say_line(struct command_call *call, enum status status, uint64_t number,
                    const struct fault *fault)
{
    struct fault where;
    (void)fault_set(&where, status, "%s:%llu", call->arguments[0], (unsigned long long)number);
    switch (status) {
    case STATUS_SYSTEM:
        return say_problem_because(call, PROBLEM_FILE, call->arguments[0], fault->text);
    case STATUS_NOT_SUPPORTED:
        return say_problem(call, PROBLEM_KEY_FORM, fault->text);
    case STATUS_NO_MEMORY:
        return say_status(call, status, where.text, fault);
    default:
        return say_problem_because(call, PROBLEM_BAD_RECORD, where.text,
                                   fault->text[0] != '\0' ? fault->text : "too long a line");
    }
}

static int sign_records(const struct signing *signing, enum claims_digest digest)
{
    struct command_call *call = signing->call;
    const struct import_lines_options options = {call->arguments[0], NULL, -1};
    struct import_lines *lines = NULL;
    struct import_line line = {.number = 0};
    struct fault fault = {STATUS_OK, ""};
    enum status status = import_lines_open(&options, &lines, &fault);
    while (status == STATUS_OK) {
        status = import_lines_next(lines, &line, &fault);
        if (status == STATUS_OK && import_lines_trim(line.text).len > 0) {
            status = sign_line(signing, digest, line.text, &fault);
        }
    }
    import_lines_close(lines);
    return status == STATUS_NOT_FOUND && fault.text[0] == '\0'
               ? EXIT_OK
               : say_line(call, status, line.number, &fault);
}

int command_record_sign(struct command_call *call)
{
    struct signing signing = {.call = call};
    enum claims_digest digest = CLAIMS_SHA256;
    int exit_code = read_all(&signing);
    exit_code = exit_code == EXIT_OK ? read_digest(&signing, &digest) : exit_code;
    exit_code = exit_code == EXIT_OK ? sign_records(&signing, digest) : exit_code;
    key_file_done(&signing.key);
    return exit_code;
}

/* --- certificates ----------------------------------------------------------------------------- */

/* "everything", "thisHandle:88.1/x", "derivedPrefixes:0.NA/88", "handlesUnderThisPrefix:88.1": over
 * prefixes a bare one will do. */
static bool read_permission(struct arena *arena, const char *text, struct jws_permission *out)
{
    size_t len = strcspn(text, ":");
    struct bytes name = bytes_of_text(text[len] == ':' ? text + len + 1 : "");
    if (!jws_perm_parse(bytes_of(text, len), &out->perm) || name.len > HANDLE_MAX ||
        (name.len == 0) != (out->perm == JWS_EVERYTHING)) {
        return false;
    }
    if (out->perm == JWS_EVERYTHING) {
        return true;
    }
    uint8_t *room = arena_alloc(arena, HANDLE_EXPANDED_MAX);
    if (room == NULL || handle_expand(name, room, &out->handle) != STATUS_OK) {
        return false;
    }
    return out->perm == JWS_THIS_HANDLE || handle_is_prefix_record(out->handle);
}

static int read_permissions(const struct signing *signing, struct claims_grant *grant)
{
    struct command_call *call = signing->call;
    struct jws_permission *permissions =
        arena_calloc(call->arena, PERMISSIONS_MAX, sizeof(*permissions));
    size_t count = 0;
    for (size_t i = 0; i < call->option_count && permissions != NULL; i++) {
        if (strcmp(call->options[i][0], "--perm") != 0) {
            continue;
        }
        if (count == PERMISSIONS_MAX ||
            !read_permission(call->arena, call->options[i][1], &permissions[count])) {
            return say_problem_because(call, PROBLEM_BAD_OPTION, "--perm",
                                       "everything, thisHandle:HANDLE, derivedPrefixes:PREFIX or "
                                       "handlesUnderThisPrefix:PREFIX is expected");
        }
        permissions[count++].may_certify = !command_has(call, "--no-certify");
    }
    grant->permissions = permissions;
    grant->permission_count = count;
    return count > 0 ? EXIT_OK
                     : say_problem_because(call, PROBLEM_BAD_OPTION, "--perm",
                                           "at least one permission is expected");
}

static int certify(struct signing *signing, struct bytes subject_key)
{
    struct command_call *call = signing->call;
    struct claims_identity subject;
    struct claims_grant grant = {.subject_key = subject_key};
    struct bytes data;
    signing->terms.subject = bytes_of_text(command_option(call, "--handle"));
    if (!claims_identity_parse(signing->terms.subject, &subject) || subject.index == 0) {
        return say_problem_because(call, PROBLEM_BAD_OPTION, "--handle",
                                   "INDEX:HANDLE of the key's owner is expected");
    }
    int exit_code = read_permissions(signing, &grant);
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    enum status status =
        claims_issue_certificate(signing->key.key, &signing->terms, &grant, call->arena, &data);
    if (status == STATUS_NOT_SUPPORTED) {
        return say_problem(call, PROBLEM_KEY_FORM, "RSA, DSA and SM2 keys are certified by such");
    }
    if (status != STATUS_OK) {
        return say_status(call, status, "HS_CERT", NULL);
    }
    const struct value value = value_of(signing, "HS_CERT", data);
    json_t *object = value_json_encode(&value, 0);
    (void)json_object_del(object, "timestamp"); /* whoever stores it says when */
    if (call->is_json) {
        return say_json(call, object);
    }
    say_json_line(call, object);
    return EXIT_OK;
}

int command_key_cert(struct command_call *call)
{
    struct signing signing = {.call = call};
    struct key_file subject = {0};
    int exit_code = read_all(&signing);
    if (exit_code == EXIT_OK) {
        exit_code = key_open(call, call->arguments[0], &subject);
    }
    if (exit_code == EXIT_OK) {
        exit_code = certify(&signing, subject.record);
    }
    key_file_done(&subject);
    key_file_done(&signing.key);
    return exit_code;
}
