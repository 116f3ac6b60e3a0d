# SPDX-License-Identifier: GPL-3.0-or-later
"""stopper-proxy and requests that wait for the operator: what it tells init, what it waits for, and what it never does
before the verdict. Init is played by the test, which speaks its side of the channel (appliance/sys/channel.h, core/hold.h)."""
import json
import select
import socket
import struct
import subprocess

import pytest

from http_peer import get, problem
from proxy_rig import BUILD, HEAD, PUBLIC, SERVER, WAIT, wait_until
from test_proxy_timeouts import EARLY, LATE, Timed

HOLD, HOLD_END, VERDICT = 8, 9, 10
APPLIED, (APPROVED, REFUSED, OFTEN, CROWDED, UNHEARD) = 3, (1, 2, 3, 4, 5)
RECORD = struct.Struct("=IIHB5xQQq32s64s32s32s40s24s254s1025sx")
FIELDS = ("kind", "seconds", "port", "tls", "base", "query", "body", "event", "rule", "detector", "surface", "value", "method", "host", "path")
HELD = {"denied": True}
MAX, AT_ONCE_S = 256, 9  # core/hold.h: how many wait; after how long as many as may come at once may again


QUARANTINE = 400 << 10 if "asan" in BUILD else 0  # KiB of freed memory that the sanitizer holds back


class Desk:
    """Init's side: what the worker says of held requests."""

    def __init__(self, worker):
        self.worker = worker

    def hear(self):
        """The next message: ("hold", number, record) or ("end", number)."""
        data = self.worker.channel.recv(70000)
        kind, size, number = HEAD.unpack(data[:HEAD.size])
        assert size == len(data) - HEAD.size
        if kind == HOLD_END:
            assert size == 0
            return "end", number
        assert kind == HOLD, (kind, data)
        values = RECORD.unpack(data[HEAD.size:])
        return "hold", number, dict(zip(FIELDS, (v.rstrip(b"\0").decode("ascii") if isinstance(v, bytes) else v for v in values)))

    def held(self):
        name, number, record = self.hear()
        assert name == "hold"
        return number, record

    def ended(self, number):
        assert self.hear() == ("end", number)

    def silent(self):
        return not select.select([self.worker.channel], [], [], 0.2)[0]

    def tell(self, number, outcome, approval=0):
        text = struct.pack("=IIQ", outcome, 0, approval)
        self.worker.channel.send(HEAD.pack(VERDICT, len(text), number) + text)

    def approve(self, number, record, once=True, base=None, **other):
        """As init does it: the policy with the approval in it, then the verdict."""
        approval = {"id": 7, "host": record["host"], "port": record["port"], "tls": bool(record["tls"]), "method": record["method"],
                    "path": record["path"], "once": once, **other}
        self.worker.apply("plain.test", hold=HELD, base=base or self.base, approvals=[approval])
        if number:
            self.tell(number, APPROVED, approval["id"])

    def policy(self, *routes, hold=HELD, **members):
        """One of the operator's own."""
        self.base = self.worker.generation + 1
        self.worker.apply("plain.test", *routes, hold=hold, base=self.base, **members)


@pytest.fixture(scope="module")
def long_lived():
    made = Timed()
    made.resolver.names.update({"plain.test": [PUBLIC], "new.test": [PUBLIC], "lan.test": ["10.9.9.9"], "other.test": [SERVER]})
    yield made
    made.close()


@pytest.fixture
def rig(long_lived):
    long_lived.desk = Desk(long_lived.worker)
    long_lived.desk.policy()
    long_lived.worker.forget()
    long_lived.resolver.asked.clear()
    yield long_lived
    long_lived.clear()


def quiet(client):
    return not select.select([client.stream], [], [], 0.2)[0]


