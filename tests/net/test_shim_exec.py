# SPDX-License-Identifier: GPL-3.0-or-later
"""stopper-shim exec: another command in a running bottle, with no more than the first has."""
import json
import re
import subprocess

import pytest

from shim_rig import PROBES, PROGRAMS, PYTHON, REFUSALS, Bottle, Entry, assert_dropped, read_terminal, status_of


@pytest.fixture(scope="module")
def running():
    with Bottle("sleep", "1000", setup=PROGRAMS, env={"PATH": "/usr/bin:/bin", "FIRST": "1", "SECOND": "2"}) as bottle:
        bottle.wait_ok()
        yield bottle


def test_exec_drops_the_same_way(running):
    with Entry(running, "cat", "/proc/self/status") as entry:
        status, out, errors = entry.run()
    assert (status, errors) == (0, "")
    assert_dropped(status_of(out))


def test_exec_gains_nothing_either(running):
    with Entry(running, PYTHON, "-c", PROBES.read_text(encoding="utf-8")) as entry:
        status, out, errors = entry.run()
    assert status == 0, errors
    assert json.loads(out) == REFUSALS


def test_exec_without_the_shim_would_gain_it(running):
    """The hole that the shim's exec closes: a runtime's own exec has the container's capabilities."""
    with Entry(running, PYTHON, "-c", PROBES.read_text(encoding="utf-8"), "AF_PACKET", "capset", "/proc/1/mem",
               launch="") as entry:
        _, out, _ = entry.run()
    assert json.loads(out) == {"AF_PACKET": "gained", "capset": "gained", "/proc/1/mem": "gained"}


def test_exec_takes_an_overlay(running):
    with Entry(running, "sh", "-c", "pwd; env | sort; exit 5",
               overlay={"cwd": "/usr", "env": {"SECOND": "two", "THIRD": "3"}}) as entry:
        assert entry.peer.line() == {"ok": True}
        assert entry.run() == (5, "/usr\nFIRST=1\nPATH=/usr/bin:/bin\nPWD=/usr\nSECOND=two\nTHIRD=3\n", "")


def test_exec_gives_a_terminal(running):
    with Entry(running, "sh", "-c", "tty; stty size", overlay={"terminal": True, "rows": 20, "columns": 70}) as entry:
        assert entry.peer.line() == {"ok": True}
        assert re.search(r"/dev/pts/\d+\r\n20 70\r\n", read_terminal(entry.peer.master, "20 70\r\n"))
        assert entry.run()[0] == 0


@pytest.mark.parametrize("overlay, error", [
    ({"uid": 2000}, 'configuration: unknown member "uid"'),
    ({"gateway": "10.7.7.9"}, 'configuration: unknown member "gateway"'),
    ({"cwd": "/nothing"}, "cwd: /nothing: No such file or directory"),
])
def test_exec_refuses_a_wrong_overlay(running, overlay, error):
    with Entry(running, "echo", "EXECUTED", overlay=overlay) as entry:
        assert entry.peer.line() == {"ok": False, "error": error}
        assert entry.run() == (1, "", f"stopper-shim: {error}\n")


def test_exec_says_what_cannot_run(running):
    with Entry(running, "no-such-program") as entry:
        assert entry.run() == (127, "", "stopper-shim: no-such-program: command not found\n")


@pytest.mark.parametrize("tamper", ["chmod 644 {}", "chown 1000 {}", "rm {}", "mv {0} {0}.x; ln -s agent.json.x {0}"])
def test_exec_refuses_a_saved_configuration_that_is_not_roots_alone(tamper):
    with Bottle("sleep", "1000") as bottle:
        bottle.wait_ok()
        saved = f"/proc/{bottle.pid1()}/root/run/stopper/agent.json"
        subprocess.run(tamper.format(saved), shell=True, check=True)
        with Entry(bottle, "echo", "EXECUTED") as entry:
            status, out, errors = entry.run()
        assert (status, out) == (1, "")
        assert "/run/stopper/agent.json" in errors


def test_ordinary_programs_work():
    script = ("set -e; cd $(mktemp -d -p /dev/shm); python3 -c 'import threading, subprocess, multiprocessing; "
              "t = threading.Thread(target=print, args=(1,)); t.start(); t.join(); "
              "subprocess.run([\"true\"], check=True)'; "
              "git init -q . ; git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x; git log --format=%s; "
              "node -e 'console.log(2); require(\"fs\").readFile(\"/etc/passwd\", (e) => console.log(e === null))'; "
              "strace -f -e trace=execve true 2>&1 | grep -c '^execve'")
    with Bottle("bash", "-c", script, setup="mount -t tmpfs -o mode=1777 tmpfs /dev/shm\n") as bottle:
        status, out, errors, _ = bottle.run()
    assert (status, out) == (0, "1\nx\n2\ntrue\n1\n"), errors
