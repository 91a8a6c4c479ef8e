/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as guantong.yaml: refused with a reason, or settings that survive being merged and
 * written as text.
 */
#include <stdlib.h>

#include "conf/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct settings *settings = NULL;
    struct fault fault = {.status = STATUS_OK};
    enum status status = settings_parse(bytes_of(data, size), "fuzz.yaml", &settings, &fault);
    if (status != STATUS_OK) {
        if (settings != NULL || fault.text[0] == '\0' || fault.status != status) {
            abort();
        }
        return 0;
    }
    struct settings *merged = settings_merge(settings, settings);
    for (size_t i = 0; merged != NULL && i < settings_row_count(); i++) {
        char text[4096];
        const struct setting_row *row = settings_row(i);
        (void)settings_value(merged, row, text, sizeof(text));
        if (settings_differ(settings, merged, row)) {
            abort();
        }
    }
    settings_free(merged);
    settings_free(settings);
    return 0;
}
