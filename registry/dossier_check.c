/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of data items (dossier.h): each item by its kind, then what holds between them.
 */
#include <stdio.h>
#include <string.h>

#include "protocol/handle.h"
#include "registry/credential.h"
#include "registry/dossier.h"

#define NO_ENTRY SIZE_MAX
#define USCC 1          /* org_crt_type */
#define RESIDENT_CARD 1 /* contact_crt_type, legal_crt_type */
#define LOCALLY 1       /* deploy_mode */
#define SYSTEMS_NEEDED 4
#define SYSTEM_WITH_ADDRESS 1
#define FILE_ID_LEN 64
#define PHONE_MIN 5

struct check {
    const struct dossier_rules *rules;
    const json_t *dossier;
    const json_t *object; /* the dossier, or an entry of one of its lists */
    size_t entry;
    struct dossier_findings *out;
};

/* --- telling ---------------------------------------------------------------------------------- */

static bool may_be_overridden(enum dossier_flaw flaw)
{
    return flaw == DOSSIER_NO_CODE || flaw == DOSSIER_NESTING || flaw == DOSSIER_CHECK;
}

static const char *reason_for(const json_t *dossier, const char *path)
{
    return json_string_value(json_object_get(json_object_get(dossier, "overrides"), path));
}

static bool is_reason(const char *text)
{
    return text != NULL && text[strspn(text, " \t\r\n")] != '\0' &&
           strlen(text) <= (size_t)DOSSIER_REASON_MAX * 4;
}

static void add_finding(struct check *check, const struct dossier_finding *finding)
{
    struct dossier_findings *out = check->out;
    out->open += !finding->is_overridden;
    if (out->count < DOSSIER_FINDINGS_MAX) {
        out->list[out->count++] = *finding;
    }
}

static void tell_of(struct check *check, const struct dossier_item *item, enum dossier_flaw flaw,
                    char expected)
{
    struct dossier_finding finding = {.item = item, .flaw = flaw, .expected = expected};
    if (check->entry == NO_ENTRY) {
        (void)snprintf(finding.path, sizeof(finding.path), "%s", item->name);
    } else {
        (void)snprintf(finding.path, sizeof(finding.path), "%s[%zu].%s",
                       dossier_list_of(item->group), check->entry, item->name);
    }
    finding.is_overridden =
        may_be_overridden(flaw) && is_reason(reason_for(check->dossier, finding.path));
    add_finding(check, &finding);
}

static void tell(struct check *check, const struct dossier_item *item, enum dossier_flaw flaw)
{
    tell_of(check, item, flaw, '\0');
}

/* Of what is no item; a name that strangers chose is cut. */
static void tell_path(struct check *check, const char *path, enum dossier_flaw flaw)
{
    struct dossier_finding finding = {.flaw = flaw};
    (void)snprintf(finding.path, sizeof(finding.path), "%.*s", DOSSIER_PATH_MAX - 1, path);
    while (!handle_is_utf8(bytes_of_text(finding.path))) {
        finding.path[strlen(finding.path) - 1] = '\0';
    }
    add_finding(check, &finding);
}

/* --- kinds ------------------------------------------------------------------------------------ */

static size_t characters_of(struct bytes text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        count += (text.data[i] & 0xc0) != 0x80;
    }
    return count;
}

static bool has_control(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < ' ' || text.data[i] == 0x7f) {
            return true;
        }
    }
    return false;
}

static bool consists_of(struct bytes text, const char *alphabet)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\0' || strchr(alphabet, text.data[i]) == NULL) {
            return false;
        }
    }
    return text.len > 0;
}

/* A number, or a text that is one digit; 0: neither. */
static int64_t choice_of(const json_t *value)
{
    if (json_is_integer(value)) {
        return json_integer_value(value);
    }
    const char *text = json_string_value(value);
    bool is_digit = text != NULL && strlen(text) == 1 && text[0] >= '1' && text[0] <= '9';
    return is_digit ? text[0] - '0' : 0;
}

static int64_t choice_at(const json_t *object, const char *name)
{
    return choice_of(json_object_get(object, name));
}

static struct bytes text_at(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return bytes_of(json_string_value(value), json_string_length(value));
}

static void check_number(struct check *check, const struct dossier_item *item, const json_t *value)
{
    bool is_choice = item->kind == DOSSIER_KIND_CHOICE;
    if (!json_is_integer(value) && !(is_choice && choice_of(value) > 0)) {
        tell(check, item, DOSSIER_FORM);
        return;
    }
    int64_t number = is_choice ? choice_of(value) : json_integer_value(value);
    if (number < (is_choice ? 1 : 0) || number > item->max) {
        tell(check, item, DOSSIER_RANGE);
    }
}

