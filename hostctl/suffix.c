/* SPDX-License-Identifier: GPL-3.0-or-later */
/* suffix: see suffix.h. The newer of the library's own list and the system's. */
#include "hostctl/suffix.h"

#include <libpsl.h>
#include <stddef.h>

int suffix_is_public(const char *name)
{
    static psl_ctx_t *list;

    if (list == NULL)
        list = psl_latest(NULL);
    return list != NULL ? psl_is_public_suffix2(list, name, PSL_TYPE_ANY) != 0 : -1;
}
