/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gate_keys: see the header. */
#include "init/gate_keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sys/channel.h"

void gate_keys_fini(struct gate_keys *keys)
{
    keys_free(keys->made);
    free(keys->lines);
    *keys = (struct gate_keys){0};
}

const char *gate_keys_deploy(struct gate_keys *keys, const char *name, bool *made, struct err *err)
{
    const struct key *old = keys_find(keys->made, name);
    struct secret *text;

    *made = false;
    if (old != NULL)
        return keys->lines[old - keys->made->list];
    if (!gate_is_name(str_of(name))) {
        err_set(err, "the name is not a repository's");
        return NULL;
    }
    if (keys->made == NULL) {
        keys->made = keys_new(DEPLOY_KEYS_MAX);
        keys->lines = calloc(DEPLOY_KEYS_MAX, sizeof *keys->lines);
    }
    if (keys->made == NULL || keys->lines == NULL) {
        gate_keys_fini(keys);
        err_set(err, "out of memory");
        return NULL;
    }
    if (keys->made->count == DEPLOY_KEYS_MAX) {
        err_set(err, "%d keys were made already", DEPLOY_KEYS_MAX);
        return NULL;
    }
    char *line = keys->lines[keys->made->count];
    if (deploy_key_make(name, &text, line, err) < 0)
        return NULL;
    keys_add(keys->made, name, text);
    *made = true;
    return line;
}

int gate_keys_take(const struct gate_keys *keys, const json_t *member, struct keys **taken, struct err *err)
{
    *taken = NULL;
    if (member == NULL || (json_is_object(member) && json_object_size(member) == 0))
        return 0;
    return keys_read(member, keys->made, taken, err);
}

int gate_keys_check(const struct keys *keys, const struct policy *policy, struct err *err)
{
    const struct gate *gate = policy->gate;

    for (size_t i = 0; gate != NULL && i < gate->repo_count; i++)
        if (keys_find(keys, gate->repos[i].name) == NULL)
            return err_set(err, "keys: the key of the repository %s is missing", gate->repos[i].name);
    for (size_t i = 0; keys != NULL && i < keys->count; i++)
        if (gate_find(gate, str_of(keys->list[i].name)) == NULL)
            return err_set(err, "keys: %s: no repository of the policy has this name", keys->list[i].name);
    return 0;
}

int gate_keys_memfd(const struct keys *keys)
{
    char *text = keys_text(keys);
    int fd = text != NULL ? channel_memfd("keys", str_of(text)) : -1, reason = errno;

    secrets_text_free(text);
    errno = reason;
    return fd;
}
