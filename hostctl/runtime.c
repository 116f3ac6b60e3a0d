/* SPDX-License-Identifier: GPL-3.0-or-later */
/* runtime: choosing among those of this build. */
#include "hostctl/runtime.h"

#include <string.h>

const struct runtime *runtime_find(const char *name)
{
    for (const struct runtime *const *runtime = runtimes; *runtime != NULL; runtime++)
        if (strcmp((*runtime)->name, name) == 0)
            return *runtime;
    return NULL;
}
