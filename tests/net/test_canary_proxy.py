# SPDX-License-Identifier: GPL-3.0-or-later
"""The bottle's canary through stopper-proxy: under every setting it is refused with an alarm wherever it is found, a provider's body
aside; and with on_canary: stop the worker denies everything from that moment on, until init's word. The whole bottle is in
test_canary.py."""
import json

import pytest

from dlp_rig import WRITINGS, Recorder, chunked, covered, nothing_of, post
from http_peer import get, problem
from proxy_rig import PUBLIC, Rig, wait_until
from synthetic import synthetic
from test_tcp import hold

CANARY, TOKEN = "itk_7c1e09b5d2a84f63907be1a5c3d8f24e6b0a9d71", "zq7Xk2PvR9mLw4TnB6sYh8"
SECRETS = {"STOPPER_CANARY": CANARY, "TOKEN": TOKEN}
REDACT = {"outbound_on_match": "redact", "inbound": []}
ROUTES = [
    {"host": "block.test"}, {"host": "redact.test", "dlp": REDACT}, {"host": "provider.test", "dlp": {**REDACT, "transcript": True}},
    {"host": "off.test", "dlp": {"outbound": [], "inbound": []}}, {"host": "tunnel.test", "tls": {"passthrough": True}},
    {"host": "raw.test", "tcp": [5432]},
]
CHANNEL_CANARY = 12


@pytest.fixture(scope="module")
def long_lived():
    made = Rig()
    made.resolver.names.update({route["host"]: [PUBLIC] for route in ROUTES})
    yield made
    made.close()


@pytest.fixture
def rig(long_lived):
    """With an open egress and no sighting."""
    long_lived.worker.apply(*ROUTES, secrets=SECRETS, closed=True)
    long_lived.worker.apply(*ROUTES, secrets=SECRETS)
    long_lived.worker.forget()
    yield long_lived
    long_lived.clear()


@pytest.fixture
def recorder(rig):
    return Recorder(rig)


def alarmed(rig, message, reason):
    body = problem(message, 403, reason)
    line = rig.worker.line(id=body["event_id"])
    assert line["verdict"] == "alarm" and "STOPPER_CANARY" in line["detail"], line
    assert CANARY not in json.dumps([body, line])
    return line


@pytest.mark.parametrize("writing", WRITINGS)
@pytest.mark.parametrize("host", ["block.test", "redact.test"])
def test_in_a_body_it_is_an_alarm_in_every_writing_and_under_every_setting(rig, recorder, host, writing):
    written = WRITINGS[writing](CANARY)
    text = b"some words, then " + written.encode() + b" and more"
    for request in post(host, text), chunked(host, [text[:40], text[40:]]):
        with rig.client(send=request) as client:
            line = alarmed(rig, client.message(), "dlp-match")
        assert (line["pattern"], line["surface"]) == ("STOPPER_CANARY", "body")
        wait_until(lambda: recorder.open == 0)
    with rig.client(send=post(host, f"first {TOKEN}, then {written} and more".encode())) as client:  # it does not hide behind another
        assert alarmed(rig, client.message(), "dlp-match")["pattern"] == "STOPPER_CANARY"
    assert nothing_of(recorder, written)
    with rig.client(send=post(host, b"some words, and more")) as client:  # the control; nothing is closed
        assert client.message().status == 200


@pytest.mark.parametrize("writing", [w for w in WRITINGS if w not in ("escaped", "dotted", "twice", "base32")])
@pytest.mark.parametrize("host", ["block.test", "redact.test", "provider.test", "off.test", "denied.test"])
def test_in_a_head_it_is_an_alarm_to_whichever_host(rig, recorder, host, writing):
    line = alarmed(rig, rig.get(get(host, "/", f"X-Note: {WRITINGS[writing](CANARY)}\r\n")), "secret-elsewhere")
    assert line["host"] == host and line["detail"] == "the value of STOPPER_CANARY"
    behind = rig.get(get(host, f"/?a={TOKEN}", f"X-Note: {WRITINGS[writing](CANARY)}\r\n"))  # it does not hide behind another
    assert alarmed(rig, behind, "secret-elsewhere")["detail"] == "the value of STOPPER_CANARY"
    assert recorder.upstream.accepted == 0


def test_a_writing_that_only_the_search_knows(rig, recorder):
    for host in "block.test", "redact.test":
        alarmed(rig, rig.get(get(host, "/", f"X-Note: {'.'.join(CANARY)}\r\n")), "dlp-match")
    assert recorder.upstream.accepted == 0


def test_in_a_server_name_it_is_an_alarm_and_not_logged(rig):
    rig.worker.apply(*ROUTES, secrets=SECRETS, on_canary="stop")
    with pytest.raises(OSError):
        rig.https(f"{CANARY}.tunnel.test")
    line = rig.worker.line(kind="tls", reason="secret-elsewhere")
    assert (line["verdict"], line["host"], line["detail"]) == ("alarm", "*", "the value of STOPPER_CANARY")
    assert told(rig) == line["id"]


