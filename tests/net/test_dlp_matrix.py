# SPDX-License-Identifier: GPL-3.0-or-later
"""Each detector, on each surface, in each writing that can stand there, fed whole, in two pieces at every byte, and byte by byte: it is
found, and nothing of it is in what the upstream received. The same request with another value arrives, byte for byte.

Pieces here are writes of one request; what is split over fields, requests and chunks, and dripped by the clock, is in
test_dlp_outbound.py, the scanner's own steps in tests/unit/test_scan.c.
"""
import base64
import collections
import urllib.parse

import pytest

from clock import Clock
from dlp_rig import CANARY, SECRET, SECRETS, WRITINGS, Recorder, chunked, github, parts_of, percent, post, unchunked
from http_peer import get, problem
from packers import PACKERS, deflate_raw, twice
from proxy_rig import PUBLIC, Rig, wait_until
from tls_peer import Certificates, tls_upstream

ENTROPY = "q7Rt2LmX9vKc4WzP8sYh3NbD6gJf1TeU5aQx"  # nobody knows it, and it has no shape
ROUTES = [{"host": host, "cookies": True, "dlp": {"outbound": detectors, "inbound": []}} for detectors, hosts in (
    (["token_patterns", "known_secrets"], ("guarded.test", "*.wild.test")), (["entropy"], ("entropy.test", "*.chaos.test")),
    ([], ("open.test", "*.free.test"))) for host in hosts]
VALUES = {"token_patterns": github(), "known_secrets": SECRET, "canary": CANARY, "entropy": ENTROPY}
OTHER = "plain-words-of-no-rule"  # in place of the known ones, which no route lets through

EVERYWHERE = {**{name: WRITINGS[name] for name in ("plain", "base64+0", "base64+1", "base64+2", "base64url", "hex", "twice")},
              "base32": lambda text: base64.b32encode(text.encode()).decode().rstrip("="),
              "hex of base64": lambda text: base64.b64encode(text.encode()).hex()}
ESCAPED = {"percent": percent, "base64 in percent": lambda text: percent(base64.b64encode(text.encode()).decode())}
IN_BODIES = {"escaped": WRITINGS["escaped"], "escaped in base64": lambda text: base64.b64encode(WRITINGS["escaped"](text).encode()).decode(),
             "UTF-16": lambda text: text.encode("utf-16-le").decode("latin-1"), "UTF-16 big": lambda text: text.encode("utf-16-be").decode("latin-1")}
WIRE = {"base64+0", "base64+1", "base64+2", "twice"}  # have "+", "/" and "=", which not every place takes
TOKEN_CHARACTERS = {name: writing for name, writing in EVERYWHERE.items() if name not in WIRE}
Surface = collections.namedtuple("Surface", "called writings made")


def body(kind, made):
    """A request with this body, `made` from the written value."""
    return lambda text: post("guarded.test", made(text.encode("latin-1")), f"Content-Type: {kind}\r\n")


def packed(coding, pack):
    return lambda text: post("guarded.test", pack(b"words " * 50 + text.encode("latin-1") + b" more"), f"Content-Encoding: {coding}\r\n")


