# SPDX-License-Identifier: GPL-3.0-or-later
"""stopper-shim in namespaces of its own: a bottle of the tests', our end of its descriptor, its terminal."""
import array
import contextlib
import json
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("STOPPER_BUILD", HERE.parents[1] / "build" / "release"))
SHIM = BUILD / "stopper-shim"
PROBES = HERE / "shim_probes.py"
PYTHON = "/usr/bin/python3"
DEADLINE = 20  # seconds; nothing here takes one
CONFIG = {"protocol": 1, "interface": "agent0", "gateway": "10.7.7.1", "resolver": "10.7.7.1", "uid": 1000, "gid": 1000,
          "groups": [], "env": {"HOME": "/", "PATH": "/usr/bin:/bin"}, "cwd": "/", "die_with_parent": True}

# Runs as PID 1 of new net, mount, pid, ipc and uts namespaces. The veth's other end waits in a second network namespace.
SETUP = r"""
set -e
exec 3<&"$SHIM_FD"
[ "$SHIM_FD" = 3 ] || eval "exec $SHIM_FD<&-"
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/bin /run/etc
echo 'nameserver 192.0.2.1' >/run/etc/resolv.conf
mount --bind /run/etc/resolv.conf /etc/resolv.conf
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts /dev/pts
mount --bind /dev/pts/ptmx /dev/ptmx
echo secret >/run/root-only
chmod 600 /run/root-only
ip netns add side
ip link set lo up
ip link add agent0 type veth peer name side0 netns side
ip addr add 10.7.7.2/30 dev agent0
ip -6 addr add fe80::2/64 dev agent0 nodad
ip link set agent0 up
ip -n side addr add 10.7.7.1/30 dev side0
ip -n side link set side0 up
umount /run/netns 2>/dev/null || :
"""

# The kernel changes the routes once more when it sees the link's carrier.
UNTIL_SETTLED = r"""
for turn in $(seq 1000); do
    ip route | grep -q linkdown || ! ip -6 route show table all | grep -q 'ff00::/8 dev agent0' || break
    sleep 0.01
done
"""

# Programs with more rights than their caller, for the probes.
PROGRAMS = r"""
cp "$(readlink -f /usr/bin/python3)" /run/bin/suid-python
cp /run/bin/suid-python /run/bin/caps-python
chmod 4755 /run/bin/suid-python
setcap cap_net_raw+ep /run/bin/caps-python
"""

# What the probes are told in a bottle; without the shim each gains what it wants.
REFUSALS = {
    "AF_PACKET": "EPERM", "SOCK_RAW": "EPERM", "AF_VSOCK": "EAFNOSUPPORT", "route": "EPERM", "address": "EPERM",
    "link": "EPERM", "neighbour": "EPERM", "nft": "EPERM", "SO_MARK": "EPERM", "setuid program": "EACCES",
    "file capabilities": "EPERM", "setresuid": "EPERM", "setgroups": "EPERM", "capset": "EPERM", "chroot": "EPERM",
    "mount": "EPERM", "sethostname": "EPERM", "unshare user": "EPERM", "unshare user and net": "EPERM",
    "unshare net": "EPERM", "clone user": "EPERM", "clone3": "ENOSYS", "setns": "EPERM", "ptrace PID 1": "EPERM",
    "/proc/1/mem": "EACCES", "/proc/1/environ": "EACCES", "/proc/1/fd": "EACCES", "pidfd_getfd of PID 1": "EPERM",
    "add_key": "EPERM", "io_uring": "ENOSYS", "userfaultfd": "EPERM", "syslog": "EPERM", "TIOCSTI": "EPERM",
    "resolv.conf": "EACCES", "saved configuration": "EACCES", "fe80:: neighbour": "ENETUNREACH",
}


def send_line(sock, value):
    sock.sendall(json.dumps(value).encode() + b"\n")


class Peer:
    """Our end of descriptor 3."""

    def __init__(self):
        self.sock, self.theirs = socket.socketpair()
        self.sock.settimeout(DEADLINE)
        self.pending = b""
        self.master = None

    def line(self):
        """The next line from the shim; None at the end. A descriptor beside it becomes self.master."""
        while b"\n" not in self.pending:
            data, ancillary, _, _ = self.sock.recvmsg(65536, socket.CMSG_SPACE(4))
            for level, kind, content in ancillary:
                assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
                self.master = array.array("i", content)[0]
            if not data:
                return None
            self.pending += data
        text, self.pending = self.pending.split(b"\n", 1)
        return json.loads(text)

    def close(self):
        self.sock.close()
        self.theirs.close()
        if self.master is not None:
            os.close(self.master)
            self.master = None


