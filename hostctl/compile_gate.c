/* SPDX-License-Identifier: GPL-3.0-or-later */
/* compile_gate: see compile_gate.h. What is the default there is not written. */
#include "hostctl/compile_gate.h"

#include <string.h>

static void add_list(json_t *object, const char *key, const char *const *list, size_t count)
{
    json_t *array = count > 0 ? json_array() : NULL;

    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, json_string(list[i]));
    if (array != NULL)
        json_object_set_new(object, key, array);
}

static void add_patterns(json_t *object, const char *key, const struct gate_patterns *patterns)
{
    add_list(object, key, (const char *const *)patterns->list, patterns->count);
}

static json_t *compile_push(const struct manifest *manifest, const struct manifest_repo *repo)
{
    json_t *object = json_object();
    const char *const *paths;
    size_t count = manifest_protected(manifest, repo, &paths);

    add_patterns(object, "allow", &repo->push.allow);
    add_patterns(object, "deny", &repo->push.deny);
    if (repo->push.no_force)
        json_object_set_new(object, "force", json_false());
    if (repo->push.no_delete)
        json_object_set_new(object, "delete", json_false());
    add_list(object, "protect_paths", paths, count);
    if (repo->push.max_pack_mb > 0)
        json_object_set_new(object, "max_pack_mb", json_integer(repo->push.max_pack_mb));
    return object;
}

static json_t *compile_repo(const struct manifest *manifest, const struct manifest_repo *repo)
{
    json_t *object = json_pack("{s:s,s:s}", "name", repo->name.text, "url", repo->url);
    json_t *push = compile_push(manifest, repo);

    if (repo->host_key.text != NULL)
        json_object_set_new(object, "host_key", json_string(repo->host_key.text));
    if (json_object_size(push) > 0)
        json_object_set(object, "push", push);
    json_decref(push);
    return object;
}

json_t *compile_gate(const struct manifest *manifest)
{
    json_t *object = json_object(), *repos = json_array();

    for (size_t i = 0; i < manifest->repo_count; i++)
        json_array_append_new(repos, compile_repo(manifest, &manifest->repos[i]));
    json_object_set_new(object, "repos", repos);
    if (manifest_gate_asks(manifest))
        json_object_set_new(object, "on_finding", json_string("supervise"));
    if (manifest->scanner != NULL)
        json_object_set_new(object, "scanner", json_string(manifest->scanner));
    if (manifest->no_prefetch)
        json_object_set_new(object, "prefetch", json_false());
    if (manifest->storage_mb > 0)
        json_object_set_new(object, "storage_mb", json_integer(manifest->storage_mb));
    return object;
}

static bool same_list(const struct gate_patterns *patterns, const char *const *wanted, size_t count)
{
    bool same = patterns->count == count;

    for (size_t i = 0; same && i < count; i++)
        same = strcmp(patterns->list[i], wanted[i]) == 0;
    return same;
}

static bool same_patterns(const struct gate_patterns *patterns, const struct gate_patterns *wanted)
{
    return same_list(patterns, (const char *const *)wanted->list, wanted->count);
}

static bool same_repo(const struct gate_repo *repo, const struct manifest *manifest,
                      const struct manifest_repo *wanted)
{
    const struct gate_push *push = &repo->push, *rules = &wanted->push;
    const char *const *paths;
    size_t count = manifest_protected(manifest, wanted, &paths);

    return strcmp(repo->name, wanted->name.text) == 0 && strcmp(repo->url, wanted->url) == 0 &&
           wanted->host_key.text != NULL && strcmp(repo->host_key, wanted->host_key.text) == 0 &&
           same_patterns(&push->allow, &rules->allow) && same_patterns(&push->deny, &rules->deny) &&
           push->no_force == rules->no_force && push->no_delete == rules->no_delete &&
           same_list(&push->protect_paths, paths, count) &&
           push->max_pack_mb == (rules->max_pack_mb > 0 ? rules->max_pack_mb : GATE_PACK_MB);
}

bool compile_gate_same(const struct gate *gate, const struct manifest *wanted)
{
    if (gate == NULL || wanted->repo_count == 0)
        return gate == NULL && wanted->repo_count == 0;
    bool same = gate->repo_count == wanted->repo_count && gate->supervise == manifest_gate_asks(wanted) &&
                gate->no_prefetch == wanted->no_prefetch &&
                gate->storage_mb == (wanted->storage_mb > 0 ? wanted->storage_mb : GATE_STORAGE_MB) &&
                (gate->scanner == NULL) == (wanted->scanner == NULL) &&
                (gate->scanner == NULL || strcmp(gate->scanner, wanted->scanner) == 0);
    for (size_t i = 0; same && i < gate->repo_count; i++)
        same = same_repo(&gate->repos[i], wanted, &wanted->repos[i]);
    return same;
}
