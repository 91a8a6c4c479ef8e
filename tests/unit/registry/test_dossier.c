/* SPDX-License-Identifier: Apache-2.0
 *
 * registry/dossier.c, dossier_check.c: a sound dossier passes, each rule is broken once and told by
 * its path, overrides need a reason, and nobody is recognised in a masked one.
 */
#include "registry/dossier.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define FILE_ID "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static const char sound[] =
    "{\"org_name\":\"鄂州示范泵业有限公司\",\"org_nature\":\"2\",\"org_addr_province\":\"420000\","
    "\"org_addr_city\":\"420700\",\"org_addr_county\":\"420704\",\"org_addr\":\"示范路1号\","
    "\"org_crt_type\":1,\"org_crt_code\":\"91350200MA2YJ1XR9G\",\"org_crt_image\":\"" FILE_ID "\","
    "\"industry_category\":\"C\",\"industry_specific\":\"34\",\"size_class\":\"chain-leader\","
    "\"district\":\"葛店经开区\",\"reg_capital\":800,\"establish_date\":\"2016-02-29\","
    "\"contact_name\":\"陈一\",\"contact_crt_type\":2,\"contact_crt_no\":\"E00000001\","
    "\"contact_email\":\"chen@ezhou-pump.example\",\"contact_phone\":\"13900000001\","
    "\"legal_name\":\"欧阳周二\",\"legal_crt_type\":1,\"legal_crt_no\":\"11010519491231002X\","
    "\"legal_crt_front_image\":\"" FILE_ID "\",\"legal_crt_back_image\":\"" FILE_ID "\","
    "\"ent_prefix\":\"88.608.8889\",\"serv_sys_build_type\":1,\"serv_sys_oper_type\":1,"
    "\"systems\":[{\"sys_type\":1,\"deploy_mode\":1,\"deploy_addr_province\":\"420000\","
    "\"deploy_addr_city\":\"420700\",\"deploy_addr_county\":\"420704\",\"deploy_addr\":\"机房\","
    "\"ip_port\":\"[192.0.2.10]:8080;[2001:db8::10]:8080\"},"
    "{\"sys_type\":2,\"deploy_mode\":2,\"name\":\"示范云\"},"
    "{\"sys_type\":3,\"deploy_mode\":2,\"name\":\"示范云\"},"
    "{\"sys_type\":4,\"deploy_mode\":2,\"name\":\"示范云\"}],"
    "\"industries\":[{\"industry_category\":\"C\",\"industry_specific\":\"34\","
    "\"industry_trade\":\"344\",\"industry_subclass\":\"3441\"}],"
    "\"licences\":[{\"licence_type\":4,\"licence_no\":\"B2-20250001\"}]}";

struct fixture {
    struct codes *regions;
    struct codes *industries;
    struct dossier_rules rules;
    json_t *dossier;
    struct dossier_findings findings;
};

static void add(struct codes *codes, const char *code, const char *parent, unsigned level)
{
    struct code_row row = {
        .code = bytes_of_text(code),
        .parent = bytes_of_text(parent),
        .level = level,
        .name = BYTES_LITERAL("名"),
    };
    assert_int_equal(codes_add(codes, &row), STATUS_OK);
}

static int set_up(void **state)
{
    static const char *const areas[] = {"葛店经开区", "临空经济区"};
    struct fixture *f = calloc(1, sizeof(*f));
    const struct code_row *bad = NULL;
    assert_non_null(f);
    assert_int_equal(codes_new(CODES_REGION, &f->regions), STATUS_OK);
    assert_int_equal(codes_new(CODES_INDUSTRY, &f->industries), STATUS_OK);
    add(f->regions, "420000", "", 1);
    add(f->regions, "420200", "420000", 2);
    add(f->regions, "420700", "420000", 2);
    add(f->regions, "420704", "420700", 3);
    add(f->industries, "C", "", 1);
    add(f->industries, "A", "", 1);
    add(f->industries, "34", "C", 2);
    add(f->industries, "344", "34", 3);
    add(f->industries, "3441", "344", 4);
    assert_int_equal(codes_close(f->regions, &bad), STATUS_OK);
    assert_int_equal(codes_close(f->industries, &bad), STATUS_OK);
    f->rules = (struct dossier_rules){
        .regions = f->regions,
        .industries = f->industries,
        .areas = areas,
        .area_count = 2,
        .node_prefix = BYTES_LITERAL("88.608"),
    };
    f->dossier = json_loads(sound, 0, NULL);
    assert_non_null(f->dossier);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    json_decref(f->dossier);
    codes_free(f->regions);
    codes_free(f->industries);
    free(f);
    return 0;
}

