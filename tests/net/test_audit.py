# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit stream as users have it: what its lines are, that none can be taken out unseen, that no byte of an agent's
reaches a terminal, that a flood hides nothing, and what is left when the bottle is gone."""
import hashlib
import json
import os
import re
import signal
import subprocess
import threading
import time

import pytest

from dlp_rig import github
from host import Host
from lab import BUILD, program
from spaces import WAIT, wait_for
from world import RESOLVER

FAILED, USAGE, UNFIT = 125, 2, 1
QUARANTINE = 400 << 10 if "asan" in BUILD else 0  # KiB of freed memory that the sanitizer holds back
PRINTABLE = set(range(0x20, 0x7f)) | {0x0a}
MANUAL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "stopper-audit.5")

# Run in the bottle: requests and queries of bytes that a terminal obeys, each answered.
HOSTILE = r"""
import socket, struct
EVIL = b'\x1b[2J\x07\x7f\xc2\x9b\xe2\x80\xae\xe2\x80\xa8\xff\\"q'
def http(method, path, host):
    with socket.create_connection(("203.0.113.9", 80), 20) as sock:
        sock.sendall(method + b" " + path + b" HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")
        print(sock.recv(4096).split(b" ")[1].decode())
http(b"GET", b"/" + EVIL, b"denied.test")
http(b"GET", b"/", EVIL + b".denied.test")
http(b"GE" + EVIL + b"T", b"/", b"denied.test")
http(b"GET", b"/caf\xc3\xa9/\xe2\x80\xae", b"denied.test")
http(b"GET", b'/\\"<>%1b%0d%0a|', b"quotes.test")
http(b"PURGE", b"/" + b"a" * 3000, b"long.test")
for labels in [EVIL, b"denied", b"test"], [b"\r\nline", b"x y\tz\0"]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(20)
        sock.connect(("203.0.113.9", 53))
        sock.send(struct.pack("!HHHHHH", 1, 0x100, 1, 0, 0, 0) + b"".join(bytes([len(l)]) + l for l in labels) + b"\0\0\1\0\1")
        print(sock.recv(512)[:2].hex())
