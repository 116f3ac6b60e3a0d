/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dlp_rules: see dlp_rules.h. Names stand in two tables; strict like all of the policy (json_in.h). */
#include "core/dlp_rules.h"

#include <inttypes.h>
#include <stddef.h>

#include "core/budget.h"
#include "core/json_in.h"

static const struct {
    const char *name;
    unsigned detector;
    bool outbound;
} detectors[] = {
    {"token_patterns", DLP_RULES_TOKENS, true},
    {"known_secrets", DLP_RULES_SECRETS, true},
    {"entropy", DLP_RULES_ENTROPY, true},
    {"naive_injection_detection", DLP_RULES_INJECTION, false},
};

static const struct {
    const char *name;
    bool outbound, inbound;
} actions[] = {
    [DLP_RULES_BLOCK] = {"block", true, true},          [DLP_RULES_REDACT] = {"redact", true, false},
    [DLP_RULES_ANNOTATE] = {"annotate", false, true},   [DLP_RULES_LOG] = {"log", false, true},
    [DLP_RULES_SUPERVISE] = {"supervise", true, false},
};

#define DETECTORS (sizeof detectors / sizeof detectors[0])
#define ACTIONS   (sizeof actions / sizeof actions[0])

struct dlp_rules dlp_rules_default(bool provider)
{
    return (struct dlp_rules){.outbound = DLP_RULES_TOKENS | DLP_RULES_SECRETS,
                              .inbound = DLP_RULES_INJECTION,
                              .outbound_on_match = provider ? DLP_RULES_REDACT : DLP_RULES_BLOCK,
                              .inbound_on_match = provider ? DLP_RULES_LOG : DLP_RULES_BLOCK,
                              .transcript = provider};
}

unsigned dlp_rules_detector(bool outbound, struct str name)
{
    for (size_t i = 0; i < DETECTORS; i++)
        if (detectors[i].outbound == outbound && str_equal(str_of(detectors[i].name), name))
            return detectors[i].detector;
    return 0;
}

const char *dlp_rules_detector_name(unsigned detector)
{
    for (size_t i = 0; i < DETECTORS; i++)
        if (detectors[i].detector == detector)
            return detectors[i].name;
    return "";
}

int dlp_rules_action(bool outbound, struct str name)
{
    for (size_t i = 0; i < ACTIONS; i++)
        if ((outbound ? actions[i].outbound : actions[i].inbound) && str_equal(str_of(actions[i].name), name))
            return (int)i;
    return -1;
}

const char *dlp_rules_action_name(enum dlp_rules_action action)
{
    return actions[action].name;
}

/* A list of detectors; an empty one is none. */
static int read_detectors(json_t *value, bool outbound, unsigned *into, struct err *err)
{
    if (!json_is_array(value))
        return err_set(err, "expected an array, found %s", json_in_type(value));
    *into = 0;
    for (size_t i = 0; i < json_array_size(value); i++) {
        unsigned one = dlp_rules_detector(outbound, json_in_text(json_array_get(value, i)));
        if (one == 0)
            return err_set(err, "[%zu]: no detector of this direction", i);
        if (*into & one)
            return err_set(err, "[%zu]: given twice", i);
        *into |= one;
    }
    return 0;
}

static int read_action(json_t *value, bool outbound, enum dlp_rules_action *into, struct err *err)
{
    int action = dlp_rules_action(outbound, json_in_text(value));

    if (action < 0)
        return err_set(err, "expected %s",
                       outbound ? "\"block\", \"redact\" or \"supervise\""
                                : "\"block\", \"annotate\" or \"log\"");
    *into = (enum dlp_rules_action)action;
    return 0;
}

static int read_outbound(json_t *value, void *into, struct err *err)
{
    return read_detectors(value, true, &((struct dlp_rules *)into)->outbound, err);
}

static int read_inbound(json_t *value, void *into, struct err *err)
{
    return read_detectors(value, false, &((struct dlp_rules *)into)->inbound, err);
}

static int read_outbound_on_match(json_t *value, void *into, struct err *err)
{
    return read_action(value, true, &((struct dlp_rules *)into)->outbound_on_match, err);
}

static int read_inbound_on_match(json_t *value, void *into, struct err *err)
{
    return read_action(value, false, &((struct dlp_rules *)into)->inbound_on_match, err);
}

static int read_transcript(json_t *value, void *into, struct err *err)
{
    return json_in_bool(value, &((struct dlp_rules *)into)->transcript, err);
}

static int read_budget(json_t *value, void *into, struct err *err)
{
    json_int_t bytes = json_integer_value(value);

    if (bytes < 1 || bytes > (json_int_t)BUDGET_MAX)
        return err_set(err, "expected 1 to %" PRIu64 " bytes", BUDGET_MAX);
    ((struct dlp_rules *)into)->budget = (uint64_t)bytes;
    return 0;
}

int dlp_rules_read(json_t *value, struct dlp_rules *rules, struct err *err)
{
    static const struct json_in_member members[] = {{"outbound", read_outbound, false},
                                                    {"outbound_on_match", read_outbound_on_match, false},
                                                    {"inbound", read_inbound, false},
                                                    {"inbound_on_match", read_inbound_on_match, false},
                                                    {"transcript", read_transcript, false},
                                                    {"budget", read_budget, false},
                                                    {NULL, NULL, false}};
    return json_in_object(value, members, false, rules, err);
}

static json_t *write_detectors(unsigned set)
{
    json_t *array = json_array();

    for (size_t i = 0; i < DETECTORS; i++)
        if (set & detectors[i].detector)
            json_array_append_new(array, json_string(detectors[i].name));
    return array;
}

json_t *dlp_rules_write(const struct dlp_rules *rules)
{
    const struct dlp_rules plain = dlp_rules_default(false);
    json_t *object = json_object();

    if (rules->outbound != plain.outbound)
        json_object_set_new(object, "outbound", write_detectors(rules->outbound));
    if (rules->outbound_on_match != plain.outbound_on_match)
        json_object_set_new(object, "outbound_on_match",
                            json_string(dlp_rules_action_name(rules->outbound_on_match)));
    if (rules->inbound != plain.inbound)
        json_object_set_new(object, "inbound", write_detectors(rules->inbound));
    if (rules->inbound_on_match != plain.inbound_on_match)
        json_object_set_new(object, "inbound_on_match",
                            json_string(dlp_rules_action_name(rules->inbound_on_match)));
    if (rules->transcript)
        json_object_set_new(object, "transcript", json_true());
    if (rules->budget > 0)
        json_object_set_new(object, "budget", json_integer((json_int_t)rules->budget));
    if (json_object_size(object) > 0)
        return object;
    json_decref(object);
    return NULL;
}

bool dlp_rules_same(const struct dlp_rules *a, const struct dlp_rules *b)
{
    return a->outbound == b->outbound && a->inbound == b->inbound &&
           a->outbound_on_match == b->outbound_on_match && a->inbound_on_match == b->inbound_on_match &&
           a->transcript == b->transcript && a->budget == b->budget;
}
