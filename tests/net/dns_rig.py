# SPDX-License-Identifier: GPL-3.0-or-later
"""One stopper-dns, started exactly as stopper-init starts it, alone in a network namespace of its own, with resolvers in
front of it that do what a test tells them. No name is given to the namespace and no process but the worker is in it, so
that nothing can stay behind.

    agent (192.168.7.2) ── 10.7.7.1:9053   stopper-dns   192.0.2.53:53, 192.0.2.54:53 (Upstream)
    proxy               ── 127.0.0.1:9054                192.0.2.55:53 (nsd, where a test starts it)
"""
import ctypes
import json
import os
import random
import select
import socket
import struct
import subprocess
import threading
import time

from worker_rig import APPLIED, HEAD, POLICY, READY, REFUSAL, HeldWorker  # noqa: F401 (for others of its kind)

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(os.environ.get("STOPPER_BUILD", os.path.join(HERE, "..", "..", "build", "release")))
SIDECAR, AGENT = "10.7.7.1", "192.168.7.2"
FIRST, SECOND, NSD = "192.0.2.53", "192.0.2.54", "192.0.2.55"
AGENT_SIDE, INTERNAL = (SIDECAR, 9053), ("127.0.0.1", 9054)
A, NS, CNAME, SOA, PTR, TXT, AAAA, SRV, OPT, SVCB, HTTPS, ANY = 1, 2, 5, 6, 12, 16, 28, 33, 41, 64, 65, 255
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)
WAIT = 10
CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


# ---- bytes

def name_wire(name):
    labels = [] if name in ("", ".") else [label.encode("latin-1") for label in name.split(".")]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def opt(size=1232, version=0, options=b"", flags=0):
    return b"\0" + struct.pack("!HHBBHH", OPT, size, 0, version, flags, len(options)) + options


def question(name, qtype=A, qclass=1):
    return name_wire(name) + struct.pack("!HH", qtype, qclass)


def query(name, qtype=A, ident=None, flags=0x0100, edns=b"", qclass=1):
    ident = random.getrandbits(16) if ident is None else ident
    return struct.pack("!HHHHHH", ident, flags, 1, 0, 0, 1 if edns else 0) + question(name, qtype, qclass) + edns


def record(owner, rtype, ttl, data, rclass=1):
    """A record; owner None is a pointer to the question's name."""
    return (b"\xc0\x0c" if owner is None else name_wire(owner)) + struct.pack("!HHIH", rtype, rclass, ttl, len(data)) + data


def a(owner, address, ttl=60):
    return record(owner, A, ttl, socket.inet_aton(address))


def cname(owner, target, ttl=60):
    return record(owner, CNAME, ttl, name_wire(target))


def soa(owner, ttl=60, minimum=60):
    return record(owner, SOA, ttl, b"\0\0" + struct.pack("!IIIII", 1, 3600, 600, 86400, minimum))


def reply_to(asked, answers=(), authority=(), rcode=NOERROR, flags=0x8180, ident=None, asked_question=None):
    """A reply to the bytes of a query; ident and asked_question to lie."""
    ident = struct.unpack("!H", asked[:2])[0] if ident is None else ident
    echoed = question_of(asked) if asked_question is None else asked_question
    return (struct.pack("!HHHHHH", ident, flags | rcode, 1, len(answers), len(authority), 0) + echoed +
            b"".join(answers) + b"".join(authority))


def question_of(wire):
    at = 12
    while wire[at]:
        at += 1 + wire[at]
    return wire[12:at + 5]


def read_name(wire, at):
    labels, end = [], None
    while wire[at]:
        if wire[at] >= 0xC0:
            end = end or at + 2
            at = (wire[at] & 0x3F) << 8 | wire[at + 1]
            continue
        labels.append(wire[at + 1:at + 1 + wire[at]].decode("latin-1"))
        at += 1 + wire[at]
    return ".".join(labels), end or at + 1


class Message:
    """A message, read without mercy: what is left over is an error."""

    def __init__(self, wire):
        self.wire = wire
        self.id, self.flags, questions, answers, authority, additional = struct.unpack("!HHHHHH", wire[:12])
        self.rcode, self.tc = self.flags & 15, bool(self.flags & 0x200)
        at, self.question = 12, None
        if questions:
            name, at = read_name(wire, at)
            self.question = (name, *struct.unpack("!HH", wire[at:at + 4]))
            at += 4
        self.answers, at = self._records(at, answers)
        self.authority, at = self._records(at, authority)
        self.additional, at = self._records(at, additional)
        assert at == len(wire), "bytes behind the message"
        self.addresses = [socket.inet_ntoa(data) for owner, rtype, ttl, data in self.answers if rtype == A]
        self.ttls = [ttl for owner, rtype, ttl, data in self.answers]
        self.ede = self._ede()

    def _records(self, at, count):
        records = []
        for _ in range(count):
            owner, at = read_name(self.wire, at)
            rtype, rclass, ttl, size = struct.unpack("!HHIH", self.wire[at:at + 10])
            records.append((owner, rtype, ttl, self.wire[at + 10:at + 10 + size]))
            at += 10 + size
        return records, at

    def _ede(self):
        for _, rtype, _, data in self.additional:
            while rtype == OPT and data:
                code, size = struct.unpack("!HH", data[:4])
                if code == 15:
                    return struct.unpack("!H", data[4:6])[0]
                data = data[4 + size:]
        return None

    @property
    def nodata(self):
        return self.rcode == NOERROR and not self.answers and [r[1] for r in self.authority] == [SOA]


# ---- the namespace

