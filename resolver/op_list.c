/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists (op_list.h). Each message is told in the snapshot of its time, from the key the last one
 * ended with; whether one is the last is known by looking one name ahead. Whoever loses the right
 * meanwhile is refused the rest.
 */
#include "resolver/op_list.h"

#include "registry/record_list.h"
#include "resolver/administer.h"

#define NAMES_MAX 50
#define STEPS_MAX 200 /* names that one run looks at */
#define PLACE_HEAD sizeof(uint64_t)
#define START_MAX (HANDLE_PREFIX_MAX + 8)
#define PREFIX_RECORD "0.NA/"

struct names {
    enum case_rule rule;
    struct bytes start; /* what every key begins with */
    uint8_t start_room[START_MAX];
    uint64_t passed;          /* of all messages, those before the page included */
    uint8_t last[HANDLE_MAX]; /* where the next message goes on */
    size_t last_len;
};

/* The next name behind names->last, which moves to it. NOT_FOUND: there is none. */
typedef enum status list_step(struct exchange *x, struct names *names, struct bytes *out_name,
                              struct record_list_name *room);

static void go_on_behind(struct names *names, struct bytes key)
{
    if (key.len > 0) {
        memcpy(names->last, key.data, key.len);
    }
    names->last_len = key.len;
}

/* Is there another name? Leaves the place as it was. */
static bool has_more(struct exchange *x, struct names *names, list_step *step)
{
    struct record_list_name room;
    struct bytes ignored;
    uint8_t last[HANDLE_MAX];
    size_t len = names->last_len;
    memcpy(last, names->last, len);
    bool is_there = step(x, names, &ignored, &room) == STATUS_OK;
    go_on_behind(names, bytes_of(last, len));
    return is_there;
}

/* The place between two messages: how many names were passed ‖ the last one's key. */
static enum status go_on_later(struct exchange *x, const struct names *names)
{
    uint8_t place[PLACE_HEAD + HANDLE_MAX];
    struct wire_writer w = wire_write(place, sizeof(place));
    wire_put_u64(&w, names->passed);
    wire_put_raw(&w, bytes_of(names->last, names->last_len));
    return exchange_more(x, wire_wrote(&w));
}

static void go_on_from(const struct exchange *x, struct names *names)
{
    struct bytes place = exchange_last(x);
    struct wire_reader r = wire_read(place);
    names->passed = place.len == 0 ? 0 : wire_u64(&r);
    go_on_behind(names, bytes_from(place, PLACE_HEAD));
}

/* How many names there are to pass until the page is told. */
static uint64_t page_end(const struct exchange_terms *terms)
{
    if (!terms->is_page) {
        return UINT64_MAX;
    }
    return terms->page_len == 0 ? 0 : terms->page_from + terms->page_len;
}

/* Answers with up to fifty names behind names->last. */
static enum status tell(struct exchange *x, struct names *names, list_step *step)
{
    const struct exchange_terms *terms = &x->route.terms;
    uint64_t end = page_end(terms);
    uint32_t count = 0;
    uint32_t steps = 0;
    struct record_list_name room;
    struct bytes name;
    size_t size = NAMES_MAX * (4 + HANDLE_MAX);
    uint8_t *names_room = arena_alloc(x->scope->arena, size);
    if (names_room == NULL) {
        return administer_refuse(x, STATUS_NO_MEMORY);
    }
    struct wire_writer listed = wire_write(names_room, size);
    while (count < NAMES_MAX && steps < STEPS_MAX && names->passed < end &&
           step(x, names, &name, &room) == STATUS_OK) {
        if (names->passed++ >= terms->page_from) {
            wire_put_bytes(&listed, name);
            count++;
        }
        steps++;
    }
    bool is_full = count == NAMES_MAX || steps == STEPS_MAX;
    bool is_continued = is_full && names->passed < end && has_more(x, names, step);
    if (is_continued) {
        x->answer_header.flags |= (uint32_t)MESSAGE_CONTINUED;
    }
    struct message_marks marks = exchange_open(x, STATUS_OK);
    wire_put_list(&x->reply, count, wire_wrote(&listed));
    enum status status = exchange_close(x, marks);
    return status == STATUS_OK && is_continued ? go_on_later(x, names) : status;
}

/* --- handles -----------------------------------------------------------------------------------
 */

static enum status step_handle(struct exchange *x, struct names *names, struct bytes *out_name,
                               struct record_list_name *room)
{
    enum status status =
        record_list_next(x->scope->snapshot, names->start, bytes_of(names->last, names->last_len),
                         names->rule, room);
    if (status == STATUS_OK) {
        go_on_behind(names, room->key);
        *out_name = room->name;
    }
    return status;
}

/* Has this prefix a record of its own, which was told when it was met? */
static bool has_record(struct exchange *x, struct bytes handle)
{
    struct lookup found;
    return lookup_record(x->scope->snapshot, handle, &found) == STATUS_OK;
}

/* 0.NA/p.x, also when only 0.NA/p.x.y is here. What stands below p.x is passed over at once: '/' is
 * the first character behind '.'. */
