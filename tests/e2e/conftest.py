# SPDX-License-Identifier: GPL-3.0-or-later
"""The net lab's internet, and one host for each runtime with its engine in it. All of a runtime's tests run in one process:
they share its host, and most of them one bottle."""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "net"))

from engines import RUNTIMES  # noqa: E402
from lab import Lab  # noqa: E402


ENGINES = "podman", "rootless", "docker"
ALL = "netns", *ENGINES, "apple"
NARROWER = {"engine": ENGINES, "sealed": ENGINES, "mac": ("apple",), "both": ("apple", "apple-0.12"), "some": ("netns", "podman"), "pod": ("podman",)}


def pytest_generate_tests(metafunc):
    """A test says by its fixture which runtimes it is for: `bottle`, `host` for all, `engine` for engines that seal the
    agent from outside, `mac` for Apple's, `both` for the two shapes of its answers, `some` for one with an engine and one without, `pod` for
    what podman alone can be told."""
    if "runtime" in metafunc.fixturenames:
        wanted = next((names for fixture, names in NARROWER.items() if fixture in metafunc.fixturenames), ALL)
        names = [name for name in RUNTIMES if name in wanted]
        metafunc.parametrize("runtime", [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in names],
                             scope="session")


@pytest.fixture(scope="session")
def lab():
    if os.geteuid() != 0:
        pytest.exit("the lab makes namespaces and needs root", 2)
    made = Lab(os.environ.get("PYTEST_XDIST_WORKER", "main"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def host(lab, runtime):
    """The runtime's host; at the end it has to be as clean as it was."""
    made = RUNTIMES[runtime](lab)
    try:
        yield made
        made.clean()
    finally:
        made.close()


@pytest.fixture(scope="session")
def engine(host):
    """The same, for tests of what engines do."""
    return host


@pytest.fixture(scope="session")
def bottle(host):
    """A bottle that tests share: they leave it as it was."""
    made = host.up()
    yield made
    made.close()


@pytest.fixture(scope="session")
def mac(host):
    """The same, for tests of what Apple's container does."""
    return host


@pytest.fixture(scope="session")
def both(host):
    return host


@pytest.fixture(scope="session")
def some(host):
    return host


@pytest.fixture(scope="session")
def pod(host):
    return host


@pytest.fixture(scope="session")
def sealed(engine, bottle):
    """The same, for tests that look at it through its engine."""
    return bottle
