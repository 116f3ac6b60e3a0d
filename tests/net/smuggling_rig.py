# SPDX-License-Identifier: GPL-3.0-or-later
"""Request smuggling: an upstream that records bytes and understands nothing, behind the proxy in clear and over TLS."""
import collections
import ssl
import threading
import time

import pytest

from http_peer import Reader, problem
from proxy_rig import PUBLIC, Rig, wait_until
from smuggling_shapes import CONTROL
from tls_peer import Authority, Certificates


class Recorder:
    """Records what comes on each connection, and answers as many requests as it was told to expect, each when its last byte
    is there and by closing: that is all that it knows about HTTP."""

    def __init__(self, context=None):
        self.context, self.seen, self.open, self.lock = context, [], 0, threading.Lock()
        self.expect = []

    def __call__(self, stream):
        with self.lock:
            at = len(self.seen)
            self.seen.append(b"")
            self.open += 1
        try:
            secure = self.context.wrap_socket(stream, server_side=True, suppress_ragged_eofs=True) if self.context else stream
            self.record(secure, at)
        except ssl.SSLError:
            pass
        finally:
            with self.lock:
                self.open -= 1

    def record(self, stream, at):
        answered = False
        while got := stream.recv(65536):
            self.seen[at] += got
            if not answered and self.seen[at] in self.expect:
                answered = True
                stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

    def forget(self, *expect):
        wait_until(lambda: not self.open)
        self.seen, self.expect = [], list(expect)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    made = Certificates(tmp_path_factory.mktemp("certificates"))
    made.make("smuggle", san="DNS:smuggle.test")
    return made


@pytest.fixture(scope="module")
def rig(certificates):
    made = Rig()
    made.worker.apply("smuggle.test", extra_ca=certificates.pem)
    made.resolver.names["smuggle.test"] = [PUBLIC]
    yield made
    made.close()


class Leg:
    """One way through the proxy: in clear or over TLS."""

    dials = collections.deque(maxlen=120)  # when, of all legs: they share a worker

    def __init__(self, rig, certificates, secure):
        self.rig, self.secure, self.port, self.dialled = rig, secure, 443 if secure else 80, 0
        context = None
        if secure:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificates.path("smuggle.pem"), certificates.path("smuggle.key"))
            self.context = ssl.create_default_context(cafile=Authority.get().pem)
        self.recorder = Recorder(context)
        self.upstream = rig.upstream(PUBLIC, self.port, self.recorder)

    def fill(self, text):
        for name, value in ((b"{port}", b"%d" % self.port), (b"{scheme}", b"https" if self.secure else b"http"),
                            (b"{other}", b"http" if self.secure else b"https")):
            text = text.replace(name, value)
        return text

    def client(self):
        """Each dials an address of its own, so that no two denials are equal and counted in one line; and no more of them in a
        second than the proxy tells apart (sys/audit_sink.c: 128, for a second and a quarter)."""
        self.dialled += 1
        if len(self.dials) == self.dials.maxlen:
            wait_until(lambda: time.monotonic() - self.dials[0] > 1.5)
        self.dials.append(time.monotonic())
        client = self.rig.client(self.port, self.address())
        if self.secure:
            client.stream = self.context.wrap_socket(client.stream, server_hostname="smuggle.test", suppress_ragged_eofs=False)
            client.reader = Reader(client.stream)
        return client

    def direct(self, sent):
        """Past the proxy."""
        with self.rig.sidecar.socket() as stream:
            stream.connect((PUBLIC, self.port))
            stream.sendall(sent)
            wait_until(lambda: b"".join(self.recorder.seen) == sent)

    def address(self):
        return f"198.18.{self.dialled >> 8}.{self.dialled & 255}"

    def lines(self, address):
        """What the audit says of the connection to this address."""
        return [line for line in self.rig.worker.lines if line["kind"] == "http" and line["address"] == address]

    def control(self):
        """A plain request, behind everything that the upstream and the audit were sent before it. Returns the lines of the
        connection before."""
        address = self.address()
        with self.client() as client:
            client.send(CONTROL)
            assert client.message().body == b"ok"
        self.rig.worker.line(path="/control", address=self.address())
        return self.lines(address)


@pytest.fixture(scope="module", params=["clear", "TLS"])
def leg(request, rig, certificates):
    made = Leg(rig, certificates, request.param == "TLS")
    yield made
    rig.things.remove(made.upstream)
    made.upstream.close()


def answers_are(client, answers):
    """All answers, in order, then an end when the last one is a 400. Returns the ids of the refusals."""
    ids = []
    for status, name in answers:
        answer = client.message()
        assert answer is not None, (status, name)
        while answer.status == 100:
            answer = client.message()
        if name is None:
            assert (answer.status, answer.body) == (status, b"ok")
        else:
            ids.append(problem(answer, status, name)["event_id"])
    if answers[-1][0] == 400:
        assert answer.field("connection") == "close" and client.rest() == b""
    return ids
