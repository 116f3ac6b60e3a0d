/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gitea: deploy keys of a repository on a Gitea (or Forgejo) server, by its published API
 * (docs.gitea.com/api: repoListKeys, repoCreateKey, repoDeleteKey). The program curl speaks HTTP: it gets the whole
 * request on its stdin, so that the token is neither in its arguments nor in its environment, reads no configuration of
 * the user's, follows no redirect, and has a bound for time and size. What the server says is hostile text: errors hold
 * it cut, as printable ASCII, and without the token.
 */
#ifndef HOSTCTL_GITEA_H
#define HOSTCTL_GITEA_H

#include <jansson.h>

#include "core/err.h"
#include "core/secret.h"
#include "core/str.h"

#define GITEA_SECONDS   15         /* for one request, unless said otherwise */
#define GITEA_ANSWER    (1u << 20) /* bytes of one answer */
#define GITEA_TITLE_MAX 255        /* bytes: what its database keeps of a title */
#define GITEA_SCOPE     "Repository: Read and Write"

struct gitea {
    const char *url; /* "https://host[:port][/path]", no "/" at the end; plain http where it says so */
    const char *owner, *repo;
    const struct secret *token;
    unsigned seconds; /* for one request; 0: GITEA_SECONDS */
    int interrupt;    /* see runtime.h; -1: none */
};

enum gitea_result {
    GITEA_DONE,
    GITEA_ABSENT,  /* 404: no such repository (or key), or none that the token may see */
    GITEA_REFUSED, /* another answer after which all is as it was */
    GITEA_UNKNOWN  /* no answer, or none that is understood: it may have been done */
};

/* Whether curl can be run at all. Returns 0, or -1 with err, which says what to install. */
int gitea_ready(struct err *err);

/* All below: err says what was asked, the status, and the API's message, for every result but GITEA_DONE. */

/* Adds a key that may read and write. The title must be new in this repository. */
enum gitea_result gitea_add(const struct gitea *gitea, const char *title, const char *key, json_int_t *id,
                            struct err *err);

enum gitea_result gitea_delete(const struct gitea *gitea, json_int_t id, struct err *err);

/* All keys of the repository: *keys is an array of objects with "id" and "title", which are an integer above 0 and a
 * string (json_decref). */
enum gitea_result gitea_list(const struct gitea *gitea, json_t **keys, struct err *err);

/* What the three above are made of. */

struct gitea_request {
    const char *method;
    char url[2048];
    char *body; /* of json_dumps; NULL: none */
};

/* What is made of all that curl printed: the body, and "\nSTATUS LOCATION" behind it. GITEA_DONE: the status is `wanted`, and
 * *answer is the body's JSON (json_decref); answer NULL: there is no body to read. */
enum gitea_result gitea_judge(const struct gitea *gitea, const struct gitea_request *request,
                              struct str printed, unsigned wanted, json_t **answer, struct err *err);

#endif
