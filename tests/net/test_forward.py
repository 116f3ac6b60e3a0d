# SPDX-License-Identifier: GPL-3.0-or-later
"""hostctl forward: a host's port leads to a server in a bottle, byte for byte, and to nothing else; it ends when it should
and leaves nothing. The servers are the agent's own, on its loopback or its address; the clients are on the host."""
import hashlib
import os
import re
import select
import signal
import socket
import struct
import subprocess
import threading

import pytest

from host import Host
from lab import program
from spaces import WAIT, child_of, tied, wait_for

FAILED = 125
CALLBACK, FEED, SINK, ECHO, OWN, RESET, FLOOD, FULL, DEAF, NOBODY = range(3000, 3010)
MEGABYTES = 50
# What listens in the bottle. FEED tells a length and the bytes' digest last; SINK answers with a digest when the client's end
# has come; RESET speaks and resets; FLOOD sends until nothing
# goes any more, and tells how much that was; FULL never accepts; DEAF reads nothing.
SERVER = f"""
import hashlib, http.server, os, socket, socketserver, struct, subprocess, threading

class Callback(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = ("got " + self.path + " from " + self.client_address[0]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass

class Feed(socketserver.BaseRequestHandler):
    def handle(self):
        digest = hashlib.sha256()
        for _ in range({MEGABYTES}):
            piece = os.urandom(1 << 20)
            digest.update(piece)
            self.request.sendall(piece)
        self.request.sendall(digest.digest())

class Sink(socketserver.BaseRequestHandler):
    def handle(self):
        digest, total = hashlib.sha256(), 0
        try:
            while piece := self.request.recv(65536):
                digest.update(piece)
                total += len(piece)
        except ConnectionResetError:
            print("reset", total, flush=True)
            return
        self.request.sendall(str(total).encode() + b" " + digest.hexdigest().encode())
        print("whole", total, flush=True)

class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while piece := self.request.recv(65536):
            self.request.sendall(piece)
        self.request.sendall(b"bye")

class Reset(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b"half a")
        self.request.recv(1)
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.request.close()

class Flood(socketserver.BaseRequestHandler):
    def handle(self):
        sent, piece = 0, bytes(65536)
        self.request.settimeout(1)
        try:
            while sent < 200 << 20:
                sent += self.request.send(piece)
        except TimeoutError:
            pass
        print("held", sent, flush=True)

class Deaf(socketserver.BaseRequestHandler):
    def handle(self):
        threading.Event().wait()

class Server(socketserver.ThreadingTCPServer):
    daemon_threads, allow_reuse_address, request_queue_size = True, True, 64

own = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=True).stdout.split()[0]
servers = [Server(("127.0.0.1", port), kind) for port, kind in (
    ({CALLBACK}, Callback), ({FEED}, Feed), ({SINK}, Sink), ({ECHO}, Echo), ({RESET}, Reset), ({FLOOD}, Flood), ({DEAF}, Deaf))] + [Server((own, {OWN}), Echo)]
for server in servers:
    threading.Thread(target=server.serve_forever, daemon=True).start()
full = socket.create_server(("127.0.0.1", {FULL}), backlog=0)
held = [socket.socket() for _ in range(4)]
for sock in held:
    sock.setblocking(False)
    sock.connect_ex(("127.0.0.1", {FULL}))
print("up", flush=True)
threading.Event().wait()
"""


