/* SPDX-License-Identifier: GPL-3.0-or-later */
/* denial: the table of denial.h as data. */
#include "core/denial.h"

#include <stddef.h>

static const struct {
    const char *name, *sentence, *hint;
    int status;
} denials[DENIAL_COUNT] = {[DENIAL_NONE] = {"", "", "", 0},
#define X(symbol, name, status, sentence, hint) [DENIAL_##symbol] = {name, sentence, hint, status},
                           DENIALS(X)
#undef X
};

static size_t index_of(enum denial denial)
{
    return (unsigned)denial < DENIAL_COUNT ? (size_t)denial : DENIAL_NONE;
}

const char *denial_name(enum denial denial)
{
    return denials[index_of(denial)].name;
}

const char *denial_sentence(enum denial denial)
{
    return denials[index_of(denial)].sentence;
}

const char *denial_hint(enum denial denial)
{
    return denials[index_of(denial)].hint;
}

int denial_status(enum denial denial)
{
    return denials[index_of(denial)].status;
}

bool denial_by_search(enum denial denial)
{
    return denial == DENIAL_DLP_MATCH || denial == DENIAL_DLP_STRUCTURE || denial == DENIAL_DLP_INJECTION ||
           denial == DENIAL_DLP_BUDGET || denial == DENIAL_HELD_DENIED || denial == DENIAL_HELD_TIMEOUT ||
           denial == DENIAL_HELD_CROWDED || denial == DENIAL_HELD_ENDED;
}

enum denial denial_find(struct str name)
{
    for (int denial = DENIAL_NONE + 1; denial < DENIAL_COUNT; denial++)
        if (str_equal(name, str_of(denials[denial].name)))
            return (enum denial)denial;
    return DENIAL_NONE;
}
