/* SPDX-License-Identifier: Apache-2.0
 *
 * guantong key new|show|convert: the keys of people and programs, in the forms other clients read.
 *
 * A private key never goes to standard output, and no file is ever overwritten.
 */
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#include "admin/key_open.h"
#include "admin/key_snippets.h"
#include "admin/say.h"
#include "protocol/handle.h"
#include "protocol/record_json.h"
#include "protocol/text.h"

#define SECRET_BYTES 20u /* 160 bits: forty hexadecimal digits, plain ASCII for every client */
#define INDEX_DEFAULT 300

static const struct form_row {
    const char *name;
    enum key_form form;
} forms[] = {
    {"pem", KEY_PEM},
    {"der", KEY_DER},
    {"public-pem", KEY_PUBLIC_PEM},
    {"public-der", KEY_PUBLIC_DER},
    {"reference", KEY_REFERENCE},
    {"reference-public", KEY_REFERENCE_PUBLIC},
    {"certificate", KEY_CERTIFICATE},
};

static const struct kind_row {
    const char *name;
    const char *algorithm;
    unsigned bits; /* RSA */
} kinds[] = {
    {"rsa", "RSA", 2048}, {"rsa-3072", "RSA", 3072}, {"rsa-4096", "RSA", 4096},
    {"sm2", "SM2", 0},    {"p256", "EC", 0},
};

/* What a key command works on; done with `job_done` whatever happened. */
struct job {
    struct command_call *call;
    struct key_pass_phrase seal; /* of the file written */
    struct key_file file;
    struct bytes secret; /* of a secret file, in the arena */
    uint32_t index;
    struct bytes handle; /* empty: none was given */
    const char *identity;
};

static void job_done(struct job *job)
{
    key_file_done(&job->file);
    key_pass_phrase_cleanse(&job->seal);
    if (job->secret.len > 0) {
        OPENSSL_cleanse((void *)(uintptr_t)job->secret.data, job->secret.len);
    }
}

/* --- what was asked --------------------------------------------------------------------------- */

/* The pass phrase of a file to be written. */
static int take_pass_phrase(struct command_call *call, const char *option,
                            struct key_pass_phrase *out_pass_phrase)
{
    const char *path = command_option(call, option);
    struct fault fault;
    if (path == NULL) {
        return EXIT_OK;
    }
    enum status status = key_pass_phrase_read(path, true, out_pass_phrase, &fault);
    return status == STATUS_OK ? EXIT_OK
                               : say_problem_because(call, PROBLEM_FILE, option, fault.text);
}

static int take_identity(struct job *job)
{
    struct command_call *call = job->call;
    job->index = INDEX_DEFAULT;
    job->identity = command_option(call, "--handle");
    if (job->identity == NULL) {
        return EXIT_OK;
    }
    struct bytes text = bytes_of_text(job->identity);
    if (handle_parse_reference(text, &job->index, &job->handle) != STATUS_OK ||
        job->handle.len == 0 || job->handle.len > HANDLE_MAX) {
        return say_problem_because(call, PROBLEM_BAD_OPTION, "--handle",
                                   "INDEX:HANDLE is expected, such as 300:88.608.8889/User_li");
    }
    job->index = job->index == 0 ? INDEX_DEFAULT : job->index;
    return EXIT_OK;
}

static int job_open(struct job *job, const char *path)
{
    struct command_call *call = job->call;
    struct fault fault = {STATUS_OK, ""};
    int exit_code = take_identity(job);
    if (exit_code != EXIT_OK || !command_has(call, "--secret")) {
        return exit_code == EXIT_OK ? key_open(call, path, &job->file) : exit_code;
    }
    enum status status = key_file_read_secret(call->arena, path, &job->secret, &fault);
    return status == STATUS_OK ? EXIT_OK : key_say_unread(call, status, &fault);
}

/* --- new -------------------------------------------------------------------------------------- */

static int write_new(struct job *job, const char *path, struct bytes data)
{
    struct fault fault;
    if (job->call->is_dry_run) {
        return EXIT_OK;
    }
    enum status status = key_file_write(path, data, true, &fault);
    return status == STATUS_OK ? EXIT_OK : say_problem(job->call, PROBLEM_FILE, fault.text);
}

static int new_secret(struct job *job, const char *path)
{
    struct arena *arena = job->call->arena;
    uint8_t random[SECRET_BYTES];
    if (RAND_priv_bytes(random, sizeof(random)) != 1) {
        return say_problem(job->call, PROBLEM_SYSTEM, "OpenSSL's random numbers");
    }
    char *digits = text_hex(arena, bytes_of(random, sizeof(random)));
    OPENSSL_cleanse(random, sizeof(random));
    if (digits == NULL) {
        return say_status(job->call, STATUS_NO_MEMORY, path, NULL);
    }
    job->secret = bytes_of_text(digits);
    return write_new(job, path, job->secret);
}

