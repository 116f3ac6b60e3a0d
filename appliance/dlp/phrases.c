/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * phrases: the table. The wordings are those of the published collections of attacks: Greshake et al., "Not what you've
 * signed up for" (arXiv:2302.12173); Perez and Ribeiro, "Ignore previous prompt" (arXiv:2211.09527); OWASP, "LLM01: Prompt
 * injection"; Invariant Labs on the poisoning of MCP tools; the chat templates of OpenAI (ChatML), Llama 2 and 3.
 */
#include "dlp/phrases.h"

#include <stddef.h>

#define S        "\\s"
#define WORDS(n) "(?:[a-z'-]{1,16}\\s){0," #n "}"

/* "ignore all of your previous instructions", in its parts. */
#define FORGET                                                                                               \
    "(?:ignor(?:e|ing)|disregard|forget|override|bypass|neglect|stop following|do not follow|don't follow)"
#define FORMER                                                                                               \
    "(?:previous|prior|earlier|above|preceding|foregoing|original|initial|existing|system|current|your)"
#define BETWEEN "(?:(?:about|all|any|every|everything|of|the|these|those|my|our|other|and|or|in)" S "){0,5}"
#define ORDERS                                                                                               \
    "(?:instructions?|directions|directives?|prompts?|guidelines|programming|training|orders|tasks?)"
#define ORDER_TO_FORGET                                                                                      \
    FORGET S BETWEEN FORMER S "(?:" FORMER S "|and" S "|system" S "|user" S "){0,3}" ORDERS "\\b"

#define SECRETS                                                                                              \
    "(?:api" S "?keys?|credentials?|secrets?|passwords?|(?:access" S ")?tokens?|env(?:ironment)?" S          \
    "(?:variables?|vars?)|"                                                                                  \
    "\\.env|ssh" S "keys?|private" S "keys?|(?:chat|conversation)(?:" S "history)?|system" S                 \
    "prompt|session" S "cookies?)"
#define AGENT                                                                                                \
    "(?:ai|a\\.i\\.|llm|gpt|chatgpt|claude|copilot|gemini|codex|(?:large" S ")?language" S "model|coding)"

/* In a style: nothing to see. */
#define UNSEEN                                                                                               \
    "(?:display:\\s?none|visibility:\\s?hidden|font-size:\\s?0|opacity:\\s?0[^.1-9]|color:\\s?(?:white|#"    \
    "fff|"                                                                                                   \
    "transparent))"

/* Anchors of several. */
#define TO_FORGET                                                                                            \
    "(?:ignor(?:e|ing)|isregard|orget|override|ypass|eglect)" S "|stop" S "following|ot" S "follow|on't" S   \
    "follow"
#define AI_NAME "(?:i|\\.i\\.|llm|gpt|laude|opilot|gemini|odex|language" S "model|oding)" S

/* Of a turn's first line, and of text for the agent. */
#define NEXT_TURN "\\n(?:assistant|ai|system):" S
#define TO_AGENT                                                                                             \
    "(?:\\b" AGENT S "(?:agents?|assistants?|models?)\\b|system" S "prompt|(?:ignore|disregard)" S           \
    "(?:all|any|previous|prior|the|your)\\b|do" S "not" S "tell)"

#define PHRASE(name, max_len, weight, expression, anchors, positive, negative)                               \
    {                                                                                                        \
        name, expression, max_len, weight, anchors, NULL, positive, negative                                 \
    }
#define PHRASE_BY_END(name, max_len, weight, expression, end, anchors, positive, negative)                   \
    {                                                                                                        \
        name, expression end, max_len, weight, anchors, end, positive, negative                              \
    }

const struct dlp_phrase dlp_phrases[] = {
#include "dlp/phrases.inc"
};

const size_t dlp_phrase_count = sizeof dlp_phrases / sizeof dlp_phrases[0];
_Static_assert(sizeof dlp_phrases / sizeof dlp_phrases[0] <= DLP_PHRASES_MAX, "a score holds all");

static bool near(uint64_t a, uint64_t b)
{
    return (a > b ? a - b : b - a) <= DLP_PHRASE_NEAR;
}

bool dlp_phrase_seen(struct dlp_phrase_score *score, size_t index, uint64_t offset)
{
    unsigned weight = 0;
    score->seen[index] = offset + 1;
    for (size_t i = 0; i < dlp_phrase_count; i++)
        if (score->seen[i] != 0 && near(score->seen[i] - 1, offset))
            weight += dlp_phrases[i].weight;
    return weight >= DLP_PHRASE_FIRES;
}
