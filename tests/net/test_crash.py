# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is killed while traffic flows, nothing leaves around the policy; workers come back, and after the death of
the meter or of init there is no way out at all."""
import json
import os
import re
import signal
import threading

import pytest

from lab import allowed_targets
from spaces import alive, wait_for
from world import RESOLVER, STRANGER

# ICMP to the resolver: the kernel's "port unreachable" for an answer to a worker that died meanwhile
TARGETS = allowed_targets("allowed.test", "plain.test") | {("icmp", RESOLVER, 0)}


class Traffic:
    """The agent tries everything, allowed and not, for some seconds in the background."""

    def __init__(self, bottle, seconds):
        self.outcomes = None
        self.thread = threading.Thread(target=self._run, args=(bottle, seconds))
        self.thread.start()

    def _run(self, bottle, seconds):
        self.outcomes = bottle.agent.keep_trying(seconds=seconds, allowed="allowed.test", plain="plain.test",
                                                 denied="denied.test", stranger=STRANGER)

    def end(self):
        self.thread.join()
        return self.outcomes


def served(bottle):
    """Whether the bottle serves an allowed host, with a fresh look at DNS and at the proxy."""
    return (bottle.agent.dns(server="10.7.7.1", name="allowed.test", timeout=1)["addresses"] == ["203.0.113.10"]
            and bottle.agent.https(host="allowed.test", timeout=2).get("status") == 200)


def test_the_traffic_of_these_tests_is_seen_on_the_link_and_reaches_the_world(new_bottle):
    """The control: the same traffic with no one killed is served where allowed, refused where not."""
    bottle = new_bottle()
    with bottle.capture() as capture:
        outcomes = Traffic(bottle, 1.5).end()
    assert outcomes.keys() >= {"allowed 200", "plain 200", "denied 403"}, outcomes
    assert not any(outcome in outcomes for outcome in ("denied 200", "udp None", "tcp None")), outcomes
    assert {(frame.kind, frame.target, frame.port) for frame in capture.frames} >= {
        ("udp", RESOLVER, 53), ("tcp", "203.0.113.10", 443), ("tcp", "203.0.113.13", 80)}
    assert capture.leaks(bottle.address, TARGETS) == []


@pytest.mark.parametrize("worker", ["stopper-proxy", "stopper-dns"])
def test_a_killed_worker_leaks_nothing_and_comes_back(new_bottle, worker):
    bottle = new_bottle()
    assert served(bottle)
    with bottle.capture() as capture:
        traffic = Traffic(bottle, 4)
        wait_for(lambda: capture.frames, "traffic")
        for _ in range(2):
            for pid in bottle.processes()[worker]:
                os.kill(pid, signal.SIGKILL)
                wait_for(lambda: not alive(pid), "its death")
            wait_for(lambda: bottle.processes().get(worker), f"{worker} to be started again")
            wait_for(lambda: served(bottle), f"{worker} to serve again")
        outcomes = traffic.end()
        assert served(bottle)
    assert "denied 200" not in outcomes and "allowed 200" in outcomes, outcomes
    assert capture.leaks(bottle.address, TARGETS) == []
    bottle.audit.wait(kind="lifecycle", detail=re.compile(f"worker {worker} ended by signal 9"))


@pytest.mark.parametrize("victim", ["meter", "stopper-init"])
def test_the_death_of_the_meter_or_of_init_ends_the_sidecar_and_all_network(new_bottle, victim):
    bottle = new_bottle()
    bottle.let_go()
    assert served(bottle)
    everyone = [pid for pids in bottle.processes().values() for pid in pids]
    with bottle.capture() as capture:
        traffic = Traffic(bottle, 3)
        wait_for(lambda: capture.frames, "traffic")
        os.kill(bottle.processes()[victim][0], signal.SIGKILL)
        wait_for(lambda: not any(alive(pid) for pid in everyone), "the end of the sidecar")
        outcomes = traffic.end()
        wait_for(lambda: capture.gone, "the egress link to vanish")
    assert "denied 200" not in outcomes, outcomes
    assert capture.leaks(bottle.address, TARGETS) == []
    links = json.loads(bottle.lab.run("nsenter", "-t", str(bottle.agent_pid), "-n", "ip", "-j", "link"))
    assert [link["ifname"] for link in links if link["ifname"] != "sit0"] == ["lo"]
    assert bottle.agent.tcp(address="203.0.113.10", port=443, timeout=1)["error"] == "ENETUNREACH"
    assert bottle.agent.resolve(name="allowed.test").startswith("gai ")


def test_without_a_policy_everything_is_denied(new_bottle):
    bottle = new_bottle(policy=None)
    with bottle.capture() as capture:
        answer = bottle.agent.http(host="plain.test", address="203.0.113.13")
        handshake = bottle.agent.https(host="allowed.test", address="203.0.113.10")
        name = bottle.agent.dns(server="203.0.113.53", name="allowed.test")
    assert (answer["status"], answer["json"]["type"].rpartition("/")[2].rpartition(":")[2]) == (503, "no-policy")
    assert (handshake["status"], handshake["json"]["type"].rpartition(":")[2]) == (503, "no-policy")
    assert "203.0.113.10" not in name["addresses"]
    bottle.audit.wait(kind="http", verdict="block", reason="no-policy", host="plain.test")
    bottle.audit.wait(kind="http", verdict="block", reason="no-policy", host="allowed.test", port=443)
    assert capture.leaks(bottle.address, set()) == []
