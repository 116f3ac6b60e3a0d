# SPDX-License-Identifier: GPL-3.0-or-later
"""stopper-proxy under load: memory and descriptors with many connections and long transfers; figures are printed (-s)."""
import os
import resource
import threading
import time

import pytest

from http_peer import get
from proxy_rig import BUILD, PUBLIC, SERVER, Rig, wait_until
from tls_peer import ECH, hello

CONNECTIONS = 1000
POOLED = 128  # connections to upstreams that may wait for other clients' requests: POOL_MAX in limits.h
GIB = 1 << 30
QUARANTINE = 400 << 10 if "asan" in BUILD else 0  # KiB of freed memory that the sanitizer holds back


@pytest.fixture
def rig():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16384), hard))  # this process holds both ends
    made = Rig()
    made.worker.apply("plain.test", "server.test", {"host": "secure.test", "tls": {"passthrough": True}})
    made.resolver.names.update({"plain.test": [PUBLIC], "server.test": [SERVER], "secure.test": [SERVER]})
    yield made
    made.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_thousand_kept_http_connections_hold_no_buffers(rig, record_property):
    nginx = rig.nginx()
    assert nginx.process.poll() is None and rig.get(get("server.test", "/small")).status == 200
    before, files = rig.worker.memory(), rig.worker.files()
    clients = [rig.client(send=get("server.test", "/small")) for _ in range(CONNECTIONS)]
    for client in clients:
        assert client.message().body == b"small\n"
    wait_until(lambda: rig.worker.files() >= files + CONNECTIONS)
    each = (rig.worker.memory() - before) / CONNECTIONS
    print(f"\n{CONNECTIONS} kept HTTP connections: {each:.1f} KiB each, peak {rig.worker.memory('VmHWM')} KiB in all")
    record_property("KiB_per_connection", each)
    clients[0].send(get("server.test", "/small"))
    assert clients[0].message().body == b"small\n"
    assert each < 20 + QUARANTINE / CONNECTIONS
    for client in clients:
        client.close()
    wait_until(lambda: rig.worker.files() <= files + POOLED)


def test_a_thousand_tunnels_at_once_hold_no_pipes(rig, record_property):
    upstream = rig.upstream(SERVER, 443, lambda stream: (stream.settimeout(120), stream.recv(65536), stream.sendall(b"tunnel"),
                                                         stream.recv(1)))
    before, files = rig.worker.memory(), rig.worker.files()
    clients = [rig.client(443, send=hello()) for _ in range(CONNECTIONS)]
    for client in clients:
        assert client.reader.exactly(6) == b"tunnel"
    assert upstream.accepted == CONNECTIONS
    each = (rig.worker.memory() - before) / CONNECTIONS
    print(f"\n{CONNECTIONS} tunnels: {each:.1f} KiB each, peak {rig.worker.memory('VmHWM')} KiB in all")
    record_property("KiB_per_tunnel", each)
    assert rig.worker.files() <= files + 2 * CONNECTIONS + 2 * 32 and each < 20 + QUARANTINE / CONNECTIONS
    with rig.client(443, send=hello(extra=ECH)) as client:  # a thousand promised lines leave room for one more
        assert len(client.rest()) == 7
    for client in clients:
        client.close()
    wait_until(lambda: sum(line["verdict"] == "allow" for line in rig.worker.lines) == CONNECTIONS)
    wait_until(lambda: rig.worker.files() <= files + 2 * 32)


def fetch(rig, *argv):
    """A download by curl. Returns MiB per second and the worker's peak memory in KiB while it ran."""
    began, peak, done = time.monotonic(), [0], threading.Event()

    def watch():
        while not done.wait(0.05):
            peak[0] = max(peak[0], rig.worker.memory())
    watcher = threading.Thread(target=watch)
    watcher.start()
    result = rig.run("curl", "-sS", "-o", "/dev/null", "-w", "%{size_download} %{http_code}", *argv)
    done.set()
    watcher.join()
    assert result.stdout == f"{GIB} 200".encode(), result
    return 1024 / (time.monotonic() - began), peak[0]


