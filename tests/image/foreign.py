# SPDX-License-Identifier: GPL-3.0-or-later
"""The image of another architecture, run as far as qemu-user goes: its programs, with its own libraries; and the one of both. Run by
`make check-arm64`; an engine starts the image of the machine's own in test_start.py."""
import json
import os
import subprocess

import pytest

from built import Built, read_tar

EMULATORS = {"arm64": ["qemu-aarch64-static", "-L"]}


@pytest.mark.parametrize("path, argument, words", [
    ("/stopper/stopper-init", "--version", "stopper-init 0.1.0, control protocol 1"), ("/stopper/shim/stopper-shim", "--help", "usage: stopper-shim"),
    ("/stopper/stopper-proxy", "", "stopper-proxy: "), ("/stopper/stopper-dns", "", "stopper-dns: "),
    ("/stopper/stopper-dlpc", "", "jail: "),
    ("/usr/bin/git", "--version", "git version 2."), ("/usr/bin/ssh", "-V", "OpenSSH_")])
def test_its_programs_run_with_its_own_libraries(image, path, argument, words):
    assert image.sysroot, "this is for an image that was made for another machine"
    root = os.path.join(image.folder, "root")
    done = subprocess.run([*EMULATORS[image.arch], root, root + path, *filter(None, [argument])], capture_output=True, text=True, check=False, timeout=60)
    assert words in done.stdout + done.stderr


def test_one_archive_holds_both_architectures_and_others_can_choose(image):
    path = os.path.join(image.folder, "..", "stopper-sidecar.oci.tar")
    parts = {arch: Built(os.path.join(image.folder, ".."), image.tree, arch) for arch in ("amd64", "arm64")}
    blobs = {name.rpartition("/")[2]: data for name, data in read_tar(path).items()}
    top, = json.loads(blobs["index.json"])["manifests"]
    index = json.loads(blobs[top["digest"].removeprefix("sha256:")])
    assert [(one["platform"]["architecture"], one["digest"]) for one in index["manifests"]] == [(arch, parts[arch].digest) for arch in ("amd64", "arm64")]
    for arch, part in parts.items():
        seen = subprocess.run(["skopeo", "inspect", "--override-arch", arch, "--config", f"oci-archive:{path}"], capture_output=True, text=True, check=False)
        assert seen.returncode == 0, seen.stderr
        assert (json.loads(seen.stdout)["architecture"], json.loads(seen.stdout)["rootfs"]) == (arch, part.config["rootfs"])
