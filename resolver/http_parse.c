/* SPDX-License-Identifier: Apache-2.0
 *
 * Judging heads (http_parse.h): lines and bytes first, then llhttp, then what the fields say
 * together.
 */
#include "resolver/http_parse.h"

#include <llhttp/llhttp.h>

#include "protocol/handle.h"

#define VERSION_LEN 8         /* "HTTP/1.1" */
#define LENGTH_DIGITS_MAX 15u /* of Content-Length: no arithmetic comes near its end */

#define BAD_REQUEST 400u
#define EXPECTATION_FAILED 417u
#define TOO_MANY_FIELDS 431u
#define NOT_IMPLEMENTED 501u
#define VERSION_NOT_SUPPORTED 505u

enum http_head_found http_head_find(struct bytes data, size_t *out_len)
{
    size_t at = 0;
    bool has_line = false;
    while (at < data.len) {
        const uint8_t *feed = memchr(data.data + at, '\n', data.len - at);
        if (feed == NULL) {
            return HTTP_HEAD_PART;
        }
        size_t end = (size_t)(feed - data.data);
        if (end == at || data.data[end - 1] != '\r') {
            return HTTP_HEAD_BROKEN;
        }
        bool is_empty = end == at + 1;
        bool is_stray = is_empty && at == 0; /* one is skipped (RFC 9112 §2.2, protocol.md §3.5) */
        if (is_empty && !is_stray) {
            *out_len = end + 1;
            return has_line ? HTTP_HEAD_WHOLE : HTTP_HEAD_BROKEN;
        }
        has_line |= !is_empty;
        at = end + 1;
    }
    return HTTP_HEAD_PART;
}

/* --- bytes -------------------------------------------------------------------------------------
 */

/* tchar of RFC 9110 §5.6.2. */
static bool is_token_byte(uint8_t c)
{
    bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return is_letter || (c >= '0' && c <= '9') || (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!is_token_byte(text.data[i])) {
            return false;
        }
    }
    return text.len > 0;
}

static int hex_of(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    uint8_t upper = bytes_ascii_upper(c);
    return upper >= 'A' && upper <= 'F' ? upper - 'A' + 10 : -1;
}

/* Every escape is whole, none of them NUL. */
static bool has_escapes(struct bytes target)
{
    for (size_t i = 0; i < target.len; i++) {
        if (target.data[i] == '%' && (target.len - i < 3 || hex_of(target.data[i + 1]) < 0 ||
                                      hex_of(target.data[i + 2]) < 0 ||
                                      (target.data[i + 1] == '0' && target.data[i + 2] == '0'))) {
            return false;
        }
    }
    return true;
}

/* Visible ASCII without a fragment; `takes_text`: or bytes of other characters. */
static bool is_target(struct bytes target, bool takes_text)
{
    for (size_t i = 0; i < target.len; i++) {
        uint8_t c = target.data[i];
        if (c <= ' ' || c == 0x7f || (c > 0x7f && !takes_text) || c == '#') {
            return false;
        }
    }
    return target.len > 0;
}

/* UTF-8, no control characters behind ASCII (U+0080 to U+009F). */
static bool is_text(struct bytes text)
{
    for (size_t i = 0; i + 1 < text.len; i++) {
        if (text.data[i] == 0xc2 && text.data[i + 1] < 0xa0) {
            return false;
        }
    }
    return handle_is_utf8(text);
}

