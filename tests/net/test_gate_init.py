# SPDX-License-Identifier: GPL-3.0-or-later
"""What init does for the git-gate, with stand-ins for its workers: they are there while a policy has repositories, each with
what it may have; the agent dials the gate and nothing else; the gate dials nobody."""
import json
import os
import signal
import socket
import subprocess

import pytest

import probes
from init_rig import AGENT, EGRESS, POLICY, SIDECAR, STRANGER, WORLD, Init, Rig, serve
from init_rig import rig  # noqa: F401 (a fixture)
from spaces import WAIT, wait_for

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJp2Z0hNnAqRVlrvNWbAgQwZcGWdyDoLSbLyUnyIRHHi"
REPO = {"name": "app", "url": "ssh://git@git.example.com/app.git", "host_key": KEY}
GATED = {**POLICY, "gate": {"repos": [{**REPO, "push": {"deny": ["refs/heads/main"]}}]}}
GATE = {"stopper-gate", "stopper-push"}


@pytest.fixture(scope="module")
def gated():
    made = Rig()
    try:
        yield Init(made, policy=GATED)
    finally:
        made.close()


def workers(init):
    return {worker["name"]: worker for worker in init.ctl("status")[1]["workers"]}


def test_they_are_there_while_a_policy_has_repositories(rig):
    init = Init(rig, policy=POLICY)
    assert set(workers(init)) == {"meter", "stopper-dns", "stopper-proxy"}
    assert probes_error(rig, SIDECAR, 9418) == "ECONNREFUSED"  # nobody listens
    for generation in 2, 4:
        assert init.apply(GATED) == (0, {"ok": True, "generation": generation})
        assert {name: worker["state"] for name, worker in workers(init).items() if name in GATE} == dict.fromkeys(GATE, "serving")
        mark = init.audit.mark()
        assert init.apply(POLICY) == (0, {"ok": True, "generation": generation + 1})
        wait_for(lambda: not GATE & set(workers(init)), "their end")
        assert init.ctl("wait-ready")[0] == 0
        assert not [line for line in init.audit.lines[mark:] if line["kind"] == "lifecycle"]  # no alarm, no return


def probes_error(rig, address, port):
    return rig.agent.call(probes.tcp, address, port)["error"]


def test_each_gets_its_section_and_nothing_that_is_not_its_own(gated):
    def told():
        return [line for line in gated.audit.lines if line["kind"] == "test" and "policy" in line]
    wait_for(lambda: len(told()) >= len(workers(gated)) - 1, "a line of each but the meter")
    policies = told()
    gate = next(line for line in policies if "push" in json.dumps(line["policy"].get("gate", {})))
    assert gate["policy"]["gate"] == GATED["gate"] and gate["policy"]["routes"] == [] and gate["database"] == 1
    assert not {"authority", "secrets", "keys"} & set(gate)
    push = next(line for line in policies if line is not gate and line["policy"].get("gate") and line["policy"]["routes"] == [])
    assert push["policy"]["gate"] == {"repos": [REPO]} and push["keys"] == ["app"] and not {"database", "authority", "secrets"} & set(push)
    dns = next(line for line in policies if "dns" in line["policy"])
    assert dns["policy"]["gate"] == {"repos": [REPO]}
    proxy = next(line for line in policies if "authority" in line)
    assert "gate" not in proxy["policy"] and not [line for line in (dns, proxy) if "keys" in line]


def test_one_that_dies_returns_with_its_policy_and_its_listener(gated):
    for name in sorted(GATE):
        before, pid = gated.worker(name)
        mark = gated.audit.mark()
        os.kill(pid, signal.SIGKILL)
        gated.audit.wait(mark, kind="lifecycle", verdict="alarm")
        wait_for(lambda: workers(gated)[name]["restarts"] == before["restarts"] + 1 and workers(gated)[name]["state"] == "serving", "its return")
    assert gated.rig.agent.call(probes.tcp, SIDECAR, 9418)["data"] == f"stopper-gate {SIDECAR} 9418\n"
    assert leg(gated, 61005) == "stopper-push"


def test_what_a_worker_notes_when_it_is_ready_is_told(rig):
    rig.mode("stopper-gate", "note")
    init = Init(rig, policy=GATED)
    assert init.audit.wait(kind="lifecycle", verdict="allow", detail="worker stopper-gate: I have no?wall")


def leg(init, user):
    """What the user hears from the leg, as a session of the gate's reaches it."""
    script = ("import socket; s=socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.settimeout(5);"
              "s.connect('/run/stopper-gate/leg.sock'); print(s.recv(99).decode())")
    done = subprocess.run(["nsenter", "-t", str(init.pid), "-m", "-p", "setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups",
                           "/usr/bin/python3", "-c", script], capture_output=True, text=True, check=False, timeout=WAIT)
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


def test_the_leg_is_for_the_gate_alone(gated):
    assert leg(gated, 61005) == "stopper-push"
    for other in 61001, 61002, 61006, 65534:
        assert leg(gated, other) == "PermissionError: [Errno 13] Permission denied"
    modes = gated.rig.run("nsenter", "-t", str(gated.pid), "-m", "stat", "-c", "%a %u %g %n", "/run/stopper-gate", "/run/stopper-gate/leg.sock",
                          "/run/stopper-push")
    assert modes.splitlines() == ["750 0 61005 /run/stopper-gate", "660 0 61005 /run/stopper-gate/leg.sock", "770 0 61006 /run/stopper-push"]


