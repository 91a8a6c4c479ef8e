/* SPDX-License-Identifier: Apache-2.0
 *
 * Envelope, header, body and credential with their offsets (decode_message.h; protocol.md §3-§6).
 */
#include "admin/decode_message.h"

#include "admin/say.h"
#include "admin/value_show.h"
#include "protocol/fragment.h"
#include "protocol/opcode.h"
#include "protocol/text.h"
#include "protocol/value.h"

/* A walk over a run of bytes: the reader and where the field being read began. */
struct walk {
    struct decode_page *page;
    struct wire_reader reader;
};

static struct bytes left_of(const struct walk *walk)
{
    return bytes_of(walk->reader.at, (size_t)(walk->reader.end - walk->reader.at));
}

static struct bytes since(const struct walk *walk, const uint8_t *start)
{
    return bytes_of(start, (size_t)(walk->reader.at - start));
}

static struct arena *arena_of(const struct walk *walk)
{
    return walk->page->call->arena;
}

static const char *printable(const struct walk *walk, struct bytes text)
{
    return say_printable(arena_of(walk), text);
}

static const char *time_text(const struct walk *walk, uint32_t seconds)
{
    char text[TEXT_TIME_LEN];
    text_time_s(seconds, text);
    return value_show_format(arena_of(walk), "%u (%s)", seconds, text);
}

/* --- single fields ---------------------------------------------------------------------------- */

static uint64_t number(struct walk *walk, size_t len, const char *name)
{
    const uint8_t *start = walk->reader.at;
    uint64_t value = 0;
    struct bytes taken = wire_take(&walk->reader, len);
    for (size_t i = 0; i < taken.len; i++) {
        value = value << 8 | taken.data[i];
    }
    if (wire_ok(&walk->reader)) {
        decode_page_field(walk->page, since(walk, start), name,
                          value_show_format(arena_of(walk), "%llu", (unsigned long long)value));
    }
    return value;
}

static struct bytes counted(struct walk *walk, const char *name, bool is_text)
{
    const uint8_t *start = walk->reader.at;
    struct bytes taken = wire_bytes(&walk->reader);
    if (wire_ok(&walk->reader)) {
        decode_page_field(walk->page, since(walk, start), name,
                          is_text ? printable(walk, taken) : text_hex(arena_of(walk), taken));
    }
    return taken;
}

static void rest(struct walk *walk, const char *name)
{
    struct bytes taken = wire_take(&walk->reader, wire_left(&walk->reader));
    if (taken.len > 0) {
        decode_page_field(walk->page, taken, name, text_hex(arena_of(walk), taken));
    }
}

static void digest(struct walk *walk, const char *name)
{
    static const struct {
        size_t len;
        const char *name;
    } forms[] = {{20, "MD5, old form"}, {16, "MD5"}, {20, "SHA-1"}, {32, "SHA-256"}};
    const uint8_t *start = walk->reader.at;
    uint8_t code = wire_left(&walk->reader) > 0 ? *start : 0xff;
    if (code > 3) {
        walk->reader.failed = true;
        return;
    }
    struct bytes taken = wire_take(&walk->reader, forms[code].len + (code == 0 ? 0 : 1));
    if (wire_ok(&walk->reader)) {
        struct bytes alone = bytes_from(taken, code == 0 ? 4 : 1);
        decode_page_field(walk->page, taken, name,
                          value_show_format(arena_of(walk), "%s %s", forms[code].name,
                                            text_hex(arena_of(walk), alone)));
    }
}

static void numbers(struct walk *walk, const char *name)
{
    const uint8_t *start = walk->reader.at;
    uint32_t count = wire_count(&walk->reader, 4);
    const char *text = count == 0 ? "(none)" : "";
    for (uint32_t i = 0; i < count && text != NULL; i++) {
        text = value_show_format(arena_of(walk), "%s%s%u", text, i == 0 ? "" : " ",
                                 wire_u32(&walk->reader));
    }
    if (wire_ok(&walk->reader)) {
        decode_page_field(walk->page, since(walk, start), name, text);
    }
}