/* Text, blanks and tabs; no other control byte (RFC 9110 §5.5). */
static bool is_value(struct bytes value)
{
    for (size_t i = 0; i < value.len; i++) {
        uint8_t c = value.data[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static struct bytes trimmed(struct bytes text)
{
    while (text.len > 0 && is_blank(text.data[0])) {
        text = bytes_from(text, 1);
    }
    while (text.len > 0 && is_blank(text.data[text.len - 1])) {
        text.len--;
    }
    return text;
}

/* --- lines -------------------------------------------------------------------------------------
 */

/* Where `c` stands first; the length when it does not. */
static size_t find_byte(struct bytes text, uint8_t c)
{
    const uint8_t *at = text.len == 0 ? NULL : memchr(text.data, c, text.len);
    return at == NULL ? text.len : (size_t)(at - text.data);
}

/* The line `*rest` begins with, without its end, which is there. */
static struct bytes next_line(struct bytes *rest)
{
    size_t len = find_byte(*rest, '\n');
    struct bytes line = bytes_of(rest->data, len > 0 ? len - 1 : 0); /* CR stands before LF */
    *rest = bytes_from(*rest, len + 1);
    return line;
}

static unsigned judge_version(struct bytes version)
{
    if (bytes_equal(version, BYTES_LITERAL("HTTP/1.1")) ||
        bytes_equal(version, BYTES_LITERAL("HTTP/1.0"))) {
        return 0;
    }
    bool is_version = version.len == VERSION_LEN &&
                      bytes_start_with(version, BYTES_LITERAL("HTTP/")) && version.data[6] == '.';
    return is_version ? VERSION_NOT_SUPPORTED : BAD_REQUEST;
}

/* What is only looked at may be named as it was scanned: some phones send the text of a code as it
 * is. No proxy reads another end or another length into bytes above ASCII. */
static bool judge_target_bytes(struct bytes method, struct bytes target)
{
    bool only_looks =
        bytes_equal(method, BYTES_LITERAL("GET")) || bytes_equal(method, BYTES_LITERAL("HEAD"));
    size_t mark = find_byte(target, '?');
    struct bytes path = bytes_of(target.data, mark);
    struct bytes query = bytes_from(target, mark);
    return is_target(path, only_looks) && is_text(path) &&
           (query.len == 0 || is_target(query, false));
}

/* method SP target SP version, and nothing else. */
static unsigned judge_request_line(struct bytes line, bool *out_is_rest)
{
    struct bytes method = bytes_of(line.data, find_byte(line, ' '));
    struct bytes rest = bytes_from(line, method.len + 1);
    struct bytes target = bytes_of(rest.data, find_byte(rest, ' '));
    struct bytes version = bytes_from(rest, target.len + 1);
    if (!is_token(method) || !judge_target_bytes(method, target)) {
        return BAD_REQUEST;
    }
    unsigned refusal = judge_version(version);
    if (refusal == 0 && !has_escapes(target)) {
        *out_is_rest = bytes_start_with(target, BYTES_LITERAL("/api/"));
        return BAD_REQUEST;
    }
    return refusal;
}

static bool is_field_line(struct bytes line)
{
    size_t colon = find_byte(line, ':');
    return colon < line.len && is_token(bytes_of(line.data, colon)) &&
           is_value(bytes_from(line, colon + 1));
}

static unsigned judge_lines(struct bytes head, bool *out_is_rest)
{
    unsigned refusal = judge_request_line(next_line(&head), out_is_rest);
    size_t count = 0;
    for (struct bytes line = next_line(&head); refusal == 0 && line.len > 0;
         line = next_line(&head)) {
        refusal = is_field_line(line) ? 0 : BAD_REQUEST;
        if (++count > HTTP_FIELDS_MAX) {
            return TOO_MANY_FIELDS;
        }
    }
    return refusal;
}

/* --- llhttp ------------------------------------------------------------------------------------
 */

struct reading {
    struct http_head *head;
    struct bytes target;
};

static int parse_on_target(llhttp_t *parser, const char *at, size_t len)
{
    struct reading *reading = parser->data;
    reading->target = bytes_of(at, len);
    return 0;
}

static int parse_on_name(llhttp_t *parser, const char *at, size_t len)
{
    const struct reading *reading = parser->data;
    struct http_head *head = reading->head;
    if (head->field_count == HTTP_FIELDS_MAX) {
        return -1;
    }
    head->fields[head->field_count++] = (struct http_field){.name = bytes_of(at, len)};
    return 0;
}

static int parse_on_value(llhttp_t *parser, const char *at, size_t len)
{
    const struct reading *reading = parser->data;
    struct http_head *head = reading->head;
    if (head->field_count == 0 || head->fields[head->field_count - 1].value.data != NULL) {
        return -1;
    }
    head->fields[head->field_count - 1].value = trimmed(bytes_of(at, len));
    return 0;
}

/* Bodies are taken apart by others. */
static int parse_on_head_complete(llhttp_t *parser)
{
    (void)parser;
    return 1;
}

static unsigned verb_of(uint8_t method)
{
    switch (method) {
    case HTTP_GET:
        return HTTP_VERB_GET;
    case HTTP_HEAD:
        return HTTP_VERB_HEAD;
    case HTTP_POST:
        return HTTP_VERB_POST;
    case HTTP_PUT:
        return HTTP_VERB_PUT;
    case HTTP_DELETE:
        return HTTP_VERB_DELETE;
    case HTTP_OPTIONS:
        return HTTP_VERB_OPTIONS;
    default:
        return 0;
    }
}

/* llhttp knows no text in a target: it is shown a plain one, as ours was looked at before. */
static llhttp_errno_t run_llhttp(llhttp_t *parser, struct bytes head, struct bytes *out_text)
{
    size_t at = find_byte(head, ' ') + 1;
    struct bytes rest = bytes_from(head, at);
    struct bytes target = bytes_of(rest.data, find_byte(rest, ' '));
    *out_text = BYTES_NONE;
    if (bytes_is_ascii(target)) {
        return llhttp_execute(parser, (const char *)head.data, head.len);
    }
    *out_text = target;
    rest = bytes_from(rest, target.len);
    llhttp_errno_t error = llhttp_execute(parser, (const char *)head.data, at);
    if (error == HPE_OK) {
        error = llhttp_execute(parser, "/", 1);
    }
    return error == HPE_OK ? llhttp_execute(parser, (const char *)rest.data, rest.len) : error;
}

static unsigned read_by_llhttp(struct bytes head, struct http_head *out_head,
                               struct bytes *out_target)
{
    static const llhttp_settings_t settings = {
        .on_url = parse_on_target,
        .on_header_field = parse_on_name,
        .on_header_value = parse_on_value,
        .on_headers_complete = parse_on_head_complete,
    };
    struct reading reading = {.head = out_head};
    llhttp_t parser;
    llhttp_init(&parser, HTTP_REQUEST, &settings);
    parser.data = &reading;
    struct bytes text;
    llhttp_errno_t error = run_llhttp(&parser, head, &text);
    if (error == HPE_INVALID_METHOD) {
        return NOT_IMPLEMENTED;
    }
    if (error != HPE_OK && error != HPE_PAUSED_UPGRADE) {
        return BAD_REQUEST;
    }
    unsigned verb = verb_of(parser.method);
    if (verb == 0) {
        return NOT_IMPLEMENTED;
    }
    out_head->verb = (enum http_verb)verb;
    out_head->is_old = parser.http_minor == 0;
    *out_target = text.len > 0 ? text : reading.target;
    return 0;
}

/* --- what fields say ---------------------------------------------------------------------------
 */

struct bytes http_field_find(const struct http_field *fields, size_t count, const char *name)
{
    struct bytes wanted = bytes_of_text(name);
    for (size_t i = 0; i < count; i++) {
        if (bytes_equal_nocase(fields[i].name, wanted)) {
            return fields[i].value;
        }
    }
    return BYTES_NONE;
}

size_t http_field_count(const struct http_field *fields, size_t count, const char *name)
{
    struct bytes wanted = bytes_of_text(name);
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        found += bytes_equal_nocase(fields[i].name, wanted);
    }
    return found;
}

bool http_field_word(struct bytes *rest, struct bytes *out_word)
{
    while (rest->len > 0) {
        size_t len = find_byte(*rest, ',');
        struct bytes word = trimmed(bytes_of(rest->data, len));
        *rest = bytes_from(*rest, len + 1);
        if (word.len > 0) {
            *out_word = word;
            return true;
        }
    }
    return false;
}

/* The characters of a host and port (RFC 3986 §3.2). */
static bool is_host(struct bytes host)
{
    for (size_t i = 0; i < host.len; i++) {
        uint8_t c = host.data[i];
        if (!is_token_byte(c) && (c == 0 || strchr("[]:(),;=", c) == NULL)) {
            return false;
        }
    }
    return host.len > 0;
}

static unsigned judge_host(const struct http_head *head)
{
    size_t hosts = http_field_count(head->fields, head->field_count, "Host");
    if (hosts == 0) {
        return head->is_old ? 0 : BAD_REQUEST;
    }
    struct bytes host = http_field_find(head->fields, head->field_count, "Host");
    return hosts == 1 && is_host(host) ? 0 : BAD_REQUEST;
}

static unsigned read_length(struct bytes text, uint64_t *out_len)
{
    uint64_t len = 0;
    if (text.len == 0 || text.len > LENGTH_DIGITS_MAX || (text.len > 1 && text.data[0] == '0')) {
        return BAD_REQUEST;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return BAD_REQUEST;
        }
        len = len * 10 + (uint64_t)(text.data[i] - '0');
    }
    *out_len = len;
    return 0;
}

/* One length or none, said in one way (RFC 9112 §6.3). */
static unsigned judge_body(struct http_head *head)
{
    size_t lengths = http_field_count(head->fields, head->field_count, "Content-Length");
    size_t codings = http_field_count(head->fields, head->field_count, "Transfer-Encoding");
    if (lengths > 1 || codings > 1 || (lengths > 0 && codings > 0)) {
        return BAD_REQUEST;
    }
    if (codings > 0) {
        struct bytes coding = http_field_find(head->fields, head->field_count, "Transfer-Encoding");
        head->is_chunked = bytes_equal_nocase(coding, BYTES_LITERAL("chunked"));
        if (head->is_old || coding.len == 0) {
            return BAD_REQUEST;
        }
        return head->is_chunked ? 0 : NOT_IMPLEMENTED;
    }
    return lengths == 0
               ? 0
               : read_length(http_field_find(head->fields, head->field_count, "Content-Length"),
                             &head->body_len);
}

static bool says(const struct http_head *head, const char *name, struct bytes wanted)
{
    for (size_t i = 0; i < head->field_count; i++) {
        struct bytes rest = head->fields[i].value;
        struct bytes word;
        while (bytes_equal_nocase(head->fields[i].name, bytes_of_text(name)) &&
               http_field_word(&rest, &word)) {
            if (bytes_equal_nocase(word, wanted)) {
                return true;
            }
        }
    }
    return false;
}

static unsigned judge_manners(struct http_head *head)
{
    bool is_closing = says(head, "Connection", BYTES_LITERAL("close"));
    bool is_kept = !head->is_old || says(head, "Connection", BYTES_LITERAL("keep-alive"));
    head->goes_on = is_kept && !is_closing;
    if (http_field_count(head->fields, head->field_count, "Expect") == 0) {
        return 0;
    }
    struct bytes expected = http_field_find(head->fields, head->field_count, "Expect");
    head->expects = !head->is_old;
    return bytes_equal_nocase(expected, BYTES_LITERAL("100-continue")) ? 0 : EXPECTATION_FAILED;
}

/* A path of ours; "*" for OPTIONS. Absolute targets are for proxies (§14 row 70). */
static unsigned judge_target(struct http_head *head, struct bytes target)
{
    bool is_star = head->verb == HTTP_VERB_OPTIONS && bytes_equal(target, BYTES_LITERAL("*"));
    if (target.len == 0 || (target.data[0] != '/' && !is_star)) {
        return BAD_REQUEST;
    }
    size_t mark = find_byte(target, '?');
    head->path = bytes_of(target.data, mark);
    head->query = bytes_from(target, mark + 1);
    return 0;
}

unsigned http_head_read(struct bytes head, struct http_head *out_head)
{
    struct bytes target = BYTES_NONE;
    if (bytes_start_with(head, BYTES_LITERAL("\r\n"))) {
        head = bytes_from(head, 2);
    }
    out_head->field_count = 0;
    out_head->is_chunked = false;
    out_head->expects = false;
    out_head->is_rest = false;
    out_head->body_len = 0;
    unsigned refusal = judge_lines(head, &out_head->is_rest);
    if (refusal == 0) {
        refusal = read_by_llhttp(head, out_head, &target);
    }
    if (refusal == 0) {
        refusal = judge_target(out_head, target);
    }
    if (refusal == 0) {
        refusal = judge_host(out_head);
    }
    if (refusal == 0) {
        refusal = judge_body(out_head);
    }
    return refusal == 0 ? judge_manners(out_head) : refusal;
}
