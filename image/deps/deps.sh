#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes this machine able to build and test: installs the Debian packages of packages.txt, then fetches and builds
# what pins.txt lists into a cache folder outside the tree. A second run finds everything and does nothing.
# The machine's apt configuration is only read. WOLFSSL_TARBALL=FILE takes the pinned wolfSSL tarball from a file.
#   deps.sh          do it
#   deps.sh --build  the same, but only the packages for building (of packages.txt up to the line "-- for tests")
#   deps.sh --where  print the cache folder (include/, lib/, bin/, and `ready` when complete)
# With ARCH=arm64 in the environment on another machine: for cross-compiling. What Debian has is then unpacked into sysroot/ of
# the cache folder, with dpkg's records, and nothing of it is installed.
set -euo pipefail
cd "$(dirname "$0")"

sysroot_packages() { grep -oE '^[a-z0-9.+-]+-dev' packages.txt | grep -v '^dpkg'; }

cache=${XDG_CACHE_HOME:-${HOME:?}/.cache}/stopper
native=$(dpkg --print-architecture)
arch=${ARCH:-$native}
case $arch in
    "$native") cross="" ;;
    amd64) cross=x86_64-linux-gnu- ;;
    arm64) cross=aarch64-linux-gnu- ;;
    *) echo "deps: ARCH is amd64 or arm64, not $arch" >&2 && exit 1 ;;
esac
# The folder's name is its content: pins, settings, flags, this recipe, and what a sysroot is made of. The compiler is noted inside.
key=$({
    cat pins.txt deps.sh wolfssl/*
    [ -z "$cross" ] || sysroot_packages
} | sha256sum | cut -c1-16)
dest=$cache/$key-$arch${cross:+-cross}
if [ "${1-}" = --where ]; then
    echo "$dest"
    exit
fi

say() { echo "deps: $*"; }
loud() { printf '\ndeps: WARNING: %s\n\n' "$*" >&2; }
die() {
    echo "deps: $*" >&2
    exit 1
}
root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

only=${1-}
# What another package provides is there too: nodejs of some vendors brings npm, and excludes Debian's.
missing() {
    local want have
    want=$(sed "${only:+/^# -- for tests/,\$d;} s/#.*//; s/[[:space:]]//g; /^$/d" packages.txt | sort -u)
    have=$(dpkg-query -W -f '${db:Status-Status} ${Package}, ${Provides}\n' |
        sed -n 's/^installed //p' | sed 's/([^)]*)//g' | tr -s ', ' '\n' | sort -u)
    comm -23 <(echo "$want") <(echo "$have")
}

# Servers among the packages are for the lab, which starts its own: none may start now, nor at the next boot.
packages() {
    local list policy=/usr/sbin/policy-rc.d made="" service
    mapfile -t list < <(missing)
    [ ${#list[@]} = 0 ] && return
    say "installing: ${list[*]}"
    if [ ! -e $policy ]; then
        # shellcheck disable=SC2064 # the path is fixed now
        trap "root rm -f $policy" EXIT
        printf '#!/bin/sh\nexit 101\n' | root tee $policy >/dev/null
        root chmod 755 $policy
        made=1
    fi
    root apt-get -qq update || die "apt-get update failed"
    root env DEBIAN_FRONTEND=noninteractive APT_LISTCHANGES_FRONTEND=none NEEDRESTART_SUSPEND=1 \
        apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 install "${list[@]}" </dev/null >&2 ||
        die "apt-get could not install: ${list[*]}"
    for service in nginx:nginx-light nsd:nsd ssh:openssh-server haproxy:haproxy docker:docker.io containerd:containerd; do
        case " ${list[*]} " in *" ${service#*:} "*) root update-rc.d "${service%:*}" disable >/dev/null 2>&1 || true ;; esac
    done
    case " ${list[*]} " in
        *" podman "*) root systemctl --quiet disable podman{,-restart,-auto-update}.service podman.socket podman-auto-update.timer >/dev/null 2>&1 || true ;;
    esac
    case " ${list[*]} " in *" docker.io "*) root systemctl disable docker.socket >/dev/null 2>&1 || true ;; esac
    if [ -n "$made" ]; then
        root rm -f $policy
        trap - EXIT
    fi
    mapfile -t list < <(missing)
    [ ${#list[@]} = 0 ] || die "still missing after installation: ${list[*]}"
}

# shellcheck disable=SC2016 # apt expands $(SITE)
sites() { apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | sort -u; }

# apt, but of trixie, with lists and state of its own. $1 is a work folder.
trixie() {
    local dir=$1/apt site suite
    local -a apt=(apt-get -q -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$dir/sources" -o Dir::Etc::preferencesparts=/dev/null
        -o Dir::State::lists="$dir/lists" -o Dir::Cache="$dir/cache" -o APT::Sandbox::User=root)
    shift
    if [ ! -d "$dir" ]; then
        mkdir -p "$dir"/{sources,lists/partial,cache/archives/partial}
        for site in $(sites); do
            case $site in *security*) suite=trixie-security ;; *debian) suite=trixie ;; *) continue ;; esac
            printf 'Types: deb deb-src\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n\n' "$site" "$suite" \
                /usr/share/keyrings/debian-archive-keyring.gpg >>"$dir/sources/trixie.sources"
        done
        "${apt[@]}" update >&2
    fi
    "${apt[@]}" "$@" >&2
}

