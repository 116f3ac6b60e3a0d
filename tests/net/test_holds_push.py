# SPDX-License-Identifier: GPL-3.0-or-later
"""Pushes that the gate holds for the operator, as init has them: what is shown, what each verdict does, and that a record which no
gate sends ends the worker. The gate is a stand-in that hands on what a connection says (standin.py, holds); core/hold.h has the record."""
import json
import os
import signal
import socket
import struct

import pytest

from init_rig import POLICY, SIDECAR, STRANGER, Init, Rig
from spaces import WAIT, wait_for
from test_gate_init import REPO
from test_hold_proxy import FIELDS, RECORD

HOLDS = {"denied": True, "seconds": 300}
GATED = {**POLICY, "hold": HOLDS, "gate": {"repos": [REPO, {**REPO, "name": "lib"}]}}
WHO = {"by": "ada", "reason": "a test's own key"}
APPROVED, REFUSED, OFTEN, CROWDED, UNHEARD, STALE = 1, 2, 3, 4, 5, 6
PUSH = struct.Struct("=72s512s72s72s72sQIIII")
PUSH_FIELDS = ("repository", "ref", "old", "new", "commit", "line", "finding", "findings", "allow_comment", "zero")
OLD, NEW, COMMIT = "0" * 40, "0123456789abcdef" * 2 + "01234567", "89abcdef" * 5
TOKEN = {"rule": "github-token", "detector": "token_patterns", "surface": "blob", "value": "00112233445566778899aabbccddeeff"}
MAX = 256
GATE, PROXY = (SIDECAR, 9418), (STRANGER, 80)  # what the agent dials for each


def record(base, **members):
    """A push's; with kind 1, a request's."""
    values = dict.fromkeys(FIELDS + PUSH_FIELDS, "")
    values |= {"kind": 3, "seconds": 300, "port": 0, "tls": 0, "base": base, "query": 0, "body": 0, "event": "00000001-000001", "path": "src/key.c",
               "repository": "app", "ref": "refs/heads/agent/x", "old": OLD, "new": NEW, "commit": COMMIT, "line": 7, "finding": 1, "findings": 2,
               "allow_comment": 0, "zero": 0, **TOKEN, **members}
    packed = [values[key].encode() if isinstance(values[key], str) else values[key] for key in FIELDS + PUSH_FIELDS]
    first, rest = RECORD.pack(*packed[:len(FIELDS)]), PUSH.pack(*packed[len(FIELDS):])
    return first + rest if values["kind"] == 3 else first


REQUEST = {"kind": 1, "port": 80, "rule": "egress.on_denied", "surface": "host", "detector": "", "value": "", "method": "GET", "host": "a.example",
           "path": "/a"}


class Push:
    """Something held, from the agent's side of the gate. Its verdict: (outcome, approval)."""

    def __init__(self, init, to=GATE, base=None, **members):
        self.sock = init.rig.agent.call(socket.create_connection, to, WAIT)
        bytes_ = record(init.base if base is None else base, **members)
        self.sock.sendall(struct.pack("=I", len(bytes_)) + bytes_)

    def verdict(self):
        with self.sock:
            outcome, zero, approval = struct.unpack("=IIQ", self.sock.recv(16, socket.MSG_WAITALL))
            assert zero == 0
            return outcome, approval

    def gone(self):
        """The worker has ended."""
        with self.sock:
            try:
                assert self.sock.recv(16) == b""
            except ConnectionResetError:
                pass


@pytest.fixture(scope="module")
def running():
    rig = Rig()
    try:
        for name in "stopper-gate", "stopper-proxy":
            rig.mode(name, "holds")
        yield Init(rig)
    finally:
        rig.close()


@pytest.fixture
def init(running):
    """With nothing held, and nobody denied."""
    apply(running, GATED)
    return running


def apply(init, policy):
    status, answer = init.apply(policy)
    assert status == 0, answer
    init.base = answer["generation"]