@pytest.mark.parametrize("way", ["splice", "HTTP"])
def test_a_gibibyte_down_at_constant_memory(rig, way, record_property):
    nginx, before = rig.nginx(), rig.worker.memory()
    if way == "splice":
        rate, peak = fetch(rig, "--cacert", nginx.ca, "--resolve", "secure.test:443:192.0.2.99", "https://secure.test/big")
        assert rig.worker.line(kind="tls", verdict="allow")["bytes_in"] > GIB
    else:
        rate, peak = fetch(rig, "--resolve", "server.test:80:192.0.2.99", "http://server.test/big")
        assert rig.worker.line(kind="http", verdict="allow", status=200)["bytes_in"] > GIB
    print(f"\n1 GiB by {way}: {rate:.0f} MiB/s, memory {before} KiB before, {peak} KiB at its peak")
    record_property("MiB_per_second", rate)
    assert peak < before + 4096 + QUARANTINE


def test_a_hundred_mebibytes_up_at_constant_memory(rig):
    def serve(stream):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += stream.recv(1)
        left = 100 << 20
        while left:
            left -= len(stream.recv(1 << 20))
        stream.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
    rig.upstream(serve=serve)
    before = rig.worker.memory()
    with rig.client(send=b"PUT / HTTP/1.1\r\nHost: plain.test\r\nContent-Length: 104857600\r\n\r\n") as client:
        for _ in range(100):
            client.send(b"x" * (1 << 20))
        assert client.message().status == 204
    assert rig.worker.line(kind="http", status=204)["bytes_out"] > 100 << 20
    assert rig.worker.memory("VmHWM") < before + 4096 + QUARANTINE


def test_a_thousand_downloads_that_nobody_reads_stay_within_their_windows(rig, record_property):
    rig.nginx()
    before = rig.worker.memory()
    clients = [rig.client(send=get("server.test", "/big")) for _ in range(CONNECTIONS)]
    seen = []

    def steady():
        seen.append(rig.worker.memory())
        time.sleep(0.2)
        return len(seen) > 20 and max(seen[-10:]) - min(seen[-10:]) < 512
    wait_until(steady, 60)
    each = (max(seen) - before) / CONNECTIONS
    print(f"\n{CONNECTIONS} downloads that nobody reads: {each:.1f} KiB each")
    record_property("KiB_per_stalled_download", each)
    assert each < 192 + QUARANTINE / CONNECTIONS
    with rig.client(send=get("server.test", "/small")) as client:  # others are served
        assert client.message().body == b"small\n"
    for client in clients:
        client.close()


def processor_seconds(rig):
    with open(f"/proc/{rig.worker.process.pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_when_descriptors_run_out_what_needs_more_ends_and_the_loop_does_not_spin():
    rig = Rig(files=1128)  # (1128 - 192) / 4 = 234 connections; blocked in both directions they would need 6 descriptors each
    stop = threading.Event()

    def serve(stream):  # sends, and reads nothing
        try:
            while True:
                stream.send(b"x" * 65536)
        except TimeoutError:
            stop.wait(60)
    try:
        rig.worker.apply({"host": "secure.test", "tls": {"passthrough": True}})
        rig.resolver.names["secure.test"] = [SERVER]
        rig.upstream(SERVER, 443, lambda stream: (stream.settimeout(3), serve(stream)))
        clients = [rig.client(443, send=hello()) for _ in range(234)]
        for client in clients:
            client.stream.settimeout(0.01)
            try:
                while True:
                    client.stream.send(b"y" * 65536)
            except (TimeoutError, ConnectionResetError, BrokenPipeError):
                pass
        assert rig.worker.line(kind="tls", reason="overloaded")["verdict"] == "allow"
        assert rig.worker.files() <= 1128
        began = processor_seconds(rig)
        time.sleep(2)
        assert processor_seconds(rig) - began < 1
        stop.set()
        for client in clients:
            client.close()
        with rig.client(443, send=hello(extra=ECH)) as client:
            client.stream.settimeout(30)
            assert len(client.rest()) == 7
    finally:
        stop.set()
        rig.close()