/* Two digits at `at`. */
static unsigned pair_at(struct bytes text, size_t at)
{
    return (unsigned)(text.data[at] - '0') * 10 + (unsigned)(text.data[at + 1] - '0');
}

static bool is_date(struct bytes text)
{
    static const unsigned days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (text.len != 10 || text.data[4] != '-' || text.data[7] != '-' ||
        !consists_of(text, "0123456789-") || memchr(text.data, '-', 4) != NULL ||
        memchr(text.data + 5, '-', 2) != NULL || memchr(text.data + 8, '-', 2) != NULL) {
        return false;
    }
    unsigned year = pair_at(text, 0) * 100 + pair_at(text, 2);
    unsigned month = pair_at(text, 5);
    unsigned day = pair_at(text, 8);
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return year >= 1800 && month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1] &&
           (is_leap || month != 2 || day < 29);
}

static bool is_email(struct bytes text)
{
    const uint8_t *at = text.len == 0 ? NULL : memchr(text.data, '@', text.len);
    if (at == NULL || at == text.data || has_control(text) ||
        memchr(text.data, ' ', text.len) != NULL) {
        return false;
    }
    struct bytes domain = bytes_from(text, (size_t)(at - text.data) + 1);
    return domain.len >= 3 && memchr(domain.data, '@', domain.len) == NULL &&
           memchr(domain.data, '.', domain.len) != NULL && domain.data[0] != '.' &&
           domain.data[domain.len - 1] != '.';
}

static bool is_phone(struct bytes text)
{
    return text.len >= PHONE_MIN && consists_of(text, "0123456789+-() ") &&
           text.data[text.len - 1] >= '0' && text.data[text.len - 1] <= '9';
}

static void check_codes(struct check *check, const struct dossier_item *item, struct bytes text)
{
    const struct codes *codes =
        item->kind == DOSSIER_KIND_REGION ? check->rules->regions : check->rules->industries;
    const struct code_row *row = codes_find(codes, text);
    if (!consists_of(text, "0123456789ABCDEFGHIJKLMNOPQRST") || text.len > 6) {
        tell(check, item, DOSSIER_FORM);
    } else if (row == NULL) {
        tell(check, item, DOSSIER_NO_CODE);
    } else if (row->level != (unsigned)item->max) {
        tell(check, item, DOSSIER_RANGE);
    }
}

static void tell_verdict(struct check *check, const struct dossier_item *item,
                         struct credential_verdict verdict)
{
    if (verdict.flaw != CREDENTIAL_SOUND) {
        tell_of(check, item,
                verdict.flaw == CREDENTIAL_LENGTH || verdict.flaw == CREDENTIAL_CHARACTER
                    ? DOSSIER_FORM
                    : DOSSIER_CHECK,
                verdict.expected);
    }
}

static void check_person(struct check *check, const struct dossier_item *item, struct bytes text)
{
    bool is_contact = item->group == DOSSIER_CONTACT;
    const char *type = is_contact ? "contact_crt_type" : "legal_crt_type";
    if (choice_at(check->object, type) == RESIDENT_CARD) {
        tell_verdict(check, item, credential_resident(text));
    } else if (has_control(text)) {
        tell(check, item, DOSSIER_FORM);
    }
}

static void check_credential(struct check *check, const struct dossier_item *item,
                             struct bytes text)
{
    if (choice_at(check->object, "org_crt_type") == USCC) {
        tell_verdict(check, item, credential_social(text));
    } else if (has_control(text)) {
        tell(check, item, DOSSIER_FORM);
    }
}

static void check_area(struct check *check, const struct dossier_item *item, struct bytes text)
{
    for (size_t i = 0; i < check->rules->area_count; i++) {
        if (bytes_equal(text, bytes_of_text(check->rules->areas[i]))) {
            return;
        }
    }
    tell(check, item, DOSSIER_NO_CODE);
}

static void check_class(struct check *check, const struct dossier_item *item, struct bytes text)
{
    static const char *const words[] = {"chain-leader", "specialised", "little-giant",
                                        "above-scale", "small-micro"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (bytes_equal(text, bytes_of_text(words[i]))) {
            return;
        }
    }
    tell(check, item, DOSSIER_RANGE);
}

/* Below the node's prefix by exactly one label; labels are compared as text. */
static void check_prefix(struct check *check, const struct dossier_item *item, struct bytes text)
{
    struct bytes node = check->rules->node_prefix;
    if (!bytes_start_with(text, node) || text.len < node.len + 2 || text.data[node.len] != '.') {
        tell(check, item, DOSSIER_FOREIGN);
        return;
    }
    if (!consists_of(bytes_from(text, node.len + 1),
                     "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")) {
        tell(check, item, DOSSIER_FORM);
    }
}