def pending(init):
    return init.ctl("pending")[1]["held"]


def waits(init, count=1):
    return wait_for(lambda: len(pending(init)) == count and pending(init), f"{count} held")


def decide(init, verb, number, **more):
    return init.ctl(verb, stdin=json.dumps({"id": number, **WHO, **more}))


def approve(init, number):
    assert decide(init, "approve", number, how="once") == (0, {"ok": True, "id": number})


def deny(init, number):
    assert decide(init, "deny", number) == (0, {"ok": True, "id": number})


SHOWN = {"kind": "push", "repository": "app", "url": REPO["url"], "ref": "refs/heads/agent/x", "old": OLD, "new": NEW, "commit": COMMIT, "path": "src/key.c",
         "line": 7, "finding": 1, "findings": 2, "allow_comment": False, "seconds": 300, "event_id": "00000001-000001", **TOKEN}
LINE = {"method": "push", "path": "src/key.c", "repository": "app", "ref": "refs/heads/agent/x", "old": OLD, "new": NEW, "commit": COMMIT, "line": 7,
        "detector": "token_patterns", "pattern": "github-token", "surface": "blob"}


def test_it_is_shown_and_goes_on_when_it_is_approved(init):
    mark, generation = init.audit.mark(), init.ctl("status")[1]["generation"]
    push = Push(init)
    one, = waits(init)
    assert one == {**SHOWN, "id": one["id"], "waited_s": one["waited_s"]}
    line = init.audit.wait(mark, verdict="hold")
    assert {key: line.get(key) for key in LINE} == LINE and line["kind"] == "git" and "host" not in line
    assert (line["rule"], line["reason"], line["detail"]) == (
        "git-gate.on_finding", "dlp-match", f"held as {one['id']}, its end will be event 00000001-000001")
    approve(init, one["id"])
    assert push.verdict() == (APPROVED, one["id"])
    line = init.audit.wait(mark, kind="control", rule="approve")
    assert {key: line.get(key) for key in LINE} == LINE and line["detail"] == f"{one['id']} once, by ada: a test's own key"
    status = init.ctl("status")[1]
    assert (pending(init), status["approvals"], status["held"], status["generation"]) == ([], [], 0, generation)  # no policy was changed
    again = Push(init)  # the same again is asked about again
    assert waits(init)[0]["id"] == one["id"] + 1
    deny(init, one["id"] + 1)
    assert again.verdict() == (REFUSED, 0)
    assert init.audit.wait(mark, kind="control", rule="deny")["repository"] == "app"


def test_what_has_no_place_has_none_and_a_comment_is_told(init):
    pushes = [Push(init, detector="", rule="protect_paths", surface="path", value="", path=".gitmodules", line=0, findings=1)]
    waits(init)
    pushes.append(Push(init, path="", line=0, commit="", ref="", old="", new="", surface="push option", allow_comment=1))
    first, second = waits(init, 2)
    absent = ("line", "value", "detector")
    assert first == {**{key: value for key, value in SHOWN.items() if key not in absent}, "id": first["id"], "waited_s": first["waited_s"],
                     "rule": "protect_paths", "surface": "path", "path": ".gitmodules", "findings": 1}
    assert not {"ref", "old", "new", "commit", "path", "line"} & set(second) and second["allow_comment"] is True
    line = init.audit.wait(verdict="hold", path=".gitmodules")
    assert line["rule"] == "protect_paths" and not {"reason", "detector", "pattern", "line"} & set(line)
    for push, one in zip(pushes, (first, second)):
        approve(init, one["id"])
        assert push.verdict() == (APPROVED, one["id"])


