# SPDX-License-Identifier: GPL-3.0-or-later
"""An image as it lies in its archives, read without the code that wrote it."""
import gzip
import hashlib
import io
import json
import os
import subprocess
import tarfile

NAME = "stopper-sidecar"
TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
LOADERS = {"amd64": "/lib64/ld-linux-x86-64.so.2", "arm64": "/lib/ld-linux-aarch64.so.1"}


def read_tar(path):
    with tarfile.open(path) as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar if entry.isfile()}


class Built:
    """sysroot: where the Debian packages are that it was made of; "" is this machine."""

    def __init__(self, out, tree, arch=None, sysroot=""):
        self.sysroot = sysroot
        self.arch = arch or subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()
        self.tree, self.folder = tree, os.path.join(out, self.arch)
        self.oci_path, self.docker_path = (os.path.join(self.folder, f"{NAME}.{kind}.tar") for kind in ("oci", "docker"))
        for path in self.oci_path, self.docker_path:
            if not os.path.exists(path):
                raise AssertionError(f"{path} is not there: make image ARCH={self.arch}")
        oci = read_tar(self.oci_path)
        blobs = {name.rpartition("/")[2]: data for name, data in oci.items() if name.startswith("blobs/")}
        assert all(hashlib.sha256(data).hexdigest() == name for name, data in blobs.items())
        self.index = json.loads(oci["index.json"])
        self.digest = self.index["manifests"][0]["digest"]
        self.manifest = json.loads(blobs[self.digest.removeprefix("sha256:")])
        self.id = self.manifest["config"]["digest"]
        self.config_bytes = blobs[self.id.removeprefix("sha256:")]
        self.config = json.loads(self.config_bytes)
        self.compressed = blobs[self.manifest["layers"][0]["digest"].removeprefix("sha256:")]
        self.layer = gzip.decompress(self.compressed)
        with tarfile.open(fileobj=io.BytesIO(self.layer)) as tar:
            self.entries = {"/" + entry.name: entry for entry in tar}
            self.files = {"/" + entry.name: tar.extractfile(entry).read() for entry in tar if entry.isfile()}
        self.materials = json.loads(self.files["/stopper/sbom.spdx.json"])

    def dpkg(self, *words):
        """What dpkg's records say of the packages that the image was made of."""
        return subprocess.run(["dpkg-query", f"--admindir={self.sysroot}/var/lib/dpkg", *words], capture_output=True, text=True, check=True).stdout

    def declared(self):
        """What contents.txt says, read here anew: files, and folders with their modes."""
        files, folders = set(), {}
        with open(os.path.join(self.tree, "image", "contents.txt"), encoding="utf-8") as lines:
            for line in lines:
                words = line.partition("#")[0].split()
                if not words:
                    continue
                if words[0] == "lib":
                    files.add(f"/usr/lib/{TRIPLETS[self.arch]}/{words[1]}")
                elif words[0] == "loader":
                    files.add(LOADERS[self.arch])
                elif words[0] == "folder":
                    folders[words[1]] = int(words[2], 8)
                else:
                    files.add(words[2] if words[0] in ("program", "data") else words[1])
        return files, folders
