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

int runtime_detect(const struct runtime *runtime, struct err *err)
{
    struct err said;

    for (const struct need *need = runtime->needs; need->name != NULL; need++)
        if (need->vital && need->look(runtime, NULL, &said) != 0)
            return err_set(err, "%s: %s", said.text, need->remedy);
    return 0;
}
