/* SPDX-License-Identifier: Apache-2.0
 *
 * GET /<handle> for people: the page of page_html.h, the redirection of a reference proxy
 * (protocol.md §9.9), or the QR symbol of the name.
 *
 * A client of ourselves, one question after the other: the readings of what was scanned until one
 * exists, then the names its aliases lead to. Between two questions only `struct looking` is kept;
 * everything else is read from the request again. A guess is never shown as what was asked for: it
 * is offered.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "protocol/scanned.h"
#include "resolver/http_route.h"
#include "resolver/page_asked.h"
#include "resolver/page_facts.h"
#include "resolver/page_style.h"
#include "resolver/page_target.h"
#include "resolver/rest_question.h"

#define HOPS_MAX 20 /* aliases in a row, as the reference proxy (§8.8) */
#define HTML_TYPE "text/html;charset=utf-8"
#define PIXELS_DEFAULT 8 /* of a module, PNG */

/* What outlives a wait. */
struct looking {
    size_t reading;    /* which is being asked for */
    enum status first; /* what became of the first one; OK: it is the one */
    size_t hops;
    struct bytes names[HOPS_MAX + 1]; /* aliases followed and, last, what is asked for now; owned */
};

/* One turn's view of a call. */
struct turn_of_page {
    struct http_call *call;
    struct looking *looking;
    struct page_asked asked;
    struct scanned scanned;
    bool is_stale; /* the answer said so */
};

static void free_looking(void *state)
{
    struct looking *looking = state;
    for (size_t i = 0; i <= HOPS_MAX; i++) {
        free((void *)looking->names[i].data);
    }
    free(looking);
}

/* --- replies ------------------------------------------------------------------------------------
 */

static void put_guards(struct http_call *call)
{
    char policy[PAGE_POLICY_MAX];
    page_style_policy(policy);
    http_reply_field(call, "Content-Security-Policy", bytes_of_text(policy));
    http_reply_field(call, "X-Content-Type-Options", BYTES_LITERAL("nosniff"));
    http_reply_field(call, "X-Frame-Options", BYTES_LITERAL("DENY"));
    http_reply_field(call, "Referrer-Policy", BYTES_LITERAL("no-referrer"));
}

static enum status send_page(struct http_call *call, unsigned status,
                             const struct page_model *model)
{
    struct http_body body = {.data = NULL};
    enum status made = page_html(model, call->scope->arena, &body);
    if (made == STATUS_OK) {
        http_reply_begin(call, status);
        put_guards(call);
        http_reply_field(call, "Cache-Control", BYTES_LITERAL("no-cache"));
        http_reply_field(call, "Vary", BYTES_LITERAL("Accept-Language"));
        http_reply_field(call, "Content-Language",
                         bytes_of_text(page_text(model->language, PAGE_language)));
        http_reply_body(call, HTML_TYPE, bytes_of(body.data, body.len));
    }
    http_body_free(&body);
    return made;
}

static struct page_model model_of(const struct turn_of_page *turn, enum page_kind kind)
{
    return (struct page_model){
        .kind = kind,
        .language = turn->asked.language,
        .node_name = turn->call->scope->generation->settings->node_description,
        .asked = turn->asked.text,
    };
}

/* What browsers are told about a name that leads nowhere. */
static unsigned http_status_of(enum status problem)
{
    switch (problem) {
    case STATUS_VALUES_NOT_FOUND:
        return 200;
    case STATUS_NOT_RESPONSIBLE:
    case STATUS_SERVICE_REFERRAL:
    case STATUS_PREFIX_REFERRAL:
        return 404;
    case STATUS_UNREACHABLE:
        return 504;
    case STATUS_CONFLICT:
        return 508;
    default:
        return (unsigned)status_http(problem);
    }
}

