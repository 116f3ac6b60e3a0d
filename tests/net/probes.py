# SPDX-License-Identifier: GPL-3.0-or-later
"""What an agent may try, one function each. A probe reports what happened, as plain data, and judges nothing; its test
calls the same probe for the refusal and for the control. Runs in the bottle, so it needs the standard library only.

An "error" is the errno's name (ECONNRESET, EHOSTUNREACH), "timeout", or the end of what arrived ("closed").
"""
import asyncio
import ctypes
import errno
import http.client as web
import json
import os
import resource
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

CA = "/lab/ca.pem"
TIMEOUT = 8.0


def _name(problem):
    if isinstance(problem, TimeoutError):
        return "timeout"
    return errno.errorcode.get(problem.errno, repr(problem)) if problem.errno else repr(problem)


def _http(sock, host, path, method, fields, body, limit):
    """One request on a connected socket; the answer up to its end or to limit bytes."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close", *fields]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    sock.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body.encode())
    data, total = b"", 0
    while piece := sock.recv(65536):
        total += len(piece)
        data = (data + piece)[:limit]
    if not data:
        return {"error": "closed"}
    if not data.startswith(b"HTTP/1."):
        return {"error": "not HTTP", "data": data.decode("latin-1")}
    head, _, body = data.partition(b"\r\n\r\n")
    status, *rest = head.decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    answer = {"status": int(status.split()[1]), "headers": headers, "body": body.decode("latin-1"), "bytes": total}
    if "json" in headers.get("content-type", ""):
        answer["json"] = json.loads(body)
    return answer


def http(host, address=None, port=80, path="/", method="GET", fields=(), body="", timeout=TIMEOUT, limit=65536):
    try:
        with socket.create_connection((address or host, port), timeout) as sock:
            return _http(sock, host, path, method, fields, body, limit)
    except socket.gaierror as problem:
        return {"error": f"gai {problem.errno}"}
    except OSError as problem:
        return {"error": _name(problem)}


def https(host, address=None, port=443, path="/", ca=CA, timeout=TIMEOUT, limit=65536, sni=True, alpn=("http/1.1",), fields=()):
    """TLS with the host's name, then one request. A TLS alert is reported by its OpenSSL name. Trusted are the system's
    roots, among them the bottle's, and `ca`, the world's, for what is passed through."""
    context = ssl.create_default_context()
    if ca:
        context.load_verify_locations(ca)
    context.set_alpn_protocols(list(alpn))
    if not sni:
        context.check_hostname = False
    try:
        with socket.create_connection((address or host, port), timeout) as plain:
            with context.wrap_socket(plain, server_hostname=host if sni else None) as sock:
                return {"version": sock.version(), **_http(sock, host, path, "GET", fields, "", limit)}
    except ssl.SSLCertVerificationError as problem:
        return {"error": "certificate", "reason": problem.verify_message}
    except ssl.SSLEOFError:
        return {"error": "closed"}
    except ssl.SSLError as problem:
        return {"error": "tls", "reason": problem.reason}
    except socket.gaierror as problem:
        return {"error": f"gai {problem.errno}"}
    except OSError as problem:
        return {"error": _name(problem)}


def tcp(address, port, send="", timeout=TIMEOUT, limit=4096, source=None):
    """Connects, sends, and reads to the end."""
    data = b""
    try:
        with socket.create_connection((address, port), timeout, (source, 0) if source else None) as sock:
            try:
                sock.sendall(send.encode("latin-1"))
                while len(data) < limit and (piece := sock.recv(4096)):
                    data += piece
                error = "closed"
            except OSError as problem:
                error = _name(problem)
        return {"connected": True, "data": data.decode("latin-1"), "error": error}
    except OSError as problem:
        return {"connected": False, "data": "", "error": _name(problem)}


def udp(address, port, send="hello", timeout=TIMEOUT, source=None):
    """A connected datagram socket: the kernel reports ICMP errors on it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.settimeout(timeout)
            if source:
                sock.setsockopt(socket.IPPROTO_IP, 19, 1)  # IP_TRANSPARENT: an address of somebody else's
                sock.bind((source, 0))
            sock.connect((address, port))
            sock.send(send.encode())
            return {"data": sock.recv(4096).decode("latin-1")}
    except OSError as problem:
        return {"error": _name(problem)}


