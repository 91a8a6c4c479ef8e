/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests for the page; see page_asked.h.
 */
#include "resolver/page_asked.h"

#include <stdlib.h>

#include "protocol/handle.h"

/* Present without a value, or "yes" or "true" (§9.2). */
static bool is_set(const struct http_parameter *parameter)
{
    return !parameter->has_value || parameter->value.len == 0 ||
           bytes_equal_nocase(parameter->value, BYTES_LITERAL("yes")) ||
           bytes_equal_nocase(parameter->value, BYTES_LITERAL("true"));
}

static bool is_named(const struct http_parameter *parameter, const char *name)
{
    return bytes_equal(parameter->name, bytes_of_text(name));
}

/* --- languages ----------------------------------------------------------------------------------
 */

static struct bytes next_part(struct bytes *list)
{
    const uint8_t *comma = list->len == 0 ? NULL : memchr(list->data, ',', list->len);
    size_t len = comma == NULL ? list->len : (size_t)(comma - list->data);
    struct bytes part = bytes_of(list->data, len);
    *list = bytes_from(*list, len + 1);
    while (part.len > 0 && part.data[0] == ' ') {
        part = bytes_from(part, 1);
    }
    return part;
}

/* In thousandths; 1000 when not given. */
static unsigned quality(struct bytes part)
{
    for (size_t i = 0; i + 2 < part.len; i++) {
        if (part.data[i] == 'q' && part.data[i + 1] == '=') {
            unsigned value = part.data[i + 2] == '1' ? 1000 : 0;
            unsigned step = 100;
            for (i += 4; value < 1000 && i < part.len && step > 0; i++, step /= 10) {
                value += part.data[i] >= '0' && part.data[i] <= '9'
                             ? step * (unsigned)(part.data[i] - '0')
                             : 0;
            }
            return value;
        }
    }
    return 1000;
}

static bool is_language(struct bytes part, const char *code)
{
    return part.len >= 2 && bytes_equal_nocase(bytes_of(part.data, 2), bytes_of_text(code)) &&
           (part.len == 2 || part.data[2] == '-' || part.data[2] == ';' || part.data[2] == ' ');
}

/* Chinese, unless English is liked better. */
static enum page_language language_of(struct bytes accepted)
{
    unsigned chinese = 0;
    unsigned english = 0;
    while (accepted.len > 0) {
        struct bytes part = next_part(&accepted);
        unsigned liked = quality(part);
        chinese = is_language(part, "zh") && liked > chinese ? liked : chinese;
        english = is_language(part, "en") && liked > english ? liked : english;
    }
    return english > chinese ? PAGE_ENGLISH : PAGE_CHINESE;
}

/* --- parameters ---------------------------------------------------------------------------------
 */

static void read_language(struct page_asked *asked, struct bytes value)
{
    if (is_language(value, "zh")) {
        asked->language = PAGE_CHINESE;
    } else if (is_language(value, "en")) {
        asked->language = PAGE_ENGLISH;
    }
}

static void read_action(struct page_asked *asked, struct bytes value)
{
    if (bytes_equal(value, BYTES_LITERAL("redirect"))) {
        asked->is_redirected = true;
    } else if (bytes_equal(value, BYTES_LITERAL("showvalues"))) {
        asked->is_redirected = false;
    }
}

static void read_choice(struct page_asked *asked, struct bytes value)
{
    const uint8_t *colon = value.len == 0 ? NULL : memchr(value.data, ':', value.len);
    if (colon != NULL) {
        size_t at = (size_t)(colon - value.data);
        asked->choice_name = bytes_of(value.data, at);
        asked->choice_value = bytes_from(value, at + 1);
    }
}

static void read_code(struct page_asked *asked, struct bytes value)
{
    asked->code = bytes_equal(value, BYTES_LITERAL("png")) ? PAGE_CODE_PNG : PAGE_CODE_SVG;
    asked->code_is_bare |= bytes_equal(value, BYTES_LITERAL("handle"));
}

static uint64_t number_of(struct bytes text)
{
    uint64_t number = 0;
    for (size_t i = 0; i < text.len && i < 6; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return 0;
        }
        number = number * 10 + (uint64_t)(text.data[i] - '0');
    }
    return number;
}

