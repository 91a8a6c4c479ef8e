/* SPDX-License-Identifier: Apache-2.0
 *
 * Targets of records; see page_target.h.
 */
#include "resolver/page_target.h"

#include "protocol/wire.h"
#include "resolver/page_out.h"

/* Does the address end with its host? What is put behind it must not become a part of that. */
static bool is_bare_host(struct bytes address)
{
    size_t slashes = 0;
    for (size_t i = 0; i < address.len; i++) {
        slashes += address.data[i] == '/' ? 1 : 0;
        if (slashes > 2 || address.data[i] == '?' || address.data[i] == '#') {
            return false;
        }
    }
    return true;
}

/* Address and appendix with everything outside of ASCII escaped, as header fields want it. */
static enum status finish(struct bytes address, struct bytes append, struct arena *arena,
                          struct bytes *out_address)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t size = 3 * (address.len + append.len + 1);
    uint8_t *room = arena_alloc(arena, size);
    size_t len = 0;
    if (room == NULL) {
        return STATUS_NO_MEMORY;
    }
    struct wire_writer w = wire_write(room, size);
    wire_put_raw(&w, address);
    if (append.len > 0 && is_bare_host(address)) {
        wire_put_u8(&w, '/');
    }
    wire_put_raw(&w, append);
    struct bytes whole = wire_wrote(&w);
    struct bytes copy = page_is_link(whole) ? arena_copy(arena, whole) : BYTES_NONE;
    if (copy.data == NULL) {
        return STATUS_NOT_FOUND;
    }
    for (size_t i = 0; i < copy.len; i++) {
        if (copy.data[i] < 0x80) {
            room[len++] = copy.data[i];
        } else {
            room[len++] = '%';
            room[len++] = (uint8_t)digits[copy.data[i] >> 4];
            room[len++] = (uint8_t)digits[copy.data[i] & 15];
        }
    }
    *out_address = bytes_of(room, len);
    return STATUS_OK;
}

static enum status by_locations(const struct value *value, const struct location_choice *choice,
                                struct bytes append, struct arena *arena,
                                struct page_target *out_target)
{
    struct locations locations;
    const struct location *location = NULL;
    struct bytes address = BYTES_NONE;
    enum status status = locations_parse(value->data, arena, &locations, NULL);
    if (status == STATUS_OK) {
        status = locations_choose(&locations, choice, arena, &location, &address);
    }
    if (status == STATUS_OK) {
        status = finish(address, append, arena, &out_target->address);
    }
    if (status == STATUS_OK && location->http_status != 0) {
        out_target->http_status = location->http_status;
    }
    return status;
}

/* How early a type is looked at; 3: never. */
static unsigned rank(struct bytes type)
{
    if (bytes_equal_nocase(type, BYTES_LITERAL("10320/loc"))) {
        return 0;
    }
    if (bytes_equal_nocase(type, BYTES_LITERAL("URL")) ||
        bytes_equal_nocase(type, BYTES_LITERAL("0.TYPE/URL"))) {
        return 1;
    }
    return value_type_is(type, BYTES_LITERAL("URL")) ? 2 : 3;
}

enum status page_target_find(const struct value *values, size_t count,
                             const struct location_choice *choice, struct bytes append,
                             struct arena *arena, struct page_target *out_target)
{
    enum status status = STATUS_NOT_FOUND;
    struct page_target target = {.http_status = 302};
    for (unsigned wanted = 0; wanted < 3; wanted++) {
        for (size_t i = 0; i < count; i++) {
            if (rank(values[i].type) != wanted) {
                continue;
            }
            status = wanted == 0 ? by_locations(&values[i], choice, append, arena, &target)
                                 : finish(values[i].data, append, arena, &target.address);
            if (status == STATUS_OK) {
                target.ttl_s = values[i].ttl_type == VALUE_TTL_RELATIVE ? values[i].ttl : 0;
                *out_target = target;
                return STATUS_OK;
            }
        }
    }
    return status == STATUS_NO_MEMORY ? status : STATUS_NOT_FOUND;
}
