# SPDX-License-Identifier: GPL-3.0-or-later
"""stopper-init where nobody speaks to it, and where its network is not there yet: as an engine or an orchestrator starts it."""
import json
import os
import socket
import threading

import pytest

import probes
from init_rig import EGRESS, POLICY, SIDECAR, STRANGER, WORLD, Init, Rig
from spaces import child_of, inside, wait_for
from test_secrets import hides_its_stack, memory

SECRET = "value-of-the-token"
WITH_SECRET = {**POLICY, "routes": [{"host": "api.example.com", "auth": {"scheme": "Bearer", "secret": "API_TOKEN"}}]}


@pytest.fixture
def rig():
    made = Rig()
    yield made
    made.close()


def put(rig, name, content, mode=0o600):
    path = os.path.join(rig.dir, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(content if isinstance(content, str) else json.dumps(content))
    os.chmod(path, mode)
    return path


# ---- a mounted policy

def test_a_mounted_policy_is_in_force_when_it_is_ready_and_comes_back_with_a_worker(rig):
    init = Init(rig, "--policy", put(rig, "policy.json", WITH_SECRET, 0o644), "--secrets", put(rig, "secrets.json", {"API_TOKEN": SECRET}))
    assert init.audit.wait(kind="control", verdict="allow", rule="mounted")["generation"] == 1
    assert init.ctl("wait-ready") == (0, {"ok": True})
    assert init.ctl("status")[1]["generation"] == 1
    sections = [line["policy"] for line in init.audit.lines if "policy" in line]
    assert [section["generation"] for section in sections] == [1, 1]
    assert sorted((section["routes"] for section in sections), key=str) == sorted(([{"host": "api.example.com"}], WITH_SECRET["routes"]), key=str)
    assert [line["secrets"] for line in init.audit.lines if "secrets" in line] == [["API_TOKEN"]]
    answer = rig.agent.call(probes.tcp, STRANGER, 443)
    assert answer["data"] == f"stopper-proxy {STRANGER} 443\n"
    entry, pid = init.worker("stopper-proxy")
    mark = init.audit.mark()
    os.kill(pid, 9)
    again = init.audit.wait(mark, kind="test", secrets=["API_TOKEN"])["policy"]
    assert (again["generation"], again["routes"], entry["restarts"]) == (1, WITH_SECRET["routes"], 0)


def test_a_mounted_policy_can_be_replaced(rig):
    init = Init(rig, "--policy", put(rig, "policy.json", POLICY))
    assert init.ctl("apply", stdin=json.dumps({"policy": {**POLICY, "routes": []}})) == (0, {"ok": True, "generation": 2})


def test_a_secret_is_nowhere_but_in_its_file_and_in_memory(rig):
    init = Init(rig, "--policy", put(rig, "policy.json", WITH_SECRET), "--secrets", put(rig, "secrets.json", {"API_TOKEN": SECRET}))
    for pid in [init.pid, *init.children()]:
        for name in "cmdline", "environ":
            with open(f"/proc/{pid}/{name}", "rb") as file:
                assert SECRET.encode() not in file.read()
    assert init.audit.lines and not any(SECRET.encode() in raw for raw in init.audit.raw)
    assert SECRET not in init.errors() and SECRET not in json.dumps(init.ctl("status")[1])
    dumped, left_out = memory("/proc", init.pid)
    assert hides_its_stack("/proc", init.pid)
    assert SECRET not in dumped and SECRET in left_out


@pytest.mark.parametrize("policy, secrets, words", [
    ({}, None, 'policy: "protocol" is missing'),
    ("{", None, "{policy}: is not JSON: line 1, column 1"),
    (WITH_SECRET, None, "policy: routes[0]: auth: the secret API_TOKEN is missing"),
    (None, None, "{policy}: cannot be opened: No such file or directory"),
    (WITH_SECRET, 0o644, "{secrets}: has to be root's and closed to everybody else (mode 0400 or 0600): it is of user 0 with mode 0644")])
def test_a_mounted_policy_that_is_wrong_is_said_and_nothing_starts(rig, policy, secrets, words):
    paths = {"policy": os.path.join(rig.dir, "policy.json"), "secrets": os.path.join(rig.dir, "secrets.json")}
    if policy is not None:
        put(rig, "policy.json", policy)
    if secrets is not None:
        put(rig, "secrets.json", {"API_TOKEN": SECRET}, secrets)
    init = Init(rig, "--policy", paths["policy"], *(["--secrets", paths["secrets"]] if secrets else []), ready=False)
    assert init.end() == 1
    assert init.errors() == f"stopper-init: policy: {words.replace('{policy}', paths['policy']).replace('{secrets}', paths['secrets'])}\n"
    assert init.audit.lines == []
    assert "table inet stopper" in rig.nft("list", "tables")  # the wall stands: nothing leaves without a sidecar
    assert rig.agent.call(probes.tcp, STRANGER, 443)["error"] == "ECONNREFUSED"


# ---- a network that comes late

def serve(space, word):
    """A server on port 80 of a namespace that greets with a word."""
    def open_socket():
        sock = socket.socket()
        sock.bind(("0.0.0.0", 80))
        sock.listen()
        return sock
    sock = inside(space.pid, open_socket)

    def greet():
        try:
            while True:
                with sock.accept()[0] as client:
                    client.sendall(word.encode())
        except OSError:
            return
    threading.Thread(target=greet, daemon=True).start()
    return sock


def waiting(init):
    """Whether it waits for the network: the only poll before its loop."""
    try:
        with open(f"/proc/{init.pid}/wchan", encoding="ascii") as file:
            return "poll" in file.read()
    except FileNotFoundError:
        return False


def late(rig, *options):
    init = Init(rig, *options, ready=False)
    init.pid = child_of(init.process.pid)
    wait_for(lambda: os.readlink(f"/proc/{init.pid}/exe").endswith("stopper-init") and waiting(init), "it to wait")
    assert init.audit.lines == []
    return init


def test_an_agents_network_that_is_attached_late_is_waited_for(rig):
    rig.sidecar.run("ip", "address", "flush", "dev", "agent0")
    init = late(rig, "--wait", "20")
    rig.sidecar.run("ip", "address", "add", f"{SIDECAR}/30", "dev", "agent0")
    init.audit.wait(kind="lifecycle", detail="ready")
    assert init.ctl("status")[1]["interfaces"] == {"egress": "egress0", "agent": "agent0"}
    assert rig.agent.call(probes.tcp, STRANGER, 443)["data"] == f"stopper-proxy {STRANGER} 443\n"


def test_nothing_comes_through_while_it_waits(rig):
    """Although the namespace forwards, as engines may leave it: the agent's side is there, the way out almost."""
    server = serve(rig.world, "world")
    rig.world.run("ip", "route", "add", "10.7.7.0/30", "via", EGRESS)
    rig.sidecar.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    rig.sidecar.run("ip", "route", "delete", "default")
    assert rig.agent.call(probes.tcp, WORLD, 80)["data"] == "world"
    init = late(rig, "--wait", "20")
    assert rig.agent.call(probes.tcp, WORLD, 80, timeout=0.7)["error"] == "timeout"
    assert rig.agent.call(probes.tcp, SIDECAR, 80, timeout=0.7)["error"] == "timeout"
    assert rig.sidecar.call(probes.tcp, WORLD, 80, timeout=0.7)["error"] == "timeout"
    rig.nft("delete", "table", "inet", "stopper")
    assert rig.agent.call(probes.tcp, WORLD, 80)["data"] == "world"
    rig.sidecar.run("ip", "route", "add", "default", "via", WORLD)
    init.audit.wait(kind="lifecycle", detail="ready")
    assert init.ctl("status")[1]["ready_ms"] > 2000  # the three time-outs are in it
    assert rig.agent.call(probes.tcp, WORLD, 80)["data"] == f"stopper-proxy {WORLD} 80\n"
    server.close()


def test_named_interfaces_and_a_default_route_that_appear_late_are_waited_for(rig):
    for name in "agent0", "egress0":
        rig.sidecar.run("ip", "link", "set", name, "down")
    init = late(rig, "--agent", "agent0", "--wait", "20")
    rig.sidecar.run("ip", "link", "set", "egress0", "up")
    rig.sidecar.run("ip", "route", "add", "default", "via", WORLD)
    wait_for(lambda: waiting(init), "it to wait on")
    rig.sidecar.run("ip", "link", "set", "agent0", "up")
    init.audit.wait(kind="lifecycle", detail="ready")


def test_what_never_comes_ends_the_wait_with_its_name(rig):
    rig.sidecar.run("ip", "link", "set", "agent0", "down")
    init = Init(rig, "--agent", "agent0", "--wait", "1", ready=False)
    assert init.end() == 1
    assert init.errors() == 'stopper-init: interfaces: --agent: interface "agent0" is down\n'
