/* SPDX-License-Identifier: Apache-2.0
 *
 * Suspicious contents of imported records (import_notes.h).
 */
#include "admin/import_notes.h"

#include <stdio.h>

#include "protocol/template.h"

#define TEMPLATE_ARENA_FIRST 4096
#define TEMPLATE_ARENA_MAX (1u << 20)

struct note_row {
    const char *name;
    const char *english;
    const char *chinese;
};

static const struct note_row rows[IMPORT_NOTE_COUNT] = {
    [IMPORT_NOTE_SECRET_PUBLIC] = {"secret_public",
                                   "HS_SECKEY values allow public read; they are stored as they "
                                   "are and never given out",
                                   "个 HS_SECKEY 值允许公开读取；按原样存储，但绝不对外提供"},
    [IMPORT_NOTE_PUBLIC_WRITE] = {"public_write", "values allow public write", "个值允许公开写入"},
    [IMPORT_NOTE_DAMAGED_TEXT] = {"damaged_text",
                                  "values hold signs of a wrong conversion of characters",
                                  "个值带有字符集转换错误的痕迹（乱码）"},
    [IMPORT_NOTE_FULL_WIDTH] = {"full_width",
                                "handles hold full-width characters; they differ from the "
                                "half-width ones",
                                "个标识含全角字符，与半角字符不是同一标识"},
    [IMPORT_NOTE_BLANK_IN_HANDLE] = {"blank_in_handle", "handles hold white space or controls",
                                     "个标识含空白或控制字符"},
    [IMPORT_NOTE_URL_SCHEME] = {"url_scheme", "URL values do not begin with a scheme",
                                "个 URL 值没有协议头"},
    [IMPORT_NOTE_FUTURE_TIME] = {"future_time", "values have a timestamp in the future",
                                 "个值的时间戳在未来"},
    [IMPORT_NOTE_TEMPLATE] = {"template",
                              "HS_NAMESPACE values hold a template that cannot answer; guantong "
                              "prefix template-test tells why",
                              "个 HS_NAMESPACE 值中的模板无法使用；原因可用 guantong prefix "
                              "template-test 查看"},
    [IMPORT_NOTE_REPEATED] = {"repeated", "handles were given more than once; the last row stands",
                              "个标识重复出现，以最后一行为准"},
};

const char *import_notes_name(enum import_note note)
{
    return rows[note].name;
}

const char *import_notes_text(enum import_note note, bool is_chinese)
{
    return is_chinese ? rows[note].chinese : rows[note].english;
}

void import_notes_add(struct import_notes *notes, enum import_note note, uint64_t line,
                      struct bytes handle, uint32_t index)
{
    if (notes->counts[note]++ > 0) {
        return;
    }
    int shown = (int)(handle.len < 80 ? handle.len : 80);
    char where[24] = "";
    if (index != 0) {
        (void)snprintf(where, sizeof where, notes->is_chinese ? " 索引 %u" : " index %u", index);
    }
    (void)snprintf(notes->examples[note], sizeof notes->examples[note],
                   notes->is_chinese ? "第 %llu 行：%.*s%s" : "line %llu: %.*s%s",
                   (unsigned long long)line, shown, (const char *)handle.data, where);
}

static bool holds(struct bytes text, struct bytes sign)
{
    return memmem(text.data, text.len, sign.data, sign.len) != NULL;
}

/* U+FFFD, and the two characters that U+FFFD becomes when UTF-8 is read as GBK. */
static bool is_damaged(struct bytes text)
{
    return !bytes_is_ascii(text) &&
           (holds(text, BYTES_LITERAL("\xef\xbf\xbd")) || holds(text, BYTES_LITERAL("锟斤拷")));
}

/* U+FF01 to U+FF5E, the full-width forms of ASCII: EF BC 81 to EF BD 9E. */
static bool has_full_width(struct bytes text)
{
    if (bytes_is_ascii(text)) {
        return false;
    }
    for (size_t i = 0; i + 2 < text.len; i++) {
        if (text.data[i] == 0xef && ((text.data[i + 1] == 0xbc && text.data[i + 2] >= 0x81) ||
                                     (text.data[i + 1] == 0xbd && text.data[i + 2] <= 0x9e))) {
            return true;
        }
    }
    return false;
}

static bool has_blank(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] <= ' ' || text.data[i] == 0x7f) {
            return true;
        }
    }
    /* The ideographic space. */
    return !bytes_is_ascii(text) && holds(text, BYTES_LITERAL("\xe3\x80\x80"));
}

static bool has_scheme(struct bytes url)
{
    for (size_t i = 0; i < url.len && i < 32; i++) {
        uint8_t c = bytes_ascii_upper(url.data[i]);
        if (c == ':') {
            return i > 0;
        }
        if (!(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '+' && c != '-' &&
            c != '.') {
            return false;
        }
    }
    return false;
}

/* Rare, so that memory of its own does not count. */
static bool has_bad_template(const struct value *value)
{
    if (!value_type_is(value->type, BYTES_LITERAL("HS_NAMESPACE"))) {
        return false;
    }
    struct arena *arena = arena_new(TEMPLATE_ARENA_FIRST, TEMPLATE_ARENA_MAX);
    bool is_bad = arena != NULL && template_check(value->data, arena, NULL) == STATUS_INVALID_VALUE;
    arena_free(arena);
    return is_bad;
}

static void look_at_value(struct import_notes *notes, const struct record *record,
                          const struct value *value, uint64_t line)
{
    bool found[IMPORT_NOTE_COUNT] = {
        [IMPORT_NOTE_SECRET_PUBLIC] =
            value_is_secret(value) && (value->permissions & VALUE_PUBLIC_READ) != 0,
        [IMPORT_NOTE_PUBLIC_WRITE] = (value->permissions & VALUE_PUBLIC_WRITE) != 0,
        [IMPORT_NOTE_DAMAGED_TEXT] = is_damaged(value->data),
        [IMPORT_NOTE_URL_SCHEME] =
            value_type_is(value->type, BYTES_LITERAL("URL")) && !has_scheme(value->data),
        [IMPORT_NOTE_TEMPLATE] = has_bad_template(value),
        [IMPORT_NOTE_FUTURE_TIME] = (int64_t)value->timestamp > notes->now_s + 86400,
    };
    for (size_t note = 0; note < IMPORT_NOTE_COUNT; note++) {
        if (found[note]) {
            import_notes_add(notes, (enum import_note)note, line, record->handle, value->index);
        }
    }
}

void import_notes_look(struct import_notes *notes, const struct record *record, uint64_t line)
{
    if (has_full_width(record->handle)) {
        import_notes_add(notes, IMPORT_NOTE_FULL_WIDTH, line, record->handle, 0);
    }
    if (has_blank(record->handle)) {
        import_notes_add(notes, IMPORT_NOTE_BLANK_IN_HANDLE, line, record->handle, 0);
    }
    for (size_t i = 0; i < record->count; i++) {
        look_at_value(notes, record, &record->values[i], line);
    }
}
