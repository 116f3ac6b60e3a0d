# SPDX-License-Identifier: GPL-3.0-or-later
"""stopper-shim in namespaces of its own: what it sets up, what it takes away for good, and how it carries the command."""
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

import pytest

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


# ---- what the agent cannot do ----

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


@pytest.fixture(scope="module")
def in_bottle():
    with Bottle(PYTHON, "-c", PROBES.read_text(encoding="utf-8"), setup=PROGRAMS) as bottle:
        status, out, errors, _ = bottle.run()
    assert status == 0, errors
    return json.loads(out)


@pytest.fixture(scope="module")
def in_control():
    return json.loads(control(PYTHON, "-c", PROBES.read_text(encoding="utf-8"), setup=PROGRAMS))


@pytest.mark.parametrize("probe", REFUSALS)
def test_the_agent_is_refused_what_the_control_gains(probe, in_bottle, in_control):
    assert in_control[probe] == "gained"
    assert in_bottle[probe] == REFUSALS[probe]


def test_every_probe_is_judged(in_bottle):
    assert set(in_bottle) == set(REFUSALS)


def status_of(text):
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def assert_dropped(status):
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert status[name] == "0" * 16, name
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    assert status["Uid"].split() == ["1000"] * 4
    assert status["Gid"].split() == ["1000"] * 4


def test_status_shows_nothing_left():
    with Bottle("cat", "/proc/self/status", "/proc/1/status", groups=[1001, 1002]) as bottle:
        status, out, errors, lines = bottle.run()
    assert (status, errors, lines) == (0, "", [{"exit": 0}])
    own, first = out.split("Name:\tstopper-shim")
    assert_dropped(status_of(own))
    assert_dropped(status_of(first))
    assert status_of(own)["Groups"].split() == ["1001", "1002"]


def test_descriptors_environment_signals_and_directory_are_the_agents_own():
    script = "ls /proc/self/fd | tr '\\n' ' '; pwd; umask; grep -E 'SigBlk|SigIgn' /proc/self/status; env | sort"
    with Bottle("sh", "-c", script, cwd="/usr", env={"PATH": "/usr/bin:/bin", "A": "b=c\n"}) as bottle:
        status, out, _, _ = bottle.run()
    assert status == 0
    assert out == ("0 1 2 3 /usr\n0022\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"
                   "\nA=b=c\nPATH=/usr/bin:/bin\nPWD=/usr\n")  # 3: the listing itself; PWD: the shell's own


# ---- network ----

def test_routes_lead_to_the_sidecar_and_nowhere_else():
    script = ("ip -4 route show table all; echo --; ip -6 route show table all; echo --; ip -6 addr show dev agent0; "
              "cat /etc/resolv.conf; for a in 198.51.100.7 10.7.7.3 10.7.7.0; do ip route get $a | head -1; done")
    setup = ("ip route add default via 10.7.7.1 metric 100\nip route add 203.0.113.0/24 dev agent0\n"
             "ip route add 203.0.113.0/24 dev agent0 table 77\nip -6 route add default via fe80::1 dev agent0\n")
    with Bottle("sh", "-c", script, setup=setup) as bottle:
        status, out, errors, _ = bottle.run()
    assert (status, errors) == (0, "")
    four, six, rest = out.split("--\n")
    routes = [line.split(" proto")[0].strip() for line in four.splitlines() if "dev lo" not in line]
    assert sorted(routes) == ["10.7.7.1 dev agent0", "default via 10.7.7.1 dev agent0",
                              "local 10.7.7.2 dev agent0 table local"]
    assert "agent0" not in six
    assert six.startswith("unreachable default dev lo") or "unreachable default dev lo" in six
    assert "inet6" not in rest
    assert "nameserver 10.7.7.1\n198.51.100.7 via 10.7.7.1 dev agent0" in rest
    assert "10.7.7.3 via 10.7.7.1 dev agent0" in rest
    assert "10.7.7.0 via 10.7.7.1 dev agent0" in rest


def test_ipv6_is_off_where_proc_sys_cannot_be_written():
    with Bottle("sh", "-c", "ip -6 addr show dev agent0; ip -6 route show table all dev agent0; "
                "cat /proc/sys/net/ipv6/conf/agent0/disable_ipv6",
                setup="mount --bind -o ro /proc/sys /proc/sys\nmount -o remount,ro,bind /proc/sys\n") as bottle:
        status, out, errors, _ = bottle.run()
    assert (status, out, errors) == (0, "0\n", "")


def test_another_interface_is_refused():
    with Bottle("echo", "EXECUTED", setup="ip link add second type veth peer name third\nip link set second up\n"
                ) as bottle:
        assert bottle.refused() == "network: this namespace has another interface, second"


def test_a_read_only_resolver_file_with_the_right_content_is_fine():
    setup = ("echo 'nameserver 10.7.7.1' >/run/etc/resolv.conf\nmount -o remount,ro,bind /etc/resolv.conf\n")
    with Bottle("cat", "/etc/resolv.conf", setup=setup) as bottle:
        assert bottle.run()[:2] == (0, "nameserver 10.7.7.1\n")


def test_a_read_only_resolver_file_with_another_address_is_an_error():
    with Bottle("echo", "EXECUTED", setup="mount -o remount,ro,bind /etc/resolv.conf\n") as bottle:
        assert bottle.refused() == "/etc/resolv.conf: Read-only file system"


# ---- refusals: nothing is executed ----

