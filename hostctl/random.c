/* SPDX-License-Identifier: GPL-3.0-or-later */
/* random: see random.h. */
#include "hostctl/random.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int random_hex(char *out, size_t bytes, struct err *err)
{
    unsigned char drawn[RANDOM_MAX];
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);

    assert(bytes <= sizeof drawn);
    ssize_t got = fd >= 0 ? read(fd, drawn, bytes) : -1;
    if (fd >= 0)
        close(fd);
    if (got != (ssize_t)bytes)
        return err_set_errno(err, "/dev/urandom");
    for (size_t i = 0; i < bytes; i++)
        snprintf(out + 2 * i, 3, "%02x", drawn[i]);
    return 0;
}