static void check_form(struct check *check, const struct dossier_item *item, struct bytes text)
{
    bool is_sound = true;
    switch (item->kind) {
    case DOSSIER_KIND_DATE:
        is_sound = is_date(text);
        break;
    case DOSSIER_KIND_EMAIL:
        is_sound = is_email(text);
        break;
    case DOSSIER_KIND_PHONE:
        is_sound = is_phone(text);
        break;
    case DOSSIER_KIND_FILE:
        is_sound = text.len == FILE_ID_LEN && consists_of(text, "0123456789abcdef");
        break;
    case DOSSIER_KIND_ADDRESSES:
        is_sound = consists_of(text, "0123456789abcdefABCDEF.:;[] ");
        break;
    default:
        is_sound = !has_control(text) || strcmp(item->name, "org_desc") == 0;
        break;
    }
    if (!is_sound) {
        tell(check, item, DOSSIER_FORM);
    }
}

static void check_text(struct check *check, const struct dossier_item *item, const json_t *value)
{
    struct bytes text = bytes_of(json_string_value(value), json_string_length(value));
    bool is_level = item->kind == DOSSIER_KIND_REGION || item->kind == DOSSIER_KIND_INDUSTRY;
    if (!json_is_string(value)) {
        tell(check, item, DOSSIER_FORM);
        return;
    }
    if (!is_level && item->max > 0 && characters_of(text) > (size_t)item->max) {
        tell(check, item, DOSSIER_LONG);
        return;
    }
    switch (item->kind) {
    case DOSSIER_KIND_REGION:
    case DOSSIER_KIND_INDUSTRY:
        check_codes(check, item, text);
        break;
    case DOSSIER_KIND_CREDENTIAL:
        check_credential(check, item, text);
        break;
    case DOSSIER_KIND_PERSON:
        check_person(check, item, text);
        break;
    case DOSSIER_KIND_AREA:
        check_area(check, item, text);
        break;
    case DOSSIER_KIND_CLASS:
        check_class(check, item, text);
        break;
    case DOSSIER_KIND_PREFIX:
        check_prefix(check, item, text);
        break;
    default:
        check_form(check, item, text);
        break;
    }
}

/* --- objects ---------------------------------------------------------------------------------- */

static bool is_absent(const json_t *value)
{
    return value == NULL || json_is_null(value) ||
           (json_is_string(value) && json_string_length(value) == 0);
}

static bool is_needed(const struct check *check, const struct dossier_item *item)
{
    bool is_local = choice_at(check->object, "deploy_mode") == LOCALLY;
    switch (item->need) {
    case DOSSIER_NEED_REQUIRED:
        return true;
    case DOSSIER_NEED_LOCAL:
        return is_local;
    case DOSSIER_NEED_CLOUD:
        return !is_local;
    case DOSSIER_NEED_OPTIONAL:
        break;
    }
    return false;
}

static void check_item(struct check *check, const struct dossier_item *item)
{
    const json_t *value = json_object_get(check->object, item->name);
    if (is_absent(value)) {
        if (is_needed(check, item)) {
            tell(check, item, DOSSIER_MISSING);
        }
    } else if (item->kind == DOSSIER_KIND_CHOICE || item->kind == DOSSIER_KIND_NUMBER) {
        check_number(check, item, value);
    } else {
        check_text(check, item, value);
    }
}

static bool is_here(const struct dossier_item *item, const char *list)
{
    const char *own = dossier_list_of(item->group);
    return list == NULL ? own == NULL : own != NULL && strcmp(own, list) == 0;
}

static const struct dossier_item *find_item(const char *name, const char *list)
{
    size_t count = 0;
    const struct dossier_item *items = dossier_items(&count);
    for (size_t i = 0; i < count; i++) {
        if (is_here(&items[i], list) && strcmp(items[i].name, name) == 0) {
            return &items[i];
        }
    }
    return NULL;
}

static bool is_list(const char *name)
{
    return strcmp(name, "systems") == 0 || strcmp(name, "industries") == 0 ||
           strcmp(name, "licences") == 0;
}

static void check_members(struct check *check, const char *list)
{
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)check->object, name, value)
    {
        bool is_ours = list == NULL && (is_list(name) || strcmp(name, "overrides") == 0);
        if (!is_ours && find_item(name, list) == NULL) {
            tell_path(check, name, DOSSIER_UNKNOWN);
        }
    }
}

