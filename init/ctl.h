/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ctl: `stopper-init ctl VERB`, the client of the control socket, run by the operator inside the sidecar. */
#ifndef INIT_CTL_H
#define INIT_CTL_H

/* argv[0] is "ctl". Prints the answer, one line of JSON, on stdout, also when there is no sidecar to answer.
 * Returns the exit status: 0 when the answer says ok, 1 when not, 2 for a wrong command line. */
int ctl_main(int argc, char *const *argv);

#endif
