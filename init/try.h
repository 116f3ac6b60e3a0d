/* SPDX-License-Identifier: GPL-3.0-or-later */
/* try: installs the wall in a namespace of its own and says whether the kernel took it, for `hostctl doctor`. */
#ifndef INIT_TRY_H
#define INIT_TRY_H

/* As PID 1 of a pid namespace only, as init itself: what is tried stays in the network namespace. Prints
 * {"ok":true,"protocol":1,"version":"…"} or {"ok":false,"error":"…"}. Returns the status for exit(3). */
int try_main(void);

#endif
