/* SPDX-License-Identifier: Apache-2.0
 *
 * Referrals out of prefix records (refer.h).
 */
#include "resolver/refer.h"

#include "resolver/lookup.h"

#define REFERRALS_SINCE ((struct message_version){2, 10}) /* §3.2 */

static bool is_of(const struct value *value, const char *const *types, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes_equal_nocase(value->type, bytes_of_text(types[i]))) {
            return value_is_public(value);
        }
    }
    return false;
}

static bool tells_service(const struct value *value)
{
    static const char *const types[] = {"HS_SITE", "HS_SITE.6", "HS_SERV"};
    return is_of(value, types, sizeof(types) / sizeof(types[0]));
}

static bool tells_keeper(const struct value *value)
{
    static const char *const types[] = {"HS_SITE.PREFIX", "HS_SERV.PREFIX", "HS_NA_DELEGATE"};
    return is_of(value, types, sizeof(types) / sizeof(types[0]));
}

bool refer_tells_other(const struct exchange *x, struct bytes stored)
{
    struct value *values = NULL;
    size_t count = 0;
    bool tells = false;
    struct wire_reader r = wire_read(stored);
    if (value_list_decode(&r, x->scope->arena, &values, &count) != STATUS_OK) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (tells_service(&values[i]) && bytes_equal(values[i].data, x->scope->generation->site)) {
            return false;
        }
        tells |= tells_service(&values[i]);
    }
    return tells;
}

/* Those values, encoded; none when there are none. */
static struct bytes pick(struct arena *arena, struct bytes stored,
                         bool (*is_wanted)(const struct value *value))
{
    struct value *values = NULL;
    size_t count = 0;
    size_t kept = 0;
    struct wire_reader r = wire_read(stored);
    if (value_list_decode(&r, arena, &values, &count) != STATUS_OK) {
        return BYTES_NONE;
    }
    for (size_t i = 0; i < count; i++) {
        if (is_wanted(&values[i])) {
            values[kept++] = values[i];
        }
    }
    size_t size = value_list_encoded_len(values, kept);
    uint8_t *room = kept == 0 ? NULL : arena_alloc(arena, size);
    if (room == NULL) {
        return BYTES_NONE;
    }
    struct wire_writer w = wire_write(room, size);
    value_list_encode(&w, values, kept);
    return wire_wrote(&w);
}

bool refer_is_unwanted(const struct exchange *x)
{
    return (x->message.header.flags & MESSAGE_DO_NOT_REFER) != 0;
}

enum status refer_service(const struct exchange *x, struct bytes stored, struct bytes *out_values)
{
    struct bytes values =
        refer_is_unwanted(x) ? BYTES_NONE : pick(x->scope->arena, stored, tells_service);
    if (values.len == 0) {
        return STATUS_NOT_RESPONSIBLE;
    }
    *out_values = values;
    return STATUS_SERVICE_REFERRAL;
}

static bool is_understood(const struct exchange *x)
{
    return message_version_compare(x->answer_envelope.version, REFERRALS_SINCE) >= 0;
}

enum status refer_keeper(struct snapshot *snapshot, struct arena *arena, struct bytes handle,
                         struct bytes *out_values)
{
    struct lookup found;
    enum status status = STATUS_HANDLE_NOT_FOUND;
    struct bytes above = handle_governing_prefix(handle);
    do {
        above = handle_parent_prefix(above);
        status = above.len == 0 ? STATUS_HANDLE_NOT_FOUND : lookup_record(snapshot, above, &found);
    } while (above.len > 0 &&
             (status == STATUS_HANDLE_NOT_FOUND || status == STATUS_NOT_RESPONSIBLE));
    if (status != STATUS_OK) {
        return status;
    }
    struct bytes values = pick(arena, found.record.values, tells_keeper);
    if (values.len == 0) {
        return STATUS_HANDLE_NOT_FOUND;
    }
    *out_values = values;
    return STATUS_OK;
}

enum status refer_prefix(const struct exchange *x, struct bytes handle, struct bytes *out_values)
{
    struct bytes values = BYTES_NONE;
    if (refer_is_unwanted(x) || !handle_is_prefix_record(handle)) {
        return STATUS_HANDLE_NOT_FOUND;
    }
    enum status status = refer_keeper(x->scope->snapshot, x->scope->arena, handle, &values);
    if (status != STATUS_OK) {
        return status;
    }
    if (!is_understood(x)) {
        return STATUS_NOT_RESPONSIBLE;
    }
    *out_values = values;
    return STATUS_PREFIX_REFERRAL;
}
