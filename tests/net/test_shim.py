# SPDX-License-Identifier: GPL-3.0-or-later
"""stopper-shim in namespaces of its own: what it sets up, what it takes away for good, and what it refuses to start with."""
import json
import os
import signal
import socket
import subprocess
import time

import pytest

from shim_rig import (CONFIG, DEADLINE, PROBES, PROGRAMS, PYTHON, REFUSALS, SETUP, SHIM, UNTIL_SETTLED, Bottle, Peer, assert_dropped, control,
                      status_of)


# ---- what the agent cannot do ----

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
