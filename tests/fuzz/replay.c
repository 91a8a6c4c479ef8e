/* SPDX-License-Identifier: Apache-2.0
 *
 * Gives each file named on the command line, and each file below a directory named there, to the
 * fuzz target it is linked with: the corpus as a regression test, without a fuzzer.
 *
 * Ends with 0 when every input came back, 1 when there was none or one could not be read.
 */
#include <fts.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Memory of the input's exact size, so that a sanitizer sees a read past its end. */
static uint8_t *read_file(FILE *file, size_t size)
{
    uint8_t *data = malloc(size == 0 ? 1 : size);
    if (data != NULL && fread(data, 1, size, file) != size) {
        free(data);
        return NULL;
    }
    return data;
}

static int replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    long size = -1;
    if (file != NULL && fseek(file, 0, SEEK_END) == 0) {
        size = ftell(file);
        rewind(file);
    }
    if (size >= 0) {
        data = read_file(file, (size_t)size);
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    if (data == NULL) {
        (void)fprintf(stderr, "replay: %s cannot be read\n", path);
        return -1;
    }
    (void)LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
    return 0;
}

static int compare_names(const FTSENT **a, const FTSENT **b)
{
    const char *name_a = (*a)->fts_name;
    const char *name_b = (*b)->fts_name;
    while (*name_a != '\0' && *name_a == *name_b) {
        name_a++;
        name_b++;
    }
    return *name_a - *name_b;
}

int main(int argc, char **argv)
{
    size_t replayed = 0;
    size_t unread = 0;
    FTS *tree = argc < 2 ? NULL : fts_open(argv + 1, FTS_LOGICAL | FTS_NOCHDIR, compare_names);
    FTSENT *entry = NULL;
    while (tree != NULL && (entry = fts_read(tree)) != NULL) {
        switch (entry->fts_info) {
        case FTS_F:
            if (replay(entry->fts_accpath) == 0) {
                replayed++;
            } else {
                unread++;
            }
            break;
        case FTS_DNR:
        case FTS_ERR:
        case FTS_NS:
        case FTS_SLNONE:
            (void)fprintf(stderr, "replay: %s cannot be read\n", entry->fts_path);
            unread++;
            break;
        default:
            break;
        }
    }
    if (tree != NULL) {
        (void)fts_close(tree);
    }
    printf("replayed %zu inputs\n", replayed);
    return replayed > 0 && unread == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
