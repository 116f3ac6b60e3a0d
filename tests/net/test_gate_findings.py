# SPDX-License-Identifier: GPL-3.0-or-later
"""What stopper-gate finds in a push, and what becomes of it: refused, or waiting for the operator."""
import os
import re
import shutil
import signal
import threading

import pytest

from gate_rig import APPROVED, CANARY, REFUSED, STALE, clone, nothing_left, remote_words, results, same_mirror, sessions
from gate_rig import own, rig, shared_gate  # noqa: F401 (fixtures)

SECRET = "aVerySecretValue0123"
TOKEN = "AKIA" + "Q3EGRT2FYZ7XMPLN"
HOLD = {"hold": {"seconds": 300}, "base": 1, "value_key": "00" * 32}


def test_what_must_not_leave_is_refused_and_nothing_of_it_stays(rig):
    rig.apply(known={"FORGE_TOKEN": SECRET})
    one = clone(rig)
    clean = rig.commit(one, text="clean\n")
    bad = rig.commit(one, name="notes.txt", text=f"one\ntwo\ntoken {SECRET}\n")
    rig.git("rm", "--quiet", "notes.txt", at=one)
    rig.commit(one, text="gone again\n")
    output = rig.git("push", "--porcelain", "origin", "HEAD:main", "HEAD:refs/tags/t", at=one, ok=False)
    words = [line for line in remote_words(output) if "FORGE_TOKEN" in line]
    assert words and all("remote: git-gate: refs/" in line and bad[:8] in line and "notes.txt" in line for line in words), output
    assert [result[2] for result in results(output)] == ["[remote rejected] (pre-receive hook declined)"] * 2
    assert SECRET not in output
    assert rig.refs(rig.up) == {"refs/heads/main": rig.first} and same_mirror(rig) and nothing_left(rig)
    kept = rig.run("git", "-C", rig.mirror(rig.name), "cat-file", "--batch-all-objects", "--batch-check")
    assert clean not in kept and bad not in kept and kept.count("\n") == 3
    line = rig.gate.line(ref="refs/heads/main", verdict="block")
    wanted = {"reason": "dlp-match", "detector": "known_secrets", "pattern": "FORGE_TOKEN", "surface": "blob", "commit": bad, "path": "notes.txt",
              "line": 3, "commits": 3, "old": rig.first}
    assert {key: line.get(key) for key in wanted} == wanted and line["findings"]["FORGE_TOKEN"] >= 1 and line["objects"] >= 6
    assert SECRET not in str(rig.gate.lines)
    rig.git("reset", "--quiet", "--hard", clean, at=one)
    rig.git("push", "--quiet", "origin", "main", at=one)
    allowed = rig.gate.line(ref="refs/heads/main", verdict="allow")
    assert allowed["commits"] == 1 and allowed["objects"] >= 2 and "findings" not in allowed


def test_ref_rules_are_said_with_the_ref(rig):
    rig.apply(push={rig.name: {"allow": ["refs/heads/agent/*"], "delete": False, "force": False}})
    one = clone(rig)
    rig.commit(one)
    output = rig.git("push", "--porcelain", "origin", "HEAD:refs/heads/agent/x", "HEAD:main", at=one, ok=False)
    assert re.search("remote: git-gate: refs/heads/main: refused: .*push.allow", output), output
    assert rig.gate.line(ref="refs/heads/main")["reason"] == "git-refused"
    assert rig.gate.line(ref="refs/heads/agent/x")["detail"] == "another ref of the same push was refused"
    assert rig.refs(rig.up) == {"refs/heads/main": rig.first}
    rig.git("push", "--quiet", "origin", "HEAD:refs/heads/agent/x", at=one)
    assert "push.delete" in rig.git("push", "origin", ":refs/heads/agent/x", at=one, ok=False)
    rig.git("commit", "--quiet", "--amend", "-m", "another", at=one)
    assert "push.force" in rig.git("push", "--force", "origin", "HEAD:refs/heads/agent/x", at=one, ok=False)
    assert set(rig.refs(rig.up)) == {"refs/heads/main", "refs/heads/agent/x"} and same_mirror(rig)


POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 5\n"
ELSEWHERE = {
    "a submodule": (".gitmodules", '[submodule "x"]\n\tpath = x\n\turl = {}\n', "ssh://git@other.test/org/lib.git",
                    'a submodule of "ssh://git@other.test/org/lib.git", which no entry of git-gate.repos has as its url,'),
    "an endpoint of git-lfs": (".lfsconfig", "[lfs]\n\turl = {}\n", "https://other.test/lfs", 'an LFS endpoint or filter ("https://other.test/lfs"), '
                               "and no entry of git-gate.repos or egress.routes can let LFS content through,"),
    "a pointer of git-lfs": ("large.bin", POINTER, "", "a Git LFS pointer: no entry of git-gate.repos or egress.routes can let LFS content "
                             "through, so commit the file itself;"),
}


@pytest.mark.parametrize("what", ELSEWHERE)
def test_what_would_be_got_from_elsewhere_is_refused_and_names_what_is_missing(rig, what):
    name, text, url, words = ELSEWHERE[what]
    one = clone(rig)
    rig.commit(one, name=name, text=text.format(url))
    output = rig.git("push", "origin", "main", at=one, ok=False)
    assert f'remote: git-gate: refs/heads/main: refused: {words} in "{name}", commit ' in output, output
    assert rig.refs(rig.up) == {"refs/heads/main": rig.first} and same_mirror(rig) and nothing_left(rig)
    assert 2 not in [service for service, *_ in rig.leg.requests]
    assert rig.gate.line(method="push", verdict="block", ref="refs/heads/main")["path"] == name
    rig.git("reset", "--quiet", "--hard", rig.first, at=one)
    new = rig.commit(one, name=".gitmodules", text=f'[submodule "x"]\n\tpath = x\n\turl = ssh://git@up.test/org/{rig.name}.git\n')
    rig.git("push", "--quiet", "origin", "main", at=one)  # the control: one that is declared
    assert rig.refs(rig.up) == {"refs/heads/main": new}


def pushed(rig, at, *words):
    """A push in a thread of its own; its output is in the list when it is joined."""
    output = []
    thread = threading.Thread(target=lambda: output.append(rig.git("push", "--porcelain", *words, at=at, ok=None)))
    thread.start()
    return thread, output


def finding(rig, name="two"):
    one = clone(rig, name)
    new = rig.commit(one, name="keys.txt", text=f"id = {TOKEN}  # gitleaks:allow\n")
    return one, new


def test_a_push_waits_for_the_operator_and_goes_on_when_he_approves(rig):
    rig.apply(**HOLD)
    one, new = finding(rig)
    thread, output = pushed(rig, one, "origin", "main")
    number, held = rig.gate.held()
    wanted = {"kind": 3, "seconds": 300, "rule": "aws-access-key-id", "detector": "token_patterns", "surface": "blob", "path": "keys.txt",
              "repository": rig.name, "ref": "refs/heads/main", "old": rig.first, "new": new, "commit": new, "line": 1, "finding": 1,
              "findings": 1, "allow_comment": 1, "port": 0, "host": "", "method": ""}
    assert {key: held[key] for key in wanted} == wanted and len(held["value"]) == 32
    assert rig.refs(rig.up) == {"refs/heads/main": rig.first}
    rig.gate.verdict(number, APPROVED)
    thread.join()
    assert "remote: git-gate: waiting for approval" in output[0] and "remote: git-gate: approved" in output[0]
    assert rig.refs(rig.up) == {"refs/heads/main": new} and same_mirror(rig)
    line = rig.gate.line(ref="refs/heads/main", verdict="allow")
    assert line["id"] == held["event"] and line["findings"] == {"aws-access-key-id": 1}


@pytest.mark.parametrize("outcome, reason, words", [
    (REFUSED, "held-denied", "who did not approve it"), (STALE, "held-ended", "before the wait ended")])
def test_a_push_that_is_not_approved_is_refused(rig, outcome, reason, words):
    rig.apply(**HOLD)
    one, _ = finding(rig)
    thread, output = pushed(rig, one, "origin", "main")
    number, _ = rig.gate.held()
    rig.gate.verdict(number, outcome)
    thread.join()
    assert f"{words}" in output[0] and "[remote rejected] (pre-receive hook declined)" in output[0], output[0]
    assert rig.refs(rig.up) == {"refs/heads/main": rig.first} and nothing_left(rig)
    assert rig.gate.line(ref="refs/heads/main", verdict="block")["reason"] == reason


def test_a_push_that_nobody_answers_is_refused_when_its_time_is_over(rig):
    rig.apply(**{**HOLD, "hold": {"seconds": 1}})
    one, _ = finding(rig)
    thread, output = pushed(rig, one, "origin", "main")
    number, _ = rig.gate.held()
    rig.gate.hold_end(number)
    thread.join()
    assert "was not approved in time" in output[0] and rig.refs(rig.up) == {"refs/heads/main": rig.first}
    assert rig.gate.line(ref="refs/heads/main", verdict="block")["reason"] == "held-timeout"


