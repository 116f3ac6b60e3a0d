/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * leg_stderr: the upstream's own words, from ssh's stderr to the caller's: whole lines, no control characters, nothing of our
 * files, no more than LEG_STDERR_MAX bytes. The caller's descriptor is not ours, so it is never made non-blocking; it is
 * written to in ways that do not wait all the same, and one that takes nothing loses words, and holds nothing up.
 */
#ifndef GATE_LEG_STDERR_H
#define GATE_LEG_STDERR_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#define LEG_STDERR_MAX  65536u /* bytes that are handed on */
#define LEG_LINE_MAX    1024u  /* bytes of a line; longer ones are cut in pieces */
#define LEG_STDERR_KEPT 4096u  /* the first bytes, for leg_words.h */

struct leg_stderr {
    uv_poll_t poll;
    uv_timer_t retry;
    int from, to; /* -1 = closed, or nobody */
    unsigned handles, retries;
    bool ended; /* `done` was called, or is not to be */
    size_t line_len, out_len, out_at, total, kept_len;
    char line[LEG_LINE_MAX], out[2 * LEG_LINE_MAX], kept[LEG_STDERR_KEPT];
    void (*done)(struct leg_stderr *words);   /* once: nothing more comes */
    void (*closed)(struct leg_stderr *words); /* once, behind leg_stderr_close */
};

/* Makes the pipe, and begins. Returns its other end, for ssh's stderr, to be closed by the caller when ssh has it; -1 with
 * errno. `to` is taken, also then; -1: the words are only kept. */
int leg_stderr_open(struct leg_stderr *words, uv_loop_t *loop, int to, void (*done)(struct leg_stderr *words),
                    void (*closed)(struct leg_stderr *words));

/* Ends it: `closed` follows, from the loop, and then the struct may go. */
void leg_stderr_close(struct leg_stderr *words);

/* For its test: takes bytes as if ssh had said them, and puts those that are to be shown into `out`. */
void leg_stderr_take(struct leg_stderr *words, const char *bytes, size_t len);

#endif
