/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers of Handle servers on the screen (resolve_print.h).
 */
#include "admin/resolve_print.h"

#include <inttypes.h>

#include "admin/say.h"
#include "admin/value_show.h"
#include "protocol/opcode.h"
#include "protocol/record_json.h"
#include "protocol/text.h"

/* --- taking apart ----------------------------------------------------------------------------- */

static enum status check_digest(struct resolve_answer *answer, const struct digest *digest)
{
    struct message asked;
    struct digest ours;
    enum status status = message_decode(answer->request, &asked);
    if (status == STATUS_OK) {
        status = digest_compute(digest->algorithm, asked.digested, &ours);
    }
    if (status == STATUS_OK) {
        bool is_right =
            bytes_equal(bytes_of(ours.data, ours.len), bytes_of(digest->data, digest->len));
        answer->digest = is_right ? RESOLVE_DIGEST_RIGHT : RESOLVE_DIGEST_WRONG;
    }
    return status;
}

static enum status read_challenge(struct resolve_answer *answer)
{
    struct body_challenge challenge;
    enum status status =
        body_challenge_decode(answer->message.body, answer->message.envelope.version, &challenge);
    if (status == STATUS_OK) {
        answer->nonce = challenge.nonce;
        status = check_digest(answer, &challenge.digest);
    }
    return status;
}

static enum status read_referral(struct resolve_answer *answer, struct bytes body,
                                 struct arena *arena)
{
    struct body_referral referral;
    enum status status = body_referral_decode(body, arena, &referral);
    if (status == STATUS_OK) {
        answer->values = (struct body_values){referral.handle, referral.values, referral.count};
    }
    return status;
}

static enum status read_body(struct resolve_answer *answer, struct bytes body, struct arena *arena)
{
    struct body_error error;
    enum status status;
    switch (answer->message.header.response_code) {
    case 1:
        return answer->question->is_site_info ? body_site_decode(body, &answer->site)
                                              : body_values_decode(body, arena, &answer->values);
    case 302:
    case 303:
        return read_referral(answer, body, arena);
    default:
        status = body.len == 0 ? STATUS_OK : body_error_decode(body, &error);
        if (status == STATUS_OK && body.len > 0) {
            answer->text = error.text;
        }
        return status;
    }
}

enum status resolve_answer_read(struct resolve_answer *answer, struct arena *arena,
                                struct fault *fault)
{
    enum status status = message_decode(answer->packet, &answer->message);
    if (status != STATUS_OK) {
        return fault_set(fault, STATUS_PROTOCOL_ERROR, "the message does not decode");
    }
    if (answer->message.header.response_code == 402) {
        status = read_challenge(answer);
    } else {
        struct bytes body;
        struct digest digest;
        bool has_digest = false;
        status = body_take_digest(&answer->message, &body, &digest, &has_digest);
        if (status == STATUS_OK && has_digest) {
            status = check_digest(answer, &digest);
        }
        if (status == STATUS_OK) {
            status = read_body(answer, body, arena);
        }
    }
    return status == STATUS_OK || status == STATUS_NO_MEMORY
               ? status
               : fault_set(fault, STATUS_PROTOCOL_ERROR, "the body does not decode");
}

int resolve_exit_code(uint32_t response_code)
{
    switch (response_code) {
    case 1:
        return EXIT_OK;
    case 100:
    case 200:
    case 300:
    case 301:
    case 302:
    case 303:
        return EXIT_NEGATIVE;
    default:
        return EXIT_REFUSED;
    }
}

/* --- the page --------------------------------------------------------------------------------- */

static const char *printable(struct command_call *call, struct bytes text)
{
    const char *safe = say_printable(call->arena, text);
    return safe == NULL ? "" : safe;
}

static void print_header(struct command_call *call, const struct resolve_answer *answer)
{
    const struct header *header = &answer->message.header;
    const struct envelope *envelope = &answer->message.envelope;
    char expires[TEXT_TIME_LEN];
    text_time_s(header->expiration, expires);
    (void)fprintf(call->out, "%s  %s\n", printable(call, answer->question->name),
                  value_show_code(call->arena, header->response_code, call->is_chinese));
    (void)fprintf(call->out,
                  call->is_chinese
                      ? "报文头  操作 %u %s，标志 %s，版本 %s（对方支持 %s），请求 %08x，会话 %u，"
                        "站点序号 %u，递归 %u，有效至 %s\n"
                      : "header    opcode %u %s, flags %s, version %s (speaks %s), request %08x, "
                        "session %u, site serial %u, recursion %u, expires %s\n",
                  header->opcode, opcode_name(header->opcode),
                  value_show_flags(call->arena, header->flags),
                  value_show_version(call->arena, envelope->version),
                  value_show_version(call->arena, envelope->suggested), envelope->request_id,
                  envelope->session_id, header->site_serial, header->recursion_count, expires);
}

