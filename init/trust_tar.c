/* SPDX-License-Identifier: GPL-3.0-or-later */
/* trust_tar: see the header. Blocks of 512 bytes: one that describes a file, then the file, filled up with
 * zeros; two of zeros end it all. It must never hold a link, a folder or a path with "..". */
#include "init/trust_tar.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BLOCK 512

/* All members are text; numbers are octal. */
struct header {
    char name[100], mode[8], uid[8], gid[8], size[12], changed[12], sum[8], type, link[100], magic[6],
        version[2], user[32], group[32], device_major[8], device_minor[8], prefix[155], filling[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "ustar");

/* A path longer than its member is cut in two at a slash, which then stands in neither. */
static int path_set(struct header *header, const char *path)
{
    size_t len = strlen(path);
    const char *slash = path - 1;

    if (len > sizeof header->name) {
        slash = strchr(path + len - sizeof header->name - 1, '/');
        if (!slash || (size_t)(slash - path) > sizeof header->prefix)
            return -1;
        memcpy(header->prefix, path, (size_t)(slash - path));
    }
    memcpy(header->name, slash + 1, (size_t)(path + len - (slash + 1)));
    return 0;
}

int tar_add(struct buf *tar, const char *path, struct str text, time_t changed)
{
    struct header header = {.mode = "0000644", .uid = "0000000", .gid = "0000000", .type = '0'};
    size_t filled = (text.len + BLOCK - 1) / BLOCK * BLOCK;
    unsigned sum = 0;

    if (path[0] != '/' || path_set(&header, path + 1) != 0) {
        errno = ENAMETOOLONG;
        return -1;
    }
    char *room = text.len <= 077777777777 ? buf_reserve(tar, BLOCK + filled) : NULL;
    if (!room) {
        errno = EFBIG;
        return -1;
    }
    snprintf(header.size, sizeof header.size, "%011zo", text.len);
    snprintf(header.changed, sizeof header.changed, "%011llo", (unsigned long long)changed & 077777777777ULL);
    memcpy(header.magic, "ustar", 6);
    memcpy(header.version, "00", 2);
    memset(header.sum, ' ', sizeof header.sum); /* as which it counts in itself */
    for (size_t i = 0; i < sizeof header; i++)
        sum += ((const unsigned char *)&header)[i];
    snprintf(header.sum, sizeof header.sum, "%06o", sum); /* and the last space stays */
    memcpy(room, &header, BLOCK);
    memcpy(room + BLOCK, text.ptr, text.len);
    memset(room + BLOCK + text.len, 0, filled - text.len);
    buf_commit(tar, BLOCK + filled);
    return 0;
}

int tar_end(struct buf *tar)
{
    static const char zeros[2 * BLOCK];

    if (buf_append(tar, zeros, sizeof zeros) == 0)
        return 0;
    errno = EFBIG;
    return -1;
}
