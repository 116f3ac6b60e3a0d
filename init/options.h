/* SPDX-License-Identifier: GPL-3.0-or-later */
/* options: the command line of stopper-init, from one table. Sets nothing in motion. */
#ifndef INIT_OPTIONS_H
#define INIT_OPTIONS_H

#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>

#include "core/cidr.h"
#include "core/err.h"

#define OPTIONS_PROXIES_MAX 64
#define OPTIONS_WAIT_MAX    60 /* seconds */

struct options {
    char egress[IFNAMSIZ]; /* "" = find it */
    char agent[IFNAMSIZ];
    unsigned proxies;    /* 1 to OPTIONS_PROXIES_MAX; default 1 */
    unsigned wait_s;     /* for the interfaces; 0 to OPTIONS_WAIT_MAX, default 10 */
    struct ip host;      /* of the machine that runs the bottle; family 0 = the gateway of the egress side */
    bool no_host;        /* nothing leads to it */
    const char *policy;  /* path of a file, borrowed from argv; "" = none */
    const char *secrets; /* the same; only with policy, as are keys */
    const char *keys;
    bool die_with_parent;
    bool help, version;
};

/* Reads argv[1] and on. Returns 0, or -1 with err. */
int options_parse(int argc, char *const *argv, struct options *options, struct err *err);

void options_help(FILE *out);

#endif