# fetch NAME FILE: the pinned file of this machine's architecture, from the mirror that apt uses. 1 if no mirror has it.
fetch() {
    local name version for sum path site
    while read -r name version for sum path; do
        case "$name $for" in "$1 any" | "$1 $arch") break ;; esac
    done < <(grep -v '^#' pins.txt; echo)
    [ -n "$name" ] || die "pins.txt has no $1 for $arch"
    if [ "$1" = wolfssl ] && [ -n "${WOLFSSL_TARBALL-}" ]; then
        echo "$sum  $WOLFSSL_TARBALL" | sha256sum --quiet -c - || die "WOLFSSL_TARBALL is not wolfSSL $version as pinned"
        cp "$WOLFSSL_TARBALL" "$2"
        return
    fi
    for site in $(sites); do
        say "fetching $name $version"
        if /usr/lib/apt/apt-helper -q -o APT::Sandbox::User=root download-file "$site/$path" "$2" "SHA256:$sum" >"$2.log" 2>&1; then
            return 0
        fi
    done
    return 1
}

# unpacked NAME PACKAGE VERSION WORK: trixie's package as pinned, in WORK/NAME; nothing is installed.
unpacked() {
    local file=$4/$1.deb
    if ! fetch "$1" "$file"; then
        loud "the pinned $2 is gone from the mirror: taking what trixie has now, as signed by Debian"
        (cd "$4" && trixie "$4" download "$2") || die "no $2 to be had"
        mv "$4/$2"_*.deb "$file"
        case $(dpkg-deb -f "$file" Version) in "$3"[~+-]*) ;; *) die "trixie's $2 is not $3: pins.txt needs a new choice" ;; esac
    fi
    dpkg-deb -x "$file" "$4/$1"
}

# program NAME PACKAGE VERSION WORK: one for tests.
program() {
    unpacked "$@"
    mkdir -p "$4/out/bin"
    cp "$4/$1/usr/bin/$1" "$4/out/bin/"
}

# deb NAME PACKAGE VERSION WORK: a static library and its headers out of trixie's -dev package.
deb() {
    unpacked "$@"
    cp -r "$4/$1"/usr/include/. "$4/out/include/"
    cp "$4/$1/usr/share/doc/$2/copyright" "$4/out/$1.copyright"
    cp "$4/$1"/usr/lib/*/"$1.a" "$4/out/lib/" 2>/dev/null || cp "$4/$1"/usr/lib/*/lib"$1".a "$4/out/lib/"
}

