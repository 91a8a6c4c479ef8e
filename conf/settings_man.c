/* SPDX-License-Identifier: Apache-2.0
 *
 * guantong.yaml(5), from the same table as everything else about settings.
 */
#include <string.h>

#include "conf/settings.h"

/* Text as troff takes it: no leading control character, dashes and backslashes escaped. */
static void write_text(FILE *out, const char *text)
{
    if (*text == '.' || *text == '\'') {
        (void)fputs("\\&", out);
    }
    for (; *text != '\0'; text++) {
        if (*text == '-' || *text == '\\') {
            (void)fputc('\\', out);
        }
        (void)fputc(*text, out);
    }
}

static void write_row(FILE *out, const struct setting_row *row)
{
    (void)fputs(".TP\n.B ", out);
    write_text(out, row->key);
    (void)fputc('\n', out);
    write_text(out, row->help);
    (void)fputs("\nDefault: ", out);
    write_text(out, row->fallback[0] == '\0' ? "none" : row->fallback);
    (void)fputs(".\n", out);
    if (row->type == SETTING_CHOICE) {
        (void)fputs("One of: ", out);
        write_text(out, row->min);
        (void)fputs(".\n", out);
    } else if (row->min[0] != '\0') {
        (void)fputs("From ", out);
        write_text(out, row->min);
        (void)fputs(" to ", out);
        write_text(out, row->max);
        (void)fputs(".\n", out);
    }
    if (row->reload == SETTING_RESTART) {
        (void)fputs("Takes effect at the next start.\n", out);
    }
}

void settings_write_man(FILE *out)
{
    (void)fputs(".\\\" SPDX-License-Identifier: Apache-2.0\n"
                ".\\\" Made by `guantong conf reference --man` from conf/settings.def.\n"
                ".TH GUANTONG.YAML 5 \"\" \"guantong " GUANTONG_VERSION "\" \"Guantong\"\n"
                ".SH NAME\nguantong.yaml \\- settings of a guantong node\n"
                ".SH DESCRIPTION\n"
                "The file in the node's directory that\n.BR guantongd (8)\nreads at start and on "
                "reload: YAML, one mapping per section.\n"
                "Every setting may be left out.\n"
                "Sizes are written 64K, 16M, 4G, 1T; durations 500ms, 30s, 5m, 1h, 1d; lists as "
                "sequences or separated by commas.\n"
                "A file with a mistake is refused as a whole, with line, column and remedy;\n"
                ".B guantong conf check\ntells before a reload does.\n",
                out);
    const char *section = "";
    for (size_t i = 0; i < settings_row_count(); i++) {
        const struct setting_row *row = settings_row(i);
        if (strcmp(row->section, section) != 0) {
            section = row->section;
            (void)fprintf(out, ".SH SECTION %s\n", section);
        }
        write_row(out, row);
    }
    (void)fputs(".SH SEE ALSO\n.BR guantong (1),\n.BR guantongd (8)\n", out);
}
