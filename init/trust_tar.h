/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * trust_tar: files as a tar archive (ustar, POSIX.1-2001 "pax"), which container engines put into a container
 * that is made and does not run yet. Every file is regular, root's, and readable to all.
 */
#ifndef INIT_TRUST_TAR_H
#define INIT_TRUST_TAR_H

#include <time.h>

#include "core/buf.h"
#include "core/str.h"

/* Adds a file under its absolute path. Returns 0, or -1 with errno and nothing added: ENAMETOOLONG when the
 * format cannot hold the path, EFBIG when the archive's cap would be passed or memory is out. */
int tar_add(struct buf *tar, const char *path, struct str text, time_t changed);

/* Ends the archive. Returns 0, or -1 with errno, as above. */
int tar_end(struct buf *tar);

#endif
