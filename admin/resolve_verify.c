/* SPDX-License-Identifier: Apache-2.0
 *
 * Signatures of an answer: roots, following, telling (resolve_verify.h).
 */
#include "admin/resolve_verify.h"

#include <string.h>
#include <time.h>

#include "admin/directory.h"
#include "admin/say.h"
#include "protocol/text.h"
#include "resolver/trust_roots.h"

/* --- words ------------------------------------------------------------------------------------ */

static const struct words {
    const char *name; /* in JSON */
    const char *english;
    const char *chinese;
} flaws[] = {
    [CLAIMS_FLAWLESS] = {"none", "right", "正确"},
    [CLAIMS_MALFORMED] = {"malformed", "not a well-formed signature", "签名格式有误"},
    [CLAIMS_NOT_YET] = {"not_yet_valid", "not valid yet", "尚未生效"},
    [CLAIMS_EXPIRED] = {"expired", "expired", "已过期"},
    [CLAIMS_WRONG_SUBJECT] = {"wrong_subject", "made for another handle", "针对其他标识"},
    [CLAIMS_UNKNOWN_DIGEST] = {"unknown_digest", "digests of an unknown kind", "摘要算法未知"},
    [CLAIMS_UNKNOWN_ALGORITHM] = {"unknown_algorithm",
                                  "signed in a way that does not fit the signer's key",
                                  "签名算法与签名者密钥不符"},
    [CLAIMS_WEAK_KEY] = {"weak_key", "the signer's key is too weak", "签名者密钥强度不足"},
    [CLAIMS_BAD_SIGNATURE] = {"bad_signature", "SIGNATURE WRONG", "签名错误"},
    [CLAIMS_NOT_PERMITTED] = {"not_permitted", "the signer may not sign this",
                              "签名者无权签署此内容"},
};

static const struct words verdicts[] = {
    [CHAIN_TRUSTED] = {"trusted", "trusted", "可信"},
    [CHAIN_FLAWED] = {"flawed", "NOT TRUSTED", "不可信"},
    [CHAIN_NO_CERTIFICATE] = {"no_certificate", "NOT TRUSTED: the signer has no certificate",
                              "不可信：找不到签名者的证书"},
    [CHAIN_UNREACHABLE] = {"unreachable", "UNKNOWN: the signer's certificate cannot be had now",
                           "未知：暂时无法取得签名者的证书"},
    [CHAIN_NO_ROOT] = {"no_root", "NOT TRUSTED: it ends at a certificate that is no trusted root",
                       "不可信：证书链终点不是受信任的根"},
    [CHAIN_LOOP] = {"loop", "NOT TRUSTED: the certificates go in a circle", "不可信：证书链循环"},
    [CHAIN_TOO_LONG] = {"too_long", "NOT TRUSTED: too many certificates", "不可信：证书链过长"},
    [CHAIN_TOO_COSTLY] = {"too_costly", "UNKNOWN: too many look-ups", "未知：查询次数过多"},
};

static const char *say(const struct command_call *call, const struct words *words)
{
    return say_text(call, words->english, words->chinese);
}

/* --- roots ------------------------------------------------------------------------------------ */

static int read_roots(struct command_call *call, struct resolve_verify *verify,
                      const char *directory, const char *const *paths, size_t count)
{
    struct fault fault = {STATUS_OK, ""};
    enum status status = trust_roots_read(directory, paths, count, &verify->roots, &fault);
    if (status == STATUS_SYSTEM) {
        return say_problem(call, PROBLEM_FILE, fault.text);
    }
    return status == STATUS_OK
               ? EXIT_OK
               : say_problem_because(call, PROBLEM_BAD_OPTION, "--trust-root", fault.text);
}

static int read_named(struct command_call *call, struct resolve_verify *verify)
{
    const char *paths[TRUST_ROOTS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < call->option_count && count < TRUST_ROOTS_MAX; i++) {
        if (strcmp(call->options[i][0], "--trust-root") == 0) {
            paths[count++] = call->options[i][1];
        }
    }
    return read_roots(call, verify, NULL, paths, count);
}

/* Those of the node whose directory was named, or is there. */
static int read_configured(struct command_call *call, struct resolve_verify *verify)
{
    struct settings *settings = NULL;
    struct fault fault = {STATUS_OK, ""};
    if (call->directory == NULL || !directory_is_node(call->directory)) {
        return say_problem_because(call, PROBLEM_BAD_OPTION, "--verify",
                                   "no root is known: give --trust-root FILE, or --dir of a node "
                                   "whose settings name trust.roots");
    }
    enum status status = directory_settings(call->arena, call->directory, &settings, &fault);
    if (status != STATUS_OK) {
        return say_status(call, status, call->directory, &fault);
    }
    const struct settings_list *paths = &settings->trust_roots;
    int exit_code = paths->count > 0
                        ? read_roots(call, verify, call->directory, paths->items, paths->count)
                        : say_problem_because(call, PROBLEM_BAD_OPTION, "--verify",
                                              "the node's settings name no trust.roots: give "
                                              "--trust-root FILE");
    settings_free(settings);
    return exit_code;
}

