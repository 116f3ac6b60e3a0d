/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * search: what a worker needs to look through traffic (dlp/scan.h): the engine of each policy, which arrives with it, and of
 * each host the ends of what was sent there last.
 */
#ifndef PROXY_SEARCH_H
#define PROXY_SEARCH_H

#include "core/err.h"
#include "core/h1_head.h"
#include "core/policy.h"
#include "dlp/scan.h"

struct search;

/* NULL when memory is out. */
struct search *search_new(void);

/* The database of the policy of this generation, which follows (sys/worker.h, on_database and on_offer: ctx is the search).
 * Both return 0, or -1 with err: without its database a policy that has anything searched for is not taken. */
int search_database(struct search *search, uint64_t generation, int fd, struct err *err);
int search_offer(struct search *search, struct policy *policy, struct err *err);

/* The engine of a policy that was taken; NULL when it has nothing searched for. Lives as long as the policy. */
struct dlp_engine *search_engine(const struct policy *policy);

/* What was sent to a host, or to all hosts of a wildcard, last, by the route's name ("*.a.example"); of those that were used longest ago it
 * is forgotten. Lives until it is given back. NULL when memory is out. */
struct dlp_carry *search_carry(struct search *search, const char *name);
void search_carry_back(struct search *search, struct dlp_carry *carry); /* NULL is fine */

/* A finding in words, without what was found: "known_secrets: FORGE_TOKEN in the header value". */
void search_describe(const struct dlp_engine *engine, const struct dlp_finding *finding, char *text,
                     size_t size);

/* The values of all fields content-encoding, as one list; `text` is its memory. A list that does not fit is one unknown coding: what
 * was cut off it could be the one that counts. */
struct str search_codings(const struct h1_head *head, char *text, size_t size);

#endif
