# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that are held for the operator, through a whole sidecar: what is shown of them, what each verdict does, how long it
holds, and that nothing of it opens a wall. hostctl's side of it is in test_watch.py, the proxy's in test_hold_proxy.py."""
import json
import os
import re
import signal
import socket
import threading

import pytest

from lab import Bottle
from spaces import wait_for
from world import NAMES, RESOLVER

POLICY = {"protocol": 1, "dns": {"upstreams": [RESOLVER]}, "routes": [{"host": "plain.test"}]}
HELD = {**POLICY, "hold": {"denied": True}, "ignore": ["telemetry.test"]}
WHO = {"by": "ada", "reason": "it is needed"}


class Asked(threading.Thread):
    """A request of the agent's that may be held; its answer is `answer` when it has ended."""

    def __init__(self, bottle, host, **named):
        super().__init__(daemon=True)
        self.bottle, self.arguments, self.answer = bottle, {"host": host, "timeout": 120, **named}, None
        self.start()

    def run(self):
        self.answer = self.bottle.agent.http(**self.arguments)

    def ended(self):
        self.join(20)
        assert not self.is_alive(), "it waits"
        return self.answer

    def refused(self, name):
        answer = self.ended()
        assert answer["status"] == 403 and answer["json"]["type"] == f"urn:stopper:denial:{name}", answer
        return answer["json"]


@pytest.fixture(scope="module")
def held(lab):
    made = Bottle(lab, policy=HELD)
    yield made
    made.close()


@pytest.fixture
def bottle(held):
    """With nothing held and nothing approved, and nobody denied."""
    held.apply(POLICY)
    held.apply(HELD)
    return held


def pending(bottle):
    status, answer = bottle.ctl("pending")
    assert status == 0
    return answer["held"]


def waits(bottle, count=1):
    """The held requests, once there are so many."""
    wait_for(lambda: len(pending(bottle)) == count, f"{count} held requests")
    return pending(bottle)


def decide(bottle, verb, number, **more):
    return bottle.ctl(verb, stdin=json.dumps({"id": number, **WHO, **more}))


def approved(bottle, number, how="once", **more):
    assert decide(bottle, "approve", number, how=how, **more) == (0, {"ok": True, "id": number})


def approvals(bottle):
    return bottle.status()["approvals"]


def test_it_is_shown_and_served_once_when_it_is_approved(bottle):
    mark = bottle.audit.mark()
    asked = Asked(bottle, "apt2.test", path="/a?b=c")
    one, = waits(bottle)
    assert one == {"id": one["id"], "kind": "denied-host", "method": "GET", "host": "apt2.test", "port": 80, "tls": False, "path": "/a",
                   "rule": "egress.on_denied", "surface": "host", "query_bytes": 4, "body_bytes": 0, "waited_s": one["waited_s"],
                   "seconds": 300, "event_id": one["event_id"]}
    line = bottle.audit.wait(mark, verdict="hold", kind="http", host="apt2.test")
    assert line["detail"] == f"held as {one['id']}, its end will be event {one['event_id']}"
    assert (line["reason"], line["rule"], line["method"], line["path"], line["port"]) == ("host-not-allowed", "egress.on_denied", "GET", "/a", 80)
    assert bottle.status()["held"] == 1 and approvals(bottle) == []
    approved(bottle, one["id"])
    assert asked.ended()["status"] == 502  # nobody has this name, and that was asked now
    line = bottle.audit.wait(mark, id=one["event_id"])
    assert (line["rule"], line["reason"]) == (f"apt2.test approval {one['id']}", "name-unresolved")
    line = bottle.audit.wait(mark, kind="control", rule="approve")
    assert (line["verdict"], line["detail"], line["host"]) == ("allow", f"{one['id']} once, by ada: it is needed", "apt2.test")
    assert bottle.audit.wait(mark, kind="control", rule="approvals", detail="the policy is in force")
    wait_for(lambda: approvals(bottle) == [], "the end of the approval")
    Asked(bottle, "apt2.test", path="/a")
    assert waits(bottle)[0]["id"] == one["id"] + 1


