# SPDX-License-Identifier: GPL-3.0-or-later
"""debian: files of Debian packages, and which package each is from. Everything is read below a root: the machine's own, or a
folder into which packages of another architecture were unpacked (with dpkg's records, so that the same questions work)."""
import os
import re
import subprocess


class Missing(Exception):
    """Something that is declared or needed is not there; the text says what to do."""


class Debian:
    def __init__(self, root, arch, triplet):
        self.root, self.arch = root.rstrip("/"), arch
        self.folders = [f"/usr/lib/{triplet}", f"/lib/{triplet}"]
        self.packages = {}  # name -> Package
        self.admin = f"{self.root}/var/lib/dpkg"

    def real(self, path):
        return self.root + path

    def library(self, name):
        """The path of a shared library, in the folder where the loader finds it without a configuration."""
        for folder in self.folders:
            if os.path.exists(self.real(f"{folder}/{name}")):
                return f"{self.folders[0]}/{name}"
        raise Missing(f"{name} is in none of {' '.join(self.folders)}: run make deps")

    def owner(self, path):
        """The package that a file is from."""
        for name in path, path.removeprefix("/usr"), "/usr" + path:  # /usr is merged, the records are not
            done = subprocess.run(["dpkg-query", f"--admindir={self.admin}", "-S", name], capture_output=True, text=True, check=False)
            if done.returncode == 0:
                return self.package(done.stdout.split(": ")[0])
        raise Missing(f"{path} is of no Debian package")

    def package(self, name):
        plain = name.split(":")[0]
        if plain not in self.packages:
            done = subprocess.run(["dpkg-query", f"--admindir={self.admin}", "-W", "-f",
                                   "${Package}\t${Version}\t${source:Package}\t${source:Version}\t${Architecture}\t${Homepage}", name],
                                  capture_output=True, text=True, check=False)
            if done.returncode != 0 or done.stdout.count("\t") != 5:
                raise Missing(f"Debian's package {name} is not installed: run make deps")
            self.packages[plain] = Package(*done.stdout.split("\t"))
        return self.packages[plain]

    def files(self, package):
        done = subprocess.run(["dpkg-query", f"--admindir={self.admin}", "-L", package], capture_output=True, text=True, check=True)
        return sorted(done.stdout.split("\n"))


class Package:
    """A binary package, and the source package that it was built from."""

    def __init__(self, name, version, source, source_version, arch, homepage):
        self.name, self.version, self.source, self.source_version, self.arch, self.homepage = \
            name, version, source, source_version, arch, homepage

    @property
    def copyright(self):
        return f"/usr/share/doc/{self.name}/copyright"


def needs(path):
    """The shared libraries that a program or library asks for by name, and its loader (None for a library or a static one)."""
    text = subprocess.run(["readelf", "-W", "-l", "-d", path], env={**os.environ, "LC_ALL": "C"}, capture_output=True, text=True, check=True).stdout
    if re.search(r"\((RPATH|RUNPATH)\)", text):
        raise Missing(f"{path} looks for libraries in folders of its own, which is not provided for")
    loader = re.search(r"Requesting program interpreter: ([^]]+)\]", text)
    return re.findall(r"\(NEEDED\).*\[([^]]+)\]", text), loader and loader[1]
