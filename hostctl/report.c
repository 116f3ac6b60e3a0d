/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report: see report.h. A manifest may come from elsewhere, so nothing in it may drive the terminal it is
 * shown on. */
#include "hostctl/report.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void report_init(struct report *report, const char *file)
{
    *report = (struct report){.file = file};
}

void report_fini(struct report *report)
{
    for (size_t i = 0; i < report->kept; i++)
        free(report->lines[i].text);
    free(report->lines);
    for (struct report_name *name = report->names, *next; name != NULL; name = next) {
        next = name->next;
        free(name->text);
        free(name);
    }
    report_init(report, NULL);
}

const char *report_file(struct report *report, const char *file)
{
    struct report_name *name = report->names;

    if (file == NULL || (report->file != NULL && strcmp(report->file, file) == 0))
        return report->file;
    while (name != NULL && strcmp(name->text, file) != 0)
        name = name->next;
    if (name == NULL) {
        name = calloc(1, sizeof *name);
        char *text = strdup(file);
        if (name == NULL || text == NULL) {
            free(name);
            free(text);
            report_add(report, 0, "", "out of memory");
            return NULL;
        }
        *name = (struct report_name){text, report->names};
        report->names = name;
    }
    return report->file = name->text;
}

static bool same_file(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Where an error of the report's file and this line belongs: behind the file's own of the same line or an
 * earlier one, and behind all of other files that are there already. */
static size_t place(const struct report *report, unsigned line)
{
    size_t at = report->kept;

    while (at > 0 && !same_file(report->lines[at - 1].file, report->file))
        at--;
    if (at == 0)
        return report->kept;
    while (at > 0 && same_file(report->lines[at - 1].file, report->file) && report->lines[at - 1].line > line)
        at--;
    return at;
}

__attribute__((format(printf, 2, 0))) static char *format_text(const char *path, const char *format,
                                                               va_list args)
{
    char message[1024];

    vsnprintf(message, sizeof message, format, args);
    size_t size = strlen(path) + strlen(message) + 3;
    char *text = malloc(size);
    if (text != NULL)
        snprintf(text, size, "%s%s%s", path, path[0] != '\0' ? ": " : "", message);
    return text;
}

void report_add(struct report *report, unsigned line, const char *path, const char *format, ...)
{
    va_list args;

    report->count++;
    if (report->kept == REPORT_MAX)
        return;
    if (report->lines == NULL)
        report->lines = calloc(REPORT_MAX, sizeof *report->lines);
    if (report->lines == NULL)
        return;
    va_start(args, format);
    char *text = format_text(path, format, args);
    va_end(args);
    if (text == NULL)
        return;
    size_t at = place(report, line);
    memmove(&report->lines[at + 1], &report->lines[at], (report->kept++ - at) * sizeof *report->lines);
    report->lines[at] = (struct report_line){report->file, line, text};
}

void report_print(struct report *report, FILE *to)
{
    for (size_t i = 0; i < report->kept; i++)
        if (report->lines[i].line == 0)
            fprintf(to, "%s: %s\n", report->lines[i].file, report->lines[i].text);
        else
            fprintf(to, "%s:%u: %s\n", report->lines[i].file, report->lines[i].line, report->lines[i].text);
    if (report->count > report->kept)
        fprintf(to, "%s: %zu more errors\n", report->file, report->count - report->kept);
}

const char *report_quote(struct str text, char out[REPORT_QUOTED])
{
    enum { shown = 64 };
    size_t len = 0, end = text.len < shown ? text.len : shown;

    if (end < text.len) /* not in the middle of a character */
        while (end > 0 && ((unsigned char)text.ptr[end] & 0xc0) == 0x80)
            end--;
    out[len++] = '"';
    for (size_t i = 0; i < end; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        unsigned char next = i + 1 < end ? (unsigned char)text.ptr[i + 1] : 0;
        bool c1 = c == 0xc2 && next < 0xa0; /* U+0080 to U+009F */
        if (c < 0x20 || c == 0x7f || c == '"' || c == '\\' || c1 || c > 0xf4)
            len += (size_t)snprintf(out + len, REPORT_QUOTED - len, "\\x%02x", c);
        else
            out[len++] = (char)c;
        if (c1 && i + 1 < end)
            len += (size_t)snprintf(out + len, REPORT_QUOTED - len, "\\x%02x", (unsigned char)text.ptr[++i]);
    }
    snprintf(out + len, REPORT_QUOTED - len, "%s\"", end < text.len ? "\xe2\x80\xa6" : "");
    return out;
}
