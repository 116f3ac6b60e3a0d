# SPDX-License-Identifier: GPL-3.0-or-later
"""Bottles with repositories, whichever runtime makes them: both processes of the gate serve, as their users, with a place that the
gate may write; the agent reaches it; and nothing of it stays."""
import json
import os
import signal
import subprocess

import pytest

from spaces import WAIT, wait_for
from test_runtimes import Up, state_of

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJp2Z0hNnAqRVlrvNWbAgQwZcGWdyDoLSbLyUnyIRHHi"
# What git asks, for a repository that is declared, whose upstream has no address, and for one that is not.
ASK = """
import socket, sys
with open("/etc/resolv.conf", encoding="ascii") as file:
    gateway = next(line.split()[1] for line in file if line.startswith("nameserver"))
for name in "app", "other":
    with socket.create_connection((gateway, 9418), 20) as sock:
        line = f"git-upload-pack /{name}:\\0host=x\\0".encode()
        sock.sendall(b"%04x" % (len(line) + 4) + line)
        data = b""
        while piece := sock.recv(4096):
            data += piece
    print(data[4:].split(b"\\n")[0].decode(), flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="session")
def manifest(host):
    key = os.path.join(host.dir, "deploy")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", key], check=True)
    os.chown(key, *([host.USER] * 2 if hasattr(host, "USER") else [0, 0]))
    with open(host.manifest, encoding="ascii") as file:
        text = file.read()
    return host.write("gated.yaml", f"{text}git-gate:\n  prefetch: false\n  repos:\n    app:\n      url: ssh://git@nowhere.test/app.git\n"
                                    f"      key: {{provider: static, path: {key}}}\n      host_key: {KEY}\n")


def gated(host, manifest, **named):
    """`up` reads a manifest's path from the host."""
    before, host.manifest = host.manifest, manifest
    try:
        return Up(host, "/usr/bin/python3", "-c", ASK, stdin=subprocess.PIPE, **named)
    finally:
        host.manifest = before


def workers(host, name):
    return {worker["name"]: worker["state"] for worker in json.loads(host.hostctl("status", name, "--json").stdout)["workers"]}


def standing(host, program):
    pid, = host.processes()[program]
    with open(f"/proc/{host.space.pid}/root/proc/{pid}/status", encoding="ascii") as status:
        fields = dict(line.split(":", 1) for line in status)
    return {name: int(fields[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp")}


def left(host):
    traces = host.traces()
    return [thing for thing in traces.get("things", []) if thing.endswith("-gate")] + [file for file in traces["files"] if "/gate/" in file]


def test_the_gate_serves_and_nothing_of_it_stays(host, manifest):
    bottle = gated(host, manifest)
    said = bottle.said("other").splitlines()
    assert said[0].startswith("ERR ") and "nowhere.test" in said[0], said
    assert said[1].startswith("ERR ") and "other" in said[1], said
    states = workers(host, "u")
    assert (states.get("stopper-gate"), states.get("stopper-push")) == ("serving", "serving"), states
    for name in "stopper-gate", "stopper-push":
        assert standing(host, name) == {"CapPrm": 0, "CapEff": 0, "CapBnd": 0, "NoNewPrivs": 1, "Seccomp": 2}, name
    bottle.process.stdin.close()
    assert bottle.process.wait(WAIT * 2) == 0, bottle.process.stderr.read()
    assert state_of(host, "u") is None
    assert left(host) == []


def test_after_a_killed_hostctl_nothing_of_the_gate_stays(some, manifest):
    host, bottle = some, gated(some, manifest)
    bottle.said("other")
    bottle.signal(signal.SIGKILL)
    bottle.process.wait(WAIT)
    assert host.hostctl("down", "u").returncode == 0
    assert left(host) == []


def test_without_repositories_there_is_no_gate(bottle):
    wait_for(lambda: workers(bottle.host, bottle.name), "its workers")
    assert not {"stopper-gate", "stopper-push"} & set(workers(bottle.host, bottle.name))


def test_the_place_has_the_bottles_labels_and_gc_finds_it(engine):
    engine.engine("volume", "create", "--label", "stopper.state=/nonexistent", "stopper-x-000000-gate")
    assert engine.hostctl("gc", "--all").stdout.startswith(f"{engine.runtime}: 1 without a bottle\n")
    assert "stopper-x-000000-gate" not in engine.things()
