/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rt_netns_log: see the header. */
#include "hostctl/rt_netns_log.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int log_open(const struct state *state, const char *name, struct err *err)
{
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/%s", state->path, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd == -1)
        err_set_errno(err, "%s", path);
    return fd;
}

void log_last(const struct state *state, const char *name, char line[256])
{
    char path[PATH_MAX + 32], read[256];
    snprintf(path, sizeof path, "%s/%s", state->path, name);
    line[0] = '\0';
    FILE *log = fopen(path, "re");
    while (log && fgets(read, sizeof read, log))
        if (!strstr(read, "to syslog") && read[0] != '\n')
            memcpy(line, read, sizeof read);
    if (log)
        fclose(log);
    line[strcspn(line, "\n")] = '\0';
    for (char *c = line; *c; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
}
