# SPDX-License-Identifier: GPL-3.0-or-later
"""stopper-proxy by itself: an agent's namespace, a sidecar's with the redirection in it, a small resolver, upstreams.

The worker is driven as init drives it (sys/channel.h). Everything lives in namespaces without names, held by descriptors
of this process; the upstreams' public addresses are addresses of the sidecar's loopback interface.
"""
import ctypes
import fcntl
import json
import os
import re
import select
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time

from http_peer import Reader
from tls_peer import Authority, tls_client
from worker_rig import APPLIED, AUTHORITY, DATABASE, HEAD, POLICY, READY, REFUSAL, SECRETS, WAIT, HeldWorker, sealed

BUILD = os.environ.get("STOPPER_BUILD") or os.path.join(os.path.dirname(__file__), "..", "..", "build", "release")
SIDECAR, AGENT = "10.7.7.1", "10.7.7.2"
DIALLED = "192.0.2.99"  # where agents think that they connect to; nothing is there
PUBLIC, OTHER, SERVER = "198.51.100.10", "198.51.100.11", "198.51.100.20"
CLONE_NEWNET = 0x40000000
RULES = 'table inet stopper { chain agent { type nat hook prerouting priority dstnat; ' \
        'iifname "s0" meta l4proto tcp redirect to :9443; }; }'
libc = ctypes.CDLL(None, use_errno=True)


class Space:
    """A network namespace, as a descriptor; `with` enters it in this thread."""

    def __init__(self):
        made = {}

        def make():
            assert libc.unshare(CLONE_NEWNET) == 0
            made["fd"] = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        self.fd, self.home = made["fd"], threading.local()
        self.run("ip", "link", "set", "lo", "up")

    def __enter__(self):
        self.home.fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        assert libc.setns(self.fd, CLONE_NEWNET) == 0

    def __exit__(self, *_):
        assert libc.setns(self.home.fd, CLONE_NEWNET) == 0
        os.close(self.home.fd)

    def run(self, *argv, **named):
        with self:
            return subprocess.run(argv, check=True, **named)

    def socket(self, kind=socket.SOCK_STREAM, bind=None, listen=0):
        with self:
            made = socket.socket(socket.AF_INET, kind)
        if bind:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(bind)
        if listen:
            made.listen(listen)
        return made

    def close(self):
        os.close(self.fd)


class Resolver:
    """127.0.0.1:9054. names: name → list of addresses; ("rcode", number, extended error) else; absent: no answer."""

    def __init__(self, space):
        self.names, self.asked = {}, []
        self.udp = space.socket(socket.SOCK_DGRAM, ("127.0.0.1", 9054))
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            wire, peer = self.udp.recvfrom(4096)
            if not wire:
                return
            end, labels = 12, []
            while wire[end]:
                labels.append(wire[end + 1:end + 1 + wire[end]].decode())
                end += 1 + wire[end]
            name = ".".join(labels).lower()
            self.asked.append(name)
            known = self.names.get(name)
            if known is None:
                continue
            question = wire[12:end + 5]
            rcode, error, addresses = (known[1], known[2], []) if known and known[0] == "rcode" else (0, None, known)
            option = struct.pack("!HHH", 15, 2, error) if error is not None else b""
            self.udp.sendto(wire[:2] + struct.pack("!HHHHH", 0x8180 | rcode, 1, len(addresses), 0, 1) + question + b"".join(
                b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + socket.inet_aton(a) for a in addresses) +
                b"\0\0\x29\x10\0\0\0\0\0" + struct.pack("!H", len(option)) + option, peer)

    def close(self, space):
        with space.socket(socket.SOCK_DGRAM) as poke:
            poke.sendto(b"", ("127.0.0.1", 9054))
        self.thread.join()
        self.udp.close()