static json_t *json(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    return value;
}

static bool judge(struct fixture *f)
{
    return dossier_check(f->dossier, &f->rules, &f->findings);
}

/* With that member instead (NULL: without it), exactly that stands open. */
static void assert_found(struct fixture *f, const char *name, const char *value, const char *path,
                         enum dossier_flaw flaw)
{
    json_t *before = json_deep_copy(f->dossier);
    if (value == NULL) {
        json_object_del(f->dossier, name);
    } else {
        json_object_set_new(f->dossier, name, json(value));
    }
    assert_false(judge(f));
    if (f->findings.count != 1 || strcmp(f->findings.list[0].path, path) != 0 ||
        f->findings.list[0].flaw != flaw) {
        print_message("%s = %s: %zu findings, first %s: %d\n", name, value, f->findings.count,
                      f->findings.list[0].path, f->findings.list[0].flaw);
    }
    assert_int_equal(f->findings.count, 1);
    assert_int_equal(f->findings.open, 1);
    assert_string_equal(f->findings.list[0].path, path);
    assert_int_equal(f->findings.list[0].flaw, flaw);
    json_decref(f->dossier);
    f->dossier = before;
}

static void sound_dossier_passes(void **state)
{
    struct fixture *f = *state;
    assert_true(judge(f));
    assert_int_equal(f->findings.count, 0);
}

static void item_when_it_breaks_its_rule_is_told_by_name(void **state)
{
    static const struct {
        const char *name;
        const char *value;
        enum dossier_flaw flaw;
    } wrong[] = {
        {"org_name", NULL, DOSSIER_MISSING},
        {"org_name", "\"\"", DOSSIER_MISSING},
        {"org_name", "null", DOSSIER_MISSING},
        {"org_name", "7", DOSSIER_FORM},
        {"org_name", "\"a\\u0007b\"", DOSSIER_FORM},
        {"org_nature", "6", DOSSIER_RANGE},
        {"org_nature", "\"0\"", DOSSIER_FORM},
        {"org_nature", "\"12\"", DOSSIER_FORM},
        {"org_crt_code", "\"9135\"", DOSSIER_FORM},
        {"org_crt_code", "\"91350100M0001TGQXM\"", DOSSIER_CHECK},
        {"org_crt_image", "\"licence.png\"", DOSSIER_FORM},
        {"org_addr_county", "\"420799\"", DOSSIER_NO_CODE},
        {"org_addr_county", "\"420700\"", DOSSIER_RANGE},
        {"org_addr_county", "\"42 704\"", DOSSIER_FORM},
        {"org_addr_city", "\"420200\"", DOSSIER_NESTING}, /* the county lies elsewhere */
        {"industry_category", "\"A\"", DOSSIER_NESTING},
        {"size_class", "\"huge\"", DOSSIER_RANGE},
        {"district", "\"光谷\"", DOSSIER_NO_CODE},
        {"reg_capital", "-1", DOSSIER_RANGE},
        {"reg_capital", "\"800\"", DOSSIER_FORM},
        {"establish_date", "\"2015-02-29\"", DOSSIER_FORM},
        {"establish_date", "\"2015-2-09\"", DOSSIER_FORM},
        {"establish_date", "\"2015-02-0\"", DOSSIER_FORM},
        {"contact_email", "\"chen\"", DOSSIER_FORM},
        {"contact_email", "\"a@b@c.example\"", DOSSIER_FORM},
        {"contact_phone", "\"call me\"", DOSSIER_FORM},
        {"contact_phone", "\"12345678901234567\"", DOSSIER_LONG},
        {"legal_crt_no", "\"412724197805022136\"", DOSSIER_CHECK},
        {"legal_crt_no", "\"110105194902290021\"", DOSSIER_CHECK},
        {"ent_prefix", "\"88.609.1\"", DOSSIER_FOREIGN},
        {"ent_prefix", "\"88.608\"", DOSSIER_FOREIGN},
        {"ent_prefix", "\"88.608.\"", DOSSIER_FOREIGN},
        {"ent_prefix", "\"88.6081\"", DOSSIER_FOREIGN},
        {"ent_prefix", "\"88.608.a.b\"", DOSSIER_FORM},
        {"ent_prefix", "\"88.608.a/b\"", DOSSIER_FORM},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        const char *path = wrong[i].flaw == DOSSIER_NESTING
                               ? (strcmp(wrong[i].name, "org_addr_city") == 0 ? "org_addr_county"
                                                                              : "industry_specific")
                               : wrong[i].name;
        assert_found(f, wrong[i].name, wrong[i].value, path, wrong[i].flaw);
    }
}

