/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * shim_user: see the header. The files are read as they are, without the C library's name services, which
 * would load code of the image into a process with privileges. The result is numbers: no later entry looks
 * anything up in files that the agent may have changed.
 */
#include "init/shim_user.h"

#include <grp.h>
#include <jansson.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "init/shim_config.h"

#define PASSWD    "/etc/passwd"
#define GROUP     "/etc/group"
#define NAME_SIZE 256

struct user {
    char name[NAME_SIZE], home[NAME_SIZE * 4]; /* "": unknown */
    unsigned long uid, gid;
    bool found;
};

static bool number(const char *text, unsigned long *value)
{
    char *end;

    if (text[0] < '0' || text[0] > '9' || strlen(text) > 10)
        return false;
    *value = strtoul(text, &end, 10);
    return *end == '\0' && *value < UINT32_MAX;
}

static void user_find(const char *word, struct user *user)
{
    FILE *file = fopen(PASSWD, "re");
    bool is_number = number(word, &user->uid);
    struct passwd *entry;

    while (file && !user->found && (entry = fgetpwent(file))) {
        if (is_number ? entry->pw_uid != user->uid : strcmp(entry->pw_name, word) != 0)
            continue;
        user->found = true;
        user->uid = entry->pw_uid;
        user->gid = entry->pw_gid;
        snprintf(user->name, sizeof user->name, "%s", entry->pw_name);
        if (entry->pw_dir[0] == '/' && strlen(entry->pw_dir) < sizeof user->home)
            memcpy(user->home, entry->pw_dir, strlen(entry->pw_dir) + 1);
    }
    if (file)
        fclose(file);
    user->found = user->found || is_number;
}

static bool group_find(const char *word, unsigned long *gid)
{
    FILE *file = number(word, gid) ? NULL : fopen(GROUP, "re");
    bool found = number(word, gid);
    struct group *entry;

    while (file && !found && (entry = fgetgrent(file)))
        if (strcmp(entry->gr_name, word) == 0) {
            *gid = entry->gr_gid;
            found = true;
        }
    if (file)
        fclose(file);
    return found;
}

static bool has_member(const struct group *group, const char *name)
{
    for (char **member = group->gr_mem; *member; member++)
        if (strcmp(*member, name) == 0)
            return true;
    return false;
}

/* Those that name the user, without root's. */
static json_t *groups_of(const char *name)
{
    json_t *groups = json_array();
    FILE *file = name[0] ? fopen(GROUP, "re") : NULL;
    struct group *entry;

    while (file && json_array_size(groups) < SHIM_GROUPS_MAX && (entry = fgetgrent(file)))
        if (entry->gr_gid != 0 && has_member(entry, name))
            json_array_append_new(groups, json_integer(entry->gr_gid));
    if (file)
        fclose(file);
    return groups;
}

static int look_up(const char *text, struct user *user, json_t **groups, struct err *err)
{
    char word[NAME_SIZE];
    size_t len = strcspn(text, ":");
    const char *group = text[len] == ':' ? text + len + 1 : "";

    *user = (struct user){.found = false};
    if (len == 0 || len >= sizeof word)
        return err_set(err, "\"%s\" names no user", text);
    memcpy(word, text, len);
    word[len] = '\0';
    user_find(word, user);
    if (!user->found)
        return err_set(err, "the image has no user \"%s\" in " PASSWD, word);
    if (group[0] && !group_find(group, &user->gid))
        return err_set(err, "the image has no group \"%s\" in " GROUP, group);
    if (user->uid == 0)
        return err_set(err, "\"%s\" is root", word);
    if (user->gid == 0)
        user->gid = user->uid;
    /* As engines do it: who names a group has that one alone. */
    *groups = group[0] ? json_array() : groups_of(user->name);
    return 0;
}

int shim_user_resolve(struct str *text, char **made, struct err *err)
{
    json_t *all = json_loadb(text->ptr, text->len, JSON_REJECT_DUPLICATES, NULL), *groups = NULL;
    json_t *word = json_object_get(all, "user"), *env = json_object_get(all, "env");
    struct user user;
    int result = 0;

    *made = NULL;
    if (word != NULL) { /* else it is judged as it is */
        result = !json_is_string(word) ? err_set(err, "a name or number is wanted")
                                       : look_up(json_string_value(word), &user, &groups, err);
        if (result == 0 &&
            (json_object_del(all, "user") != 0 ||
             json_object_set_new(all, "uid", json_integer((json_int_t)user.uid)) != 0 ||
             json_object_set_new(all, "gid", json_integer((json_int_t)user.gid)) != 0 ||
             json_object_set_new(all, "groups", groups) != 0 ||
             (json_is_object(env) && !json_object_get(env, "HOME") &&
              json_object_set_new(env, "HOME", json_string(user.home[0] ? user.home : "/")) != 0) ||
             !(*made = json_dumps(all, JSON_COMPACT))))
            result = err_set(err, "out of memory");
        if (result == 0)
            *text = str_of(*made);
    }
    json_decref(all);
    return result == 0 ? 0 : err_prefix(err, "configuration: user");
}
