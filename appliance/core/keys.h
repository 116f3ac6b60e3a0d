/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * keys: private SSH keys by the name of their repository (core/gate.h). A key is a `struct secret`: locked, not dumped,
 * wiped, and there is no way to print one; errors carry names. As with secrets, whoever reads keys as JSON calls
 * secret_json first.
 */
#ifndef CORE_KEYS_H
#define CORE_KEYS_H

#include <jansson.h>
#include <stddef.h>

#include "core/err.h"
#include "core/gate.h"
#include "core/secret.h"
#include "core/str.h"

#define KEY_MAX       SECRET_MAX /* bytes of one: RSA with 8192 bits has 6.4 KiB */
#define KEYS_MAX      GATE_REPOS_MAX
#define KEYS_MAX_JSON (4u << 20) /* bytes of the text below */

struct keys {
    size_t count, room;
    struct key {
        char name[GATE_NAME_MAX + 1];
        struct secret *text; /* PEM, lines ended by LF */
    } list[];
};

/* Reads {"app": "-----BEGIN OPENSSH PRIVATE KEY-----…"}: files as ssh-keygen(1) writes them, without a passphrase. `null`
 * stands for the key of that name in `made`, which may be NULL. Returns 0 with *keys, to be freed; or -1 with an err that
 * holds nothing of a key. */
int keys_read(const json_t *object, const struct keys *made, struct keys **keys, struct err *err);
int keys_parse(struct str json, struct keys **keys, struct err *err);

/* What is wrong with a key's text, in words that hold nothing of it; NULL when nothing is. */
const char *keys_problem(struct str text);

/* A copy, NULL when memory is out. And an empty set with room for so many. */
struct keys *keys_copy(const struct keys *keys);
struct keys *keys_new(size_t room);

/* Puts a key behind the others, which takes `text`. There has to be room for it. */
void keys_add(struct keys *keys, const char *name, struct secret *text);

void keys_free(struct keys *keys); /* NULL is fine */

/* The key of this name, NULL when there is none. `keys` may be NULL. */
const struct key *keys_find(const struct keys *keys, const char *name);

/* The set as the text that keys_parse reads, to be given back with secrets_text_free. NULL when memory is out. */
char *keys_text(const struct keys *keys);

#endif
