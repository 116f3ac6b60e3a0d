# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to upstreams outlive the agent's: which request goes on one of them, and which never does."""
import pytest

from http_peer import get
from proxy_rig import PUBLIC, Rig, wait_until

POST = b"POST / HTTP/1.1\r\nHost: one.test\r\nContent-Length: 2\r\n\r\nhi"


@pytest.fixture
def rig():
    made = Rig()
    made.worker.apply("one.test", "two.test")
    made.resolver.names.update({"one.test": [PUBLIC], "two.test": [PUBLIC]})
    yield made
    made.close()


def replies(rig, fields=b"", behind=b""):
    """An upstream whose answers have these fields, and these bytes behind them."""
    made = rig.upstream(serve=lambda stream: made.answer(stream, b"HTTP/1.1 200 OK\r\n" + fields + b"Content-Length: 2\r\n\r\nok" + behind))
    return made


def ask(rig, request):
    """One request on a connection of its own."""
    answer = rig.get(request)
    assert answer.status == 200 and answer.body == b"ok"


def test_the_agents_connections_share_one_and_names_do_not(rig):
    upstream = replies(rig)
    for _ in range(5):
        ask(rig, get("one.test"))
    assert upstream.accepted == 1
    ask(rig, get("two.test"))  # the same address and port
    assert upstream.accepted == 2 and len(upstream.requests) == 6
    assert rig.worker.line(kind="http", host="two.test")["upstream"] == f"{PUBLIC}:80"


def test_a_new_policy_begins_with_none(rig):
    upstream = replies(rig)
    ask(rig, get("one.test"))
    rig.worker.apply("one.test", "two.test")
    ask(rig, get("one.test"))
    assert upstream.accepted == 2


@pytest.mark.parametrize("fields, behind, accepted", [
    (b"", b"", 1), (b"Keep-Alive: timeout=5, max=100\r\n", b"", 1), (b"Keep-Alive: timeout=99999999999999999999\r\n", b"", 1),
    (b"Keep-Alive: timeout=1\r\n", b"", 2), (b"Keep-Alive: timeout=\r\n", b"", 2), (b"Connection: close\r\n", b"", 2),
    (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", 2)])
def test_the_server_says_whether_and_how_long(rig, fields, behind, accepted):
    upstream = replies(rig, fields, behind)
    ask(rig, get("one.test"))
    ask(rig, get("one.test"))
    assert upstream.accepted == accepted


def test_what_a_server_says_unasked_is_never_an_answer(rig):
    streams = []

    def serve(stream):
        streams.append(stream)
        upstream.answer(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    upstream = rig.upstream(serve=serve)
    before = rig.worker.files()
    ask(rig, get("one.test"))
    wait_until(lambda: rig.worker.files() == before + 1)
    streams[0].sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
    wait_until(lambda: rig.worker.files() == before)
    ask(rig, get("one.test"))
    assert upstream.accepted == 2


def test_a_request_that_must_not_be_sent_twice_goes_where_the_server_kept_its_word(rig):
    upstream = replies(rig)
    ask(rig, get("one.test"))
    ask(rig, POST)  # the first one on its connection: its client would not know that it may have been lost
    assert upstream.accepted == 2
    ask(rig, get("one.test"))  # on that of the POST, which has answered two now
    ask(rig, POST)
    assert upstream.accepted == 2
    with rig.client(send=POST + POST) as client:
        assert client.message().status == client.message().status == 200
    assert upstream.accepted == 2


def test_a_server_that_breaks_its_word_costs_a_request_that_changes_nothing_no_error(rig):
    upstream = rig.upstream(serve=lambda stream: (upstream.read_request(stream), stream.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), upstream.read_request(stream)))  # and ends when asked again
    for number in range(3):
        ask(rig, get("one.test"))
        assert upstream.accepted == number + 1