def test_where_nobody_can_be_asked_nobody_is(rig):
    one, _ = finding(rig)
    output = rig.git("push", "origin", "main", at=one, ok=False)
    assert "aws-access-key-id" in output and "waiting" not in output and rig.refs(rig.up) == {"refs/heads/main": rig.first}


def test_a_session_that_dies_while_it_waits_is_told_of(rig):
    rig.apply(**HOLD)
    one, _ = finding(rig)
    thread, output = pushed(rig, one, "origin", "main")
    number, _ = rig.gate.held()
    os.kill(sessions(rig.gate)[0], signal.SIGKILL)
    rig.gate.hold_end(number)
    thread.join()
    assert rig.refs(rig.up) == {"refs/heads/main": rig.first} and output
    assert rig.gate.line(ref="refs/heads/main")["reason"] == "git-interrupted"


def test_a_canary_on_its_way_out_closes_the_egress(own):
    rig = own
    rig.apply(known={"STOPPER_CANARY": SECRET}, on_canary="stop")
    one = clone(rig)
    rig.commit(one, text=SECRET)
    assert "STOPPER_CANARY" in rig.git("push", "origin", "main", at=one, ok=False)
    line = rig.gate.line(ref="refs/heads/main")
    assert (line["verdict"], line["reason"]) == ("alarm", "dlp-match")
    _, generation, event = rig.gate.wait_message(lambda kind, *_: kind == CANARY)
    assert (generation, event) == (rig.gate.generation, line["id"])
    assert "the bottle's egress is closed" in rig.git("ls-remote", "origin", at=one, ok=False)
    rig.apply(closed=True, on_canary="stop")
    assert "the bottle's egress is closed" in rig.git("ls-remote", "origin", at=one, ok=False)
    rig.apply(on_canary="stop")
    rig.git("ls-remote", "origin", at=one)


def test_an_outside_scanner_decides_in_the_gates_own_jail(rig):
    """By the real gate's Landlock, seccomp and user; the program is in the one folder for it."""
    path = rig.path("bin", "scanner")
    with open(path, "w", encoding="ascii") as file:
        file.write("#!/bin/sh\n! grep forbidden-word\n")
    os.chmod(path, 0o755)
    rig.apply(scanner="/usr/local/bin/scanner")
    one = clone(rig)
    clean = rig.commit(one, text="nothing to see\n")
    rig.git("push", "--quiet", "origin", "main", at=one)
    assert rig.refs(rig.up) == {"refs/heads/main": clean}
    rig.commit(one, text="a forbidden-word\n")
    output = rig.git("push", "origin", "main", at=one, ok=False)
    assert "remote: git-gate: refused: the outside scanner says no (exit status 1)" in output, output
    assert rig.refs(rig.up) == {"refs/heads/main": clean} and same_mirror(rig) and nothing_left(rig)


def test_gitleaks_is_a_scanner_in_the_gates_own_jail(rig):
    """The real one, under the name by which its arguments are known; it finds what no detector of ours does."""
    where = os.environ.get("STOPPER_GITLEAKS", "")
    assert os.access(where, os.X_OK), "STOPPER_GITLEAKS is no program: run make deps (gitleaks of Debian 13)"
    shutil.copy(where, rig.path("bin", "gitleaks"))
    rig.apply(scanner="/usr/local/bin/gitleaks")
    one = clone(rig)
    clean = rig.commit(one, text="nothing to see\n")
    rig.git("push", "--quiet", "origin", "main", at=one)
    assert rig.refs(rig.up) == {"refs/heads/main": clean}
    bad = rig.commit(one, name="s.yaml", text="access_key: " + "q7Rk2v9XsT4m" + "Zp8Lw1Nd\n")
    output = rig.git("push", "origin", "main", at=one, ok=False)
    assert "remote: git-gate: refused: the outside scanner says no (exit status 1)" in output, output
    line = rig.gate.line(ref="refs/heads/main", verdict="block")
    assert (line["reason"], line["pattern"], line["new"]) == ("dlp-match", "scanner", bad)
    assert rig.refs(rig.up) == {"refs/heads/main": clean} and same_mirror(rig) and nothing_left(rig)
    rig.apply()
    rig.git("push", "--quiet", "origin", "main", at=one)  # nobody else knows
    assert rig.refs(rig.up) == {"refs/heads/main": bad}
