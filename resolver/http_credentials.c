/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading credentials (http_credentials.h).
 */
#include "resolver/http_credentials.h"

#include <jansson.h>

#include "protocol/body.h"
#include "protocol/handle.h"
#include "protocol/json_read.h"
#include "protocol/secret_answer.h"
#include "protocol/signature.h"
#include "protocol/text.h"
#include "resolver/http.h"

static const struct {
    const char *name;
    enum http_scheme scheme;
} schemes[] = {
    {"Basic", HTTP_SCHEME_BASIC},
    {"Handle", HTTP_SCHEME_HANDLE},
    {"Bearer", HTTP_SCHEME_BEARER},
};

static struct bytes skip_blanks(struct bytes text)
{
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text = bytes_from(text, 1);
    }
    return text;
}

/* What HTTP calls a token (RFC 9110 §5.6.2); base64 unquoted, as some clients have it, ends there,
 * too, but for what it is made of. */
static bool is_of_word(uint8_t c)
{
    return c > ' ' && c < 0x7f && memchr("\"(),;<=>?@[\\]{}", c, 15) == NULL;
}

static struct bytes take_word(struct bytes *text)
{
    size_t len = 0;
    while (len < text->len && is_of_word(text->data[len])) {
        len++;
    }
    struct bytes word = bytes_of(text->data, len);
    *text = bytes_from(*text, len);
    return word;
}

static enum http_scheme take_scheme(struct bytes *text)
{
    struct bytes name = take_word(text);
    enum http_scheme scheme = name.len == 0 ? HTTP_SCHEME_NONE : HTTP_SCHEME_OTHER;
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (bytes_equal_nocase(name, bytes_of_text(schemes[i].name))) {
            scheme = schemes[i].scheme;
        }
    }
    *text = skip_blanks(*text);
    return scheme;
}

enum http_scheme http_credentials_scheme(struct bytes field)
{
    return take_scheme(&field);
}

/* --- Basic -------------------------------------------------------------------------------------
 */

/* user ":" password; the user is a percent-encoded reference. */
static enum status read_basic(struct arena *arena, struct bytes text, struct http_credentials *out)
{
    struct bytes both;
    struct bytes user;
    enum status status = text_base64_parse(text, arena, &both);
    if (status != STATUS_OK) {
        return status;
    }
    const uint8_t *colon = both.len == 0 ? NULL : memchr(both.data, ':', both.len);
    if (colon == NULL) {
        return STATUS_BAD_SYNTAX;
    }
    size_t len = (size_t)(colon - both.data);
    out->password = bytes_from(both, len + 1);
    status = http_decode(arena, bytes_of(both.data, len), false, &user);
    if (status == STATUS_OK) {
        status = handle_parse_reference(user, &out->user.index, &out->user.handle);
    }
    bool is_whole = status != STATUS_OK || (out->user.index != 0 && out->password.len > 0);
    return is_whole ? status : STATUS_BAD_SYNTAX;
}

/* --- members -----------------------------------------------------------------------------------
 */

static enum status set_text(struct bytes *member, struct bytes value)
{
    if (member->data != NULL || value.len == 0) {
        return STATUS_BAD_SYNTAX;
    }
    *member = value;
    return STATUS_OK;
}

static enum status set_binary(struct arena *arena, struct bytes *member, struct bytes value)
{
    struct bytes decoded;
    enum status status = text_base64_parse(value, arena, &decoded);
    return status == STATUS_OK ? set_text(member, decoded) : status;
}

static enum status set_number(uint32_t *member, struct bytes value)
{
    uint32_t number = 0;
    if (*member != 0 || value.len == 0 || value.len > 9) {
        return STATUS_BAD_SYNTAX;
    }
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9') {
            return STATUS_BAD_SYNTAX;
        }
        number = 10 * number + (uint32_t)(value.data[i] - '0');
    }
    *member = number;
    return STATUS_OK;
}

static enum status set_user(struct reference *member, struct bytes value)
{
    struct reference user;
    if (member->index != 0 ||
        handle_parse_reference(value, &user.index, &user.handle) != STATUS_OK || user.index == 0) {
        return STATUS_BAD_SYNTAX;
    }
    *member = user;
    return STATUS_OK;
}