class Space:
    """A network namespace held by a descriptor; `with space:` makes sockets and processes in it."""

    def __init__(self):
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        if libc.unshare(CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        try:
            self.fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            self._enter(home)
            os.close(home)
        with self:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            for address in (SIDECAR, AGENT, FIRST, SECOND, NSD):
                subprocess.run(["ip", "address", "add", address + "/32", "dev", "lo"], check=True)

    @staticmethod
    def _enter(fd):
        if libc.setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    def __enter__(self):
        self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._enter(self.fd)

    def __exit__(self, *_):
        self._enter(self.home)
        os.close(self.home)

    def socket(self, kind, bind=None, listen=0):
        with self:
            made = socket.socket(socket.AF_INET, kind)
        if bind:
            if kind == socket.SOCK_STREAM:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(bind)
        if listen:
            made.listen(listen)
        return made

    def close(self):
        os.close(self.fd)


class Upstream:
    """A resolver on UDP and TCP. `answer(wire, tcp)` gives the replies, as a list of bytes; every query is kept."""

    def __init__(self, space, address):
        self.address, self.asked, self.answer = address, [], lambda wire, tcp: []
        self.udp = space.socket(socket.SOCK_DGRAM, (address, 53))
        self.tcp = space.socket(socket.SOCK_STREAM, (address, 53), 64)
        self.wake, self.stop = os.pipe()
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _replies(self, wire, tcp):
        with self.changed:
            self.asked.append(wire)
            self.changed.notify_all()
        return self.answer(wire, tcp)

    def _serve(self):
        while True:
            ready = select.select([self.udp, self.tcp, self.wake], [], [])[0]
            if self.wake in ready:
                return
            if self.udp in ready:
                wire, peer = self.udp.recvfrom(4096)
                self.peer = peer
                for out in self._replies(wire, False):
                    self.udp.sendto(out, peer)
            if self.tcp in ready:
                with self.tcp.accept()[0] as stream:
                    stream.settimeout(WAIT)
                    wire = read_frame(stream)
                    for out in self._replies(wire, True) if wire else []:
                        stream.sendall(struct.pack("!H", len(out)) + out)

    def wait(self, count, seconds=WAIT):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.asked) >= count, seconds), f"{len(self.asked)} queries came"

    def names(self):
        return [read_name(wire, 12)[0].lower() for wire in self.asked]

    def close(self):
        os.write(self.stop, b".")
        self.thread.join()
        for open_one in (self.udp, self.tcp):
            open_one.close()
        os.close(self.wake)
        os.close(self.stop)


def read_frame(stream):
    """One message of a TCP stream; b"" at its end."""
    data = b""
    while len(data) < 2 or len(data) < 2 + struct.unpack("!H", data[:2])[0]:
        size = 2 if len(data) < 2 else 2 + struct.unpack("!H", data[:2])[0]
        got = stream.recv(size - len(data))
        if not got:
            return b""
        data += got
    return data[2:]


# ---- the worker

class Worker(HeldWorker):
    """stopper-dns."""

    def __init__(self, space, deaf=False, environment=None):
        self.space = space
        listeners = [space.socket(socket.SOCK_DGRAM, AGENT_SIDE), space.socket(socket.SOCK_STREAM, AGENT_SIDE, 64),
                     space.socket(socket.SOCK_DGRAM, INTERNAL)]
        super().__init__(space, os.path.join(BUILD, "stopper-dns"), listeners, deaf, environment)

    def apply(self, routes, upstreams=(FIRST,), own=("10.7.7.0/30", "192.0.2.7/32"), **members):
        self.generation += 1
        policy = {"protocol": 1, "dns": {"upstreams": list(upstreams)}, "generation": self.generation, **members,
                  "sidecar": {"agent_address": SIDECAR, "own": list(own)},
                  "routes": [{"host": r} if isinstance(r, str) else r for r in routes]}
        self._send(POLICY, self.generation, json.dumps(policy).encode())
        assert self._message() == (APPLIED, self.generation, "")

    def count(self):
        """Decisions in the lines so far; a line of equal denials stands for several."""
        with self.changed:
            return sum(line.get("count", 1) for line in self.lines)

    def wait_count(self, number):
        with self.changed:
            assert self.changed.wait_for(lambda: sum(line.get("count", 1) for line in self.lines) >= number, WAIT)


class Rig:
    """The whole, for one test."""

    def __init__(self, deaf=False, environment=None):
        self.space = Space()
        self.first, self.second = Upstream(self.space, FIRST), Upstream(self.space, SECOND)
        self.worker = Worker(self.space, deaf, environment)
        self.agent = self.space.socket(socket.SOCK_DGRAM, (AGENT, 0))
        self.agent.settimeout(WAIT)

    def exchange(self, wire, to=AGENT_SIDE):
        """Sends a query and returns the bytes of its answer."""
        with self.space.socket(socket.SOCK_DGRAM) as client:
            client.settimeout(WAIT)
            client.connect(to)
            client.send(wire)
            return client.recv(4096)

    def ask(self, name, qtype=A, edns=opt(), to=AGENT_SIDE, **named):
        wire = query(name, qtype, edns=edns, **named)
        message = Message(self.exchange(wire, to))
        assert message.id == struct.unpack("!H", wire[:2])[0] and message.question[:2] == (name, qtype)
        assert message.flags & 0x8080 == 0x8080
        return message

    def connect(self):
        stream = self.space.socket(socket.SOCK_STREAM)
        stream.settimeout(WAIT)
        stream.connect(AGENT_SIDE)
        return stream

    def close(self):
        self.agent.close()
        try:
            self.worker.close()
        finally:
            self.first.close()
            self.second.close()
            self.space.close()


def wait_until(condition, seconds=WAIT):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