/* `better`: a reading that exists, NULL: none does. */
static enum status send_problem(const struct turn_of_page *turn, enum status problem,
                                const struct scanned_reading *better)
{
    struct page_model model = model_of(turn, PAGE_KIND_PROBLEM);
    model.problem = problem;
    if (turn->scanned.count > 0) {
        model.handle = turn->scanned.readings[0].name;
    }
    bool is_here = page_facts_fill(turn->call, &model);
    if (!is_here && (problem == STATUS_ERROR || problem == STATUS_SERVER_BUSY)) {
        model.problem = STATUS_UNREACHABLE;
    }
    if (better != NULL) {
        model.better = better->name;
        model.better_changes = better->changes;
    }
    return send_page(turn->call, http_status_of(model.problem), &model);
}

static enum status send_location(struct http_call *call, unsigned status, struct bytes address)
{
    http_reply_begin(call, status);
    http_reply_field(call, "Location", address);
    put_guards(call);
    http_reply_end(call);
    return STATUS_OK;
}

/* --- symbols ------------------------------------------------------------------------------------
 */

/* What a symbol of this name holds: this node's address of it, or the name. */
static struct bytes code_text(const struct turn_of_page *turn, struct bytes handle, bool *is_bare)
{
    struct arena *arena = turn->call->scope->arena;
    struct bytes base =
        page_asked_base(arena, &turn->call->request, turn->call->scope->generation->settings);
    struct bytes address =
        turn->asked.code_is_bare ? BYTES_NONE : page_asked_address(arena, base, handle);
    *is_bare = address.len == 0;
    return *is_bare ? handle : address;
}

static enum status draw_code(const struct turn_of_page *turn, const struct qr *qr,
                             struct http_body *body)
{
    if (turn->asked.code == PAGE_CODE_PNG) {
        uint64_t scale = turn->asked.scale == 0 ? PIXELS_DEFAULT : turn->asked.scale;
        return qr_png(qr, scale > QR_PNG_SCALE_MAX ? QR_PNG_SCALE_MAX : (size_t)scale,
                      turn->call->scope->arena, body);
    }
    qr_svg(qr, (size_t)turn->asked.scale, body);
    return STATUS_OK;
}

/* Of the name as it was given: whether it exists does not matter, so nobody is asked. */
static enum status send_code(const struct turn_of_page *turn)
{
    struct http_call *call = turn->call;
    struct http_body body = {.data = NULL};
    struct qr qr;
    bool is_bare = false;
    struct bytes text = code_text(turn, turn->scanned.readings[0].name, &is_bare);
    enum status status = qr_make(call->scope->arena, text, &qr);
    if (status == STATUS_OK) {
        status = draw_code(turn, &qr, &body);
    }
    status = status == STATUS_OK && body.failed ? STATUS_NO_MEMORY : status;
    if (status == STATUS_OK) {
        http_reply_begin(call, 200);
        put_guards(call);
        /* What the request said of our name is no business of others. */
        bool is_ours = is_bare || call->scope->generation->settings->page_public_url[0] != '\0';
        http_reply_field(call, "Cache-Control",
                         is_ours ? BYTES_LITERAL("public, max-age=3600")
                                 : BYTES_LITERAL("private, max-age=3600"));
        http_reply_body(call, turn->asked.code == PAGE_CODE_PNG ? "image/png" : "image/svg+xml",
                        bytes_of(body.data, body.len));
    } else {
        http_reply_problem(call, status == STATUS_NO_MEMORY ? 503 : 414, status,
                           "no symbol holds a name this long");
    }
    http_body_free(&body);
    return STATUS_OK;
}

/* --- records ------------------------------------------------------------------------------------
 */

static enum status send_record(const struct turn_of_page *turn, const struct body_values *record)
{
    struct arena *arena = turn->call->scope->arena;
    const struct looking *looking = turn->looking;
    struct page_model model = model_of(turn, PAGE_KIND_RECORD);
    struct qr qr;
    model.handle = looking->names[looking->hops];
    model.changes = turn->scanned.readings[looking->reading].changes;
    model.alias = looking->hops > 0 ? looking->names[0] : BYTES_NONE;
    model.values = record->values;
    model.value_count = record->count;
    value_list_sort(model.values, model.value_count);
    model.source = turn->is_stale ? PAGE_STALE : PAGE_OWN;
    (void)page_facts_fill(turn->call, &model);
    struct bytes text = code_text(turn, model.handle, &model.qr_is_bare);
    if (qr_make(arena, text, &qr) == STATUS_OK) {
        model.qr = &qr;
    }
    return send_page(turn->call, 200, &model);
}

