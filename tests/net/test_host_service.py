# SPDX-License-Identifier: GPL-3.0-or-later
"""host.stopper.internal: the services of the machine that hostctl runs on, by a route and its ports, and nothing else of that machine."""
import contextlib
import json
import os
import socket
import subprocess
import threading

import pytest

from spaces import WAIT, tied
from world import RESOLVER

NAME = "host.stopper.internal"
SERVED, CLOSED, ABSENT = 11434, 8081, 8082  # of the first two somebody listens
MANIFEST = f"""\
egress:
  dns: [{RESOLVER}]
  routes:
    - {{host: plain.test, allow_private: [10.0.0.0/8]}}
    - host: "*.stopper.internal"
    - host: {NAME}
      ports: [{SERVED}, {ABSENT}]
"""
WITHOUT = MANIFEST.partition(f"    - host: {NAME}")[0]
AGENT = """
import json, socket, sys, urllib.error, urllib.request
for line in sys.stdin:
    try:
        with urllib.request.urlopen(line.strip(), timeout=60) as answer:
            print(json.dumps([answer.status, answer.read().decode()]), flush=True)
    except urllib.error.HTTPError as refused:
        print(json.dumps([refused.code, json.load(refused)["type"].rpartition(":")[2]]), flush=True)
    except OSError as problem:
        print(json.dumps([0, str(problem)]), flush=True)
"""


class Service:
    """An HTTP server of the host's, on one address."""

    def __init__(self, host, address, port):
        self.host, self.requests = host, []
        self.listener = host.space.call(socket.create_server, (address, port))
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            try:
                stream, _ = self.listener.accept()
            except OSError:
                return
            with stream:
                stream.settimeout(WAIT)
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    got = stream.recv(4096)
                    if not got:
                        break
                    head += got
                else:
                    self.requests.append(head.decode())
                    stream.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 16\r\n\r\nthe host's own.\n")

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(WAIT)


