/* SPDX-License-Identifier: Apache-2.0
 *
 * The limit of an import from JSON Lines: jansson alone parses every line of a file, nothing else
 * happens. Frozen: it uses no header of ours.
 *
 *   baseline_jansson FILE     prints the seconds it took and the lines
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int count, char **text)
{
    struct timespec begin;
    struct timespec end;
    char *line = NULL;
    size_t size = 0;
    unsigned long lines = 0;
    FILE *file = count == 2 ? fopen(text[1], "r") : NULL;
    if (file == NULL) {
        (void)fprintf(stderr, "baseline_jansson FILE\n");
        return 2;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &begin);
    for (ssize_t len = getline(&line, &size, file); len >= 0; len = getline(&line, &size, file)) {
        json_t *value = json_loadb(line, (size_t)len, JSON_REJECT_DUPLICATES, NULL);
        if (value == NULL) {
            return 1;
        }
        json_decref(value);
        lines++;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    double seconds = (double)(end.tv_sec - begin.tv_sec);
    printf("%.6f %lu\n", seconds + (double)(end.tv_nsec - begin.tv_nsec) / 1e9, lines);
    free(line);
    (void)fclose(file);
    return 0;
}
