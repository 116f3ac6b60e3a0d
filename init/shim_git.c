/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * shim_git: see the header. A rule of git's, url.BASE.insteadOf, replaces the beginning of a URL, and has no way to say where
 * the URL ends. So BASE ends in a mark that no name has: what follows it in the path that git asks the gate for is what the
 * rule did not name, and the gate can tell a repository from one whose name only begins alike.
 */
#include "init/shim_git.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define VARIABLE "GIT_CONFIG_SYSTEM"

static int put(struct buf *text, const char *words)
{
    return buf_append(text, words, strlen(words));
}

/* A value between quotes; only paths of an image's can hold what has to be escaped. */
static int put_quoted(struct buf *text, const char *value)
{
    int result = put(text, "\"");

    for (; *value && result == 0; value++) {
        if (*value == '"' || *value == '\\')
            result = put(text, "\\");
        if (result == 0)
            result = *value == '\n' ? put(text, "\\n") : buf_append(text, value, 1);
    }
    return result == 0 ? put(text, "\"") : -1;
}

static int put_repository(struct buf *text, const char *gateway, const char *name, const json_t *forms)
{
    char line[512];

    snprintf(line, sizeof line, "[url \"git://%s/%s:\"]\n", gateway, name);
    int result = put(text, line);
    for (size_t i = 0; result == 0 && i < json_array_size(forms); i++)
        result = put(text, "\tinsteadOf = ") != 0 ||
                         put_quoted(text, json_string_value(json_array_get(forms, i))) != 0 ||
                         put(text, "\n") != 0
                     ? -1
                     : 0;
    return result;
}

int shim_git_text(const struct shim_config *config, const char *system, struct buf *text)
{
    char gateway[IP_TEXT];
    const char *name;
    json_t *forms;

    ip_format(&config->gateway, gateway);
    if (put(text, "# Stopper: repositories of git-gate.repos are reached through the "
                  "gate.\n[include]\n\tpath = ") != 0 ||
        put_quoted(text, system) != 0 || put(text, "\n") != 0)
        return -1;
    json_object_foreach(config->git, name, forms) {
        if (put_repository(text, gateway, name, forms) != 0)
            return -1;
    }
    return 0;
}

/* The folder is shim_trust's, which has checked it where there is an authority. */
static int write_file(struct str text, struct err *err)
{
    if (mkdir(SHIM_TRUST_FOLDER, 0755) != 0 && errno != EEXIST)
        return err_set_errno(err, SHIM_TRUST_FOLDER);
    unlink(SHIM_GIT_FILE);
    int fd = open(SHIM_GIT_FILE, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_set_errno(err, SHIM_GIT_FILE);
    bool failed = fchmod(fd, 0644) != 0;
    while (!failed && text.len > 0) {
        ssize_t wrote = write(fd, text.ptr, text.len);
        failed = wrote < 0 && errno != EINTR;
        text.ptr += wrote > 0 ? wrote : 0;
        text.len -= wrote > 0 ? (size_t)wrote : 0;
    }
    if (failed)
        err_set_errno(err, SHIM_GIT_FILE);
    close(fd);
    return failed ? -1 : 0;
}

int shim_git_setup(struct shim_config *config, struct err *err)
{
    const char *system = json_string_value(json_object_get(config->env, VARIABLE));
    struct buf text;

    if (!config->git)
        return 0;
    buf_init(&text, SHIM_GIT_MAX);
    int result = shim_git_text(config, system && system[0] ? system : SHIM_GIT_SYSTEM, &text) == 0
                     ? write_file(buf_str(&text), err)
                     : err_set(err, "git: the configuration is too large");
    buf_fini(&text);
    return result == 0 ? shim_git_environment(config, err) : -1;
}

int shim_git_environment(struct shim_config *config, struct err *err)
{
    if (!config->git)
        return 0;
    return json_object_set_new(config->env, VARIABLE, json_string(SHIM_GIT_FILE)) == 0
               ? 0
               : err_set(err, "out of memory");
}
