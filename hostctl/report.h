/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report: all errors of a manifest's files, so that the user sees them at once: file by file, in the order of
 * their lines. */
#ifndef HOSTCTL_REPORT_H
#define HOSTCTL_REPORT_H

#include <stddef.h>
#include <stdio.h>

#include "core/str.h"

#define REPORT_MAX 1000 /* lines kept; more are counted */

struct report {
    const char *file; /* borrowed: the name as the user gave it; see report_file */
    struct report_line {
        const char *file;
        unsigned line; /* 1-based; 0 = the file as a whole */
        char *text;
    } * lines;
    struct report_name { /* private: what report_file was given */
        char *text;
        struct report_name *next;
    } * names;
    size_t count; /* errors met, kept or not: 0 = all is well */
    size_t kept;
};

void report_init(struct report *report, const char *file);
void report_fini(struct report *report);

/* The errors to come are of this file; the name is copied, and lives as long as the report. NULL: of the same
 * as before. Returns the copy, or NULL when memory is out (which the report says). */
const char *report_file(struct report *report, const char *file);

/* One more error: "FILE:LINE: PATH: MESSAGE". An empty path and line 0 are left out. */
void report_add(struct report *report, unsigned line, const char *path, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Writes one error a line. */
void report_print(struct report *report, FILE *to);

/* The bytes in double quotes for a message: control characters and quotes escaped, at most 64 bytes of text,
 * then "…". The input is valid UTF-8 or comes out escaped. */
#define REPORT_QUOTED 272
const char *report_quote(struct str text, char out[REPORT_QUOTED]);

#endif
