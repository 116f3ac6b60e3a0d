/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * leak: the head of a request must not hold what belongs to another host: the placeholder or the value of another
 * route, or a value that no route has (the agent may read it, and it goes nowhere). Looked for as it is, percent-encoded
 * (up to four times), in base64 of either alphabet at each of the three places in a group, in hexadecimal, and in the
 * last two percent-encoded. The parts of a head are looked at one by one: target, names and values of fields.
 *
 * The cost is the head's length, however many there are: all are found by the last eight bytes of what they look like.
 */
#ifndef PROXY_LEAK_H
#define PROXY_LEAK_H

#include <stdbool.h>

#include "core/h1_head.h"
#include "core/policy.h"

#define LEAK_NAME (HOST_MAX + 32) /* bytes of leak_found.name, NUL included */

struct leak_found {
    char name[LEAK_NAME]; /* what was found, in words that hold nothing of it: "the value of FORGE_TOKEN" */
    bool canary;          /* it is the bottle's canary */
};

/* Whether a request for this route (NULL: for none) holds what is not that route's. What it is made of is made at the
 * policy's first request. Returns 1 with *found, 0, or -1 when memory is out. Not reentrant. */
int leak_head(struct policy *policy, const struct route *route, const struct h1_head *head,
              struct leak_found *found);

/* Whether a text holds a value, of whichever route: then no log may have it. *found: as above; may be NULL. Returns 1, 0, or
 * -1 when memory is out. */
int leak_text(struct policy *policy, struct str text, struct leak_found *found);

#endif
