/* SPDX-License-Identifier: GPL-3.0-or-later */
/* signals: see signals.h. The kernel's own calls, because the C library's leave signals out. */
#include "sys/signals.h"

#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KERNEL_SIGNALS 64 /* the size of the kernel's sigset_t in bits; MIPS aside, all have as many */

void signals_default(void)
{
    static const unsigned long
        standard[8]; /* the kernel's struct sigaction, at most: SIG_DFL, no flags, no mask */
    const unsigned long long none = 0;

    for (long number = 1; number <= KERNEL_SIGNALS; number++)
        if (number != SIGKILL && number != SIGSTOP)
            syscall(SYS_rt_sigaction, number, standard, NULL, sizeof none);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof none);
}
