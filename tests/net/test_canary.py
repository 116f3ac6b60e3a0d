# SPDX-License-Identifier: GPL-3.0-or-later
"""The canary of a bottle by `hostctl up`, whose manifest says egress.on_canary: stop: the agent sends what it found in its
environment, and nothing leaves any more until `hostctl reopen`. What counts as a sighting is in test_canary_proxy.py."""
import base64
import json
import re

import pytest

from host import trusting
from spaces import wait_for
from test_watch import watching
from world import NAMES, RESOLVER

MANIFEST = f"""\
egress:
  dns: [{RESOLVER}]
  on_canary: stop
  routes:
    - host: plain.test
    - host: forge.test
      dlp: {{outbound_on_match: redact}}
    - host: allowed.test
    - host: other.test
      tls: {{passthrough: true}}
"""
USAGE, FAILED = 2, 125
SIDECAR_SAYS = {"rcode": 0, "types": [1], "ede": [15]}  # a sinkhole, and why: blocked


@pytest.fixture(scope="module")
def running(lab):
    with trusting(lab, MANIFEST) as bottle:
        bottle.host.environment["SUDO_USER"] = "ada"
        bottle.canary = bottle.agent.run(argv=["printenv", "INTERNAL_API_TOKEN"])["out"].strip()
        assert re.fullmatch("itk_[0-9a-f]{40}", bottle.canary)
        yield bottle


def egress(bottle):
    return json.loads(bottle.host.hostctl("status", "--json", bottle.name).stdout)["egress"]


@pytest.fixture
def bottle(running):
    assert egress(running) == {"state": "open"}
    yield running
    wait_for(lambda: egress(running)["state"] in ("open", "closed"), "a state")
    if egress(running)["state"] == "closed":
        reopen(running)


def reopen(bottle, reason="looked into"):
    done = bottle.host.hostctl("reopen", bottle.name, "--reason", reason)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{bottle.name} open\n", "")


def refused(answer, name):
    assert answer.get("status") == 403 and answer["json"]["type"] == f"urn:stopper:denial:{name}", answer
    return answer["json"]


def closes(bottle, reason, **request):
    """The agent sends it; the line of the sighting, once all is closed."""
    mark = bottle.audit.mark()
    event = refused(bottle.agent.http(**request), reason)["event_id"]
    line = bottle.audit.wait(mark, id=event)
    assert line["verdict"] == "alarm" and "STOPPER_CANARY" in line["detail"]
    refused(bottle.agent.http(host="plain.test", address=NAMES["plain.test"]), "egress-closed")  # before init's answer, too
    told = bottle.audit.wait(mark, kind="control", rule="egress.on_canary")
    assert told["verdict"] == "alarm" and f"(event {event})" in told["detail"]
    wait_for(lambda: egress(bottle)["state"] == "closed", "the closed egress")
    assert egress(bottle)["event_id"] == event
    return line


def is_closed(bottle):
    for host in "plain.test", "forge.test", "denied.test":
        refused(bottle.agent.http(host=host), "egress-closed")
    answer = bottle.agent.dns(server=bottle.agent.resolve(name="other.test")[0], name="allowed.test")
    assert {key: answer[key] for key in SIDECAR_SAYS} == SIDECAR_SAYS and answer["addresses"] != [NAMES["allowed.test"]]
    assert bottle.agent.https(host="other.test", ca=None)["json"]["type"] == "urn:stopper:denial:egress-closed"


def is_open(bottle):
    assert bottle.agent.http(host="plain.test")["status"] == 200
    assert bottle.agent.https(host="other.test")["status"] == 200


def test_a_sighting_closes_the_egress_until_it_is_reopened(bottle):
    is_open(bottle)
    assert bottle.agent.kept(name="k", host="allowed.test")["status"] == 200
    assert bottle.agent.kept(name="k", host="allowed.test") == {**bottle.agent.kept(name="k", host="allowed.test"), "fresh": False}
    closes(bottle, "secret-elsewhere", host="forge.test", path=f"/?a={bottle.canary}")
    is_closed(bottle)
    assert bottle.agent.kept(name="k", host="allowed.test")["fresh"] is False  # it was ended: the request failed, or was not sent
    text = bottle.host.hostctl("status", bottle.name).stdout
    assert re.search(r"^canary +closed for \d+ s, by event [0-9a-f-]+: hostctl reopen$", text, re.M), text
    assert bottle.host.hostctl("apply", bottle.name).returncode == 0  # which opens nothing
    is_closed(bottle)
    for worker in "stopper-proxy", "stopper-dns":
        mark = bottle.audit.mark()
        bottle.host.kill(bottle.host.processes()[worker][0])
        bottle.audit.wait(mark, kind="lifecycle", detail=re.compile(f"worker {worker}.* serves again"))
        is_closed(bottle)
    mark = bottle.audit.mark()
    reopen(bottle, "it was the test's own")
    line = bottle.audit.wait(mark, kind="control", rule="reopen")
    assert (line["verdict"], line["detail"]) == ("allow", "the egress is open again, by ada: it was the test's own")
    assert egress(bottle) == {"state": "open"}
    wait_for(lambda: bottle.agent.http(host="plain.test").get("status") == 200, "the open egress")
    is_open(bottle)
    log = bottle.host.hostctl("logs", "--json", bottle.name).stdout
    assert bottle.canary not in log and len(log) > 2000


@pytest.mark.parametrize("body", ["plain", "base64"])
def test_a_sighting_in_a_body_closes_it_too(bottle, body):
    text = bottle.canary if body == "plain" else base64.b64encode(b"a" + bottle.canary.encode()).decode()
    assert closes(bottle, "dlp-match", host="forge.test", method="POST", body=f"some words {text} more")["surface"] == "body"
    assert bottle.canary.encode() not in "".join(bottle.host.lab.world.log()).encode()
    is_closed(bottle)


def test_a_request_to_a_host_of_no_route_closes_it_too(bottle):
    closes(bottle, "secret-elsewhere", host="denied.test", fields=[f"X-Note: {bottle.canary}"])
    is_closed(bottle)


def test_watch_shows_that_it_is_closed(bottle):
    with watching(bottle) as watch:
        watch.shows("1 bottle, 0 held   y")
        closes(bottle, "secret-elsewhere", host="plain.test", path=f"/{bottle.canary}")
        watch.shows("1 bottle, 0 held, 1 CLOSED   y")
        mark = watch.mark()
        reopen(bottle)
        watch.shows("1 bottle, 0 held   y", mark)


def test_reopen_says_what_is_wrong(bottle):
    done = bottle.host.hostctl("reopen", bottle.name, "--reason", "r")
    assert (done.returncode, done.stdout, done.stderr) == (FAILED, "", "hostctl reopen: sidecar: reopen: the egress is open\n")
    for words, why in (([bottle.name], "--reason TEXT is missing"), (["--reason", "r"], "name one bottle"),
                       ([bottle.name, "b", "--reason", "r"], "name one bottle")):
        done = bottle.host.hostctl("reopen", *words)
        assert (done.returncode, done.stdout) == (USAGE, "") and done.stderr.startswith(f"hostctl reopen: {why}\nusage: hostctl reopen ")
    done = bottle.host.hostctl("reopen", bottle.name, "--reason", "r" * 256)
    assert (done.returncode, done.stderr) == (FAILED, "hostctl reopen: the reason has to have 1 to 255 bytes\n")
