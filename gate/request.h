/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * request: the one line with which a client of git's own protocol begins (gitprotocol-pack(5), "Git Transport"):
 *
 *   git-upload-pack /NAME:REST\0host=…\0\0version=2\0
 *
 * NAME is a repository's of the policy. REST is what was behind the URL of which the agent's git made this one, so it is
 * nothing, "/", ".git" or ".git/" where that URL was the repository's; else the agent means another one, and REST is the
 * end of its URL. The path is never a path of this machine. Hostile bytes: read strictly, nothing is decoded.
 */
#ifndef GATE_REQUEST_H
#define GATE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "core/gate_url.h"
#include "core/str.h"

#define REQUEST_MAX 4096 /* bytes of the line, its length included; git's own are below 300 */

/* The last two are the gate's own (gate/chores.h): no line asks for them. */
enum request_service { REQUEST_FETCH, REQUEST_PUSH, REQUEST_PREFETCH, REQUEST_UPKEEP };

struct request {
    enum request_service service;
    unsigned protocol; /* 0, 1 or 2, as the client asked: the highest that it named */
    char name[GATE_NAME_MAX + 1];
    struct str rest; /* printable ASCII; borrows the line */
    bool exact;      /* rest is one of the four that mean the repository itself */
};

/* Reads the bytes behind the length. Returns NULL, or a sentence that says what is wrong with them. */
const char *request_parse(struct str line, struct request *request);

#endif
