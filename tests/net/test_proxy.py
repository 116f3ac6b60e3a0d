# SPDX-License-Identifier: GPL-3.0-or-later
"""stopper-proxy as its clients and upstreams see it: what passes, what is refused and how it is said, what is written."""
import json
import socket
import time

import pytest

from proxy_rig import (CLOSING, DIALLED, ECH, OTHER, PUBLIC, SERVER, SIDECAR, WAIT, Client, Reader, Rig, hello, tls_client, wait_until)

ALERT = bytes.fromhex("15030300020231")  # fatal, access_denied(49)
DECODE_ERROR = bytes.fromhex("15030300020232")


@pytest.fixture
def rig():
    made = Rig()
    yield made
    made.close()


@pytest.fixture
def plain(rig):
    return name_all(rig)


@pytest.fixture(scope="module")
def long_lived():
    made = name_all(Rig())
    yield made
    made.close()


@pytest.fixture
def shared(long_lived):
    """One worker for many attacks, which it has to outlive; lines and upstreams are each test's own."""
    long_lived.worker.forget()
    yield long_lived
    while long_lived.things:
        long_lived.things.pop().close()


def name_all(rig):
    """plain.test over HTTP, secure.test over TLS, *.wild.test over HTTP; the names lead to PUBLIC, SERVER and OTHER."""
    rig.worker.apply("plain.test", {"host": "secure.test", "tls": {"passthrough": True}}, "*.wild.test", "other.test")
    rig.resolver.names.update({"plain.test": [PUBLIC], "secure.test": [SERVER], "a.wild.test": [OTHER], "other.test": [OTHER]})
    return rig


def get(host, path="/", fields=""):
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n".encode()


def problem(message, status, name):
    """The shape of every refusal over HTTP; returns its JSON."""
    assert message.status == status, message.raw
    if message.body:
        body = message.json
        assert message.field("content-type") == "application/problem+json"
        assert body["type"] == f"urn:stopper:denial:{name}" and body["status"] == status
        assert set(body) == {"type", "title", "status", "detail", "host", "rule", "event_id", "hint"}
        assert body["title"] in body["detail"] and body["hint"]
        return body
    return None


def is_reset(space, port, address=DIALLED):
    """Whether a connection is reset before anything is said on it, perhaps before connect() has returned."""
    try:
        with Client(space, port, address) as client:
            return client.rest() == "reset"
    except ConnectionResetError:
        return True


# ---- HTTP that passes

def test_an_allowed_request_is_written_anew_and_sent_to_the_name_not_to_the_address_that_was_dialled(plain):
    upstream = plain.upstream()
    message = plain.get(b"GET http://PLAIN.test/a?secret=1 HTTP/1.1\r\nhOST: plain.TEST:80\r\nX:y \r\nConnection: x-hop\r\n"
                        b"X-Hop: 1\r\nTE: trailers\r\n\r\n")
    assert message.status == 200 and message.body == b"hello"
    assert upstream.requests == [b"GET /a?secret=1 HTTP/1.1\r\nHost: plain.test\r\nX: y\r\n\r\n"]
    line = plain.worker.line(verdict="allow")
    wanted = {"kind": "http", "rule": "plain.test", "host": "plain.test", "method": "GET", "path": "/a", "status": 200,
              "address": DIALLED, "port": 80, "upstream": f"{PUBLIC}:80", "generation": 1, "bytes_out": len(upstream.requests[0])}
    assert {key: line.get(key) for key in wanted} == wanted and "secret" not in json.dumps(line)
    assert line["bytes_in"] > 0 and "reason" not in line


def test_a_kept_connection_serves_requests_in_order_each_judged_by_itself(plain):
    first, second = plain.upstream(), plain.upstream(OTHER, serve=None)
    with plain.client(send=get("plain.test", "/1") + get("denied.test", "/2") + get("plain.test", "/3") +
                      get("a.wild.test", "/4") + get("plain.test", "/5")) as client:
        answers = [client.message() for _ in range(5)]
        assert [answer.status for answer in answers] == [200, 403, 200, 200, 200]
        client.send(get("plain.test", "/6"))
        assert client.message().body == b"hello"
    assert [r.split()[1] for r in first.requests] == [b"/1", b"/3", b"/5", b"/6"] and len(second.requests) == 1
    assert first.accepted == 1 and second.accepted == 1  # kept, whatever comes between
    assert plain.worker.line(path="/4")["rule"] == "*.wild.test"
    assert plain.worker.line(path="/2")["verdict"] == "block"