/* As RFC 9110 §5.6.7 writes times. */
static struct bytes http_time(struct arena *arena, int64_t seconds)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t time = (time_t)seconds;
    struct tm tm;
    char *text = arena_alloc(arena, 64);
    if (text == NULL || gmtime_r(&time, &tm) == NULL) {
        return BYTES_NONE;
    }
    int len =
        snprintf(text, 64, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday,
                 months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    return bytes_of(text, (size_t)len);
}

static void put_redirection(struct http_body *body, struct bytes address)
{
    struct page_out page = {body, PAGE_ENGLISH};
    page_put(&page, "<html><head><title>Handle Redirect</title></head>\n<body><a href=\"");
    (void)page_foreign(&page, address, address.len, true);
    page_put(&page, "\">");
    (void)page_foreign(&page, address, address.len, false);
    page_put(&page, "</a></body></html>");
}

static enum status send_redirection(struct http_call *call, const struct page_target *target)
{
    struct http_body body = {.data = NULL};
    struct bytes expires =
        http_time(call->scope->arena, call->scope->now_ms / 1000 + (int64_t)target->ttl_s);
    put_redirection(&body, target->address);
    bool is_made = !body.failed;
    if (is_made) {
        http_reply_begin(call, target->http_status);
        http_reply_field(call, "Location", target->address);
        if (expires.len > 0) {
            http_reply_field(call, "Expires", expires);
        }
        http_reply_body(call, HTML_TYPE, bytes_of(body.data, body.len));
    }
    http_body_free(&body);
    return is_made ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status find_target(const struct turn_of_page *turn, const struct body_values *record,
                               struct page_target *out_target)
{
    const struct location_choice choice = {
        .handle = turn->looking->names[turn->looking->hops],
        .name = turn->asked.choice_name,
        .value = turn->asked.choice_value,
        .country = turn->asked.country,
        .language =
            turn->asked.language == PAGE_CHINESE ? BYTES_LITERAL("zh") : BYTES_LITERAL("en"),
    };
    struct location_choice chosen = choice;
    turn->call->scope->random(&chosen.chance, sizeof(chosen.chance));
    value_list_sort(record->values, record->count);
    return page_target_find(record->values, record->count, &chosen, turn->asked.append,
                            turn->call->scope->arena, out_target);
}

static enum status send_found(const struct turn_of_page *turn, const struct body_values *record)
{
    struct page_target target;
    if (turn->asked.is_redirected && find_target(turn, record, &target) == STATUS_OK) {
        return send_redirection(turn->call, &target);
    }
    return send_record(turn, record);
}

/* --- asking -------------------------------------------------------------------------------------
 */

static enum status on_answered(struct http_call *call, const struct http_answer *answer);

/* Puts this name at the end of the chain. */
static bool keep_name(struct looking *looking, struct bytes name)
{
    uint8_t *copy = malloc(name.len + 1);
    if (copy == NULL) {
        return false;
    }
    memcpy(copy, name.data, name.len);
    free((void *)looking->names[looking->hops].data);
    looking->names[looking->hops] = bytes_of(copy, name.len);
    return true;
}

/* Filters let aliases through: the record that is meant may stand elsewhere. */
static bool ask_also_for_alias(struct arena *arena, struct rest_asked *asked)
{
    if (asked->type_count == 0 && asked->index_count == 0) {
        return true;
    }
    size_t size = asked->types.len + 4 + sizeof("HS_ALIAS");
    uint8_t *room = arena_alloc(arena, size);
    if (room == NULL) {
        return false;
    }
    struct wire_writer w = wire_write(room, size);
    wire_put_raw(&w, asked->types);
    wire_put_bytes(&w, BYTES_LITERAL("HS_ALIAS"));
    asked->types = wire_wrote(&w);
    asked->type_count++;
    return true;
}

static enum status ask_for(const struct turn_of_page *turn, struct bytes name)
{
    struct http_call *call = turn->call;
    struct arena *arena = call->scope->arena;
    struct rest_asked asked;
    struct fault fault = {.status = STATUS_OK};
    if (!keep_name(turn->looking, name)) {
        return STATUS_NO_MEMORY;
    }
    if (rest_question_read(arena, &call->request, &asked, &fault) != STATUS_OK ||
        asked.takes_various) {
        return send_problem(turn, STATUS_PROTOCOL_ERROR, NULL);
    }
    asked.handle = name;
    if (!turn->asked.ignores_aliases && !ask_also_for_alias(arena, &asked)) {
        return STATUS_NO_MEMORY;
    }
    struct bytes packet = rest_question_resolve(arena, &asked, true, call->scope->now_ms);
    if (packet.len == 0) {
        return send_problem(turn, STATUS_INVALID_HANDLE, NULL);
    }
    enum status status =
        http_ask(call, &(struct http_question){.packet = packet, .answered = on_answered});
    return status == STATUS_SERVER_BUSY ? send_problem(turn, status, NULL) : status;
}

static bool is_absence(enum status status)
{
    return status == STATUS_HANDLE_NOT_FOUND || status == STATUS_NOT_RESPONSIBLE ||
           status == STATUS_SERVICE_REFERRAL || status == STATUS_PREFIX_REFERRAL ||
           status == STATUS_INVALID_HANDLE;
}

/* It exists, though it may show nothing. */
static bool is_presence(enum status status)
{
    return status == STATUS_OK || status == STATUS_VALUES_NOT_FOUND;
}

/* The name this record is another name of. */
static bool find_alias(const struct body_values *record, struct bytes *out_name)
{
    for (size_t i = 0; i < record->count; i++) {
        const struct value *value = &record->values[i];
        if (bytes_equal_nocase(value->type, BYTES_LITERAL("HS_ALIAS")) && value->data.len > 0 &&
            value->data.len <= HANDLE_MAX && handle_is_utf8(value->data)) {
            *out_name = value->data;
            return true;
        }
    }
    return false;
}

static enum status follow_alias(const struct turn_of_page *turn, struct bytes name)
{
    struct looking *looking = turn->looking;
    bool is_known = looking->hops == HOPS_MAX;
    for (size_t i = 0; i <= looking->hops; i++) {
        is_known |= bytes_equal_nocase(looking->names[i], name);
    }
    if (is_known) {
        return send_problem(turn, STATUS_CONFLICT, NULL);
    }
    looking->hops++;
    return ask_for(turn, name);
}

/* Nothing under the first reading; this one was asked for to be offered, or may be taken. */
static enum status go_on(const struct turn_of_page *turn, enum status outcome,
                         const struct body_values *record)
{
    struct looking *looking = turn->looking;
    const struct scanned_reading *reading = &turn->scanned.readings[looking->reading];
    bool is_first = looking->reading == 0 && looking->hops == 0;
    looking->first = is_first ? outcome : looking->first;
    struct bytes alias = BYTES_NONE;
    if (is_presence(outcome) && scanned_is_guess(reading) && looking->hops == 0) {
        return send_problem(turn, is_first ? STATUS_INVALID_HANDLE : looking->first, reading);
    }
    if (outcome == STATUS_OK && !turn->asked.ignores_aliases && find_alias(record, &alias)) {
        return follow_alias(turn, alias);
    }
    if (outcome == STATUS_OK) {
        return send_found(turn, record);
    }
    if (is_absence(outcome) && looking->hops == 0 && looking->reading + 1 < turn->scanned.count) {
        looking->reading++;
        return ask_for(turn, turn->scanned.readings[looking->reading].name);
    }
    return send_problem(turn,
                        looking->hops > 0 || looking->reading == 0 || !is_absence(outcome)
                            ? outcome
                            : looking->first,
                        NULL);
}

/* What the answer says; `out_record` on OK. Another outcome has no age. */
static enum status read_answer(struct arena *arena, const struct http_answer *answer,
                               struct body_values *out_record, bool *out_is_stale)
{
    struct message message;
    struct bytes body = BYTES_NONE;
    struct digest digest;
    bool has_digest = false;
    if (answer->status != STATUS_OK) {
        return STATUS_SERVER_BUSY;
    }
    if (message_decode(answer->packet, &message) != STATUS_OK ||
        body_take_digest(&message, &body, &digest, &has_digest) != STATUS_OK) {
        return STATUS_PROTOCOL_ERROR;
    }
    *out_is_stale = (message.header.flags & MESSAGE_STALE) != 0;
    enum status status = status_of_wire_code(message.header.response_code);
    return status == STATUS_OK ? body_values_decode(body, arena, out_record) : status;
}

/* --- requests -----------------------------------------------------------------------------------
 */

/* A small thing browsers ask for by themselves. */
static bool is_icon(struct bytes path)
{
    return bytes_equal(path, BYTES_LITERAL("/favicon.ico")) ||
           bytes_start_with(path, BYTES_LITERAL("/apple-touch-icon"));
}

/* The request, read anew. false: it was answered. */
static bool read_turn(struct http_call *call, struct turn_of_page *turn)
{
    struct arena *arena = call->scope->arena;
    *turn = (struct turn_of_page){.call = call, .looking = call->state};
    enum status status =
        page_asked_read(arena, &call->request, call->scope->generation->settings, &turn->asked);
    if (status == STATUS_OK && turn->asked.text.len > 0) {
        status = scanned_read(arena, turn->asked.text, &turn->scanned);
    }
    if (status == STATUS_OK) {
        return true;
    }
    (void)send_problem(
        turn, status == STATUS_NO_MEMORY ? STATUS_SERVER_BUSY : STATUS_INVALID_HANDLE, NULL);
    return false;
}

static enum status on_answered(struct http_call *call, const struct http_answer *answer)
{
    struct turn_of_page turn;
    struct body_values record = {.count = 0};
    if (!answer->is_last || !read_turn(call, &turn)) {
        return answer->is_last ? STATUS_OK : STATUS_PENDING;
    }
    enum status outcome = read_answer(call->scope->arena, answer, &record, &turn.is_stale);
    return go_on(&turn, outcome, &record);
}

/* What was typed gets an address of its own: what may be taken off is, guesses are not made. */
static enum status send_to_name(const struct turn_of_page *turn)
{
    const struct scanned_reading *first = &turn->scanned.readings[0];
    struct bytes name = scanned_is_guess(first) ? turn->asked.text : first->name;
    struct http_body address = {.data = NULL};
    http_body_text(&address, "/");
    page_path(&address, name);
    http_body_text(&address, turn->asked.language == PAGE_CHINESE ? "?lang=zh" : "?lang=en");
    enum status status = address.failed
                             ? STATUS_NO_MEMORY
                             : send_location(turn->call, 303, bytes_of(address.data, address.len));
    http_body_free(&address);
    return status;
}

static enum status send_start(const struct turn_of_page *turn)
{
    struct page_model model = model_of(turn, PAGE_KIND_START);
    return send_page(turn->call, 200, &model);
}

enum status http_page_get(struct http_call *call)
{
    struct turn_of_page turn;
    if (is_icon(call->request.path)) {
        http_reply_begin(call, 404);
        http_reply_field(call, "Cache-Control", BYTES_LITERAL("public, max-age=86400"));
        http_reply_end(call);
        return STATUS_OK;
    }
    if (!read_turn(call, &turn)) {
        return STATUS_OK;
    }
    if (turn.asked.text.len == 0) {
        return send_start(&turn);
    }
    if (turn.asked.code != PAGE_CODE_NONE) {
        return send_code(&turn);
    }
    if (turn.asked.is_by_form) {
        return send_to_name(&turn);
    }
    turn.looking = calloc(1, sizeof(*turn.looking));
    if (turn.looking == NULL) {
        return STATUS_NO_MEMORY;
    }
    call->state = turn.looking;
    call->state_free = free_looking;
    return ask_for(&turn, turn.scanned.readings[0].name);
}
