# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not leave, through stopper-proxy: on each surface, in each writing, however it is cut, nothing of it is in what the
upstream received, byte for byte; it is refused or covered as the route says; and without the search the same probe arrives."""
import base64
import gzip
import json
import select
import urllib.parse
import zlib

import pytest

from clock import Clock
from dlp_rig import CANARY, LOGIN, SECRET, SECRETS, WRITINGS, Recorder, chunked, covered, github, json_escaped, nothing_of, post, refused, unchunked
from http_peer import get, problem
from proxy_rig import PUBLIC, Rig, wait_until

REDACT = {"outbound_on_match": "redact", "inbound": []}
ROUTES = [
    {"host": "block.test"}, {"host": "*.wild.test"}, {"host": "pass.test", "auth": "passthrough"},
    {"host": "redact.test", "dlp": REDACT},
    {"host": "provider.test", "dlp": {**REDACT, "transcript": True}},
    {"host": "off.test", "dlp": {"outbound": [], "inbound": []}},
    {"host": "known.test", "dlp": {"outbound": ["known_secrets"]}},
    {"host": "matched.test", "dlp": REDACT, "matches": [{"paths": [{"value": "/v1"}]}]},
    {"host": "inject.test", "insecure": True, "auth": {"scheme": "Bearer", "secret": "TOKEN"}},
]


@pytest.fixture(scope="module")
def long_lived():
    made = Rig()
    made.worker.apply(*ROUTES, secrets=SECRETS)
    made.resolver.names.update({route["host"].replace("*", "a"): [PUBLIC] for route in ROUTES})
    yield made
    made.close()


@pytest.fixture
def rig(long_lived):
    yield long_lived  # with its lines: equal ones of a second are one
    long_lived.clear()


@pytest.fixture
def recorder(rig):
    return Recorder(rig)


# ---- the head

HEADS = {
    "path": lambda host, text: get(host, "/a/" + urllib.parse.quote(text, safe="%=")),
    "query": lambda host, text: get(host, "/a?x=1&y=" + urllib.parse.quote(text, safe="%=") + "&z=2"),
    "header value": lambda host, text: get(host, "/", f"X-Note: a {text} b\r\n"),
}


@pytest.mark.parametrize("writing", [w for w in WRITINGS if w != "escaped"])
@pytest.mark.parametrize("surface", HEADS)
def test_a_token_in_the_head_goes_nowhere(rig, recorder, surface, writing):
    """Known values in a writing that the wall in front of the search knows are secret-elsewhere already."""
    known = writing == "dotted"  # which is looked for only in them
    written = WRITINGS[writing](SECRET if known else github())
    line = refused(rig, "block.test", HEADS[surface]("block.test", written), surface, detector="known_secrets" if known else "token_patterns")
    assert line["pattern"] == ("TOKEN" if known else "github-token") and recorder.upstream.accepted == 0
    with rig.client(send=HEADS[surface]("off.test", written)) as client:  # the control
        assert client.message().status == 200
    assert written.encode() in bytes(recorder.raw)


def test_a_secret_in_a_fields_name_or_under_a_wildcard_goes_nowhere(rig, recorder):
    problem(rig.get(get("block.test", "/", f"X-{SECRET}: a\r\n")), 403, "secret-elsewhere")
    refused(rig, "block.test", get("block.test", "/", f"X-{github()}: a\r\n"), "header name", detector="token_patterns")
    encoded = base64.b32encode(SECRET.encode()).decode().rstrip("=").lower()
    rig.resolver.asked.clear()
    line = refused(rig, "x", get(f"{encoded[:20]}.{encoded[20:]}.wild.test"), "host name")
    assert line["host"] == "*.wild.test" and not any("wild" in name for name in rig.resolver.asked)
    assert recorder.upstream.accepted == 0
    assert rig.get(get("a.wild.test")).status == 200  # the control


def test_what_stays_behind_is_no_finding(rig, recorder):
    assert rig.get(get("block.test", "/", f"Authorization: Bearer {github()}\r\nCookie: a={github()}\r\n")).status == 200
    assert github().encode() not in recorder.raw
    assert rig.get(get("inject.test")).status == 200  # the value that is added is none either
    assert bytes(recorder.raw).count(SECRET.encode()) == 1 and f"Authorization: Bearer {SECRET}\r\n".encode() in recorder.raw
    with rig.client(send=chunked("block.test", [b"abc"], trailers=f"X-Note: {SECRET}\r\n")) as client:  # trailers are dropped
        assert client.message().status == 200
    assert bytes(recorder.raw).count(SECRET.encode()) == 1


def test_the_agents_own_credential_passes_where_the_route_says_so(rig, recorder):
    token = github()
    assert rig.get(get("pass.test", "/", f"Authorization: token {token}\r\n")).status == 200
    refused(rig, "pass.test", get("pass.test", "/", f"X-Note: {token}\r\n"), "header value", detector="token_patterns")
    problem(rig.get(get("pass.test", "/", f"Authorization: token {SECRET}\r\n")), 403, "secret-elsewhere")
    refused(rig, "block.test", get("block.test", "/", f"X-Note: {token}\r\n"), "header value", detector="token_patterns")
    assert rig.get(get("known.test", "/", f"X-Note: {token}\r\n")).status == 200  # the detector is not this route's


# ---- the body

BODIES = {
    "text": ("text/plain", lambda text: b"some words, then " + text.encode() + b" and more"),
    "json": ("application/json", lambda text: b'{"messages":[{"content":"a ' + text.encode() + b'"}]}'),
    "form": ("application/x-www-form-urlencoded", lambda text: b"a=1&b=" + text.encode() + b"&c=3"),
    "parts": ("multipart/form-data; boundary=xx", lambda text: b"--xx\r\nContent-Disposition: form-data; name=a\r\n\r\n" +
              text.encode() + b"\r\n--xx--\r\n"),
}


@pytest.mark.parametrize("writing", WRITINGS)
@pytest.mark.parametrize("kind", BODIES)
def test_a_secret_in_the_body_goes_nowhere(rig, recorder, kind, writing):
    content_type, made = BODIES[kind]
    written = WRITINGS[writing](SECRET)
    body, fields = made(written), f"Content-Type: {content_type}\r\n"
    refused(rig, "block.test", post("block.test", body, fields), "body")
    refused(rig, "block.test", post("block.test", b"w " * 100000 + body, fields), "body")
    assert nothing_of(recorder, written)
    wait_until(lambda: recorder.open == 0)  # nothing of it is kept for another request
    with rig.client(send=post("off.test", body, fields)) as client:
        assert client.message().status == 200
    assert written.encode() in bytes(recorder.raw)


BETWEEN = {"a control character": "\x01", "an escape": "\x1b", "NUL": "\0", "a tab": "\t", "a line end": "\r\n", "a soft hyphen": "\u00ad",
           "a zero-width joiner": "\u200d", "a word joiner": "\u2060", "a byte order mark": "\ufeff", "an ideographic space": "\u3000", "a dash": " - "}


@pytest.mark.parametrize("between", BETWEEN)
def test_a_secret_with_something_between_its_characters_goes_nowhere(rig, recorder, between):
    written = BETWEEN[between].join(SECRET).encode()
    refused(rig, "block.test", post("block.test", b"some words: " + written + b", and more"), "body")
    other = BETWEEN[between].join("ordinarywordsofnosense").encode()
    assert rig.get(post("block.test", b"some words: " + other + b", and more")).status == 200  # the control
    assert other in recorder.raw and written[:40] not in recorder.raw


@pytest.mark.parametrize("writing", ["plain", "base64+1", "hex"])
def test_twelve_characters_of_a_secret_are_enough_and_eleven_are_not(rig, recorder, writing):
    for at in range(0, len(SECRET) - 11):
        written = WRITINGS[writing](SECRET[at:at + 12])
        refused(rig, "block.test", post("block.test", f"some words: {written}, and more".encode()), "body")
    assert nothing_of(recorder, SECRET)
    assert rig.get(post("block.test", f"some words: {WRITINGS[writing](SECRET[3:14])}, and more".encode())).status == 200


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_secret_in_a_compressed_body_goes_nowhere(rig, recorder, coding):
    body = b"words " * 20000 + SECRET.encode() + b" more" * 20000
    packed = gzip.compress(body) if coding == "gzip" else zlib.compress(body)
    fields = f"Content-Encoding: {coding}\r\n"
    refused(rig, "block.test", post("block.test", packed, fields), "body")
    clean = gzip.compress(b"words " * 40000) if coding == "gzip" else zlib.compress(b"words " * 40000)
    with rig.client(send=post("block.test", clean, fields)) as client:  # what holds nothing passes as it is
        assert client.message().status == 200
    assert bytes(recorder.raw).endswith(clean)


@pytest.mark.parametrize("writing", ["plain", "escaped", "base64+1"])
def test_a_secret_is_found_however_the_body_is_cut(rig, recorder, writing):
    """At every byte: between two chunks, and between two writes of one message."""
    written = WRITINGS[writing](SECRET).encode()
    whole = b"a " * 30 + written + b" z" * 30
    for cut in range(60, 60 + len(written) + 1, 1 if writing == "plain" else 5):
        with rig.client(send=chunked("block.test", [whole[:cut], whole[cut:]])) as client:
            problem(client.message(), 403, "dlp-match")
        with rig.client() as client:
            request = post("block.test", whole)
            at = len(request) - len(whole) + cut
            client.send(request[:at])
            client.send(request[at:])
            problem(client.message(), 403, "dlp-match")
    with rig.client(send=chunked("block.test", [bytes([byte]) for byte in whole])) as client:
        problem(client.message(), 403, "dlp-match")
    assert nothing_of(recorder, written.decode())


def test_bodies_without_a_finding_arrive_whole(rig, recorder):
    body = bytes(range(256)) * 4000
    for request in post("block.test", body), chunked("block.test", [body[i:i + 9999] for i in range(0, len(body), 9999)]):
        with rig.client(send=request) as client:
            assert client.message().status == 200
    first, _, rest = bytes(recorder.raw).partition(b"\r\n\r\n" + body)
    assert b"Content-Length: %d" % len(body) in first and rest.startswith(b"POST / HTTP/1.1\r\n")
    assert unchunked(rest.partition(b"\r\n\r\n")[2]) == body


def test_what_was_let_through_before_a_finding_is_cut_off_there(rig, recorder):
    """The upstream has had a part of the request by then: it never sees its end."""
    before = b"w " * 200000
    refused(rig, "block.test", post("block.test", before + SECRET.encode() + before), "body")
    wait_until(lambda: b"w w w" in recorder.raw and recorder.open == 0)
    assert recorder.answered == 0 and nothing_of(recorder, SECRET)


def test_what_is_in_a_name_is_covered_there_and_its_value_stays(rig, recorder):
    said = "a value that is long enough to tell"
    with rig.client(send=get("redact.test", "/", f"X-{github()}: {said}\r\n")) as client:
        assert client.message().status == 200
    wait_until(lambda: said.encode() in recorder.raw)
    assert github()[4:].encode() not in recorder.raw and b"*" * 36 + f": {said}".encode() in recorder.raw


@pytest.mark.parametrize("coding", ["compress", "gzip, gzip, gzip", "x" * 300, "identity," + " " * 300 + "gzip", "," * 300 + "gzip"])
def test_a_coding_that_cannot_be_read_is_refused_under_every_setting(rig, recorder, coding):
    for host in "block.test", "redact.test", "provider.test":
        with rig.client(send=post(host, b"abc", f"Content-Encoding: {coding}\r\n")) as client:
            body = problem(client.message(), 403, "dlp-structure")
        assert body["host"] == host
        rig.worker.line(reason="dlp-structure", detector="structural", host=host)
    assert recorder.answered == 0
    with rig.client(send=post("off.test", b"abc", f"Content-Encoding: {coding}\r\n")) as client:  # the control
        assert client.message().status == 200


def test_a_bomb_is_refused_in_little_time_and_memory(rig, recorder):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(b"\0" * (1 << 20)) for _ in range(1 << 8)) + packer.flush()  # 256 KiB → 256 MiB
    before = rig.worker.memory("VmHWM")
    with rig.client(send=post("block.test", bomb, "Content-Encoding: gzip\r\n")) as client:
        problem(client.message(), 403, "dlp-structure")
    assert rig.worker.memory("VmHWM") - before < 65536  # KiB
    assert recorder.answered == 0


# ---- time

@pytest.fixture(scope="module")
def long_timed():
    clock = Clock()
    made = Rig(environment=clock.environment)
    made.clock = clock
    made.worker.apply(*ROUTES, secrets=SECRETS)
    made.resolver.names.update({"block.test": [PUBLIC], "off.test": [PUBLIC]})
    yield made
    made.close()
    clock.close()


@pytest.fixture
def timed(long_timed):
    yield long_timed
    long_timed.clear()


def settle(rig):
    assert rig.get(get("denied.test")).status == 403


def test_a_secret_that_is_dripped_byte_by_byte_is_found(timed):
    recorder = Recorder(timed)
    request = post("block.test", b"some words " + SECRET.encode() + b" more")
    at = request.index(b"some words ") + 11
    with timed.client(send=request[:at]) as client:
        wait_until(lambda: recorder.raw.endswith(b"\r\n\r\n"))  # no dial has its time now
        for byte in request[at:]:
            settle(timed)
            timed.clock.forward(1)
            client.send(bytes([byte]))
        problem(client.message(), 403, "dlp-match")
    assert nothing_of(recorder, SECRET) and b"some words" not in recorder.raw


def test_what_is_held_back_leaves_by_no_pause_and_ends_with_408(timed):
    recorder = Recorder(timed)
    body = b"words " * 100
    with timed.client(send=post("block.test", body)[:-1]) as client:
        wait_until(lambda: recorder.raw.endswith(b"\r\n\r\n"))
        settle(timed)
        timed.clock.forward(590)
        settle(timed)
        assert select.select([client.stream], [], [], 0.3)[0] == [] and b"words" not in recorder.raw
        timed.clock.forward(20)
        settle(timed)
        problem(client.message(), 408, "http-timeout")
    assert b"words" not in recorder.raw


# ---- covering

def test_redaction_leaves_a_message_that_can_be_read(rig, recorder):
    text = json.dumps({"a": f"x {LOGIN} y", "b": [SECRET, json.loads(f'"{json_escaped("more")}"')]}).encode()
    with rig.client(send=post("redact.test", text, "Content-Type: application/json\r\n")) as client:
        assert client.message().status == 200
    head, body = covered(recorder)
    assert json.loads(body) == {"a": f"x {'*' * len(LOGIN)} y", "b": ["*" * len(SECRET), "more"]}
    assert b"Content-Length: %d" % len(text) in head
    line = rig.worker.line(verdict="redact", host="redact.test", surface="body")
    assert (line["detector"], line["surface"], line["status"]) == ("known_secrets", "body", 200)
    form = urllib.parse.urlencode({"a": LOGIN, "b": "c d"}).encode()
    with rig.client(send=post("redact.test", form, "Content-Type: application/x-www-form-urlencoded\r\n")) as client:
        assert client.message().status == 200
    fields = urllib.parse.parse_qs(covered(recorder)[1].decode())
    assert set(fields["a"][0]) == {"*"} and fields["b"] == ["c d"]
    parts = [b"begin ", SECRET[:7].encode(), SECRET[7:].encode(), b" end"]
    with rig.client(send=chunked("redact.test", parts)) as client:
        assert client.message().status == 200
    assert b"begin " + b"*" * len(SECRET) + b" end" in recorder.raw and nothing_of(recorder, SECRET)


def test_redaction_covers_a_long_body_in_every_place(rig, recorder):
    filler = b"words in between " * 1500
    text = filler.join([SECRET.encode()] * 12)
    with rig.client(send=post("redact.test", text)) as client:
        assert client.message().status == 200
    assert covered(recorder)[1] == filler.join([b"*" * len(SECRET)] * 12)


def test_redaction_covers_path_query_and_fields_and_the_rules_see_what_goes_on(rig, recorder):
    token = github()
    fields = f"X-Note: a {token} b\r\nX-{token}: c\r\n"
    assert rig.get(get("redact.test", f"/a/{token}/b?q={token}&r=1", fields)).status == 200
    stars = "ghp_" + "*" * 36  # what is fixed in a token is no secret
    raw = bytes(recorder.raw).decode()
    assert raw.startswith(f"GET /a/{stars}/b?q={stars}&r=1 HTTP/1.1\r\n"), raw
    assert f"\r\nX-Note: a {stars} b\r\nX-{stars}: c\r\n" in raw
    rig.worker.line(host="redact.test", verdict="redact", path=f"/a/{stars}/b")
    assert rig.get(get("matched.test", f"/v1/{token}")).status == 200
    problem(rig.get(get("matched.test", f"/{token}")), 403, "path-not-allowed")
    assert nothing_of(recorder, token[4:])


def test_a_compressed_body_is_refused_where_it_would_have_to_be_covered(rig, recorder):
    packed = gzip.compress(f"a {SECRET} b".encode())
    refused(rig, "redact.test", post("redact.test", packed, "Content-Encoding: gzip\r\n"), "body")
    assert recorder.answered == 0


# ---- a transcript

def test_a_transcript_is_covered_and_never_ends(rig, recorder):
    rig.worker.forget()
    turns = [{"role": "user", "content": "hello"}]
    for turn in range(4):
        turns.append({"role": "assistant", "content": f"turn {turn}: {SECRET}"})
        body = json.dumps({"messages": turns}).encode()
        with rig.client(send=post("provider.test", body, "Content-Type: application/json\r\n")) as client:
            assert client.message().status == 200
        said = json.loads(covered(recorder)[1])["messages"]
        assert [t["content"] for t in said[1:]] == [f"turn {n}: {'*' * len(SECRET)}" for n in range(turn + 1)]
    assert nothing_of(recorder, SECRET)
    line = rig.worker.line(host="provider.test")
    assert (line["verdict"], line["detector"], line["pattern"]) == ("redact", "known_secrets", "TOKEN")


def test_a_canary_is_an_alarm_but_in_a_transcript(rig, recorder):
    with rig.client(send=post("block.test", CANARY.encode(), path="/canary")) as client:
        problem(client.message(), 403, "dlp-match")
    line = rig.worker.line(path="/canary", host="block.test")
    assert (line["verdict"], line["pattern"], line["surface"]) == ("alarm", "STOPPER_CANARY", "body")
    for n in range(2):
        with rig.client(send=post("provider.test", b"told: " + CANARY.encode(), path="/canary")) as client:
            assert client.message().status == 200
    line = rig.worker.line(path="/canary", host="provider.test")
    assert (line["verdict"], line["pattern"]) == ("redact", "STOPPER_CANARY") and nothing_of(recorder, CANARY)
    assert not any(each["verdict"] == "alarm" for each in rig.worker.lines if each["host"] == "provider.test")


def test_a_transcript_that_is_compressed_goes_on_unpacked(rig, recorder):
    text = json.dumps({"a": [SECRET, "words " * 200000, LOGIN]}).encode()
    stars = json.dumps({"a": ["*" * len(SECRET), "words " * 200000, "*" * len(LOGIN)]}).encode()
    codings = {"gzip": gzip.compress(text), "deflate": zlib.compress(text)}
    for coding, packed in codings.items():
        fields = f"Content-Type: application/json\r\nContent-Encoding: {coding}\r\n"
        with rig.client(send=post("provider.test", packed, fields)) as client:
            assert client.message().status == 200
        head, body = covered(recorder)
        assert b"Content-Encoding" not in head and b"Content-Length" not in head and unchunked(body) == stars
    for coding, packed in codings.items():  # a connection each, whose bytes may come late
        with rig.client(send=post("provider.test", packed[:-20], f"Content-Encoding: {coding}\r\n")) as client:
            problem(client.message(), 403, "dlp-structure")
    assert nothing_of(recorder, SECRET) and nothing_of(recorder, LOGIN)


def test_a_transcript_with_a_thousand_findings_is_covered_too(rig, recorder):
    text = b", ".join([SECRET.encode(), b"words between"] * 1000)
    with rig.client(send=post("provider.test", text)) as client:
        assert client.message().status == 200
    assert covered(recorder)[1] == text.replace(SECRET.encode(), b"*" * len(SECRET))
    with rig.client(send=post("matched.test", text, path="/v1")) as client:  # elsewhere it is a violation
        problem(client.message(), 403, "dlp-structure")


# ---- over several requests

def test_a_secret_in_two_requests_is_found_and_the_connection_closed(rig, recorder):
    with rig.client(send=get("block.test", f"/?a={SECRET[:11]}")) as client:
        assert client.message().status == 200
        client.send(get("block.test", f"/?a={SECRET[11:]}"))
        message = client.message()
        body = problem(message, 403, "dlp-match")
        assert message.field("connection") == "close" and client.rest() == b""
    line = rig.worker.line(id=body["event_id"])
    assert (line["verdict"], line["detector"]) == ("alarm", "known_secrets")
    assert SECRET[11:].encode() not in recorder.raw
    assert rig.get(get("block.test", "/?a=other")).status == 200


def test_in_a_transcript_what_goes_on_from_an_earlier_body_is_covered_too(rig, recorder):
    with rig.client(send=post("provider.test", b"the end is " + SECRET[:11].encode())) as client:
        assert client.message().status == 200
        client.send(post("provider.test", SECRET[11:].encode() + b" is the beginning"))
        assert client.message().status == 200  # on the same connection
    assert covered(recorder)[1] == b"*" * (len(SECRET) - 11) + b" is the beginning"
    line = rig.worker.line(host="provider.test", verdict="redact", pattern="TOKEN")
    assert line["surface"] == "body" and not any(each["verdict"] == "alarm" for each in rig.worker.lines if each["host"] == "provider.test")