/* An inner code lies within an outer one, where both stand there. */
static void check_nests(struct check *check, const struct dossier_item *inner, const char *outer)
{
    const struct codes *codes =
        inner->kind == DOSSIER_KIND_REGION ? check->rules->regions : check->rules->industries;
    struct bytes inner_code = text_at(check->object, inner->name);
    struct bytes outer_code = text_at(check->object, outer);
    const struct code_row *row = codes_find(codes, inner_code);
    if (row != NULL && row->level == (unsigned)inner->max &&
        codes_find(codes, outer_code) != NULL && !codes_nests(codes, inner_code, outer_code)) {
        tell(check, inner, DOSSIER_NESTING);
    }
}

static void check_nesting(struct check *check, const char *list)
{
    static const char *const pairs[][2] = {
        {"org_addr_city", "org_addr_province"},       {"org_addr_county", "org_addr_city"},
        {"deploy_addr_city", "deploy_addr_province"}, {"deploy_addr_county", "deploy_addr_city"},
        {"industry_specific", "industry_category"},   {"industry_trade", "industry_specific"},
        {"industry_subclass", "industry_trade"},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        const struct dossier_item *inner = find_item(pairs[i][0], list);
        if (inner != NULL) {
            check_nests(check, inner, pairs[i][1]);
        }
    }
}

static void check_object(struct check *check, const char *list)
{
    size_t count = 0;
    const struct dossier_item *items = dossier_items(&count);
    for (size_t i = 0; i < count; i++) {
        if (is_here(&items[i], list)) {
            check_item(check, &items[i]);
        }
    }
    check_members(check, list);
    check_nesting(check, list);
}

/* --- lists ------------------------------------------------------------------------------------ */

static void check_system(struct check *check, unsigned *seen)
{
    int64_t type = choice_at(check->object, "sys_type");
    if (type < 1 || type > 5) {
        return; /* told already */
    }
    if ((*seen & 1u << type) != 0) {
        tell(check, find_item("sys_type", "systems"), DOSSIER_DOUBLE);
    }
    *seen |= 1u << type;
    if (type != SYSTEM_WITH_ADDRESS && !is_absent(json_object_get(check->object, "ip_port"))) {
        tell(check, find_item("ip_port", "systems"), DOSSIER_RANGE);
    }
}

static void check_list(struct check *check, const char *list, bool is_needed_here)
{
    const json_t *entries = json_object_get(check->dossier, list);
    unsigned seen = 0;
    if (entries == NULL || json_is_null(entries)) {
        if (is_needed_here) {
            tell_path(check, list, DOSSIER_MISSING);
        }
        return;
    }
    if (!json_is_array(entries) || json_array_size(entries) > DOSSIER_LIST_MAX) {
        tell_path(check, list, json_is_array(entries) ? DOSSIER_RANGE : DOSSIER_FORM);
        return;
    }
    for (size_t i = 0; i < json_array_size(entries); i++) {
        check->object = json_array_get(entries, i);
        check->entry = i;
        if (!json_is_object(check->object)) {
            tell_path(check, list, DOSSIER_FORM);
            break;
        }
        check_object(check, list);
        if (is_needed_here) {
            check_system(check, &seen);
        }
    }
    check->object = check->dossier;
    check->entry = NO_ENTRY;
    for (unsigned type = 1; is_needed_here && type <= SYSTEMS_NEEDED; type++) {
        if ((seen & 1u << type) == 0) {
            tell_path(check, list, DOSSIER_MISSING);
            break;
        }
    }
}

/* --- the whole -------------------------------------------------------------------------------- */

/* A reason must stand against something that was found. */
static void check_overrides(struct check *check)
{
    const char *path = NULL;
    json_t *reason = NULL;
    json_t *overrides = json_object_get(check->dossier, "overrides");
    size_t found = check->out->count;
    if (overrides != NULL && !json_is_object(overrides)) {
        tell_path(check, "overrides", DOSSIER_FORM);
        return;
    }
    json_object_foreach(overrides, path, reason)
    {
        bool is_used = false;
        for (size_t i = 0; i < found; i++) {
            is_used |=
                check->out->list[i].is_overridden && strcmp(check->out->list[i].path, path) == 0;
        }
        if (!is_used) {
            tell_path(check, path, DOSSIER_REASON);
        }
    }
}

bool dossier_check(const json_t *dossier, const struct dossier_rules *rules,
                   struct dossier_findings *out_findings)
{
    struct check check = {
        .rules = rules,
        .dossier = dossier,
        .object = dossier,
        .entry = NO_ENTRY,
        .out = out_findings,
    };
    *out_findings = (struct dossier_findings){0};
    if (!json_is_object(dossier)) {
        tell_path(&check, "dossier", DOSSIER_FORM);
        return false;
    }
    check_object(&check, NULL);
    check_list(&check, "systems", true);
    check_list(&check, "industries", false);
    check_list(&check, "licences", false);
    check_overrides(&check);
    return out_findings->open == 0;
}
