# SPDX-License-Identifier: GPL-3.0-or-later
"""A program's clock, to be set forward by a test (clock.c)."""
import mmap
import os
import shutil
import struct
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


class Clock:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="stopper-clock-")
        os.chmod(self.folder, 0o755)
        library, path = os.path.join(self.folder, "clock.so"), os.path.join(self.folder, "ahead")
        subprocess.run(["gcc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-Wall", "-Werror", "-o", library, os.path.join(HERE, "clock.c")],
                       check=True)
        with open(path, "w+b") as file:
            file.truncate(mmap.PAGESIZE)
            self.page = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        self.ahead = 0
        self.environment = {**os.environ, "LD_PRELOAD": library, "STOPPER_TEST_CLOCK": path,
                            "ASAN_OPTIONS": f"{os.environ.get('ASAN_OPTIONS', '')}:verify_asan_link_order=0"}

    def forward(self, seconds):
        self.ahead += seconds
        self.page[:8] = struct.pack("=q", self.ahead)

    def close(self):
        self.page.close()
        shutil.rmtree(self.folder)
