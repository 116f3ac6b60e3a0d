#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# run.sh PROGRAM...: runs unit test programs side by side and prints what each closed with.
# RUNNER is a command that runs them, for another architecture.
# A program that fails, or that ran no check (Check calls that 100%), fails the run; so does an empty list.
set -euo pipefail

if [ "${1-}" = --one ]; then
    log=$2.log
    status=0
    # shellcheck disable=SC2086 # words
    timeout 900 ${RUNNER-} "$2" >"$log" 2>&1 </dev/null || status=$?
    closing=$(grep -E '^[0-9]+%: Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+$' "$log" || true)
    if [ $status = 0 ] && [[ $closing == 100%:\ Checks:\ [1-9]* ]] && [[ $closing != *$'\n'* ]]; then
        printf '%s\n%s\n' "$(basename "$2")" "$closing"
        exit 0
    fi
    { cat "$log"; echo "FAILED: $(basename "$2") (status $status, ${closing:-no check was run})"; } >&2
    exit 1
fi

[ $# -gt 0 ] || { echo "run.sh: no unit test program" >&2; exit 1; }
# Bounds, not expectations: the machine may be busy, the sanitizers are slow, and an emulator is slower still.
if [ -n "${RUNNER-}" ]; then export CK_DEFAULT_TIMEOUT=600; else export CK_DEFAULT_TIMEOUT=240; fi
export ASAN_OPTIONS="detect_leaks=1:${ASAN_OPTIONS-}" UBSAN_OPTIONS="print_stacktrace=1:${UBSAN_OPTIONS-}"
printf '%s\0' "$@" | xargs -0 -n1 -P"$(nproc)" "$0" --one
