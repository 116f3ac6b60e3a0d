/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * leg_words: what ssh says when it fails, in one sentence of ours. ssh's own words tell paths of files that are nobody's
 * business, and go on for twenty lines; none of them is shown but where no sentence fits.
 */
#ifndef GATE_LEG_WORDS_H
#define GATE_LEG_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/denial.h"
#include "core/gate_url.h"
#include "core/str.h"
#include "gate/leg.h"

/* The sentence for ssh's stderr when it could not log in or has lost its connection; `seconds` it was given to connect. Returns
 * the reason for the audit. */
enum denial leg_words_why(struct str words, const struct gate_url *url, unsigned seconds,
                          char text[LEG_TEXT_SIZE]);

/* Whether nothing was reached at this address, so that another one may be tried. */
bool leg_words_unreached(struct str words);

/* Whether a line of ssh's stderr is not to be shown: it tells of files of ours. */
bool leg_words_private(struct str line);

/* "git.example.com:22" */
#define LEG_HOST_SIZE (HOST_MAX + 10)
void leg_words_host(const struct gate_url *url, char out[LEG_HOST_SIZE]);

#endif
