/* SPDX-License-Identifier: GPL-3.0-or-later */
/* starter: a bottle to begin with, put together from what tools say of themselves (starter_tools.h) and written as a manifest in
 * Markdown. Routes are read-only: GET and HEAD, and fetches of git from the named repositories. */
#ifndef HOSTCTL_STARTER_H
#define HOSTCTL_STARTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/cidr.h"
#include "core/err.h"
#include "core/gate_url.h"
#include "core/policy.h"
#include "hostctl/rt_oci_run.h"
#include "hostctl/starter_url.h"

#define STARTER_ROUTES_MAX    64
#define STARTER_ADDRESSES_MAX 8   /* private ones of a route */
#define STARTER_REPOS_MAX     64  /* of a route, and of the gate */
#define STARTER_NAME_MAX      128 /* bytes of a setting's or a remote's name */

struct starter_route {
    char host[HOST_MAX + 1];
    uint16_t ports[POLICY_MAX_PORTS];
    size_t port_count;
    struct words reasons; /* who names it: "npm: registry" */
    struct words repos;   /* paths of repositories, without ".git"; canonical */
    bool registry;        /* some tool reads from all of the host */
    bool credentials;     /* a URL had one */
    const char *tool;     /* that named it first; static */
    struct ip addresses[STARTER_ADDRESSES_MAX];
    size_t address_count;
    bool unresolved;
};

/* A repository that is reached by ssh. */
struct starter_gate {
    char name[65], *url; /* owned */
    struct gate_url from;
};

struct starter {
    struct starter_route routes[STARTER_ROUTES_MAX];
    size_t route_count;
    struct starter_gate gates[STARTER_REPOS_MAX];
    size_t gate_count;
    const char *
        key; /* for all of them, as a manifest has it; static. NULL: there is none, and they become comments */
    struct words env;   /* NAME and value in turn */
    struct words notes; /* what became no route, a line each, for people */
    struct words tools; /* the tools that were asked */
};

void starter_init(struct starter *starter);
void starter_fini(struct starter *starter);

/* A host of which all may be read (repo NULL), or this repository's path. `setting` is the tool's word for it, which the file
 * repeats. Return 0, or -1 with err. */
int starter_route(struct starter *starter, const char *tool, struct str setting,
                  const struct starter_url *url, const char *repo, struct err *err);

/* A repository for the gate, by its "ssh://" URL, which core/gate_url.h takes. One that is there already is not added again. */
int starter_gate(struct starter *starter, const char *url, struct err *err);

/* A variable for the tool in the bottle. Its value is printable ASCII, or this is an error. */
int starter_env(struct starter *starter, const char *name, const char *value, struct err *err);

/* A line for people, in the file and on the terminal. What of it came from a tool is bounded and printable. */
int starter_note(struct starter *starter, struct err *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What a route's name leads to: addresses that no bottle may dial are an error when there are no others; private ones become its
 * allow_private. count 0: the name did not resolve. */
int starter_addresses(struct starter_route *route, const struct ip *addresses, size_t count, struct err *err);

/* Writes the whole as a manifest in Markdown. gate_open: the gate's part is no comment, whatever the key (for checks). The same starter gives the same
 * bytes. Returns 0, or -1 when the stream failed. */
int starter_write(const struct starter *starter, const char *name, bool gate_open, FILE *out);

#endif
