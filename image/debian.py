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
        self.packages = {}  # name -> Package: those that were asked for
        self.owners = {}    # path -> package's name, as found
        self.admin = f"{self.root}/var/lib/dpkg"

    def query(self, *words):
        return subprocess.run(["dpkg-query", f"--admindir={self.admin}", *words], capture_output=True, text=True, check=False)

    def real(self, path):
        return self.root + path

    def library(self, name):
        """The path of a shared library, in the folder where the loader finds it without a configuration."""
        for folder in self.folders:
            if os.path.exists(self.real(f"{folder}/{name}")):
                return f"{self.folders[0]}/{name}"
        raise Missing(f"{name} is in none of {' '.join(self.folders)}: run make deps")

    def look_up(self, paths):
        """Finds the packages of many files at once, since asking takes its time; those that are of none are left out."""
        names = {name: path for path in paths for name in (path, path.removeprefix("/usr"), "/usr" + path)}  # /usr is merged, the records are not
        for line in self.query("-S", *names).stdout.splitlines():
            owner, _, name = line.partition(": ")
            if name in names and not owner.startswith("diversion "):
                self.owners.setdefault(names[name], owner.split(", ")[0])

    def owner(self, path):
        """The package that a file is from."""
        if path not in self.owners:
            self.look_up([path])
        if path not in self.owners:
            raise Missing(f"{path} is of no Debian package")
        return self.package(self.owners[path])

    def package(self, name):
        plain = name.split(":")[0]
        if plain not in self.packages:
            done = self.query("-W", "-f", "${Package}\t${Version}\t${source:Package}\t${source:Version}\t${Architecture}\t${Homepage}", name)
            if done.returncode != 0 or done.stdout.count("\t") != 5:
                raise Missing(f"Debian's package {name} is not installed: run make deps")
            self.packages[plain] = Package(*done.stdout.split("\t"))
        return self.packages[plain]

    def files(self, package):
        return sorted(self.query("-L", package).stdout.split("\n"))


def outdated(names):
    """Those of this machine's packages for which apt knows a newer version."""
    done = subprocess.run(["apt-cache", "policy", *names], env={**os.environ, "LC_ALL": "C"}, capture_output=True, text=True, check=False)
    found = re.findall(r"^(\S+):\n  Installed: (\S+)\n  Candidate: (\S+)$", done.stdout, re.M)
    return [name for name, installed, candidate in found if installed != candidate]


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