static void lists_are_judged_entry_by_entry(void **state)
{
    struct fixture *f = *state;
    assert_found(f, "systems", NULL, "systems", DOSSIER_MISSING);
    assert_found(f, "systems", "{}", "systems", DOSSIER_FORM);
    assert_found(f, "licences", "[{\"licence_type\":4}]", "licences[0].licence_no",
                 DOSSIER_MISSING);
    assert_found(f, "licences", "[1]", "licences", DOSSIER_FORM);
    assert_found(f, "industries",
                 "[{\"industry_category\":\"C\",\"industry_specific\":\"34\","
                 "\"industry_trade\":\"344\",\"industry_subclass\":\"9999\"}]",
                 "industries[0].industry_subclass", DOSSIER_NO_CODE);
    json_t *systems = json_object_get(f->dossier, "systems");
    json_object_del(json_array_get(systems, 0), "deploy_addr");
    assert_false(judge(f));
    assert_string_equal(f->findings.list[0].path, "systems[0].deploy_addr");
    json_array_set_new(systems, 0, json("{\"sys_type\":2,\"deploy_mode\":2,\"name\":\"云\"}"));
    assert_false(judge(f)); /* 2 twice, 1 nowhere */
    assert_int_equal(f->findings.count, 2);
    assert_string_equal(f->findings.list[0].path, "systems[1].sys_type");
    assert_int_equal(f->findings.list[0].flaw, DOSSIER_DOUBLE);
    assert_string_equal(f->findings.list[1].path, "systems");
    assert_int_equal(f->findings.list[1].flaw, DOSSIER_MISSING);
}

static void unknown_members_are_told_and_long_names_cut_whole(void **state)
{
    struct fixture *f = *state;
    assert_found(f, "colour", "1", "colour", DOSSIER_UNKNOWN);
    assert_found(f, "sys_type", "1", "sys_type", DOSSIER_UNKNOWN); /* belongs to an entry */
    json_object_set_new(f->dossier, "x标标标标标标标标标标标标标标标标标标标标标标", json("1"));
    assert_false(judge(f));
    assert_string_equal(f->findings.list[0].path, "x标标标标标标标标标标标标标标标标标标标标");
}

static void override_with_a_reason_lets_a_real_code_pass(void **state)
{
    struct fixture *f = *state;
    json_object_set_new(f->dossier, "org_crt_code", json("\"91350100M0001TGQXM\""));
    assert_false(judge(f));
    assert_int_equal(f->findings.list[0].expected, '1');
    json_object_set_new(f->dossier, "overrides", json("{\"org_crt_code\":\"  \"}"));
    assert_false(judge(f));
    json_object_set_new(f->dossier, "overrides", json("{\"org_crt_code\":\"as on the licence\"}"));
    assert_true(judge(f));
    assert_int_equal(f->findings.count, 1);
    assert_true(f->findings.list[0].is_overridden);
}

