/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * audit_show: which lines of an audit stream to show, and how a person reads one. Whatever a line holds, what is
 * written is printable ASCII: no escape sequence, line break, control character of C0 or C1, or bidirectional
 * control of Unicode gets to a terminal, and an agent's text cannot pass for a column that it is not.
 */
#ifndef HOSTCTL_AUDIT_SHOW_H
#define HOSTCTL_AUDIT_SHOW_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include "core/err.h"
#include "core/str.h"
#include "hostctl/options.h"

struct audit_filter {
    bool deny;                /* only what was refused, and alarms */
    struct option_list hosts; /* only these; "*.NAME": all below it. Empty = all */
    struct option_list kinds; /* only these. Empty = all */
};

/* Whether its kinds exist. Returns 0, or -1 with err, which lists them. */
int audit_filter_check(const struct audit_filter *filter, struct err *err);

/* Writes a line (LF included or not) when the filter wants it: for a person, or with `raw` as it is. What is no line
 * of JSON is always shown, with '?' for what is no printable ASCII. */
void audit_show(const struct audit_filter *filter, bool raw, struct str line, FILE *to);

#endif
