# SPDX-License-Identifier: GPL-3.0-or-later
"""All attacks of test_smuggling.py at once, cut, joined and mutilated at random, from both sides of the proxy: it goes on serving."""
import random
import socket
import ssl
import threading
import time

import pytest

from http_peer import get, problem
from proxy_rig import PUBLIC, Rig, wait_until
from smuggling_shapes import CUT, MALFORMED, SHAPES, SURPLUS
from tls_peer import Authority, Certificates

SECONDS, THREADS = 5, 6
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ANSWERS = [GOOD] * 6 + [b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000000] + [
    *MALFORMED.values(), *CUT.values(), *(says for _, says, _, _ in SURPLUS.values()),
    b"HTTP/1.1 200 a-value-to-hide\r\nX-a-value-to-hide: a-value-to-hide\r\n\r\n" + b"a-value-a-value-to-hide" * 5000,
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(b"8\r\na-value-\r\n7\r\nto-hide\r\n" for _ in range(99)) + b"0\r\n\r\n"]
BATCH = b'{"operation":"download","objects":[{"oid":"1","size":1}]}'
REQUESTS = [b"POST /r.git/info/lfs/objects/batch HTTP/1.1\r\nHost: smuggle.test\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BATCH)
            + BATCH] * 20 + [sent.replace(b"{scheme}", b"http").replace(b"{port}", b"80") for sent, _, _ in SHAPES.values()]
ROUTE = {"host": "smuggle.test", "git_fetch": True, "insecure": True, "auth": {"scheme": "Bearer", "secret": "TOKEN"}}


def pieces(dice, data):
    while data:
        size = dice.choice((1, 2, 7, 100, 100000))
        yield data[:size]
        data = data[size:]


def serve(stream):
    dice = random.Random()
    stream.settimeout(2)
    while stream.recv(65536):
        for piece in pieces(dice, dice.choice((b"", dice.choice(ANSWERS), dice.choice(ANSWERS)))):
            stream.sendall(piece)
            if dice.random() < 0.02:
                return


def attack(rig, dice, context):
    """One connection of the agent's."""
    secure = dice.random() < 0.4
    with rig.client(443 if secure else 80) as client:
        client.stream.settimeout(0.3)
        if secure:
            client.stream = context.wrap_socket(client.stream, server_hostname=dice.choice(("smuggle.test", "denied.test")))
        data = bytearray(b"".join(dice.choice(REQUESTS) for _ in range(dice.randrange(1, 6))) * dice.choice((1, 1, 1, 30)))
        for _ in range(dice.choice((0, 0, 1, 3))):
            data[dice.randrange(len(data))] = dice.randrange(256)
        for piece in pieces(dice, bytes(data)):
            client.send(piece)
        if not secure and dice.random() < 0.2:
            client.stream.shutdown(socket.SHUT_WR)
        while dice.random() < 0.7 and client.stream.recv(65536):
            pass


@pytest.fixture(params=[4096, 4], ids=["room for all", "room for four"])
def rig(request, tmp_path):
    certificates = Certificates(tmp_path)
    certificates.make("smuggle", san="DNS:smuggle.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.path("smuggle.pem"), certificates.path("smuggle.key"))

    def secure(stream):
        with context.wrap_socket(stream, server_side=True) as inside:
            serve(inside)
    made = Rig(files=min(64 + 128 + 4 * request.param, 20000))
    made.policies = [lambda: made.worker.apply(*routes, secrets={"TOKEN": "a-value-to-hide"}, extra_ca=certificates.pem)
                     for routes in ([ROUTE], [ROUTE, "denied.test"], [ROUTE], ["other.test"])]
    made.policies[0]()
    made.resolver.names["smuggle.test"] = [PUBLIC]
    made.upstream(PUBLIC, 80, serve)
    made.upstream(PUBLIC, 443, secure)
    yield made
    made.close()


def test_a_storm_of_broken_messages_leaves_a_worker_that_serves(rig, record_property):
    end, count = time.monotonic() + SECONDS, [0] * THREADS
    context = ssl.create_default_context(cafile=Authority.get().pem)

    def run(number):
        dice = random.Random(number)
        while time.monotonic() < end:
            try:
                attack(rig, dice, context)
            except (OSError, ValueError):
                pass
            count[number] += 1
    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    turn = 0
    while any(thread.is_alive() for thread in threads):
        turn += 1
        rig.policies[turn % len(rig.policies)]()  # what runs meets new policies, some without its route
        threads[turn % THREADS].join(0.2)
    assert rig.worker.process.poll() is None and sum(count) > 100
    record_property("connections", sum(count))
    rig.worker.apply("plain.test")  # a new generation: nothing that the storm left is used again
    rig.resolver.names["plain.test"] = ["198.51.100.11"]
    rig.upstream("198.51.100.11", 80)
    assert rig.get(get("plain.test")).status == 200
    assert problem(rig.get(get("denied.test")), 403, "host-not-allowed")
    files = rig.worker.files
    wait_until(lambda: files() < 40, 30)
