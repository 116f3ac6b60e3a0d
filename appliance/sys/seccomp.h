/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * seccomp: which system calls a worker may still make. A call outside of its list kills the process (SIGSYS):
 * a refusal by errno would let whoever took the worker over try on in silence, while init audits this death
 * by name and starts a fresh worker. In the jails of programs, which differ from host to host, that goes for a list of calls that
 * none of them makes; others that are not in their list do not exist. The lists are tables in seccomp.c; they are kept complete by tests with
 * real traffic.
 */
#ifndef SYS_SECCOMP_H
#define SYS_SECCOMP_H

#include "core/err.h"
#include "sys/jail.h"

/* A test build whose reports need a little more than a worker: calls, and a stderr that may be a file. */
#if defined(__SANITIZE_ADDRESS__)
#define SECCOMP_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SECCOMP_SANITIZED 1
#endif
#endif
#ifndef SECCOMP_SANITIZED
#define SECCOMP_SANITIZED 0
#endif

/* Loads the profile's filter for good and verifies that it answers. no_new_privs must be set. Returns 0, or
 * -1 with err. */
int seccomp_confine(enum jail_profile profile, struct err *err);

#endif
