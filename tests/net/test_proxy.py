# SPDX-License-Identifier: GPL-3.0-or-later
"""stopper-proxy as its clients see it over HTTP: what passes, what is refused and how it is said, what is written."""
import json
import socket

import pytest

from http_peer import Reader, get, problem
from plain_rig import POST
from plain_rig import long_lived, plain, rig, shared  # noqa: F401 (fixtures)
from proxy_rig import DIALLED, OTHER, PUBLIC, wait_until


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


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: plain.test\r\n\r\n"
ATTACKS = {
    "CL.TE": POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX",
    "TE.CL": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n" + SMUGGLED,
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: 40\r\n\r\n" + SMUGGLED,
    "a list of lengths": POST + b"Content-Length: 0, 40\r\n\r\n" + SMUGGLED,
    "a sign": POST + b"Content-Length: +0\r\n\r\n" + SMUGGLED,
    "TE.TE": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a disguised TE": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a tab before TE": POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "an underscore": POST + b"Transfer_Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a space before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "TE in 1.0": POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "folding": POST + b"X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a bare LF": POST + b"X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "only bare LFs": POST.replace(b"\r", b"") + b"\n" + SMUGGLED,
    "a bare CR": POST + b"X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "CR CR LF": POST + b"X: y\r\r\n\r\n" + SMUGGLED,
    "an end of CR LF CR X": POST + b"\rX" + SMUGGLED,
    "NUL": POST + b"X: y\0z\r\n\r\n" + SMUGGLED,
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
    assert shared.get(POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n").status == 200  # the control


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
    with shared.client(send=POST + b"Transfer-Encoding: chunked\r\n\r\n" + body + SMUGGLED) as client:
        answer = client.message()
        problem(answer, 400, "http-malformed")
        assert answer.field("connection") == "close" and client.rest() == b""
    assert shared.worker.line(kind="http", reason="http-malformed")
    wait_until(lambda: len(seen) == 2 or not seen)
    assert b"smuggled" not in b"".join(seen) and not b"".join(seen).endswith(b"0\r\n\r\n")
