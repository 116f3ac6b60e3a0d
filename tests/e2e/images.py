# SPDX-License-Identifier: GPL-3.0-or-later
"""Agents' images out of files of this machine: a C library with Python, and busybox alone. No registry is asked."""
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile

from spaces import Failed

PYTHON = "/usr/bin/python3.11"
UNUSED = ("test", "tests", "idlelib", "lib2to3", "ensurepip", "turtledemo", "distutils", "pydoc_data", "tkinter", "__pycache__",
          "config-*", "*test*.so", "unittest", "sqlite3", "dbm", "curses", "xmlrpc", "venv", "wsgiref", "msilib")
APPLETS = ("sh cat ls id ip env ps stty tty sleep kill grep sed wc head touch mkdir mv cp rm ln chmod mount unshare nsenter true "
           "false echo pwd hostname trap test printf nslookup wget chown find sort cut date").split()


def needed(path):
    """A program's or library's own shared libraries."""
    out = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
    return set(re.findall(r"(/\S+) \(0x", out))


def put(root, path):
    target = os.path.join(root, path.lstrip("/"))
    if not os.path.exists(target):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy(path, target)


def busybox(root):
    if not os.access("/bin/busybox", os.X_OK):
        raise Failed("/bin/busybox is missing: Debian's busybox-static")
    for folder in "bin", "etc", "tmp", "run", "proc", "sys", "dev", "home/user":
        os.makedirs(os.path.join(root, folder), exist_ok=True)
    os.chmod(os.path.join(root, "tmp"), 0o1777)
    os.chown(os.path.join(root, "home/user"), 1234, 1234)
    put(root, "/bin/busybox")
    for name in APPLETS:
        link = os.path.join(root, "bin", name)
        if not os.path.lexists(link):
            os.symlink("busybox", link)
    with open(os.path.join(root, "etc/passwd"), "w", encoding="ascii") as file:
        file.write("root:x:0:0::/root:/bin/sh\nuser:x:1234:1234::/home/user:/bin/sh\n")
    with open(os.path.join(root, "etc/group"), "w", encoding="ascii") as file:
        file.write("root:x:0:\nuser:x:1234:\n")


def python(root):
    """busybox and what agent.py and probes.py need."""
    busybox(root)
    library = "usr/lib/python3.11"
    shutil.copytree("/" + library, os.path.join(root, library), symlinks=False, ignore_dangling_symlinks=True,
                    ignore=shutil.ignore_patterns(*UNUSED))
    put(root, PYTHON)
    os.symlink("python3.11", os.path.join(root, "usr/bin/python3"))
    modules = os.path.join(root, library, "lib-dynload")
    wanted = needed(PYTHON).union(*(needed(os.path.join(modules, name)) for name in os.listdir(modules)))
    wanted |= {f"/lib/x86_64-linux-gnu/{name}" for name in ("libnss_files.so.2", "libnss_dns.so.2", "libgcc_s.so.1")}
    for path in wanted:
        put(root, path)
    for path in "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/openssl.cnf":
        put(root, path)
    with open(os.path.join(root, "etc/nsswitch.conf"), "w", encoding="ascii") as file:
        file.write("hosts: files dns\n")


def distroless(root):
    """One program, and musl for it: no shell, no /etc, no user, no roots."""
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fetch.c")
    if shutil.which("musl-gcc") is None:
        raise Failed("musl-gcc is missing: Debian's musl-tools")
    subprocess.run(["musl-gcc", "-O1", "-o", os.path.join(root, "fetch"), source], check=True)
    loader = next(path for path in sorted(os.listdir("/lib")) if path.startswith("ld-musl-"))
    put(root, f"/lib/{loader}")


def oci_archive(folder, name, root, **config):
    """An OCI archive of a root's tar, for engines that import no tar. config: Entrypoint, Cmd, Env, User, WorkingDir."""
    path = os.path.join(folder, f"{name}.oci.tar")
    with open(root, "rb") as file:
        layer = file.read()
    digest = lambda data: "sha256:" + hashlib.sha256(data).hexdigest()
    describe = lambda data, kind: {"mediaType": f"application/vnd.oci.image.{kind}", "digest": digest(data), "size": len(data)}
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    image = json.dumps({"architecture": machine, "os": "linux", "config": config,
                        "rootfs": {"type": "layers", "diff_ids": [digest(layer)]}}).encode()
    manifest = json.dumps({"schemaVersion": 2, "config": describe(image, "config.v1+json"),
                           "layers": [describe(layer, "layer.v1.tar")]}).encode()
    index = {"schemaVersion": 2, "manifests": [{
        **describe(manifest, "manifest.v1+json"), "platform": {"architecture": machine, "os": "linux"},
        "annotations": {"io.containerd.image.name": f"localhost/{name}:1"}}]}
    with tarfile.open(path, "w") as tar:
        for file, data in ("index.json", json.dumps(index).encode()), *((f"blobs/sha256/{digest(blob)[7:]}", blob)
                                                                         for blob in (image, manifest, layer)):
            entry = tarfile.TarInfo(file)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return path


def archive(folder, name, fill):
    """A tar of a root that fill() made."""
    root, path = os.path.join(folder, name), os.path.join(folder, f"{name}.tar")
    os.mkdir(root)
    os.chmod(root, 0o755)
    fill(root)
    subprocess.run(["tar", "-C", root, "-cf", path, "."], check=True)
    shutil.rmtree(root)
    return path
