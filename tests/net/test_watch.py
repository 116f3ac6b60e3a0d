# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator's commands for held requests, on a bottle by `hostctl up`: pending, approve, deny, and watch on a terminal (a pty)
and without one."""
import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading

import pytest

from dlp_rig import github
from host import Host
from spaces import WAIT, child_of, wait_for
from test_holds import Asked
from world import RESOLVER

MANIFEST = f"egress:\n  dns: [{RESOLVER}]\n  on_denied: supervise\n  ignore: [telemetry.test]\n  routes:\n    - host: plain.test\n    - {{host: npm.test, dlp: {{outbound_on_match: supervise}}}}\n"
USAGE, FAILED = 2, 125
TITLE = "stopper watch: 1 bottle, 0 held   y approve once, n deny, arrows choose, q quit"
OURS = re.compile(rb"\x1b\[(?:\?1049[hl]|\?25[hl]|[HKJ]|[017]m)")  # all that watch itself says to a terminal


@pytest.fixture(scope="module")
def running(lab):
    host = Host(lab)
    try:
        host.environment["SUDO_USER"] = "ada"
        made = host.up(manifest=host.write("held.yaml", MANIFEST))
        try:
            yield made
        finally:
            made.close()
    finally:
        host.close()


@pytest.fixture
def bottle(running):
    yield running
    assert running.host.hostctl("apply", running.name).returncode == 0  # nothing waits, nobody is denied often


def pending(bottle, *words):
    done = bottle.host.hostctl("pending", "--json", *words)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def held(bottle, path="/", **named):
    """A request that is held, and how it is called."""
    asked = Asked(bottle, "denied.test", path=path, **named)

    def found():
        return [one["id"] for one in pending(bottle) if one["path"] == path]
    return asked, wait_for(found, "the held request")[0]


def test_pending_shows_it_and_approve_lets_it_through(bottle):
    asked = Asked(bottle, "denied.test", path="/a%20b?c=d", method="POST", body="12345")
    one, = wait_for(lambda: pending(bottle), "the held request")
    assert one["bottle"] == bottle.name and re.fullmatch(bottle.name + r"/\d+", one["id"])
    assert (one["method"], one["host"], one["path"], one["query_bytes"], one["body_bytes"]) == ("POST", "denied.test", "/a%20b", 4, 5)
    assert pending(bottle, bottle.name)[0]["id"] == one["id"]
    lines = bottle.host.hostctl("pending").stdout.splitlines()
    assert lines[0].split() == ["ID", "WAITS", "REQUEST"]
    assert re.fullmatch(one["id"] + r" +\d+/300s +POST http://denied\.test/a%20b  query 4 bytes  body 5 bytes  for its host", lines[1])
    mark = bottle.audit.mark()
    done = bottle.host.hostctl("approve", one["id"], "--ttl", "1h", "--reason", "the build needs it")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{one['id']} approved\n", "")
    assert "json" not in asked.ended()
    line = bottle.audit.wait(mark, kind="control", rule="approve")
    assert line["detail"] == f"{one['id'].rpartition('/')[2]} for 3600 s, by ada: the build needs it"
    status = bottle.host.hostctl("status", bottle.name).stdout
    assert re.search(r"^held +0$", status, re.M)
    assert re.search(r"^approval +\d+ POST http://denied\.test:80/a%20b, ttl 3[56]\d\ds, by ada: the build needs it$", status, re.M)


def test_deny(bottle):
    asked, number = held(bottle)
    mark = bottle.audit.mark()
    done = bottle.host.hostctl("deny", number)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{number} denied\n", "")
    asked.refused("held-denied")
    assert bottle.audit.wait(mark, kind="control", rule="deny")["detail"] == f"{number.rpartition('/')[2]}, by ada: no reason given"
    done = bottle.host.hostctl("approve", number, "--reason", "too late")
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert done.stderr == f"hostctl approve: sidecar: approve: no request {number.rpartition('/')[2]} waits\n"


def test_what_was_found_is_shown_by_its_hash_and_approved_for_its_host(bottle):
    token = github()
    asked = Asked(bottle, "npm.test", path="/found", method="POST", body=f"token={token}")
    one, = wait_for(lambda: pending(bottle), "the held request")
    assert re.fullmatch("[0-9a-f]{32}", one["value"])
    shown = bottle.host.hostctl("pending").stdout
    assert re.fullmatch(one["id"] + r" +\d+/300s +POST http://npm\.test/found  body 46 bytes  for its body: token_patterns, github-token, value "
                        + one["value"], shown.splitlines()[1])
    assert bottle.host.hostctl("approve", one["id"], "--for-bottle", "--reason", "a test's own").returncode == 0
    assert "json" not in asked.ended()
    assert "json" not in Asked(bottle, "npm.test", path="/again", method="POST", body=f"a={token}&b").ended()
    status = bottle.host.hostctl("status", bottle.name).stdout
    assert re.search(r"^approval +\d+ value " + one["value"] + r" in the body to http://npm\.test:80, bottle, by ada: a test's own$", status, re.M)
    assert token[4:] not in shown + status + json.dumps(one)


WRONG = [(["approve", "lab1/1"], "--reason TEXT is missing"), (["approve", "--reason", "r"], "name one request"),
         (["approve", "lab1/1", "lab1/2", "--reason", "r"], "name one request"),
         (["approve", "lab1/1", "--once", "--ttl", "1h", "--reason", "r"], "--once, --ttl and --for-bottle exclude each other"),
         *((["approve", "lab1/1", "--ttl", ttl, "--reason", "r"], f'--ttl "{ttl}": must be a number with s, m, h or d, at most 7d')
           for ttl in ("1", "0s", "-1s", "8d", "h", "1hh", "999999999999s")),
         (["deny"], "name one request"), (["pending", "--", "x"], "takes names of bottles only"), (["watch", "--", "x"], "takes names of bottles only")]


@pytest.mark.parametrize("words, why", WRONG, ids=range(len(WRONG)))
def test_wrong_words(running, words, why):
    done = running.host.hostctl(*words)
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert done.stderr.startswith(f"hostctl {words[0]}: {why}\nusage: hostctl {words[0]} ")


@pytest.mark.parametrize("number", ["1", "/1", "lab1/", "lab1/0", "lab1/x", "lab1/1x", "lab1/-1", "lab1/99999999999999999999999"])
def test_what_is_no_request(running, number):
    done = running.host.hostctl("approve", number, "--reason", "r")
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert "is no request" in done.stderr or "no request" in done.stderr


def end(process):
    """Ends hostctl, and so the nsenter that waits for it, if it still runs."""
    if process.poll() is None:
        os.kill(child_of(process.pid), signal.SIGKILL)
    process.wait(WAIT)


class Watch:
    """hostctl watch on a pty that is its controlling terminal; all that it writes is kept."""

    def __init__(self, bottle, *words, rows=24, columns=100):
        self.master, self.slave = pty.openpty()
        self.size(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.seen, self.changed = b"", threading.Condition()

        def own():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        self.process = subprocess.Popen(bottle.host.command("watch", *words), stdin=self.slave, stdout=self.slave, stderr=self.slave,
                                        env=bottle.host.environment, cwd=bottle.host.dir, preexec_fn=own)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        while True:
            try:
                data = os.read(self.master, 65536)
            except OSError:
                return
            with self.changed:
                self.seen += data
                self.changed.notify_all()

    def size(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("=HHHH", rows, columns, 0, 0))

    def shows(self, what, since=0):
        """Waits until it has written this; a text, or a pattern."""
        pattern = re.compile(what if isinstance(what, bytes) else re.escape(what.encode()))
        with self.changed:
            assert self.changed.wait_for(lambda: pattern.search(self.seen, since), WAIT), (what, self.seen[since:])

    def last(self):
        """The rows of the last whole screen."""
        screen = self.seen.rpartition(b"\x1b[H")[2]
        return OURS.sub(b"", screen).split(b"\r\n")

    def mark(self):
        with self.changed:
            return len(self.seen)

    def key(self, keys):
        os.write(self.master, keys)

    def presses(self, key, what):
        """Until it has written this. A key that is there in the moment in which another request is shown as chosen does not count, and
        we are quick enough for that."""
        since = self.mark()

        def once():
            self.key(key)
            with self.changed:
                return self.changed.wait_for(lambda: what.encode() in self.seen[since:], 0.5)
        wait_for(once, what)

    def kill(self, number):
        """A signal for hostctl itself: our process is nsenter, which waits for it."""
        os.kill(child_of(self.process.pid), number)

    def ends(self, how):
        """It ends, and the terminal is as it was."""
        how()
        assert self.process.wait(WAIT) == 0
        assert termios.tcgetattr(self.slave) == self.before
        self.shows(rb"\x1b\[\?25h\x1b\[\?1049l$")
        assert b"\x1b" not in OURS.sub(b"", self.seen)

    def close(self):
        end(self.process)
        os.close(self.slave)
        self.thread.join(WAIT)
        os.close(self.master)


@contextlib.contextmanager
def watching(bottle, *words, **named):
    watch = Watch(bottle, *words, **named)
    try:
        watch.shows("stopper watch: 1 bottle, ")
        yield watch
    finally:
        watch.close()


def test_watch_takes_y_and_n(bottle):
    with watching(bottle) as watch:
        yes = Asked(bottle, "denied.test", path="/yes")
        watch.shows(rb"\x1b\[7m> " + bottle.name.encode() + rb"/\d+ +\d+s  GET http://denied\.test/yes  for its host\x1b\[0m")
        no = Asked(bottle, "denied.test", path="/no")
        watch.shows("http://denied.test/no")
        watch.key(b"\x1b[Bx")  # one down, and a key that means nothing
        watch.shows(rb"\x1b\[7m> \S+ +\d+s  GET http://denied\.test/no ")
        mark = watch.mark()
        watch.key(b"n")
        watch.shows("denied: ", mark)
        no.refused("held-denied")
        watch.shows(rb"\x1b\[7m> \S+ +\d+s  GET http://denied\.test/yes", mark)
        mark = watch.mark()
        assert yes.is_alive()
        watch.presses(b"y", "approved once: ")
        assert "json" not in yes.ended()
        watch.shows("stopper watch: 1 bottle, 0 held", mark)
        watch.key(b"yn")  # nothing is chosen
        watch.ends(lambda: watch.key(b"\x03"))
    assert "by ada: by hostctl watch" in bottle.audit.wait(kind="control", rule="approve", detail=re.compile(r"\d+ once"))["detail"]


def test_keys_decide_what_is_chosen_and_nothing_that_takes_its_place(bottle):
    """The chosen request ends by itself; the key that was meant for it comes with another one there."""
    with watching(bottle) as watch:
        first, number = held(bottle, "/first")
        watch.shows(rb"\x1b\[7m> \S+ +\d+s  GET http://denied\.test/first")
        second = Asked(bottle, "denied.test", path="/second")
        watch.shows("http://denied.test/second")
        watch.key(b"yy")  # the second y was typed ahead
        assert "json" not in first.ended()
        watch.shows(rb"\x1b\[7m> \S+ +\d+s  GET http://denied\.test/second")
        assert second.is_alive() and [one["path"] for one in pending(bottle)] == ["/second"]
        watch.ends(lambda: watch.key(b"q"))
    assert number


def test_watch_shows_events_and_escapes_what_is_not_ours(bottle):
    with watching(bottle, bottle.name) as watch:
        mark = watch.mark()
        bottle.agent.dns(server="203.0.113.9", name="x\x1b[31my.denied.test")
        watch.shows(rb"block +dns +A x\\u005c027\[31my\.denied\.test", mark)
        assert bottle.agent.http(host="denied.test", path="/caf\u00e9/\u202e")["status"] == 400
        watch.shows(r":80/caf\u00e9/\u202e 400", mark)
        assert bottle.agent.http(host="plain.test")["status"] in (200, 404)
        watch.shows(rb"allow +http +GET plain\.test:80/", mark)
        watch.ends(lambda: watch.kill(signal.SIGTERM))


def test_watch_follows_the_terminals_size(bottle):
    with watching(bottle, rows=24, columns=100) as watch:
        for _ in range(30):
            assert bottle.agent.http(host="telemetry.test")["status"] == 403
        watch.shows("telemetry.test")
        for rows, columns in ((10, 40), (6, 20), (3, 10), (40, 200)):
            mark = watch.mark()
            watch.size(rows, columns)
            watch.shows(rb"\x1b\[H[^\x1b]*", mark)
            wait_for(lambda rows=rows, columns=columns: len(watch.last()) <= rows and max(map(len, watch.last())) <= columns
                     and watch.last()[0] == TITLE[:columns].encode(), "the new size")
        watch.ends(lambda: watch.key(b"\x04"))


def test_without_a_terminal_it_writes_lines_and_takes_nothing(bottle):
    watch = subprocess.Popen(bottle.host.command("watch", bottle.name), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                             env=bottle.host.environment, cwd=bottle.host.dir,
                             preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # which a job in the background ignores
    try:
        asked = Asked(bottle, "denied.test", path="/lines")
        seen = ""
        while f"held {bottle.name}/" not in seen:
            seen = watch.stdout.readline()
            assert seen and "\x1b" not in seen
        assert re.fullmatch(f"held {bottle.name}" + r"/\d+: GET http://denied\.test/lines  for its host\n", seen)
        watch.stdin.write("y\n")
        watch.stdin.flush()
        number = seen.split()[1].rstrip(":")
        assert bottle.host.hostctl("deny", number, "--reason", "no").returncode == 0
        asked.refused("held-denied")
        while "held-denied" not in seen:
            seen = watch.stdout.readline()
            assert seen and seen.startswith(bottle.name + ": ") and "\x1b" not in seen
        os.kill(child_of(watch.pid), signal.SIGINT)
        assert watch.wait(WAIT) == 0
    finally:
        end(watch)
        watch.communicate(timeout=WAIT)


def test_a_bottle_that_is_not_there(running):
    for command in "pending", "watch":
        done = running.host.hostctl(command, "absent")
        assert (done.returncode, done.stdout) == (FAILED, "")
        assert done.stderr == running.host.hostctl("ca", "absent").stderr.replace("hostctl ca", f"hostctl {command}")