# No more than an engine gives it.
RIGHTS = 'exec setpriv --bounding-set -all,+net_admin,+setuid,+setgid,+setpcap,+sys_chroot,+kill "$0" "$@"; '


def test_the_storage_becomes_the_gates_without_the_right_to_change_owners(rig):
    init = Init(rig, start=RIGHTS, policy=GATED)
    look = ["nsenter", "-t", str(init.pid), "-m", "stat", "-c", "%a %u %g", "/gate"]
    assert rig.run(*look) == "770 0 61005\n"
    with open(f"/proc/{init.pid}/status", encoding="ascii") as status:
        bounding = next(int(line.split()[1], 16) for line in status if line.startswith("CapBnd:"))
    assert not bounding & 0b1111  # CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER


def test_a_storage_that_is_not_roots_ends_the_boot(rig):
    init = Init(rig, ready=False, start="chown 61001 /gate && " + RIGHTS)
    assert init.end() == 1
    assert init.errors().strip() == "stopper-init: directories: /gate: is a link, or another user's"


@pytest.mark.parametrize("start", ["rmdir /gate &&", "mount -t tmpfs -o ro tmpfs /gate &&"])
def test_without_a_storage_no_policy_has_repositories(rig, start):
    init = Init(rig, start=start, policy=POLICY)
    assert init.apply(GATED) == (1, {"ok": False, "error": "policy: gate: this sidecar was started without a place for repositories"})
    assert set(workers(init)) == {"meter", "stopper-dns", "stopper-proxy"} and init.ctl("status")[1]["generation"] == 1


def test_the_agent_reaches_the_gate_at_its_own_address_alone(gated):
    agent = gated.rig.agent
    assert agent.call(probes.tcp, SIDECAR, 9418)["data"] == f"stopper-gate {SIDECAR} 9418\n"
    for address in STRANGER, EGRESS, WORLD:
        assert agent.call(probes.tcp, address, 9418)["data"] == f"stopper-proxy {address} 9418\n"
    assert agent.call(probes.udp, SIDECAR, 9418) == {"error": "EHOSTUNREACH"}
    assert agent.call(probes.tcp, SIDECAR, 9419)["data"] == f"stopper-proxy {SIDECAR} 9419\n"


def test_the_internets_side_does_not_reach_the_gate(rig):
    Init(rig, policy=GATED)
    rig.world.run("ip", "route", "add", f"{SIDECAR}/32", "via", EGRESS)
    assert rig.world.call(probes.tcp, SIDECAR, 9418, timeout=0.7)["error"] == "timeout"
    rig.nft("insert", "rule", "inet", "stopper", "input", "tcp", "dport", "9418", "accept")
    assert rig.world.call(probes.tcp, SIDECAR, 9418)["connected"]


# who, how, where, and what opens the wall: the text of the rule to delete, or a rule to insert
WALLS = [
    ("stopper-gate", "dial", WORLD, 22, None, "tcp dport 22 accept"),
    ("stopper-gate", "send", "127.0.0.1", 9054, "skuid 61005", None),
    ("stopper-push", "dial", AGENT, 80, None, "oifname agent0 accept"),
    ("stopper-push", "send", WORLD, 53, None, "udp dport 53 accept"),
    ("stopper-push", "dial", "169.254.169.254", 80, "ip daddr 169.254.0.0/16", None),
]


@pytest.mark.parametrize("who, how, address, port, delete, insert", WALLS)
def test_neither_can_send_what_is_not_its_task(rig, who, how, address, port, delete, insert):
    server = None
    if address == "169.254.169.254":
        rig.world.run("ip", "address", "add", f"{address}/32", "dev", "lo")
    if port != 9054:
        server = serve(rig.agent if address == AGENT else rig.world, socket.SOCK_STREAM if how == "dial" else socket.SOCK_DGRAM, address, port)
    rig.mode(who, how, address, str(port))
    init = Init(rig, policy=GATED)
    line = init.audit.wait(kind="test", verb=how, address=address, port=port)
    assert line["outcome"] in ("No route to host", "Operation not permitted"), line
    init.audit.wait(kind="packet", verdict="alarm", rule="wall")
    if delete:
        rig.delete_rule("output", delete)
    else:
        rig.nft("insert", "rule", "inet", "stopper", "output", *insert.split())
    if address == AGENT:
        for chain in "agent", "input":
            rig.nft("insert", "rule", "inet", "stopper", chain, "tcp", "sport", "80", "accept")
    mark = init.audit.mark()
    os.kill(init.worker(who)[1], signal.SIGKILL)
    line = init.audit.wait(mark, kind="test", verb=how, address=address, port=port)
    assert line["outcome"] == {"dial": "ok", "send": "world" if server else "stopper-dns hello"}[how], line
    if server:
        server.close()


@pytest.mark.parametrize("how, address, port", [("dial", WORLD, 22), ("dial", STRANGER, 2222), ("send", "127.0.0.1", 9054)])
def test_the_leg_can_send_what_is_its_task(rig, how, address, port):
    server = serve(rig.world, socket.SOCK_STREAM, address, port) if how == "dial" else None
    rig.mode("stopper-push", how, address, str(port))
    init = Init(rig, policy=GATED)
    line = init.audit.wait(kind="test", verb=how, address=address, port=port)
    assert line["outcome"] == {"dial": "ok", "send": "stopper-dns hello"}[how], line
    if server:
        server.close()