def ping(address, timeout=TIMEOUT):
    """An echo request from a raw socket. "icmp" is [type, code] of the answer, "from" its sender."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
            packet = struct.pack("!BBHHH", 8, 0, 0, os.getpid() & 0xffff, 1) + b"stopper!"
            total = sum(struct.unpack(f"!{len(packet) // 2}H", packet))
            total = (total & 0xffff) + (total >> 16)
            packet = packet[:2] + struct.pack("!H", ~(total + (total >> 16)) & 0xffff) + packet[4:]
            sock.settimeout(timeout)
            sock.sendto(packet, (address, 0))
            end = time.monotonic() + timeout
            while time.monotonic() < end:
                answer, (sender, _) = sock.recvfrom(2048)
                answer = answer[(answer[0] & 15) * 4:]
                if (answer[0] == 0 and b"stopper!" in answer) or answer[0] == 3:
                    return {"icmp": [answer[0], answer[1]], "from": sender}
            return {"error": "timeout"}
    except OSError as problem:
        return {"error": _name(problem)}


TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "HTTPS": 65, "ANY": 255}


def dns(server, name, kind="A", over="udp", timeout=TIMEOUT, port=53):
    """One question with EDNS. "ede" is the list of Extended DNS Error codes (RFC 8914)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    query = struct.pack("!HHHHHH", 0x5353, 0x0100, 1, 0, 0, 1) + labels + b"\0" + struct.pack("!HH", TYPES[kind], 1)
    query += b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)
    try:
        if over == "tcp":
            with socket.create_connection((server, port), timeout) as sock:
                sock.sendall(struct.pack("!H", len(query)) + query)
                with sock.makefile("rb") as stream:
                    answer = stream.read(int.from_bytes(stream.read(2), "big"))
        else:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.settimeout(timeout)
                sock.connect((server, port))
                sock.send(query)
                answer = sock.recv(4096)
    except OSError as problem:
        return {"error": _name(problem), "addresses": []}
    return _dns_answer(answer)


def _dns_skip(data, at):
    while data[at]:
        if data[at] >= 192:
            return at + 2
        at += data[at] + 1
    return at + 1


def _dns_answer(data):
    if len(data) < 12:
        return {"error": "closed", "addresses": []}
    _, flags, questions, answers, authority, additional = struct.unpack_from("!HHHHHH", data)
    at, addresses, types, ede = 12, [], [], []
    for _ in range(questions):
        at = _dns_skip(data, at) + 4
    for index in range(answers + authority + additional):
        at = _dns_skip(data, at)
        kind, _, _, length = struct.unpack_from("!HHIH", data, at)
        value, at = data[at + 10:at + 10 + length], at + 10 + length
        if index < answers:
            types.append(kind)
            if kind == 1:
                addresses.append(socket.inet_ntoa(value))
        elif kind == 41:
            while len(value) >= 4:
                code, size = struct.unpack_from("!HH", value)
                if code == 15:
                    ede.append(int.from_bytes(value[4:6], "big"))
                value = value[4 + size:]
    return {"rcode": flags & 15, "addresses": addresses, "types": types, "ede": ede}


def resolve(name):
    """As programs do it: the C library and /etc/resolv.conf."""
    try:
        return sorted({entry[4][0] for entry in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)})
    except socket.gaierror as problem:
        return f"gai {problem.errno}"


def run(argv, stdin="", timeout=60, environment=None, cwd=None):
    """A program, to its end."""
    try:
        done = subprocess.run(argv, input=stdin.encode(), capture_output=True, timeout=timeout, cwd=cwd, check=False,
                              env=None if environment is None else {**os.environ, **environment})
    except subprocess.TimeoutExpired as problem:
        return {"status": "timeout", "out": (problem.stdout or b"").decode("latin-1"),
                "err": (problem.stderr or b"").decode("latin-1")}
    except OSError as problem:
        return {"status": _name(problem), "out": "", "err": ""}
    return {"status": done.returncode, "out": done.stdout.decode("latin-1"), "err": done.stderr.decode("latin-1")}


def status(pid="self"):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return {key: value.strip() for key, _, value in (line.partition(":") for line in file)}


def read(path):
    try:
        if os.path.isdir(path):
            return {"names": sorted(os.listdir(path))}
        with open(path, "rb") as file:
            return {"data": file.read(65536).decode("latin-1")}
    except OSError as problem:
        return {"error": _name(problem)}


def unix(path):
    """Connects to a Unix socket; a path that starts with @ is an abstract name."""
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect("\0" + path[1:] if path.startswith("@") else path)
            return {"connected": True}
    except OSError as problem:
        return {"error": _name(problem)}


def open_socket(family, kind, protocol=0):
    """Whether a socket of this sort can be had: "ok" or the errno's name."""
    try:
        socket.socket(getattr(socket, family), getattr(socket, kind), protocol).close()
        return "ok"
    except OSError as problem:
        return _name(problem)


