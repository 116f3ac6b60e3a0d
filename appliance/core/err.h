/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * err: one error in words, by value, for start-up, loaders and the control channel (traffic uses enum
 * denial). The innermost function says what is wrong; each caller that knows more puts its context in front:
 * "up: claude.md:14: egress.routes[2]: unknown key "methods"".
 */
#ifndef CORE_ERR_H
#define CORE_ERR_H

struct err {
    char text[768]; /* NUL-terminated; longer texts are cut */
};

/* Replaces the text. Returns -1 always, so that `return err_set(err, …)` reads well. */
int err_set(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same with ": " and strerror(errno) behind the text. */
int err_set_errno(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts a context and ": " in front of the text. Returns -1 always. */
int err_prefix(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