static int new_key(struct job *job, const char *path, const struct kind_row *kind)
{
    struct fault fault;
    if (strcmp(kind->algorithm, "RSA") == 0) {
        job->file.key = EVP_RSA_gen(kind->bits);
    } else {
        job->file.key = strcmp(kind->algorithm, "EC") == 0
                            ? EVP_EC_gen("P-256")
                            : EVP_PKEY_Q_keygen(NULL, NULL, kind->algorithm);
    }
    job->file.is_private = true;
    if (job->file.key == NULL) {
        return say_problem(job->call, PROBLEM_SYSTEM, "OpenSSL's key generation");
    }
    struct bytes data;
    enum status status =
        key_file_encode(job->call->arena, &job->file, KEY_PEM, &job->seal, "", &data, &fault);
    if (status != STATUS_OK) {
        return say_status(job->call, status, path, &fault);
    }
    int exit_code = write_new(job, path, data);
    OPENSSL_cleanse((void *)(uintptr_t)data.data, data.len);
    return exit_code;
}

static int make(struct job *job, const char *path, const char *type)
{
    int exit_code = take_pass_phrase(job->call, "--pass-phrase-file", &job->seal);
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    if (strcmp(type, "secret") == 0) {
        return new_secret(job, path);
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(kinds[i].name, type) == 0) {
            return new_key(job, path, &kinds[i]);
        }
    }
    return say_problem_because(job->call, PROBLEM_BAD_OPTION, "--type",
                               "rsa, rsa-3072, rsa-4096, sm2, p256 or secret is expected");
}

int command_key_new(struct command_call *call)
{
    struct job job = {.call = call};
    const char *path = call->arguments[0];
    const char *type = command_option(call, "--type");
    type = type == NULL ? "rsa" : type;
    int exit_code = make(&job, path, type);
    job_done(&job);
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    if (call->is_json) {
        return say_json(call, json_pack("{s:s, s:s, s:b}", "file", path, "type", type, "written",
                                        (int)!call->is_dry_run));
    }
    const char *secret = strcmp(type, "secret") == 0 ? " --secret" : "";
    (void)fprintf(call->out, "%s: %s %s\n", path, type,
                  call->is_dry_run ? say_text(call, "(nothing written)", "（未写入）")
                                   : say_text(call, "key written, readable by its owner only",
                                              "密钥已写入，仅所有者可读"));
    (void)fprintf(call->out, "%s: guantong key show %s%s --for record\n",
                  say_text(call, "its value for a record", "写入记录的值"), path, secret);
    return EXIT_OK;
}

/* --- show ------------------------------------------------------------------------------------- */

/* SHA-256 of the SubjectPublicKeyInfo, as OpenSSH and TLS pins write it. */
static char *fingerprint(struct arena *arena, EVP_PKEY *key)
{
    unsigned char *der = NULL;
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned digest_len = 0;
    int len = i2d_PUBKEY(key, &der);
    bool is_had = len > 0 && EVP_Digest(der, (size_t)len, digest, &digest_len, EVP_sha256(), NULL);
    OPENSSL_free(der);
    return is_had ? text_base64(arena, bytes_of(digest, digest_len)) : NULL;
}

/* As it stands in the record of whoever owns the key. A secret is not publicly readable. */
static json_t *value_of(const struct job *job)
{
    bool is_secret = job->secret.len > 0;
    struct value value = {
        .index = job->index,
        .ttl = VALUE_TTL_DEFAULT,
        .permissions = is_secret ? (uint8_t)(VALUE_ADMIN_READ | VALUE_ADMIN_WRITE)
                                 : (uint8_t)VALUE_PERMISSIONS_DEFAULT,
        .type = is_secret ? BYTES_LITERAL("HS_SECKEY") : BYTES_LITERAL("HS_PUBKEY"),
        .data = is_secret ? job->secret : job->file.record,
    };
    json_t *object = value_json_encode(&value, 0);
    (void)json_object_del(object, "timestamp"); /* whoever stores it says when */
    return object;
}

