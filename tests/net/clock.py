# SPDX-License-Identifier: GPL-3.0-or-later
"""A program's clock, to be set forward or stopped by a test (clock.c)."""
import mmap
import os
import shutil
import struct
import subprocess
import tempfile
import time

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

    def stop(self):
        """From now on it goes forward by the test's word alone."""
        self.page[8:16] = struct.pack("=q", time.clock_gettime_ns(time.CLOCK_MONOTONIC))

    def start(self):
        """It is this machine's again."""
        self.ahead = 0
        self.page[:16] = bytes(16)

    def close(self):
        self.page.close()
        shutil.rmtree(self.folder)
