#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Takes the npm registry of the net lab (verdaccio, a program of node's) from the npm registry of this machine's own
# configuration, into a cache folder outside the tree. registry/package-lock.json pins all of it by SHA-512, without
# addresses; no script of any package is run. A second run finds everything and does nothing.
#   registry.sh          do it
#   registry.sh --where  print the cache folder (node_modules/, and `ready` when complete)
set -euo pipefail
cd "$(dirname "$0")"

key=$(cat registry.sh registry/* | sha256sum | cut -c1-16)
cache=${XDG_CACHE_HOME:-${HOME:?}/.cache}/stopper
dest=$cache/registry-$key
if [ "${1-}" = --where ]; then
    echo "$dest"
    exit
fi

mkdir -p "$cache"
exec 9>"$cache/registry.lock"
flock 9
if ! [ -e "$dest/ready" ]; then
    work=$(mktemp -d "$cache/work.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    cp registry/* "$work/"
    echo "deps: fetching the lab's npm registry"
    (cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error) >"$work/log" 2>&1 ||
        { cat "$work/log" >&2; echo "deps: npm could not fetch the lab's registry; the net lab needs it, building does not" >&2; exit 1; }
    rm -rf "$dest"
    mv "$work" "$dest"
    touch "$dest/ready"
fi
echo "deps: the lab's npm registry is ready"
