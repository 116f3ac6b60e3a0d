/* SPDX-License-Identifier: GPL-3.0-or-later */
/* suffix: the public suffix list: names below which everybody can have one of their own. */
#ifndef HOSTCTL_SUFFIX_H
#define HOSTCTL_SUFFIX_H

/* Whether this canonical name is a public suffix, hosters' private ones ("github.io") and unknown top-level names
 * included. Returns 1 or 0; -1 when there is no list. */
int suffix_is_public(const char *name);

#endif
