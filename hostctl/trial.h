/* SPDX-License-Identifier: GPL-3.0-or-later */
/* trial: `stopper-init try`, which installs the sidecar's rule set in a namespace of the attempt's own and says whether
 * the kernel took it. Runtimes run it each in its way; here is what its answer means. */
#ifndef HOSTCTL_TRIAL_H
#define HOSTCTL_TRIAL_H

#include "core/err.h"
#include "core/str.h"

#define TRIAL_MAX 2048 /* bytes of the answer */
#define TRIAL_REMEDY                                                                                         \
    "the kernel needs nf_tables for inet with NAT, REDIRECT, REJECT and FIB (modprobe nft_redir "            \
    "nft_reject_inet "                                                                                       \
    "nft_fib_inet), and a sidecar of this release"

/* Returns 0 with said = what was tried, or -1 with what is wrong. */
int trial_judge(struct str answer, struct err *said);

#endif
