# SPDX-License-Identifier: GPL-3.0-or-later
"""How much may leave in a minute (dlp.budget), through stopper-proxy: to the byte, for all requests of a route together; what goes
beyond is refused, and begun messages are never completed; a route without a budget takes the same. Each test has hosts of its own."""
import pytest

from clock import Clock
from dlp_rig import Recorder, chunked, post
from http_peer import get, problem
from proxy_rig import PUBLIC, Rig, wait_until

LIMIT = 10000
SILENT = {"outbound": [], "inbound": []}  # nothing is searched, so nothing is held back
BUDGET = {**SILENT, "budget": LIMIT}
ROUTES = [{"host": host, "dlp": BUDGET} for host in ("exact.test", "many.test", "cut.test", "kept.test", "told.test", "*.wild.test")] + [
    {"host": "searched.test", "dlp": {"budget": LIMIT}}, {"host": "free.test", "dlp": SILENT}]
HOSTS = [route["host"] for route in ROUTES if "*" not in route["host"]] + ["a.wild.test", "b.wild.test"]


@pytest.fixture(scope="module")
def long_lived():
    clock = Clock()
    made = Rig(environment=clock.environment)
    made.clock = clock
    made.worker.apply(*ROUTES)
    made.resolver.names.update({host: [PUBLIC] for host in HOSTS})
    yield made
    made.close()
    clock.close()


@pytest.fixture
def rig(long_lived):
    yield long_lived
    long_lived.clear()


@pytest.fixture
def recorder(rig):
    return Recorder(rig)


def sized(host, size):
    """A request of so many bytes in all."""
    made = (post(host, b"x" * length, fields) for length in range(size - 100, size) for fields in ("", "A: b\r\n"))
    return next(request for request in made if len(request) == size)


def refused(rig, request, retry=True):
    """The request is refused for its budget; returns in how many seconds it may come again."""
    message = rig.get(request)
    body = problem(message, 429, "dlp-budget")
    assert body["rule"].endswith(" dlp.budget") and "The budget is " in body["detail"]
    after = message.field("retry-after")
    assert (after is not None) == retry, message.raw
    assert ("this request alone is larger" in body["detail"]) == (not retry)
    return int(after) if retry else None


def test_the_budget_goes_to_the_last_byte_and_comes_back_after_a_minute(rig, recorder):
    for host, size in (("exact.test", LIMIT), ("free.test", LIMIT), ("free.test", 5 * LIMIT)):
        assert rig.get(sized(host, size)).status == 200
    before = len(recorder.raw)
    seconds = refused(rig, get("exact.test"))
    assert 50 < seconds <= 61
    rig.clock.forward(seconds - 40)
    refused(rig, get("exact.test"))
    assert rig.get(get("free.test")).status == 200
    rig.clock.forward(41)
    refused(rig, sized("exact.test", LIMIT + 1), retry=False)
    assert b"exact.test" not in recorder.raw[before:]
    assert rig.get(sized("exact.test", LIMIT)).status == 200  # what was refused took nothing


def test_small_requests_pass_until_it_is_used_up(rig, recorder):
    request = get("many.test")
    fit = LIMIT // len(request)
    with rig.client() as client:
        for _ in range(fit):
            client.send(request)
            assert client.message().status == 200
        for _ in range(2):  # the connection stays
            client.send(request)
            problem(client.message(), 429, "dlp-budget")
        client.send(get("free.test"))
        assert client.message().status == 200
    assert recorder.raw.count(b"Host: many.test") == fit


def test_a_body_is_cut_where_it_goes_beyond(rig, recorder):
    for host in ("cut.test", "free.test"):
        head = f"POST / HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        room = LIMIT - len(head) - len(b"26ac\r\n\r\n" b"1\r\n\r\n")  # framing is counted too
        with rig.client(send=head) as client:
            for size in (room - 1, 1):
                assert size == 1 or len(b"%x" % size) == 4
                client.send(b"%x\r\n" % size + b"x" * size + b"\r\n")
            wait_until(lambda: recorder.raw.count(b"x") >= room)
            client.send(b"1\r\ny\r\n")
            if host == "cut.test":
                problem(message := client.message(), 429, "dlp-budget")
                assert message.field("connection") == "close" and message.field("retry-after") is None  # it alone is larger
                wait_until(lambda: recorder.open == 0)  # closed, and nothing ended the message
                assert (recorder.raw.count(b"x"), recorder.raw.count(b"y"), recorder.answered) == (room, 0, 0)
                assert not recorder.raw.endswith(b"0\r\n\r\n")
            else:
                client.send(b"0\r\n\r\n")
                assert client.message().status == 200 and recorder.raw.count(b"y") == 1
        recorder.raw.clear()
    line = rig.worker.line(host="cut.test", reason="dlp-budget")
    assert line["verdict"] == "alarm" and line["bytes_out"] > room - 100


def test_what_is_searched_and_held_back_is_counted_too(rig, recorder):
    with rig.client(send=chunked("searched.test", [b"words " * 100] * 20)) as client:
        problem(client.message(), 429, "dlp-budget")
    assert recorder.answered == 0 and len(recorder.raw) <= LIMIT
    assert rig.get(get("free.test")).status == 200


def test_the_hosts_of_a_wildcard_have_one_budget(rig, recorder):
    assert rig.get(sized("a.wild.test", LIMIT // 2)).status == 200
    assert rig.get(sized("b.wild.test", LIMIT // 2)).status == 200
    for host in ("a.wild.test", "b.wild.test"):
        refused(rig, get(host))


def test_a_new_policy_finds_what_is_used(rig, recorder):
    def with_budget(budget):
        return [{"host": "kept.test", "dlp": {**SILENT, **budget}}, *(route for route in ROUTES if route["host"] != "kept.test"), "more.test"]

    assert rig.get(sized("kept.test", LIMIT)).status == 200
    try:
        rig.worker.apply(*with_budget({"budget": LIMIT}))
        refused(rig, get("kept.test"))
        rig.worker.apply(*with_budget({"budget": LIMIT + 500}))
        refused(rig, sized("kept.test", 501))
        assert rig.get(sized("kept.test", 500)).status == 200
        refused(rig, get("kept.test"))
        rig.worker.apply(*with_budget({}))
        assert rig.get(sized("kept.test", 2 * LIMIT)).status == 200
    finally:
        rig.worker.apply(*ROUTES)


def test_the_audit_has_an_alarm_once_a_minute_and_names_the_rule(rig, recorder):
    def lines():
        return [line for line in rig.worker.lines if line.get("host") == "told.test" and line.get("reason") == "dlp-budget"]

    assert rig.get(sized("told.test", LIMIT - 100)).status == 200
    for alarms in (1, 2):
        for path in ("/one", "/two"):
            rig.get(post("told.test", b"x" * LIMIT, path=path))
        wait_until(lambda: [line["verdict"] for line in lines()] == ["alarm", "block"] * alarms)
        rig.clock.forward(61)
    for line in lines():
        assert (line["rule"], line["status"], line["kind"], line["detector" if "detector" in line else "kind"]) == (
            "told.test dlp.budget", 429, "http", "http")
        assert "The budget is 10000/minute" in line["detail"]
