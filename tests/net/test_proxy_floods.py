# SPDX-License-Identifier: GPL-3.0-or-later
"""Floods from the agent: connections by the thousand that say nothing, too little, or too slowly. Memory stays bounded, and a
client that behaves is served meanwhile. Figures are recorded."""
import resource
import ssl
import threading
import time

import pytest

from clock import Clock
from http_peer import get, problem
from proxy_rig import BUILD, DIALLED, PUBLIC, SERVER, Rig, wait_until
from tls_peer import Authority, hello

BOUND = 256
EACH = 200  # KiB that one connection may hold at most: its head, or what its answer waits in (limits.h)
QUARANTINE = 700 << 10 if "asan" in BUILD else 0  # KiB of freed memory that the sanitizer holds back, after all of these
HEAD = b"GET / HTTP/1.1\r\nHost: plain.test\r\nX: "
BIG_HELLO = b"\x16\3\1\x40\0" + (b"\1\0\xff\xf0" + b"x" * 16380)


@pytest.fixture
def plenty():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16384), hard))  # this process holds both ends
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def start(**named):
    rig = Rig(**named)
    rig.worker.apply("plain.test", "slow.test")
    rig.resolver.names.update({"plain.test": [PUBLIC], "slow.test": [SERVER]})
    rig.upstream()
    return rig


@pytest.fixture(scope="module")
def small():
    """A worker that holds BOUND connections, as one of production holds 4,096."""
    clock = Clock()
    made = start(files=64 + 128 + 4 * BOUND, environment=clock.environment)  # its own, the pool's, and four for each of the agent's
    made.memory_before, made.clock = made.worker.memory(), clock
    yield made
    made.close()
    clock.close()


@pytest.fixture
def rig(small):
    small.worker.forget()
    assert small.get(get("plain.test")).status == 200
    wait_until(lambda: connections(small) == 0)
    yield small
    small.clock.start()
    while len(small.things) > 1:
        small.things.pop().close()


def connections(rig):
    """Of the agent, at the worker's side."""
    done = rig.sidecar.run("ss", "-Htn", "state", "established", "( sport = :9443 )", stdout=-1, text=True)
    return len(done.stdout.splitlines())


def is_bounded(rig, what, record_property):
    """Of all that was done to this worker until now."""
    now, peak = rig.worker.memory(), rig.worker.memory("VmHWM")
    print(f"\n{what}: {now} KiB, {peak} KiB at the peak ({rig.memory_before} KiB at the start)")
    record_property("KiB", f"{now}, {peak} at the peak")
    assert peak < rig.memory_before + BOUND * EACH + QUARANTINE


class Behaved:
    """A client that makes new connections, one after the other, and keeps one: all its requests have to be answered, and on a
    new connection the first time that they are sent."""

    def __init__(self, rig):
        self.rig, self.done, self.answered, self.renewed, self.trouble = rig, threading.Event(), 0, 0, []
        self.thread = threading.Thread(target=self._run)

    def _ask(self, client):
        client.send(get("plain.test"))
        answer = client.message()
        if answer is None:
            raise ConnectionResetError
        assert (answer.status, answer.body) == (200, b"hello")
        self.answered += 1

    def _run(self):
        kept = self.rig.client()
        try:
            while not self.done.wait(0.005):
                with self.rig.client() as client:
                    self._ask(client)
                try:
                    self._ask(kept)
                except ConnectionResetError:  # ended while it was idle, as any server may: once more, on a new one
                    kept.close()
                    kept, self.renewed = self.rig.client(), self.renewed + 1
                    self._ask(kept)
        except (OSError, AssertionError) as seen:
            self.trouble.append(seen)
        finally:
            kept.close()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()
        assert not self.trouble, (self.trouble, self.answered)


def tls(rig, address):
    client = rig.client(443, address)
    client.stream = CONTEXT.wrap_socket(client.stream, server_hostname="plain.test")
    return client


def kept(rig, address=DIALLED):
    client = rig.client(80, address, send=get("plain.test"))
    assert client.message().body == b"hello"
    return client


CONTEXT = ssl.create_default_context(cafile=Authority.get().pem)
IDLE = {  # how each connection is made, how many, the kind of the lines about those that are ended
    "nothing said": (lambda rig, to: rig.client(80, to), 3 * BOUND, "tcp"),
    "nothing said on 443": (lambda rig, to: rig.client(443, to), 3 * BOUND, "tcp"),
    "a head begun": (lambda rig, to: rig.client(80, to, send=HEAD), 3 * BOUND, "http"),
    "a giant head begun": (lambda rig, to: rig.client(80, to, send=HEAD + b"x" * 60000), 3 * BOUND, "http"),
    "a hello begun": (lambda rig, to: rig.client(443, to, send=hello()[:40]), 3 * BOUND, "tls"),
    "a giant hello begun": (lambda rig, to: rig.client(443, to, send=BIG_HELLO * 3), 3 * BOUND, "tls"),
    "handshake done": (tls, BOUND + 50, None),
    "one request each": (kept, 2 * BOUND, None),
}