wolfssl() {
    local work=$1 src=$1/wolfssl fallback=""
    mkdir "$src"
    if fetch wolfssl "$work/wolfssl.tar.gz"; then
        tar -xzf "$work/wolfssl.tar.gz" -C "$src" --strip-components=1 --wildcards \
            --no-wildcards-match-slash '*/COPYING' '*/src' '*/wolfcrypt/src' '*/wolfssl'
    else
        loud "wolfSSL 5.9.2 is gone from the mirror. Building trixie's 5.7.2 INSTEAD: no post-quantum key exchange," \
            "an authority that the strictest clients refuse, upstreams accepted by their common name, no fix of CVE-2026-3547." \
            "Give the pinned tarball as WOLFSSL_TARBALL=FILE to get 5.9.2."
        (cd "$work" && trixie "$work" source wolfssl) || die "no wolfSSL source to be had: give one as WOLFSSL_TARBALL=FILE"
        rmdir "$src"
        mv "$work"/wolfssl-5.7.2* "$src" || die "trixie's wolfSSL is not 5.7.2"
        fallback=1
    fi
    say "building wolfSSL"
    patch -s -d "$src" -p1 <wolfssl/ticket-nonce.patch || die "wolfssl/ticket-nonce.patch does not fit"
    make -s -j"$(nproc)" -C wolfssl SRC="$src" OUT="$work/obj" ${fallback:+FALLBACK=1} CROSS="$cross" SYSROOT="${cross:+$work/out/sysroot}" >"$work/log" 2>&1 ||
        { cat "$work/log" >&2; die "wolfSSL did not build"; }
    cp "$work/obj/libwolfssl.a" "$work/out/lib/"
    cp "$src/COPYING" "$work/out/wolfssl.copyright"
    (cd "$src" && find wolfssl -name '*.h' -exec cp --parents {} "$work/out/include" \;)
    { [ -z "$fallback" ] || echo '#define STOPPER_WOLFSSL_FALLBACK'; cat wolfssl/user_settings.h; } >"$work/out/include/user_settings.h"
}

# What is linked against or goes into the image, and all that it depends on, for another architecture.
sysroot() {
    local dir=$1/debian root=$1/out/sysroot file name
    local -a apt=(apt-get -q -o APT::Architecture="$arch" -o APT::Architectures="$arch" -o Dir::State="$dir" -o Dir::State::lists="$dir/lists"
        -o Dir::State::status=/dev/null -o Dir::Cache="$dir/cache" -o APT::Sandbox::User=root)
    mkdir -p "$dir"/{lists/partial,cache/archives/partial} "$root"/{usr/{bin,sbin,lib},var/lib/dpkg/info}
    ln -s usr/bin usr/sbin usr/lib "$root"
    echo 1 >"$root/var/lib/dpkg/info/format"
    printf '%s\n' "$native" "$arch" >"$root/var/lib/dpkg/arch"
    say "fetching Debian's packages for $arch"
    "${apt[@]}" update >"$1/log" 2>&1 || { cat "$1/log" >&2; die "apt-get update failed for $arch"; }
    # shellcheck disable=SC2046 # names
    "${apt[@]}" -y --no-install-recommends --download-only install base-files ca-certificates check git openssh-client \
        $(sysroot_packages) >"$1/log" 2>&1 ||
        { cat "$1/log" >&2; die "apt-get could not fetch the packages for $arch"; }
    for file in "$dir"/cache/archives/*.deb; do
        # shellcheck disable=SC2016 # dpkg-deb expands it
        name=$(dpkg-deb --show --showformat '${Package}:${Architecture}:${Multi-Arch}' "$file")
        case $name in *:same) name=${name%:same} ;; *) name=${name%%:*} ;; esac
        dpkg-deb --fsys-tarfile "$file" | tar -x --no-same-owner --keep-directory-symlink -C "$root"
        dpkg-deb --fsys-tarfile "$file" | tar -t | sed 's,^\.,,; s,/$,,; s,^$,/.,' >"$root/var/lib/dpkg/info/$name.list"
        dpkg-deb -f "$file" | sed '/^Package:/a Status: install ok installed' >>"$root/var/lib/dpkg/status"
        echo >>"$root/var/lib/dpkg/status"
    done
    find "$root" -type l -lname '/*' | while read -r file; do ln -srfn "$root$(readlink "$file")" "$file"; done
}

fallback() { grep -q "^#define STOPPER_WOLFSSL_FALLBACK\$" "$dest/include/user_settings.h"; }

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
packages
compiler=$("${cross}gcc" -dumpfullversion)
if ! [ -e "$dest/ready" ] || [ "$(cat "$dest/compiler")" != "$compiler" ] ||
    { [ -n "${WOLFSSL_TARBALL-}" ] && fallback; }; then
    work=$(mktemp -d "$cache/work.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work"/out/{include,lib}
    [ -z "$cross" ] || sysroot "$work"
    deb llhttp libllhttp-dev 9.2.1 "$work"
    deb libmnl libmnl-dev 1.0.5 "$work"
    [ -n "$cross" ] || program gitleaks gitleaks 8.16.0 "$work"
    wolfssl "$work"
    echo "$compiler" >"$work/out/compiler"
    rm -rf "$dest"
    mv "$work/out" "$dest"
fi
if fallback; then loud "wolfSSL 5.7.2 is in use, not 5.9.2"; fi
touch "$dest/ready"
say "ready"