def test_without_being_pid_1_nothing_is_changed():
    peer = Peer()
    fd = peer.theirs.fileno()
    script = SETUP + UNTIL_SETTLED + 'ip route show table all >/run/before; set +e; "$@"; echo "status $?"; ' \
        "ip route show table all | diff /run/before - && cat /etc/resolv.conf"
    done = subprocess.run(["unshare", "-n", "-m", "-p", "-f", "--mount-proc", "bash", "-c", script, "bash", SHIM, "echo",
                           "EXECUTED"], pass_fds=[fd], env={**os.environ, "SHIM_FD": str(fd)}, capture_output=True,
                          text=True, timeout=DEADLINE, check=True)
    peer.close()
    assert done.stdout == "status 1\nnameserver 192.0.2.1\n"
    assert "is not PID 1 of a namespace" in done.stderr


WITHOUT = 'exec setpriv --bounding-set="-{0}" --inh-caps="-{0}" "$@"'


@pytest.mark.parametrize("capability, error", [
    ("setpcap", "drop: bounding set: capability 0: Operation not permitted"),
    ("setuid", "drop: setresuid 1000: Operation not permitted"),
    ("setgid", "drop: setgroups: Operation not permitted"),
    ("net_admin", "network: "),
])
def test_a_missing_capability_ends_the_start(capability, error):
    with Bottle("echo", "EXECUTED", launch=WITHOUT.format(capability)) as bottle:
        assert bottle.refused().startswith(error)


def test_the_same_launch_with_all_capabilities_works():
    with Bottle("echo", "EXECUTED", launch='exec setpriv --bounding-set="-mknod" "$@"') as bottle:
        assert bottle.run()[:2] == (0, "EXECUTED\n")


BAD = {
    "not json": (b"nothing\n", "configuration: "),
    "not an object": (b"[]\n", "configuration: an object is wanted"),
    "unknown member": ({"root": True}, 'configuration: unknown member "root"'),
    "other protocol": ({"protocol": 2}, "configuration: protocol: this shim speaks protocol 1"),
    "root": ({"uid": 0}, "configuration: uid: a number from 1 to 4294967294 is wanted"),
    "no user": ({"uid": 4294967295}, "configuration: uid: a number from 1 to 4294967294 is wanted"),
    "root's group": ({"groups": [5, 0]}, "configuration: groups: a number from 1 to 4294967294 is wanted"),
    "text for a number": ({"gid": "1000"}, "configuration: gid: a number from 1 to 4294967294 is wanted"),
    "address of IPv6": ({"gateway": "fe80::1"}, "configuration: gateway: an IPv4 address is wanted"),
    "no interface": ({"interface": "nothing0"}, 'network: there is no interface "nothing0"'),
    "loopback": ({"interface": "lo"}, "network: lo is the loopback"),
    "own gateway": ({"gateway": "10.7.7.2"}, "network: the gateway's address is the agent's own"),
    "relative directory": ({"cwd": "tmp"}, "configuration: cwd: an absolute path is wanted"),
    "missing directory": ({"cwd": "/nothing"}, "cwd: /nothing: No such file or directory"),
    "variable with =": ({"env": {"A=B": "c"}}, 'configuration: env: "A=B" is no name of a variable'),
    "variable without text": ({"env": {"A": 1}}, "configuration: env: A: a string is wanted"),
    "duplicate": (b'{"protocol":1,"protocol":1}\n', "configuration: "),
    "too long": (b" " * (1 << 20) + b"\n", "configuration: Message too long"),
    "missing": (b'{"protocol":1}\n', 'configuration: member "interface" is missing'),
}


@pytest.mark.parametrize("name", BAD)
def test_a_wrong_configuration_executes_nothing(name):
    changes, error = BAD[name]
    arguments = {"raw": changes} if isinstance(changes, bytes) else changes
    with Bottle("echo", "EXECUTED", **arguments) as bottle:
        assert bottle.refused().startswith(error)


def test_a_peer_that_closes_before_the_configuration_ends_the_start():
    with Bottle("echo", "EXECUTED", raw=b'{"protocol"') as bottle:
        bottle.peer.sock.shutdown(socket.SHUT_WR)
        assert bottle.refused() == "the configuration did not arrive"


def test_a_terminating_signal_ends_the_wait_for_the_configuration():
    with Bottle("echo", "EXECUTED", raw=b"", setup="echo READY\n") as bottle:
        assert bottle.process.stdout.readline() == "READY\n"
        end = time.monotonic() + DEADLINE
        while bottle.process.poll() is None and time.monotonic() < end:  # the shell in front of it is deaf
            os.kill(bottle.pid1(), signal.SIGTERM)
            time.sleep(0.05)
        assert bottle.process.returncode == 128 + signal.SIGTERM


def test_the_configuration_may_come_through_a_pipe():
    reader, writer = os.pipe()
    os.write(writer, json.dumps({**CONFIG, "die_with_parent": False}).encode() + b"\n")
    os.close(writer)
    done = subprocess.run(["unshare", "-n", "-m", "-p", "-f", "--mount-proc", "bash", "-c", SETUP + 'exec "$@"', "bash", SHIM,
                           "sh", "-c", "id -u; sleep 0.2; exit 3"], pass_fds=[reader],
                          env={**os.environ, "SHIM_FD": str(reader)}, capture_output=True, text=True, check=False,
                          timeout=DEADLINE)
    os.close(reader)
    assert (done.returncode, done.stdout, done.stderr) == (3, "1000\n", "")


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


# ---- exec ----

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