class Upstream:
    """A TCP server on one address and port. Each connection gets `serve(stream)` in a thread of its own."""

    def __init__(self, space, address=PUBLIC, port=80, serve=None):
        self.space, self.at = space, (address, port)
        self.accepted, self.requests, self.streams, self.threads, self.closing = 0, [], [], [], False
        self.serve = serve or self.answer
        self.listener = space.socket(bind=self.at, listen=1100)
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            stream, _ = self.listener.accept()
            if self.closing:
                stream.close()
                return
            self.accepted += 1
            self.streams.append(stream)
            self.threads.append(threading.Thread(target=self._one, args=(stream,), daemon=True))
            self.threads[-1].start()

    def _one(self, stream):
        stream.settimeout(WAIT)
        with stream:
            try:
                self.serve(stream)
            except OSError:
                pass

    def read_request(self, stream):
        """One request, raw, as it came: head and body. None at the end."""
        reader = Reader(stream)
        message = reader.message(request=True)
        if message is None:
            return None
        self.requests.append(message.raw)
        return message

    def answer(self, stream, reply=b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"):
        while self.read_request(stream):
            stream.sendall(reply)

    def close(self):
        self.closing = True
        with self.space.socket() as poke:
            poke.connect(self.at)
        self.thread.join()
        self.listener.close()
        for stream in self.streams:  # the proxy keeps connections for the next request
            try:
                stream.shutdown(socket.SHUT_RDWR)
            except OSError:  # it is closed
                pass


COMPILE = """
mount -t tmpfs none /run && mkdir -p /run/stopper/empty && chmod 0555 /run/stopper/empty || exit 1
exec "$0" 0<&{0} 1>&{1} 3<"${{0%/*}}/stopper-dlp.db" {0}<&- {1}>&-
"""
databases = {}  # by the known secrets: sealed memfds


def database(known):
    """What is searched for, compiled by stopper-dlpc as init has it done. known: name -> value."""
    source = json.dumps({"secrets": known}, sort_keys=True).encode()
    if source not in databases:
        made, given = sealed(), sealed(source)
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 50) for fd in (given, made)]
        done = subprocess.run(["unshare", "-m", "bash", "-c", COMPILE.format(*high),
                               os.path.abspath(os.path.join(BUILD, "stopper-dlpc"))], pass_fds=high, stderr=subprocess.PIPE, timeout=120)
        assert done.returncode == 0, done.stderr
        for fd in (given, *high):
            os.close(fd)
        databases[source] = made
    return databases[source]


class Worker(HeldWorker):
    """stopper-proxy."""

    def __init__(self, space, deaf=False, files=20000, environment=None):
        super().__init__(space, os.path.join(BUILD, "stopper-proxy"), [space.socket(bind=(SIDECAR, 9443), listen=4096)], deaf, environment,
                         f"prlimit --nofile={files}")
        self._send(AUTHORITY, 0, Authority.get().message)

    def refused(self, *routes, **named):
        """Why a policy is not taken."""
        self._offer(*routes, **named)
        kind, generation, words = self._message()
        assert (kind, generation) == (REFUSAL, self.generation)
        while self._more():  # each of its messages is refused
            self._message()
        return words

    def _more(self):
        return bool(select.select([self.channel], [], [], 0.3)[0])

    def apply(self, *routes, **named):
        self._offer(*routes, **named)
        assert self._message() == (APPLIED, self.generation, "")

    def _offer(self, *routes, secrets=None, **members):
        self.generation += 1
        policy = {"protocol": 1, "dns": {"upstreams": ["203.0.113.53"]}, "generation": self.generation,
                  "sidecar": {"agent_address": SIDECAR, "own": ["10.7.7.0/30", "198.51.100.77/32"]},
                  "routes": [{"host": r} if isinstance(r, str) else r for r in routes], **members}
        if policy["routes"]:
            known = {name: value for name, value in (secrets or {}).items() if re.fullmatch("[!-~]{8,}", value)}
            socket.send_fds(self.channel, [HEAD.pack(DATABASE, 0, self.generation)], [database(known)])
        if secrets is not None:
            self._send(SECRETS, self.generation, json.dumps(secrets).encode())
        self._send(POLICY, self.generation, json.dumps(policy).encode())

    def memory(self, which="VmRSS"):
        """In KiB: VmRSS now, VmHWM at its peak."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return int(re.search(which + r":\s+(\d+)", status.read()).group(1))

    def cpu(self):
        """Seconds of processor time so far."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
            return sum(map(int, stat.read().rpartition(")")[2].split()[11:13])) / os.sysconf("SC_CLK_TCK")

    def files(self, kind=""):
        """Open descriptors ("socket:" for those alone), without a policy that is just being read."""
        folder, count = f"/proc/{self.process.pid}/fd", 0
        for name in os.listdir(folder):
            try:
                link = os.readlink(os.path.join(folder, name))
                count += link.startswith(kind) and not link.startswith("/memfd:")
            except FileNotFoundError:
                pass
        return count