enum status http_credentials_set(struct arena *arena, struct bytes name, struct bytes value,
                                 struct http_credentials *out)
{
    struct {
        const char *name;
        struct bytes *text;
        struct bytes *binary;
        uint32_t *number;
    } members[] = {
        {"sessionId", &out->session, NULL, NULL},     {"type", &out->type, NULL, NULL},
        {"alg", &out->algorithm, NULL, NULL},         {"cnonce", NULL, &out->cnonce, NULL},
        {"signature", NULL, &out->signature, NULL},   {"salt", NULL, &out->salt, NULL},
        {"iterations", NULL, NULL, &out->iterations}, {"length", NULL, NULL, &out->key_bits},
    };
    if (bytes_equal_nocase(name, BYTES_LITERAL("id"))) {
        return set_user(&out->user, value);
    }
    if (bytes_equal_nocase(name, BYTES_LITERAL("clientCert"))) {
        out->has_certificate = bytes_equal(value, BYTES_LITERAL("true"));
        return STATUS_OK;
    }
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        if (!bytes_equal_nocase(name, bytes_of_text(members[i].name))) {
            continue;
        }
        return members[i].text != NULL     ? set_text(members[i].text, value)
               : members[i].binary != NULL ? set_binary(arena, members[i].binary, value)
                                           : set_number(members[i].number, value);
    }
    return STATUS_OK;
}

/* --- Handle ------------------------------------------------------------------------------------
 */

/* What stands between quotes, its escapes undone. */
static enum status take_quoted(struct arena *arena, struct bytes *text, struct bytes *out)
{
    uint8_t *room = arena_alloc(arena, text->len);
    size_t len = 0;
    size_t at = 1;
    if (room == NULL) {
        return STATUS_NO_MEMORY;
    }
    for (; at < text->len && text->data[at] != '"'; at++) {
        at += text->data[at] == '\\' ? 1 : 0;
        if (at < text->len) {
            room[len++] = text->data[at];
        }
    }
    if (at >= text->len) {
        return STATUS_BAD_SYNTAX;
    }
    *text = bytes_from(*text, at + 1);
    *out = bytes_of(room, len);
    return STATUS_OK;
}

/* Unquoted values go on to the next comma: base64 may end in "=". */
static struct bytes take_bare(struct bytes *text)
{
    size_t len = 0;
    while (len < text->len && (is_of_word(text->data[len]) || text->data[len] == '=')) {
        len++;
    }
    struct bytes word = bytes_of(text->data, len);
    *text = bytes_from(*text, len);
    return word;
}

static enum status take_member(struct arena *arena, struct bytes *text,
                               struct http_credentials *out)
{
    struct bytes name = take_word(text);
    struct bytes value = BYTES_NONE;
    *text = skip_blanks(*text);
    if (name.len == 0 || text->len == 0 || text->data[0] != '=') {
        return STATUS_BAD_SYNTAX;
    }
    *text = skip_blanks(bytes_from(*text, 1));
    if (text->len > 0 && text->data[0] == '"') {
        enum status status = take_quoted(arena, text, &value);
        if (status != STATUS_OK) {
            return status;
        }
    } else {
        value = take_bare(text);
    }
    *text = skip_blanks(*text);
    return http_credentials_set(arena, name, value, out);
}

static enum status read_members(struct arena *arena, struct bytes text,
                                struct http_credentials *out)
{
    enum status status = STATUS_OK;
    while (status == STATUS_OK && text.len > 0) {
        if (text.data[0] == ',') {
            text = skip_blanks(bytes_from(text, 1));
            continue;
        }
        status = take_member(arena, &text, out);
        if (status == STATUS_OK && text.len > 0 && text.data[0] != ',') {
            status = STATUS_BAD_SYNTAX;
        }
    }
    return status;
}

