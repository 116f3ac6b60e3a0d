# SPDX-License-Identifier: GPL-3.0-or-later
"""How long stopper-gate waits: for a request, and for a session to end. Its clock is set forward (clock.py); what its sessions measure
themselves is in tests/unit/test_gate_run.c."""
import select

import pytest

from clock import Clock
from gate_rig import Rig, clone, fresh, half_a_push, leftovers, line_of, request_of, same_mirror, to_the_end
from spaces import wait_for

REQUEST, SESSION = 10, 7200 + 60  # seconds: what the server gives a request, and a session at the very last (gate/server.h, session.h)


@pytest.fixture
def rig():
    clock = Clock()
    made = Rig(environment=clock.environment)
    made.clock = clock
    try:
        fresh(made, "app1")
        yield made
    finally:
        made.close()
        clock.close()


def pass_time(rig, seconds):
    """Sets the clock forward, and has the gate look at it."""
    rig.clock.forward(seconds)
    assert rig.first in rig.git("ls-remote", rig.url(rig.name))


def test_who_does_not_ask_is_not_waited_for(rig):
    silent, halfway, asked = (rig.dial() for _ in range(3))
    with silent, halfway, asked:
        halfway.sendall(request_of(rig, "upload-pack")[:-1])
        asked.sendall(request_of(rig, "upload-pack"))
        pass_time(rig, REQUEST - 1)
        assert not select.select([silent, halfway], [], [], 0)[0]
        rig.gate.forget()
        pass_time(rig, 2)
        for sock in silent, halfway:
            assert to_the_end(sock) == line_of(f"ERR git-gate: no request came within {REQUEST} s".encode())
        line = rig.gate.line(reason="git-request", verdict="block")
        assert line["detail"] == f"no request came within {REQUEST} s" and "repository" not in line
        asked.sendall(b"0000")
        assert rig.first.encode() in to_the_end(asked)  # who has asked has all the time of a session


def test_a_session_that_does_not_end_is_ended(rig):
    one = clone(rig)
    new = rig.commit(one, text="x" * 5000)
    with half_a_push(rig, one) as sock:
        pass_time(rig, SESSION - 60)
        assert not select.select([sock], [], [], 0)[0] and leftovers(rig)
        rig.gate.forget()
        pass_time(rig, 61)
        assert to_the_end(sock) == b""
        line = rig.gate.line(method="push", verdict="block")
        assert (line["reason"], line["detail"]) == ("git-interrupted", "the session ended early")
    rig.git("push", "--quiet", "origin", "main", at=one)
    assert rig.refs(rig.up) == {"refs/heads/main": new} and same_mirror(rig)
    wait_for(lambda: rig.git("ls-remote", rig.url(rig.name)) and leftovers(rig) == [], "a session that begins when there is no other")
