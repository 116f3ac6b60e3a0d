/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gitfetch: git over HTTP. Fetching (smart HTTP, protocol 0 to 2, and Git LFS downloads) is for routes with
 * git.fetch: true; pushing is for none, however it is spelled.
 */
#ifndef CORE_GITFETCH_H
#define CORE_GITFETCH_H

#include <stdbool.h>

#include "core/denial.h"
#include "core/h1_head.h"
#include "core/policy.h"
#include "core/request.h"

#define GITFETCH_BODY_MAX                                                                                    \
    65536 /* bytes of a Git LFS batch request: a client asks for 100 objects at once, in 12 KB */

/* Whether this request may go on as far as git is concerned. Sets request->look when it may not go on before
 * gitfetch_batch has seen its whole body. */
enum denial gitfetch_judge(const struct route *route, const struct h1_head *head, struct request *request);

/* What a Git LFS batch request asks for: DENIAL_NONE when it is clearly a download. */
enum denial gitfetch_batch(struct str body);

#endif