def test_bodies_pass_in_both_codings_both_ways_and_trailers_do_not(plain):
    chunks = b"5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n"
    upstream = plain.upstream(serve=lambda stream: upstream.answer(
        stream, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n" + chunks))
    with plain.client() as client:
        for framing, body in ((b"Content-Length: 11\r\n\r\n", b"hello world"), (b"Transfer-Encoding: chunked\r\n\r\n", chunks)):
            client.send(b"POST / HTTP/1.1\r\nHost: plain.test\r\n" + framing + body)
            answer = client.message()
            assert answer.body == b"hello world" and b"X-Sum" not in answer.raw and b"ext" not in answer.raw
    assert upstream.requests[0].endswith(b"Content-Length: 11\r\n\r\nhello world")
    assert b"Transfer-Encoding: chunked\r\n\r\n" in upstream.requests[1] and b"X-Sum" not in upstream.requests[1]
    assert upstream.accepted == 1


def test_answers_without_a_body_and_interim_ones(plain):
    replies = {b"/204": b"HTTP/1.1 204 No Content\r\n\r\n", b"/304": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
               b"/hints": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
               b"/head": b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\nAlt-Svc: h3=\":443\"\r\n\r\n"}

    def serve(stream):
        while request := upstream.read_request(stream):
            stream.sendall(replies[request.start.split()[1].encode()])
    upstream = plain.upstream(serve=serve)
    with plain.client() as client:
        client.send(get("plain.test", "/204"))
        assert client.message().status == 204
        client.send(get("plain.test", "/304"))
        assert client.message().field("content-length") == "9"
        client.send(get("plain.test", "/hints"))
        assert client.message().field("link") == "</x>" and client.message().body == b"ok"
        client.send(get("plain.test", "/head").replace(b"GET", b"HEAD"))
        head = client.message(to_head=True)
        assert head.field("content-length") == "999" and head.field("alt-svc") is None
        client.send(get("denied.test", "/head").replace(b"GET", b"HEAD"))
        assert client.message(to_head=True).status == 403
        client.send(get("plain.test", "/204"))
        assert client.message().status == 204  # the refusal to HEAD had no body either
    assert upstream.accepted == 1
    old = plain.client(send=b"GET /hints HTTP/1.0\r\nHost: plain.test\r\n\r\n").rest()
    assert b"103" not in old and old.endswith(b"\r\n\r\nok")


def test_a_close_delimited_answer_is_chunked_for_1_1_and_closed_for_1_0(plain):
    def serve(stream):
        upstream.read_request(stream)
        stream.sendall(b"HTTP/1.0 200 OK\r\n\r\nhello ")
        stream.sendall(b"world")
    upstream = plain.upstream(serve=serve)
    with plain.client(send=get("plain.test")) as client:
        answer = client.message()
        assert answer.body == b"hello world" and answer.field("transfer-encoding") == "chunked"
        client.send(get("plain.test"))
        assert client.message().body == b"hello world"
    old = plain.client(send=b"GET / HTTP/1.0\r\nHost: plain.test\r\nConnection: keep-alive\r\n\r\n").rest()
    assert old.startswith(b"HTTP/1.1 200 OK\r\nConnection: close\r\n") and old.endswith(b"\r\n\r\nhello world")


def test_expect_100_continue_is_passed_on_and_answered_by_the_upstream(plain):
    def serve(stream):
        head = Reader(stream).until(b"\r\n\r\n")
        upstream.requests.append(head)
        stream.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        upstream.requests.append(Reader(stream).exactly(5))
        stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    upstream = plain.upstream(serve=serve)
    with plain.client(send=b"PUT / HTTP/1.1\r\nHost: plain.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n") as client:
        assert client.message().status == 100
        client.send(b"hello")
        assert client.message().status == 200
    assert b"Expect: 100-continue\r\n" in upstream.requests[0] and upstream.requests[1] == b"hello"


def test_an_offer_of_http2_in_clear_is_left_unanswered(plain):
    upstream = plain.upstream()
    answer = plain.get(get("plain.test", "/", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"))
    assert answer.status == 200 and upstream.requests == [b"GET / HTTP/1.1\r\nHost: plain.test\r\n\r\n"]


def test_a_half_closed_client_still_gets_its_answer(plain):
    plain.upstream()
    with plain.client(send=get("plain.test")) as client:
        client.stream.shutdown(socket.SHUT_WR)
        assert client.rest().endswith(b"\r\n\r\nhello")


def test_a_kept_upstream_that_went_away_is_not_the_clients_trouble(plain):
    def serve(stream):  # answers one request a connection, and closes only when the next one has come
        upstream.read_request(stream)
        stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        stream.recv(1)
    upstream = plain.upstream(serve=serve)
    with plain.client() as client:
        for _ in range(3):
            client.send(get("plain.test"))
            assert client.message().body == b"ok"
        client.send(b"POST / HTTP/1.1\r\nHost: plain.test\r\nContent-Length: 0\r\n\r\n")  # may have been done: not repeated
        problem(client.message(), 502, "upstream-malformed")
    assert upstream.accepted == 3


# ---- HTTP that is refused

REFUSED = [
    (80, get("denied.test"), 403, "host-not-allowed"),
    (80, get("test"), 403, "host-not-allowed"),
    (80, get("wild.test"), 403, "host-not-allowed"),
    (80, get("192.0.2.1"), 403, "address-literal"),
    (80, get("[2001:db8::1]"), 403, "address-literal"),
    (80, get("2130706433"), 403, "address-literal"),
    (80, get("secure.test"), 403, "tls-required"),
    (80, get("plain.test:8080"), 403, "port-not-allowed"),
    (8080, get("plain.test:8080"), 403, "port-not-allowed"),
    (443, get("plain.test:443"), 403, "port-not-allowed"),
    (8080, get("plain.test"), 403, "port-not-allowed"),
    (80, b"CONNECT plain.test:443 HTTP/1.1\r\nHost: plain.test:443\r\n\r\n", 405, "http-method"),
    (80, get("plain.test").replace(b"GET", b"TRACE"), 405, "http-method"),
    (80, get("plain.test").replace(b"GET", b"FROB"), 405, "http-method"),
    (80, get("plain.test", "/", "Connection: Upgrade\r\nUpgrade: websocket\r\n"), 403, "upgrade"),
    (80, get("plain.test", "/", "Expect: miracles\r\n"), 417, "http-expectation"),
    (80, get("plain.test").replace(b"1.1", b"1.2"), 505, "http-version"),
    (80, get("plain.test", "/", "X: " + "x" * 70000 + "\r\n"), 431, "http-head-too-large"),
    (80, get("plain.test", "/", "X: y\r\n" * 300), 431, "http-head-too-large"),
]


@pytest.mark.parametrize("port, request_bytes, status, name", REFUSED, ids=[f"{i}-{r[3]}" for i, r in enumerate(REFUSED)])
def test_refusals_are_readable_and_written(plain, port, request_bytes, status, name):
    upstream = plain.upstream()
    answer = plain.get(request_bytes, port)
    body = problem(answer, status, name)
    assert (answer.field("allow") is not None) == (status == 405)
    line = plain.worker.line(kind="http", verdict="block", reason=name)
    assert line["id"] == body["event_id"] and line["status"] == status and line["port"] == port
    assert line["address"] == DIALLED and line.get("host", "") == body["host"] and "upstream" not in line
    assert plain.get(get("plain.test")).status == 200  # the control, after it
    assert len(upstream.requests) == 1


P = b"POST / HTTP/1.1\r\nHost: plain.test\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: plain.test\r\n\r\n"
ATTACKS = {
    "CL.TE": P + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX",
    "TE.CL": P + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n" + SMUGGLED,
    "two lengths": P + b"Content-Length: 0\r\nContent-Length: 40\r\n\r\n" + SMUGGLED,
    "a list of lengths": P + b"Content-Length: 0, 40\r\n\r\n" + SMUGGLED,
    "a sign": P + b"Content-Length: +0\r\n\r\n" + SMUGGLED,
    "TE.TE": P + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a disguised TE": P + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a tab before TE": P + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "an underscore": P + b"Transfer_Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a space before the colon": P + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "TE in 1.0": P.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "folding": P + b"X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a bare LF": P + b"X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "only bare LFs": P.replace(b"\r", b"") + b"\n" + SMUGGLED,
    "a bare CR": P + b"X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "CR CR LF": P + b"X: y\r\r\n\r\n" + SMUGGLED,
    "an end of CR LF CR X": P + b"\rX" + SMUGGLED,
    "NUL": P + b"X: y\0z\r\n\r\n" + SMUGGLED,
    "a leading empty line": b"\r\n" + SMUGGLED,
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": get("plain.test", "/", "Host: denied.test\r\n"),
    "another host in the target": b"GET http://denied.test/ HTTP/1.1\r\nHost: plain.test\r\n\r\n",
    "https in the target": b"GET https://plain.test/ HTTP/1.1\r\nHost: plain.test\r\n\r\n",
    "user information": b"GET http://plain.test@denied.test/ HTTP/1.1\r\nHost: plain.test@denied.test\r\n\r\n",
    "a trailing dot": get("plain.test."),
    "two spaces": b"GET /  HTTP/1.1\r\nHost: plain.test\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_ambiguous_heads_are_400_and_nothing_goes_upstream(shared, attack):
    upstream = shared.upstream()
    with shared.client(send=ATTACKS[attack]) as client:
        answer = client.message()
        problem(answer, 400, "http-malformed")
        assert answer.field("connection") == "close" and client.rest() == b""
    assert shared.worker.line(kind="http", verdict="block", reason="http-malformed", status=400)
    assert upstream.accepted == 0
    assert shared.get(P + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n").status == 200  # the control


@pytest.mark.parametrize("body", [b"5\nhello\r\n0\r\n\r\n", b"5\r\nhelloX\r\n0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n",
                                  b"5 \r\nhello\r\n0\r\n\r\n", b"5;" + b"x" * 300 + b"\r\nhello\r\n0\r\n\r\n",
                                  b"FFFFFFFFFFFFFFFF\r\nhello", b"0\r\nHost: denied.test\r\n\r\n", b"0\r\n\rX"])
def test_bodies_that_are_badly_framed_end_the_connection(shared, body):
    def serve(stream):
        Reader(stream).until(b"\r\n\r\n")
        seen.append(stream.recv(65536))
        seen.append(stream.recv(65536))
    seen = []
    shared.upstream(serve=serve)
    with shared.client(send=P + b"Transfer-Encoding: chunked\r\n\r\n" + body + SMUGGLED) as client:
        answer = client.message()
        problem(answer, 400, "http-malformed")
        assert answer.field("connection") == "close" and client.rest() == b""
    assert shared.worker.line(kind="http", reason="http-malformed")
    wait_until(lambda: len(seen) == 2 or not seen)
    assert b"smuggled" not in b"".join(seen) and not b"".join(seen).endswith(b"0\r\n\r\n")


# ---- upstreams that misbehave

BAD_ANSWERS = [b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
               b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
               b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", b"HTTP/1.1 101 Switching\r\n\r\n",
               b"HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n", b"SSH-2.0-x\r\n", b"", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70000,
               b"HTTP/1.1 103 Early Hints\r\n\r\n" * 20, b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"]


@pytest.mark.parametrize("number", range(len(BAD_ANSWERS)))
def test_a_malformed_answer_is_a_502(shared, number):
    def serve(stream):
        upstream.read_request(stream)
        stream.sendall(BAD_ANSWERS[number])
    upstream = shared.upstream(serve=serve)
    with shared.client(send=get("plain.test")) as client:
        answer = client.message()
        while answer.status == 103:
            answer = client.message()
        problem(answer, 502, "upstream-malformed")
    assert shared.worker.line(kind="http", reason="upstream-malformed", status=502)["verdict"] == "allow"  # it was forwarded


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
                                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
                                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nZ\r\n"])
def test_an_answer_that_is_cut_short_never_looks_whole(shared, answer):
    def serve(stream):
        upstream.read_request(stream)
        stream.sendall(answer.replace(b"\r\n", b"\r\nContent-Type: image/png\r\n", 1))  # of text the head would wait
    upstream = shared.upstream(serve=serve)
    with shared.client(send=get("plain.test")) as client:
        got = client.rest()
        assert got == "reset" or got[1] == "reset"
    assert shared.worker.line(kind="http", verdict="allow", reason="upstream-malformed", status=200)


def test_unsolicited_bytes_of_a_kept_upstream_never_become_an_answer(plain):
    def serve(stream):
        upstream.read_request(stream)
        stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        upstream.read_request(stream)
    upstream = plain.upstream(serve=serve)
    with plain.client() as client:
        for _ in range(2):
            client.send(get("plain.test"))
            assert client.message().body == b"ok"
    assert upstream.accepted == 2


def test_names_and_addresses_that_lead_nowhere(plain):
    plain.worker.apply("nowhere.test", "filtered.test", "lan.test", "loop.test", "own.test", "closed.test", "some.test",
                       {"host": "allowed-lan.test", "allow_private": ["10.9.9.0/24"]})
    plain.resolver.names.update({"nowhere.test": ("rcode", 3, None), "filtered.test": ("rcode", 2, 17), "lan.test": ["10.9.9.9"],
                                 "loop.test": ["127.0.0.1"], "own.test": ["198.51.100.77"], "closed.test": [OTHER],
                                 "allowed-lan.test": ["10.9.9.9"], "some.test": ["127.0.0.1", OTHER, PUBLIC]})
    for name, status, reason in (("nowhere.test", 502, "name-unresolved"), ("filtered.test", 403, "address-refused"),
                                 ("lan.test", 403, "address-refused"), ("loop.test", 403, "address-refused"),
                                 ("own.test", 403, "address-refused"), ("closed.test", 502, "upstream-unreachable")):
        upstream = plain.upstream("0.0.0.0") if name != "closed.test" else None  # listens on all that must not be dialled
        problem(plain.get(get(name)), status, reason)
        assert plain.worker.line(host=name, reason=reason)["verdict"] == "block"
        if upstream:
            assert upstream.accepted == 0
            plain.things.remove(upstream)
            upstream.close()
    lan, good = plain.upstream("10.9.9.9"), plain.upstream(PUBLIC)
    assert plain.get(get("allowed-lan.test")).status == 200 and lan.accepted == 1
    assert plain.get(get("some.test")).status == 200 and good.accepted == 1  # refused, closed, then one that serves


def test_a_resolver_that_is_silent_for_a_moment_is_asked_again_and_one_that_stays_so_is_a_502(plain):
    upstream = plain.upstream(serve=lambda stream: upstream.answer(stream, CLOSING))
    del plain.resolver.names["plain.test"]
    with plain.client(send=get("plain.test")) as client:
        wait_until(lambda: "plain.test" in plain.resolver.asked)
        plain.resolver.names["plain.test"] = [PUBLIC]
        assert client.message().status == 200
    plain.resolver.names.clear()
    began = time.monotonic()
    problem(plain.get(get("plain.test")), 502, "name-unresolved")
    assert 4.5 < time.monotonic() - began < 7


def test_a_slow_reader_stops_the_upstream_and_a_slow_upstream_stops_the_agent(plain):
    sent = [0]

    def serve(stream):
        upstream.read_request(stream)
        stream.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        stream.settimeout(2)
        while True:
            sent[0] += stream.send(b"x" * 65536)
    upstream = plain.upstream(serve=serve)
    with plain.client(send=get("plain.test")) as client:
        client.stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        wait_until(lambda: not upstream.threads[-1].is_alive() if upstream.threads else False)
        assert sent[0] < 40 << 20  # what kernels buffer, not what the upstream has

    def deaf(stream):
        Reader(stream).until(b"\r\n\r\n")
        time.sleep(4)
    plain.things.remove(upstream)
    upstream.close()
    plain.upstream(serve=deaf)
    with plain.client(send=P + b"Content-Length: 1000000000\r\n\r\n") as client:
        client.stream.settimeout(2)
        total = 0
        with pytest.raises(TimeoutError):
            while True:
                total += client.stream.send(b"x" * 65536)
        assert total < 40 << 20


# ---- TLS

def test_tls_passes_by_its_name_end_to_end(plain):
    server = plain.nginx()
    with plain.client(443) as client, tls_client(client, "secure.test", server.ca) as stream:
        stream.sendall(b"GET /small HTTP/1.0\r\n\r\n")
        assert stream.recv(65536)
    done = plain.run("curl", "-sS", "--cacert", server.ca, "--resolve", f"secure.test:443:{DIALLED}", "https://secure.test/small")
    assert (done.returncode, done.stdout) == (0, b"small\n"), done.stderr
    line = plain.worker.line(kind="tls", verdict="allow", alpn="h2,http/1.1")
    wanted = {"rule": "secure.test", "host": "secure.test", "tls_version": "1.3", "upstream": f"{SERVER}:443",
              "address": DIALLED, "port": 443}
    assert {key: line.get(key) for key in wanted} == wanted and line["bytes_in"] > 500 and line["bytes_out"] > 500


@pytest.mark.parametrize("cut", [None, 1, 100])
def test_the_hello_is_replayed_byte_for_byte_and_half_closes_are_kept(plain, cut):
    seen = []

    def serve(stream):
        data = b""
        while got := stream.recv(65536):
            data += got
        seen.append(data)
        stream.sendall(b"answer")
    plain.upstream(SERVER, 443, serve)
    first = hello(cut=cut) + b"\x17\3\3\0\5early"
    with plain.client(443) as client:
        for i in range(0, len(first), 7):
            client.send(first[i:i + 7])
        client.send(b"later")
        client.stream.shutdown(socket.SHUT_WR)
        assert client.rest() == b"answer"
    assert seen == [first + b"later"]
    assert plain.worker.line(kind="tls", verdict="allow", bytes_out=len(first) + 5, bytes_in=6)


TLS_REFUSED = [
    (443, hello(extra=ECH), ALERT, "tls-ech"),
    (443, hello("secure.test."), DECODE_ERROR, "tls-malformed"),
    (443, hello("a b"), DECODE_ERROR, "tls-malformed"),
    (443, hello(b"secure.test\0.denied.test"), DECODE_ERROR, "tls-malformed"),
    (443, hello(extra=hello("x")[-10:]), DECODE_ERROR, "tls-malformed"),
    (443, b"\x16\3\1\0\5\2....", DECODE_ERROR, "tls-malformed"),
    (443, b"\x16\3\1\xff\xff", DECODE_ERROR, "tls-malformed"),
]


@pytest.mark.parametrize("port, sent, alert, name", TLS_REFUSED, ids=[f"{i}-{r[3]}" for i, r in enumerate(TLS_REFUSED)])
def test_tls_is_refused_by_an_alert(shared, port, sent, alert, name):
    with shared.client(port, send=sent) as client:
        assert client.rest() == alert
    line = shared.worker.line(kind="tls", verdict="block", reason=name, port=port)
    assert line["address"] == DIALLED and "upstream" not in line


def test_ech_passes_where_the_route_says_so(plain):
    upstream = plain.upstream(SERVER, 443, lambda stream: stream.sendall(stream.recv(65536)))
    plain.worker.apply({"host": "secure.test", "tls": {"passthrough": True, "ech": "allow"}})
    with plain.client(443, send=hello(extra=ECH)) as client:
        client.stream.shutdown(socket.SHUT_WR)
        assert client.rest() == hello(extra=ECH)
    assert upstream.accepted == 1


def test_tls_to_an_upstream_that_is_not_there(plain):
    with plain.client(443, send=hello()) as client:
        assert client.rest() == ALERT
    assert plain.worker.line(kind="tls", verdict="block", reason="upstream-unreachable")["upstream"] == f"{SERVER}:443"


# ---- everything else

def test_ssh_prints_the_reason(plain):
    done = plain.run("ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                     "-F", "none", f"git@{DIALLED}")
    assert done.returncode == 255 and b"SSH is not a way out of this bottle." in done.stderr, done.stderr
    line = plain.worker.line(kind="tcp", verdict="block", reason="ssh", port=22)
    assert line["protocol"] == "ssh" and line["id"].encode() in done.stderr


@pytest.mark.parametrize("port", [80, 443, 25, 65535])
def test_other_protocols_are_reset(shared, port):
    with shared.client(port, send=b"\0\1\2\3hello\r\n") as client:
        assert client.rest() == "reset"
    assert shared.worker.line(kind="tcp", verdict="block", reason="protocol-unknown", port=port)["address"] == DIALLED


def test_a_client_that_says_nothing_is_reset_soon_on_ports_where_nothing_is_allowed(plain):
    began = time.monotonic()
    with plain.client(5432) as client:
        assert client.rest() == "reset"
    assert 0.8 < time.monotonic() - began < 3
    assert plain.worker.line(kind="tcp", verdict="block", reason="client-silent", port=5432)


def test_http2_with_prior_knowledge_is_told_to_use_1_1(plain):
    with plain.client(send=b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0") as client:
        answer = client.rest()
    assert answer[:9] == b"\0\0\0\4\0\0\0\0\0" and answer[12] == 7 and answer[22:26] == b"\0\0\0\x0d"
    assert answer.endswith(b"Only HTTP/1.0 and HTTP/1.1 are understood here.")
    assert plain.worker.line(kind="tcp", verdict="block", reason="http-version", protocol="h2")


def test_a_dial_of_the_proxys_own_port_is_reset(plain):
    for space in (plain.agent, plain.sidecar):  # redirected to itself: the original destination is its own; not redirected
        assert is_reset(space, 9443, SIDECAR)
    assert plain.worker.line(kind="tcp", verdict="block", reason="not-redirected")
    assert problem(plain.get(get("denied.test")), 403, "host-not-allowed")  # the control: a redirected one is answered


def test_without_a_policy_everything_is_denied(rig):
    rig.resolver.names["plain.test"] = [PUBLIC]
    upstream = rig.upstream()
    problem(rig.get(get("plain.test")), 503, "no-policy")
    with rig.https("plain.test") as client:
        client.send(get("plain.test"))
        problem(client.message(), 503, "no-policy")
    with rig.client(22, send=b"SSH-2.0-x\r\n") as client:
        assert b"No policy is loaded" in client.rest()
    assert {line["reason"] for line in rig.worker.lines} <= {"no-policy"}
    assert upstream.accepted == 0 and not rig.resolver.asked
    rig.worker.apply("plain.test")
    assert rig.get(get("plain.test")).status == 200


# ---- policy changes, audit, life

def test_a_new_policy_ends_what_it_does_not_allow_and_nothing_else(plain):
    gate = [False]

    def slow(stream):
        stream.recv(65536)
        stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        wait_until(lambda: gate[0])
        stream.sendall(b"world")
    plain.upstream(PUBLIC, 80, slow)
    plain.upstream(OTHER, 80, slow)
    plain.upstream(SERVER, 443, lambda stream: (stream.sendall(b"tunnel"), stream.recv(65536), stream.recv(1)))
    plain.worker.apply("plain.test", "other.test", {"host": "secure.test", "tls": {"passthrough": True}},
                       {"host": "stay.test", "tls": {"passthrough": True}})
    plain.resolver.names["stay.test"] = [SERVER]
    stays, goes = plain.client(send=get("plain.test")), plain.client(send=get("other.test"))
    tunnel, kept = plain.client(443, send=hello()), plain.client(443, send=hello("stay.test"))
    for client in (stays, goes):
        assert client.reader.until(b"hello").endswith(b"hello")
    for client in (tunnel, kept):
        assert client.reader.exactly(6) == b"tunnel"
    plain.worker.apply("plain.test", {"host": "stay.test", "tls": {"passthrough": True}})
    assert goes.rest() == "reset" and tunnel.rest() == "reset"
    for kind, host in (("http", "other.test"), ("tls", "secure.test")):
        assert plain.worker.line(kind=kind, host=host)["reason"] == "host-not-allowed"
    gate[0] = True
    assert stays.reader.exactly(5) == b"world"
    kept.send(b"still")
    for client in (stays, goes, tunnel, kept):
        client.close()
    assert "reason" not in plain.worker.line(kind="http", host="plain.test")


def test_a_request_that_is_being_dialled_meets_the_new_policy(plain):
    upstream = plain.upstream()
    del plain.resolver.names["plain.test"]
    with plain.client(send=get("plain.test")) as client, plain.client(443, send=hello()) as tls:
        del plain.resolver.names["secure.test"]
        wait_until(lambda: {"plain.test", "secure.test"} <= set(plain.resolver.asked))
        plain.worker.apply("other.test")
        problem(client.message(), 403, "host-not-allowed")
        assert tls.rest() == ALERT
    assert upstream.accepted == 0


def test_traffic_waits_for_the_audit_and_no_line_is_lost():
    rig = Rig(deaf=True)
    try:
        rig.resolver.names["plain.test"] = [PUBLIC]
        upstream = rig.upstream()
        rig.worker.apply("plain.test")
        path = "/" + "x" * 1000
        answered = 0
        clients = []
        while True:  # until nobody answers any more
            clients.append(rig.client(send=get("plain.test", path) * 20))
            clients[-1].stream.settimeout(2)
            try:
                for _ in range(20):
                    assert clients[-1].message().status == 200
                    answered += 1
            except TimeoutError:
                break
            assert answered < 20000
        assert answered > 200 and len(upstream.requests) == answered  # nothing was forwarded without room
        late = rig.client(send=get("denied.test"))
        rig.worker.hear()
        late.stream.settimeout(WAIT)
        problem(late.message(), 403, "host-not-allowed")
        clients[-1].stream.settimeout(WAIT)
        while answered % 20:
            assert clients[-1].message().status == 200
            answered += 1
        wait_until(lambda: len(rig.worker.lines) >= answered + 1)
        assert sum(line["verdict"] == "allow" for line in rig.worker.lines) == answered == len(upstream.requests)
        for client in (*clients, late):
            client.close()
    finally:
        rig.close()


def test_the_lines_of_what_runs_are_written_when_the_worker_is_stopped(plain):
    plain.upstream(SERVER, 443, lambda stream: (stream.sendall(b"tunnel"), stream.recv(1), stream.recv(65536), stream.recv(1)))
    client = plain.client(443, send=hello())
    assert client.reader.exactly(6) == b"tunnel"
    plain.worker.process.terminate()
    assert plain.worker.line(kind="tls", verdict="allow", host="secure.test")["bytes_in"] == 6
    client.close()


def test_the_worker_is_jailed_and_leaks_no_descriptor(plain):
    plain.upstream()
    pid = plain.worker.process.pid
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        fields = dict(line.split(":", 1) for line in status.read().splitlines())
    assert fields["Uid"].split() == ["61001"] * 4 and fields["Gid"].split() == ["61001"] * 4 and not fields["Groups"].split()
    assert {fields[f"Cap{name}"].strip() for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {"0" * 16}
    assert fields["NoNewPrivs"].strip() == "1" and fields["Seccomp"].strip() == "2"
    before = plain.worker.files()
    for _ in range(20):
        assert plain.get(get("plain.test")).status == 200
        assert plain.get(get("denied.test")).status == 403
        with plain.client(443, send=hello(extra=ECH)) as client:
            assert client.rest() == ALERT
        with plain.https("denied.test") as client:
            client.send(get("denied.test"))
            assert client.message().status == 403
    wait_until(lambda: plain.worker.files() == before + 1)  # the connection to the upstream is kept