static void texts(struct walk *walk, const char *name)
{
    const uint8_t *start = walk->reader.at;
    uint32_t count = wire_count(&walk->reader, 4);
    if (!wire_ok(&walk->reader)) {
        return;
    }
    decode_page_open(walk->page, since(walk, start), name,
                     value_show_format(arena_of(walk), "%u", count));
    for (uint32_t i = 0; i < count && wire_ok(&walk->reader); i++) {
        (void)counted(walk, "name", true);
    }
    decode_page_close(walk->page);
}

/* --- values ----------------------------------------------------------------------------------- */

static void references(struct walk *walk)
{
    uint32_t count = wire_count(&walk->reader, VALUE_REFERENCE_SMALLEST);
    for (uint32_t i = 0; i < count && wire_ok(&walk->reader); i++) {
        const uint8_t *start = walk->reader.at;
        struct reference reference = {.handle = wire_bytes(&walk->reader)};
        reference.index = wire_u32(&walk->reader);
        if (wire_ok(&walk->reader)) {
            decode_page_field(walk->page, since(walk, start), "reference",
                              value_show_reference(arena_of(walk), &reference));
        }
    }
}

/* The fields of one value; what it is stands beside its name already. */
static void value_fields(struct walk *walk, const struct value *value)
{
    char permissions[5];
    value_permissions_text(value->permissions, permissions);
    (void)number(walk, 4, "index");
    decode_page_field(walk->page, wire_take(&walk->reader, 4), "timestamp",
                      time_text(walk, value->timestamp));
    decode_page_field(walk->page, wire_take(&walk->reader, 5), "ttl",
                      value_show_ttl(arena_of(walk), value));
    decode_page_field(walk->page, wire_take(&walk->reader, 1), "permissions", permissions);
    (void)counted(walk, "type", true);
    const uint8_t *start = walk->reader.at;
    (void)wire_bytes(&walk->reader);
    decode_page_field(walk->page, since(walk, start), "data",
                      value_show_data(arena_of(walk), value));
    references(walk);
}

static void values(struct walk *walk, const char *name)
{
    const uint8_t *start = walk->reader.at;
    uint32_t count = wire_count(&walk->reader, VALUE_SMALLEST);
    if (!wire_ok(&walk->reader)) {
        return;
    }
    decode_page_field(walk->page, since(walk, start), name,
                      value_show_format(arena_of(walk), "%u", count));
    for (uint32_t i = 0; i < count; i++) {
        struct value value;
        struct walk inside = *walk;
        start = walk->reader.at;
        if (value_decode(&walk->reader, &value) != STATUS_OK) {
            walk->reader = inside.reader;
            walk->reader.failed = true;
            return;
        }
        inside.reader.end = walk->reader.at;
        decode_page_open(
            walk->page, since(walk, start), "value",
            value_show_format(arena_of(walk), "%u %s", value.index, printable(walk, value.type)));
        value_fields(&inside, &value);
        decode_page_close(walk->page);
    }
}

static void site(struct walk *walk, const char *name)
{
    struct bytes taken = wire_take(&walk->reader, wire_left(&walk->reader));
    struct value value = {.type = BYTES_LITERAL("HS_SITE"), .data = taken};
    decode_page_field(walk->page, taken, name, value_show_data(arena_of(walk), &value));
}

/* --- bodies as layouts ------------------------------------------------------------------------ */

/* Fields separated by ';', each a letter and a name: b h i l numbers of 1, 2, 4, 8 bytes; s string;
 * y bytes; d digest; I list of int4; T list of strings; V values; S site record; r what is left.
 * A '?' ends the body quietly when nothing is left. */

struct layout {
    uint32_t opcode;
    const char *request;
    const char *answer;
};

