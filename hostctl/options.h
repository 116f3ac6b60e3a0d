/* SPDX-License-Identifier: GPL-3.0-or-later */
/* options: a command's options as a table. Options may stand before and behind operands; everything behind
 * "--" is a command line and is not looked at. */
#ifndef HOSTCTL_OPTIONS_H
#define HOSTCTL_OPTIONS_H

#include <stddef.h>
#include <stdio.h>

#include "core/err.h"

struct option {
    char letter;          /* 0: none */
    const char *name;     /* without "--" */
    const char *argument; /* what it takes: "FILE"; NULL: nothing */
    const char *help;
    size_t member; /* offset in the command's own struct: a bool, a const char *, or with many a struct
                      option_list */
    int many;
};

struct option_list {
    const char **values;
    size_t count;
};

struct operands {
    char **names; /* inside argv, NULL-terminated */
    size_t count;
    char **command; /* behind "--", NULL-terminated; NULL when there was none */
};

/* Fills `into` and the operands from argv, which it reorders; argv[0] is the command's name. Returns 0, or -1
 * with err. */
int options_parse(const struct option *options, int argc, char **argv, void *into, struct operands *operands,
                  struct err *err);

/* Frees the lists. */
void options_free(const struct option *options, void *into);

/* One line an option. */
void options_help(const struct option *options, FILE *to);

#endif
