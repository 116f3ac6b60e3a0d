/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rt_oci_tell: see the header. The shim judges all of it again (init/shim_config.h). */
#include "hostctl/rt_oci_tell.h"

#include <stdlib.h>
#include <string.h>

static int add_variable(json_t *object, const char *entry)
{
    const char *equals = strchr(entry, '=');
    char name[256];

    if (equals == NULL || equals == entry || (size_t)(equals - entry) >= sizeof name)
        return 0; /* no variable */
    memcpy(name, entry, (size_t)(equals - entry));
    name[equals - entry] = '\0';
    return json_object_set_new(object, name, json_string(equals + 1)); /* refuses what is no UTF-8 */
}

/* The image's variables, then ours, then the manifest's and the user's. */
static json_t *environment(const struct image *image, const char *home, const struct command_spec *command)
{
    static const char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    json_t *object = json_object();
    int failed = add_variable(object, path);

    for (size_t i = 0; i < json_array_size(image->environment); i++)
        failed |= add_variable(object, json_string_value(json_array_get(image->environment, i)));
    if (home != NULL)
        failed |= json_object_set_new(object, "HOME", json_string(home));
    for (const char *const *entry = command->env; entry != NULL && *entry != NULL; entry++)
        failed |= add_variable(object, *entry);
    if (!failed)
        return object;
    json_decref(object);
    return NULL;
}

const char *tell_home(const struct bottle_spec *spec, const struct image *image)
{
    return spec->image.home_place != NULL ? spec->image.home_place : image_is_roots(image) ? TELL_HOME : NULL;
}

/* The image's own word for its user is looked up by PID 1 in the image. */
static int user_tell(const struct command_spec *command, const struct image *image, json_t *all)
{
    if (!image_is_roots(image))
        return json_object_set_new(all, "user", json_string(image->user));
    return json_object_set_new(all, "uid", json_integer(command->uid)) != 0 ||
                   json_object_set_new(all, "gid", json_integer(command->gid)) != 0
               ? -1
               : 0;
}

/* What a PID 1 that begins as root needs beside: whom it becomes, what in its root is not the image's, and which
 * addresses of the engine's it has to close. */
static int shim_tell(const struct engine *engine, const struct bottle_spec *spec,
                     const struct command_spec *command, const struct image *image, json_t *all)
{
    const char *home = tell_home(spec, image);
    json_t *places = mount_places(spec->mounts, spec->mount_count), *closed = json_array();
    int failed = home != NULL ? json_array_append_new(places, json_string(home)) : 0;

    for (const char *const *address = engine->closed; address != NULL && *address != NULL; address++)
        failed |= json_array_append_new(closed, json_string(*address));
    failed |= json_object_set_new(all, "mounts", places);
    failed |= json_object_set_new(all, "closed", closed);
    return failed != 0 ? -1 : user_tell(command, image, all);
}

char *tell_first(const struct engine *engine, const struct bottle_spec *spec,
                 const struct command_spec *command, const struct image *image, const char *gateway,
                 size_t *len)
{
    const char *home = tell_home(spec, image);
    const char *cwd = command->cwd != NULL       ? command->cwd
                      : image->workdir[0] == '/' ? image->workdir
                      : home != NULL             ? home
                                                 : "/";
    bool seals = engine_seals(engine, spec);
    json_t *env = environment(image, home, command);
    json_t *all = env == NULL
                      ? NULL
                      : json_pack("{s:i,s:b,s:s,s:s,s:s,s:o,s:s,s:s,s:s,s:b}", "protocol", 1, "sealed",
                                  !seals, "interface", engine->agent_link, "gateway", gateway, "resolver",
                                  gateway, "env", env, "cwd", cwd, "ca", spec->ca, "ca_subject_hash",
                                  spec->ca_subject_hash, "user_namespaces", spec->user_namespaces);
    if (all != NULL &&
        ((seals && shim_tell(engine, spec, command, image, all) != 0) ||
         (spec->remotes != NULL && json_object_set_new(all, "git", json_deep_copy(spec->remotes)) != 0))) {
        json_decref(all);
        all = NULL;
    }
    char *text = all != NULL ? json_dumps(all, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

    json_decref(all);
    if (text != NULL) {
        *len = strlen(text);
        text[(*len)++] = '\n'; /* in the place of its NUL */
    }
    return text;
}

char *tell_later(const struct command_spec *command)
{
    json_t *env = json_object(), *all = json_pack("{s:o}", "env", env);
    int failed = all == NULL;

    for (const char *const *entry = command->env; entry != NULL && *entry != NULL; entry++)
        failed |= add_variable(env, *entry);
    if (command->cwd != NULL)
        failed |= json_object_set_new(all, "cwd", json_string(command->cwd));
    char *text = failed ? NULL : json_dumps(all, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(all);
    return text;
}
