/* SPDX-License-Identifier: Apache-2.0
 *
 * The page of any record under any name: the first line is what was scanned, then type, tab, data,
 * line by line ("\x1e" ends a line). Whatever they hold, the page stays small, has one script, our
 * own, and links that lead to http and https alone; and where the record leads, a header can say.
 */
#include <stdlib.h>

#include "protocol/scanned.h"
#include "resolver/page_html.h"
#include "resolver/page_target.h"

#define ARENA_FIRST 65536
#define ARENA_MAX (8u << 20) /* a worker's */
#define VALUES_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool is_true)
{
    if (!is_true) {
        abort();
    }
}

/* Up to `end`, which is taken off, too. */
static struct bytes take_until(struct bytes *rest, uint8_t end)
{
    const uint8_t *at = rest->len == 0 ? NULL : memchr(rest->data, end, rest->len);
    size_t len = at == NULL ? rest->len : (size_t)(at - rest->data);
    struct bytes taken = bytes_of(rest->data, len);
    *rest = bytes_from(*rest, len + 1);
    return taken;
}

static size_t count_of(struct bytes page, struct bytes piece)
{
    size_t count = 0;
    const uint8_t *at = NULL;
    while (page.len > 0 && (at = memmem(page.data, page.len, piece.data, piece.len)) != NULL) {
        page = bytes_from(page, (size_t)(at - page.data) + 1);
        count++;
    }
    return count;
}

/* One of ours, or to the web. */
static void check_link(struct bytes target)
{
    static const char *const starts[] = {"/", "?", "http://", "https://",
                                         "data:image/svg+xml,%3Csvg xmlns='"};
    bool is_good = target.len == 0;
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]) && !is_good; i++) {
        struct bytes start = bytes_of_text(starts[i]);
        is_good =
            target.len >= start.len && bytes_equal_nocase(bytes_of(target.data, start.len), start);
    }
    require(is_good);
}

/* The attributes of a tag, from behind its "<"; a quoted value may hold anything but quotes. */
static void check_tag(struct bytes *rest)
{
    struct bytes name = BYTES_NONE;
    while (rest->len > 0 && rest->data[0] != '>') {
        uint8_t c = rest->data[0];
        *rest = bytes_from(*rest, 1);
        if (c == '"') {
            struct bytes value = take_until(rest, '"');
            if (bytes_equal(name, BYTES_LITERAL("href="))) {
                check_link(value);
            }
        }
        bool is_name = (c >= 'a' && c <= 'z') || c == '=';
        name = is_name ? bytes_of(rest->data - 1 - name.len, name.len + 1) : BYTES_NONE;
    }
}

static void check_links(struct bytes page)
{
    while (page.len > 0) {
        (void)take_until(&page, '<');
        check_tag(&page);
    }
}

static void check_page(const struct page_model *model, struct arena *arena)
{
    struct http_body body = {.data = NULL};
    if (page_html(model, arena, &body) == STATUS_OK) {
        struct bytes page = bytes_of(body.data, body.len);
        require(body.len <= PAGE_MAX);
        require(count_of(page, BYTES_LITERAL("<script")) == 1);
        require(count_of(page, BYTES_LITERAL("</script")) == 1);
        require(count_of(page, BYTES_LITERAL("</html>")) == 1);
        require(count_of(page, BYTES_LITERAL("<img")) == 0);
        require(count_of(page, BYTES_LITERAL("\xe2\x80\xae")) == 0);
        require(handle_is_utf8(page));
        check_links(page);
    }
    http_body_free(&body);
}

static void check_target(const struct page_model *model, struct arena *arena)
{
    const struct location_choice choice = {.handle = model->handle, .chance = 77};
    struct page_target target;
    if (page_target_find(model->values, model->value_count, &choice, model->asked, arena,
                         &target) == STATUS_OK) {
        for (size_t i = 0; i < target.address.len; i++) {
            require(target.address.data[i] > ' ' && target.address.data[i] < 0x80);
        }
        require(target.http_status >= 301 && target.http_status <= 308);
    }
}

static void check_readings(struct page_model *model, struct arena *arena)
{
    struct scanned scanned;
    if (scanned_read(arena, model->asked, &scanned) != STATUS_OK) {
        return;
    }
    require(scanned.count > 0 && scanned.count <= SCANNED_READINGS_MAX);
    for (size_t i = 0; i < scanned.count; i++) {
        require(handle_is_utf8(scanned.readings[i].name));
        require(scanned.readings[i].name.len > 0 && scanned.readings[i].name.len <= HANDLE_MAX);
        require(i == 0 || !bytes_equal(scanned.readings[i].name, scanned.readings[0].name));
    }
    model->handle = scanned.readings[0].name;
    model->better = scanned.readings[scanned.count - 1].name;
    model->changes = scanned.readings[scanned.count - 1].changes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct value values[VALUES_MAX];
    struct bytes rest = bytes_of(data, size);
    struct page_model model = {.values = values, .asked = take_until(&rest, '\n')};
    struct arena *arena = arena_new(ARENA_FIRST, ARENA_MAX);
    require(arena != NULL);
    while (rest.len > 0 && model.value_count < VALUES_MAX) {
        struct bytes line = take_until(&rest, 0x1e);
        struct bytes type = take_until(&line, '\t');
        values[model.value_count++] =
            (struct value){.index = (uint32_t)line.len, .ttl = 1, .type = type, .data = line};
    }
    check_readings(&model, arena);
    model.owner.prefix = handle_governing_prefix(model.handle);
    model.owner.parent = model.owner.prefix;
    model.node_name = "node";
    for (model.kind = PAGE_KIND_START; model.kind <= PAGE_KIND_PROBLEM; model.kind++) {
        model.problem = (enum status)(size % STATUS_COUNT);
        check_page(&model, arena);
        model.language = PAGE_CHINESE;
    }
    check_target(&model, arena);
    arena_free(arena);
    return 0;
}