enum status http_credentials_read(struct arena *arena, struct bytes field,
                                  struct http_credentials *out)
{
    *out = (struct http_credentials){.scheme = take_scheme(&field)};
    if (field.len > HTTP_CREDENTIALS_MAX) {
        return STATUS_BAD_SYNTAX;
    }
    switch (out->scheme) {
    case HTTP_SCHEME_BASIC:
        return read_basic(arena, field, out);
    case HTTP_SCHEME_HANDLE:
        return read_members(arena, field, out);
    case HTTP_SCHEME_BEARER:
        out->token = field;
        return field.len > 0 ? STATUS_OK : STATUS_BAD_SYNTAX;
    case HTTP_SCHEME_NONE:
    case HTTP_SCHEME_OTHER:
        break;
    }
    return STATUS_BAD_SYNTAX;
}

/* --- JSON --------------------------------------------------------------------------------------
 */

static enum status set_json(struct arena *arena, const char *name, const json_t *value,
                            struct http_credentials *out)
{
    struct bytes text = BYTES_NONE;
    char number[24];
    if (json_is_integer(value)) {
        int len =
            snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        text = arena_copy(arena, bytes_of(number, (size_t)len));
    } else if (json_is_boolean(value)) {
        text = json_is_true(value) ? BYTES_LITERAL("true") : BYTES_LITERAL("false");
    } else if (json_is_string(value)) {
        text = arena_copy(arena, json_read_bytes(value));
    } else if (json_is_null(value)) {
        return STATUS_OK;
    } else {
        return STATUS_BAD_SYNTAX;
    }
    return text.data == NULL ? STATUS_NO_MEMORY
                             : http_credentials_set(arena, bytes_of_text(name), text, out);
}

enum status http_credentials_read_json(struct arena *arena, struct bytes text,
                                       struct http_credentials *out)
{
    *out = (struct http_credentials){.scheme = HTTP_SCHEME_HANDLE};
    if (text.len > HTTP_CREDENTIALS_MAX) {
        return STATUS_BAD_SYNTAX;
    }
    json_t *object = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
    enum status status = json_is_object(object) ? STATUS_OK : STATUS_BAD_SYNTAX;
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach(object, name, value)
    {
        if (status == STATUS_OK) {
            status = set_json(arena, name, value, out);
        }
    }
    json_decref(object);
    return status;
}

/* --- answers -----------------------------------------------------------------------------------
 */

static enum status answer_secret(const struct http_credentials *c, struct wire_writer *w)
{
    static const struct {
        const char *letters;
        enum secret_form form;
    } forms[] = {
        {"MD5", SECRET_MD5},
        {"SHA1", SECRET_SHA1},
        {"SHA256", SECRET_SHA256},
        {"HMACSHA1", SECRET_HMAC_SHA1},
        {"HMACSHA256", SECRET_HMAC_SHA256},
        {"PBKDF2WITHHMACSHA1", SECRET_PBKDF2},
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (!signature_name_is(c->algorithm, forms[i].letters)) {
            continue;
        }
        if (forms[i].form == SECRET_PBKDF2 &&
            (c->salt.len == 0 || c->iterations == 0 || c->key_bits == 0)) {
            return STATUS_BAD_SYNTAX;
        }
        body_mac_encode(w, &(struct body_mac){.form = (uint8_t)forms[i].form,
                                              .mac = c->signature,
                                              .salt = c->salt,
                                              .iterations = c->iterations,
                                              .key_bits = c->key_bits});
        return w->failed ? STATUS_BAD_SYNTAX : STATUS_OK;
    }
    return STATUS_BAD_SYNTAX;
}

enum status http_credentials_answer(const struct http_credentials *credentials, bool *out_is_secret,
                                    struct wire_writer *w)
{
    const struct http_credentials *c = credentials;
    bool is_secret = bytes_equal_nocase(c->type, BYTES_LITERAL("HS_SECKEY"));
    if (c->user.index == 0 || c->signature.len == 0 || c->algorithm.len == 0 ||
        (!is_secret && !bytes_equal_nocase(c->type, BYTES_LITERAL("HS_PUBKEY")))) {
        return STATUS_BAD_SYNTAX;
    }
    *out_is_secret = is_secret;
    if (is_secret) {
        return answer_secret(c, w);
    }
    body_signature_encode(
        w, &(struct body_signature){.algorithm = c->algorithm, .signature = c->signature});
    return w->failed ? STATUS_BAD_SYNTAX : STATUS_OK;
}
