/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * seccomp: which system calls a worker may still make. A call outside of its list kills the process (SIGSYS): a refusal
 * by errno would let whoever took the worker over try on in silence, while init audits this death by name and starts
 * a fresh worker. The lists are tables in seccomp.c; they are kept complete by tests with real traffic.
 */
#ifndef SYS_SECCOMP_H
#define SYS_SECCOMP_H

#include "core/err.h"
#include "sys/jail.h"

/* Loads the profile's filter for good and verifies that it answers. no_new_privs must be set. Returns 0, or -1 with err. */
int seccomp_confine(enum jail_profile profile, struct err *err);

#endif