int resolve_verify_open(struct command_call *call, struct resolve_verify *out_verify)
{
    *out_verify = (struct resolve_verify){.status = STATUS_NOT_FOUND};
    int exit_code = command_has(call, "--trust-root") ? read_named(call, out_verify)
                                                      : read_configured(call, out_verify);
    if (exit_code == EXIT_OK) {
        out_verify->options = (struct chain_options){
            .roots = trust_roots_list(out_verify->roots),
            .arena = call->arena,
            .now_s = (int64_t)time(NULL),
        };
    }
    return exit_code;
}

void resolve_verify_done(struct resolve_verify *verify)
{
    trust_roots_free(verify->roots);
    verify->roots = NULL;
}

/* --- judging ---------------------------------------------------------------------------------- */

void resolve_verify_run(struct resolve_verify *verify, const struct record *record,
                        resolve_verify_fetch *fetch, void *context)
{
    verify->record = *record;
    verify->status = chain_begin(&verify->chain, &verify->options, record);
    while (verify->status == STATUS_PENDING) {
        const struct value *values = NULL;
        size_t count = 0;
        enum status found = fetch(context, verify->chain.wanted.handle, &values, &count);
        verify->status = chain_supply(&verify->chain, found, values, count);
    }
}

static bool is_signature(const struct value *value)
{
    return bytes_equal_nocase(value->type, BYTES_LITERAL("HS_SIGNATURE"));
}

static bool is_open(const struct resolve_verify *verify, size_t at)
{
    return !is_signature(&verify->record.values[at]) && !chain_covers(&verify->chain, at);
}

bool resolve_verify_holds(const struct resolve_verify *verify)
{
    size_t covered = 0;
    for (size_t i = 0; verify->status == STATUS_OK && i < verify->record.count; i++) {
        if (is_open(verify, i)) {
            return false;
        }
        covered += chain_covers(&verify->chain, i);
    }
    return covered > 0;
}

/* --- the page --------------------------------------------------------------------------------- */

static const char *printable(struct command_call *call, struct bytes text)
{
    const char *safe = say_printable(call->arena, text);
    return safe == NULL ? "" : safe;
}

static void print_link(struct command_call *call, const struct chain_signature *signature,
                       size_t at)
{
    const struct chain_link *link = &signature->links[at];
    char until[TEXT_TIME_LEN] = "";
    if (link->expires != 0) {
        text_time_s(link->expires, until);
    }
    (void)fprintf(
        call->out,
        call->is_chinese ? "    %s 由 %s %s（%s%s%s）%s%s\n" : "    %s %s by %s (%s%s%s)%s%s\n",
        printable(call, link->subject),
        call->is_chinese ? printable(call, link->issuer) : (at == 0 ? "signed" : "certified"),
        call->is_chinese ? (at == 0 ? "签名" : "签发证书") : printable(call, link->issuer),
        printable(call, link->algorithm),
        until[0] == '\0' ? "" : say_text(call, ", until ", "，有效期至 "), until,
        link->flaw == CLAIMS_FLAWLESS ? "" : say_text(call, ": ", "："),
        link->flaw == CLAIMS_FLAWLESS ? "" : say(call, &flaws[link->flaw]));
}

/* "  covers 1, 2" of those values that stand so to the signature. */
static void print_covers(struct command_call *call, const struct resolve_verify *verify,
                         const struct chain_signature *signature, enum claims_cover cover,
                         const char *title)
{
    const char *between = title;
    for (size_t i = 0; i < verify->record.count; i++) {
        if (signature->covers[i] == cover && !is_signature(&verify->record.values[i])) {
            (void)fprintf(call->out, "%s%u", between, verify->record.values[i].index);
            between = ", ";
        }
    }
    if (between != title) {
        (void)fputc('\n', call->out);
    }
}

static void print_absent(struct command_call *call, const struct chain_signature *signature)
{
    const char *between =
        say_text(call, "    signed, but not in this answer: ", "    已签名但应答中没有的索引：");
    for (size_t i = 0; i < signature->absent_count; i++) {
        (void)fprintf(call->out, "%s%u", between, signature->absent[i]);
        between = ", ";
    }
    if (signature->absent_count > 0) {
        (void)fputc('\n', call->out);
    }
}