static const struct layout layouts[] = {
    {OPCODE_RESOLUTION, "s handle;I indexes;T types", "s handle;V values"},
    {OPCODE_GET_SITE_INFO, "?;s handle", "S site"},
    {OPCODE_CREATE_HANDLE, "s handle;V values", "?;s handle"},
    {OPCODE_DELETE_HANDLE, "s handle", ""},
    {OPCODE_ADD_VALUE, "s handle;V values", ""},
    {OPCODE_REMOVE_VALUE, "s handle;I indexes", ""},
    {OPCODE_MODIFY_VALUE, "s handle;V values", ""},
    {OPCODE_LIST_HANDLES, "s handle", "T names"},
    {OPCODE_LIST_DERIVED_PREFIXES, "s handle", "T names"},
    {OPCODE_CHALLENGE_RESPONSE, "s key type;s user handle;i user index;y signed response",
     "?;r body"},
    {OPCODE_VERIFY_RESPONSE, "s user handle;i user index;y nonce;y digest;y signed response",
     "b valid"},
    {OPCODE_HOME_PREFIX, "s handle", ""},
    {OPCODE_UNHOME_PREFIX, "s handle", ""},
    {OPCODE_LIST_HOMED_PREFIXES, "s handle", "T names"},
    {OPCODE_SESSION_SETUP, "h mode;i timeout;s identity;i identity index;?;r key and trailer",
     "h mode;y data;?;r trailer"},
    {OPCODE_SESSION_TERMINATE, "?;s handle", ""},
    {OPCODE_SESSION_EXCHANGE_KEY, "y encrypted key", ""},
    {OPCODE_GET_NEXT_TXN_ID, "s handle", "l next transaction"},
    {OPCODE_RETRIEVE_TXN_LOG, "r position", "b keep alive;?;r stream"},
    {OPCODE_DUMP_HANDLES, "b hash option;i servers;i server;?;y start;i start type",
     "b keep alive;?;r stream"},
    {OPCODE_BACKUP_SERVER, "s handle", ""},
    {OPCODE_LOGIN_PASSWORD, "s handle;I indexes;T types", ""},
    {OPCODE_LOGIN, "s user handle;i user index", "?;r body"},
};

static void field(struct walk *walk, char kind, const char *name)
{
    switch (kind) {
    case 'b':
        (void)number(walk, 1, name);
        break;
    case 'h':
        (void)number(walk, 2, name);
        break;
    case 'i':
        (void)number(walk, 4, name);
        break;
    case 'l':
        (void)number(walk, 8, name);
        break;
    case 's':
        (void)counted(walk, name, true);
        break;
    case 'y':
        (void)counted(walk, name, false);
        break;
    case 'd':
        digest(walk, name);
        break;
    case 'I':
        numbers(walk, name);
        break;
    case 'T':
        texts(walk, name);
        break;
    case 'V':
        values(walk, name);
        break;
    case 'S':
        site(walk, name);
        break;
    default:
        rest(walk, name);
        break;
    }
}

static void walk_layout(struct walk *walk, const char *layout)
{
    while (*layout != '\0' && wire_ok(&walk->reader)) {
        size_t len = strcspn(layout, ";");
        if (layout[0] == '?') {
            if (wire_left(&walk->reader) == 0) {
                return;
            }
        } else {
            char name[40];
            (void)snprintf(name, sizeof name, "%.*s", (int)len - 2, layout + 2);
            field(walk, layout[0], name);
        }
        layout += len + (layout[len] == ';' ? 1 : 0);
    }
}

static const char *layout_of(uint32_t opcode, uint32_t response_code)
{
    switch (response_code) {
    case 0:
    case 1:
        break;
    case 302:
    case 303:
        return "s referral;?;V values";
    case 402:
        return "y nonce";
    default:
        return "?;s message;?;I indexes";
    }
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
        if (layouts[i].opcode == opcode) {
            return response_code == 0 ? layouts[i].request : layouts[i].answer;
        }
    }
    return "?;r body";
}