PARTS = b"--xx\r\nContent-Disposition: form-data; name=\"%b\"; filename=\"%b\"\r\n\r\n%b\r\n--xx--\r\n"
TEXTS = {**EVERYWHERE, **ESCAPED, **IN_BODIES}
SURFACES = {
    "path": Surface("path", {**EVERYWHERE, **ESCAPED}, lambda text: get("guarded.test", f"/a/{text}/b")),
    "query": Surface("query", {**EVERYWHERE, **ESCAPED}, lambda text: get("guarded.test", f"/?a=1&b={text}&c=2")),
    "parameter name": Surface("query", {**TOKEN_CHARACTERS, **ESCAPED}, lambda text: get("guarded.test", f"/?a=1&{text}=1")),
    "header value": Surface("header value", {**EVERYWHERE, **ESCAPED}, lambda text: get("guarded.test", "/", f"X-Note: a {text} b\r\n")),
    "header name": Surface("header name", TOKEN_CHARACTERS, lambda text: get("guarded.test", "/", f"X-{text}: a\r\n")),
    "cookie": Surface("cookie", {**EVERYWHERE, **ESCAPED}, lambda text: get("guarded.test", "/", f"Cookie: a=1; b={text}; c=2\r\n")),
    "host name": Surface("host name", {name: TOKEN_CHARACTERS[name] for name in ("hex", "base32")},
                         lambda text: get(f"{text[:50]}.{text[50:]}.wild.test".replace("..", "."))),
    "text": Surface("body", TEXTS, body("text/plain", lambda text: b"some words, then " + text + b" and more")),
    "JSON": Surface("body", {**EVERYWHERE, **ESCAPED, "escaped": WRITINGS["escaped"]},
                    body("application/json", lambda text: b'{"messages":[{"content":"a ' + text + b'"}]}')),
    "form": Surface("body", {**{name: lambda text, made=made: urllib.parse.quote(made(text)) for name, made in EVERYWHERE.items()}, **ESCAPED},
                    body("application/x-www-form-urlencoded", lambda text: b"a=1&b=" + text + b"&c=3")),
    "part": Surface("body", TEXTS, body("multipart/form-data; boundary=xx", lambda text: PARTS % (b"a", b"b", text))),
    "part's name": Surface("body", {**EVERYWHERE, **ESCAPED}, body("multipart/form-data; boundary=xx", lambda text: PARTS % (text, b"b", b"c"))),
    "file name": Surface("body", {**EVERYWHERE, **ESCAPED}, body("multipart/form-data; boundary=xx", lambda text: PARTS % (b"a", text, b"c"))),
    "chunks": Surface("body", TEXTS, lambda text: chunked("guarded.test", [b"a " + text[:9].encode("latin-1"), text[9:].encode("latin-1") + b" z"])),
    **{name: Surface("body", EVERYWHERE, packed(name, pack)) for name, pack in PACKERS.items()},
    "raw deflate": Surface("body", EVERYWHERE, packed("deflate", deflate_raw)),
    "gzip in gzip": Surface("body", EVERYWHERE, packed("gzip, gzip", twice(PACKERS["gzip"]))),
}
CELLS = [(detector, surface, writing) for detector in VALUES for surface, (_, writings, _) in SURFACES.items() for writing in writings]


@pytest.fixture(scope="module")
def rig():
    made = Rig()
    made.worker.apply(*ROUTES, secrets=SECRETS)
    made.resolver.names.update({"guarded.test": [PUBLIC], "entropy.test": [PUBLIC], "open.test": [PUBLIC]})
    yield made
    made.close()


@pytest.fixture(scope="module")
def recorder(rig):
    made = Recorder(rig)
    yield made
    rig.things.remove(made.upstream)
    made.upstream.close()


def fed(request, at, end, cell):
    """The pieces of a request, each time it is fed: whole, in two for every byte of what is written, each byte by itself. Of the
    second kind a cell that is not plain has every thirteenth, another one than the cell before: together they have all."""
    plain = CELLS[cell][2] == "plain"
    yield [request]
    for cut in range(at + (0 if plain else cell % 13), end + 1, 1 if plain else 13):
        yield [request[:cut], request[cut:]]
    yield [request[:at], *(request[n:n + 1] for n in range(at, end)), request[end:]]


def place(request, written):
    """Where in a request it is written; of what is packed, all of the body."""
    first = written[:9].encode("latin-1")
    if first in request:
        at = request.index(first)
        return at, min(at + len(written) + 8, len(request))
    return request.index(b"\r\n\r\n") + 4, len(request)


def body_of(request):
    head, _, rest = request.partition(b"\r\n\r\n")
    return unchunked(rest) if b"Transfer-Encoding" in head else rest


def judged(message, detector, called):
    """It is a refusal that says what was found where."""
    body = message.json
    name = "known_secrets" if detector == "canary" else detector
    if message.status == 403 and body["type"] == "urn:stopper:denial:secret-elsewhere":
        assert name == "known_secrets" and called != "body"  # the wall in front of the search
    else:
        assert f"{name}: " in problem(message, 403, "dlp-match")["detail"] and f" in the {called}" in body["detail"], body["detail"]


