# SPDX-License-Identifier: GPL-3.0-or-later
"""stopper-proxy before upstreams that misbehave: malformed, cut short, unasked, slow, absent."""
import socket
import time

import pytest

from http_peer import CLOSING, Reader, get, problem
from plain_rig import POST
from plain_rig import long_lived, plain, rig, shared  # noqa: F401 (fixtures)
from proxy_rig import OTHER, PUBLIC, wait_until


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


def test_a_resolver_that_is_silent_for_a_moment_is_asked_again(plain):  # one that stays so: test_proxy_timeouts.py
    upstream = plain.upstream(serve=lambda stream: upstream.answer(stream, CLOSING))
    del plain.resolver.names["plain.test"]
    with plain.client(send=get("plain.test")) as client:
        wait_until(lambda: "plain.test" in plain.resolver.asked)
        plain.resolver.names["plain.test"] = [PUBLIC]
        assert client.message().status == 200


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
    with plain.client(send=POST + b"Content-Length: 1000000000\r\n\r\n") as client:
        client.stream.settimeout(2)
        total = 0
        with pytest.raises(TimeoutError):
            while True:
                total += client.stream.send(b"x" * 65536)
        assert total < 40 << 20
