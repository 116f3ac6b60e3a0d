# SPDX-License-Identifier: GPL-3.0-or-later
"""archive: a folder becomes an image of one layer, as an OCI archive and as what `docker save` writes (docker before 25 loads
no OCI archive). The configuration, whose digest is the image's ID for every engine, is the same in both. Nothing of the time,
the user or the order of a directory gets in: the same folder gives the same bytes."""
import gzip
import hashlib
import io
import json
import os
import re
import shlex
import stat
import tarfile
import time

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def encode(thing):
    return json.dumps(thing, sort_keys=True, separators=(",", ":")).encode()


def add(tar, name, data, epoch, mode=0o644):
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = len(data), mode, epoch
    tar.addfile(entry, io.BytesIO(data))


def layer(root, epoch):
    """The tar of a folder: all is root's, sorted by name."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for folder, folders, files in os.walk(root):
            folders.sort()
            for name in sorted(folders + files):
                path = os.path.join(folder, name)
                found = os.lstat(path)
                entry = tarfile.TarInfo(os.path.relpath(path, root))
                entry.mode, entry.mtime = stat.S_IMODE(found.st_mode), epoch
                if stat.S_ISDIR(found.st_mode):
                    entry.type = tarfile.DIRTYPE
                    tar.addfile(entry)
                else:
                    entry.size = found.st_size
                    with open(path, "rb") as file:
                        tar.addfile(entry, file)
    return out.getvalue()


def seconds(text):
    return int(re.fullmatch(r"(\d+)s", text)[1]) * 1000000000


def settings(containerfile, arguments):
    """The `config` member, from the last stage of a Containerfile, of which only what is needed is understood."""
    with open(containerfile, encoding="utf-8") as file:
        lines = file.read().replace("\\\n", " ").splitlines()
    last = max(at for at, line in enumerate(lines) if line.startswith("FROM "))
    config = {"Labels": {}, "Env": []}
    for line in lines[last + 1:]:
        word, _, rest = line.partition(" ")
        rest = re.sub(r"\$\{(\w+)\}", lambda name: arguments[name[1]], rest.strip())
        if word in ("", "COPY", "ARG") or word.startswith("#"):
            continue
        if word == "LABEL":
            config["Labels"].update(pair.split("=", 1) for pair in shlex.split(rest))
        elif word == "ENV":
            config["Env"] += shlex.split(rest)
        elif word == "ENTRYPOINT":
            config["Entrypoint"] = json.loads(rest)
        elif word == "STOPSIGNAL":
            config["StopSignal"] = rest
        elif word == "USER":
            config["User"] = rest
        elif word == "WORKDIR":
            config["WorkingDir"] = rest
        elif word == "HEALTHCHECK":
            options, _, command = rest.partition(" CMD ")
            given = dict(option.removeprefix("--").split("=") for option in options.split())
            config["Healthcheck"] = {"Test": ["CMD", *json.loads(command)], "Interval": seconds(given["interval"]),
                                     "Timeout": seconds(given["timeout"]), "StartPeriod": seconds(given["start-period"]), "Retries": int(given["retries"])}
        else:
            raise SystemExit(f"{containerfile}: {word} in the last stage is not understood here")
    return config


class Image:
    def __init__(self, root, config, arch, epoch):
        self.epoch = epoch
        self.layer = layer(root, epoch)
        self.compressed = gzip.compress(self.layer, 9, mtime=0)
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))
        self.config = encode({"architecture": arch, "os": "linux", "created": created, "config": config,
                              "rootfs": {"type": "layers", "diff_ids": [digest(self.layer)]},
                              "history": [{"created": created, "created_by": "image/build.py"}]})
        self.manifest = encode({"schemaVersion": 2, "mediaType": MANIFEST,
                                "config": {"mediaType": CONFIG, "digest": digest(self.config), "size": len(self.config)},
                                "layers": [{"mediaType": LAYER, "digest": digest(self.compressed), "size": len(self.compressed)}],
                                "annotations": config["Labels"]})
        self.id, self.digest = digest(self.config), digest(self.manifest)
        self.arch = arch

    def write_oci(self, path, reference):
        index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [
            {"mediaType": MANIFEST, "digest": self.digest, "size": len(self.manifest), "platform": {"architecture": self.arch, "os": "linux"},
             "annotations": {"io.containerd.image.name": reference, "org.opencontainers.image.ref.name": reference.rpartition(":")[2]}}]}
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
            add(tar, "oci-layout", encode({"imageLayoutVersion": "1.0.0"}), self.epoch)
            add(tar, "index.json", encode(index), self.epoch)
            for blob in self.config, self.manifest, self.compressed:
                add(tar, f"blobs/sha256/{digest(blob).removeprefix('sha256:')}", blob, self.epoch)

    def write_docker(self, path, reference):
        config, data = self.id.removeprefix("sha256:"), digest(self.layer).removeprefix("sha256:")
        listed = [{"Config": f"{config}.json", "RepoTags": [reference], "Layers": [f"{data}/layer.tar"]}]
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
            add(tar, "manifest.json", encode(listed), self.epoch)
            add(tar, f"{config}.json", self.config, self.epoch)
            add(tar, f"{data}/layer.tar", self.layer, self.epoch)
