# SPDX-License-Identifier: GPL-3.0-or-later
"""The walls on the agent's own side: the route, and what the shim takes away for good. Each attempt's exact refusal, and the
same attempt where it succeeds: past the shim, from outside, or with that wall open. The kernel refuses these by itself, so
the audit knows nothing of them."""
import json
import socket

import pytest

from capture import Capture
from lab import AGENT_ADDRESS, SIDECAR_ADDRESS, program
from spaces import WAIT, Space, tied, wait_for, wire
import probes

ATTEMPTS = {
    "a packet socket": ("open_socket", {"family": "AF_PACKET", "kind": "SOCK_RAW"}, "EPERM"),
    "a raw socket": ("open_socket", {"family": "AF_INET", "kind": "SOCK_RAW", "protocol": 1}, "EPERM"),
    "a ping socket": ("open_socket", {"family": "AF_INET", "kind": "SOCK_DGRAM", "protocol": 1}, "EACCES"),
    "uid 0": ("system_call", {"name": "setuid", "arguments": [0]}, "EPERM"),
    "a mount": ("system_call", {"name": "mount", "arguments": ["none", "/tmp", "tmpfs", 0, None]}, "EPERM"),
    "another root": ("system_call", {"name": "chroot", "arguments": ["/tmp"]}, "EPERM"),
    "a trace of PID 1": ("system_call", {"name": "ptrace", "arguments": [16, 1, None, None]}, "EPERM"),
}


@pytest.mark.parametrize("what", ATTEMPTS)
def test_the_agent_cannot_have(bottle, what):
    name, arguments, error = ATTEMPTS[what]
    assert bottle.agent.call(name, **arguments) == error


@pytest.mark.parametrize("what", [what for what in ATTEMPTS if what not in ("uid 0", "a trace of PID 1", "a ping socket")])
def test_without_the_shim_the_same_attempt_succeeds(bottle, what):
    """The same probe, by root past the shim: it is the shim's drop that refuses it."""
    name, arguments, _ = ATTEMPTS[what]
    answer = bottle.lab.run(*bottle.inner.enter("unshare", "-m", "/usr/bin/python3", "-B", f"{bottle.dir}/lab/probes.py", name,
                                                json.dumps(arguments)))
    assert json.loads(answer) == "ok"


COMMANDS = {
    "ip route replace default via 203.0.113.1": "not permitted",
    "ip route del default": "not permitted",
    "ip address add 10.7.7.3/30 dev agent0": "not permitted",
    "ip link set agent0 down": "not permitted",
    "nft list ruleset": "not permitted",
    "nft flush ruleset": "not permitted",
    "nft add table inet mine": "not permitted",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_the_agent_cannot_change_its_network(bottle, command):
    before = bottle.lab.run("nsenter", "-t", str(bottle.inner.pid), "-n", "ip", "route")
    answer = bottle.agent.run(argv=command.split())
    assert answer["status"] != 0 and COMMANDS[command] in answer["err"], answer
    assert bottle.lab.run("nsenter", "-t", str(bottle.inner.pid), "-n", "ip", "route") == before


def test_a_user_namespace_of_ones_own_is_refused(bottle):
    """In one the agent would be root over an empty network, and near to much of the kernel."""
    argv = ["unshare", "-Urn", "ip", "-o", "link"]
    assert bottle.agent.run(argv=argv) == {"status": 1, "out": "", "err": "unshare: unshare failed: Operation not permitted\n"}
    outside = bottle.lab.run("setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", *argv)
    assert "lo:" in outside  # the control: the same user, past the shim


def test_a_setuid_program_runs_as_the_agent(bottle):
    """no_new_privs: the bit has no effect. The copy's owner is root and its mode is right."""
    program = f"{bottle.dir}/work/setuid-id"
    bottle.lab.run("cp", "/usr/bin/id", program)
    bottle.lab.run("chmod", "4755", program)
    assert bottle.agent.run(argv=["/work/setuid-id", "-u"])["out"] == "1000\n"
    outside = bottle.lab.run("setpriv", "--reuid=1000", "--clear-groups", program, "-u")
    assert outside == "0\n"  # the control: with the bit in force


def test_the_agents_only_routes_lead_to_the_sidecar(bottle):
    routes = json.loads(bottle.lab.run("nsenter", "-t", str(bottle.inner.pid), "-n", "ip", "-j", "route"))
    assert sorted((entry["dst"], entry.get("gateway")) for entry in routes) == [(SIDECAR_ADDRESS, None), ("default", SIDECAR_ADDRESS)]


NEIGHBOUR = "10.7.7.3"
SHIM = """set -e; mount -t tmpfs tmpfs /run; : >/run/resolv.conf; mount --bind /run/resolv.conf /etc/resolv.conf
exec 3<&0 </dev/null; exec "$0" sleep 1000"""


@pytest.fixture
def lan(lab):
    """An agent's network as containers have it: a bridge, with others on it. Makes the shim take the agent's place."""
    bridge, agent, neighbour = (Space(lab, name) for name in ("bridge", "agent", "neighbour"))
    bridge.run("ip", "link", "add", "br0", "type", "bridge")
    bridge.run("ip", "address", "add", f"{SIDECAR_ADDRESS}/24", "dev", "br0")
    bridge.run("ip", "link", "set", "br0", "up")
    for space, address, port in (agent, AGENT_ADDRESS, "port0"), (neighbour, NEIGHBOUR, "port1"):
        wire(space.pid, "eth0", f"{address}/24", bridge.pid, port, "0.0.0.0/32")
        bridge.run("ip", "link", "set", port, "master", "br0")
    listener = neighbour.call(socket.create_server, ("0.0.0.0", 7000))
    ours, theirs = socket.socketpair()
    shim = []

    def seal():
        shim.append(tied(["nsenter", "-t", str(agent.pid), "-n", "unshare", "-m", "-p", "-f", "--kill-child", "--mount-proc", "sh", "-c",
                          SHIM, program("stopper-shim")], stdin=theirs, env=lab.environment))
        ours.sendall(json.dumps({"protocol": 1, "interface": "eth0", "gateway": SIDECAR_ADDRESS, "resolver": SIDECAR_ADDRESS, "uid": 1000,
                                 "gid": 1000, "env": {"PATH": "/usr/bin"}, "cwd": "/", "die_with_parent": True}).encode() + b"\n")
        assert json.loads(ours.makefile().readline()) == {"ok": True}
    yield agent, neighbour, seal
    for sock in ours, theirs, listener:
        sock.close()
    for process in shim:
        process.wait(WAIT)
    for space in bridge, agent, neighbour:
        space.close()


def test_a_neighbour_on_the_agents_link_is_out_of_reach(lan):
    """The shim's route leads to the sidecar alone, which forwards nothing; nothing is even sent to the neighbour."""
    agent, neighbour, seal = lan

    def reach():
        return agent.call(probes.tcp, NEIGHBOUR, 7000, timeout=0.5)["connected"]

    def check():
        with Capture(neighbour.pid, "eth0") as capture:
            assert not reach()
        assert [frame for frame in capture.frames if frame.source == AGENT_ADDRESS and frame.target == NEIGHBOUR] == []
    wait_for(reach, "the neighbour")  # a bridge's port forwards some moments after its cable is there
    seal()
    check()
    assert agent.call(probes.tcp, SIDECAR_ADDRESS, 7000)["error"] == "ECONNREFUSED"  # the control: the sidecar itself answers
    agent.run("ip", "route", "add", "10.7.7.0/24", "dev", "eth0")
    with pytest.raises(AssertionError):
        check()
