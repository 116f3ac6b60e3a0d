/* SPDX-License-Identifier: GPL-3.0-or-later */
/* audit_lines: an audit stream line by line: from a file, from the file that a sidecar still appends to, or from the
 * runtime's own log. */
#ifndef HOSTCTL_AUDIT_LINES_H
#define HOSTCTL_AUDIT_LINES_H

#include "core/buf.h"
#include "core/err.h"
#include "core/str.h"
#include "hostctl/runtime.h"
#include "hostctl/state.h"

struct audit_lines {
    int fd;
    pid_t child;                /* that asks the runtime; 0 = none */
    const struct state *follow; /* borrowed: whose end is the stream's end; NULL = what is there now */
    struct buf in;
    size_t given; /* bytes of the line that the last call gave */
};

/* A file, as it is now. Returns 0, or -1 with err. */
int audit_lines_file(struct audit_lines *lines, const char *path, struct err *err);

/* A bottle that exists: with follow until it ends. state stays open as long as lines. */
int audit_lines_bottle(struct audit_lines *lines, const struct state *state, const struct runtime *runtime,
                       bool follow, struct err *err);

/* The next line, LF included, valid until the next call; one that ends without LF, or is longer than a line may be,
 * comes as it is. Returns 1, 0 at the end, -1 with err. */
int audit_lines_next(struct audit_lines *lines, struct str *line, struct err *err);

/* For who waits for several things at once: from here on at the end of what is there (a file), and without waiting. The
 * stream is a bottle's, with follow. Returns 0, or -1 with err. */
int audit_lines_live(struct audit_lines *lines, struct err *err);

/* As audit_lines_next; also 2: there is none now. */
int audit_lines_try(struct audit_lines *lines, struct str *line, struct err *err);

/* Whether the next call would find its line without reading. */
bool audit_lines_ready(const struct audit_lines *lines);

void audit_lines_close(struct audit_lines *lines);

#endif
