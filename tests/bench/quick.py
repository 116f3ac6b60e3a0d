# SPDX-License-Identifier: GPL-3.0-or-later
"""make bench-quick: what a request, a connection and a byte cost in Stopper and, in the same run, in haproxy.

Both stand between the same client and the same server, terminate TLS and encrypt anew, verify the server, and write a line
a request. Stopper also judges, strips, injects a token and searches the answers for it; and, in its first line, searches requests
and answers for what must not pass (dlp, as every route has it), in its second not. The box is pinned to one
core, clients and servers to the others; the figure is the CPU time of the box's processes (/proc/PID/schedstat), all of them,
divided by what they did. The two take turns, so that what else runs on the machine meets both.

    quick.py [--rounds N] [--seconds S] [--json FILE]
"""
import argparse
import glob
import gzip
import json
import os
import re
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "net"))

# pylint: disable=wrong-import-position
from lab import BUILD, Lab, program  # noqa: E402
from spaces import WAIT, Failed, Space, child_of, tied, wait_for, wire  # noqa: E402
from world import RESOLVER  # noqa: E402

HOST, SERVER = "allowed.test", "203.0.113.10"
UPLOAD = 512 << 20                   # bytes
TEXT, TIMES = 64 << 20, 8            # bytes of what is fetched, and how often
KEPT = 1000                          # connections
CLIENTS = 16                         # at the same time
TARGETS = {                          # figure: (in words, the ratio that is asked for, whether more is better)
    "kept": ("us of CPU a request, 1 KiB, kept connections", 1.2, False),
    "new": ("us of CPU a request, 1 KiB, a connection each", 0.7, False),
    "down": ("MiB a second of CPU, to the client (text)", 1.15, True),
    "up": ("MiB a second of CPU, to the server", 1.15, True),
}
MEMORY_MAX = 20                      # KiB a kept connection

NGINX = """
user root; daemon on; worker_processes 1; pid {dir}/pid; error_log {dir}/error.log; worker_rlimit_nofile 8192;
events {{ worker_connections 4000; }}
http {{
  access_log off; client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3; uwsgi_temp_path {dir}/t4;
  scgi_temp_path {dir}/t5; sendfile on; keepalive_timeout 75s; keepalive_requests 100000000; default_type text/plain;
  client_max_body_size 0;
  ssl_certificate {pem}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:s:1m;
  server {{ listen 203.0.113.10:443 ssl backlog=4096; root {dir}; location = /kib {{ }} location = /text {{ }} }}
}}
"""
HAPROXY = """
global
  maxconn 8000
  nbthread 1
  log fd@1 format raw local0
  ssl-server-verify required
defaults
  mode http
  log global
  option httplog
  timeout connect 10s
  timeout client 60s
  timeout server 60s
  {reuse}
frontend f
  bind {address}:443 ssl crt {pem} alpn http/1.1
  bind {address}:8444 ssl crt {pem} alpn http/1.1
  http-request set-header Authorization "Bearer bench-token-0123456789"
  use_backend up if {{ dst_port 8444 }}
  default_backend b
backend b
  server s {server}:443 ssl verify required ca-file {ca} sni str({host}) verifyhost {host} alpn http/1.1
backend up
  server s {server}:8444 ssl verify required ca-file {ca} sni str({host}) verifyhost {host} alpn http/1.1
"""


class Sink(threading.Thread):
    """The server of the uploads: reads a request's body and answers when it has all of it."""

    def __init__(self, space, pem, key):
        super().__init__(daemon=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pem, key)
        self.listener = space.call(socket.create_server, (SERVER, 8444), backlog=64)

    def run(self):
        while True:
            try:
                stream, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(stream,), daemon=True).start()

    def serve(self, stream):
        room = bytearray(1 << 18)
        try:
            with self.context.wrap_socket(stream, server_side=True) as tls:
                while head := self.head(tls):
                    length = int(re.search(rb"(?i)content-length: (\d+)", head[0]).group(1)) - len(head[1])
                    while length > 0:
                        got = tls.recv_into(room)
                        if not got:
                            return
                        length -= got
                    tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        except OSError:
            pass

    @staticmethod
    def head(tls):
        data = b""
        while b"\r\n\r\n" not in data:
            got = tls.recv(65536)
            if not got:
                return None
            data += got
        return data.split(b"\r\n\r\n", 1)

    def close(self):
        self.listener.close()