/* What was not read: a failed field and everything behind it, or junk. */
static void finish(struct walk *walk, const char *what)
{
    struct bytes left = left_of(walk);
    if (!wire_ok(&walk->reader)) {
        decode_page_damage(
            walk->page, left,
            value_show_format(arena_of(walk), "%s %s",
                              say_text(walk->page->call, "the rest is not a", "其余内容不是有效的"),
                              what));
    } else if (left.len > 0) {
        decode_page_damage(walk->page, left, say_text(walk->page->call, "left over", "多余的字节"));
    }
}

void decode_body(struct decode_page *page, struct bytes body, uint32_t opcode,
                 uint32_t response_code)
{
    struct walk walk = {page, wire_read(body)};
    walk_layout(&walk, layout_of(opcode, response_code));
    finish(&walk, "body");
}

/* --- header, credential, envelope ------------------------------------------------------------- */

static void credential(struct decode_page *page, struct bytes encoded)
{
    struct walk walk = {page, wire_read(encoded)};
    const uint8_t *start = walk.reader.at;
    uint32_t len = wire_u32(&walk.reader);
    if (encoded.len == 0) {
        return; /* left out altogether: allowed */
    }
    decode_page_open(page, encoded, say_text(page->call, "credential", "凭证"),
                     len == 0 ? say_text(page->call, "none", "无") : "");
    if (wire_ok(&walk.reader)) {
        decode_page_field(page, since(&walk, start), "length",
                          value_show_format(arena_of(&walk), "%u", len));
    }
    if (len > 0) {
        walk_layout(&walk, "b version;b reserved;h options;s signer;i counter;s type;"
                           "i section length;s algorithm;y signature");
    }
    finish(&walk, "credential");
    decode_page_close(page);
}

struct head {
    uint32_t opcode, response_code, flags, body_len;
};

static struct head header(struct walk *walk)
{
    struct wire_reader ahead = walk->reader;
    struct head head = {.opcode = wire_u32(&ahead), .response_code = wire_u32(&ahead)};
    head.flags = wire_u32(&ahead);
    struct bytes whole = bytes_of(walk->reader.at, MESSAGE_HEADER_LEN);
    if (wire_left(&walk->reader) < MESSAGE_HEADER_LEN) {
        walk->reader.failed = true;
        return head;
    }
    decode_page_open(walk->page, whole, say_text(walk->page->call, "header", "报文头"), "");
    struct arena *arena = arena_of(walk);
    bool is_chinese = walk->page->call->is_chinese;
    decode_page_field(walk->page, wire_take(&walk->reader, 4), "opcode",
                      value_show_format(arena, "%u %s", head.opcode, opcode_name(head.opcode)));
    decode_page_field(walk->page, wire_take(&walk->reader, 4), "response code",
                      value_show_code(arena, head.response_code, is_chinese));
    decode_page_field(
        walk->page, wire_take(&walk->reader, 4), "flags",
        value_show_format(arena, "%08x %s", head.flags, value_show_flags(arena, head.flags)));
    (void)number(walk, 2, "site serial");
    (void)number(walk, 1, "recursion count");
    (void)number(walk, 1, "reserved");
    struct wire_reader again = walk->reader;
    decode_page_field(walk->page, wire_take(&walk->reader, 4), "expiration",
                      time_text(walk, wire_u32(&again)));
    head.body_len = (uint32_t)number(walk, 4, "body length");
    decode_page_close(walk->page);
    return head;
}

static void body(struct walk *walk, const struct head *head, struct message_version version)
{
    struct bytes bytes = wire_take(&walk->reader, head->body_len);
    if (!wire_ok(&walk->reader)) {
        return;
    }
    bool has_algorithm = message_version_compare(version, (struct message_version){2, 1}) >= 0;
    decode_page_open(walk->page, bytes, say_text(walk->page->call, "body", "报文体"), "");
    struct walk inside = {walk->page, wire_read(bytes)};
    bool is_answer = head->response_code != 0;
    bool is_challenge = head->response_code == 402;
    if (is_answer && has_algorithm &&
        (is_challenge || (head->flags & MESSAGE_REQUEST_DIGEST) != 0)) {
        digest(&inside, "request digest");
    }
    walk_layout(&inside, layout_of(head->opcode, head->response_code));
    if (is_challenge && !has_algorithm) {
        walk_layout(&inside, "y request digest");
    }
    finish(&inside, "body");
    decode_page_close(walk->page);
}

