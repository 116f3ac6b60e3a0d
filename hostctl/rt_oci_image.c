/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rt_oci_image: see the header. What an engine or an image says may have any shape: what is not as expected
 * is an error or absent, never guessed. */
#include "hostctl/rt_oci_image.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* An array of strings and nothing else. */
static const json_t *strings(const json_t *value)
{
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!json_is_string(json_array_get(value, i)))
            return NULL;
    return json_is_array(value) ? value : NULL;
}

static const char *text(const json_t *value)
{
    return json_is_string(value) ? json_string_value(value) : "";
}

static int fetch(const struct engine *engine, const char *reference, int interrupt, struct err *err)
{
    struct words words = engine_words(engine, engine->pull);

    words_add(&words, reference);
    return engine_do(&words, interrupt, err);
}

const char *image_id(const struct engine *engine, const json_t *said, const char *reference)
{
    const char *id = text(said), *colon = strchr(id, ':'), *hex = colon != NULL ? colon + 1 : id;

    if (engine->named)
        return reference;
    return (hex == id || strncmp(id, "sha256:", (size_t)(hex - id)) == 0) && strlen(hex) == 64 &&
                   strspn(hex, "0123456789abcdef") == 64
               ? id
               : NULL;
}

int image_open(const struct engine *engine, const char *reference, int interrupt, struct image *image,
               struct err *err)
{
    bool missing;

    *image = (struct image){.inspected = engine_inspect(engine, "image", reference, &missing, err)};
    if (image->inspected == NULL && missing && fetch(engine, reference, interrupt, err) == 0)
        image->inspected = engine_inspect(engine, "image", reference, NULL, err);
    if (image->inspected == NULL)
        return err_prefix(err, "image %s", reference);
    const json_t *config = json_object_get(image->inspected, "Config");
    image->entrypoint = strings(json_object_get(config, "Entrypoint"));
    image->command = strings(json_object_get(config, "Cmd"));
    image->environment = strings(json_object_get(config, "Env"));
    image->user = text(json_object_get(config, "User"));
    image->workdir = text(json_object_get(config, "WorkingDir"));
    image->id = image_id(engine, json_object_get(image->inspected, "Id"), reference);
    if (image->id != NULL)
        return 0;
    image_fini(image);
    return err_set(err, "image %s: %s does not say which it is", reference, engine->program);
}

void image_fini(struct image *image)
{
    json_decref(image->inspected);
    *image = (struct image){.inspected = NULL};
}

bool image_is_roots(const struct image *image)
{
    size_t len = strcspn(image->user, ":");

    return len == 0 || (len == strspn(image->user, "0")) || (len == 4 && memcmp(image->user, "root", 4) == 0);
}

/* ---- seccomp ---- */

/* Calls by which a process without capabilities reaches what a user namespace opens up. The names are taken
 * out of whatever rule allows them. */
static const char *const refused[] = {"unshare",    "setns",  "mount",      "umount",    "umount2",
                                      "pivot_root", "clone",  "clone3",     "fsopen",    "fsconfig",
                                      "fsmount",    "fspick", "move_mount", "open_tree", "mount_setattr"};

/* clone with any CLONE_NEW* is none of a rule's business; clone3 hides its flags behind a pointer, and
 * without it the C library takes clone. */
static const char additions[] =
    "[{\"names\":[\"clone\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":2114060288,"
    "\"valueTwo\":0,\"op\":\"SCMP_CMP_MASKED_EQ\"}]},"
    "{\"names\":[\"clone3\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":38},"
    "{\"names\":[\"unshare\",\"setns\",\"mount\",\"umount2\",\"pivot_root\"],\"action\":\"SCMP_ACT_ERRNO\","
    "\"errnoRet\":1}]";

static bool is_refused(const char *name)
{
    for (size_t i = 0; name != NULL && i < sizeof refused / sizeof refused[0]; i++)
        if (strcmp(refused[i], name) == 0)
            return true;
    return false;
}

/* Takes the refused names out of every rule; a rule without names goes. Returns 0, or -1 for another shape.
 */
static int rules_strip(json_t *rules)
{
    if (!json_is_array(rules))
        return -1;
    for (size_t i = json_array_size(rules); i-- > 0;) {
        json_t *names = json_object_get(json_array_get(rules, i), "names");
        if (!json_is_array(names))
            return -1;
        for (size_t j = json_array_size(names); j-- > 0;)
            if (is_refused(json_string_value(json_array_get(names, j))))
                json_array_remove(names, j);
        if (json_array_size(names) == 0)
            json_array_remove(rules, i);
    }
    return 0;
}

int profile_write(const struct engine *engine, const char *path, struct err *err)
{
    const char *const *from = engine->profiles;
    json_error_t where;

    if (from == NULL)
        return 0;
    while (from[1] != NULL && access(from[0], F_OK) != 0)
        from++;
    json_t *profile = json_load_file(*from, 0, &where);
    json_t *rules = json_object_get(profile, "syscalls"), *more = json_loads(additions, 0, NULL);
    const char *otherwise = json_string_value(json_object_get(profile, "defaultAction"));
    int result = 1;
    if (profile == NULL)
        result = err_set(err, "%s's seccomp profile: %s: %s", engine->program, *from, where.text);
    else if (otherwise == NULL || strcmp(otherwise, "SCMP_ACT_ERRNO") != 0 || rules_strip(rules) != 0)
        result = err_set(err, "%s: not a list of what is allowed", *from);
    else if (json_array_extend(rules, more) != 0 || json_dump_file(profile, path, JSON_COMPACT) != 0)
        result = err_set_errno(err, "%s", path);
    json_decref(more);
    json_decref(profile);
    return result;
}
