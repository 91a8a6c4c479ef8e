/* SPDX-License-Identifier: Apache-2.0
 *
 * Creating records. Before anybody is asked who they are: 301, 102, 202 and 201 of the values
 * themselves, 101 (§5.4).
 */
#include "resolver/op_create.h"

static bool has_flag(const struct exchange *x, uint32_t flag)
{
    return (x->message.header.flags & flag) != 0;
}

/* A random UUID of version 4 in lower case. */
static void put_uuid(const struct exchange *x, struct wire_writer *w)
{
    static const char hex[] = "0123456789abcdef";
    uint8_t random[16];
    x->scope->random(random, sizeof(random));
    random[6] = (uint8_t)(0x40 | (random[6] & 0x0f));
    random[8] = (uint8_t)(0x80 | (random[8] & 0x3f));
    for (size_t i = 0; i < sizeof(random); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            wire_put_u8(w, '-');
        }
        wire_put_u8(w, (uint8_t)hex[random[i] >> 4]);
        wire_put_u8(w, (uint8_t)hex[random[i] & 15]);
    }
}

/* The request names the stem. */
static enum status mint(const struct exchange *x, struct op_creation *creation)
{
    struct wire_writer w = wire_write(creation->minted, sizeof(creation->minted));
    wire_put_raw(&w, creation->body.handle);
    put_uuid(x, &w);
    creation->body.handle = wire_wrote(&w);
    return w.failed ? STATUS_INVALID_HANDLE : STATUS_OK;
}

/* What makes the stored values into these. */
static enum status compare(struct exchange *x, struct op_creation *creation)
{
    struct body_values stored;
    enum status status = administer_values(x, &creation->found, &stored);
    if (status == STATUS_OK) {
        value_list_sort(creation->body.values, creation->body.count);
        creation->need = AUTH_NOTHING;
        auth_need_replace(&creation->need, &stored, &creation->body);
    }
    return status;
}

enum status op_create_examine(struct exchange *x, struct op_creation *creation, struct fault *fault)
{
    enum status status = creation->mints ? mint(x, creation) : STATUS_OK;
    if (status == STATUS_OK) {
        status = administer_find(x, creation->body.handle, &creation->found);
    }
    if (status == STATUS_OK) {
        status = handle_check(creation->found.handle, fault);
    }
    if (status == STATUS_OK) {
        status = administer_check_values(&creation->body, fault);
    }
    if (status != STATUS_OK || creation->found.record.version == 0) {
        return status;
    }
    return creation->overwrites ? compare(x, creation) : STATUS_HANDLE_EXISTS;
}

enum status op_create_judge(struct auth *auth, const void *subject)
{
    const struct op_creation *creation = subject;
    return creation->found.record.version == 0
               ? auth_create(auth, creation->found.handle)
               : auth_overwrite(auth, &creation->found, &creation->need);
}

static enum status tell(struct exchange *x, struct bytes asked, const struct change_set *done)
{
    enum status refused;
    if (!administer_is_done(x, done, &refused)) {
        return refused;
    }
    bool mints = has_flag(x, MESSAGE_MINT);
    if (change_set_item_replaces(done, 0)) {
        x->answer_header.flags |= (uint32_t)MESSAGE_OVERWRITE;
    }
    if (mints) {
        x->answer_header.flags |= (uint32_t)MESSAGE_MINT;
    }
    struct message_marks marks = exchange_open(x, STATUS_OK);
    body_handle_encode(&x->reply, mints ? change_set_item_handle(done, 0) : asked);
    return exchange_close(x, marks);
}

enum status op_create(struct exchange *x)
{
    struct op_creation creation = {
        .overwrites = has_flag(x, MESSAGE_OVERWRITE),
        .mints = has_flag(x, MESSAGE_MINT),
    };
    struct fault fault = {.status = STATUS_OK};
    struct auth auth;
    enum status status = body_values_decode(x->message.body, x->scope->arena, &creation.body);
    if (status != STATUS_OK) {
        return status == STATUS_NO_MEMORY ? administer_refuse(x, status)
                                          : administer_refuse_malformed(x);
    }
    const struct change_set *done = exchange_committed(x);
    if (done != NULL) {
        return tell(x, creation.body.handle, done);
    }
    status = op_create_examine(x, &creation, &fault);
    if (fault.status != STATUS_OK) {
        return exchange_refuse(x, status, fault.text);
    }
    if (status != STATUS_OK) {
        return administer_refuse(x, status);
    }
    if (!administer_admit(x, &auth, op_create_judge, &creation, &status)) {
        return status;
    }
    bool exists = creation.found.record.version != 0;
    const struct administer_change change = {
        .handle = creation.found.handle,
        .values = &creation.body,
        .mode = exists ? CHANGE_MODIFY : CHANGE_CREATE,
    };
    return administer_commit(x, &auth, &change);
}