static const char *question_types(struct command_call *call,
                                  const struct resolve_question *question)
{
    struct wire_reader reader = wire_read(question->types);
    struct bytes type;
    const char *text = "";
    while (body_next_text(&reader, &type) && text != NULL) {
        text = value_show_format(call->arena, "%s%s%s", text, text[0] == '\0' ? "" : ",",
                                 printable(call, type));
    }
    return text == NULL || text[0] == '\0' ? "*" : text;
}

static const char *question_indexes(struct command_call *call,
                                    const struct resolve_question *question)
{
    struct wire_reader reader = wire_read(question->indexes);
    const char *text = "";
    while (wire_left(&reader) > 0 && text != NULL) {
        text = value_show_format(call->arena, "%s%s%u", text, text[0] == '\0' ? "" : ",",
                                 wire_u32(&reader));
    }
    return text == NULL || text[0] == '\0' ? "*" : text;
}

static void print_question(struct command_call *call, const struct resolve_answer *answer)
{
    const struct resolve_question *question = answer->question;
    (void)fprintf(call->out,
                  call->is_chinese ? "问题    类型 %s，索引 %s，标志 %s\n"
                                   : "question  types %s, indexes %s, flags %s\n",
                  question_types(call, question), question_indexes(call, question),
                  value_show_flags(call->arena, question->flags));
    if (answer->digest == RESOLVE_DIGEST_RIGHT) {
        (void)fprintf(
            call->out, "%s\n",
            say_text(call, "digest    of this very request: right", "摘要    与本次请求一致"));
    } else if (answer->digest == RESOLVE_DIGEST_WRONG) {
        (void)fprintf(call->out, "%s\n",
                      say_text(call, "digest    WRONG: this answer is not to this request",
                               "摘要    不一致：应答并非针对本次请求"));
    }
    if (answer->message.credential.is_present) {
        (void)fprintf(call->out,
                      call->is_chinese ? "签名    %s，算法 %s，签名者 %s（未验证）\n"
                                       : "signed    %s by %s, signer %s (not verified)\n",
                      printable(call, answer->message.credential.type),
                      printable(call, answer->message.credential.algorithm),
                      printable(call, answer->message.credential.signer));
    }
}

static void print_values(struct command_call *call, const struct body_values *values)
{
    const char *english[] = {"INDEX", "TYPE", "TTL", "PERM", "TIMESTAMP", "DATA"};
    const char *chinese[] = {"索引", "类型", "TTL", "权限", "时间戳", "数据"};
    struct say_table *table = say_table_new(call->is_chinese ? chinese : english, 6);
    for (size_t i = 0; i < values->count && table != NULL; i++) {
        const struct value *value = &values->values[i];
        char permissions[5];
        char time[TEXT_TIME_LEN] = "-";
        value_permissions_text(value->permissions, permissions);
        if (value->timestamp != 0) {
            text_time_s(value->timestamp, time);
        }
        const char *data = value_show_data(call->arena, value);
        const char *ttl = value_show_ttl(call->arena, value);
        const char *index = value_show_format(call->arena, "%u", value->index);
        const char *cells[] = {index == NULL ? "" : index,
                               printable(call, value->type),
                               ttl == NULL ? "" : ttl,
                               permissions,
                               time,
                               data == NULL ? "" : data};
        say_table_row(table, cells);
    }
    if (table != NULL) {
        (void)fputc('\n', call->out);
        say_table_print(table, call->out);
    }
}

static void print_site(struct command_call *call, struct bytes site)
{
    json_t *object = site_json_encode(site);
    (void)fputc('\n', call->out);
    if (object != NULL) {
        (void)json_dumpf(object, call->out, JSON_INDENT(2));
    } else {
        struct value value = {.type = BYTES_LITERAL(""), .data = site};
        (void)fputs(value_show_data(call->arena, &value), call->out);
    }
    (void)fputc('\n', call->out);
    json_decref(object);
}

/* What a code means to the one who asked, where the code alone leaves people puzzled. */
static const char *hint(const struct command_call *call, uint32_t code)
{
    switch (code) {
    case 200:
        return say_text(call, "the name exists; nothing public matches: ask without filters",
                        "标识存在，但没有符合条件的公开值：可去掉过滤条件");
    case 301:
        return say_text(call, "this server does not answer for the prefix: ask the one that does",
                        "该服务器不负责此前缀：请向负责的节点查询");
    case 402:
        return say_text(call, "some values are for entitled readers: leave out --private",
                        "部分值仅对授权者开放：去掉 --private 可查看公开值");
    default:
        return NULL;
    }
}