@pytest.mark.parametrize("how", [{"how": "ttl", "ttl_s": 60}, {"how": "bottle"}], ids=lambda how: how["how"])
def test_an_approval_is_for_one_push(init, how):
    push = Push(init)
    one, = waits(init)
    assert decide(init, "approve", one["id"], **how) == (
        1, {"ok": False, "error": f"{one['id']} is a push: an approval is for that one alone, so only once"})
    assert [held["id"] for held in pending(init)] == [one["id"]]
    approve(init, one["id"])
    assert push.verdict() == (APPROVED, one["id"])


def test_a_repository_that_was_denied_three_times_is_not_asked_about_again(init):
    for _ in range(3):
        push = Push(init)
        deny(init, waits(init)[0]["id"])
        assert push.verdict() == (REFUSED, 0)
    assert Push(init).verdict() == (OFTEN, 0) and pending(init) == []
    other = Push(init, repository="lib")
    assert waits(init)[0]["repository"] == "lib"
    apply(init, GATED)
    assert other.verdict() == (STALE, 0)
    push = Push(init)
    approve(init, waits(init)[0]["id"])
    assert push.verdict()[0] == APPROVED


def test_a_policy_ends_what_waits_and_what_was_judged_by_another_is_not_asked_about(init):
    push = Push(init)
    waits(init)
    before = init.base
    apply(init, GATED)
    assert push.verdict() == (STALE, 0) and pending(init) == []
    assert Push(init, base=before).verdict() == (STALE, 0)
    assert Push(init, repository="other").verdict() == (STALE, 0)
    push = Push(init)  # one of this policy's is
    approve(init, waits(init)[0]["id"])
    assert push.verdict()[0] == APPROVED
    apply(init, {key: value for key, value in GATED.items() if key != "hold"})
    assert Push(init).verdict() == (UNHEARD, 0)


def test_a_gate_that_dies_and_a_client_that_leaves_end_what_waits(init):
    push = Push(init)
    one, = waits(init)
    os.kill(init.worker("stopper-gate")[1], signal.SIGKILL)
    push.gone()
    wait_for(lambda: pending(init) == [], "the end of what waited")
    assert decide(init, "approve", one["id"], how="once") == (1, {"ok": False, "error": f"no request {one['id']} waits"})
    assert init.ctl("wait-ready")[0] == 0
    push = Push(init)
    waits(init)
    push.sock.close()
    wait_for(lambda: pending(init) == [], "the end of what waited")


def test_the_oldest_makes_room(init):
    pushes = [Push(init, path=f"{number}") for number in range(MAX)]
    waits(init, MAX)
    pushes += [Push(init, path=f"{number}") for number in range(MAX, MAX + 10)]
    assert [push.verdict()[0] for push in pushes[:10]] == [CROWDED] * 10
    held = waits(init, MAX)
    assert [one["path"] for one in held] == [f"{number}" for number in range(10, MAX + 10)]
    for push in pushes[10:]:
        push.sock.close()
    wait_for(lambda: pending(init) == [], "the end of what waited")


WRONG = {"a known secret": (GATE, {"detector": "known_secrets", "rule": "FORGE_TOKEN"}), "a request of the gate's": (GATE, REQUEST),
         "a push of a proxy's": (PROXY, {})}  # of more: tests/unit/test_hold.c


@pytest.mark.parametrize("to, members", WRONG.values(), ids=WRONG)
def test_what_no_worker_says_ends_it(init, to, members):
    with Push(init, to, **(REQUEST if to is PROXY else {})).sock:  # what it may say is taken
        waits(init)
    wait_for(lambda: pending(init) == [], "the end of what waited")
    mark, name = init.audit.mark(), "stopper-gate" if to is GATE else "stopper-proxy"
    Push(init, to, **members).gone()
    line = init.audit.wait(mark, kind="lifecycle", verdict="alarm")
    assert line["detail"] == f"worker {name} ended by signal 9: it said of a held request what no worker says"
    assert not [held for held in init.audit.lines[mark:] if held["verdict"] == "hold"] and pending(init) == []
    init.audit.wait(mark, kind="lifecycle", detail=f"worker {name} serves again")