def test_a_host_that_is_there_answers(bottle):
    asked = Asked(bottle, "denied.test", path="/hello")
    other = Asked(bottle, "denied.test", path="/other")
    first, second = sorted(waits(bottle, 2), key=lambda one: one["path"])
    digest = bottle.status()["policy_digest"]
    approved(bottle, first["id"])
    assert asked.ended()["status"] in (200, 404) and "json" not in asked.answer
    assert bottle.status()["policy_digest"] == digest  # the operator's policy is the same
    assert [one["id"] for one in pending(bottle)] == [second["id"]] and other.is_alive()
    assert decide(bottle, "deny", second["id"]) == (0, {"ok": True, "id": second["id"]})
    assert other.refused("held-denied")["event_id"] == second["event_id"]


def test_for_a_time(bottle):
    mark = bottle.audit.mark()
    asked = Asked(bottle, "denied.test")
    one, = waits(bottle)
    approved(bottle, one["id"], "ttl", ttl_s=4)
    assert asked.ended()["status"] in (200, 404)
    shown, = approvals(bottle)
    assert shown == {"id": one["id"], "kind": "denied-host", "method": "GET", "host": "denied.test", "port": 80, "tls": False, "path": "/",
                     "rule": "egress.on_denied", "how": "ttl", "left_s": shown["left_s"], **WHO} and shown["left_s"] <= 4
    assert bottle.audit.wait(mark, rule="approval-end")["detail"] == f"{one['id']}: its time is over"
    wait_for(lambda: approvals(bottle) == [], "the end of the approval")
    last = Asked(bottle, "denied.test")
    assert decide(bottle, "deny", waits(bottle)[0]["id"])[0] == 0
    last.refused("held-denied")


def test_for_the_bottle_and_over_other_policies(bottle):
    mark = bottle.audit.mark()
    asked = Asked(bottle, "denied.test")
    one, = waits(bottle)
    approved(bottle, one["id"], "bottle")
    assert asked.ended()["status"] in (200, 404)
    generation = bottle.apply(HELD)
    assert [shown["how"] for shown in approvals(bottle)] == ["bottle"]
    assert "json" not in bottle.agent.http(host="denied.test")
    worker, = bottle.processes()["stopper-proxy"]  # one that starts anew has it too
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: bottle.ctl("wait-ready")[0] == 0 and bottle.processes().get("stopper-proxy", [worker]) != [worker], "another proxy")
    assert "json" not in bottle.agent.http(host="denied.test")
    named = bottle.apply({**HELD, "routes": [*HELD["routes"], {"host": "denied.test", "matches": [{"methods": ["POST"]}]}]})
    assert named > generation and approvals(bottle) == []
    assert bottle.audit.wait(mark, rule="approval-end")["detail"] == f"{one['id']}: a new policy has come into force"
    assert bottle.agent.http(host="denied.test")["json"]["type"].endswith("method-not-allowed")


def test_who_denies_a_host_three_times_is_not_asked_again(bottle):
    for _ in range(3):
        asked = Asked(bottle, "denied.test")
        assert decide(bottle, "deny", waits(bottle)[0]["id"])[0] == 0
        asked.refused("held-denied")
    assert "nobody is asked again" in Asked(bottle, "denied.test", path="/else").refused("held-denied")["detail"]
    assert pending(bottle) == []
    Asked(bottle, "other-denied.test")
    assert waits(bottle)[0]["host"] == "other-denied.test"
    bottle.apply(HELD)  # a new policy is a new question
    Asked(bottle, "denied.test")
    assert waits(bottle)[0]["host"] == "denied.test"


@pytest.mark.parametrize("host", ["lan.test", "metadata.test", "loopback.test", "private.test"])
def test_an_approval_opens_no_wall(bottle, host):
    asked = Asked(bottle, host)
    one, = waits(bottle)
    approved(bottle, one["id"])
    asked.refused("address-refused")


def test_what_is_never_held(bottle):
    for arguments, name in (({"host": "telemetry.test"}, "host-not-allowed"), ({"host": "192.0.2.1", "address": "192.0.2.1"}, "address-literal"),
                            ({"host": "169.254.169.254", "address": "169.254.169.254"}, "address-literal")):
        Asked(bottle, **arguments).refused(name)
    assert pending(bottle) == []


def test_a_worker_that_dies_and_a_policy_that_comes_end_what_waits(bottle):
    asked = Asked(bottle, "denied.test")
    one, = waits(bottle)
    os.kill(bottle.processes()["stopper-proxy"][0], signal.SIGKILL)
    assert "error" in asked.ended()
    wait_for(lambda: pending(bottle) == [], "the end of what waited")
    assert decide(bottle, "approve", one["id"], how="once") == (1, {"ok": False, "error": f"no request {one['id']} waits"})
    assert bottle.ctl("wait-ready")[0] == 0
    asked = Asked(bottle, "denied.test")
    waits(bottle)
    bottle.apply(HELD)
    asked.refused("held-ended")
    assert pending(bottle) == []