def system_call(name, arguments):
    """A C library function that returns -1 on failure: "ok" or the errno's name. Strings are passed as bytes. Runs in a
    child, so that what succeeds ends with it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        values = [value.encode() if isinstance(value, str) else value for value in arguments]
        result = getattr(libc, name)(*values)
        os.write(writer, (errno.errorcode[ctypes.get_errno()] if result == -1 else "ok").encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with open(reader, "rb") as stream:
        return stream.read().decode()


def many(host, count, address=None, port=443, path="/", ca=CA, hold=0.0):
    """count TLS connections that are all open at once, then one request on each. "answers" counts the statuses."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, count + 256)), hard))
    context = ssl.create_default_context(cafile=ca)
    answers, opened = {}, 0

    async def connect(gate):
        async with gate:
            return await asyncio.open_connection(address or host, port, ssl=context, server_hostname=host,
                                                 ssl_handshake_timeout=120)

    async def ask(connection):
        reader, writer = connection
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read(-1)
        writer.close()
        return answer[9:12].decode("latin-1") or "closed"

    async def everything():
        nonlocal opened
        gate = asyncio.Semaphore(64)
        connections = await asyncio.gather(*(connect(gate) for _ in range(count)), return_exceptions=True)
        good = [connection for connection in connections if isinstance(connection, tuple)]
        opened = len(good)
        for connection in connections:
            if not isinstance(connection, tuple):
                answers[repr(connection)] = answers.get(repr(connection), 0) + 1
        await asyncio.sleep(hold)
        for answer in await asyncio.gather(*(ask(connection) for connection in good), return_exceptions=True):
            answers[str(answer)] = answers.get(str(answer), 0) + 1

    asyncio.run(everything())
    return {"open": opened, "answers": answers}


def keep_trying(seconds, allowed, plain, denied, stranger, ca=CA):
    """Traffic of all sorts until the time is over; how often each outcome came."""
    outcomes, end = {}, time.monotonic() + seconds
    attempts = (("allowed", lambda: https(allowed, ca=ca, timeout=1)), ("plain", lambda: http(plain, timeout=1)),
                ("denied", lambda: http(denied, timeout=1)), ("tcp", lambda: tcp(stranger, 9999, "x", timeout=0.5)),
                ("udp", lambda: udp(stranger, 9999, timeout=0.1)), ("dns", lambda: dns(stranger, denied, timeout=0.3)),
                ("slow", lambda: http(plain, path="/slow", timeout=0.3)))
    while time.monotonic() < end:
        for name, attempt in attempts:
            answer = attempt()
            key = f"{name} {answer.get('status') or answer.get('error') or answer.get('rcode')}"
            outcomes[key] = outcomes.get(key, 0) + 1
    return outcomes


KEPT = {}  # connections that outlive a call, by name


def kept(name, host, path="/", ca=None):
    """One request on the TLS connection of this name, which is made when there is none or it was closed; whether it was.
    Without `ca` only the bottle's roots count: who answers is behind a connection that was opened."""
    connection = KEPT.get(name)
    fresh = connection is None or connection.sock is None
    if fresh:
        context = ssl.create_default_context()
        if ca:
            context.load_verify_locations(ca)
        connection = KEPT[name] = web.HTTPSConnection(host, timeout=TIMEOUT, context=context)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return {"fresh": fresh, "status": answer.status, "body": answer.read().decode()}
    except (OSError, web.HTTPException) as problem:
        connection.close()
        return {"fresh": fresh, "error": repr(problem)}


COUNTING = threading.Lock()


class Load:
    """Requests one after the other, until it is told to end: for each host by some threads that keep their connection, and some that
    make one a request. What came of each is kept, with the time of the machine's clock at which it was begun."""

    def __init__(self, hosts, kept, fresh):
        self.ending, self.done, self.connections, self.threads = False, {}, {}, []
        for host in hosts:
            for kind, count in ("kept", kept), ("fresh", fresh):
                self.done[host, kind], self.connections[host, kind] = [], 0
                self.threads += [threading.Thread(target=self._run, args=(host, kind), daemon=True) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def _run(self, host, kind):
        context = ssl.create_default_context()
        connection = web.HTTPSConnection(host, timeout=TIMEOUT, context=context)
        while not self.ending:
            begun = time.monotonic()
            try:
                if connection.sock is None:
                    connection.connect()
                    with COUNTING:
                        self.connections[host, kind] += 1
                connection.request("GET", "/", headers={} if kind == "kept" else {"Connection": "close"})
                answer = connection.getresponse()
                answer.read()
                outcome = str(answer.status)
            except (OSError, web.HTTPException) as problem:
                connection.close()
                outcome = repr(problem)
            self.done[host, kind].append((begun, time.monotonic(), outcome))


def load_begin(hosts, kept, fresh):
    KEPT["load"] = Load(hosts, kept, fresh)


def load_since(begun, ended=None):
    """{"HOST KIND": {outcome: how often}} of the requests that were begun after this time, and had ended before that."""
    found = {}
    for (host, kind), all_done in KEPT["load"].done.items():
        counts = found[f"{host} {kind}"] = {}
        for start, end, outcome in list(all_done):
            if start > begun and (ended is None or end < ended):
                counts[outcome] = counts.get(outcome, 0) + 1
    return found


def load_end():
    """How many connections were made, by host and kind."""
    load = KEPT["load"]
    load.ending = True
    for thread in load.threads:
        thread.join()
    return {f"{host} {kind}": count for (host, kind), count in load.connections.items()}


def main():
    """probes.py NAME JSON-ARGUMENTS: one probe in a process of its own, for other users and namespaces."""
    print(json.dumps(globals()[sys.argv[1]](**json.loads(sys.argv[2]))))


if __name__ == "__main__":
    main()