static void print_signature(struct command_call *call, const struct resolve_verify *verify,
                            const struct chain_signature *signature)
{
    (void)fprintf(call->out, call->is_chinese ? "  签名 %u：%s\n" : "  signature %u: %s\n",
                  signature->index, say(call, &verdicts[signature->verdict]));
    for (size_t i = 0; i < signature->link_count; i++) {
        print_link(call, signature, i);
    }
    if (signature->root != NULL) {
        (void)fprintf(call->out, "    %s %s\n", say_text(call, "trusted root", "受信任的根"),
                      signature->root->handle.len == 0
                          ? say_text(call, "(a key without a name)", "（无名称的密钥）")
                          : printable(call, signature->root->handle));
    }
    print_covers(call, verify, signature, CLAIMS_COVERED,
                 say_text(call, "    covers ", "    覆盖的索引："));
    print_covers(call, verify, signature, CLAIMS_ALTERED,
                 say_text(call, "    ALTERED SINCE: ", "    签名后被改动的索引："));
    print_absent(call, signature);
}

void resolve_verify_print(struct command_call *call, const struct resolve_verify *verify)
{
    const struct chain *chain = &verify->chain;
    (void)fprintf(call->out, "\n%s%s\n", say_text(call, "trust     ", "可信    "),
                  resolve_verify_holds(verify)
                      ? say_text(call,
                                 "verified: signatures cover every value up to a trusted root",
                                 "核验通过：所有值均由可追溯至信任根的签名覆盖")
                      : say_text(call, "NOT verified", "未通过核验"));
    if (verify->status != STATUS_OK) {
        (void)fprintf(call->out, "  %s\n", status_english(verify->status));
        return;
    }
    if (chain->signature_count == 0) {
        (void)fprintf(call->out, "  %s\n",
                      say_text(call, "the answer holds no signature", "应答中没有签名"));
    }
    for (size_t i = 0; i < chain->signature_count; i++) {
        print_signature(call, verify, &chain->signatures[i]);
    }
    const char *title = say_text(call, "  not covered: ", "  未被可信签名覆盖的索引：");
    const char *between = title;
    for (size_t i = 0; i < verify->record.count; i++) {
        if (is_open(verify, i)) {
            (void)fprintf(call->out, "%s%u", between, verify->record.values[i].index);
            between = ", ";
        }
    }
    if (between != title) {
        (void)fputc('\n', call->out);
    }
}

/* --- JSON ------------------------------------------------------------------------------------- */

static json_t *time_json(int64_t seconds)
{
    char text[TEXT_TIME_LEN];
    text_time_s(seconds, text);
    return seconds == 0 ? json_null() : json_string(text);
}

static json_t *link_json(struct command_call *call, const struct chain_link *link)
{
    return json_pack(
        "{s:s, s:s, s:s, s:o, s:o, s:o}", "subject", printable(call, link->subject), "issuer",
        printable(call, link->issuer), "algorithm", printable(call, link->algorithm), "not_before",
        time_json(link->not_before), "expires", time_json(link->expires), "flaw",
        link->flaw == CLAIMS_FLAWLESS ? json_null() : json_string(flaws[link->flaw].name));
}

static json_t *covers_json(const struct resolve_verify *verify,
                           const struct chain_signature *signature, enum claims_cover cover)
{
    json_t *list = json_array();
    for (size_t i = 0; i < verify->record.count; i++) {
        if (signature->covers[i] == cover) {
            json_array_append_new(list, json_integer(verify->record.values[i].index));
        }
    }
    return list;
}

static json_t *signature_json(struct command_call *call, const struct resolve_verify *verify,
                              const struct chain_signature *signature)
{
    json_t *links = json_array();
    json_t *absent = json_array();
    for (size_t i = 0; i < signature->link_count; i++) {
        json_array_append_new(links, link_json(call, &signature->links[i]));
    }
    for (size_t i = 0; i < signature->absent_count; i++) {
        json_array_append_new(absent, json_integer(signature->absent[i]));
    }
    json_t *root = signature->root == NULL ? json_null()
                                           : json_string(printable(call, signature->root->handle));
    return json_pack("{s:I, s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "index",
                     (json_int_t)signature->index, "verdict", verdicts[signature->verdict].name,
                     "digest", printable(call, signature->digest), "covers",
                     covers_json(verify, signature, CLAIMS_COVERED), "altered",
                     covers_json(verify, signature, CLAIMS_ALTERED), "absent", absent, "root", root,
                     "links", links);
}

json_t *resolve_verify_json(struct command_call *call, const struct resolve_verify *verify)
{
    json_t *signatures = json_array();
    json_t *open = json_array();
    for (size_t i = 0; verify->status == STATUS_OK && i < verify->chain.signature_count; i++) {
        json_array_append_new(signatures,
                              signature_json(call, verify, &verify->chain.signatures[i]));
    }
    for (size_t i = 0; verify->status == STATUS_OK && i < verify->record.count; i++) {
        if (is_open(verify, i)) {
            json_array_append_new(open, json_integer(verify->record.values[i].index));
        }
    }
    return json_pack("{s:b, s:o, s:o}", "verified", (int)resolve_verify_holds(verify), "uncovered",
                     open, "signatures", signatures);
}
