# SPDX-License-Identifier: GPL-3.0-or-later
"""A bottle as users make it, with `hostctl up`: its files are sealed as well as its packets, and whatever ends it leaves
nothing on the host and lets nothing out."""
import json
import os
import signal
import socket

import pytest

from lab import HERE, allowed_targets
from spaces import wait_for
from walls import let_in
from world import NAMES, STRANGER
import probes

TARGETS = allowed_targets("allowed.test", "plain.test")


@pytest.fixture(scope="module")
def daemon(host_bottle):
    """A daemon of the host's, on a path, on an abstract name and on a port, all open to everybody."""
    host = host_bottle.host
    path, name = os.path.join(host.dir, "daemon.sock"), "@stopper-lab-daemon"

    def listen():
        listeners = [socket.socket(socket.AF_UNIX) for _ in range(2)]
        listeners[0].bind(path)
        listeners[1].bind("\0" + name[1:])
        listeners.append(socket.create_server(("0.0.0.0", 7001)))
        for listener in listeners:
            listener.listen()
        return listeners
    listeners = host.space.call(listen)
    os.chmod(path, 0o777)
    yield {"path": path, "name": name}
    for listener in listeners:
        listener.close()


def test_an_allowed_host_is_reached_and_others_are_refused(host_bottle):
    bottle = host_bottle
    with bottle.host.capture() as capture:
        assert bottle.agent.https(host="allowed.test")["body"] == "I am allowed.test at 203.0.113.10\n"
        assert bottle.agent.http(host="plain.test")["body"] == "I am plain.test at 203.0.113.13\n"
        assert bottle.agent.http(host="denied.test")["status"] == 403
        assert bottle.agent.https(host="denied.test")["status"] == 403
        assert bottle.agent.udp(address=STRANGER, port=443)["error"] == "EHOSTUNREACH"
        assert bottle.agent.tcp(address=STRANGER, port=9999, send="x\r\n\r\n")["error"] == "ECONNRESET"
    assert capture.leaks(bottle.host.address, TARGETS) == []
    assert {frame.target for frame in capture.frames} >= {NAMES["allowed.test"], NAMES["plain.test"]}
    bottle.audit.wait(kind="http", verdict="block", reason="host-not-allowed", host="denied.test")
    bottle.audit.wait(kind="packet", verdict="block", protocol="udp", port=443)


def test_the_hosts_sockets_are_out_of_reach(host_bottle, daemon):
    """By path, by abstract name, and by every address of the host's; the control reaches each from the host itself."""
    host, agent = host_bottle.host, host_bottle.agent
    assert host.space.call(probes.unix, daemon["path"]) == host.space.call(probes.unix, daemon["name"]) == {"connected": True}
    assert host.space.call(probes.tcp, host.address, 7001, timeout=0.2)["connected"]
    assert agent.unix(path=daemon["path"]) == {"error": "ENOENT"}
    assert agent.unix(path=daemon["name"]) == {"error": "ECONNREFUSED"}
    for address in host.address, "127.0.0.1", "10.0.2.2":
        answer = agent.tcp(address=address, port=7001, send="hello\r\n\r\n")
        assert answer["error"] == ("ECONNREFUSED" if address == "127.0.0.1" else "ECONNRESET"), (address, answer)


def agents_process(bottle):
    """/proc of the agent's PID 1, as seen from this machine."""
    return f"/proc/{bottle.host.space.pid}/root/proc/{bottle.host.processes()['stopper-shim'][0]}"


def open_seal(bottle, path):
    let_in(f"/proc/{bottle.host.space.pid}", agents_process(bottle), path)


HIDDEN = {  # by path: what the agent gets; {} is for paths of this run
    "{host.home}/.ssh/id_ed25519": {"error": "ENOENT"}, "{host.manifest}": {"error": "ENOENT"}, "{host.state}": {"error": "ENOENT"},
    "{host.lab.dir}/world/ca.key": {"error": "ENOENT"}, "/root": {"error": "EACCES"}, "/etc/shadow": {"error": "ENOENT"},
    "/etc/machine-id": {"error": "ENOENT"}, "/boot": {"error": "ENOENT"}, "/sys": {"names": []},
    "/proc/1/root/root": {"error": "EACCES"}, "/proc/1/environ": {"error": "EACCES"}, "/proc/kcore": {"error": "ENOENT"},
    "/proc/sysrq-trigger": {"error": "ENOENT"}, "/run/stopper/agent.json": {"error": "EACCES"}, "/dev/mem": {"error": "ENOENT"},
}


def hosts_files_are_out_of_sight(bottle):
    for path, answer in HIDDEN.items():
        assert bottle.agent.read(path=path.format(host=bottle.host)) == answer, path


def test_the_hosts_files_are_out_of_sight(host_bottle, host):
    hosts_files_are_out_of_sight(host_bottle)
    assert host_bottle.agent.read(path="/work")["names"] == sorted(os.listdir(host_bottle.work))  # the control: the mount is there
    bottle = host.up()
    try:
        hosts_files_are_out_of_sight(bottle)
        open_seal(bottle, host.dir)
        assert bottle.agent.read(path=f"{host.home}/.ssh/id_ed25519") == {"data": "a private key of the user\n"}
        with pytest.raises(AssertionError):
            hosts_files_are_out_of_sight(bottle)
    finally:
        bottle.close()


def own_processes_only(bottle):
    pids = [int(name) for name in bottle.agent.read(path="/proc")["names"] if name.isdigit()]
    assert 1 in pids and len(pids) <= 3


