# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark runs and measures; what it measures is no matter of a test."""
import json
import os
import subprocess
import sys

from lab import HERE


def test_the_benchmark_measures_every_figure_of_every_box(tmp_path):
    out = tmp_path / "figures.json"
    done = subprocess.run([sys.executable, "-B", os.path.join(HERE, "..", "bench", "quick.py"), "--rounds", "1", "--seconds", "1",
                           "--json", str(out)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    figures = json.loads(out.read_text())
    assert set(figures) == {"kept", "new", "down", "up", "memory"}
    for figure, boxes in figures.items():
        assert set(boxes) == {"stopper", "stopper-unsearched", "haproxy", "haproxy-always"}
        # the memory that a thousand connections add may be some that was freed before, under the sanitizer
        assert all(len(values) == 1 and (values[0] > 0 or figure == "memory") for values in boxes.values()), figures
    assert all(word in done.stdout for word in ("kept connections", "a connection each", "to the client", "to the server", "of memory"))
