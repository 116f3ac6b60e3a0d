# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark of `up` measures and adds up; what it measures is no matter of a test."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench"))

from up import FIGURES, Timed, own, say  # noqa: E402


def test_what_no_engine_command_covers_is_hostctls_own():
    assert own(0, 100, []) == 100
    assert own(10, 100, [(20, 30), (25, 40), (90, 200), (0, 12)]) == 8 + 50
    assert own(10, 100, [(0, 300)]) == 0


def test_the_benchmark_tells_hostctls_time_from_the_engines(some, capsys):
    figures = Timed(some).run()
    assert set(figures) == set(FIGURES) and all(value >= 0 for value in figures.values()), figures
    for whole, part, commands in ("up", "own", "commands"), ("down", "down_own", "down_commands"):
        if some.runtime == "netns":
            assert (figures[part], figures[commands]) == (figures[whole], 0)
        else:
            assert 0 < figures[part] < figures[whole] and figures[commands] >= 5, figures
    say({some.runtime: [figures]})
    said = capsys.readouterr().out
    assert all(words in said for words in ("until the command runs", "share of up <= 150 ms"))
