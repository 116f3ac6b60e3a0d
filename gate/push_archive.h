/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * push_archive: gzip (RFC 1952) and zip (APPNOTE.TXT of PKWARE) within an object, unpacked one level deep and looked through. Both are
 * found by what they begin with, wherever that is: in the middle of a tar, behind a program that unpacks itself, in what a zip's
 * directory does not list. A zip's directory is not read: readers differ in what they believe of it. What lies in an archive unpacked
 * (a tar's members, a zip's stored ones) lies in the object itself. Private to gate/push_*.c.
 */
#ifndef GATE_PUSH_ARCHIVE_H
#define GATE_PUSH_ARCHIVE_H

#include "gate/push_run.h"

/* Looks into what archives there are in an object. Returns 0, or -1: the run has failed. */
int push_archive_look(struct push_run *run, const struct push_place *place, struct str object);

#endif
