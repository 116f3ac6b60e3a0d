/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gate_remotes: see gate_remotes.h. Git compares bytes, and so the forms are those that people and forges write: with the host
 * in lower case, and the port only where it has to be said, or where it is usual to. */
#include "hostctl/gate_remotes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct str gate_remote_path(const struct gate_url *url)
{
    struct str path = str_of(url->path);

    while (path.len > 1 && path.ptr[path.len - 1] == '/')
        path.len--;
    if (path.len > 5 && memcmp(path.ptr + path.len - 4, ".git", 4) == 0 && path.ptr[path.len - 5] != '/')
        path.len -= 4;
    return path;
}

struct forms {
    char (*list)[REMOTE_MAX];
    size_t count;
};

__attribute__((format(printf, 2, 3))) static void add(struct forms *forms, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    vsnprintf(forms->list[forms->count++], REMOTE_MAX, format, list);
    va_end(list);
}

size_t gate_remote_forms(const struct gate_url *url, char list[REMOTE_FORMS][REMOTE_MAX])
{
    struct str path = gate_remote_path(url);
    struct forms forms = {list, 0};
    char host[HOST_MAX + 3];
    int len = (int)path.len;

    snprintf(host, sizeof host, url->address.family == 6 ? "[%s]" : "%s", url->host);
    if (url->port == GATE_SSH_PORT)
        add(&forms, "ssh://%s@%s%.*s", url->user, host, len, path.ptr);
    add(&forms, "ssh://%s@%s:%u%.*s", url->user, host, url->port, len, path.ptr);
    if (url->port == GATE_SSH_PORT) {
        add(&forms, "%s@%s:%.*s", url->user, host, len - 1, path.ptr + 1);
        if (path.ptr[1] != '~') /* there ssh:// alone has a "/" in front, which is none of the path's */
            add(&forms, "%s@%s:%.*s", url->user, host, len, path.ptr);
    }
    add(&forms, "https://%s%.*s", host, len, path.ptr);
    return forms.count;
}

json_t *gate_remotes(const struct manifest *manifest)
{
    json_t *all = manifest->repo_count > 0 ? json_object() : NULL;
    char forms[REMOTE_FORMS][REMOTE_MAX];
    int failed = 0;

    for (size_t i = 0; all != NULL && i < manifest->repo_count; i++) {
        json_t *list = json_array();
        size_t count = gate_remote_forms(&manifest->repos[i].from, forms);
        for (size_t j = 0; j < count; j++)
            failed |= json_array_append_new(list, json_string(forms[j]));
        failed |= json_object_set_new(all, manifest->repos[i].name.text, list);
    }
    if (failed == 0)
        return all;
    json_decref(all);
    return NULL;
}

size_t gate_remotes_size(const struct manifest *manifest)
{
    char forms[REMOTE_FORMS][REMOTE_MAX];
    size_t size = 0;

    for (size_t i = 0; i < manifest->repo_count; i++) {
        size_t count = gate_remote_forms(&manifest->repos[i].from, forms);
        for (size_t j = 0; j < count; j++)
            size += strlen(forms[j]);
    }
    return size;
}