@pytest.mark.parametrize("kind", IDLE)
def test_idle_connections_make_room_for_newer_ones_and_others_are_served(rig, kind, record_property):
    make, count, told = IDLE[kind]
    address = f"198.18.0.{1 + list(IDLE).index(kind)}"  # of its own: lines that count come a second late
    clients = []
    with Behaved(rig) as behaved:
        try:
            for _ in range(count):
                clients.append(make(rig, address))
            wait_until(lambda: BOUND - 10 < connections(rig) <= BOUND)
            seen = behaved.answered
            wait_until(lambda: behaved.answered >= seen + 10 or behaved.trouble)
            is_bounded(rig, f"{count} connections, {kind}", record_property)
        finally:
            for client in clients:
                client.close()
    lines = [line for line in rig.worker.lines if line.get("reason") == "overloaded" and line["address"] == address]
    assert {line["kind"] for line in lines} <= ({told, "tcp"} if told else set())  # tcp: nothing was read of it yet
    assert bool(lines) == bool(told) and all(line["verdict"] == "block" and line["detail"] == "closed for a newer connection"
                                             for line in lines)


def test_the_oldest_that_never_asked_goes_first_then_the_one_that_was_idle_longest(rig):
    first, asked, again = rig.client(), kept(rig), kept(rig)
    others = [kept(rig) for _ in range(BOUND - 4)]
    asked.send(get("plain.test"))  # its last answer is the newest
    assert asked.message().status == 200
    began = time.monotonic()
    wait_until(lambda: connections(rig) == BOUND - 1 and time.monotonic() > began + 0.2)
    rig.clock.stop()  # from here on all come at once, however busy this machine is
    others.append(rig.client())
    wait_until(lambda: connections(rig) == BOUND)
    young = rig.client()
    assert first.rest() == "reset"  # the oldest that never asked
    younger = rig.client()
    assert again.rest() == b""  # those have only just come: an idle one is ended instead, in good order
    for client in (young, younger, others[-1], asked):
        client.send(get("plain.test"))
        assert client.message().status == 200
    for client in (first, asked, again, young, younger, *others):
        client.close()


def slow_body(rig):
    return rig.client(send=b"POST / HTTP/1.1\r\nHost: slow.test\r\nContent-Length: 100\r\n\r\nx")


def unread(rig):
    return rig.client(send=get("slow.test"))


@pytest.mark.parametrize("make", [slow_body, unread], ids=["slow bodies", "answers that nobody reads"])
def test_requests_that_do_not_end_are_bounded_and_others_are_served(rig, make, record_property):
    """They are in use, so they are not ended for newer ones: past the bound these are refused, until some end."""
    def serve(stream):
        stream.recv(65536)
        if make is unread:
            stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
            while stream.send(b"x" * 65536):
                pass
        stream.recv(1)
    slow = rig.upstream(SERVER, 80, serve)
    clients = []
    try:
        with Behaved(rig) as behaved:
            for _ in range(BOUND - 8):
                clients.append(make(rig))
            wait_until(lambda: slow.accepted == BOUND - 8)
            seen = behaved.answered
            wait_until(lambda: behaved.answered >= seen + 10 or behaved.trouble)
        wait_until(lambda: connections(rig) == BOUND - 8)
        is_bounded(rig, f"{BOUND - 8} requests, {make.__name__}", record_property)
        for _ in range(8):
            clients.append(make(rig))
        wait_until(lambda: slow.accepted == BOUND)
        with pytest.raises(ConnectionResetError):
            with rig.client() as late:
                late.send(get("plain.test"))
                late.reader.exactly(1)
        assert "detail" not in rig.worker.line(kind="tcp", verdict="block", reason="overloaded")
    finally:
        for client in clients:
            client.close()
    wait_until(lambda: connections(rig) == 0)
    assert rig.get(get("plain.test")).status == 200


def test_ten_thousand_connections(plenty, record_property):
    rig, clients = start(), []
    try:
        before = rig.worker.memory()
        with Behaved(rig) as behaved:
            while len(clients) < 10000:
                clients.append(rig.client(send=HEAD if len(clients) % 2 else b""))
            seen = behaved.answered
            wait_until(lambda: behaved.answered >= seen + 10 or behaved.trouble)
            wait_until(lambda: 4000 < connections(rig) <= 4096)  # what waits to be accepted is established too
        peak = rig.worker.memory("VmHWM")
        print(f"\n10,000 connections: {before} KiB before, {peak} KiB at the peak; {behaved.answered} requests of another answered meanwhile")
        record_property("peak_KiB", peak)
        record_property("answered_meanwhile", behaved.answered)
        assert peak < before + 4096 * 24 + QUARANTINE
        counted = [line.get("count", 1) for line in rig.worker.lines if line.get("reason") == "overloaded"]
        assert counted and problem(rig.get(get("denied.test")), 403, "host-not-allowed")
    finally:
        for client in clients:
            client.close()
        rig.close()
