/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tokens: the table, and what is asked of a match. */
#include "dlp/tokens.h"

#include "dlp/token_check.h"

/* The examples are made up, and written in two pieces so that a scanner that reads this tree stops at none of them. */
#define TOKEN(name, max_len, skip, flags, tail, check, expression, yes1, yes2, no1, no2)                     \
    {                                                                                                        \
        name, expression, flags, max_len, skip, tail, check, (yes1 yes2), (no1 no2)                          \
    }

const struct dlp_token dlp_tokens[] = {
#include "dlp/tokens_cloud.inc"
#include "dlp/tokens_code.inc"
#include "dlp/tokens_key.inc"
#include "dlp/tokens_model.inc"
#include "dlp/tokens_service.inc"
};

const size_t dlp_token_count = sizeof dlp_tokens / sizeof dlp_tokens[0];

bool dlp_token_holds(const struct dlp_token *token, struct str match)
{
    size_t skip = token->skip < match.len ? token->skip : match.len;
    struct str value = {match.ptr + skip, match.len - skip};
    if (token->flags & DLP_TOKEN_OPAQUE ? token_is_crossed_out(value) : token_is_placeholder(value))
        return false;
    return token->check == NULL || token->check(match);
}

bool dlp_token_goes_on(const struct dlp_token *token, char byte)
{
    unsigned char value = (unsigned char)byte;
    if (token->tail == NULL)
        return false;
    for (const unsigned char *set = (const unsigned char *)token->tail; *set != '\0'; set++) {
        if (set[1] == '-' && set[2] != '\0') {
            if (value >= set[0] && value <= set[2])
                return true;
            set += 2;
        } else if (value == set[0]) {
            return true;
        }
    }
    return false;
}
