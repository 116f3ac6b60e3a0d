/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * entropy: whether a run of bytes looks as if a random generator had made it (detector entropy, only where a route lists
 * it: what it does not know it suspects). Looked at in windows, so that a long run costs in proportion to its length.
 *
 * Not suspected: hexadecimal digits alone (digests, UUIDs, serial numbers: those of credentials have names or prefixes,
 * which token_patterns knows), digests that say so (sha512-, h1:), and runs longer than any credential, which are encoded content.
 */
#ifndef DLP_ENTROPY_H
#define DLP_ENTROPY_H

#include <stdbool.h>

#include "core/str.h"

#define DLP_ENTROPY_MIN 20  /* bytes of the shortest run that can be suspected */
#define DLP_ENTROPY_MAX 160 /* and of the longest */

/* `run`: a whole run of letters, digits and + / - . _ : = ~, bounded by other bytes. */
bool dlp_entropy_suspects(struct str run);

#endif
