# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's fixtures. One world a test process, one bottle a module; a test that breaks its bottle makes its own."""
import os

import pytest

from host import Host
from lab import Bottle, Lab
from packages import index, registry  # noqa: F401 (fixtures)


def pytest_xdist_make_scheduler(config, log):
    """A file's tests run in one process, so that they share its bottle."""
    from xdist.scheduler import LoadFileScheduling
    return LoadFileScheduling(config, log)


def pytest_terminal_summary(terminalreporter):
    """The figures that tests recorded."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()) if getattr(report, "when", "") == "teardown" else ():
                terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {name}: {value}")


@pytest.fixture(scope="session")
def lab():
    if os.geteuid() != 0:
        pytest.exit("the net lab makes namespaces and needs root", 2)
    made = Lab(os.environ.get("PYTEST_XDIST_WORKER", "main"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def bottle(lab):
    """A bottle that a module's tests share: they leave it as it was."""
    made = Bottle(lab)
    yield made
    made.close()


@pytest.fixture
def new_bottle(lab):
    """Makes bottles that are gone after the test."""
    made = []

    def make(**named):
        made.append(Bottle(lab, **named))
        return made[-1]
    yield make
    for each in made:
        each.close()


@pytest.fixture
def host(lab):
    """A host of its own for one test; at the end it has to be as clean as it was."""
    made = Host(lab)
    try:
        yield made
        made.clean()
    finally:
        made.close()


@pytest.fixture(scope="module")
def host_bottle(lab):
    """A bottle by hostctl that a module's tests share."""
    made = Host(lab)
    try:
        bottle = made.up()
        try:
            yield bottle
        finally:
            bottle.close()
    finally:
        made.close()
