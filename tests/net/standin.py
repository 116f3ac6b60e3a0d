#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker for tests of stopper-init, started under the name of a real one: it speaks the channel, serves its listeners
with a word that says who answered, and misbehaves as the file NAME.mode beside it says.

Modes, several with blanks between them: silent (never READY), note (READY with words), dies (with a last word), refuse, mute (never answers a
policy), noise (a line that is no audit line), audit (many audit lines), dial ADDRESS PORT (tcp) and send ADDRESS PORT (udp),
holds (what comes in a connection is a record of something held, which init is asked about; what goes back is its verdict).
SIGUSR1 and SIGUSR2 add refuse and mute. It takes no part in the jail: only its user is the real one's, which is what the wall's output rules look at.
"""
import array
import base64
import json
import os
import select
import signal
import socket
import struct
import sys

POLICY, READY, APPLIED, REFUSED, CA, SECRETS, HOLD, HOLD_END, VERDICT, DATABASE, KEYS = 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 13
USERS = {"stopper-proxy": 61001, "stopper-dns": 61002, "stopper-gate": 61005, "stopper-push": 61006}
ORIGINAL_DESTINATION = 80
AUTHORITY = {}  # told with each policy
NAMES = {}  # of the secrets, the same
HELD = {}  # connections that wait for a verdict, by number


def line(members):
    return json.dumps(members, separators=(",", ":")).encode() + b"\n"


def main():
    name, folder = os.path.basename(sys.argv[0]), os.path.dirname(os.path.abspath(sys.argv[0]))
    mode = []
    if os.path.exists(f"{folder}/{name}.mode"):
        with open(f"{folder}/{name}.mode", encoding="ascii") as file:
            mode = file.read().split()
    channel, audit = socket.socket(fileno=3), socket.socket(fileno=4)
    listeners = [socket.socket(fileno=int(fd)) for fd in sorted(map(int, os.listdir("/proc/self/fd"))) if int(fd) > 4 and is_socket(fd)]
    os.setgroups([])
    os.setresgid(USERS[name], USERS[name], USERS[name])
    os.setresuid(USERS[name], USERS[name], USERS[name])
    if "dies" in mode:
        sys.exit("I cannot live like this")
    if "noise" in mode:
        audit.send(b"not\nan audit line\n")
    if "forger" in mode:
        audit.send(line({"kind": "lifecycle", "verdict": "allow", "detail": "forged"}))
        audit.send(line({"kind": "test", "detail": "forged", "seq": 1, "prev": "0" * 64}))
        audit.send(line({"kind": "test", "detail": "before"}) + line({"kind": "lifecycle", "detail": "forged"}) * 20 + line({"kind": "test", "detail": "behind"}))
        audit.send(line({"kind": "test", "detail": "long"}) * 300)
        audit.send(line({"kind": "test", "detail": "genuine"}) + line({"kind": "test", "detail": "another"}))
    if "audit" in mode:
        for number in range(20000):
            audit.send(line({"kind": "test", "worker": name, "number": number}))
    signal.signal(signal.SIGUSR1, lambda *_: mode.append("refuse"))
    signal.signal(signal.SIGUSR2, lambda *_: mode.append("mute"))
    if "silent" not in mode:
        note = b"I have no\nwall" if "note" in mode else b""
        channel.send(struct.pack("=IIQ", READY, len(note), 0) + note)
    for verb, kind in (("dial", socket.SOCK_STREAM), ("send", socket.SOCK_DGRAM)):
        if verb in mode:
            at = mode.index(verb)
            attempt(audit, verb, kind, mode[at + 1], int(mode[at + 2]))
    serve(name, mode, channel, audit, listeners)


def is_socket(fd):
    try:
        return os.readlink(f"/proc/self/fd/{fd}").startswith("socket:")
    except OSError:
        return False


def attempt(audit, verb, kind, address, port):
    """What a worker that was taken over would try. How it went is told as an audit line."""
    outcome = "ok"
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.settimeout(5)
        try:
            sock.connect((address, port))
            if kind == socket.SOCK_DGRAM:
                sock.send(b"hello")
                outcome = sock.recv(100).decode()
        except OSError as problem:
            outcome = type(problem).__name__ if problem.errno is None else os.strerror(problem.errno)
    audit.send(line({"kind": "test", "verb": verb, "address": address, "port": port, "outcome": outcome}))


def serve(name, mode, channel, audit, listeners):
    while True:
        for ready in select.select([channel, *listeners, *HELD.values()], [], [])[0]:
            if ready is channel:
                take_policy(name, mode, channel, audit)
            elif ready in HELD.values():
                let_go(channel, ready)
            elif "holds" in mode and ready.type == socket.SOCK_STREAM:
                hold(channel, ready.accept()[0])
            elif ready.type == socket.SOCK_DGRAM:
                data, peer = ready.recvfrom(2048)
                ready.sendto(name.encode() + b" " + data, peer)
            elif ready.family == socket.AF_UNIX:
                sock = ready.accept()[0]
                sock.send(name.encode())
                sock.close()
            elif name == "stopper-gate":  # nothing redirects to it
                sock = ready.accept()[0]
                sock.sendall(f"{name} {sock.getsockname()[0]} {sock.getsockname()[1]}\n".encode())
                sock.close()
            else:
                sock = ready.accept()[0]
                port, address = struct.unpack("!2xH4s8x", sock.getsockopt(socket.SOL_IP, ORIGINAL_DESTINATION, 16))
                sock.sendall(f"{name} {socket.inet_ntoa(address)} {port}\n".encode())
                sock.close()


def hold(channel, sock):
    sock.setblocking(True)
    size, = struct.unpack("=I", sock.recv(4, socket.MSG_WAITALL))
    record = sock.recv(size, socket.MSG_WAITALL)
    number = max(HELD, default=0) + 1
    HELD[number] = sock
    channel.send(struct.pack("=IIQ", HOLD, len(record), number) + record)


def let_go(channel, sock):
    number = next(number for number, held in HELD.items() if held is sock)
    if sock.recv(1):
        sys.exit("a connection says more than its record")
    HELD.pop(number).close()
    channel.send(struct.pack("=IIQ", HOLD_END, 0, number))


def take_policy(name, mode, channel, audit):
    data, control, _, _ = channel.recvmsg(65536, socket.CMSG_LEN(4))
    if not data:
        sys.exit(0)
    kind, _, generation = struct.unpack("=IIQ", data[:16])
    if kind == VERDICT:
        HELD[generation].sendall(data[16:])
        return
    fd = array.array("i", control[0][2])[0]
    held = os.pread(fd, os.fstat(fd).st_size, 0)
    os.close(fd)
    if kind == CA:
        assert name == "stopper-proxy" and not AUTHORITY
        AUTHORITY.update(authority_of(held))
        return
    if kind == SECRETS:
        assert name == "stopper-proxy"
        NAMES["secrets"] = sorted(json.loads(held))
        return
    if kind == DATABASE:
        assert name in ("stopper-proxy", "stopper-gate") and held
        NAMES["database"] = generation
        return
    if kind == KEYS:
        assert name == "stopper-push"
        NAMES["keys"] = sorted(json.loads(held))
        return
    assert kind == POLICY and bool(AUTHORITY) == (name == "stopper-proxy")
    policy = json.loads(held)
    assert policy["generation"] == generation
    audit.send(line({"kind": "test", "policy": policy, **AUTHORITY, **NAMES}))
    if "mute" in mode:
        return
    if "refuse" in mode:
        text = b"I would rather not"
        channel.send(struct.pack("=IIQ", REFUSED, len(text), generation) + text)
    else:
        channel.send(struct.pack("=IIQ", APPLIED, 0, generation))


def authority_of(held):
    """What is told of an authority: of the key only its length."""
    parts = []
    while held:
        size, = struct.unpack("=I", held[:4])
        parts.append(held[4:4 + size])
        held = held[4 + size:]
    certificate, key = parts
    return {"authority": base64.b64encode(certificate).decode(), "key": len(key)}


if __name__ == "__main__":
    main()

