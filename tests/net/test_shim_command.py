# SPDX-License-Identifier: GPL-3.0-or-later
"""stopper-shim and the command that it carries: its exit, its signals, its processes, its terminal."""
import os
import pathlib
import signal

import pytest

from shim_rig import DEADLINE, Bottle, read_terminal, send_line


# ---- the command's life ----

def test_the_exit_status_is_passed_on():
    with Bottle("sh", "-c", "exit 7") as bottle:
        status, _, _, lines = bottle.run()
    assert (status, lines) == (7, [{"exit": 7}])


def test_a_killed_command_is_told_apart():
    with Bottle("sh", "-c", "kill -SEGV $$") as bottle:
        status, _, _, lines = bottle.run()
    assert (status, lines) == (128 + signal.SIGSEGV, [{"killed": int(signal.SIGSEGV)}])


@pytest.mark.parametrize("command, status, words", [
    (["no-such-program"], 127, "stopper-shim: no-such-program: command not found\n"),
    (["/no/such/program"], 127, "stopper-shim: /no/such/program: command not found\n"),
    (["/etc/passwd"], 126, "stopper-shim: /etc/passwd: Permission denied\n"),
    (["/etc"], 126, "stopper-shim: /etc: Permission denied\n"),
    (["mine"], 127, "stopper-shim: mine: command not found\n"),  # only on the PATH of whoever starts the shim
])
def test_a_command_that_cannot_run_says_why(command, status, words):
    setup = "cp /bin/true /run/bin/mine\n"
    with Bottle(*command, setup=setup, launch='PATH=/run/bin:$PATH exec "$@"') as bottle:
        assert bottle.run() == (status, "", words, [{"exit": status}])


def test_the_command_is_searched_on_the_agents_path():
    setup = "printf '#!/bin/sh\\necho mine\\n' >/run/bin/mine\nchmod 755 /run/bin/mine\n"
    with Bottle("mine", setup=setup, env={"PATH": "/nothing:/run/bin"}) as bottle:
        assert bottle.run()[:3] == (0, "mine\n", "")


TRAPS = "for s in TERM INT HUP QUIT USR1 USR2 WINCH CONT; do trap \"echo got $s\" $s; done; echo ready; "


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "WINCH", "CONT"])
@pytest.mark.parametrize("way", ["kill", "line"])
def test_signals_reach_the_command(name, way):
    number = int(getattr(signal, "SIG" + name))
    with Bottle("bash", "-c", TRAPS + "while :; do sleep 0.02; done") as bottle:
        bottle.wait_ok()
        assert bottle.process.stdout.readline() == "ready\n"
        if way == "kill":
            os.kill(bottle.pid1(), number)
        else:
            send_line(bottle.peer.sock, {"signal": number})
        assert bottle.process.stdout.readline() == f"got {name}\n"


def test_a_line_that_is_not_understood_is_answered():
    with Bottle("sleep", "100") as bottle:
        bottle.wait_ok()
        for line in ({"signal": 0}, {"signal": "TERM"}, {"resize": [24]}, {"other": 1}, {"signal": 15, "resize": [1, 1]}, []):
            send_line(bottle.peer.sock, line)
            assert bottle.peer.line()["ok"] is False
        send_line(bottle.peer.sock, {"signal": 15})
        assert bottle.peer.line() == {"killed": 15}


def test_orphans_are_reaped():
    script = "for i in 1 2 3; do (sleep 0.1 & exec true); done; sleep 0.4; grep -l 'State:.Z' /proc/[0-9]*/status; echo end"
    with Bottle("bash", "-c", script) as bottle:
        assert bottle.run()[:3] == (0, "end\n", "")


def processes_with(marker):
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker in path.read_bytes().split(b"\0"):
                found.append(path.parent.name)
        except OSError:
            pass
    return found


def test_everything_ends_with_the_command():
    marker = f"{os.getpid()}.125"
    with Bottle("bash", "-c", f"setsid sleep {marker} </dev/null >/dev/null 2>&1 & sleep 0.2; echo started") as bottle:
        assert bottle.run()[:2] == (0, "started\n")
        assert not processes_with(marker.encode())


def test_the_bottle_ends_with_its_parent():
    with Bottle("sleep", "100") as bottle:
        bottle.wait_ok()
        bottle.peer.sock.close()
        assert bottle.process.wait(DEADLINE) == 128 + signal.SIGHUP


def test_without_die_with_parent_it_stays():
    with Bottle("sh", "-c", "read line </run/fifo; echo still $line", setup="mkfifo /run/fifo\nchmod 666 /run/fifo\n",
                die_with_parent=False) as bottle:
        bottle.wait_ok()
        bottle.peer.sock.close()
        pathlib.Path(f"/proc/{bottle.pid1()}/root/run/fifo").write_text("here\n", encoding="ascii")
        assert bottle.process.communicate(timeout=DEADLINE)[0] == "still here\n"
        assert bottle.process.returncode == 0


# ---- terminal ----

def test_the_terminal_is_the_agents_own():
    script = ("tty; stty size; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all; ls /proc/self/fd | tr '\\n' ' '; "
              "echo typed: $(head -1 </dev/tty); echo TERM=$TERM; stat -c %u $(tty)")
    with Bottle("bash", "-c", script, terminal=True, rows=31, columns=97) as bottle:
        bottle.wait_ok()
        os.write(bottle.peer.master, b"hello\n")
        text = read_terminal(bottle.peer.master, "\n1000\r\n")
        assert bottle.peer.line() == {"exit": 0}
        assert bottle.process.wait(DEADLINE) == 0
    assert "/dev/pts/0\r\n31 97\r\nall\r\n" in text
    assert "0 1 2 3 typed: hello\r\nTERM=xterm-256color\r\n" in text


def test_a_resize_reaches_the_command():
    with Bottle("bash", "-c", "trap 'stty size' WINCH; echo ready; while :; do sleep 0.02; done", terminal=True) as bottle:
        bottle.wait_ok()
        read_terminal(bottle.peer.master, "ready")
        send_line(bottle.peer.sock, {"resize": [50, 132]})
        read_terminal(bottle.peer.master, "50 132\r\n")


def test_control_c_on_the_terminal_interrupts():
    with Bottle("bash", "-c", "trap 'echo interrupted; exit 4' INT; echo ready; while :; do sleep 0.02; done",
                terminal=True) as bottle:
        bottle.wait_ok()
        read_terminal(bottle.peer.master, "ready")
        os.write(bottle.peer.master, b"\x03")
        read_terminal(bottle.peer.master, "interrupted")
        assert bottle.peer.line() == {"exit": 4}


def test_a_terminal_that_is_closed_hangs_up():
    with Bottle("sh", "-c", "echo ready; exec sleep 100", terminal=True) as bottle:
        bottle.wait_ok()
        read_terminal(bottle.peer.master, "ready")
        os.close(bottle.peer.master)
        bottle.peer.master = None
        assert bottle.peer.line() == {"killed": int(signal.SIGHUP)}
