/* SPDX-License-Identifier: GPL-3.0-or-later */
/* places: see places.h. */
#include "hostctl/places.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The home of the user who called sudo; NULL where nobody did. */
static const char *caller_home(void)
{
    const char *text = getenv("SUDO_UID");
    char *end;

    if (geteuid() != 0 || text == NULL || text[0] < '1' || text[0] > '9')
        return NULL;
    errno = 0;
    unsigned long uid = strtoul(text, &end, 10);
    const struct passwd *user = errno == 0 && *end == '\0' ? getpwuid((uid_t)uid) : NULL;
    return user != NULL && user->pw_dir[0] == '/' ? user->pw_dir : NULL;
}

int places_config(char path[PATH_MAX], struct err *err)
{
    const char *base = getenv("XDG_CONFIG_HOME"), *home = caller_home();
    bool xdg = base != NULL && base[0] == '/'; /* a relative one is to be ignored, says the specification */

    if (home == NULL)
        home = getenv("HOME");
    if (!xdg && (home == NULL || home[0] != '/'))
        return err_set(err, "neither XDG_CONFIG_HOME nor HOME is an absolute path: no place for bottles");
    int len = snprintf(path, PATH_MAX, "%s%s/stopper", xdg ? base : home, xdg ? "" : "/.config");
    return len < 0 || len >= PATH_MAX ? err_set(err, "the path of the configuration is too long") : 0;
}

int places_user_file(const char *path, char out[PATH_MAX], struct err *err)
{
    const char *home = path[0] == '~' ? caller_home() : "";

    if (home == NULL)
        home = getenv("HOME");
    if (home == NULL || (home[0] != '/' && path[0] == '~'))
        return err_set(err, "cannot be found: HOME is no absolute path");
    int len = snprintf(out, PATH_MAX, "%s%s", home, path + (path[0] == '~'));
    return len < 0 || len >= PATH_MAX ? err_set(err, "is too long a path") : 0;
}

int places_file(const char *folder, const char *kind, const char *name, char path[PATH_MAX], struct err *err)
{
    int len = snprintf(path, PATH_MAX, "%s/%s/%s.md", folder, kind, name);

    return len < 0 || len >= PATH_MAX ? err_set(err, "the path of %s is too long", name) : 0;
}

bool places_program(const char *name)
{
    const char *path = getenv("PATH");
    char file[PATH_MAX];

    for (size_t len; path != NULL && *path != '\0'; path += len + (path[len] == ':')) {
        len = strcspn(path, ":");
        if (len > 0 && snprintf(file, sizeof file, "%.*s/%s", (int)len, path, name) < (int)sizeof file &&
            access(file, X_OK) == 0)
            return true;
    }
    return false;
}

bool places_exists(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 || (errno != ENOENT && errno != ENOTDIR);
}