static enum status step_derived(struct exchange *x, struct names *names, struct bytes *out_name,
                                struct record_list_name *room)
{
    enum status status;
    while ((status = step_handle(x, names, out_name, room)) == STATUS_OK) {
        struct bytes label = bytes_from(*out_name, names->start.len);
        const uint8_t *dot = label.len == 0 ? NULL : memchr(label.data, '.', label.len);
        if (dot == NULL) {
            return STATUS_OK;
        }
        out_name->len = (size_t)(dot - out_name->data);
        go_on_behind(names, *out_name);
        names->last[names->last_len++] = '/';
        if (!has_record(x, *out_name)) {
            return STATUS_OK;
        }
    }
    return status;
}

static enum status judge_handles(struct auth *auth, const void *subject)
{
    return auth_named(auth, *(const struct bytes *)subject, AUTH_LIST_HANDLES);
}

/* Older administrators know no permission for prefixes (§13 row 18). */
static enum status judge_derived(struct auth *auth, const void *subject)
{
    const struct bytes *prefix = subject;
    enum status status = auth_named(auth, *prefix, AUTH_LIST_PREFIXES);
    return status == STATUS_INVALID_ADMIN ? auth_named(auth, *prefix, AUTH_LIST_HANDLES) : status;
}

/* Of a prefix whose record others keep, as of any operation on that record (§5.6). */
static enum status refusal_of(struct exchange *x, struct bytes name, enum status status)
{
    struct lookup elsewhere;
    return status == STATUS_NOT_RESPONSIBLE &&
                   administer_find(x, name, &elsewhere) == STATUS_PREFIX_REFERRAL
               ? STATUS_PREFIX_REFERRAL
               : status;
}

/* What both lists begin with: the switch, the prefix, the right. */
static bool admit(struct exchange *x, struct lookup *found, administer_judge *judge,
                  enum status *out_status)
{
    struct bytes name;
    struct auth auth;
    if (body_handle_decode(x->message.body, false, &name) != STATUS_OK) {
        *out_status = administer_refuse_malformed(x);
        return false;
    }
    if (!x->scope->generation->settings->admin_allow_list_handles) {
        *out_status = exchange_refuse(x, STATUS_NOT_SUPPORTED, "lists are switched off here");
        return false;
    }
    enum status status = lookup_prefix(x->scope->snapshot, name, found);
    if (status != STATUS_OK) {
        *out_status = administer_refuse(x, refusal_of(x, name, status));
        return false;
    }
    uint8_t room[START_MAX];
    struct wire_writer w = wire_write(room, sizeof(room));
    wire_put_raw(&w, BYTES_LITERAL(PREFIX_RECORD));
    wire_put_raw(&w, found->home.prefix);
    struct bytes record = wire_wrote(&w);
    return administer_admit(x, &auth, judge, &record, out_status);
}

static void begin(struct exchange *x, struct names *names, const struct lookup *found,
                  struct bytes before, struct bytes after)
{
    struct wire_writer w = wire_write(names->start_room, sizeof(names->start_room));
    wire_put_raw(&w, before);
    wire_put_raw(&w, found->home.prefix);
    wire_put_raw(&w, after);
    names->start = wire_wrote(&w);
    names->rule = found->home.case_rule;
    go_on_from(x, names);
}

enum status op_list_handles(struct exchange *x)
{
    struct lookup found;
    struct names names;
    enum status status;
    if (!admit(x, &found, judge_handles, &status)) {
        return status;
    }
    begin(x, &names, &found, BYTES_NONE, BYTES_LITERAL("/"));
    return tell(x, &names, step_handle);
}

enum status op_list_derived(struct exchange *x)
{
    struct lookup found;
    struct names names;
    enum status status;
    if (!admit(x, &found, judge_derived, &status)) {
        return status;
    }
    begin(x, &names, &found, BYTES_LITERAL(PREFIX_RECORD), BYTES_LITERAL("."));
    return tell(x, &names, step_derived);
}

/* --- homed prefixes ----------------------------------------------------------------------------
 */

static enum status step_homed(struct exchange *x, struct names *names, struct bytes *out_name,
                              struct record_list_name *room)
{
    struct prefix_row row;
    enum status status;
    do {
        status =
            registry_next_prefix(x->scope->snapshot, bytes_of(names->last, names->last_len), &row);
        if (status == STATUS_OK) {
            go_on_behind(names, row.prefix);
        }
    } while (status == STATUS_OK && !prefix_answers(&row));
    if (status != STATUS_OK) {
        return status;
    }
    struct wire_writer w = wire_write(room->folded, sizeof(room->folded));
    wire_put_raw(&w, BYTES_LITERAL(PREFIX_RECORD));
    wire_put_raw(&w, row.prefix);
    *out_name = wire_wrote(&w);
    return STATUS_OK;
}

static enum status judge_homed(struct auth *auth, const void *subject)
{
    (void)subject;
    return auth_listed(auth, AUTH_HOMING);
}

/* The name is ignored: clients send "/" (§5.5). */
enum status op_list_homed(struct exchange *x)
{
    struct bytes ignored;
    struct auth auth;
    struct names names;
    enum status status;
    if (body_handle_decode(x->message.body, true, &ignored) != STATUS_OK) {
        return administer_refuse_malformed(x);
    }
    if (!administer_admit(x, &auth, judge_homed, NULL, &status)) {
        return status;
    }
    go_on_from(x, &names);
    return tell(x, &names, step_homed);
}
