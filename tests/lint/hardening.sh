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
    # What leaves no symbol: gcc notes the flags of each unit beside its debugging information (clang does not).
    while read -r unit; do
        for flag in -fPIE -fstack-protector-strong -fstack-clash-protection -ftrivial-auto-var-init=zero; do
            case " $unit " in *" $flag "*) ;; *) echo "hardening: $program: a unit was compiled without $flag" >&2; failed=1 ;; esac
        done
    done < <(readelf --debug-dump=info "$program" 2>/dev/null | sed -n 's/.*DW_AT_producer *:.*\(GNU C[0-9].*\)/\1/p' | sort -u)
    case $program in
        *shim) ! grep -q 'INTERP' <<<"$all" || { echo "hardening: $program: not static" >&2; failed=1; } ;;
        *) has "nothing fortified" '__[a-z]+_chk@' ;;
    esac
done
exit $failed
