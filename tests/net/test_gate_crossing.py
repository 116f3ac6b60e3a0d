# SPDX-License-Identifier: GPL-3.0-or-later
"""What crosses from the gate to the upstream while a push goes through it, byte for byte: nothing of a push before it was looked through
and approved, and then no more than the agent's own git would send."""
import os
import random
import threading

import pytest

from gate_rig import APPROVED, REFUSED, Rig
from spaces import WAIT

FETCHES, TAKES = 1, 2  # gate/leg.h: which of git's two services of the upstream is asked
SECRET = "aVerySecretValue0123"
TOKEN = "AKIA" + "Q3EGRT2FYZ7XMPLN"  # of the shape of one, and nobody's
HOLD = {"hold": {"seconds": 300}, "base": 1, "value_key": "00" * 32}


class Wire:
    """Stands where ssh is and keeps what goes to the upstream: (service, bytes) of each connection, in their order."""

    def __init__(self, rig):
        self.rig, self.threads, self.kept = rig, [], []
        rig.leg.before = self.tap

    def tap(self, service, name, fds):
        kept, (read, write) = bytearray(), os.pipe()
        thread = threading.Thread(target=self.copy, args=(fds[0], write, kept))
        fds[0] = read
        self.kept.append((service, kept))
        self.threads.append(thread)
        thread.start()

    @staticmethod
    def copy(source, to, kept):
        try:
            while data := os.read(source, 65536):
                kept += data
                os.write(to, data)
        except BrokenPipeError:  # the upstream's git has ended
            pass
        finally:
            os.close(source)
            os.close(to)

    def take(self):
        """What has crossed since the last time, of connections that have ended."""
        for thread in self.threads:
            thread.join(WAIT)
            assert not thread.is_alive()
        kept, self.kept, self.threads = [(service, bytes(data)) for service, data in self.kept], [], []
        return kept


@pytest.fixture(scope="module")
def rig():
    made = Rig()
    try:
        made.up, made.first = made.begun("app")
        made.wire = Wire(made)
        yield made
    finally:
        made.close()


@pytest.fixture
def one(rig):
    """A clone, of a repository that is as it was first."""
    rig.run("git", "-C", rig.up, "update-ref", "refs/heads/main", rig.first)
    rig.apply(known={"FORGE_TOKEN": SECRET})
    at = rig.path("work", f"clone-{random.getrandbits(64):x}")
    rig.git("clone", "--quiet", rig.url("app"), at)
    rig.wire.take()
    return at


def look(rig, at):
    """What crosses when the gate only looks whether the upstream has changed."""
    rig.git("ls-remote", rig.url("app"), at=at)
    (service, data), = rig.wire.take()
    assert service == FETCHES and b"command=ls-refs" in data
    return data


def bundle(rig, at, old):
    """How many bytes git itself makes of a clone's commits for one who has the old ones."""
    path = rig.path("work", "bundle")
    rig.run("git", "-C", at, "bundle", "create", "--quiet", path, "main", f"^{old}")
    return os.path.getsize(path)


def test_of_a_push_that_is_refused_nothing_crosses(rig, one):
    alone = look(rig, one)
    rig.commit(one, text="clean\n")
    rig.commit(one, name="notes.txt", text=f"token {SECRET}\n")
    output = rig.git("push", "origin", "HEAD:main", at=one, ok=False)
    assert "FORGE_TOKEN" in output and "pre-receive hook declined" in output
    assert rig.wire.take() == [(FETCHES, alone)]  # no connection to push over, and in the other what is said without a push
    assert rig.refs(rig.up) == {"refs/heads/main": rig.first}
    rig.git("push", "--quiet", "origin", "HEAD^:main", at=one)  # the control: the same wire, and the commit before
    (service, data), (pushes, sent) = rig.wire.take()
    assert (service, data) == (FETCHES, alone) and pushes == TAKES and sent.count(b"PACK") == 1 and b"refs/heads/main" in sent


@pytest.mark.parametrize("outcome", [APPROVED, REFUSED])
def test_while_a_push_waits_for_the_operator_nothing_crosses(rig, one, outcome):
    rig.apply(**HOLD)
    alone = look(rig, one)
    new = rig.commit(one, name="keys.txt", text=f"id = {TOKEN}  # gitleaks:allow\n")
    output = []
    push = threading.Thread(target=lambda: output.append(rig.git("push", "origin", "main", at=one, ok=None)))
    push.start()
    number, held = rig.gate.held()
    assert held["new"] == new and rig.wire.take() == [(FETCHES, alone)]
    rig.gate.verdict(number, outcome)
    push.join(WAIT)
    after = rig.wire.take()
    if outcome == APPROVED:
        (service, sent), = after
        assert service == TAKES and sent.count(b"PACK") == 1 and rig.refs(rig.up) == {"refs/heads/main": new}
    else:
        assert "who did not approve it" in output[0] and after == [] and rig.refs(rig.up) == {"refs/heads/main": rig.first}


def test_a_change_in_a_large_file_crosses_as_the_delta_that_came(rig, one):
    """The gate looks for no deltas of its own: those of the agent's git have to be used, against what the upstream has, too."""
    noise = random.Random(7).randbytes(1 << 20)
    with open(os.path.join(one, "noise"), "wb") as file:
        file.write(noise)
    old = rig.commit(one, text="a large file\n")
    rig.git("push", "--quiet", "origin", "main", at=one)
    (_, _), (_, sent) = rig.wire.take()
    assert len(sent) > 1 << 20  # it crosses once
    with open(os.path.join(one, "noise"), "wb") as file:
        file.write(noise[:500000] + b"changed" + noise[500000:])
    new = rig.commit(one, text="a small change\n")
    rig.git("push", "--quiet", "origin", "main", at=one)
    (_, _), (_, sent) = rig.wire.take()
    assert len(sent) < bundle(rig, one, old) + 1000 < 10000
    assert rig.refs(rig.up) == {"refs/heads/main": new}


def test_many_commits_cross_as_small_as_the_agents_git_has_them_and_are_whole(rig, one):
    """As many as are sent with the settings for many (gate/forward.c)."""
    lines = []
    for number in range(1200):
        text = "".join(f"line {line} of {number if line == 50 else 'all'}\n" for line in range(100))
        lines.append(f"commit refs/heads/main\ncommitter A <a@example.com> {1700000000 + number} +0000\ndata 11\ncommit {number:04}\n"
                     + (f"from {rig.first}\n" if number == 0 else "") + f"M 644 inline dir{number % 7}/file\ndata {len(text)}\n{text}\n")
    rig.run("git", "-C", one, "fast-import", "--quiet", "--force", input="".join(lines))
    new = rig.git("rev-parse", "main", at=one).strip()
    rig.git("push", "--quiet", "origin", "main", at=one)
    (_, _), (_, sent) = rig.wire.take()
    assert len(sent) < 1.1 * bundle(rig, one, rig.first)
    assert rig.refs(rig.up) == {"refs/heads/main": new}
    assert rig.run("git", "-C", rig.up, "rev-list", "--count", "main").strip() == "1201"
    rig.run("git", "-C", rig.up, "fsck", "--strict", "--connectivity-only")