def test_a_request_waits_and_is_served_when_it_is_approved(rig):
    upstream = rig.upstream()
    body = b"x" * 100
    with rig.client(send=f"POST /a%20b?secret=1 HTTP/1.1\r\nHost: NEW.test\r\nCookie: c\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body) as client:
        number, record = rig.desk.held()
        assert record == {"kind": 1, "seconds": 300, "port": 80, "tls": 0, "base": rig.desk.base, "query": 9, "body": 100, "event": record["event"],
                          "rule": "egress.on_denied", "detector": "", "surface": "host", "value": "", "method": "POST", "host": "new.test", "path": "/a%20b"}
        assert quiet(client) and rig.resolver.asked == [] and upstream.accepted == 0
        rig.desk.approve(number, record)
        answer = client.message()
        assert (answer.status, answer.body) == (200, b"hello")
        rig.desk.ended(number)
    assert upstream.requests[0].startswith(b"POST /a%20b?secret=1 HTTP/1.1\r\n") and upstream.requests[0].endswith(b"\r\n\r\n" + body)
    assert b"Cookie" not in upstream.requests[0]
    line = rig.worker.line(id=record["event"])
    assert (line["verdict"], line["rule"], line["status"], line["host"]) == ("allow", "new.test approval 7", 200, "new.test")


def test_over_tls_too(rig):
    with rig.https("new.test") as client:
        client.send(get("new.test", "/t"))
        number, record = rig.desk.held()
        assert (record["tls"], record["port"], record["host"], record["body"]) == (1, 443, "new.test", 0)
        rig.desk.tell(number, REFUSED)
        body = problem(client.message(), 403, "held-denied")
        rig.desk.ended(number)
    assert body["event_id"] == record["event"] and rig.worker.line(id=record["event"], reason="held-denied", verdict="block")


@pytest.mark.parametrize("outcome, name, words", [
    (REFUSED, "held-denied", "did not approve it"), (OFTEN, "held-denied", "nobody is asked again"),
    (CROWDED, "held-crowded", "newer one"), (UNHEARD, "held-ended", "could not be put before the operator")])
def test_a_refusal_says_that_it_was_held(rig, outcome, name, words):
    upstream = rig.upstream()
    with rig.client(send=get("new.test")) as client:
        number, record = rig.desk.held()
        rig.desk.tell(number + 1, APPROVED, 7)  # nobody's: whoever thinks so hears that it is over
        rig.desk.ended(number + 1)
        rig.desk.tell(number, 99, 7)  # no verdict that there is
        rig.desk.tell(number, outcome)
        assert words in problem(client.message(), 403, name)["detail"]
        assert client.rest() == b""  # the connection ends with it
        rig.desk.ended(number)
    assert upstream.accepted == 0 and rig.resolver.asked == []
    assert rig.worker.line(id=record["event"], reason=name)["rule"] == "default"


def test_a_verdict_alone_opens_nothing(rig):
    """Without the policy that has the approval in it the request is judged as before."""
    with rig.client(send=get("new.test")) as client:
        number, _ = rig.desk.held()
        rig.desk.tell(number, APPROVED, 7)
        problem(client.message(), 403, "host-not-allowed")
        rig.desk.ended(number)


LATER = ["GET /x HTTP/1.1\r\nHost: new.test\r\n\r\n", "GET / HTTP/1.1\r\nHost: other.test\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: new.test\r\n\r\n",
         "GET / HTTP/1.1\r\nHost: new.test\r\n\r\n"]


@pytest.mark.parametrize("once", [True, False])
def test_an_approval_is_for_that_method_host_port_and_path(rig, once):
    rig.upstream()
    with rig.client(send=get("new.test")) as client:
        number, record = rig.desk.held()
        rig.desk.approve(number, record, once=once)
        assert client.message().status == 200
        rig.desk.ended(number)
    for request in LATER if once else LATER[:-1]:
        with rig.client(send=request.encode()) as client:
            number, _ = rig.desk.held()
        rig.desk.ended(number)
    if not once:
        for _ in range(2):
            assert rig.get(get("new.test")).status == 200
    with rig.https("new.test") as client:
        client.send(get("new.test"))
        number, _ = rig.desk.held()
    rig.desk.ended(number)


def test_private_addresses_stay_refused(rig):
    with rig.client(send=get("lan.test")) as client:
        number, record = rig.desk.held()
        rig.desk.approve(number, record)
        problem(client.message(), 403, "address-refused")
        rig.desk.ended(number)


AT_ONCE = [  # what no approval could let through, or nobody is to be asked for
    (get("telemetry.test"), 403, "host-not-allowed"), (get("a.ads.test"), 403, "host-not-allowed"),
    (get("192.0.2.7"), 403, "address-literal"), (get("new.test:8080"), 403, "host-not-allowed"), (get("new.test", "/a/../b"), 403, "host-not-allowed"),
    (get("new.test", "/" + "x" * 1024), 403, "host-not-allowed"), (b"OPTIONS * HTTP/1.1\r\nHost: new.test\r\n\r\n", 403, "host-not-allowed"),
    (get("new.test", "/r.git/info/refs?service=git-receive-pack"), 403, "host-not-allowed"),
    (get("new.test", fields="X-HTTP-Method-Override: PUT\r\n"), 403, "host-not-allowed"),
    (get("new.test", fields="X-Original-URL: /else\r\n"), 403, "host-not-allowed"),
    (b"CONNECT new.test:443 HTTP/1.1\r\nHost: new.test\r\n\r\n", 405, "http-method"),
    (get("new.test", "/\x1b[2J"), 400, "http-malformed")]


@pytest.mark.parametrize("request_, status, name", AT_ONCE, ids=range(len(AT_ONCE)))
def test_what_is_refused_at_once(rig, request_, status, name):
    rig.desk.policy(ignore=["telemetry.test", "*.ads.test"])
    problem(rig.get(request_), status, name)
    assert rig.desk.silent()


def test_a_name_beyond_ascii_is_asked_about_by_its_a_labels_only(rig):
    """What looks like another name to who reads it is never shown."""
    problem(rig.get(get("b\u00fccher.test")), 400, "http-malformed")
    assert rig.desk.silent()
    with rig.client(send=get("XN--bcher-kva.test")) as client:
        number, record = rig.desk.held()
        assert record["host"] == "xn--bcher-kva.test"
        rig.desk.tell(number, REFUSED)
        problem(client.message(), 403, "held-denied")
        rig.desk.ended(number)


def test_the_routes_own_lists_are_not_asked_about(rig):
    rig.desk.policy({"host": "listed.test", "matches": [{"methods": ["GET"]}]})
    problem(rig.get(b"POST / HTTP/1.1\r\nHost: listed.test\r\nContent-Length: 0\r\n\r\n"), 403, "method-not-allowed")
    assert rig.desk.silent()


def test_without_hold_nothing_waits(rig):
    rig.worker.apply("plain.test")
    problem(rig.get(get("new.test")), 403, "host-not-allowed")
    assert rig.desk.silent()


@pytest.mark.parametrize("seconds", [None, 20])
def test_it_waits_for_its_time_and_no_longer(rig, seconds):
    rig.desk.policy(hold={**HELD, **({"seconds": seconds} if seconds else {})})
    wait = seconds or 300
    with rig.client(send=get("new.test")) as client:
        number, record = rig.desk.held()
        assert record["seconds"] == wait
        rig.clock.forward(wait - EARLY)
        assert rig.get(get("192.0.2.1")).status == 403 and quiet(client)
        rig.clock.forward(LATE)
        assert rig.get(get("192.0.2.1")).status == 403  # the worker looks at its clock
        problem(client.message(), 403, "held-timeout")
        assert client.rest() == b""
        rig.desk.ended(number)
    assert rig.worker.line(id=record["event"], reason="held-timeout", verdict="block")
    rig.desk.tell(number, APPROVED, 7)  # too late
    rig.desk.ended(number)


def test_a_client_that_goes_away_frees_its_place(rig):
    for send in get("new.test"), b"POST / HTTP/1.1\r\nHost: new.test\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 200000:
        client = rig.client()
        client.stream.setblocking(False)
        client.stream.send(send)
        number, record = rig.desk.held()
        client.close()
        rig.desk.ended(number)
        line = rig.worker.line(id=record["event"])
        assert (line["verdict"], line["reason"], line["detail"]) == ("block", "held-ended", "the agent closed the connection")


def test_the_body_is_not_read_before_the_verdict(rig):
    with rig.client(send=b"POST / HTTP/1.1\r\nHost: new.test\r\nContent-Length: 100000000\r\n\r\n") as client:
        number, _ = rig.desk.held()
        before = rig.worker.memory()
        client.stream.setblocking(False)
        sent = 0
        while select.select([], [client.stream], [], 0.3)[1]:
            sent += client.stream.send(b"x" * 65536)
        assert sent < 32 << 20 and rig.worker.memory() - before < QUARANTINE + 512, (sent, rig.worker.memory() - before)
        rig.desk.tell(number, REFUSED)
        client.stream.settimeout(WAIT)
        problem(client.message(), 403, "held-denied")
        rig.desk.ended(number)


def test_a_new_policy_ends_the_wait_and_an_approval_of_another_does_not(rig):
    with rig.client(send=get("new.test")) as client:
        number, record = rig.desk.held()
        rig.desk.approve(0, {**record, "host": "other.test"})
        assert quiet(client)
        rig.desk.policy("new.test")  # nothing is said but that it is taken: init forgets by itself
        assert "policy has changed" in problem(client.message(), 403, "held-ended")["detail"]


def test_a_policy_is_called_taken_also_when_the_channel_is_full(rig):
    """Init is busy and reads nothing: then no more requests are held, and the word that a policy is in force waits."""
    rig.desk.policy(hold={**HELD, "seconds": 3600})
    clients, refused = [], []
    while not refused:
        assert len(clients) < MAX
        rig.clock.forward(AT_ONCE_S)
        clients.append(send(rig, "/" + "x" * 1000))
        refused = select.select(clients, [], [], 0.02)[0]
    for client in refused:
        assert why(client.recv(65536)) == ("held-crowded", "The sidecar is busy.")
        clients.remove(client)
        client.close()
    rig.worker._offer("plain.test", "new.test", hold=HELD, base=rig.worker.generation + 1)
    for client in clients:
        assert why(client.recv(65536))[0] == "held-ended"
        client.close()
    heard = 0
    while (data := rig.worker.channel.recv(70000))[:4] != struct.pack("=I", APPLIED):
        assert data[:4] == struct.pack("=I", HOLD)
        heard += 1
    assert HEAD.unpack(data) == (APPLIED, 0, rig.worker.generation) and heard == len(clients)
    rig.upstream()
    assert rig.get(get("new.test")).status == 200


def test_a_worker_that_is_stopped_writes_the_lines_of_what_waits():
    made = Timed()
    try:
        desk = Desk(made.worker)
        desk.policy()
        client = made.client(send=get("new.test"))
        _, record = desk.held()
    finally:
        made.close()
    line = made.worker.line(id=record["event"])
    assert (line["verdict"], line["reason"], line["detail"]) == ("block", "held-ended", "the sidecar was stopped")
    client.close()


def test_curl_waits_and_is_served(rig):
    rig.upstream()
    with rig.agent:
        curl = subprocess.Popen(["curl", "-sS", "--resolve", "new.test:80:192.0.2.99", "-d", "x=1", "http://new.test/form"],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    number, record = rig.desk.held()
    assert (record["method"], record["path"], record["body"]) == ("POST", "/form", 3) and curl.poll() is None
    rig.desk.approve(number, record)
    assert curl.communicate(timeout=WAIT) == (b"hello", b"") and curl.returncode == 0
    rig.desk.ended(number)


NEWER, RATE = "A newer one took its place.", "New ones are taken at a bounded rate."


def why(data):
    """The denial's name and its last sentence."""
    body = json.loads(data.partition(b"\r\n\r\n")[2])
    return body["type"].rpartition(":")[2], body["detail"].partition("approved. ")[2]


def send(rig, path):
    with rig.agent:
        client = socket.socket()
    client.settimeout(WAIT)
    client.connect(("192.0.2.99", 80))
    client.sendall(get("new.test", path))
    return client


def test_ten_thousand_requests_that_nobody_answers(rig, record_property):
    """All of them are held, as fast as they may come; the oldest makes room for the newest."""
    rig.desk.policy(hold={**HELD, "seconds": 3600})
    upstream, held, numbers, crowded, grown = rig.upstream(), [], [], 0, 0
    files = rig.worker.files()
    rig.clock.forward(AT_ONCE_S)
    while crowded < 10000 - MAX:
        if crowded == 0 and len(held) == MAX:
            before = rig.worker.memory()
        rig.clock.forward(AT_ONCE_S)
        for _ in range(min(64, 10000 - crowded - len(held))):
            held.append(send(rig, f"/{crowded + len(held)}"))
            if len(held) > MAX:
                with held.pop(0) as client:
                    assert why(client.recv(65536)) == ("held-crowded", NEWER)
                rig.desk.ended(numbers.pop(0))
                crowded += 1
            number, record = rig.desk.held()
            numbers.append(number)
            assert record["path"] == f"/{crowded + len(held) - 1}"
    grown = rig.worker.memory() - before
    record_property("10,000 held", f"{grown} KiB more from the 257th on, {rig.worker.memory()} KiB")
    assert len(held) == MAX and grown < QUARANTINE + 4096, grown
    assert numbers == list(range(numbers[0], numbers[0] + MAX)) and upstream.accepted == 0 and rig.resolver.asked == []
    rig.clock.forward(3600 + LATE)
    assert rig.get(get("192.0.2.1")).status == 403  # it serves, and looks at its clock
    for client in held:
        with client:
            assert why(client.recv(65536))[0] == "held-timeout"
    assert sorted(rig.desk.hear()[1] for _ in numbers) == numbers
    wait_until(lambda: rig.worker.files() <= files)


def test_a_flood_is_refused_at_once(rig):
    """Ten thousand at once: no more than may come at once are put before anybody, and all others hear why."""
    upstream, poll, clients, outcomes = rig.upstream(), select.epoll(), {}, {}
    rig.clock.forward(AT_ONCE_S)
    for sent in range(10000):
        client = send(rig, f"/{sent}")
        poll.register(client, select.EPOLLIN)
        clients[client.fileno()] = client
        for fd, _ in poll.poll(0 if len(clients) < 200 else WAIT):
            poll.unregister(fd)
            with clients.pop(fd) as client:
                name = why(client.recv(65536))
            outcomes[name] = outcomes.get(name, 0) + 1
        if sent == 0:
            numbers = [rig.desk.held()[0]]
    while len(clients) > MAX or sum(outcomes.values()) + len(clients) < 10000 or poll.poll(0.2):
        for fd, _ in poll.poll(WAIT):
            poll.unregister(fd)
            with clients.pop(fd) as client:
                name = why(client.recv(65536))
            outcomes[name] = outcomes.get(name, 0) + 1
    poll.close()
    while select.select([rig.worker.channel], [], [], 0.2)[0]:
        name, number, *_ = rig.desk.hear()
        if name == "hold":
            numbers.append(number)
        else:
            numbers.remove(number)
    assert len(clients) == len(numbers) >= 64 and outcomes.get(("held-crowded", RATE), 0) > 9000, outcomes
    assert set(outcomes) <= {("held-crowded", RATE), ("held-crowded", NEWER), ("held-crowded", "The sidecar is busy.")}
    assert upstream.accepted == 0 and rig.resolver.asked == []
    for client in clients.values():
        client.close()
    assert sorted(rig.desk.hear()[1] for _ in numbers) == sorted(numbers)
