/* SPDX-License-Identifier: Apache-2.0
 *
 * Checks one store against its ledger and prints what it found as a line of JSON.
 *
 *   crash_check STORE LEDGER [unmade] [write]
 *
 * `unmade`: the store may never have been made. `write`: writes one set at the end.
 * Exits 0: holds; 1: does not; 2: used wrongly.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/crash/store_check.h"

int main(int argc, char **argv)
{
    struct mark *marks = NULL;
    struct store_check check = {0};
    if (argc < 3) {
        (void)fprintf(stderr, "crash_check STORE LEDGER [unmade] [write]\n");
        return 2;
    }
    for (int i = 3; i < argc; i++) {
        check.may_be_unmade |= strcmp(argv[i], "unmade") == 0;
        check.writes_after |= strcmp(argv[i], "write") == 0;
    }
    if (!ledger_read(argv[2], &marks, &check.mark_count)) {
        (void)fprintf(stderr, "%s: not a ledger\n", argv[2]);
        return 2;
    }
    check.store = argv[1];
    check.marks = marks;
    struct store_report report;
    bool is_right = store_check_run(&check, &report);
    free(marks);
    for (char *c = report.reason; *c != '\0'; c++) {
        *c = *c == '"' || *c == '\\' ? '\'' : *c;
    }
    (void)printf("{\"ok\": %s, \"acknowledged\": %lu, \"stored\": %lu, \"unmade\": %s, "
                 "\"reason\": \"%s\"}\n",
                 is_right ? "true" : "false", (unsigned long)report.acknowledged,
                 (unsigned long)report.stored, report.was_unmade ? "true" : "false", report.reason);
    return is_right ? 0 : 1;
}
