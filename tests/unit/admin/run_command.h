/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of commands: `guantong` as a user types it, in this process, with what it printed; and
 * a directory to play in.
 */
#pragma once

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "admin/command.h"

struct run {
    int exit;
    char *out;
    char *err;
};

static inline void run_done(struct run *run)
{
    free(run->out);
    free(run->err);
}

/* The words after `guantong`, up to NULL. */
static inline struct run run_words(const char *const *words)
{
    struct run run = {.exit = -1};
    char *copies[32] = {NULL};
    int count = 0;
    copies[count++] = strdup("guantong");
    for (; words[count - 1] != NULL && count < 31; count++) {
        copies[count] = strdup(words[count - 1]);
    }
    size_t out_len = 0;
    size_t err_len = 0;
    FILE *out = open_memstream(&run.out, &out_len);
    FILE *err = open_memstream(&run.err, &err_len);
    assert_non_null(out);
    assert_non_null(err);
    run.exit = command_main(count, copies, out, err);
    (void)fclose(out);
    (void)fclose(err);
    for (int i = 0; i < count; i++) {
        free(copies[i]);
    }
    return run;
}

#define RUN(...) run_words((const char *const[]){__VA_ARGS__, NULL})

/* Runs and wants this exit code; what it printed is shown when it is another. */
static inline struct run run_expecting(int exit, const char *const *words)
{
    struct run run = run_words(words);
    if (run.exit != exit) {
        print_error("%s %s: exit %d\n%s%s\n", words[0], words[1] == NULL ? "" : words[1], run.exit,
                    run.out, run.err);
    }
    assert_int_equal(run.exit, exit);
    return run;
}

#define EXPECT(exit, ...) run_expecting(exit, (const char *const[]){__VA_ARGS__, NULL})

/* For runs whose output does not matter. */
#define MUST(exit, ...)                                                                            \
    do {                                                                                           \
        struct run must_run = EXPECT(exit, __VA_ARGS__);                                           \
        run_done(&must_run);                                                                       \
    } while (0)

/* The one JSON document on stdout; stderr must be empty. */
static inline json_t *run_json(const struct run *run)
{
    json_error_t error;
    json_t *document = json_loads(run->out, JSON_REJECT_DUPLICATES, &error);
    if (document == NULL) {
        print_error("no JSON: %s\n%s", error.text, run->out);
    }
    assert_non_null(document);
    assert_string_equal(run->err, "");
    return document;
}

static inline const char *json_text(json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? "" : text;
}

static inline json_int_t json_number(json_t *object, const char *name)
{
    json_t *number = json_object_get(object, name);
    assert_true(json_is_integer(number));
    return json_integer_value(number);
}

/* The code of the problem a --json run reported. */
static inline void assert_problem(const struct run *run, const char *code)
{
    json_t *document = run_json(run);
    json_t *error = json_object_get(document, "error");
    assert_string_equal(json_text(error, "code"), code);
    assert_true(json_text(error, "reason")[0] != '\0');
    json_decref(document);
}

static inline int scratch_remove_entry(const char *path, const struct stat *facts, int kind,
                                       struct FTW *where)
{
    (void)facts;
    (void)kind;
    (void)where;
    return remove(path);
}

/* A new directory below /tmp, its path in `out` (at least 64 bytes). */
static inline void scratch_make(char *out)
{
    (void)strcpy(out, "/tmp/guantong-test-XXXXXX");
    assert_non_null(mkdtemp(out));
}

static inline void scratch_remove(const char *path)
{
    (void)nftw(path, scratch_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void write_file(const char *path, const char *text)
{
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    assert_int_equal(fwrite(text, 1, strlen(text), out), strlen(text));
    assert_int_equal(fclose(out), 0);
}
