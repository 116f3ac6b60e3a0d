/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * dlp_rules: what a route has looked for in what passes, and what becomes of it when it is found. A route that
 * says nothing has the defaults: nothing is unscanned for want of a word.
 *
 *   {"outbound": ["token_patterns", "known_secrets"],  optional; [] = none; absent: these two
 *    "outbound_on_match": "block",                      optional; "block" (the default), "redact" or "supervise"
 *    "inbound": ["naive_injection_detection"],          optional; [] = none; absent: this one
 *    "inbound_on_match": "block",                       optional; "block" (the default), "annotate" or "log"
 *    "transcript": true,                                optional; the bodies of its requests carry a conversation
 *                                                       again and again: what is found in one never ends it
 *    "budget": 10485760}                                optional; bytes that its requests may hold in any minute
 *                                                       (core/budget.h), 1 to BUDGET_MAX
 */
#ifndef CORE_DLP_RULES_H
#define CORE_DLP_RULES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/str.h"

/* Detectors, a bit each. */
#define DLP_RULES_TOKENS    1u
#define DLP_RULES_SECRETS   2u
#define DLP_RULES_ENTROPY   4u
#define DLP_RULES_INJECTION 8u

enum dlp_rules_action {
    DLP_RULES_BLOCK,
    DLP_RULES_REDACT,
    DLP_RULES_ANNOTATE,
    DLP_RULES_LOG,
    DLP_RULES_SUPERVISE
};

struct dlp_rules {
    unsigned outbound, inbound; /* detectors */
    enum dlp_rules_action outbound_on_match, inbound_on_match;
    bool transcript;
    uint64_t budget; /* bytes a minute; 0 = no limit */
};

/* What a route has that says nothing; `provider`: it leads to the agent's own language model. */
struct dlp_rules dlp_rules_default(bool provider);

/* The bit of a detector of this direction, 0 = there is none of this name; and the name of a bit. */
unsigned dlp_rules_detector(bool outbound, struct str name);
const char *dlp_rules_detector_name(unsigned detector);

/* What can be done with a match in this direction: its number, or -1; and its name. */
int dlp_rules_action(bool outbound, struct str name);
const char *dlp_rules_action_name(enum dlp_rules_action action);

/* Reads the object above over what *rules holds. Returns 0, or -1 with err naming the member. */
int dlp_rules_read(json_t *value, struct dlp_rules *rules, struct err *err);

/* The object that reads the same, with what differs from the default of a route that says nothing. A new reference; NULL
 * when memory is out, or nothing differs. */
json_t *dlp_rules_write(const struct dlp_rules *rules);

bool dlp_rules_same(const struct dlp_rules *a, const struct dlp_rules *b);

#endif
