/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * swap: where in a request the route's value takes the placeholder's place: in Authorization, in the header of the route's
 * auth, and in the fields and parameters that it names (core/policy.h). There it has to be a word of its own, of a
 * parameter the whole, in Basic credentials the user or the password. What is written is proxy/credentials.h's.
 */
#ifndef CORE_SWAP_H
#define CORE_SWAP_H

#include <stdbool.h>
#include <stddef.h>

#include "core/h1_head.h"
#include "core/policy.h"
#include "core/str.h"

#define SWAP_BASIC_MAX 8192 /* bytes of Basic credentials that are looked into */

/* Whether the placeholder stands in this field as said above. */
bool swap_field(const struct route *route, const struct h1_field *field);

/* The same for the text of a field that is not Basic: where its next word is the placeholder; text.len: nowhere. */
size_t swap_word(const struct route *route, struct str text);

/* Whether the text of a field is Basic credentials (RFC 7617). *coded is what is behind the scheme. */
bool swap_is_basic(struct str text, struct str *coded);

/* Decodes Basic credentials. Returns whether the placeholder is their user or their password, and what stands before and
 * behind it, in plain. */
bool swap_basic(const struct route *route, struct str coded, char plain[SWAP_BASIC_MAX], struct str *before,
                struct str *behind);

/* What becomes of a parameter "name=value" of the query. */
enum swap_parameter {
    SWAP_OTHER, /* it is none of the route's: it goes on */
    SWAP_OUT,   /* it is, and holds something else: it stays behind */
    SWAP_VALUE, /* it is the placeholder; *name is its name as it is written */
};
enum swap_parameter swap_parameter(const struct route *route, struct str pair, struct str *name);

/* The next "name=value" of a query ("?a=b&c") from *at on, which begins with 1. Returns false at the end. */
bool swap_next_pair(struct str query, size_t *at, struct str *pair);

#endif
