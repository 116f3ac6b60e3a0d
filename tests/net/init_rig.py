# SPDX-License-Identifier: GPL-3.0-or-later
"""A real stopper-init with stand-in workers (standin.py), between an agent's and a world's namespace. For what init does by
itself: its wall, its boot, its supervision, its control socket. What real workers do behind it is the lab's to show."""
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading

import pytest

from lab import Audit, program
from spaces import WAIT, Failed, Space, alive, child_of, inside, tied, wait_for, wire

HERE = os.path.dirname(os.path.abspath(__file__))
MARK = "STOPPER_LAB"
POLICY = {"protocol": 1, "dns": {"upstreams": ["192.0.2.1"]},
          "routes": [{"host": "api.example.com", "tls": {"passthrough": True}},
                     {"host": "git.example.com", "allow_private": ["10.9.0.0/16"]}]}
SIDECAR, AGENT, EGRESS, WORLD = "10.7.7.1", "10.7.7.2", "192.0.2.7", "192.0.2.1"
PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIDWAH1Qcut/1aIK9OCYu9D+h0rVnEp8MGud4a+Etv9fT\n-----END PRIVATE KEY-----\n"  # nobody's
STRANGER = "203.0.113.9"  # an address of the world's, behind the sidecar's gateway


class Rig:
    """Namespaces and a folder with the programs; Init starts in it."""

    def __init__(self):
        self.undo = []
        self.environment = {**os.environ, "LC_ALL": "C"}
        self.dir = tempfile.mkdtemp(prefix="stopper-init-")
        os.chmod(self.dir, 0o755)
        self.undo.append(lambda: shutil.rmtree(self.dir))
        try:
            shutil.copy(program("stopper-init"), self.dir)
            shutil.copy(program("stopper-dlpc"), self.dir)
            shutil.copy(os.path.join(os.path.dirname(program("stopper-dlpc")), "stopper-dlp.db"), self.dir)
            for name in "stopper-dns", "stopper-proxy", "stopper-gate", "stopper-push":
                shutil.copy(os.path.join(HERE, "standin.py"), os.path.join(self.dir, name))
                os.chmod(os.path.join(self.dir, name), 0o755)
            self.sidecar, self.agent, self.world = (Space(self, name) for name in ("sidecar", "agent", "world"))
            wire(self.sidecar.pid, "agent0", f"{SIDECAR}/30", self.agent.pid, "eth0", f"{AGENT}/30")
            wire(self.sidecar.pid, "egress0", f"{EGRESS}/24", self.world.pid, "world0", f"{WORLD}/24")
            self.sidecar.run("ip", "route", "add", "default", "via", WORLD)
            self.agent.run("ip", "route", "add", "default", "via", SIDECAR)
            self.world.run("ip", "address", "add", f"{STRANGER}/32", "dev", "lo")
        except BaseException:
            self.close()
            raise

    def on_close(self, action):
        self.undo.append(action)

    def run(self, *argv, **named):
        done = subprocess.run(argv, env=self.environment, capture_output=True, text=True, timeout=WAIT, check=False, **named)
        if done.returncode != 0:
            raise Failed(f"{' '.join(argv)}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def mode(self, name, *words):
        with open(os.path.join(self.dir, f"{name}.mode"), "w", encoding="ascii") as file:
            file.write(" ".join(words))

    def nft(self, *words):
        return self.run("nsenter", "-t", str(self.sidecar.pid), "-n", "nft", *words)

    def delete_rule(self, chain, text):
        """Opens a wall: removes the one rule of a chain that holds the text."""
        listed = json.loads(self.nft("-j", "-a", "list", "chain", "inet", "stopper", chain))
        plain = self.nft("-a", "list", "chain", "inet", "stopper", chain)
        handles = [line.rpartition("# handle ")[2] for line in plain.splitlines() if text in line]
        if len(handles) != 1 or not listed:
            raise Failed(f"{len(handles)} rules of {chain} hold {text!r}:\n{plain}")
        self.nft("delete", "rule", "inet", "stopper", chain, "handle", handles[0])

    def close(self):
        while self.undo:
            self.undo.pop()()


# A root of its own for it, with a /gate of root's as a runtime gives one to a bottle with repositories.
OWN_ROOT = """mount --make-rprivate / && mount -t tmpfs -o mode=755 tmpfs /run && mkdir /run/root && mount -t tmpfs -o mode=755 tmpfs /run/root &&
cd /run/root && mkdir -p dev etc gate old proc run sys usr .{folder} && for link in bin sbin lib lib64; do ln -s usr/$link $link; done &&
for tree in dev etc sys usr {folder}; do mount --rbind /$tree ./$tree; done && mount -t tmpfs -o mode=755 tmpfs run &&
pivot_root . old && mount -t proc proc proc && umount -l old && cd / &&"""


class Init:
    """A running sidecar. stdout=None: nobody may read it, it is a pipe whose reading end is self.pipe."""

    def __init__(self, rig, *options, ready=True, read=True, start="", policy=None):
        self.rig = rig
        self.errors_path = os.path.join(rig.dir, "errors")
        with open(self.errors_path, "wb") as errors:
            self.process = tied(
                ["nsenter", "-t", str(rig.sidecar.pid), "-n", "unshare", "-m", "-p", "-f", "--kill-child", "--mount-proc", "sh", "-c",
                 f'{OWN_ROOT.format(folder=os.path.dirname(rig.dir))} {start} exec "$0" "$@"', os.path.join(rig.dir, "stopper-init"), *options],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env=rig.environment)
        rig.on_close(self.close)
        self.audit = Audit(self.process.stdout) if read else None
        if ready:
            self.pid = child_of(self.process.pid)
            if read:
                self.audit.wait(kind="lifecycle", detail="ready")
            if policy is not None:
                status, answer = self.apply(policy)
                if status != 0:
                    raise Failed(f"apply: {answer}")

    def errors(self):
        with open(self.errors_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def ctl(self, *words, stdin=""):
        done = subprocess.run(["nsenter", "-t", str(self.pid), "-n", "-m", "-p", os.path.join(self.rig.dir, "stopper-init"), "ctl", *words],
                              input=stdin, capture_output=True, text=True, timeout=90 if "--timeout" in words else WAIT, check=False,
                              env=self.rig.environment)
        return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr

    def apply(self, policy):
        """With a key for every repository."""
        keys = {repo["name"]: PEM for repo in policy.get("gate", {}).get("repos", [])}
        return self.ctl("apply", stdin=json.dumps({"policy": policy, "keys": keys}))

    def worker(self, name):
        """The status entry of a worker, and its pid as this machine numbers it (0 = none)."""
        entry = next(entry for entry in self.ctl("status")[1]["workers"] if entry["name"] == name)
        return entry, self.host_pid(entry["pid"])

    def host_pid(self, inner):
        for pid in self.children():
            with open(f"/proc/{pid}/status", encoding="ascii") as file:
                numbers = next(line.split()[1:] for line in file if line.startswith("NSpid:"))
            if numbers[-1] == str(inner):
                return pid
        return 0

    def host_pid_of(self, name):
        for pid in self.children():
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if name.encode() in file.read():
                    return pid
        return 0

    def children(self):
        with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as file:
            return [int(child) for child in file.read().split()]

    def end(self):
        """Its exit status, when it ends by itself."""
        status = self.process.wait(WAIT)
        wait_for(lambda: not alive(self.process.pid), "the end")
        return status

    def close(self):
        self.process.kill()
        self.process.wait()
        if self.audit is not None:
            self.audit.close()


@pytest.fixture
def rig():
    made = Rig()
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared():
    """A sidecar that tests share which leave it as it was."""
    made = Rig()
    try:
        yield Init(made, policy=POLICY)
    finally:
        made.close()


def serve(space, kind, address, port):
    """A server in a namespace that answers everything with "world"."""
    def open_socket():
        sock = socket.socket(socket.AF_INET, kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        if kind == socket.SOCK_STREAM:
            sock.listen()
        return sock
    sock = inside(space.pid, open_socket)

    def answer():
        try:
            while True:
                if kind == socket.SOCK_STREAM:
                    sock.accept()[0].close()
                else:
                    sock.sendto(b"world", sock.recvfrom(2048)[1])
        except OSError:
            return
    threading.Thread(target=answer, daemon=True).start()
    return sock
