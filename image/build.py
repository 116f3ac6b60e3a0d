#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""build.py: the sidecar's image out of contents.txt, our programs, and the Debian packages of this machine; no registry, no
container engine, no root. Makes OUT/ARCH: the two archives, the list of materials, digest and ID; or only OUT/root, its files."""
import argparse
import glob
import os
import re
import shutil
import subprocess
import sys

from archive import Image, settings
from debian import Debian, Missing, needs, outdated
from materials import document

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(HERE)
NAME = "stopper-sidecar"
TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
SIDECAR_USERS = {"PROXY": "stopper-proxy", "DNS": "stopper-dns"}


class Part:
    """What image/deps built or took for static linking."""

    def __init__(self, name, deps):
        self.name, self.sum = name, None
        self.patches = sorted(os.path.basename(path) for path in glob.glob(f"{HERE}/deps/{name}/*.patch"))
        with open(f"{HERE}/deps/pins.txt", encoding="utf-8") as file:
            pins = [line.split() for line in file if line.startswith(f"{name} ")]
        self.version = pins[0][1]
        if name == "wolfssl":  # the one that can be another: see deps.sh
            with open(f"{deps}/include/wolfssl/version.h", encoding="utf-8") as file:
                self.version = re.search(r'LIBWOLFSSL_VERSION_STRING "([^"]+)"', file.read())[1]
            if self.version == pins[0][1]:
                self.sum = pins[0][3]


def declared(path):
    with open(path, encoding="utf-8") as file:
        return [line.split() for line in (line.partition("#")[0].strip() for line in file) if line]


def users():
    """(name, number) of those who live in a sidecar."""
    with open(f"{TREE}/appliance/sys/users.h", encoding="utf-8") as file:
        numbers = dict(re.findall(r"#define USER_(\w+)\s+(\d+)", file.read()))
    return [("root", 0)] + [(name, int(numbers[key])) for key, name in SIDECAR_USERS.items()]


class Root:
    """The image's files as they are put together: path -> (bytes, mode, package that it is from)."""

    def __init__(self, options):
        self.options, self.debian = options, Debian(options.sysroot, options.arch, TRIPLETS[options.arch])
        self.files, self.folders, self.links, self.parts = {}, {}, [], {}
        self.libraries, self.loaders, self.materials = set(), set(), None

    def put(self, path, data, owner, mode=0o644):
        if path in self.files:
            raise Missing(f"{path} is there twice")
        self.files[path] = (data, mode, owner)

    def elf(self, path):
        names, loader = needs(path)
        self.loaders |= {loader} if loader else set()
        for name in names:
            if name not in self.libraries and not name.startswith("ld-linux-"):
                self.libraries.add(name)
                self.elf(self.debian.real(self.debian.library(name)))

    def program(self, name, path, *parts):
        source = f"{self.options.programs}/{name}"
        if not os.path.exists(source):
            raise Missing(f"{source} is not there: make all")
        stripped = f"{self.options.out}/stripped"
        subprocess.run([self.options.strip, "--strip-all", "--remove-section=.note.gnu.build-id", "-o", stripped, source], check=True)
        with open(stripped, "rb") as file:
            self.put(path, file.read(), NAME, 0o755)
        os.unlink(stripped)
        self.elf(source)
        for part in parts:
            with open(f"{HERE}/deps/pins.txt", encoding="utf-8") as file:
                pinned = any(line.startswith(f"{part} ") for line in file)
            if pinned:
                self.parts[part] = self.parts.get(part) or Part(part, self.options.deps)
            else:
                self.debian.package(f"{part}:{self.options.arch}")
            self.links.append((path, part))

    def file(self, path, mode=0o755):
        real = self.debian.real(path)
        if not os.path.exists(real):
            raise Missing(f"{path} is not there: run make deps")
        with open(real, "rb") as file:
            data = file.read()
        self.put(path, data, self.debian.owner(path).name, mode)
        if data.startswith(b"\x7fELF"):
            self.elf(real)

    def loader(self):
        if len(self.loaders) != 1:
            raise Missing(f"several loaders are asked for: {self.loaders}")
        self.file(*self.loaders)

    def lib(self, name):
        path = self.debian.library(name)
        with open(self.debian.real(path), "rb") as file:
            self.put(path, file.read(), self.debian.owner(path).name)

    def roots(self, path):
        certificates = [name for name in self.debian.files("ca-certificates") if name.endswith(".crt")]
        if len(certificates) < 100:
            raise Missing("Debian's package ca-certificates holds no root certificates")
        texts = []
        for name in certificates:
            with open(self.debian.real(name), "rb") as file:
                texts.append(file.read().rstrip(b"\n") + b"\n")
        self.put(path, b"".join(texts), self.debian.package("ca-certificates").name)

    def copyrights(self):
        """Of all that files are from, and the licences that they refer to."""
        texts = set()
        sources = {name: self.debian.real(package.copyright) for name, package in self.debian.packages.items()}
        sources |= {name: f"{self.options.deps}/{name}.copyright" for name in self.parts}
        for name, source in [*sources.items(), ("base-files", self.debian.real("/usr/share/doc/base-files/copyright"))]:
            if not os.path.exists(source):
                raise Missing(f"{source} is not there: does this system leave documentation out?")
            with open(source, "rb") as file:
                data = file.read()
            self.put(f"/usr/share/doc/{name}/copyright", data, name)
            texts |= set(re.findall(rb"/usr/share/common-licenses/([A-Za-z]+(?:-[0-9](?:\.[0-9])?)?)", data))
        for text in sorted(texts):
            self.file("/usr/share/common-licenses/" + text.decode(), 0o644)

    def assemble(self, lines):
        self.debian.look_up([words[0] for kind, *words in lines if kind == "file"] +
                            [f"{folder}/{words[0]}" for kind, *words in lines if kind == "lib" for folder in self.debian.folders])
        for kind, *words in lines:
            if kind in ("program", "file"):
                getattr(self, kind)(*words)
        wanted = {words[0] for kind, *words in lines if kind == "lib"}
        if wanted != self.libraries:
            raise Missing(f"contents.txt: libraries that nothing needs: {sorted(wanted - self.libraries)}; that are needed and not listed: "
                          f"{sorted(self.libraries - wanted)}")
        for kind, *words in lines:
            if kind in ("loader", "lib", "roots"):
                getattr(self, kind)(*words)
            elif kind == "users":
                self.put(words[0], "".join(f"{name}:x:{number}:{number}::/:/nonexistent\n" for name, number in users()).encode(), NAME)
            elif kind == "groups":
                self.put(words[0], "".join(f"{name}:x:{number}:\n" for name, number in users()).encode(), NAME)
            elif kind == "licence":
                with open(f"{TREE}/LICENSE", "rb") as file:
                    self.put(words[0], file.read(), NAME)
            elif kind == "empty":
                self.put(words[0], b"", NAME)
            elif kind == "folder":
                self.folders[words[0]] = int(words[1], 8)
            elif kind == "materials":
                self.materials = words[0]
            elif kind not in ("program", "file"):
                raise Missing(f"contents.txt: {kind} is not known")
        self.copyrights()
        listed = [(path, self.files[path][0], self.files[path][2]) for path in sorted(self.files)]
        text = document(NAME, self.options.version, self.options.arch, self.options.epoch, listed,
                        [self.debian.packages[name] for name in sorted(self.debian.packages)], [self.parts[name] for name in sorted(self.parts)], self.links)
        self.put(self.materials, text, NAME)
        return text

    def write(self, root):
        for path in sorted(self.files):
            data, mode, _ = self.files[path]
            os.makedirs(root + os.path.dirname(path), exist_ok=True)
            with open(root + path, "wb") as file:
                file.write(data)
            os.chmod(root + path, mode)
        for path, mode in self.folders.items():
            os.makedirs(root + path, exist_ok=True)
            os.chmod(root + path, mode)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", required=True, help="the folder of our programs")
    parser.add_argument("--deps", required=True, help="the cache folder of image/deps")
    parser.add_argument("--out", required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--revision", required=True)
    parser.add_argument("--epoch", required=True, type=int, help="the time of everything, in seconds")
    parser.add_argument("--arch", required=True, choices=sorted(TRIPLETS))
    parser.add_argument("--sysroot", default="/", help="where the Debian packages are unpacked")
    parser.add_argument("--strip", default="strip")
    parser.add_argument("--root-only", action="store_true")
    return parser.parse_args()


def main():
    options = arguments()
    os.umask(0o022)
    folder = f"{options.out}/{options.arch}"
    files = f"{options.out}/root" if options.root_only else f"{folder}/root"
    shutil.rmtree(files, ignore_errors=True)
    os.makedirs(files)
    root = Root(options)
    try:
        materials = root.assemble(declared(f"{HERE}/contents.txt"))
    except Missing as problem:
        sys.exit(f"image: {problem}")
    root.write(files)
    if options.root_only:
        return
    config = settings(f"{HERE}/Containerfile", {"VERSION": options.version, "REVISION": options.revision})
    image = Image(files, config, options.arch, options.epoch)
    reference = f"localhost/{NAME}:{options.version}"
    image.write_oci(f"{folder}/{NAME}.oci.tar", reference)
    image.write_docker(f"{folder}/{NAME}.docker.tar", reference)
    for name, data in ("spdx.json", materials), ("id", image.id.encode() + b"\n"), ("digest", image.digest.encode() + b"\n"):
        with open(f"{folder}/{NAME}.{name}", "wb") as file:
            file.write(data)
    print(f"  IMAGE {folder}/{NAME}.oci.tar {len(image.compressed) / 1e6:.1f} MB compressed, {len(image.layer) / 1e6:.1f} MB unpacked\n"
          f"        {reference} ID {image.id}")
    old = outdated(sorted(root.debian.packages)) if options.sysroot == "/" else []
    if old:
        print(f"        NOT the newest packages are in it: apt-get upgrade would bring others of {' '.join(old)}")


if __name__ == "__main__":
    main()