"""


class Story:
    """A bottle in which a bit of everything happened, its stream while it ran, and what was kept of it."""

    def __init__(self, lab):
        self.host = Host(lab)
        self.bottle = bottle = self.host.up()
        try:
            agent = bottle.agent
            assert agent.http(host="plain.test", path="/x?secret=1")["status"] == 200
            assert agent.https(host="allowed.test")["status"] == 200
            assert agent.http(host="plain.test", path="/?x=" + github())["status"] == 403
            assert agent.https(host="denied.test", ca=None)["status"] == 403
            for _ in range(3):
                assert agent.http(host="denied.test", address="203.0.113.9")["status"] == 403
            agent.udp(address="203.0.113.9", port=9999, timeout=0.1)
            agent.tcp(address="203.0.113.9", port=9999, send="x" * 100)
            self.answers = agent.run(argv=["/usr/bin/python3", "-c", HOSTILE])
            bottle.audit.wait(kind="packet", protocol="udp")
            bottle.audit.wait(kind="http", reason="host-not-allowed", host="denied.test", count=2)
            bottle.audit.wait(kind="tls", verdict="allow", host="allowed.test")
            bottle.audit.wait(kind="dns", host=re.compile(r".*line"))
            init = min(self.host.processes()["stopper-init"])
            path = os.readlink(f"/proc/{self.host.space.pid}/root/proc/{init}/exe")
            self.status = json.loads(self.host.space.run("nsenter", "-t", str(init), "-n", "-m", "-p", path, "ctl", "status"))
            self.verified = self.logs("--verify", bottle.name)
            self.kept_while_running = os.path.exists(self.host.kept)
            assert bottle.down().returncode == 0
            (name,) = os.listdir(self.host.kept)
            self.kept = os.path.join(self.host.kept, name)
            with open(self.kept, "rb") as file:
                self.raw = file.read()
            self.lines = [json.loads(line) for line in self.raw.splitlines()]
        except BaseException:
            self.close()
            raise

    def logs(self, *words):
        return self.host.hostctl("logs", *words)

    def shown(self, *words):
        done = self.logs(*words)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()

    def verify(self, lines):
        """`logs --verify` of a file of these lines: (status, what it says, without the file's name)."""
        path = self.host.write("copy.jsonl", b"".join(lines).decode())
        done = self.logs("--verify", path)
        assert done.stderr == ""
        return done.returncode, done.stdout.replace(path + ": ", "").splitlines()[0]

    def close(self):
        self.bottle.close()
        self.host.close()


@pytest.fixture(scope="module")
def story(lab):
    made = Story(lab)
    yield made
    made.close()


OF_GIT = {"repository", "ref", "old", "new", "commit", "line", "commits", "objects", "findings"}  # seen in test_gate_held.py


def are_as_documented(lines):
    """Whether they have only what the manual has, in its order and of its types. Returns the members that are seen, and all."""
    with open(MANUAL, encoding="ascii") as page:
        documented = dict(re.findall(r"^\.It Ic (\w+) Pq (\w+)", page.read(), re.MULTILINE))
    kinds = {"string": str, "integer": int, "true": bool, "object": dict}
    for line in lines:
        assert [key for key in documented if key in line] == list(line)
        assert all(type(value) is kinds[documented[key]] for key, value in line.items())
    return {key for line in lines for key in line}, set(documented)


def test_the_manual_has_the_members_of_real_lines_and_each_of_them_is_seen(story):
    seen, documented = are_as_documented(story.lines)
    assert seen == documented - OF_GIT
    assert {line["kind"] for line in story.lines} == {"http", "tls", "dns", "tcp", "packet", "control", "lifecycle"}


def test_every_line_names_the_policy_that_status_names(story):
    status = story.status
    assert status["generation"] == 1 and re.fullmatch("[0-9a-f]{32}", status["policy_digest"])
    assert not any(line.get("reason") == "no-policy" for line in story.lines)
    first = next(at for at, line in enumerate(story.lines) if line["kind"] == "control")
    assert all((line["generation"], line["policy_digest"]) == (1, status["policy_digest"]) for line in story.lines[first:])
    assert all("generation" not in line and "policy_digest" not in line for line in story.lines[:first])


def test_each_line_holds_its_number_and_the_digest_of_the_line_before(story):
    lines, digest = story.raw.splitlines(keepends=True), "0" * 64
    for number, (raw, line) in enumerate(zip(lines, story.lines), 1):
        assert (line["seq"], line["prev"], "boot" in line, "end" in line) == (number, digest, number == 1, number == len(lines))
        digest = hashlib.sha256(raw).hexdigest()
    assert (story.verified.returncode, story.verified.stderr) == (0, "")
    assert re.match(rf"{story.bottle.name}: \d+ lines, whole from the beginning to now\n", story.verified.stdout)
    whole = story.logs("--verify", story.bottle.name)
    assert (whole.returncode, whole.stdout) == (
        0, f"{story.kept}: {len(lines)} lines, whole from the beginning to the end\n"
           f"{story.kept}: number {len(lines)}, digest {digest}, boot {story.lines[0]['boot']}\n")


def test_what_is_done_to_a_stream_is_found_and_named(story):
    lines = story.raw.splitlines(keepends=True)
    last = len(lines)
    assert story.verify(lines) == (0, f"{last} lines, whole from the beginning to the end")
    changed = lines[4].replace(b'"verdict":"', b'"verdict":"x', 1)
    assert changed != lines[4]
    for tampered, said in (
            (lines[:4] + [changed] + lines[5:], "line 6: does not hold the digest of the line before it: that line or this one was changed"),
            (lines[:4] + lines[5:], "line 5: has the number 6 behind 4: lines between them are missing"),
            (lines[:4] + [lines[5], lines[4]] + lines[6:], "line 5: has the number 6 behind 4: lines between them are missing"),
            (lines[:4] + [lines[3]] + lines[4:], "line 5: has the number 4 behind 4: it is not in its place"),
            (lines[:4] + [b'{"kind":"http"}\n'] + lines[4:], "line 5: has no number and digest at its end, as every line of a sidecar has"),
            (lines[2:], "line 1: has the number 3: the stream's beginning is missing"),
            (lines[:-1], f"line {last - 1}: is not the stream's end: lines are missing behind it, or the sidecar was killed"),
            (lines[:-1] + [lines[-1][:-9]], f"line {last}: is cut off"),
            (lines + [lines[5]], f"line {last + 1}: stands behind the end of the stream")):
        assert story.verify(tampered) == (UNFIT, said)


def test_no_byte_of_an_agents_reaches_a_terminal(story):
    assert story.answers["out"].split() == ["400", "400", "400", "400", "403", "403", "0001", "0001"], story.answers
    hostile = [line for line in story.lines if "\x1b" in line.get("path", "") or "\\027" in line.get("host", "")]
    assert {line["kind"] for line in hostile} == {"http", "dns"}  # they are there, and were escaped
    long = next(line for line in story.lines if line.get("method") == "PURGE")
    assert long["path"] == "/" + "a" * 505 + "…"
    raw = story.logs("--json", story.bottle.name).stdout.encode()
    assert raw == story.raw and set(raw) <= PRINTABLE
    read = story.logs(story.bottle.name).stdout
    assert set(read.encode()) <= PRINTABLE and read.count("\n") == len(story.lines)
    assert r"/\u001b[2J\u0007\u007f\u009b\u202e\u2028\ufffd\u005c" in read


def test_filters_choose_lines_and_people_read_them(story):
    name = story.bottle.name
    assert [json.loads(line) for line in story.shown("--json", "--deny", name)] == [
        line for line in story.lines if line["verdict"] in ("block", "alarm")]
    assert [json.loads(line) for line in story.shown(name, "--json", "--kind", "dns", "--kind=tcp")] == [
        line for line in story.lines if line["kind"] in ("dns", "tcp")]
    assert [json.loads(line) for line in story.shown(name, "--json", "--host", "*.test", "--deny", "--kind", "http")] == [
        line for line in story.lines if line.get("host", "").endswith(".test") and line["kind"] == "http" and line["verdict"] == "block"]
    shown, found = story.shown(name, "--host", "PLAIN.test", "--kind", "http")
    assert found.endswith(" block  http      GET plain.test:80/ 403 dlp-match [plain.test] token_patterns: github-token in the query")
    line = next(line for line in story.lines if line.get("host") == "plain.test" and line["kind"] == "http")
    assert shown == f"{line['time']} allow  http      GET plain.test:80/x 200 [plain.test]"
    assert len(story.shown(story.kept)) == len(story.lines)
    wrong = story.logs(name, "--kind", "htpp")
    assert (wrong.returncode, wrong.stdout) == (USAGE, "")
    assert wrong.stderr.startswith('hostctl logs: --kind: there is no "htpp"; kinds are http tls dns tcp git packet control lifecycle\n')
    assert story.logs(name, "--verify", "--deny").returncode == USAGE


def test_the_audit_of_a_bottle_that_is_gone_is_the_hosts_own_until_gc(story):
    assert not story.kept_while_running
    assert (os.stat(story.kept).st_mode & 0o7777, os.stat(story.host.kept).st_mode & 0o7777) == (0o600, 0o700)
    assert os.stat(story.kept).st_uid == os.stat(story.host.kept).st_uid == 0
    assert story.logs("absent").stderr == 'hostctl logs: there is no bottle "absent"\n'
    other = os.path.join(story.host.kept, "other.20200102T030405.000000.jsonl")
    with open(other, "wb") as file:
        file.write(story.raw)
    assert story.logs("--json", "other").stdout.encode() == story.raw
    assert story.host.hostctl("gc").stdout == "audit: 1 of bottles that are gone\n"  # older than 30 days
    assert os.listdir(story.host.kept) == [os.path.basename(story.kept)]


def test_a_killed_hostctl_leaves_an_audit_that_says_so(lab):
    host = Host(lab)
    try:
        bottle = host.up()
        assert bottle.agent.http(host="denied.test")["status"] == 403
        bottle.audit.wait(kind="http", host="denied.test")
        os.kill(bottle.hostctl_pid(), signal.SIGKILL)
        bottle.process.wait(WAIT)
        assert host.hostctl("gc").stdout == f"{bottle.name}\n"
        said = host.hostctl("logs", "--verify", bottle.name)
        assert said.returncode == UNFIT and "is not the stream's end: lines are missing behind it, or the sidecar was killed" in said.stdout
        assert any("denied.test" in line for line in host.hostctl("logs", "--deny", bottle.name).stdout.splitlines())
        assert host.hostctl("gc", "--all").stdout == "audit: 1 of bottles that are gone\n" and os.listdir(host.kept) == []
        assert host.hostctl("logs", bottle.name).returncode == FAILED
        bottle.close()
    finally:
        host.close()


# ---- floods

# Run in the bottle: denied attempts, each answered before the next burst; all of them different, or all the same.
DENIED = r"""
import socket, struct, sys
attempts, different, gateway = int(sys.argv[1]), sys.argv[2] == "different", sys.argv[3]
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.connect((gateway, 53))
sock.settimeout(2)
head, sent, answered = struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 0), 0, 0
while answered < attempts:
    burst = min(64, attempts - answered)
    for at in range(burst):
        label = b"%015d" % (sent + at if different else 0)
        sock.send(head + b"\x0f" + label + b"\6denied\4test\0\0\1\0\1")
    sent += burst
    try:
        for _ in range(burst):
            sock.recv(512)
            answered += 1
    except TimeoutError:
        pass
print(sent, answered)
"""

ATTEMPTS = int(os.environ.get("STOPPER_FLOOD", "60000"))  # 10,000,000 by make bench-denials


def memory(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])  # KiB