static void read_parameter(struct page_asked *asked, const struct http_parameter *parameter)
{
    if (is_named(parameter, "lang")) {
        read_language(asked, parameter->value);
    } else if (is_named(parameter, "noredirect")) {
        asked->is_redirected &= !is_set(parameter);
    } else if (is_named(parameter, "redirect")) {
        asked->is_redirected |= is_set(parameter);
    } else if (is_named(parameter, "action")) {
        read_action(asked, parameter->value);
    } else if (is_named(parameter, "ignore_aliases")) {
        asked->ignores_aliases = is_set(parameter);
    } else if (is_named(parameter, "urlappend")) {
        asked->append = parameter->value;
    } else if (is_named(parameter, "locatt")) {
        read_choice(asked, parameter->value);
    } else if (is_named(parameter, "country")) {
        asked->country = parameter->value;
    } else if (is_named(parameter, "qr")) {
        read_code(asked, parameter->value);
    } else if (is_named(parameter, "of")) {
        asked->code_is_bare = bytes_equal(parameter->value, BYTES_LITERAL("handle"));
    } else if (is_named(parameter, "size")) {
        asked->scale = number_of(parameter->value);
    } else if (is_named(parameter, "hdl") && asked->text.len == 0) {
        asked->text = parameter->value;
        asked->is_by_form = asked->text.len > 0;
    }
}

enum status page_asked_read(struct arena *arena, const struct http_request *request,
                            const struct settings *settings, struct page_asked *out_asked)
{
    struct page_asked asked = {
        .language = language_of(http_request_field(request, "Accept-Language")),
        .is_redirected = strcmp(settings->page_mode, "redirect") == 0,
    };
    enum status status = http_decode(arena, bytes_from(request->path, 1), false, &asked.text);
    struct bytes rest = request->query;
    struct http_parameter parameter;
    enum status pair = STATUS_OK;
    while (status == STATUS_OK && http_parameter_next(arena, &rest, &parameter, &pair)) {
        read_parameter(&asked, &parameter);
    }
    if (status == STATUS_OK && pair == STATUS_OK) {
        *out_asked = asked;
    }
    return status == STATUS_OK ? pair : status;
}

/* --- addresses ----------------------------------------------------------------------------------
 */

/* Names, numbers and a port: nothing that could end an address or begin another. */
static bool is_host(struct bytes host)
{
    for (size_t i = 0; i < host.len; i++) {
        uint8_t upper = bytes_ascii_upper(host.data[i]);
        bool is_plain = (upper >= 'A' && upper <= 'Z') || (upper >= '0' && upper <= '9');
        if (!is_plain && strchr(".-:[]", host.data[i]) == NULL) {
            return false;
        }
    }
    return host.len > 0 && host.len <= 255;
}

static struct bytes joined(struct arena *arena, struct bytes first, struct bytes second)
{
    uint8_t *room = arena_alloc(arena, first.len + second.len + 1);
    if (room == NULL) {
        return BYTES_NONE;
    }
    memcpy(room, first.data, first.len);
    if (second.len > 0) {
        memcpy(room + first.len, second.data, second.len);
    }
    return bytes_of(room, first.len + second.len);
}

struct bytes page_asked_base(struct arena *arena, const struct http_request *request,
                             const struct settings *settings)
{
    struct bytes base = bytes_of_text(settings->page_public_url);
    struct bytes host = http_request_field(request, "Host");
    if (!page_is_link(base)) {
        base = BYTES_NONE;
    }
    if (base.len == 0 && is_host(host)) {
        base = joined(arena, request->is_tls ? BYTES_LITERAL("https://") : BYTES_LITERAL("http://"),
                      host);
    }
    while (base.len > 0 && base.data[base.len - 1] == '/') {
        base.len--;
    }
    return base;
}

struct bytes page_asked_address(struct arena *arena, struct bytes base, struct bytes handle)
{
    struct http_body path = {.data = NULL};
    if (base.len == 0) {
        return BYTES_NONE;
    }
    http_body_text(&path, "/");
    page_path(&path, handle);
    struct bytes address =
        path.failed ? BYTES_NONE : joined(arena, base, bytes_of(path.data, path.len));
    http_body_free(&path);
    return address;
}
