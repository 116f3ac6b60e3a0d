/* SPDX-License-Identifier: GPL-3.0-or-later */
/* storage: see the header. */
#define _GNU_SOURCE
#include "gate/storage.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 64 /* folders in each other, as in gate/sweep.c */

static uint64_t used_at(int parent, const char *name, unsigned depth)
{
    int fd = depth <= DEPTH_MAX ? openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    uint64_t bytes = 0;

    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        struct stat status;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            fstatat(fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (S_ISDIR(status.st_mode))
            bytes += used_at(fd, entry->d_name, depth + 1);
        else if (S_ISREG(status.st_mode))
            bytes += (uint64_t)status.st_size;
    }
    closedir(dir);
    return bytes;
}

uint64_t storage_used(const char *root)
{
    return used_at(AT_FDCWD, root, 0);
}

uint64_t storage_room(const char *root, unsigned mb)
{
    uint64_t all = (uint64_t)mb << 20, used = storage_used(root);

    return used < all ? all - used : 0;
}
