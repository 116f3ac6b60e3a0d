#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# lint.sh [ROOT]: what is asked of every file, besides compiling. Says all that is wrong, then fails.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "${1:-.}" || exit 2
failed=0

need() { command -v "$1" >/dev/null || { echo "lint: $1 is missing: install Debian's package $2, or run make deps" >&2; exit 2; }; }
wrong() { echo "lint: $*" >&2; failed=1; }
files() { git ls-files -co --exclude-standard -- "$@" | while read -r f; do [ -f "$f" ] && echo "$f"; done; }

need git git
need clang-format clang-format
need shellcheck shellcheck
need mandoc mandoc
mapfile -t c < <(files '*.[ch]')
mapfile -t scripts < <(files | xargs -r -d '\n' grep -lE '^#!.*\b(ba|da)?sh\b' --)
mapfile -t man < <(files 'docs/*.[1-9]')
mapfile -t own < <(files '*.[ch]' '*.inc' '*.py' '*.sh' '*.mk' Makefile '*/Makefile' .ci/run)

[ ${#c[@]} = 0 ] || clang-format --dry-run -Werror -- "${c[@]}" || wrong "layout: run make format"
"$here/layers.py" . || wrong "a layer includes what it must not (HOUSE: one-way arrows)"
[ ${#scripts[@]} = 0 ] || shellcheck -- "${scripts[@]}" || wrong "a script"
[ ${#man[@]} = 0 ] || mandoc -T lint -W warning -- "${man[@]}" || wrong "a man page"
for f in "${own[@]}"; do
    case $f in *.[ch] | *.inc) at=1 ;; *) at=2 ;; esac
    head -n $at "$f" | grep -q 'SPDX-License-Identifier: GPL-3.0-or-later' || wrong "$f: no SPDX line on top"
done
mapfile -t inc < <(files '*.inc')
mapfile -t python < <(files "*.py")
for f in "${c[@]}" "${inc[@]}" "${python[@]}"; do
    lines=$(wc -l <"$f")
    [ "$lines" -le 600 ] || wrong "$f: $lines lines; a file stays under 600"
done
mapfile -t long < <([ ${#c[@]} = 0 ] || awk 'FNR == 1 { start = 0 } $0 == "{" { start = FNR } $0 == "}" && start > 0 {
    if (FNR - start >= 80) print FILENAME ":" start ": a function of " FNR - start + 1 " lines; one stays under about 80: a table beside it?"
    start = 0 }' "${c[@]}")
for each in "${long[@]}"; do wrong "$each"; done
files | xargs -r -d '\n' grep -nIE '[[:blank:]]+$' -- | grep -vE '^(LICENSE|[^:]*\.(md|patch)):' >&2 && wrong "blanks at the end of a line"
exit $failed