class Asking:
    """A bottle whose command asks for what it is told to."""

    def __init__(self, host, manifest, *options):
        self.host = host
        self.process = tied(host.command("up", "-f", manifest, "--name", "b", *options, "--", "/usr/bin/python3", "-c", AGENT),
                            env=host.environment, cwd=host.dir, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True)

    def ask(self, url):
        self.process.stdin.write(url + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait(WAIT)
        assert self.process.returncode == 0 and self.process.stderr.read() == ""


@contextlib.contextmanager
def closing(*things):
    try:
        yield things
    finally:
        for thing in reversed(things):
            thing.close()


YES = [200, "the host's own.\n"]


@pytest.mark.parametrize("uplink", ["pasta", "nat"])
def test_a_declared_port_is_open_and_nothing_else_of_the_host(host, uplink):
    """With pasta services on the host's loopback answer too; over the cable of nat those that listen beyond it."""
    address = "127.0.0.1" if uplink == "pasta" else "0.0.0.0"
    if uplink == "nat":  # hostctl never makes a host a router
        host.space.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
        host.before = host.traces()
    with closing(Service(host, address, SERVED), Service(host, address, CLOSED)) as (served, shut):
        manifest = host.write("host.yaml", MANIFEST)
        with closing(Asking(host, manifest, "--uplink", uplink)) as (bottle,):
            assert bottle.ask(f"http://{NAME}:{SERVED}/v1") == YES
            assert served.requests[0].startswith(f"GET /v1 HTTP/1.1\r\nHost: {NAME}:{SERVED}\r\n")
            assert bottle.ask(f"http://{NAME}:{CLOSED}/") == [403, "port-not-allowed"]
            assert bottle.ask(f"http://{NAME}/") == [403, "port-not-allowed"]
            nobody = "upstream-malformed" if uplink == "pasta" else "upstream-unreachable"  # pasta takes the connection, and ends it
            assert bottle.ask(f"http://{NAME}:{ABSENT}/") == [502, nobody]
            assert bottle.ask(f"http://127.0.0.1:{SERVED}/")[0] == 0  # the bottle's own
            for literal in host.address, "192.0.2.1":
                assert bottle.ask(f"http://{literal}:{SERVED}/") == [403, "address-literal"]
            # the wall behind the policy: no worker reaches a port that was not declared
            assert sidecar(host, CLOSED, uplink, seconds=1) == ("Connection refused" if uplink == "pasta" else "timed out")
            assert sidecar(host, SERVED, uplink) == "connected"  # the control
            # what is applied later changes who may, not where the uplink leads
            host.write("host.yaml", MANIFEST.replace(str(ABSENT), str(CLOSED)))
            done = host.hostctl("apply", "b")
            assert (done.returncode, done.stdout) == (0, "generation 2\n")
            assert done.stderr == (f"hostctl apply: {manifest}: ports of {NAME} is not as it was when the bottle was started, and cannot "
                                   "change while it runs: it stays\n")
            if uplink == "pasta":  # the host's rules of nat drop: the dial would be waited for
                assert bottle.ask(f"http://{NAME}:{CLOSED}/") == [502, "upstream-unreachable"]
            assert bottle.ask(f"http://{NAME}:{SERVED}/") == YES
            host.write("host.yaml", WITHOUT)
            assert host.hostctl("apply", "b").returncode == 0
            assert bottle.ask(f"http://{NAME}:{SERVED}/") == [403, "host-not-allowed"]  # also not by the wildcard beside it
        assert shut.requests == []


def sidecar(host, port, uplink, seconds=WAIT - 5):
    """Whether the proxy's user can dial this port of where the host is."""
    init = str(min(host.processes()["stopper-init"]))
    target = "127.0.0.1" if uplink == "pasta" else json.loads(
        host.space.run("nsenter", "-t", init, "-n", "ip", "-j", "route", "show", "default"))[0]["gateway"]
    code = ("import os, socket, sys\nos.setuid(61001)\ns = socket.socket(); s.settimeout(float(sys.argv[3]))\n"
            "try:\n    s.connect((sys.argv[1], int(sys.argv[2]))); print('connected')\n"
            "except OSError as problem:\n    print(problem.strerror or 'timed out')\n")
    return host.space.run("nsenter", "-t", init, "-n", "/usr/bin/python3", "-c", code, target, str(port), str(seconds)).strip()


def test_without_its_route_the_name_is_any_other(host):
    with closing(Service(host, "127.0.0.1", SERVED)) as (served,):
        with closing(Asking(host, host.write("without.yaml", WITHOUT))) as (bottle,):
            assert bottle.ask(f"http://{NAME}:{SERVED}/") == [403, "host-not-allowed"]
            assert sidecar(host, SERVED, "pasta") == "No route to host"  # nothing leads there, not even a closed port
            host.write("without.yaml", MANIFEST)  # too late for this bottle, and said so
            done = host.hostctl("apply", "b")
            assert done.returncode == 0 and f"ports of {NAME} is not as it was" in done.stderr
            assert bottle.ask(f"http://{NAME}:{SERVED}/") == [502, "name-unresolved"]
        assert served.requests == []


@pytest.mark.parametrize("route, words", [
    (f"{{host: {NAME}}}", f'egress.routes[0]: the key "ports" is missing: {NAME} is the host, of which only the ports that are named are open'),
    (f"{{host: {NAME}, ports: [80], allow_private: [10.0.0.0/8]}}",
     f"egress.routes[0].allow_private: has no meaning for {NAME}, which leads to the host alone")])
def test_it_is_by_explicit_port_only(host, route, words):
    manifest = host.write("bad.yaml", f"egress:\n  routes:\n    - {route}\n")
    done = host.hostctl("validate", manifest)
    assert (done.returncode, done.stderr) == (2, f"{manifest}:3: {words}\n")


def test_explain_says_what_it_leads_to(host):
    manifest = host.write("host.yaml", MANIFEST)
    done = host.hostctl("explain", "-f", manifest, "GET", f"http://{NAME}:{SERVED}/")
    assert done.returncode == 0 and done.stdout == (
        f"{manifest}:6: allowed by {NAME}\n  tls: none\n  ports: {SERVED}, {ABSENT}\n"
        "  looked for in what is sent (block): token_patterns, known_secrets\n"
        "  looked for in what comes back (block): naive_injection_detection\n"
        "  not judged: the host: whether one of its services takes connections on this port from the bottle\n")
    assert os.path.exists(manifest) and host.hostctl("explain", "-f", manifest, "GET", f"http://{NAME}/").returncode == 1
