# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers that two parsers would read differently: none becomes an answer, and the next one is right."""
import ssl
import threading

import pytest

from http_peer import Reader, problem
from proxy_rig import WAIT, wait_until
from smuggling_rig import certificates, leg, rig  # noqa: F401 (fixtures)
from smuggling_shapes import CLEAN, CUT, EVIL, HEAD, MALFORMED, OK, OPAQUE, POST, SURPLUS


NEXT = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnext"


@pytest.fixture
def answering(leg):
    """The leg with an upstream that answers /next with NEXT and all else with `says`, what it has in `late` once `told`."""
    told = threading.Event()

    def record(stream, at):
        while request := Reader(stream).message(request=True):
            recorder.seen[at] += request.raw
            if request.start.split()[1] == "/next":
                stream.sendall(NEXT)
                continue
            stream.sendall(leg.says)
            if leg.late:
                assert told.wait(WAIT)
                stream.sendall(leg.late)
    recorder = leg.recorder
    recorder.forget()
    recorder.record, leg.late, leg.told = record, b"", told
    yield leg
    told.set()
    del recorder.record


def next_is_right(client):
    client.send(CLEAN.replace(b"/ ", b"/next "))
    answer = client.message()
    assert answer is not None and (answer.status, answer.body) == (200, b"next"), answer


@pytest.mark.parametrize("kind", MALFORMED)
def test_an_answer_that_is_ambiguous_is_a_502_and_the_next_one_is_right(answering, kind):
    answering.says = MALFORMED[kind]
    answering.rig.worker.forget()
    with answering.client() as client:
        client.send(CLEAN)
        interim, answer = 0, client.message()
        while answer.status in (102, 103):
            interim, answer = interim + 1, client.message()
        event = problem(answer, 502, "upstream-malformed")["event_id"]
        assert interim == (16 if "interim answers" in kind else 0)
        next_is_right(client)
    line = answering.rig.worker.line(id=event)
    assert (line["verdict"], line["reason"], line["status"]) == ("allow", "upstream-malformed", 502)
    answering.rig.worker.line(path="/next", address=answering.address())
    assert len(answering.lines(answering.address())) == len(b"".join(answering.recorder.seen).split(b"Host:")) - 1 == 2


@pytest.mark.parametrize("kind", CUT)
def test_an_answer_whose_body_is_ambiguous_is_cut(answering, kind):
    answering.says = CUT[kind].replace(b"\r\n", OPAQUE, 1)
    answering.rig.worker.forget()
    with answering.client() as client:
        client.send(CLEAN)
        with pytest.raises((ConnectionResetError, ssl.SSLEOFError)):  # no clean end
            got = b""
            while True:
                part = client.stream.recv(65536)
                assert part, "the answer looks whole"
                got += part
        assert not got.endswith(b"0\r\n\r\n") and b"stolen" not in got
    answering.rig.worker.line(reason="upstream-malformed", verdict="allow", status=200)
    with answering.client() as client:  # the control
        next_is_right(client)


@pytest.mark.parametrize("late", [False, True], ids=["at once", "when it is kept"])
@pytest.mark.parametrize("kind", SURPLUS)
def test_what_nobody_asked_for_never_becomes_an_answer(answering, kind, late):
    request, says, status, body = SURPLUS[kind]
    at = (says.index(b"\r\n\r\n") + 4 + (len(body) if b"Content-Length" in says else 0)) if b"chunked" not in says or not body else \
        says.index(b"0\r\n\r\n") + 5
    answering.says, answering.late = (says[:at], says[at:]) if late else (says, b"")
    with answering.client() as client:
        client.send(request)
        answer = client.message(to_head=request is HEAD)
        if status == 205:
            assert answer.field("content-length") == "0"
        assert (answer.status, answer.body) == (status, body)
        if late:
            answering.told.set()
            wait_until(lambda: not answering.recorder.open)  # the proxy has hung up on it
        next_is_right(client)
    assert answering.recorder.seen == [request, CLEAN.replace(b"/ ", b"/next ")]


def test_an_answer_before_the_end_of_its_request_ends_the_connection(answering):
    """Else what is left of the body would be read as requests."""
    def record(stream, at):
        recorder.seen[at] += Reader(stream).until(b"\r\n\r\n")
        stream.sendall(OK + b"Content-Length: 2\r\n\r\nok")
        recorder.seen[at] += stream.recv(65536)
    recorder, head = answering.recorder, POST + b"Content-Length: 1000\r\n\r\n"
    recorder.record = record
    with answering.client() as client:
        client.send(head)
        assert client.message().body == b"ok"
        client.send(EVIL)
        assert client.rest() == b""
    wait_until(lambda: not recorder.open)
    assert recorder.seen == [head]