class Client:
    """A connection of the agent."""

    def __init__(self, space, port=80, address=DIALLED, send=b""):
        self.stream = space.socket()
        self.stream.settimeout(WAIT)
        self.stream.connect((address, port))
        self.reader = Reader(self.stream)
        if send:
            self.send(send)

    def send(self, data):
        self.stream.sendall(data)

    def message(self, **named):
        return self.reader.message(**named)

    def rest(self):
        """Everything up to the end; "reset" when it ends with a RST."""
        data = b""
        try:
            while got := self.stream.recv(65536):
                data += got
        except ConnectionResetError:
            return "reset" if not data else (data, "reset")
        return data

    def close(self):
        self.stream.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Rig:
    """The whole, for one test."""

    def __init__(self, **named):
        self.agent, self.sidecar, self.things = Space(), Space(), []
        self.sidecar.run("ip", "link", "add", "s0", "type", "veth", "peer", "name", "a0", "netns",
                         f"/proc/{os.getpid()}/fd/{self.agent.fd}")
        self.sidecar.run("ip", "address", "add", SIDECAR + "/30", "dev", "s0")
        self.sidecar.run("ip", "link", "set", "s0", "up")
        for address in (PUBLIC, OTHER, SERVER, "198.51.100.77", "10.9.9.9"):
            self.sidecar.run("ip", "address", "add", address + "/32", "dev", "lo")
        self.sidecar.run("nft", "-f", "-", input=RULES, text=True)
        self.agent.run("ip", "address", "add", AGENT + "/30", "dev", "a0")
        self.agent.run("ip", "link", "set", "a0", "up")
        self.agent.run("ip", "route", "add", "default", "via", SIDECAR)
        self.resolver = Resolver(self.sidecar)
        self.worker = Worker(self.sidecar, **named)
        self.sockets = self.worker.files("socket:")

    def clear(self):
        """Ends what a test made. The next one finds none of it in the worker's hands either: a request that met a kept connection whose
        upstream is gone would go out twice."""
        while self.things:
            self.things.pop().close()
        wait_until(lambda: self.worker.files("socket:") <= self.sockets)

    def upstream(self, *args, **named):
        made = Upstream(self.sidecar, *args, **named)
        self.things.append(made)
        return made

    def client(self, *args, **named):
        return Client(self.agent, *args, **named)

    def get(self, request, port=80, **named):
        """One connection, one message back."""
        with self.client(port, send=request) as client:
            return client.message(**named)

    def https(self, name, port=443, ca=None, **settings):
        """A TLS client that trusts our CA; its Client reads and writes in clear. Without a name: no SNI."""
        client = Client(self.agent, port)
        try:
            client.stream = tls_client(client, name, ca or Authority.get().pem, **settings)
        except BaseException:
            client.close()
            raise
        client.reader = Reader(client.stream)
        return client

    def run(self, *argv, **named):
        """A program of the agent."""
        with self.agent:
            return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  timeout=120, check=False, **named)

    def nginx(self):
        made = Nginx(self.sidecar)
        self.things.append(made)
        return made

    def close(self):
        try:
            self.worker.close()
        finally:
            for thing in self.things:
                thing.close()
            self.resolver.close(self.sidecar)
            self.agent.close()
            self.sidecar.close()


class Nginx:
    """A real server for files on ports 80 and 443, with a certificate of a CA of its own (self.ca) for secure.test."""

    def __init__(self, space):
        self.folder = tempfile.mkdtemp(prefix="stopper-proxy-test-")
        self.ca = os.path.join(self.folder, "ca.pem")
        key, cert, conf = (os.path.join(self.folder, name) for name in ("key.pem", "cert.pem", "nginx.conf"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                        "2", "-subj", "/O=Test", "-addext", "subjectAltName=DNS:secure.test", "-keyout", key, "-out", cert],
                       check=True, stderr=subprocess.DEVNULL)
        shutil.copy(cert, self.ca)
        root = os.path.join(self.folder, "root")
        os.mkdir(root)
        with open(os.path.join(root, "small"), "w", encoding="ascii") as small:
            small.write("small\n")
        with open(os.path.join(root, "big"), "wb") as big:
            big.truncate(1 << 30)
        os.chmod(self.folder, 0o755)
        with open(conf, "w", encoding="ascii") as out:
            out.write(f"""daemon off; pid {self.folder}/pid; error_log {self.folder}/error.log; worker_processes 1;
events {{ worker_connections 4096; }}
http {{ access_log off; sendfile on; client_body_temp_path {self.folder}/b; proxy_temp_path {self.folder}/p;
fastcgi_temp_path {self.folder}/f; uwsgi_temp_path {self.folder}/u; scgi_temp_path {self.folder}/s;
client_max_body_size 0;
server {{ listen {SERVER}:80; listen {SERVER}:443 ssl; ssl_certificate {cert}; ssl_certificate_key {key}; root {root}; }} }}
""")
        with space:
            self.process = subprocess.Popen(["nginx", "-c", conf, "-p", self.folder], stdin=subprocess.DEVNULL,
                                            stderr=subprocess.DEVNULL)
        wait_until(lambda: self._answers(space))

    def _answers(self, space):
        try:
            with space.socket() as probe:
                probe.connect((SERVER, 443))
                return True
        except ConnectionRefusedError:
            assert self.process.poll() is None, "nginx has ended"
            return False

    def close(self):
        self.process.terminate()
        self.process.wait(WAIT)
        shutil.rmtree(self.folder)


def wait_until(condition, seconds=WAIT):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def wait_until_same(measure):
    """A number that has settled: closing takes the worker a moment."""
    seen = [measure()]
    wait_until(lambda: seen.append(measure()) or len(set(seen[-10:])) == 1 and len(seen) >= 10)
    return seen[-1]
