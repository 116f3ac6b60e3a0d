/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * shim_trust: makes the agent's programs trust the bottle's authority, beside all that they trusted before.
 *
 *   /run/stopper-ca/bundle.pem   the image's roots and ours; for programs that are told of one file
 *   /run/stopper-ca/ca.pem       ours alone; for programs that add one to what they have
 *   /run/stopper-ca/certs/       as bundle.pem, a folder by subject hash
 *   /run/stopper-ca/cacerts.jks  as bundle.pem, for Java; only where the image has one
 *
 * The environment points there (a variable that the manifest sets stays as it is). Where the image keeps its
 * roots ours are added in place too, for programs that look at no variable.
 */
#ifndef INIT_SHIM_TRUST_H
#define INIT_SHIM_TRUST_H

#include "core/buf.h"
#include "core/err.h"
#include "init/shim_config.h"

#define SHIM_TRUST_FOLDER "/run/stopper-ca" /* root's; everybody may read */

/* Writes the files, as root and before the command. Without an authority in the configuration it does
 * nothing; in a sealed container it leaves the image's places alone, and config->mounts always. `one`: the image is one
 * mount, and no other is touched. Returns 0, or -1 with err. */
int shim_trust_setup(const struct shim_config *config, bool one, struct err *err);

/* What shim_trust_setup would add in place, for an image whose own container has no right to: in `tar` (to be
 * given back with buf_fini; empty when the image keeps no roots) every changed file as a whole. Nothing is
 * written. `ca`: one certificate, PEM; `hash`: its name in a folder, "" = unknown; `places`: absolute paths, below which
 * nothing is touched, nor in other mounts than that of "/". Every path in it is free of links in this image. Returns 0, or -1 with err (tar is to be
 * given back all the same). */
int shim_trust_archive(const char *ca, const char *hash, char *const places[], size_t count, struct buf *tar,
                       struct err *err);

/* Adds the variables for what shim_trust_setup wrote to config->env. Returns 0, or -1 with err. */
int shim_trust_environment(struct shim_config *config, struct err *err);

#endif
