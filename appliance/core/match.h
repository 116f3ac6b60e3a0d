/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * match: which requests to an allowed host are allowed. A route has a list of `matches`, of which at least one
 * has to hold if there are any, and a list of `deny`, of which none may. Within an entry every kind that is
 * given has to hold: any of its paths, any of its methods, all of its headers.
 *
 * What decides has to have one reading: where a path decides, one that servers read differently is refused
 * (core/url.h), and so is a request that asks for another path or method in a header or its query.
 *
 * `matches` is narrow and `deny` is wide where a server might be lenient. In `deny` letter case does not matter,
 * a slash at a path's end neither, one of several fields of a name is enough, and so is one part of a list
 * between commas. In `matches` all of that counts, and every field of the name has to hold.
 */
#ifndef CORE_MATCH_H
#define CORE_MATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "core/denial.h"
#include "core/err.h"
#include "core/str.h"

#define MATCH_ENTRIES_MAX 256  /* of a list; presets have up to 20 */
#define MATCH_PATHS_MAX   256  /* of an entry */
#define MATCH_METHODS_MAX 32   /* of an entry */
#define MATCH_HEADERS_MAX 32   /* of an entry */
#define MATCH_VALUE_MAX   4096 /* bytes of a path, header value or regular expression */
#define MATCH_NAME_MAX    64   /* bytes of an entry's name, NUL included */

/* PCRE2's own units; a regular expression that needs more for one value is a denial. A value of 64 KB against
 * an expression with one ".*" needs fewer steps. */
#define MATCH_STEPS_MAX 100000 /* of matching: some milliseconds */
#define MATCH_HEAP_MAX  4096   /* KiB */

enum match_type { MATCH_PREFIX, MATCH_EXACT, MATCH_REGEX };

struct match_value {
    enum match_type type;
    struct str text;                 /* as it was written; NUL-terminated */
    struct str plain;                /* what is compared: of a path, decoded; NUL-terminated */
    struct pcre2_real_code_8 *regex; /* NULL but for MATCH_REGEX */
};

struct match_header {
    struct str name; /* NUL-terminated */
    struct match_value value;
};

struct match_entry {
    char name[MATCH_NAME_MAX]; /* what the audit calls it; "" = by its place */
    struct match_value *paths;
    struct str *methods; /* NUL-terminated */
    struct match_header *headers;
    size_t path_count, method_count, header_count;
    unsigned line; /* of the manifest; 0: not known, as always in the sidecar */
};

struct match_list {
    struct match_entry *entries; /* NULL = no list was given */
    size_t count;
    bool deny;
};

/* A route's two lists. All zero: everything is allowed. */
struct match_rules {
    struct match_list matches, deny;
    bool by_path, by_method; /* set by match_finish: some entry decides by this */
};

/* As manifests and policies write it. match_type_find returns -1 for other words. */
const char *match_type_name(enum match_type type);
int match_type_find(struct str name);

/* Building. match_list_new makes room for 1 to MATCH_ENTRIES_MAX entries and the first `count` exist, empty.
 * match_entry_new the same for the parts of an entry. Both return 0, or -1 when memory is out. */
int match_list_new(struct match_list *list, size_t count, bool deny);
int match_entry_new(struct match_entry *entry, size_t paths, size_t methods, size_t headers);

/* One more part; there has to be room. The text is copied. Returns 0, or -1 with err: what is wrong with the
 * value, as words that go on after it ("must begin with \"/\""). `deny`: of which list the entry is. */
int match_add_path(struct match_entry *entry, bool deny, enum match_type type, struct str text,
                   struct err *err);
int match_add_method(struct match_entry *entry, struct str text, struct err *err);
int match_add_header(struct match_entry *entry, bool deny, struct str name, enum match_type type,
                     struct str text, struct err *err);

/* What is wrong with the name of a header; NULL when nothing is. */
const char *match_header_problem(struct str name);

/* After both lists are whole. */
void match_finish(struct match_rules *rules);
void match_fini(struct match_rules *rules);

struct match_field {
    struct str name, value;
};

struct match_request {
    struct str method;
    struct str path, query; /* as sent: "/a%20b", "?x=y" or empty */
    /* The fields of the agent's that go on: what is taken out decides nothing. */
    const struct match_field *fields;
    size_t field_count;
};

/* Whether the request may go on. *entry is the one that decided: of matches when it is allowed, of deny when it
 * is not; else NULL. Costs no allocation, but for PCRE2's own on its first use. Not reentrant. */
enum denial match_judge(const struct match_rules *rules, const struct match_request *request,
                        const struct match_entry **entry);

/* "matches[1]", "deny[0]", or the name that it was given. */
void match_entry_name(const struct match_rules *rules, const struct match_entry *entry,
                      char out[MATCH_NAME_MAX]);

#endif
