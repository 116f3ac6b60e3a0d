# SPDX-License-Identifier: GPL-3.0-or-later
"""A thousand connections at once and a gigabyte run at constant memory; the figures are printed."""
import pytest

import probes
from world import BIG

MEGABYTE = 1 << 20
CONNECTIONS = 1000


def resident(bottle):
    """Bytes of memory of all proxies together."""
    return sum(int(probes.status(pid)["VmRSS"].split()[0]) * 1024 for pid in bottle.processes()["stopper-proxy"])


def sanitized(bottle):
    with open(f"/proc/{bottle.pid}/maps", encoding="ascii") as maps:
        return "libasan" in maps.read()


@pytest.fixture
def growth(bottle, record_property):
    """Measures the proxies before and after, has both printed at the end of the run, and bounds the difference."""
    bottle.agent.https(host="allowed.test")
    before = resident(bottle)
    yield
    after = resident(bottle)
    record_property("memory of the proxy", f"{before / MEGABYTE:.1f} MB before, {after / MEGABYTE:.1f} MB after")
    # the address sanitizer keeps what was freed, up to 256 MB, to find its late uses
    assert after - before < (384 if sanitized(bottle) else 64) * MEGABYTE


def test_a_thousand_connections_are_open_at_once(bottle, growth):
    answer = bottle.agent.many(host="allowed.test", count=CONNECTIONS)
    assert answer == {"open": CONNECTIONS, "answers": {"200": CONNECTIONS}}


def test_a_gigabyte_comes_through_whole(bottle, growth):
    answer = bottle.agent.run(argv=["curl", "-sS", "--cacert", "/lab/ca.pem", "-o", "/dev/null",
                                    "-w", "%{http_code} %{size_download}", "https://allowed.test/big"], timeout=170)
    assert answer["out"] == f"200 {BIG}", answer
