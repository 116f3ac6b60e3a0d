/* SPDX-License-Identifier: GPL-3.0-or-later */
/* users: the sidecar's users, by number (uid = gid). The wall's output rules and the jail use these; image/
 * writes them into its passwd. Chosen outside the ranges that distributions hand out (Debian policy 9.2.2).
 */
#ifndef SYS_USERS_H
#define SYS_USERS_H

#define USER_PROXY    61001
#define USER_DNS      61002
#define USER_COMPILER 61004 /* stopper-dlpc, while it lives */
#define USER_GATE     61005 /* stopper-gate, and the git that it runs */
#define USER_PUSH     61006 /* stopper-push, and the ssh that it runs: the only one with keys */
#define USER_UPLINK   61003 /* on the host: pasta; owns the user namespace around the sidecar's network */

#endif
