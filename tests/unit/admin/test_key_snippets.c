/* SPDX-License-Identifier: Apache-2.0
 *
 * Snippets are pasted: what a handle or a file is called must not become a command, or end a text.
 */
#include "admin/key_snippets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#define HANDLE BYTES_LITERAL("88.1/a'; touch x; '\"\\$(x)")

static const char *fill(struct arena *arena, const char *name, const char *file,
                        struct bytes handle)
{
    const struct key_snippet *snippet = key_snippet_find(name);
    assert_non_null(snippet);
    const char *text = key_snippet_fill(arena, snippet, file, 300, handle);
    assert_non_null(text);
    return text;
}

static void names_for_a_shell_are_single_words(void **state)
{
    (void)state;
    struct arena *arena = arena_new(4096, 1 << 20);
    const char *text = fill(arena, "guantong", "my keys/a'b.pem", HANDLE);
    assert_string_equal(text, "guantong remote ls PREFIX @HOST --key 'my keys/a'\\''b.pem' "
                              "--identity '300:88.1/a'\\''; touch x; '\\''\"\\$(x)'\n");
    text = fill(arena, "curl", "-k $HOME", HANDLE);
    assert_non_null(strstr(text, "guantong key convert ./'-k $HOME' certificate.pem"));
    assert_non_null(strstr(text, "--handle '300:88.1/a'\\''; touch"));
    assert_non_null(strstr(text, "--key ./'-k $HOME' "));
    arena_free(arena);
}

static void names_in_texts_stay_inside_them(void **state)
{
    (void)state;
    struct arena *arena = arena_new(4096, 1 << 20);
    const char *text = fill(arena, "java", "a.pem", HANDLE);
    assert_non_null(strstr(text, "encodeString(\"88.1/a'; touch x; '\\\"\\\\$(x)\"), 300,"));
    text = fill(arena, "pyhandle", "a\"b\\c.pem", BYTES_LITERAL("88.1/u"));
    assert_non_null(strstr(text, "\"private_key\": \"a\\\"b\\\\c.pem\"\n"));
    arena_free(arena);
}

static void ordinary_names_stand_as_they_are(void **state)
{
    (void)state;
    struct arena *arena = arena_new(4096, 1 << 20);
    const char *text = fill(arena, "guantong", "keys/li.pem", BYTES_LITERAL("88.1/User_li"));
    assert_string_equal(text, "guantong remote ls PREFIX @HOST --key keys/li.pem "
                              "--identity '300:88.1/User_li'\n");
    arena_free(arena);
}

static void names_with_line_ends_are_refused(void **state)
{
    (void)state;
    struct arena *arena = arena_new(4096, 1 << 20);
    for (size_t i = 0; key_snippet_at(i) != NULL; i++) {
        const struct key_snippet *snippet = key_snippet_at(i);
        assert_null(key_snippet_fill(arena, snippet, "a.pem", 300, BYTES_LITERAL("88.1/a\nx")));
        assert_null(key_snippet_fill(arena, snippet, "a\r.pem", 300, BYTES_LITERAL("88.1/a")));
    }
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_for_a_shell_are_single_words),
        cmocka_unit_test(names_in_texts_stay_inside_them),
        cmocka_unit_test(ordinary_names_stand_as_they_are),
        cmocka_unit_test(names_with_line_ends_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
