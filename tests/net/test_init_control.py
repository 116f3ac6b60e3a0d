# SPDX-License-Identifier: GPL-3.0-or-later
"""stopper-init by itself, with stand-ins for its workers: its control socket and its audit stream."""
import json
import subprocess

from init_rig import Init
from init_rig import rig, shared  # noqa: F401 (fixtures)
from spaces import WAIT, child_of, wait_for


# ---- control

def ask(init, data):
    """Raw bytes to the control socket; the lines that come back."""
    script = ("import socket,sys; s=socket.socket(socket.AF_UNIX); s.settimeout(5); s.connect('/run/stopper/control.sock');"
              "s.sendall(sys.stdin.buffer.read()); s.shutdown(1); f=s.makefile('rb'); print(f.read().decode(), end='')")
    done = subprocess.run(["nsenter", "-t", str(init.pid), "-n", "-m", "-p", "/usr/bin/python3", "-c", script], input=data, capture_output=True,
                          timeout=WAIT, check=False)
    return [json.loads(line) for line in done.stdout.decode().splitlines()] or done.stderr.decode()


def test_the_control_socket_answers_line_by_line_and_refuses_what_it_does_not_know(shared):
    assert ask(shared, b'{"verb":"hello"}\n{"verb":"wait-ready"}\n') == [{"ok": True, "protocol": 1, "version": "0.1.0"}, {"ok": True}]
    assert ask(shared, b'{"verb":"open-wall"}\n') == [{"ok": False, "error": 'unknown verb "open-wall"'}]
    assert ask(shared, b'{"verb":"hello","policy":{}}\n') == [{"ok": False, "error": 'hello: unknown member "policy"'}]
    assert ask(shared, b'[]\n') == [{"ok": False, "error": 'unknown verb ""'}]
    assert ask(shared, b'{"verb":"apply"}\n') == [{"ok": False, "error": 'apply: the member "policy" is missing'}]
    assert ask(shared, b'nonsense\n')[0]["ok"] is False


def test_a_request_that_is_too_large_is_refused(shared):
    answer = ask(shared, b" " * (33 << 20))
    assert answer == [{"ok": False, "error": "the request is too large"}] or "Broken pipe" in answer or "reset" in answer
    assert shared.ctl("hello")[0] == 0


def test_nobody_but_root_reaches_the_control_socket(shared):
    script = "import socket; socket.socket(socket.AF_UNIX).connect('/run/stopper/control.sock')"
    done = subprocess.run(["nsenter", "-t", str(shared.pid), "-m", "-p", "setpriv", "--reuid", "61001", "--regid", "61001", "--clear-groups",
                           "/usr/bin/python3", "-c", script], capture_output=True, text=True, check=False, timeout=WAIT)
    assert "PermissionError" in done.stderr
    mode = shared.rig.run("nsenter", "-t", str(shared.pid), "-m", "stat", "-c", "%a %u %n", "/run/stopper", "/run/stopper/control.sock", "/run/stopper/empty")
    assert mode.split("\n")[:3] == ["700 0 /run/stopper", "600 0 /run/stopper/control.sock", "555 0 /run/stopper/empty"]


# ---- the audit stream

def test_lines_that_nobody_reads_wait_and_none_is_lost(rig):
    rig.mode("stopper-proxy", "audit")
    init = Init(rig, read=False)
    init.pid = child_of(init.process.pid)
    proxy = wait_for(lambda: init.host_pid_of("stopper-proxy"), "the proxy")
    wait_for(lambda: "unix_stream" in wchan(proxy) or "sock" in wchan(proxy), "the worker to wait")
    numbers, ready = [], False
    while len(numbers) < 20000 or not ready:
        raw = init.process.stdout.readline()
        assert raw, init.errors()
        line = json.loads(raw)
        ready = ready or line.get("detail") == "ready"
        if line["kind"] == "test" and "number" in line:
            numbers.append(line["number"])
    assert numbers == list(range(20000))


def wchan(pid):
    with open(f"/proc/{pid}/wchan", encoding="ascii") as file:
        return file.read()


def test_a_stream_without_a_reader_is_the_end(rig):
    init = Init(rig, read=False)
    init.process.stdout.readline()
    init.process.stdout.close()
    assert init.end() == 1
    assert "the audit stream on stdout: its reader is gone: the sidecar ends" in init.errors()


def test_a_line_that_is_no_line_is_an_alarm(rig):
    rig.mode("stopper-dns", "noise")
    init = Init(rig)
    init.audit.wait(kind="lifecycle", verdict="alarm", detail="a worker sent a malformed audit line")
    assert not any("not json" in line for line in init.audit.lines)


def test_a_worker_cannot_speak_for_init_or_write_seals(rig):
    rig.mode("stopper-dns", "forger")
    init = Init(rig)
    init.audit.wait(kind="test", detail="another")
    alarms = [line for line in init.audit.lines if line.get("verdict") == "alarm"]
    assert [line["detail"] for line in alarms] == ["a worker sent a malformed audit line"] * 4
    told = [line["detail"] for line in init.audit.lines if line["kind"] == "test" and "detail" in line]
    assert told == ["before", "genuine", "another"]  # what stands behind a forged line in its packet is not looked at
    assert [line["seq"] for line in init.audit.lines] == list(range(1, len(init.audit.lines) + 1))
