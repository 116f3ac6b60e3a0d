/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sniff: which protocol a client speaks, from its first bytes. */
#ifndef PROXY_SNIFF_H
#define PROXY_SNIFF_H

#include <stdbool.h>

#include "core/str.h"

enum sniff {
    SNIFF_MORE, /* not to be told yet */
    SNIFF_TLS,
    SNIFF_HTTP1,
    SNIFF_H2, /* HTTP/2 with prior knowledge */
    SNIFF_SSH,
    SNIFF_OTHER,
};

/* Looks at everything received so far. On port 80 whatever begins like a request line is HTTP, so that a
 * broken one gets a readable 400; elsewhere the whole line must say HTTP, since the first words of other
 * protocols look the same. Never says SNIFF_MORE for more than 8 KiB. */
enum sniff sniff_first(struct str bytes, bool http_port);

#endif