class Bottle:
    """stopper-shim as PID 1, in namespaces that end with it."""

    def __init__(self, *command, config=None, setup="", launch='exec "$@"', raw=None, **changes):
        self.peer = Peer()
        fd = self.peer.theirs.fileno()
        self.process = subprocess.Popen(
            ["unshare", "-n", "-m", "-p", "-i", "-u", "-f", "--kill-child=KILL", "--mount-proc", "bash", "-c",
             SETUP + setup + launch, "bash", SHIM, *command],
            pass_fds=[fd], env={**os.environ, "SHIM_FD": str(fd), "INHERITED": "yes"}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.peer.theirs.close()
        if raw is None:
            raw = json.dumps({**(config or CONFIG), **changes}).encode() + b"\n"
        self.peer.sock.sendall(raw)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """unshare's own --kill-child is gone with the drop: a change of user clears the parent-death signal (prctl(2))."""
        if self.process.poll() is None:
            for pid in self.children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.communicate()
        self.peer.close()

    def children(self):
        path = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        return [int(pid) for pid in pathlib.Path(path).read_text(encoding="ascii").split()]

    def pid1(self):
        """The shim's pid as the machine sees it."""
        return self.children()[0]

    def wait_ok(self):
        answer = self.peer.line()
        assert answer == {"ok": True}, (answer, self.process.communicate(timeout=DEADLINE))

    def run(self):
        """To the end: (status, stdout, stderr, lines behind the first)."""
        self.wait_ok()
        out, errors = self.process.communicate(timeout=DEADLINE)
        lines = []
        while (line := self.peer.line()) is not None:
            lines.append(line)
        return self.process.returncode, out, errors, lines

    def refused(self):
        """The error that the shim answers; it must have executed nothing."""
        answer = self.peer.line()
        out, errors = self.process.communicate(timeout=DEADLINE)
        assert self.process.returncode == 1 and "EXECUTED" not in out, (out, errors)
        assert answer is not None and answer["ok"] is False, (answer, out, errors)
        assert answer["error"] in errors
        return answer["error"]


def read_terminal(master, until):
    """What the terminal shows, up to the pattern."""
    text, end = "", time.monotonic() + DEADLINE
    while not re.search(until, text):
        ready, _, _ = select.select([master], [], [], max(0, end - time.monotonic()))
        assert ready, text
        try:
            text += os.read(master, 65536).decode()
        except OSError:  # EIO: nobody holds the other end
            break
    assert re.search(until, text), text
    return text


def control(*arguments, setup=""):
    """A probe run by root in the same namespaces, where the shim has never been. bash stays PID 1."""
    reader, writer = os.pipe()
    try:
        done = subprocess.run(
            ["unshare", "-n", "-m", "-p", "-i", "-u", "-f", "--kill-child=KILL", "--mount-proc", "bash", "-c",
             SETUP + setup + 'mkdir -p /run/stopper; echo {} >/run/stopper/agent.json; "$@"; exit $?', "bash", *arguments],
            pass_fds=[reader], env={**os.environ, "SHIM_FD": str(reader)}, capture_output=True, text=True, check=True,
            timeout=DEADLINE)
    finally:
        os.close(reader)
        os.close(writer)
    return done.stdout


def status_of(text):
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def assert_dropped(status):
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert status[name] == "0" * 16, name
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    assert status["Uid"].split() == ["1000"] * 4
    assert status["Gid"].split() == ["1000"] * 4


class Entry:
    """A later entry by stopper-shim exec, in the namespaces of a bottle that runs."""

    def __init__(self, bottle, *command, overlay=None, launch="$0 exec -- "):
        self.peer = Peer() if overlay is not None else None
        fd = self.peer.theirs.fileno() if self.peer else -1
        script = f"exec 3<&{fd}; [ {fd} = 3 ] || exec {fd}<&-; " if self.peer else ""
        self.process = subprocess.Popen(
            ["nsenter", "-t", str(bottle.pid1()), "-n", "-m", "-p", "-i", "-u", "bash", "-c",
             script + f'exec {launch} "$@"', SHIM, *command],
            pass_fds=[fd] if self.peer else [], env={**os.environ, "INHERITED": "yes"}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.peer:
            self.peer.theirs.close()
            send_line(self.peer.sock, overlay)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()
        if self.peer:
            self.peer.close()

    def run(self):
        out, errors = self.process.communicate(timeout=DEADLINE)
        return self.process.returncode, out, errors
