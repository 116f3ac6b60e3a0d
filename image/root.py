# SPDX-License-Identifier: GPL-3.0-or-later
"""root: the files of the image, put together in memory as contents.txt says, and each with the package that it is from. A file
that is declared and not there, or needed and not declared, is an error: nothing comes in unseen, and nothing stays for no reason.

What programs may open by name at run time and do not need here is not in it: name services beside the C library's own files and
dns, character sets, OpenSSL's providers and engines."""
import glob
import os
import re
import subprocess

from debian import Debian, Missing, needs
from materials import document

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(HERE)
PINS = f"{HERE}/deps/pins.txt"
NAME = "stopper-sidecar"
TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
SIDECAR_USERS = {"PROXY": "stopper-proxy", "DNS": "stopper-dns", "COMPILER": "stopper-dlpc", "GATE": "stopper-gate", "PUSH": "stopper-push"}  # of appliance/sys/users.h


def lines(path):
    """The words of each line but comments."""
    with open(path, encoding="utf-8") as file:
        return [line.split() for line in (line.partition("#")[0].strip() for line in file) if line]


class Part:
    """What image/deps built or took for static linking."""

    def __init__(self, name, deps):
        self.name, self.sum = name, None
        self.patches = sorted(os.path.basename(path) for path in glob.glob(f"{HERE}/deps/{name}/*.patch"))
        pin = next(words for words in lines(PINS) if words[0] == name)
        self.version = pin[1]
        if name == "wolfssl":  # the one that can be another: see deps.sh
            with open(f"{deps}/include/wolfssl/version.h", encoding="utf-8") as file:
                self.version = re.search(r'LIBWOLFSSL_VERSION_STRING "([^"]+)"', file.read())[1]
            if self.version == pin[1]:
                self.sum = pin[3]


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
        self.libraries, self.loaders = set(), set()

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
            if any(words[0] == part for words in lines(PINS)):
                self.parts[part] = self.parts.get(part) or Part(part, self.options.deps)
            else:
                self.debian.package(f"{part}:{self.options.arch}")
            self.links.append((path, part))

    def data(self, name, path):
        source = f"{self.options.programs}/{name}"
        if not os.path.exists(source):
            raise Missing(f"{source} is not there: make all")
        with open(source, "rb") as file:
            self.put(path, file.read(), NAME)

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

    def users(self, path):
        self.put(path, "".join(f"{name}:x:{number}:{number}::/:/nonexistent\n" for name, number in users()).encode(), NAME)

    def groups(self, path):
        self.put(path, "".join(f"{name}:x:{number}:\n" for name, number in users()).encode(), NAME)

    def licence(self, path):
        with open(f"{TREE}/LICENSE", "rb") as file:
            self.put(path, file.read(), NAME)

    def empty(self, path):
        self.put(path, b"", NAME)

    def folder(self, path, mode):
        self.folders[path] = int(mode, 8)

    def libraries_fit(self, listed):
        if listed != self.libraries:
            raise Missing(f"contents.txt: libraries that nothing needs: {sorted(listed - self.libraries)}; that are needed and not listed: "
                          f"{sorted(self.libraries - listed)}")

    FIRST = {"program": program, "file": file}  # these say what is needed of the others
    THEN = {"loader": loader, "lib": lib, "roots": roots, "users": users, "groups": groups, "licence": licence, "data": data, "empty": empty, "folder": folder}

    def assemble(self, declared):
        """Puts all of it together. Returns the list of materials, which is in it too."""
        for kind, *_ in declared:
            if kind not in self.FIRST and kind not in self.THEN and kind != "materials":
                raise Missing(f"contents.txt: {kind} is not known")
        libraries = {words[0] for kind, *words in declared if kind == "lib"}
        self.debian.look_up([words[0] for kind, *words in declared if kind == "file"] +
                            [f"{folder}/{name}" for name in libraries for folder in self.debian.folders])
        for kind, *words in declared:
            if kind in self.FIRST:
                self.FIRST[kind](self, *words)
        self.libraries_fit(libraries)
        for kind, *words in declared:
            if kind in self.THEN:
                self.THEN[kind](self, *words)
        self.copyrights()
        path, = (words[0] for kind, *words in declared if kind == "materials")
        text = document(NAME, self.options, [(path, *self.files[path][::2]) for path in sorted(self.files)], path,
                        [self.debian.packages[name] for name in sorted(self.debian.packages)], [self.parts[name] for name in sorted(self.parts)], self.links)
        self.put(path, text, NAME)
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
