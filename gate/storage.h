/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * storage: how much of what the operator gives the mirrors (git-gate.storage_mb) is left. It is counted when something is about
 * to be written, and bounds what one git may write then; of two that write at a time each has what was left.
 */
#ifndef GATE_STORAGE_H
#define GATE_STORAGE_H

#include <stdint.h>

/* Bytes of all files below this folder. What vanishes meanwhile, or cannot be read, counts as nothing. */
uint64_t storage_used(const char *root);

/* Bytes that are left of so many MiB; 0: it is full. */
uint64_t storage_room(const char *root, unsigned mb);

#endif
