/* SPDX-License-Identifier: GPL-3.0-or-later */
/* handover: see the header. A member that core/gate.h gets has to come in here; the unit test reads back all of them. */
#include "gate/handover.h"

#include <stdlib.h>
#include <string.h>

#include "sys/channel.h"

static void add_patterns(json_t *push, const char *name, const struct gate_patterns *patterns)
{
    if (patterns->count == 0)
        return;
    json_t *list = json_array();
    for (size_t i = 0; i < patterns->count; i++)
        json_array_append_new(list, json_string(patterns->list[i]));
    json_object_set_new(push, name, list);
}

static json_t *push_json(const struct gate_push *from)
{
    json_t *push = json_pack("{s:b, s:b, s:I}", "force", !from->no_force, "delete", !from->no_delete,
                             "max_pack_mb", (json_int_t)from->max_pack_mb);

    add_patterns(push, "allow", &from->allow);
    add_patterns(push, "deny", &from->deny);
    add_patterns(push, "protect_paths", &from->protect_paths);
    return push;
}

static json_t *repo_json(const struct gate_repo *from)
{
    return json_pack("{s:s, s:s, s:s, s:o}", "name", from->name, "url", from->url, "host_key", from->host_key,
                     "push", push_json(&from->push));
}

int handover_memfd(const struct gate *gate)
{
    json_t *repos = json_array(), *whole;

    for (size_t i = 0; i < gate->repo_count; i++)
        json_array_append_new(repos, repo_json(&gate->repos[i]));
    size_t count = json_array_size(repos);
    whole = json_pack("{s:o, s:s, s:s*, s:b, s:I}", "repos", repos, "on_finding",
                      gate->supervise ? "supervise" : "block", "scanner", gate->scanner, "prefetch",
                      !gate->no_prefetch, "storage_mb", (json_int_t)gate->storage_mb);
    char *text = whole != NULL && count == gate->repo_count ? json_dumps(whole, JSON_COMPACT) : NULL;
    int fd = text != NULL ? channel_memfd("gate", str_of(text)) : -1;
    free(text);
    json_decref(whole);
    return fd;
}

bool handover_same(const struct gate *one, const struct gate *other, struct str name)
{
    const struct gate_repo *a = gate_find(one, name), *b = gate_find(other, name);

    if (a == NULL || b == NULL || one->supervise != other->supervise ||
        !str_equal(str_of(one->scanner), str_of(other->scanner)))
        return false;
    json_t *first = repo_json(a), *second = repo_json(b);
    bool same = first != NULL && json_equal(first, second);
    json_decref(first);
    json_decref(second);
    return same;
}
