/* SPDX-License-Identifier: GPL-3.0-or-later */
/* push_scan: one text of a push, looked through by the detectors, at once or as it comes. Private to gate/push_*.c. */
#ifndef GATE_PUSH_SCAN_H
#define GATE_PUSH_SCAN_H

#include "gate/push_run.h"

/* A text that lies in memory as a whole. Returns 0, or -1: the run has failed. */
int push_scan_text(struct push_run *run, const struct push_place *place, struct str text);

/* One that comes in pieces. */
struct push_stream {
    struct push_run *run;
    struct push_place place; /* what it points to stays the caller's, until the end */
    struct dlp_scan *scan;
    char *window; /* what is not through yet */
    size_t len, size;
    uint64_t offset; /* of the window's first byte */
    uint64_t lines;  /* line ends before it */
    size_t seen;     /* findings that have been told */
};

/* All return 0, or -1: the run has failed. push_stream_end is to be called in any case; it frees. */
int push_stream_begin(struct push_stream *stream, struct push_run *run, const struct push_place *place);
int push_stream_feed(struct push_stream *stream, struct str bytes);
int push_stream_end(struct push_stream *stream);

#endif