static void envelope(struct decode_page *page, const struct envelope *envelope)
{
    struct arena *arena = page->call->arena;
    struct bytes whole = bytes_of(page->packet.data, MESSAGE_ENVELOPE_LEN);
    decode_page_open(page, whole, say_text(page->call, "envelope", "信封"), "");
    decode_page_field(page, bytes_of(whole.data, 2), "version",
                      value_show_version(arena, envelope->version));
    decode_page_field(page, bytes_of(whole.data + 2, 1), "flags",
                      value_show_format(arena, "%s%s%s", envelope->is_compressed ? "CP " : "",
                                        envelope->is_encrypted ? "EC " : "",
                                        envelope->is_truncated ? "TC" : ""));
    decode_page_field(page, bytes_of(whole.data + 2, 2), "suggested version",
                      value_show_version(arena, envelope->suggested));
    decode_page_field(page, bytes_of(whole.data + 4, 4), "session id",
                      value_show_format(arena, "%u", envelope->session_id));
    decode_page_field(
        page, bytes_of(whole.data + 8, 4), "request id",
        value_show_format(arena, "%u (%08x)", envelope->request_id, envelope->request_id));
    decode_page_field(page, bytes_of(whole.data + 12, 4), "sequence number",
                      value_show_format(arena, "%u", envelope->sequence));
    decode_page_field(page, bytes_of(whole.data + 16, 4), "message length",
                      value_show_format(arena, "%u", envelope->message_len));
    decode_page_close(page);
}

/* Says why the bytes behind the envelope are not walked; NULL when they can be. */
static const char *obstacle(const struct decode_page *page, const struct envelope *envelope)
{
    if (envelope->is_encrypted) {
        return say_text(page->call, "encrypted with a session key", "已用会话密钥加密");
    }
    if (envelope->is_compressed) {
        return say_text(page->call, "compressed, which nobody uses", "已压缩（无人使用）");
    }
    if (fragment_classify(envelope, page->packet.len) == FRAGMENT_PIECE) {
        return value_show_format(page->call->arena,
                                 page->call->is_chinese ? "第 %u 片，共 %u 片"
                                                        : "piece %u of %u of a larger message",
                                 envelope->sequence + 1, fragment_count(envelope->message_len));
    }
    return NULL;
}

void decode_message(struct decode_page *page)
{
    struct envelope head_of;
    if (envelope_decode(page->packet, &head_of) != STATUS_OK) {
        decode_page_damage(page, page->packet,
                           say_text(page->call, "shorter than an envelope", "不足一个信封的长度"));
        return;
    }
    struct bytes message = bytes_from(page->packet, MESSAGE_ENVELOPE_LEN);
    if (page->origin == 0) {
        envelope(page, &head_of);
    }
    const char *why = obstacle(page, &head_of);
    if (why != NULL) {
        decode_page_field(page, message, say_text(page->call, "payload", "载荷"), why);
        return;
    }
    if (head_of.message_len != message.len) {
        decode_page_damage(page, bytes_of(page->packet.data + 16, 4),
                           value_show_format(page->call->arena,
                                             page->call->is_chinese
                                                 ? "信封声明 %u 字节，实际 %zu 字节"
                                                 : "the envelope says %u bytes, there are %zu",
                                             head_of.message_len, message.len));
    }
    struct walk walk = {page, wire_read(message)};
    struct head head = header(&walk);
    if (wire_ok(&walk.reader)) {
        body(&walk, &head, head_of.version);
    }
    if (!wire_ok(&walk.reader)) {
        finish(&walk, "message");
        return;
    }
    credential(page, left_of(&walk));
}
