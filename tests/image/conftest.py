# SPDX-License-Identifier: GPL-3.0-or-later
"""The image as `make image` left it, read once."""
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "net"))  # spaces, probes: the lab's
BUILT = os.path.abspath(os.environ.get("STOPPER_IMAGE", os.path.join(HERE, "..", "..", "build", "image")))


def pytest_terminal_summary(terminalreporter):
    """The figures that tests recorded."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()) if getattr(report, "when", "") == "teardown" else ():
                terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {name}: {value}")


@pytest.fixture(scope="session")
def image():
    from built import Built
    return Built(BUILT, os.path.join(HERE, "..", ".."), os.environ.get("STOPPER_ARCH"), os.environ.get("STOPPER_SYSROOT", ""))
