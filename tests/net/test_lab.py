# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's own promises: its world answers, its capture sees, and nothing of it stays behind."""
import os
import signal
import socket
import subprocess
import sys

import pytest

from capture import Capture
from lab import HERE, MARK, Lab
from spaces import Failed, Space, wait_for, wire
from world import NAMES, RESOLVER, STRANGER
import probes


@pytest.fixture(scope="module")
def visitor(lab):
    """A namespace with a link to the internet and no wall."""
    space = Space(lab, "visitor")
    space.address, space.uplink = lab.world.link(space.pid, "up0")
    yield space
    space.close()


def test_the_world_answers_on_every_address_and_port_that_tests_use(lab, visitor):
    for name in "allowed.test", "denied.test", "plain.test":
        assert visitor.call(probes.dns, RESOLVER, name)["addresses"] == [NAMES[name]]
        page = f"I am {name} at {NAMES[name]}\n"
        assert visitor.call(probes.http, name, address=NAMES[name])["body"] == page
        assert visitor.call(probes.https, name, address=NAMES[name], ca=lab.world.ca)["body"] == page
    assert visitor.call(probes.tcp, STRANGER, 9999, "hello\r\n")["data"] == "caught\n"
    assert visitor.call(probes.udp, STRANGER, 443) == {"data": "caught\n"}
    assert visitor.call(probes.ping, "169.254.169.254") == {"icmp": [0, 0], "from": "169.254.169.254"}
    assert "OpenSSH" in visitor.call(probes.tcp, NAMES["ssh.test"], 22, "SSH-2.0-x\r\n", limit=20)["data"]
    assert visitor.call(probes.tcp, NAMES["dead.test"], 443)["error"] == "ECONNREFUSED"
    assert visitor.call(probes.tcp, NAMES["silent.test"], 443, timeout=0.2)["error"] == "timeout"
    assert ("tcp", 9999, visitor.address) in lab.world.catchers.seen


def test_the_capture_sees_what_leaves_and_calls_it_a_leak(lab, visitor):
    with Capture(lab.world.space.pid, visitor.uplink) as capture:
        visitor.call(probes.udp, STRANGER, 443)
        visitor.call(probes.dns, RESOLVER, "secret-label.test")
    assert capture.leaks(visitor.address, {("udp", RESOLVER, 53)})[0].target == STRANGER
    assert {(frame.target, frame.port) for frame in capture.leaks(visitor.address, set())} == {(STRANGER, 443), (RESOLVER, 53)}
    assert capture.holds("Secret-Label") and not capture.holds("another-label")


@pytest.mark.parametrize("known", [True, False])
def test_the_last_words_of_a_connection_from_before_are_no_leak_and_its_data_are(lab, visitor, known):
    with visitor.call(socket.create_connection, (STRANGER, 80)) as connection:
        with Capture(lab.world.space.pid, visitor.uplink, sender=visitor.pid if known else None) as capture:
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1) == b""
        assert any(frame.port == 80 for frame in capture.frames)
        assert bool(capture.leaks(visitor.address, set())) != known
    with visitor.call(socket.create_connection, (STRANGER, 80)) as connection:
        with Capture(lab.world.space.pid, visitor.uplink, sender=visitor.pid if known else None) as capture:
            connection.sendall(b"something")
        assert len(capture.leaks(visitor.address, set())) >= 1


def test_a_capture_on_a_link_that_vanishes_says_so(lab):
    one, other = Space(lab, "one"), Space(lab, "other")
    wire(one.pid, "v0", "192.0.2.1/30", other.pid, "v1", "192.0.2.2/30")
    with Capture(one.pid, "v0") as capture:
        one.call(probes.udp, "192.0.2.2", 9)
        other.close()
        wait_for(lambda: capture.gone, "the end of the link")
    assert [frame for frame in capture.frames if frame.kind == "udp"]
    one.close()


def test_a_set_up_that_fails_removes_what_it_made(monkeypatch):
    made = []
    monkeypatch.setattr("world.World._sshd", lambda world: made.append(world.lab) or world.lab.run("false"))
    with pytest.raises(Failed, match="false: status 1"):
        Lab("failing")
    assert made[0].leaks() == []


def test_a_killed_test_run_leaves_no_process_and_no_link(tmp_path):
    """Only its folder of files stays, as of any killed program."""
    code = f"import sys; sys.path.insert(0, {HERE!r}); from lab import Lab; lab = Lab('killed'); print(lab.token, lab.dir, flush=True); input()"
    child = subprocess.Popen([sys.executable, "-B", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with child.stdin, child.stdout:
        token, folder = child.stdout.readline().split()
        mark = f"{MARK}={token}\0".encode()

        def marked():
            found = []
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    with open(f"/proc/{pid}/environ", "rb") as environ:
                        found += [pid] if mark in environ.read() else []
                except OSError:
                    continue
            return found
        assert marked()
        child.send_signal(signal.SIGKILL)
        child.wait()
        wait_for(lambda: not marked(), "the end of all that it started")
        subprocess.run(["rm", "-r", folder], check=True)
