/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Linked into the programs of the asan variant only. Leaks are looked for by the unit tests: a jailed worker
 * cannot run the leak detector, which needs a second process and ptrace.
 */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
    return "detect_leaks=0:abort_on_error=1:disable_coredump=1:symbolize=0";
}
