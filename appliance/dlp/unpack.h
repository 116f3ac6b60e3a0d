/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * unpack: undoes a Content-Encoding (RFC 9110 section 8.4) step by step, within bounds: gzip, deflate (with and without the
 * wrapper that RFC 1950 asks for and some leave out), br, zstd; two of them on top of each other at most. Of the layer, and of the
 * proxy where it sends a body on unpacked.
 */
#ifndef DLP_UNPACK_H
#define DLP_UNPACK_H

#include "core/str.h"
#include "dlp/scan.h"

#define DLP_UNPACK_RATIO 256     /* what a body may grow by, once it is larger than … */
#define DLP_UNPACK_GRACE 8388608 /* … this many bytes unpacked */
#define DLP_UNPACK_MEMORY                                                                                    \
    25165824 /* bytes that one coding may want: a window of 16 MiB is the largest of RFC 7932 */

struct dlp_unpack;

/* For these codings. *unpack is NULL where there are none ("identity"). What is wrong: DLP_UNKNOWN_ENCODING, DLP_FAILED. */
enum dlp_violation dlp_unpack_new(struct str content_encoding, struct dlp_unpack **unpack);
void dlp_unpack_free(struct dlp_unpack *unpack); /* NULL is fine */

/* Takes bytes from the front of *in and makes up to `room` bytes of output. To be called until *in is empty and *made less
 * than `room`. What is wrong: DLP_BAD_ENCODING, DLP_BOMB. */
enum dlp_violation dlp_unpack_next(struct dlp_unpack *unpack, struct str *in, char *out, size_t room,
                                   size_t *made);

/* Whether the body may end here. */
bool dlp_unpack_whole(const struct dlp_unpack *unpack);

/* How many bytes at the end of the input what comes out may not show yet. */
size_t dlp_unpack_lag(const struct dlp_unpack *unpack);

#endif