static void print_error(struct command_call *call, const struct resolve_answer *answer)
{
    const char *text = hint(call, answer->message.header.response_code);
    if (answer->text.len > 0) {
        (void)fprintf(call->out, "%s%s\n", say_text(call, "says      ", "说明    "),
                      printable(call, answer->text));
    }
    if (answer->nonce.len > 0) {
        (void)fprintf(call->out, "%s%s\n", say_text(call, "nonce     ", "随机数  "),
                      text_hex(call->arena, answer->nonce));
    }
    if (text != NULL) {
        (void)fprintf(call->out, "%s%s\n", say_text(call, "meaning   ", "含义    "), text);
    }
}

static bool is_stale(const struct resolve_answer *answer)
{
    return (answer->message.header.flags & MESSAGE_STALE) != 0;
}

static void print_age(struct command_call *call, const struct resolve_answer *answer)
{
    if (is_stale(answer)) {
        (void)fprintf(
            call->out, "%s\n",
            say_text(call,
                     "stale     known from before and over its time: the service "
                     "responsible does not answer now",
                     "过期    此为先前缓存的应答，已超过有效期：负责该标识的服务当前无应答"));
    }
}

static const char *const transports[] = {"udp", "tcp", "tls", "http", "https"};

static const char *transport_text(struct command_call *call, const struct resolve_answer *answer)
{
    if (answer->transport != ASK_TLS) {
        return transports[answer->transport];
    }
    return answer->is_verified
               ? say_text(call, "tls, server verified", "tls，服务器密钥已核对")
               : say_text(call, "tls, server not verified", "tls，未核对服务器密钥");
}

static void print_figures(struct command_call *call, const struct resolve_answer *answer)
{
    const struct ask_figures *figures = &answer->figures;
    (void)fprintf(
        call->out,
        call->is_chinese
            ? "\n%zu 个值，服务器 %s（%s%s），用时 %.3f 毫秒，发送 %zu 字节，收到 %zu 字节"
            : "\n%zu values from %s (%s%s) in %.3f ms; sent %zu bytes, received %zu",
        answer->values.count, answer->server, transport_text(call, answer),
        answer->fell_back ? say_text(call, ", no answer over udp", "，UDP 无应答") : "",
        (double)figures->elapsed_us / 1000.0, figures->sent_bytes, figures->received_bytes);
    if (answer->transport == ASK_UDP) {
        (void)fprintf(call->out, call->is_chinese ? "，%u 个数据报" : " (datagrams: %u)",
                      figures->datagrams);
    }
    if (figures->attempts > 1) {
        (void)fprintf(call->out, call->is_chinese ? "，发问 %u 次" : ", asked %u times",
                      figures->attempts);
    }
    (void)fputc('\n', call->out);
}

static void print_hex(struct command_call *call, const char *title, struct bytes packet)
{
    (void)fprintf(call->out, "%s\n", title);
    for (size_t at = 0; at < packet.len; at += 16) {
        (void)fprintf(call->out, "  %06zx ", at);
        for (size_t i = at; i < at + 16 && i < packet.len; i++) {
            (void)fprintf(call->out, "%s%02x", i % 8 == 0 ? "  " : " ", packet.data[i]);
        }
        (void)fputc('\n', call->out);
    }
    (void)fputc('\n', call->out);
}

static void print_page(struct command_call *call, const struct resolve_answer *answer)
{
    if (command_has(call, "--hex")) {
        print_hex(call, say_text(call, "request", "请求"), answer->request);
        print_hex(call, say_text(call, "answer", "应答"), answer->packet);
    }
    print_header(call, answer);
    print_question(call, answer);
    print_error(call, answer);
    print_age(call, answer);
    if (answer->site.len > 0) {
        print_site(call, answer->site);
    }
    if (answer->values.count > 0) {
        print_values(call, &answer->values);
    }
    if (answer->verify != NULL) {
        resolve_verify_print(call, answer->verify);
    }
    print_figures(call, answer);
}

/* --- values alone ----------------------------------------------------------------------------- */

