# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new policy means for stopper-gate and what is under way in it."""
import os
import stat

from gate_rig import clone, half_a_push, nothing_left, request_of, to_the_end
from gate_rig import own, rig, shared_gate  # noqa: F401 (fixtures)


def test_a_policy_without_the_repository_ends_what_is_under_way(rig):
    with rig.dial() as sock:
        sock.sendall(request_of(rig, "upload-pack"))
        assert sock.recv(4)
        gone = rig.repos.pop(rig.name)
        rig.upstream(f"else{rig.number}")
        rig.apply()
        to_the_end(sock)
    assert "is no repository of this bottle" in rig.git("ls-remote", rig.url(rig.name), ok=False)
    rig.repos[rig.name] = gone
    rig.apply()
    clone(rig, "again")


def test_a_policy_that_says_something_else_stops_a_push_that_had_begun(rig):
    one = clone(rig)
    rig.commit(one, text="w" * 5000)
    with half_a_push(rig, one) as sock:
        rig.apply(push={rig.name: {"force": False}})
        with open(rig.path("work", "pack"), "rb") as file:
            data = file.read()
        sock.sendall(data[len(data) // 2:])
        answer = to_the_end(sock)
    assert b"unpack ok" in answer and b"ng refs/heads/main pre-receive hook declined" in answer
    assert rig.refs(rig.up) == {"refs/heads/main": rig.first} and nothing_left(rig)
    line = rig.gate.line(ref="refs/heads/main")
    assert line["reason"] == "git-refused" and "policy has changed meanwhile" in line["detail"]


def test_nothing_leaves_while_the_egress_is_closed(rig):
    one = clone(rig)
    rig.apply(closed=True)
    assert "the bottle's egress is closed" in rig.git("fetch", at=one, ok=False)
    assert rig.gate.line(reason="egress-closed")["verdict"] == "block"
    rig.apply()
    rig.git("fetch", at=one)


def test_without_a_policy_nothing_is_served(own):
    own.gate.kill()
    own.gate.start()
    assert "no policy is loaded yet" in own.git("ls-remote", own.url("app1"), ok=False)
    assert own.gate.line(reason="no-policy")["verdict"] == "block"
    own.apply()
    clone(own)
    assert stat.S_IMODE(os.stat(own.mirror("app1")).st_mode) & 0o077 == 0
