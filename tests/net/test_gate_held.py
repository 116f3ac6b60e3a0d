# SPDX-License-Identifier: GPL-3.0-or-later
"""Pushes that wait for the operator, as he and the agent have them: a bottle by `hostctl up`, the real git in it, pending, approve,
deny, watch and logs. What init does with each record is in test_holds_push.py, what the gate asks in test_gate_findings.py."""
import json
import re
import subprocess
import threading

import pytest

from dlp_rig import github
from git_upstream import Upstream
from spaces import WAIT, wait_for
from test_audit import OF_GIT, are_as_documented
from test_gate_host import GateHost, manifest, sh
from test_hostctl_bottle import FAILED
from test_watch import end, watching

TOKEN = github(11)
MORE = """\
      host_key: {key}
      push: {{protect_paths: [".ci/**"]}}
supervise: true
"""
HEX = "[0-9a-f]{12}"


@pytest.fixture(scope="module")
def upstream(lab):
    made = Upstream(lab)
    try:
        made.repository("app")
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def bottle(lab, upstream):
    host = GateHost(lab)
    try:
        host.environment["SUDO_USER"] = "ada"
        made = host.up(manifest=host.write("held.yaml", manifest(upstream, MORE.format(key=upstream.host_key))))
        try:
            yield made
        finally:
            made.close()
    finally:
        host.close()


class Push(threading.Thread):
    """A branch of its own with one file in it, pushed by the agent."""

    def __init__(self, bottle, upstream, name, path, text):
        super().__init__(daemon=True)
        self.bottle, self.words, self.done = bottle, (upstream.url("app"), name, path, text), None
        self.start()

    def run(self):
        self.done = sh(self.bottle, 'set -e; rm -rf "/tmp/$2"; git clone -q "$1" "/tmp/$2"; cd "/tmp/$2"; git switch -q -c "$2"; mkdir -p "$(dirname "$3")"'
                       '; echo "$4" >"$3"; git add .; git commit -qm "A file"; git rev-parse HEAD; git push -q origin "$2"', *self.words)

    def ended(self):
        self.join(3 * WAIT)
        assert not self.is_alive(), "it waits"
        return self.done


def pending(bottle):
    done = bottle.host.hostctl("pending", "--json", bottle.name)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def held(bottle):
    return wait_for(lambda: pending(bottle), "the held push", 3 * WAIT)[0]


def test_it_is_shown_and_goes_on_when_it_is_approved(bottle, upstream):
    before, mark = upstream.refs("app"), bottle.audit.mark()
    push = Push(bottle, upstream, "one", "keys.txt", f"token = {TOKEN}")
    one = held(bottle)
    wanted = {"bottle": bottle.name, "kind": "push", "repository": "app", "url": upstream.url("app"), "ref": "refs/heads/one", "old": "0" * 40,
              "path": "keys.txt", "line": 1, "finding": 1, "findings": 1, "allow_comment": False, "detector": "token_patterns", "rule": "github-token",
              "surface": "blob", "seconds": 300}
    assert {key: one.get(key) for key in wanted} == wanted and one["new"] == one["commit"] and re.fullmatch("[0-9a-f]{32}", one["value"])
    shown = bottle.host.hostctl("pending", bottle.name).stdout.splitlines()[1]
    assert re.fullmatch(rf"{one['id']} +\d+/300s +push app refs/heads/one 000000000000\.\.{one['new'][:12]}  keys\.txt:1 of {one['new'][:12]}  "
                        rf"for its blob: token_patterns, github-token, value {one['value']}", shown)
    number = one["id"].rpartition("/")[2]
    for words in ["--ttl", "1h"], ["--for-bottle"]:
        done = bottle.host.hostctl("approve", one["id"], *words, "--reason", "r")
        assert (done.returncode, done.stdout) == (FAILED, "")
        assert done.stderr == f"hostctl approve: sidecar: approve: {number} is a push: an approval is for that one alone, so only once\n"
    assert push.is_alive() and upstream.refs("app") == before
    done = bottle.host.hostctl("approve", one["id"], "--reason", "a test's own")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{one['id']} approved\n", "")
    assert push.ended()["status"] == 0 and "waiting for approval" in push.done["err"] and TOKEN not in push.done["err"]
    assert upstream.refs("app") == before | {"refs/heads/one": one["new"]} and pending(bottle) == []
    line = bottle.audit.wait(mark, kind="git", verdict="hold")
    assert line["detail"] == f"held as {number}, its end will be event {one['event_id']}" and line["rule"] == "git-gate.on_finding"
    assert bottle.audit.wait(mark, kind="control", rule="approve")["detail"] == f"{number} once, by ada: a test's own"
    line = bottle.audit.wait(mark, kind="git", id=one["event_id"])
    assert (line["verdict"], line["findings"], line["new"]) == ("allow", {"github-token": 1}, one["new"])
    assert OF_GIT <= are_as_documented([line for line in bottle.audit.lines if line["kind"] == "git"])[0]
    logs = bottle.host.hostctl("logs", bottle.name, "--kind", "git").stdout
    assert re.search(rf"^\S+ hold   git       push app refs/heads/one 000000000000\.\.{HEX} keys\.txt:1 of {HEX} dlp-match \[git-gate\.on_finding\]"
                     rf" held as {number}, ", logs, re.M), logs
    assert re.search(rf"^\S+ allow  git       push app refs/heads/one 000000000000\.\.{HEX} .*found github-token x1$", logs, re.M), logs
    assert TOKEN not in logs + shown + json.dumps(one)


def test_it_is_refused_when_it_is_denied(bottle, upstream):
    before = upstream.refs("app")
    push = Push(bottle, upstream, "two", "keys.txt", f"token = {TOKEN}  # gitleaks:allow")
    one = held(bottle)
    assert one["allow_comment"] is True and bottle.host.hostctl("pending", bottle.name).stdout.endswith("; a comment beside it allows it\n")
    assert bottle.host.hostctl("deny", one["id"], "--reason", "no").stdout == f"{one['id']} denied\n"
    assert push.ended()["status"] == 1 and "the operator, who did not approve it" in push.done["err"], push.done
    assert upstream.refs("app") == before
    line = bottle.audit.wait(id=one["event_id"])
    assert (line["verdict"], line["reason"], line["repository"]) == ("block", "held-denied", "app")


def test_watch_shows_a_protected_file_and_takes_y(bottle, upstream):
    lines = subprocess.Popen(bottle.host.command("watch", bottle.name), env=bottle.host.environment, cwd=bottle.host.dir, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, text=True)
    try:
        with watching(bottle, columns=200) as watch:
            push = Push(bottle, upstream, "three", ".ci/run", "true")
            watch.shows(rb"\x1b\[7m> " + bottle.name.encode() + rb"/\d+ +\d+s  push app refs/heads/three 000000000000\.\.[0-9a-f]{12}  "
                        rb"\.ci/run of [0-9a-f]{12}  for its path: protect_paths\x1b\[0m")
            one, = pending(bottle)
            assert one["rule"] == "protect_paths" and "detector" not in one
            told = next(line for line in lines.stdout if line.startswith("held "))
            assert re.fullmatch(rf"held {one['id']}: push app refs/heads/three 000000000000\.\.{HEX}  \.ci/run of {HEX}  for its path: protect_paths\n", told)
            watch.presses(b"y", "approved once: ")
            assert push.ended()["status"] == 0, push.done
            watch.ends(lambda: watch.key(b"q"))
    finally:
        end(lines)
        lines.stdout.close()
    assert upstream.refs("app")["refs/heads/three"] == one["new"]