def told(rig):
    """The event that init is told of."""
    kind, generation, event = rig.worker._message()
    assert (kind, generation) == (CHANNEL_CANARY, rig.worker.generation)
    return event


def closed(rig):
    body = problem(rig.get(get("block.test")), 403, "egress-closed")
    assert "canary was seen" in body["detail"] and "hostctl reopen" in body["hint"] and body["rule"] == "egress.on_canary"
    problem(rig.get(get("denied.test")), 403, "egress-closed")


SIGHTINGS = {
    "head": (get("off.test", "/", f"X-Note: {CANARY}\r\n"), "secret-elsewhere"),
    "body": (post("redact.test", b"a " + CANARY.encode()), "dlp-match"),
    "denied": (get("denied.test", f"/{CANARY}"), "secret-elsewhere"),
}


@pytest.mark.parametrize("sighting", SIGHTINGS)
def test_stop_denies_at_once_and_until_the_word_of_init(rig, recorder, sighting):
    request, reason = SIGHTINGS[sighting]
    rig.worker.apply(*ROUTES, secrets=SECRETS, on_canary="stop")
    with rig.client(send=get("block.test")) as kept, rig.client(send=post("block.test", b"ab")[:-1]) as running:
        assert kept.message().status == 200
        wait_until(lambda: recorder.open == 2)
        with rig.client(send=request) as client:
            message = client.message()
            assert message.field("connection") == "close"
            event = alarmed(rig, message, reason)["id"]
            assert client.rest() == b""
        closed(rig)
        assert kept.rest() == b""
        problem(running.message(), 403, "egress-closed")
    assert told(rig) == event
    assert recorder.answered == 1
    rig.worker.apply(*ROUTES, secrets=SECRETS, on_canary="stop")  # one that init sent before it heard
    closed(rig)
    rig.worker.apply(*ROUTES, secrets=SECRETS, on_canary="stop", closed=True)
    closed(rig)
    with rig.client(send=request) as client:  # an alarm all the same, and no second word to init
        assert client.message().status == 403
    rig.worker.apply(*ROUTES, secrets=SECRETS, on_canary="stop")
    assert rig.get(get("block.test")).status == 200


def dialled(rig, port, address):
    """How a connection ends that is not served: perhaps before connect has returned."""
    try:
        with rig.client(port, address=address) as client:
            return client.rest()
    except ConnectionResetError:
        return "reset"


def test_stop_ends_raw_tcp_at_once(rig):
    rig.worker.apply(*ROUTES, secrets=SECRETS, on_canary="stop")
    upstream = rig.upstream(PUBLIC, 5432, hold)
    with rig.client(5432, address=synthetic("raw.test")) as client:
        assert client.reader.exactly(11) == b"220 ready\r\n"
        event = alarmed(rig, rig.get(get("denied.test", f"/{CANARY}")), "secret-elsewhere")["id"]
        assert client.rest() == "reset"
    assert told(rig) == event
    assert rig.worker.line(kind="tcp", host="raw.test", verdict="allow")["reason"] == "egress-closed"
    for closed in False, True:  # by the worker's own word, and by init's
        rig.worker.apply(*ROUTES, secrets=SECRETS, on_canary="stop", closed=closed)
        rig.worker.forget()
        assert dialled(rig, 5432, synthetic("raw.test")) == "reset"
        line = rig.worker.line(kind="tcp", host="raw.test", verdict="block")
        assert (line["reason"], line["rule"]) == ("egress-closed", "egress.on_canary")
    assert upstream.accepted == 1
    rig.worker.apply(*ROUTES, secrets=SECRETS)
    with rig.client(5432, address=synthetic("raw.test")) as client:
        assert client.reader.exactly(11) == b"220 ready\r\n"


def test_a_closed_policy_ends_what_runs_and_opens_no_tunnel(rig, recorder):
    with rig.client(send=get("block.test")) as kept:
        assert kept.message().status == 200
        rig.worker.apply(*ROUTES, secrets=SECRETS, closed=True)
        assert kept.rest() == b""
    for name in "tunnel.test", "block.test":  # opened, so that it can be read
        with rig.https(name) as client:
            client.send(get(name))
            problem(client.message(), 403, "egress-closed")


def test_the_body_of_a_provider_is_covered_and_closes_nothing(rig, recorder):
    rig.worker.apply(*ROUTES, secrets=SECRETS, on_canary="stop")
    for writing in "plain", "base64+0", "hex", "escaped":
        text = b'{"a": "then ' + WRITINGS[writing](CANARY).encode() + b' and more"}'
        with rig.client(send=post("provider.test", text, "Content-Type: application/json\r\n")) as client:
            assert client.message().status == 200
        assert json.loads(covered(recorder)[1])["a"].startswith("then ***") and nothing_of(recorder, WRITINGS[writing](CANARY))
    line = rig.worker.line(host="provider.test")
    assert (line["verdict"], line["pattern"], line["surface"]) == ("redact", "STOPPER_CANARY", "body")
    assert rig.get(get("block.test")).status == 200