class Flood:
    """A flood that runs in the bottle while the lab asks for other things."""

    def __init__(self, bottle, how):
        self.sent = self.answered = 0
        self.result = None
        self.thread = threading.Thread(target=self._run, args=(bottle, how), daemon=True)
        self.thread.start()

    def _run(self, bottle, how):
        self.result = bottle.agent.call("run", argv=["/usr/bin/python3", "-c", DENIED, str(ATTEMPTS // 2), how, RESOLVER],
                                        timeout=3600, within=3600)
        self.sent, self.answered = map(int, self.result["out"].split())

    def running(self):
        return self.thread.is_alive()


def test_a_flood_of_denials_hides_nothing_and_fills_nothing(new_bottle, record_property, tmp_path):
    bottle = new_bottle()
    before = {name: memory(pids[0]) for name, pids in bottle.processes().items()}
    mark, begun = bottle.audit.mark(), time.monotonic()
    floods = [Flood(bottle, how) for how in ("different", "same")]
    served, alarms = 0, 0
    while any(flood.running() for flood in floods) or served < 10 or alarms < 2:
        assert bottle.agent.http(host="plain.test", path=f"/during-{served}")["status"] == 200
        served += 1
        if alarms < 2 and served % 5 == 0:  # what has to be seen in all this: a worker's end
            old = bottle.processes()["stopper-proxy"][0]
            bottle.audit.wait(path=f"/during-{served - 1}")  # a killed worker takes along what it has not handed over
            os.kill(old, signal.SIGKILL)
            wait_for(lambda: old not in bottle.processes().get("stopper-proxy", [old]), "another proxy")
            bottle.audit.wait(mark, kind="lifecycle", detail="worker stopper-proxy serves again")
            alarms += 1
            mark = bottle.audit.mark() if alarms < 2 else mark
    seconds = time.monotonic() - begun
    sent = sum(flood.sent for flood in floods)
    answered = sum(flood.answered for flood in floods)
    assert answered == ATTEMPTS

    def told():
        return sum(line.get("count", 1) for line in bottle.audit.lines if line["kind"] == "dns" and line["verdict"] == "block")
    wait_for(lambda: told() >= answered, "the last counts")
    assert told() <= sent
    lines = bottle.audit.lines[:]
    assert len([line for line in lines if line["verdict"] == "alarm"]) == 2
    assert {line["path"] for line in lines if line["kind"] == "http" and line["verdict"] == "allow"} == {
        f"/during-{at}" for at in range(served)}
    denials = [line for line in lines if line["kind"] == "dns" and line["verdict"] == "block"]
    assert len(denials) <= 300 * (seconds + 3)  # a second: 128, the counts of as many, and one a reason
    after = {name: memory(pids[0]) for name, pids in bottle.processes().items()}
    assert all(after[name] < before[name] + 8192 + QUARANTINE for name in before), (before, after)
    stream = tmp_path / "stream.jsonl"
    stream.write_bytes(b"".join(bottle.audit.raw))
    said = subprocess.run([program("hostctl"), "logs", "--verify", str(stream)], capture_output=True, text=True, check=False).stdout
    assert f"line {len(lines)}: is not the stream's end" in said  # all fit, and the bottle still runs
    record_property("flood", f"{answered} denied attempts in {seconds:.0f} s: {len(lines)} lines of {stream.stat().st_size // 1024} KiB, "
                             f"{served} requests served, memory {before} -> {after} KiB")


# Run in the bottle: requests one after the other; says when one is not answered for a second, and waits for it.
PATIENT = r"""
import socket, sys
answered = 0
while answered < 20000:
    with socket.create_connection(("203.0.113.9", 80), 60) as sock:
        sock.sendall(b"GET /%06d" % answered + b"x" * 500 + b" HTTP/1.1\r\nHost: plain.test\r\nConnection: close\r\n\r\n")
        sock.settimeout(1)
        try:
            status = sock.recv(12)
        except TimeoutError:
            open("/work/waits", "x").close()
            sock.settimeout(60)
            status = sock.recv(12)
            assert status == b"HTTP/1.1 200", status
            print(answered + 1)
            break
        assert status == b"HTTP/1.1 200", status
        while sock.recv(65536):
            pass
        answered += 1
"""


def test_while_nobody_reads_the_stream_traffic_waits_and_then_every_line_is_there(new_bottle):
    bottle = new_bottle()
    waits, result = os.path.join(bottle.dir, "work", "waits"), []
    client = threading.Thread(target=lambda: result.append(bottle.agent.run(argv=["/usr/bin/python3", "-c", PATIENT])), daemon=True)
    with bottle.audit.changed:  # the reader has one more line and then needs this
        client.start()
        wait_for(lambda: os.path.exists(waits) or not client.is_alive(), "traffic to wait", 60)
        sizes = {name: memory(pids[0]) for name, pids in bottle.processes().items()}
    client.join(WAIT)
    done, = result
    assert (done["status"], done["err"]) == (0, ""), done
    count = int(done["out"])
    assert count > 500 and all(size < 65536 + QUARANTINE for size in sizes.values()), (count, sizes)
    bottle.audit.wait(path=re.compile(f"/{count - 1:06d}x"))
    seen = [line["path"][:7] for line in bottle.audit.lines if line["kind"] == "http"]
    assert seen == [f"/{at:06d}" for at in range(count)]