static int show_value(struct job *job)
{
    json_t *value = value_of(job);
    if (job->call->is_json) {
        return say_json(job->call, value);
    }
    char *text = json_dumps(value, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(value);
    if (text == NULL) {
        return say_status(job->call, STATUS_NO_MEMORY, "key", NULL);
    }
    (void)fprintf(job->call->out, "%s\n", text);
    free(text);
    return EXIT_OK;
}

static int show_snippet(struct job *job, const char *name)
{
    struct command_call *call = job->call;
    if (strcmp(name, "record") == 0) {
        return show_value(job);
    }
    const struct key_snippet *snippet = key_snippet_find(name);
    if (snippet == NULL) {
        return say_problem_because(
            call, PROBLEM_BAD_OPTION, "--for",
            "record, guantong, hdl, java, national, pyhandle or curl is expected");
    }
    if (job->handle.len == 0 || job->secret.len > 0) {
        return say_problem_because(call, PROBLEM_BAD_OPTION, "--for",
                                   job->secret.len > 0 ? "only record is known for a secret"
                                                       : "it needs --handle INDEX:HANDLE");
    }
    char *text =
        key_snippet_fill(call->arena, snippet, call->arguments[0], job->index, job->handle);
    if (text == NULL) {
        return say_problem_because(call, PROBLEM_BAD_OPTION, "--for",
                                   "file or handle have characters that no line holds");
    }
    if (call->is_json) {
        return say_json(call, json_pack("{s:s, s:s}", "for", name, "text", text));
    }
    (void)fputs(text, call->out);
    return EXIT_OK;
}

static int show_facts(struct job *job)
{
    struct command_call *call = job->call;
    if (job->secret.len > 0) {
        return say_problem_because(call, PROBLEM_BAD_OPTION, "--secret",
                                   "it needs --for record, which shows the secret");
    }
    EVP_PKEY *key = job->file.key;
    const char *kind = EVP_PKEY_get0_type_name(key);
    const char *print = fingerprint(call->arena, key);
    if (kind == NULL || print == NULL) {
        return say_status(call, STATUS_NO_MEMORY, "key", NULL);
    }
    if (call->is_json) {
        return say_json(call,
                        json_pack("{s:s, s:i, s:b, s:s, s:s, s:o}", "kind", kind, "bits",
                                  EVP_PKEY_get_bits(key), "private", (int)job->file.is_private,
                                  "form", job->file.form, "sha256", print, "value", value_of(job)));
    }
    (void)fprintf(call->out, "%s  %s, %d %s, %s\n", say_text(call, "kind       ", "类型  "), kind,
                  EVP_PKEY_get_bits(key), say_text(call, "bits", "位"),
                  job->file.is_private ? say_text(call, "private", "私钥")
                                       : say_text(call, "public", "公钥"));
    (void)fprintf(call->out, "%s  %s\n", say_text(call, "form       ", "格式  "), job->file.form);
    (void)fprintf(call->out, "%s  SHA256:%s\n", say_text(call, "fingerprint", "指纹  "), print);
    (void)fprintf(call->out, "%s  HS_PUBKEY, %zu %s\n", say_text(call, "record     ", "记录值"),
                  job->file.record.len,
                  say_text(call, "bytes (--for record)", "字节（--for record）"));
    return EXIT_OK;
}

int command_key_show(struct command_call *call)
{
    struct job job = {.call = call};
    const char *what = command_option(call, "--for");
    int exit_code = job_open(&job, call->arguments[0]);
    if (exit_code == EXIT_OK) {
        exit_code = what == NULL ? show_facts(&job) : show_snippet(&job, what);
    }
    job_done(&job);
    return exit_code;
}

/* --- convert ---------------------------------------------------------------------------------- */

static const struct form_row *form_asked(struct command_call *call)
{
    const char *name = command_option(call, "--to");
    for (size_t i = 0; name != NULL && i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (strcmp(forms[i].name, name) == 0) {
            return &forms[i];
        }
    }
    return NULL;
}

static int convert(struct job *job, enum key_form form, const char *path)
{
    struct command_call *call = job->call;
    struct fault fault;
    struct bytes data;
    int exit_code = take_pass_phrase(call, "--new-pass-phrase-file", &job->seal);
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    if (form == KEY_CERTIFICATE && job->handle.len == 0) {
        return say_problem_because(call, PROBLEM_BAD_OPTION, "--to",
                                   "a certificate needs --handle INDEX:HANDLE");
    }
    enum status status =
        key_file_encode(call->arena, &job->file, form, &job->seal, job->identity, &data, &fault);
    if (status != STATUS_OK) {
        return say_problem(call, PROBLEM_KEY_FORM, fault.text);
    }
    if (!call->is_dry_run) {
        status = key_file_write(path, data, key_form_is_private(form), &fault);
    }
    if (key_form_is_private(form)) {
        OPENSSL_cleanse((void *)(uintptr_t)data.data, data.len);
    }
    return status == STATUS_OK ? EXIT_OK : say_problem(call, PROBLEM_FILE, fault.text);
}

int command_key_convert(struct command_call *call)
{
    const struct form_row *row = form_asked(call);
    if (row == NULL) {
        return say_problem_because(
            call, PROBLEM_BAD_OPTION, "--to",
            "pem, der, public-pem, public-der, reference, reference-public or certificate "
            "is expected");
    }
    struct job job = {.call = call};
    int exit_code = job_open(&job, call->arguments[0]);
    if (exit_code == EXIT_OK) {
        exit_code = convert(&job, row->form, call->arguments[1]);
    }
    job_done(&job);
    if (exit_code != EXIT_OK) {
        return exit_code;
    }
    if (call->is_json) {
        return say_json(call, json_pack("{s:s, s:s, s:b}", "file", call->arguments[1], "form",
                                        row->name, "written", (int)!call->is_dry_run));
    }
    (void)fprintf(call->out, "%s: %s %s\n", call->arguments[1],
                  call->is_dry_run ? say_text(call, "would be written as", "将写为")
                                   : say_text(call, "written as", "已写为"),
                  row->name);
    return EXIT_OK;
}
