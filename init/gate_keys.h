/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gate_keys: the private keys of the git-gate's upstreams in init: those that came with a policy, and those that `ctl
 * deploy-key` had made here. They go to stopper-push (CHANNEL_KEYS) and to nobody else; a made one lives as long as init,
 * and only its public half is ever told.
 */
#ifndef INIT_GATE_KEYS_H
#define INIT_GATE_KEYS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"
#include "core/keys.h"
#include "core/policy.h"

#define DEPLOY_KEYS_MAX 256 /* in a bottle's life */
/* Of "ssh-ed25519 BASE64 stopper:NAME", NUL included: the base64 is of 51 bytes. */
#define DEPLOY_LINE_MAX (12 + 68 + 9 + GATE_NAME_MAX + 1)

/* A new ed25519 key. *text is the private half as ssh-keygen(1) would write it (openssh-key-v1, PROTOCOL.key of OpenSSH), to
 * be freed; `line` the public one as authorized_keys has it (sshd(8)). Returns 0, or -1 with err. */
int deploy_key_make(const char *name, struct secret **text, char line[DEPLOY_LINE_MAX], struct err *err);

/* "SHA256:" and the digest of the public half in base64, as ssh-keygen -l shows it. NUL included. */
#define DEPLOY_PRINT_MAX 56

/* Of such a line. Returns 0, or -1. */
int deploy_key_print(const char *line, char print[DEPLOY_PRINT_MAX]);

/* What was made in this bottle. */
struct gate_keys {
    struct keys *made;              /* NULL: none yet */
    char (*lines)[DEPLOY_LINE_MAX]; /* of each, its public half */
};

void gate_keys_fini(struct gate_keys *keys);

/* The public half of the key with this name, which is made at the first call: *made. Returns it, or NULL with err. */
const char *gate_keys_deploy(struct gate_keys *keys, const char *name, bool *made, struct err *err);

/* Reads what `ctl apply` has as its member "keys"; null in it stands for what was made. *taken is NULL when there is none.
 * Returns 0, or -1 with err. */
int gate_keys_take(const struct gate_keys *keys, const json_t *member, struct keys **taken, struct err *err);

/* Whether every repository of a policy has a key, and every key a repository. `keys` may be NULL. Returns 0, or -1 with err.
 */
int gate_keys_check(const struct keys *keys, const struct policy *policy, struct err *err);

/* Keys as a sealed memfd for CHANNEL_KEYS, to be closed when it is sent. -1 with errno. */
int gate_keys_memfd(const struct keys *keys);

#endif