def test_a_client_that_leaves_is_not_shown_any_more(bottle):
    with bottle.inner.call(socket.create_connection, (NAMES["denied.test"], 80)) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: denied.test\r\n\r\n")
        one, = waits(bottle)
    wait_for(lambda: pending(bottle) == [], "the end of what waited")
    assert bottle.audit.wait(id=one["event_id"])["reason"] == "held-ended"


WRONG = [
    ("approve", {}, 'approve: "id" is not the number of a request'),
    ("approve", {"id": 999999, **WHO, "how": "once"}, "no request 999999 waits"),
    ("approve", {"id": "1", **WHO, "how": "once"}, 'approve: "id" is not the number of a request'),
    ("approve", {"id": 1, "reason": "r", "how": "once"}, 'approve: "by" is not a text of 1 to 63 bytes'),
    ("approve", {"id": 1, "by": "b", "how": "once"}, 'approve: "reason" is not a text of 1 to 255 bytes'),
    ("approve", {"id": 1, "by": "b", "reason": "x" * 256, "how": "once"}, 'approve: "reason" is not a text of 1 to 255 bytes'),
    ("approve", {"id": 1, **WHO}, 'approve: "how" is not once, ttl or bottle'),
    ("approve", {"id": 1, **WHO, "how": "always"}, 'approve: "how" is not once, ttl or bottle'),
    ("approve", {"id": 1, **WHO, "how": "ttl"}, 'approve: "ttl_s" goes with ttl and is an integer from 1 to 604800'),
    ("approve", {"id": 1, **WHO, "how": "ttl", "ttl_s": 604801}, 'approve: "ttl_s" goes with ttl and is an integer from 1 to 604800'),
    ("approve", {"id": 1, **WHO, "how": "once", "ttl_s": 5}, 'approve: "ttl_s" goes with ttl and is an integer from 1 to 604800'),
    ("approve", {"id": 1, **WHO, "how": "once", "all": True}, 'approve: unknown member "all"'),
    ("deny", {"id": 0, **WHO}, 'deny: "id" is not the number of a request'),
    ("deny", {"id": 999999, **WHO}, "no request 999999 waits")]


@pytest.mark.parametrize("verb, request_, words", WRONG, ids=range(len(WRONG)))
def test_questions_that_are_wrong(held, verb, request_, words):
    assert held.ctl(verb, stdin=json.dumps(request_)) == (1, {"ok": False, "error": words})


def test_many_verdicts_at_once(bottle):
    asked = [Asked(bottle, "denied.test", path=f"/{n}") for n in range(6)]
    numbers = [one["id"] for one in waits(bottle, 6)]
    outcomes = []

    def work(number):
        outcomes.append(decide(bottle, "approve", number, how="bottle"))
    threads = [threading.Thread(target=work, args=(number,)) for number in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(outcomes, key=str) == sorted([(0, {"ok": True, "id": number}) for number in numbers], key=str)
    assert all("json" not in one.ended() for one in asked)
    assert len(approvals(bottle)) == 6


def test_an_apply_waits_for_an_approval_that_is_on_its_way(bottle):
    for n in range(5):
        asked = Asked(bottle, "denied.test", path=f"/{n}")
        approved(bottle, waits(bottle)[0]["id"])
        bottle.apply(HELD)  # the approval leaves the policy in these moments
        assert "json" not in asked.ended()
    wait_for(lambda: approvals(bottle) == [], "the end of the approvals")


def test_numbers_are_no_secret_and_of_no_use_to_the_agent(bottle):
    """The agent may know every number: the socket is not in its bottle, and nobody but root may speak to it."""
    assert bottle.agent.unix(path="/run/stopper/control.sock")["error"] in ("EACCES", "ENOENT")
    out = bottle.lab.run("nsenter", "-t", str(bottle.pid), "-n", "-m", "setpriv", "--reuid=61001", "--regid=61001", "--clear-groups", "sh", "-c",
                         "ls /run/stopper/control.sock 2>&1 || true")
    assert re.search("Permission denied", out)