def to(request, host, suffix):
    """The same to another host, or to a name under another wildcard."""
    return request.replace(b"guarded.test", host.encode()).replace(b".wild.test", f".{suffix}".encode())


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("detector", VALUES)
def test_it_is_found_and_nothing_of_it_leaves(rig, recorder, detector, surface):
    called, writings, made = SURFACES[surface]
    for writing, write in writings.items():
        written, cell = write(VALUES[detector]), CELLS.index((detector, surface, writing))
        request = made(written)
        if detector == "entropy":
            request = to(request, "entropy.test", "chaos.test")
        recorder.raw.clear()
        for pieces in fed(request, *place(request, written), cell):
            with rig.client() as client:
                for piece in pieces:
                    client.send(piece)
                judged(client.message(), detector, called)
        wait_until(lambda: recorder.open == 0)
        raw = bytes(recorder.raw)
        assert not any(part in raw for text in (written, VALUES[detector]) for part in parts_of(text)), writing
        assert recorder.answered == 0 or called != "body"


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("detector", VALUES)
def test_the_same_arrives_where_it_is_not_looked_for(rig, recorder, detector, surface):
    """The control: without the search, or with another value in the place of a known one."""
    called, writings, made = SURFACES[surface]
    for writing, write in writings.items():
        written = write(OTHER if detector in ("known_secrets", "canary") else VALUES[detector])
        request = to(made(written), "open.test", "free.test") if written != write(OTHER) else made(written)
        name = request.partition(b"Host: ")[2].partition(b"\r\n")[0].decode().lower()
        rig.resolver.names[name] = [PUBLIC]
        recorder.raw.clear()
        assert rig.get(request).status == 200, writing
        raw = bytes(recorder.raw)
        if called == "body":
            assert body_of(raw) == body_of(request), writing
        else:
            assert request.split(b"\r\n")[0] in raw and (f"Host: {name}\r\n" if called == "host name" else written).encode() in raw, writing


# ---- a record of TLS a byte

@pytest.fixture(scope="module")
def secure(rig, recorder, tmp_path_factory):
    certificates = Certificates(tmp_path_factory.mktemp("certificates"))
    certificates.make("guarded", san="DNS:guarded.test,DNS:entropy.test")
    rig.worker.apply(*ROUTES, secrets=SECRETS, extra_ca=certificates.pem)
    made = tls_upstream(rig, certificates, "guarded", recorder.serve)
    yield rig
    rig.things.remove(made)
    made.close()


@pytest.mark.parametrize("surface", [name for name in SURFACES if name != "host name"])  # which is the server name here
@pytest.mark.parametrize("detector", VALUES)
def test_over_tls_it_is_found_in_a_record_for_each_byte(secure, recorder, detector, surface):
    called, writings, made = SURFACES[surface]
    written = next(iter(writings.values()))(VALUES[detector])
    request = to(made(written), "entropy.test", "chaos.test") if detector == "entropy" else made(written)
    at, end = place(request, written)
    recorder.raw.clear()
    with secure.https("entropy.test" if detector == "entropy" else "guarded.test") as client:
        for piece in [request[:at], *(request[n:n + 1] for n in range(at, end)), request[end:]]:
            client.send(piece)
        judged(client.message(), detector, called)
    wait_until(lambda: recorder.open == 0)
    assert not any(part in bytes(recorder.raw) for text in (written, VALUES[detector]) for part in parts_of(text))


# ---- one byte a second

@pytest.fixture(scope="module")
def timed():
    clock = Clock()
    made = Rig(environment=clock.environment)
    made.clock = clock
    made.worker.apply(*ROUTES, secrets=SECRETS)
    made.resolver.names.update({"guarded.test": [PUBLIC], "entropy.test": [PUBLIC]})
    made.recorder = Recorder(made)
    yield made
    made.close()
    clock.close()


@pytest.mark.parametrize("surface", [name for name, (called, _, _) in SURFACES.items() if called == "body"])
@pytest.mark.parametrize("detector", VALUES)
def test_dripped_by_the_clock_it_is_found_too(timed, detector, surface):
    """One writing for each, another one than in the cell before."""
    _, writings, made = SURFACES[surface]
    writing = list(writings)[(list(VALUES).index(detector) * 5 + list(SURFACES).index(surface)) % len(writings)]
    written = writings[writing](VALUES[detector])
    request = to(made(written), "entropy.test", "chaos.test") if detector == "entropy" else made(written)
    at, end = place(request, written)
    timed.recorder.raw.clear()
    with timed.client(send=request[:at]) as client:
        wait_until(lambda: b"\r\n\r\n" in timed.recorder.raw)  # no dial has its time now
        for n in range(at, end):
            timed.clock.forward(1)
            client.send(request[n:n + 1])
            assert timed.get(get("denied.test")).status == 403  # the worker looks at its clock
        client.send(request[end:])
        judged(client.message(), detector, "body")
    wait_until(lambda: timed.recorder.open == 0)
    assert timed.recorder.answered == 0 and not any(
        part in bytes(timed.recorder.raw) for text in (written, VALUES[detector]) for part in parts_of(text)), writing
