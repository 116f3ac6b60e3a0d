# SPDX-License-Identifier: GPL-3.0-or-later
"""The image of another architecture, run as far as qemu-user goes: its programs, with its own libraries. Run by
`make check-arm64`; an engine starts the image of the machine's own in test_start.py."""
import os
import subprocess

import pytest

EMULATORS = {"arm64": ["qemu-aarch64-static", "-L"]}


@pytest.mark.parametrize("path, argument, words", [
    ("/stopper/stopper-init", "--version", "stopper-init 0.1.0, control protocol 1"), ("/stopper/shim/stopper-shim", "--help", "usage: stopper-shim"),
    ("/stopper/stopper-proxy", "", "stopper-proxy: "), ("/stopper/stopper-dns", "", "stopper-dns: "),
    ("/usr/bin/git", "--version", "git version 2."), ("/usr/bin/ssh", "-V", "OpenSSH_")])
def test_its_programs_run_with_its_own_libraries(image, path, argument, words):
    assert image.sysroot, "this is for an image that was made for another machine"
    root = os.path.join(image.folder, "root")
    done = subprocess.run([*EMULATORS[image.arch], root, root + path, *filter(None, [argument])], capture_output=True, text=True, check=False, timeout=60)
    assert words in done.stdout + done.stderr
