/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * trust_nss: the bottle's authority in the agent's NSS database, ~/.pki/nssdb: Chromium and what is built on
 * it look there for authorities beside their own, and nowhere else. The database is the work of the image's
 * own certutil(1). That program is the image's code, so it runs as the agent's command does: after the drop,
 * with its user and environment, and for a bounded time.
 */
#ifndef INIT_TRUST_NSS_H
#define INIT_TRUST_NSS_H

#include "init/shim_config.h"

#define TRUST_NSS_CERTUTIL "/usr/bin/certutil"
#define TRUST_NSS_FOLDER   ".pki/nssdb"                            /* below HOME */
#define TRUST_NSS_NAME     "Stopper, the authority of this bottle" /* a colon would name a token */
#define TRUST_NSS_SECONDS  5                                       /* that one run of certutil may take */

/* Adds the authority, in place of an earlier bottle's. Without an authority, a certutil or a HOME that can be
 * written it does nothing; else a failure is told on descriptor 2. The wall does not need it, so nothing
 * fails with it. After the drop, with every signal blocked and no other child. */
void trust_nss_setup(const struct shim_config *config);

#endif
