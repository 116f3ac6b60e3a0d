# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not leave in a name, through stopper-proxy: the labels that an agent chooses under a wildcard, in the server name of a
connection that is passed on unopened and in a request's Host. The control of each is the same name where it is the operator's own."""
import base64
import json

import pytest

from dlp_rig import CANARY, SECRET, SECRETS, github, refused
from http_peer import get, problem
from proxy_rig import PUBLIC, WAIT, Rig
from tls_peer import hello

TOKEN = github()
DENIED = bytes.fromhex("15030300020231")  # a fatal alert, access_denied (RFC 8446 section 6.2)
WRITINGS = {
    "plain": str, "hex": lambda text: text.encode().hex(),
    "base32": lambda text: base64.b32encode(text.encode()).decode().rstrip("="),
    "base32 in small letters": lambda text: base64.b32encode(text.encode()).decode().rstrip("=").lower(),
    "base64url": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
}
CASES = [(writing, size, "token_patterns", TOKEN) for writing in WRITINGS for size in (63, 17)]
CASES += [(writing, 17, "known_secrets", SECRET) for writing in WRITINGS] + [("base32", 63, "known_secrets", SECRET)]
LOST = ("plain", "base64url")  # in a Host, which goes on in small letters


def named(written, size, suffix):
    return ".".join([*(written[at:at + size] for at in range(0, len(written), size)), suffix])


EXACT = {named(WRITINGS[writing](text), size, "exact.test").lower() for writing, size, _, text in CASES}
TUNNEL = {"tls": {"passthrough": True}}
ROUTES = [{"host": "*.tunnel.test", **TUNNEL}, {"host": "*.other.test", **TUNNEL}, {"host": "*.wild.test"},
          *({"host": name, **TUNNEL} for name in sorted(EXACT)), *({"host": name.replace("exact", "named")} for name in sorted(EXACT))]


class Recorder:
    """Keeps every byte that arrives, and answers with a word."""

    def __init__(self, rig):
        self.raw = b""
        self.upstream = rig.upstream(PUBLIC, 443, self.serve)

    def serve(self, stream):
        while data := stream.recv(65536):
            self.raw += data
            stream.sendall(b"word")


@pytest.fixture(scope="module")
def long_lived():
    made = Rig()
    made.worker.apply(*ROUTES, secrets=SECRETS)
    yield made
    made.close()


@pytest.fixture
def rig(long_lived):
    long_lived.resolver.asked.clear()
    yield long_lived  # with its lines: equal ones of a second are one
    long_lived.clear()


@pytest.fixture
def recorder(rig):
    return Recorder(rig)


def says(rig, name):
    """What a client hears that says hello to this name. Whoever is let through ends the connection itself."""
    rig.resolver.names[name.lower()] = [PUBLIC]
    with rig.client(port=443, send=hello(name)) as client:
        client.stream.settimeout(WAIT)
        heard = client.stream.recv(7)
        if heard == DENIED:
            assert client.stream.recv(1) == b""
        return heard


@pytest.mark.parametrize("writing, size, detector, text", CASES, ids=[f"{case[2]}-{case[0]}-{case[1]}" for case in CASES])
def test_a_name_under_a_wildcard_carries_nothing_into_a_tunnel(rig, recorder, writing, size, detector, text):
    written = WRITINGS[writing](text)
    name = named(written, size, "tunnel.test")
    assert says(rig, name) == DENIED
    rig.worker.line(kind="tls", verdict="block", reason="dlp-match", detector=detector, pattern="TOKEN" if text == SECRET else "github-token",
                    surface="host name", host="*.tunnel.test", rule="*.tunnel.test", port=443)
    said = json.dumps([line for line in rig.worker.lines if line.get("reason") == "dlp-match"])
    assert not any(written[at:at + 8] in said for at in range(len(written) - 7)) and text not in said
    assert rig.resolver.asked == [] and recorder.upstream.accepted == 0
    name = named(written, size, "exact.test")
    assert says(rig, name) == b"word"  # the control
    assert name.encode() in recorder.raw


def test_what_goes_on_from_an_earlier_name_of_the_wildcard_is_found(rig, recorder):
    written = WRITINGS["base32"](SECRET)
    first, second = written[:16], written[16:28]  # neither is a piece that tells
    assert says(rig, f"{first}.tunnel.test") == b"word"
    assert says(rig, f"{second}.other.test") == b"word"  # another's
    assert says(rig, f"{second}.tunnel.test") == DENIED
    line = rig.worker.line(kind="tls", reason="dlp-match", verdict="alarm", pattern="TOKEN", host="*.tunnel.test")
    assert line["detail"] == "known_secrets: TOKEN in the host name, begun in an earlier request"
    assert recorder.upstream.accepted == 2
    assert says(rig, "a.tunnel.test") == b"word"  # others go on


def test_the_canary_in_a_name_is_an_alarm(rig, recorder):
    written = WRITINGS["base32"](CANARY)
    assert says(rig, f"{written}.tunnel.test") == DENIED
    rig.worker.line(kind="tls", reason="dlp-match", verdict="alarm", pattern="STOPPER_CANARY", host="*.tunnel.test")
    assert recorder.upstream.accepted == 0


@pytest.mark.parametrize("writing, size, detector, text", [case for case in CASES if case[0] not in LOST],
                         ids=[f"{case[2]}-{case[0]}-{case[1]}" for case in CASES if case[0] not in LOST])
def test_a_request_to_a_name_under_a_wildcard_carries_nothing(rig, writing, size, detector, text):
    written = WRITINGS[writing](text)
    upstream = rig.upstream()
    line = refused(rig, "", get(named(written, size, "wild.test")), "host name", detector=detector)
    assert line["host"] == "*.wild.test" and rig.resolver.asked == [] and upstream.accepted == 0
    name = named(written, size, "named.test")
    rig.resolver.names[name.lower()] = [PUBLIC]
    assert rig.get(get(name)).body == b"hello"  # the control
    assert f"Host: {name.lower()}\r\n".encode() in upstream.requests[0]


def test_a_request_goes_on_from_another_name_of_the_wildcard(rig):
    written = WRITINGS["base32"](SECRET).lower()
    upstream = rig.upstream()
    for name in (f"{written[:16]}.wild.test", "plain.wild.test"):
        rig.resolver.names[name] = [PUBLIC]
    assert rig.get(get(f"{written[:16]}.wild.test")).body == b"hello"
    problem(rig.get(get(f"{written[16:28]}.wild.test")), 403, "dlp-match")
    rig.worker.line(kind="http", reason="dlp-match", verdict="alarm", host="*.wild.test")
    assert rig.get(get("plain.wild.test")).body == b"hello" and upstream.accepted <= 2