class Bottle:
    """A bottle "b" whose command is SERVER, and forwards into it."""

    def __init__(self, host):
        self.host = host
        self.process = tied(host.command("up", "-f", host.manifest, "--name", "b", "--", "/usr/bin/python3", "-c", SERVER),
                            env=host.environment, cwd=host.dir, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "up\n":
            raise AssertionError(self.process.stderr.read())

    def said(self):
        assert select.select([self.process.stdout], [], [], WAIT)[0], "the server says nothing"
        return self.process.stdout.readline()

    def close(self):
        self.host.hostctl("down", "--all")
        self.process.communicate(timeout=WAIT)


class Forward:
    """hostctl forward, listening; its ports by those of the bottle."""

    def __init__(self, host, *ports):
        self.host = host
        self.process = tied(host.command("forward", "b", *map(str, ports)), env=host.environment, cwd=host.dir,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines = [self.process.stdout.readline() for _ in ports]
        if not all(self.lines):
            raise AssertionError(self.process.stderr.read())
        self.port = {}
        for line in self.lines:
            ours, theirs = re.fullmatch(r'127\.0\.0\.1:(\d+) leads to port (\d+) in the bottle "b"\n', line).groups()
            self.port[int(theirs)] = int(ours)

    def connect(self, port):
        return self.host.space.call(socket.create_connection, ("127.0.0.1", self.port[port]), WAIT)

    def pid(self):
        return child_of(self.process.pid)

    def reason(self):
        assert select.select([self.process.stderr], [], [], WAIT)[0], "no reason"
        return self.process.stderr.readline()

    def end(self, number=signal.SIGINT):
        os.kill(self.pid(), number)
        out, err = self.process.communicate(timeout=WAIT)
        return self.process.returncode, out, err

    def close(self):
        if self.process.poll() is None:
            self.end(signal.SIGKILL)  # our process is nsenter, which waits for it


def shims(host):
    return sorted(host.processes().get("stopper-shim", ()))


@pytest.fixture(scope="module")
def rig(lab):
    """A host with the bottle, shared; it has to be as clean as it was in the end."""
    host = Host(lab)
    try:
        bottle = Bottle(host)
        try:
            yield bottle
        finally:
            bottle.close()
        host.clean()
    finally:
        host.close()


@pytest.fixture
def forward(rig):
    made, before = [], shims(rig.host)

    def make(*ports):
        made.append(Forward(rig.host, *ports))
        return made[-1]
    yield make
    for each in made:
        each.close()
    wait_for(lambda: shims(rig.host) == before, "no process is left in the bottle")


def receive(sock, most=None):
    data = bytearray()
    while (most is None or len(data) < most) and (piece := sock.recv(65536)):
        data += piece
    return bytes(data)


def request(sock, path):
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    head, _, body = receive(sock).partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0].decode(), body.decode()


# ---- bytes ------------------------------------------------------------------------------------------------------------


def test_a_callback_reaches_the_agents_loopback(forward):
    with forward(f"0:{CALLBACK}").connect(CALLBACK) as sock:
        assert request(sock, "/callback?code=c0de&state=5") == ("HTTP/1.1 200 OK", "got /callback?code=c0de&state=5 from 127.0.0.1")


def test_a_server_on_the_agents_own_address_is_found(forward):
    with forward(f"0:{OWN}").connect(OWN) as sock:
        sock.sendall(b"x")
        sock.shutdown(socket.SHUT_WR)
        assert receive(sock) == b"xbye"


def test_it_listens_on_the_loopback_only_and_on_the_same_port_unless_told(rig, forward):
    made = forward(ECHO, f"0:{CALLBACK}")
    assert made.port[ECHO] == ECHO
    listening = [line.split()[3] for line in rig.host.space.run("ss", "-Hltn").splitlines()]
    assert sorted(listening) == sorted([f"127.0.0.1:{ECHO}", f"127.0.0.1:{made.port[CALLBACK]}"])


def test_fifty_connections_at_once_keep_their_own_bytes(forward):
    made, data = forward(f"0:{ECHO}"), [os.urandom(200_000) for _ in range(50)]
    socks, got = [made.connect(ECHO) for _ in data], [b""] * len(data)

    def talk(i):
        writer = threading.Thread(target=lambda: (socks[i].sendall(data[i]), socks[i].shutdown(socket.SHUT_WR)))
        writer.start()
        got[i] = receive(socks[i])
        writer.join()
    threads = [threading.Thread(target=talk, args=(i,)) for i in range(len(data))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each == data[i] + b"bye" for i, each in enumerate(got)] == [True] * len(data)
    for sock in socks:
        sock.close()


def test_more_clients_than_it_carries_wait_their_turn(rig, forward):
    before = len(shims(rig.host))
    made = forward(f"0:{ECHO}")
    socks = [made.connect(ECHO) for _ in range(150)]
    for sock in socks:
        sock.sendall(b"x")
    wait_for(lambda: len(shims(rig.host)) == before + 128, "as many as it carries")
    for sock in socks:
        sock.shutdown(socket.SHUT_WR)
        assert receive(sock) == b"xbye"
        sock.close()


def test_fifty_megabytes_both_ways_at_once(rig, forward):
    made = forward(f"0:{FEED}", f"0:{SINK}")
    down, up, digest = made.connect(FEED), made.connect(SINK), hashlib.sha256()

    def send():
        for _ in range(MEGABYTES):
            piece = os.urandom(1 << 20)
            digest.update(piece)
            up.sendall(piece)
        up.shutdown(socket.SHUT_WR)
    sender = threading.Thread(target=send)
    sender.start()
    data = receive(down, (MEGABYTES << 20) + 33)
    sender.join()
    assert len(data) == (MEGABYTES << 20) + 32 and hashlib.sha256(data[:-32]).digest() == data[-32:]
    assert receive(up).decode() == f"{MEGABYTES << 20} {digest.hexdigest()}"
    assert rig.said() == f"whole {MEGABYTES << 20}\n"
    down.close()
    up.close()


# ---- ends of connections ----------------------------------------------------------------------------------------------


def test_a_half_close_arrives_and_the_answer_comes_back(rig, forward):
    with forward(f"0:{SINK}").connect(SINK) as sock:
        sock.sendall(b"abc")
        assert not select.select([sock], [], [], 0.2)[0]  # no end yet, no answer
        sock.shutdown(socket.SHUT_WR)
        assert receive(sock).decode() == f"3 {hashlib.sha256(b'abc').hexdigest()}"
    assert rig.said() == "whole 3\n"


def connected(rig, port):
    """The connections that a server in the bottle has."""
    return rig.host.hostctl("exec", "b", "--", "ss", "-Htn", "state", "established", f"sport = :{port}").stdout.splitlines()


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def test_a_clients_reset_is_a_reset_inside_and_not_an_end(rig, forward):
    made = forward(f"0:{SINK}")
    sock = made.connect(SINK)
    sock.sendall(b"abc")
    wait_for(lambda: len(connected(rig, SINK)) == 1, "the connection")
    reset(sock)
    assert rig.said().startswith("reset")


def test_a_servers_reset_is_a_reset_outside_behind_what_it_sent(forward):
    with forward(f"0:{RESET}").connect(RESET) as sock:
        assert receive(sock, 6) == b"half a"
        sock.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


def test_a_slow_client_holds_the_server_back(rig, forward):
    with forward(f"0:{FLOOD}").connect(FLOOD) as sock:
        word, sent = rig.said().split()
        assert word == "held" and int(sent) < MEGABYTES << 20  # sockets' and pipes' buffers hold some
        assert len(receive(sock)) == int(sent)


# ---- refusals ---------------------------------------------------------------------------------------------------------


def test_where_nothing_listens_the_client_is_closed_and_the_reason_told(forward):
    made = forward(f"0:{NOBODY}", f"0:{ECHO}")
    with made.connect(NOBODY) as sock, pytest.raises(ConnectionResetError):
        sock.recv(1)
    assert made.reason() == f'hostctl forward: port {NOBODY} in the bottle "b": nothing listens there\n'
    with made.connect(ECHO) as sock:  # the control: it goes on
        sock.shutdown(socket.SHUT_WR)
        assert receive(sock) == b"bye"
    assert made.end() == (0, "", "")


def test_a_port_that_is_taken_is_named(rig, forward):
    made = forward(f"0:{ECHO}")
    done = rig.host.hostctl("forward", "b", f"{made.port[ECHO]}:{ECHO}")
    assert (done.returncode, done.stdout) == (FAILED, "")
    assert done.stderr == (f"hostctl forward: port {made.port[ECHO]} of 127.0.0.1 is taken; "
                           f"\"FREE:{made.port[ECHO]}\" leads another one there\n")


def test_an_unknown_bottle_is_said(rig):
    done = rig.host.hostctl("forward", "absent", "0:80")
    assert (done.returncode, done.stdout, done.stderr) == (FAILED, "", 'hostctl forward: there is no bottle "absent"\n')


def test_a_listener_that_does_not_accept_is_told_from_none(forward):
    made = forward(f"0:{FULL}")
    with made.connect(FULL) as sock, pytest.raises(ConnectionResetError):
        sock.recv(1)
    assert made.reason() == f'hostctl forward: port {FULL} in the bottle "b": what listens there does not accept\n'


# ---- walls ------------------------------------------------------------------------------------------------------------


def in_bottle(rig, script, *arguments):
    done = rig.host.hostctl("exec", "b", "--", "sh", "-c", script, "sh", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def waiting(rig, known=()):
    """The bottle's number of the shim that waits for a connection, or of the first that is not known."""
    def look():
        return [pid for pid in in_bottle(rig, "pgrep -fx '/proc/self/exe connect' || true").split() if pid not in known]
    return wait_for(look, "a shim that waits")[0]


def test_the_shim_inside_has_no_more_rights_than_the_agent(rig, forward):
    forward(f"0:{ECHO}")
    wanted = ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters")

    def rights(pid):
        lines = in_bottle(rig, "cat /proc/$1/status", pid).splitlines()
        return [line for line in lines if line.split(":")[0] in wanted]
    shim = rights(waiting(rig))
    assert shim == rights("self") and "CapBnd:\t0000000000000000" in shim and len(shim) == len(wanted)


def test_connect_is_refused_to_root(rig):
    done = subprocess.run(rig.host.space.enter(program("stopper-shim"), "connect"), stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, env=rig.host.environment, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == 'stopper-shim: connect runs behind "stopper-shim exec --" only\n'


def test_what_an_agent_writes_unasked_is_seen_nowhere_and_the_way_in_comes_back(rig, forward):
    """The shim that waits is a process of the agent's user, who can write to its pipes or kill it."""
    made, known = forward(f"0:{ECHO}"), []
    in_bottle(rig, "printf '\\033]0;mine\\007 words\\n' >/proc/$1/fd/2", waiting(rig))
    for script in ("printf '\\0\\0\\3abc' >/proc/$1/fd/1", "kill -9 $1",
                   "printf 'words\\n' >/proc/$1/fd/2; printf '\\1' >/proc/$1/fd/1"):
        known.append(waiting(rig, known))
        in_bottle(rig, script, known[-1])
    with made.connect(ECHO) as sock:
        sock.sendall(b"x")
        sock.shutdown(socket.SHUT_WR)
        assert receive(sock) == b"xbye"
    assert made.end() == (0, "", "")


def test_an_agent_that_lets_nothing_wait_ends_it_with_the_reason(rig, forward):
    made = forward(f"0:{ECHO}")
    killer = tied(rig.host.command("exec", "b", "--", "sh", "-c", "while sleep 0.05; do pkill -fx '/proc/self/exe connect'; done"),
                  env=rig.host.environment, cwd=rig.host.dir, stdin=subprocess.DEVNULL)
    try:
        out, err = made.process.communicate(timeout=WAIT)
    finally:
        os.kill(child_of(killer.pid), signal.SIGTERM)
        killer.wait(WAIT)
    assert (made.process.returncode, out, err) == (
        FAILED, "", 'hostctl forward: what was to wait in the bottle "b" for connections ended 10 times in a row\n')


# ---- ends -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_resets_what_it_carried(rig, forward, number):
    made = forward(f"0:{SINK}")
    with made.connect(SINK) as sock:
        sock.sendall(b"abc")
        wait_for(lambda: len(connected(rig, SINK)) == 1, "the connection")
        assert made.end(number) == (0, "", "")
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    assert rig.said() == "reset 3\n"


def test_killed_it_leaves_nothing(rig, forward):
    """The fixture waits for the end of all its shims: of connections on which nothing moves, for want of bytes or of room."""
    made = forward(f"0:{SINK}", f"0:{FLOOD}", f"0:{DEAF}")
    with made.connect(SINK) as sock, made.connect(FLOOD), made.connect(DEAF) as deaf:
        assert rig.said().startswith("held")
        sock.sendall(b"abc")
        deaf.settimeout(1)
        with pytest.raises(TimeoutError):
            deaf.sendall(bytes(MEGABYTES << 20))
        os.kill(made.pid(), signal.SIGKILL)
        made.process.wait(WAIT)
        assert rig.said().startswith("reset")
    again = forward(f"{made.port[SINK]}:{SINK}")  # and the port is free at once
    assert again.port == {SINK: made.port[SINK]}


def test_the_bottles_end_ends_it(rig):
    """Last in this file: the bottle goes."""
    idle, busy = Forward(rig.host, f"0:{ECHO}"), Forward(rig.host, f"0:{ECHO}")
    with busy.connect(ECHO) as sock:
        sock.sendall(b"x")
        assert receive(sock, 1) == b"x"
        assert rig.host.hostctl("down", "b").returncode == 0
        try:
            assert sock.recv(1) == b""  # where the server's end was seen first
        except ConnectionResetError:
            pass
    for made in idle, busy:
        out, err = made.process.communicate(timeout=WAIT)
        assert (made.process.returncode, out, err) == (0, "", 'hostctl forward: the bottle "b" has ended\n')