static void override_of_what_is_sound_or_cannot_be_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_found(f, "overrides", "{\"org_name\":\"why not\"}", "org_name", DOSSIER_REASON);
    assert_found(f, "overrides", "[]", "overrides", DOSSIER_FORM);
    json_object_set_new(f->dossier, "overrides", json("{\"org_name\":\"it has none\"}"));
    json_object_del(f->dossier, "org_name");
    assert_false(judge(f));
    assert_int_equal(f->findings.open, 2);
}

static void findings_beyond_the_list_are_still_counted(void **state)
{
    struct fixture *f = *state;
    char name[16];
    for (int i = 0; i < 200; i++) {
        (void)snprintf(name, sizeof(name), "x%d", i);
        json_object_set_new(f->dossier, name, json("1"));
    }
    assert_false(judge(f));
    assert_int_equal(f->findings.count, DOSSIER_FINDINGS_MAX);
    assert_int_equal(f->findings.open, 200);
}

static void anything_but_an_object_is_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const values[] = {"1", "null", "[]", "\"x\""};
    for (size_t i = 0; i < 4; i++) {
        json_decref(f->dossier);
        f->dossier = json(values[i]);
        assert_false(judge(f));
    }
}

static void compare_tells_what_is_reviewed_again(void **state)
{
    static const struct {
        const char *name;
        const char *value;
        enum dossier_change change;
    } changes[] = {
        {"org_nature", "2", DOSSIER_SAME},
        {"org_crt_type", "\"1\"", DOSSIER_SAME},
        {"website", "null", DOSSIER_SAME},
        {"contact_phone", "\"13900000009\"", DOSSIER_INCREMENTAL},
        {"org_addr", "\"示范路2号\"", DOSSIER_INCREMENTAL},
        {"licences", "[]", DOSSIER_INCREMENTAL},
        {"org_name", "\"另一家\"", DOSSIER_FULL},
        {"org_crt_code", "\"91110108589104047H\"", DOSSIER_FULL},
        {"org_nature", "1", DOSSIER_FULL},
        {"legal_name", "\"周三\"", DOSSIER_FULL},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        json_t *to = json_deep_copy(f->dossier);
        json_object_set_new(to, changes[i].name, json(changes[i].value));
        assert_int_equal(dossier_compare(f->dossier, to), changes[i].change);
        json_decref(to);
    }
}

static void masked_shows_nobody(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *name;
        const char *masked;
    } wanted[] = {
        {"contact_name", "陈***"},
        {"legal_name", "欧***"},
        {"contact_phone", "139***01"},
        {"legal_crt_no", "1101***2X"},
        {"contact_crt_no", "E0***01"},
        {"contact_email", "***@ezhou-pump.example"},
        {"org_name", "鄂州示范泵业有限公司"},
        {"org_crt_code", "91350200MA2YJ1XR9G"},
    };
    json_t *masked = dossier_masked(f->dossier);
    assert_non_null(masked);
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        assert_string_equal(json_string_value(json_object_get(masked, wanted[i].name)),
                            wanted[i].masked);
    }
    assert_true(json_is_null(json_object_get(masked, "legal_crt_front_image")));
    char *text = json_dumps(masked, 0);
    assert_null(strstr(text, "11010519491231002X"));
    assert_null(strstr(text, "13900000001"));
    free(text);
    json_decref(masked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sound_dossier_passes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(item_when_it_breaks_its_rule_is_told_by_name, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(lists_are_judged_entry_by_entry, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unknown_members_are_told_and_long_names_cut_whole, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(override_with_a_reason_lets_a_real_code_pass, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(override_of_what_is_sound_or_cannot_be_is_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(findings_beyond_the_list_are_still_counted, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(anything_but_an_object_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(compare_tells_what_is_reviewed_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(masked_shows_nobody, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
