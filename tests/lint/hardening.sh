#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# hardening.sh PROGRAM...: what the linker was asked for is really in the programs.
set -euo pipefail
export LC_ALL=C
command -v readelf >/dev/null || { echo "hardening: readelf is missing: install Debian's package binutils" >&2; exit 2; }
[ $# -gt 0 ] || { echo "hardening: no program" >&2; exit 1; }
failed=0
has() { grep -qE "$2" <<<"$all" || { echo "hardening: $program: $1" >&2; failed=1; }; }
for program; do
    all=$(readelf -W -h -l -d -s "$program")
    has "not position independent" 'Type: +DYN'
    has "no RELRO" 'GNU_RELRO'
    has "symbols are not bound at start" 'BIND_NOW|FLAGS.*NOW'
    has "executable stack" 'GNU_STACK.* RW +0x'
    has "no stack protector" '__stack_chk_fail'
    case $program in
        *shim) ! grep -q 'INTERP' <<<"$all" || { echo "hardening: $program: not static" >&2; failed=1; } ;;
        *) has "nothing fortified" '__[a-z]+_chk@' ;;
    esac
done
exit $failed
