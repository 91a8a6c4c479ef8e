/* SPDX-License-Identifier: Apache-2.0
 *
 * guantong conf codes: the code tables dossiers are judged by, and putting another file in the
 * place of one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/code_tables.h"
#include "admin/command_reach.h"
#include "admin/directory.h"
#include "admin/say.h"

#define FILE_BYTES_MAX (8u << 20)

static const char *kind_word(enum codes_kind kind)
{
    return kind == CODES_REGION ? "region" : "industry";
}

static json_t *table_json(enum codes_kind kind, const struct codes *codes, bool is_imported)
{
    return json_pack("{s:s, s:I, s:s}", "table", kind_word(kind), "codes",
                     (json_int_t)codes_count(codes), "source",
                     is_imported ? "imported" : "built-in");
}

static int show(struct command_call *call)
{
    struct code_tables tables;
    struct fault fault = {.status = STATUS_OK};
    enum status status = code_tables_load(call->arena, call->directory, &tables, &fault);
    int exit = EXIT_OK;
    if (status != STATUS_OK) {
        exit = say_status(call, status, call->directory, &fault);
    } else if (call->is_json) {
        exit = say_json(
            call,
            json_pack("{s:[o, o], s:n}", "items",
                      table_json(CODES_REGION, tables.regions, tables.are_regions_imported),
                      table_json(CODES_INDUSTRY, tables.industries, tables.are_industries_imported),
                      "next"));
    } else {
        (void)fprintf(call->out, "region    %zu  %s\nindustry  %zu  %s\n",
                      codes_count(tables.regions),
                      tables.are_regions_imported ? say_text(call, "imported", "已导入")
                                                  : say_text(call, "built-in", "内置"),
                      codes_count(tables.industries),
                      tables.are_industries_imported ? say_text(call, "imported", "已导入")
                                                     : say_text(call, "built-in", "内置"));
    }
    code_tables_done(&tables);
    return exit;
}

static enum status read_file(struct arena *arena, const char *path, struct bytes *out_text,
                             struct fault *fault)
{
    FILE *file = fopen(path, "rbe");
    char *room = file == NULL ? NULL : arena_alloc(arena, FILE_BYTES_MAX);
    size_t len = room == NULL ? 0 : fread(room, 1, FILE_BYTES_MAX, file);
    bool is_read = room != NULL && ferror(file) == 0 && len < FILE_BYTES_MAX;
    int error = errno;
    if (file != NULL) {
        (void)fclose(file);
    }
    *out_text = bytes_of(room, len);
    return is_read ? STATUS_OK : fault_set(fault, STATUS_SYSTEM, "%s", strerror(error));
}

/* Written beside, synced, then moved into its place. */
static enum status put_file(struct command_call *call, enum codes_kind kind, struct bytes text,
                            struct fault *fault)
{
    const char *folder = directory_path(call->arena, call->directory, "codes");
    const char *fresh = directory_path(call->arena, call->directory, "codes/.new");
    const char *path = directory_path(call->arena, call->directory, code_tables_file(kind));
    if (folder == NULL || fresh == NULL || path == NULL) {
        return STATUS_NO_MEMORY;
    }
    bool is_there = mkdir(folder, 0755) == 0 || errno == EEXIST;
    FILE *file = is_there ? fopen(fresh, "wbe") : NULL;
    bool is_written = file != NULL && fwrite(text.data, 1, text.len, file) == text.len &&
                      fflush(file) == 0 && fsync(fileno(file)) == 0;
    int error = errno;
    if (file != NULL && fclose(file) != 0) {
        is_written = false;
    }
    if (!is_written || rename(fresh, path) != 0) {
        error = is_written ? errno : error;
        (void)unlink(fresh);
        return fault_set(fault, STATUS_SYSTEM, "%s", strerror(error));
    }
    return STATUS_OK;
}

static int import(struct command_call *call, const char *path)
{
    struct fault fault = {.status = STATUS_OK};
    struct bytes text = BYTES_NONE;
    struct codes *codes = NULL;
    enum codes_kind kind = CODES_REGION;
    if (read_file(call->arena, path, &text, &fault) != STATUS_OK ||
        code_tables_parse(text, &kind, &codes, &fault) != STATUS_OK) {
        return say_problem_because(call, PROBLEM_FILE, path, fault.text);
    }
    enum status status = call->is_dry_run ? STATUS_OK : put_file(call, kind, text, &fault);
    int exit = status == STATUS_OK ? EXIT_OK : say_status(call, status, call->directory, &fault);
    if (exit == EXIT_OK && call->is_json) {
        exit = say_json(call, table_json(kind, codes, true));
    } else if (exit == EXIT_OK) {
        (void)fprintf(call->out, "%s  %zu\n", kind_word(kind), codes_count(codes));
    }
    codes_free(codes);
    return exit;
}

int command_conf_codes(struct command_call *call)
{
    int exit = command_check_node(call);
    if (exit != EXIT_OK || call->argument_count == 0) {
        return exit == EXIT_OK ? show(call) : exit;
    }
    if (strcmp(call->arguments[0], "import") != 0) {
        return say_problem(call, PROBLEM_BAD_ARGUMENT, call->arguments[0]);
    }
    return call->argument_count == 2 ? import(call, call->arguments[1])
                                     : say_problem(call, PROBLEM_MISSING_ARGUMENT, "FILE");
}