static void print_short(struct command_call *call, const struct resolve_answer *answer)
{
    uint32_t code = answer->message.header.response_code;
    for (size_t i = 0; i < answer->values.count; i++) {
        const char *data = value_show_data(call->arena, &answer->values.values[i]);
        (void)fprintf(call->out, "%s\n", data == NULL ? "" : data);
    }
    if (answer->verify != NULL && !resolve_verify_holds(answer->verify)) {
        (void)fprintf(call->err, "%s: %s\n", printable(call, answer->question->name),
                      say_text(call, "not verified", "未通过核验"));
    }
    if (code != 1) {
        (void)fprintf(call->err, "%s: %s\n", printable(call, answer->question->name),
                      value_show_code(call->arena, code, call->is_chinese));
    }
}

/* --- JSON ------------------------------------------------------------------------------------- */

static json_t *header_json(struct command_call *call, const struct resolve_answer *answer)
{
    const struct header *header = &answer->message.header;
    const struct envelope *envelope = &answer->message.envelope;
    char expires[TEXT_TIME_LEN];
    text_time_s(header->expiration, expires);
    return json_pack("{s:I, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:b}", "opcode",
                     (json_int_t)header->opcode, "opcode_name", opcode_name(header->opcode),
                     "flags", value_show_flags(call->arena, header->flags), "version",
                     value_show_version(call->arena, envelope->version), "suggested_version",
                     value_show_version(call->arena, envelope->suggested), "request_id",
                     (json_int_t)envelope->request_id, "session_id",
                     (json_int_t)envelope->session_id, "site_serial",
                     (json_int_t)header->site_serial, "recursion_count",
                     (json_int_t)header->recursion_count, "expires", expires, "is_signed",
                     (int)answer->message.credential.is_present);
}

static json_t *exchange_json(const struct resolve_answer *answer)
{
    const struct ask_figures *figures = &answer->figures;
    return json_pack("{s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:I}", "server", answer->server,
                     "transport", transports[answer->transport], "fell_back",
                     (int)answer->fell_back, "elapsed_us", (json_int_t)figures->elapsed_us,
                     "attempts", (json_int_t)figures->attempts, "datagrams",
                     (json_int_t)figures->datagrams, "sent_bytes", (json_int_t)figures->sent_bytes,
                     "received_bytes", (json_int_t)figures->received_bytes);
}

static void set_extras(struct command_call *call, const struct resolve_answer *answer,
                       json_t *document)
{
    static const char *const digests[] = {NULL, "right", "wrong"};
    if (answer->digest != RESOLVE_DIGEST_NONE) {
        json_object_set_new(document, "digest", json_string(digests[answer->digest]));
    }
    if (is_stale(answer)) {
        json_object_set_new(document, "stale", json_true());
    }
    if (answer->site.len > 0) {
        json_object_set_new(document, "site", site_json_encode(answer->site));
    }
    if (answer->text.len > 0) {
        json_object_set_new(document, "text", json_string(printable(call, answer->text)));
    }
    if (answer->verify != NULL) {
        json_object_set_new(document, "trust", resolve_verify_json(call, answer->verify));
    }
    if (answer->nonce.len > 0) {
        json_object_set_new(document, "nonce", json_string(text_hex(call->arena, answer->nonce)));
    }
    if (command_has(call, "--hex")) {
        json_object_set_new(document, "request_hex",
                            json_string(text_hex(call->arena, answer->request)));
        json_object_set_new(document, "answer_hex",
                            json_string(text_hex(call->arena, answer->packet)));
    }
}

static void print_json(struct command_call *call, const struct resolve_answer *answer)
{
    uint32_t code = answer->message.header.response_code;
    struct record record = {answer->values.handle, answer->values.values, answer->values.count};
    if (record.handle.len == 0) {
        record.handle = answer->question->name;
    }
    json_t *document = record_json_encode(&record, RECORD_JSON_PERMISSIONS);
    if (document == NULL) {
        document = json_object();
    }
    json_object_set_new(document, "response_code", json_integer((json_int_t)code));
    json_object_set_new(document, "status", json_string(status_english(status_of_wire_code(code))));
    json_object_set_new(document, "header", header_json(call, answer));
    json_object_set_new(document, "exchange", exchange_json(answer));
    set_extras(call, answer, document);
    (void)say_json(call, document);
}

int resolve_answer_print(struct command_call *call, const struct resolve_answer *answer)
{
    if (call->is_json) {
        print_json(call, answer);
    } else if (command_has(call, "--short")) {
        print_short(call, answer);
    } else {
        print_page(call, answer);
    }
    if (answer->digest == RESOLVE_DIGEST_WRONG) {
        return EXIT_REFUSED;
    }
    return answer->verify != NULL && !resolve_verify_holds(answer->verify)
               ? EXIT_NEGATIVE
               : resolve_exit_code(answer->message.header.response_code);
}
