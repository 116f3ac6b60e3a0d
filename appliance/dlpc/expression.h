/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * expression: what can be told of an expression of the tables by reading it, so that the scanner need not run it everywhere.
 * Reads the subset that the tables keep to (dlp/tokens.h); what it does not understand it takes for the general case.
 */
#ifndef DLPC_EXPRESSION_H
#define DLPC_EXPRESSION_H

#include <stdbool.h>

struct dlpc_expression {
    bool word;   /* every byte of every match is one of dlp_is_word */
    bool core;   /* every match has DLP_CORE_MIN bytes in a row that dlp_is_core says */
    bool digits; /* some match may be of letters, digits, '+' and '/' alone */
};

struct dlpc_expression dlpc_expression_read(const char *expression);

#endif