def test_the_agent_sees_its_own_processes_only(host_bottle, host):
    own_processes_only(host_bottle)
    assert len([1 for pids in host_bottle.host.processes().values() for _ in pids]) > 5  # the control: the host has more
    bottle = host.up()
    try:
        own_processes_only(bottle)
        open_seal(bottle, "/proc")
        with pytest.raises(AssertionError):
            own_processes_only(bottle)
    finally:
        bottle.close()


SHARED_MEMORY, CREATE = 0x5709, 0o1666  # a key of System V IPC; the flags that make it, for everybody


def test_the_hosts_shared_memory_is_out_of_reach(host_bottle):
    """The control is the agent's user in all of the agent's namespaces but that of ipc."""
    host, wanted = host_bottle.host, {"name": "shmget", "arguments": [SHARED_MEMORY, 4096, 0]}
    made = {"name": "shmget", "arguments": [SHARED_MEMORY, 4096, CREATE]}
    shim = str(host.processes()["stopper-shim"][0])

    def from_host(arguments, *prefix):
        return json.loads(host.space.run(*prefix, "/usr/bin/python3", "-B", f"{HERE if not prefix else '/lab'}/probes.py", "system_call",
                                         json.dumps(arguments)))
    assert from_host(made) == "ok"
    assert host_bottle.agent.system_call(**wanted) == "ENOENT"
    assert from_host(wanted, "nsenter", "-t", shim, "-m", "-n", "-p", "-u", "setpriv", "--reuid=1000", "--clear-groups") == "ok"


def test_a_read_only_mount_and_the_system_cannot_be_written(host_bottle):
    agent = host_bottle.agent
    for path, why in {"/lab/probes.py": "Permission denied", "/lab/new": "Read-only file system", "/usr/new": "Read-only file system",
                      "/etc/resolv.conf": "Permission denied", "/new": "Read-only file system"}.items():
        answer = agent.run(argv=["sh", "-c", f"echo x >>{path}"])
        assert answer == {"status": 2, "out": "", "err": f"sh: 1: cannot create {path}: {why}\n"}
    assert agent.run(argv=["sh", "-c", "echo x >/work/written && rm /work/written && echo x >$HOME/y && echo x >/tmp/z"])["status"] == 0


def test_the_agents_environment_holds_nothing_of_the_hosts(host_bottle):
    answer = host_bottle.agent.run(argv=["env"])
    assert "STOPPER_LAB" not in answer["out"] and host_bottle.host.home not in answer["out"], answer


def test_exec_enters_the_bottle_with_no_more_power_than_the_agent(host_bottle):
    done = host_bottle.host.hostctl("exec", host_bottle.name, "--", "cat", "/proc/self/status")
    status = {key: value.strip() for key, _, value in (line.partition(":") for line in done.stdout.splitlines())}
    assert done.returncode == 0, done
    assert {status[key] for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (status["NoNewPrivs"], status["Uid"].split()[0]) == ("1", host_bottle.agent.status()["Uid"].split()[0])


def test_two_bottles_know_nothing_of_each_other(host):
    one, other = host.up(), host.up()
    try:
        with host.capture() as capture:
            for bottle in one, other:
                assert bottle.agent.https(host="allowed.test")["status"] == 200
            sidecars = [bottle.agent.resolve(name="denied.test")[0] for bottle in (one, other)]
            assert one.agent.http(host=sidecars[1])["status"] == 403
        assert capture.leaks(host.address, TARGETS) == []
        assert one.down().returncode == 0
        assert other.agent.https(host="allowed.test")["status"] == 200
    finally:
        one.close()
        other.close()


def test_an_interrupted_bottle_leaves_nothing(host):
    bottle = host.up()
    try:
        os.kill(bottle.hostctl_pid(), signal.SIGTERM)
        bottle.process.wait(20)
    finally:
        bottle.close()
    host.clean()


def test_a_killed_hostctl_lets_nothing_out_and_gc_cleans_up(host):
    bottle = host.up()
    try:
        with host.capture() as capture:
            assert bottle.agent.https(host="allowed.test")["status"] == 200
            os.kill(bottle.hostctl_pid(), signal.SIGKILL)
            bottle.process.wait(20)
            wait_for(lambda: "stopper-init" not in host.processes(), "the end of the sidecar")
            wait_for(lambda: "stopper-shim" not in host.processes(), "the end of the agent")
        assert capture.leaks(host.address, TARGETS) == []
        assert host.hostctl("gc").returncode == 0
    finally:
        bottle.close()
    host.clean()


def test_a_dead_sidecar_ends_the_bottle_and_says_so(host):
    bottle = host.up()
    try:
        with host.capture() as capture:
            assert bottle.agent.https(host="allowed.test")["status"] == 200
            for pid in host.processes()["stopper-init"][:1]:
                host.kill(pid)
            bottle.process.wait(20)
        assert bottle.process.returncode not in (0, -9)
        assert capture.leaks(host.address, TARGETS) == []
        with open(bottle.errors, encoding="utf-8") as errors:
            assert "sidecar" in errors.read()
    finally:
        bottle.close()
    host.clean()


@pytest.mark.parametrize("uplink", ["pasta", "nat"])
def test_both_uplinks_serve_and_leave_nothing(host, uplink):
    if uplink == "nat":  # hostctl never makes a host a router
        host.space.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        host.before = host.traces()
    bottle = host.up(options=(f"--uplink={uplink}",))
    try:
        with host.capture() as capture:
            assert bottle.agent.https(host="allowed.test")["status"] == 200
            assert bottle.agent.udp(address=STRANGER, port=443)["error"] == "EHOSTUNREACH"
        assert capture.leaks(host.address, TARGETS) == []
        assert bottle.down().returncode == 0
    finally:
        bottle.close()
    host.clean()