class Box:
    """What is measured. `pids` are its processes; `client` is the namespace in front of it."""

    def __init__(self, lab, name, core):
        self.lab, self.name, self.core = lab, name, core
        self.dir = os.path.join(lab.dir, name)
        os.mkdir(self.dir)
        self.outer, self.client = Space(lab, f"{name}-box"), Space(lab, f"{name}-client")
        lab.world.link(self.outer.pid, "egress0")
        wire(self.outer.pid, "agent0", "10.7.7.1/30", self.client.pid, "agent0", "10.7.7.2/30")
        self.client.run("ip", "route", "add", "default", "via", "10.7.7.1")
        self.log = open(os.path.join(self.dir, "log"), "wb")
        lab.on_close(self.log.close)

    def hosts(self, address):
        path = os.path.join(self.dir, "hosts")
        with open(path, "w", encoding="ascii") as file:
            file.write(f"{address} {HOST}\n")
        self.client.run("mount", "--bind", path, "/etc/hosts")

    def start(self, argv, **named):
        process = tied(["taskset", "-c", str(self.core), *argv], stdin=subprocess.DEVNULL, stdout=self.log,
                       stderr=open(os.path.join(self.dir, "errors"), "wb"), env=self.lab.environment, **named)
        self.lab.on_close(lambda: (process.kill(), process.wait()))
        return process

    def said(self):
        with open(self.log.name, encoding="utf-8") as log:
            return log.read()

    def cpu(self):
        """Nanoseconds of CPU time of all threads, from the kernel's scheduler (Documentation/scheduler/sched-stats.rst)."""
        total = 0
        for pid in self.pids:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                    total += int(file.read().split()[0])
        return total

    def memory(self):
        """KiB of resident memory."""
        total = 0
        for pid in self.pids:
            with open(f"/proc/{pid}/status", encoding="ascii") as file:
                total += int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))
        return total

    def run(self, *argv, **named):
        return self.client.run(*argv, **named)

    def wrk(self, seconds, *more):
        out = self.run("wrk", "-t1", f"-c{CLIENTS}", f"-d{seconds}s", *more, f"https://{HOST}/kib")
        if re.search("Non-2xx|Socket errors", out):
            raise Failed(f"{self.name}: {out}")
        return int(re.search(r"(\d+) requests in", out).group(1))

    def measure(self, figure, seconds):
        if figure == "memory":
            return self.kept_memory()
        begin = self.cpu()
        if figure in ("kept", "new"):
            done = self.wrk(seconds, *(["-H", "Connection: close"] if figure == "new" else []))
            return (self.cpu() - begin) / 1000 / done
        amount = UPLOAD >> 20
        if figure == "down":
            amount = TEXT * TIMES >> 20
            self.run("curl", "-sSf", "-k", "-o", "/dev/null", f"https://{HOST}/text?[1-{TIMES}]")
        else:
            self.run("curl", "-sSf", "-k", "-o", "/dev/null", "-H", "Expect:", "-T", os.path.join(self.lab.dir, "www", "big"),
                     f"https://{HOST}:8444/up")
        return amount / ((self.cpu() - begin) / 1e9)

    def kept_memory(self):
        self.wrk(1)
        before = self.memory()
        script = f"""
import socket, ssl, sys
context = ssl.create_default_context(); context.check_hostname = False; context.verify_mode = ssl.CERT_NONE
held = []
for _ in range({KEPT}):
    held.append(context.wrap_socket(socket.create_connection(("{HOST}", 443)), server_hostname="{HOST}"))
    held[-1].sendall(b"GET /kib HTTP/1.1\\r\\nHost: {HOST}\\r\\n\\r\\n")
    data = b""
    while len(data.partition(b"\\r\\n\\r\\n")[2]) < 1024:
        data += held[-1].recv(4096)
print("held", flush=True)
sys.stdin.read()
"""
        holder = tied(self.client.enter("/usr/bin/python3", "-c", script), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            if holder.stdout.readline() != b"held\n":
                raise Failed(f"{self.name}: not all of {KEPT} connections were made")
            return (self.memory() - before) / KEPT
        finally:
            holder.kill()
            holder.wait()
            holder.stdin.close()
            holder.stdout.close()


class Stopper(Box):
    """The whole sidecar: stopper-init, the meter, stopper-dns, stopper-proxy; with a token and an audit stream."""

    def __init__(self, lab, core, dlp=None):
        super().__init__(lab, "stopper" + ("-unsearched" if dlp else ""), core)
        self.hosts("192.0.2.1")  # nobody's: what is dialled does not matter
        top = self.start(["nsenter", "-t", str(self.outer.pid), "-n", "unshare", "-m", "-p", "-f", "--kill-child", "--mount-proc",
                          "sh", "-c", 'mount -t tmpfs -o mode=755 tmpfs /run && exec "$0"', program("stopper-init")])
        init = child_of(top.pid)
        with open(lab.world.ca, encoding="ascii") as ca:
            policy = {"protocol": 1, "dns": {"upstreams": [RESOLVER]}, "extra_ca": ca.read(),
                      "routes": [{"host": HOST, "ports": [80, 443, 8444], **({"dlp": dlp} if dlp else {}),
                                  "auth": {"scheme": "Bearer", "secret": "BENCH", "header": "Authorization"}}]}
        ctl = ["nsenter", "-t", str(init), "-n", "-m", "-p", program("stopper-init"), "ctl"]
        wait_for(lambda: '"ready"' in self.said(), "the sidecar")
        lab.run(*ctl, "apply", input=json.dumps({"policy": policy, "secrets": {"BENCH": "bench-token-0123456789"}}))
        wait_for(lambda: len(self.children(init)) == 3, "meter, DNS and proxy alone")  # stopper-dlpc has ended
        self.pids = [init, *self.children(init)]

    @staticmethod
    def children(pid):
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
            return list(map(int, children.read().split()))


class Haproxy(Box):
    def __init__(self, lab, core, pem, reuse=""):
        super().__init__(lab, "haproxy" + ("-" + reuse.split()[-1] if reuse else ""), core)
        self.hosts("10.7.7.1")
        conf = os.path.join(self.dir, "haproxy.cfg")
        with open(conf, "w", encoding="ascii") as file:
            file.write(HAPROXY.format(address="10.7.7.1", pem=pem, server=SERVER, ca=lab.world.ca, host=HOST, reuse=reuse))
        process = self.start(["nsenter", "-t", str(self.outer.pid), "-n", "haproxy", "-db", "-f", conf])
        self.pids = [process.pid]
        wait_for(lambda: self.answers(process), "an answer of haproxy")

    def answers(self, process):
        if process.poll() is not None:
            with open(os.path.join(self.dir, "errors"), encoding="utf-8") as errors:
                raise Failed(f"haproxy ended: {errors.read()}")
        done = subprocess.run(self.client.enter("curl", "-ksf", "-o", "/dev/null", f"https://{HOST}/kib"), check=False, timeout=WAIT)
        return done.returncode == 0


def documents():
    """Text of the machine's own documents: some of each, up to 4 MiB."""
    text = b""
    for path in sorted(glob.glob("/usr/share/doc/*/changelog*.gz")):
        with gzip.open(path) as file:
            text += file.read(65536)
        if len(text) >= 4 << 20:
            break
    if not text:
        raise Failed("no documents in /usr/share/doc")
    return text


def servers(lab):
    """nginx for what is fetched, a sink for what is sent. Returns the file with certificate and key."""
    folder = os.path.join(lab.dir, "www")
    os.mkdir(folder)
    with open(os.path.join(folder, "kib"), "wb") as kib:
        kib.write(b"0123456789abcde\n" * 64)
    with open(os.path.join(folder, "big"), "wb") as big:  # what is sent
        big.truncate(UPLOAD)
    text = documents()
    with open(os.path.join(folder, "text"), "wb") as file:
        file.write((text * (TEXT // len(text) + 1))[:TEXT])
    world = lab.world
    conf = os.path.join(folder, "nginx.conf")
    pem, key = world.path("server.pem"), world.path("server.key")
    with open(conf, "w", encoding="ascii") as file:
        file.write(NGINX.format(dir=folder, pem=pem, key=key))
    with open(world.path("nginx.pid"), encoding="ascii") as pid:
        world.space.run("kill", pid.read().strip())  # the lab's own, on the same port
    wait_for(lambda: not os.path.exists(world.path("nginx.pid")), "nginx to end")
    world.space.run("nginx", "-e", os.path.join(folder, "error.log"), "-c", conf)
    sink = Sink(world.space, pem, key)
    sink.start()
    lab.on_close(sink.close)
    both = os.path.join(lab.dir, "both.pem")
    with open(both, "wb") as out:
        for part in pem, key:
            with open(part, "rb") as file:
                shutil.copyfileobj(file, out)
    return both


def measure(boxes, rounds, seconds):
    """{figure: {box: [a value a round]}}"""
    values = {figure: {box.name: [] for box in boxes} for figure in (*TARGETS, "memory")}
    for box in boxes:  # what is done once: handshakes, leaves, pools
        box.wrk(1)
    for figure, of in values.items():
        for number in range(1 if figure == "memory" else rounds):
            for box in boxes if number % 2 == 0 else reversed(boxes):
                of[box.name].append(box.measure(figure, seconds))
    return values


def say(values):
    """The table. A figure that misses what is asked for is said, and no error: it is a measurement."""
    print(f"\n{'':46} {'Stopper':>9} {'haproxy':>9} {'ratio, a round each':>26}  asked")
    for figure, (words, asked, more) in TARGETS.items():
        ours, theirs = values[figure]["stopper"], values[figure]["haproxy"]
        ratios = [a / b for a, b in zip(ours, theirs)]
        middle = statistics.median(ratios)
        fine = middle >= asked if more else middle <= asked
        print(f"{words:46} {statistics.median(ours):9.1f} {statistics.median(theirs):9.1f} {' '.join(f'{r:.2f}' for r in ratios):>26}"
              f"  {'>=' if more else '<='} {asked} {'yes' if fine else 'NO'}")
        for name in values[figure]:
            if name not in ("stopper", "haproxy"):
                column = f"{statistics.median(values[figure][name]):9.1f}"
                print(f"{'  ' + name:46} {column if name.startswith('stopper') else '':9} {'' if name.startswith('stopper') else column:>9}")
    ours = values["memory"]["stopper"][0]
    print(f"{f'KiB of memory a kept connection, at {KEPT}':46} {ours:9.1f} {values['memory']['haproxy'][0]:9.1f} {'':26}"
          f"  <= {MEMORY_MAX} {'yes' if ours <= MEMORY_MAX else 'NO'}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--json", metavar="FILE", help="all values, for a closer look")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    if os.geteuid() != 0 or len(cores) < 2:
        sys.exit("the benchmark needs root, and two cores: one for the box, one for its peers")
    for name in "haproxy", "wrk", "taskset", "curl":
        if shutil.which(name) is None:
            sys.exit(f"{name} is missing: run make deps")
    os.sched_setaffinity(0, cores[1:])  # and so everything that is started, the boxes aside
    lab = Lab("bench")
    try:
        pem = servers(lab)
        boxes = [Stopper(lab, cores[0]), Stopper(lab, cores[0], {"outbound": [], "inbound": []}), Haproxy(lab, cores[0], pem), Haproxy(lab, cores[0], pem, "http-reuse always")]
        print(f"programs of {BUILD}; {options.rounds} rounds of {options.seconds} s, the box on core {cores[0]}")
        values = measure(boxes, options.rounds, options.seconds)
        say(values)
        if options.json:
            with open(options.json, "w", encoding="ascii") as file:
                json.dump(values, file, indent=1)
    finally:
        lab.close()


if __name__ == "__main__":
    main()
