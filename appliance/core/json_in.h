/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * json_in: reading JSON strictly: what is not understood is an error. The members of an object are a table of
 * name and reader, so a new one is one line and one function.
 */
#ifndef CORE_JSON_IN_H
#define CORE_JSON_IN_H

#include <jansson.h>
#include <stdbool.h>

#include "core/err.h"
#include "core/str.h"

struct json_in_member {
    const char *name; /* NULL ends the table */
    int (*read)(json_t *value, void *into, struct err *err);
    bool internal; /* by init only */
};

/* "an object", "a string", … */
const char *json_in_type(const json_t *value);

/* The bytes of a string, borrowed; the empty slice for anything else. */
struct str json_in_text(const json_t *value);

/* Reads each member with its reader; one that the table does not have is an error. Returns 0, or -1 with err
 * naming the member. */
int json_in_object(json_t *object, const struct json_in_member *members, bool internal, void *into,
                   struct err *err);

int json_in_bool(const json_t *value, bool *into, struct err *err);

#endif
