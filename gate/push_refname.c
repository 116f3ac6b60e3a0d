/* SPDX-License-Identifier: GPL-3.0-or-later */
/* push_refname: see push_refname.h. */
#include "gate/push_refname.h"

#include <string.h>

static bool ends(const char *part, size_t len, const char *with)
{
    size_t n = strlen(with);

    return len >= n && memcmp(part + len - n, with, n) == 0;
}

static bool is_component(const char *part, size_t len)
{
    return len > 0 && part[0] != '.' && !ends(part, len, ".lock");
}

bool push_refname_good(const char *name)
{
    static const char root[] = "refs/";

    if (strncmp(name, root, sizeof root - 1) != 0 || strstr(name, "..") != NULL ||
        strstr(name, "@{") != NULL || ends(name, strlen(name), "."))
        return false;
    for (const char *c = name; *c != '\0'; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f || strchr("~^:?*[\\", *c) != NULL)
            return false;
    for (const char *part = name, *end; part != NULL; part = *end == '/' ? end + 1 : NULL) {
        end = part + strcspn(part, "/");
        if (!is_component(part, (size_t)(end - part)))
            return false;
    }
    return true;
}
