# SPDX-License-Identifier: GPL-3.0-or-later
"""One stopper-push, started as stopper-init starts it, alone with a real sshd in a network namespace of its own, and a resolver
that says what a test tells it. No name is given to the namespace, and all that is in it ends with the rig.

    caller (uid 61005) ── leg.sock   stopper-push   127.0.0.1:9054 (Names)   10.9.0.5:22, 203.0.113.7:22 (Sshd)
"""
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading

import leg_client
from dns_rig import HEAD, INTERNAL, POLICY, READY, SERVFAIL, Space, a, question_of, read_name, reply_to
from lab import program
from spaces import WAIT, Failed, alive, tied, wait_for

APPLIED, KEYS = 3, 13
GATE, PUSH, GIT = 61005, 61006, 61010
HOST, ADDRESS, PUBLIC = "git.lab.test", "10.9.0.5", "203.0.113.7"
HERE = os.path.dirname(os.path.abspath(__file__))
PASSWD = f"root:x:0:0::/nonexistent:/bin/sh\nsshd:x:61011:61011::/nonexistent:/bin/false\n" \
         f"stopper-push:x:{PUSH}:{PUSH}::/nonexistent:/bin/false\ngit:x:{GIT}:{GIT}::/:/bin/sh\n"
# A place of its own for /run and the users; "$@" runs in it.
PLACE = """
mount -t tmpfs -o mode=0755 none /run && mkdir -p /run/sshd /run/stopper-push || exit 1
chgrp {push} /run/stopper-push && chmod {mode} /run/stopper-push || exit 1
mount --bind {dir}/passwd /etc/passwd && mount --bind {dir}/shadow /etc/shadow || exit 1
{more}
exec "$@"
"""
WORKER = 'exec 3<&{0} 4<&{1} 5<&{2} {0}<&- {1}<&- {2}<&- </dev/null >/dev/null; exec "$@"'


def keygen(path, *words):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", path, *words], check=True)
    with open(path, encoding="ascii") as private, open(f"{path}.pub", encoding="ascii") as public:
        return private.read(), " ".join(public.read().split()[:2])


class Names:
    """The internal resolver: A records as `addresses` has them; a name that it has not does not resolve."""

    def __init__(self, space):
        self.addresses, self.asked, self.stop = {}, [], False
        self.socket = space.socket(socket.SOCK_DGRAM, INTERNAL)
        self.socket.settimeout(0.1)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while not self.stop:
            try:
                wire, peer = self.socket.recvfrom(4096)
            except TimeoutError:
                continue
            name = read_name(wire, 12)[0].lower()
            self.asked.append(name)
            found = self.addresses.get(name, [])
            query = wire[:12] + question_of(wire)
            self.socket.sendto(reply_to(query, [a(None, each) for each in found], rcode=0 if found else SERVFAIL), peer)

    def close(self):
        self.stop = True
        self.thread.join()
        self.socket.close()


class Rig:
    """The whole, for one test or one module."""

    def __init__(self, mode="0770", more=""):
        self.undo, self.lines, self.generation = [], [], 0
        self.dir = tempfile.mkdtemp(prefix="stopper-leg-")
        self.undo.append(lambda: shutil.rmtree(self.dir))
        try:
            os.chmod(self.dir, 0o755)
            self._files(mode, more)
            self.space = Space()
            self.undo.append(self.space.close)
            with self.space:
                for address in ADDRESS, PUBLIC:
                    subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
            self.names = Names(self.space)
            self.undo.append(self.names.close)
            self.names.addresses[HOST] = [ADDRESS]
            self.key, self.public = keygen(self.path("key"))
            self.host_key = keygen(self.path("host_key"))[1]
            self.authorize(self.public)
            self.process = None
            self.start()
        except BaseException:
            self.close()
            raise

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="ascii") as file:
            file.write(text)
        return self.path(name)

    def _files(self, mode, more):
        self.write("passwd", PASSWD)
        self.write("shadow", "git:*:19000:0:99999:7:::\nsshd:*:19000:0:99999:7:::\nroot:*:19000:0:99999:7:::\n")
        self.place = self.write("place", PLACE.format(push=PUSH, mode=mode, dir=self.dir, more=more))
        shutil.copy(program("stopper-push"), self.dir)
        os.mkdir(self.path("srv"))
        os.chown(self.path("srv"), GIT, GIT)

    def authorize(self, *lines):
        self.write("authorized", "".join(f"{line}\n" for line in lines))

    # ---- the upstream

    def repository(self, name):
        """A bare repository with one commit on main; its path at the upstream."""
        path = self.path("srv", name)
        git = ["setpriv", f"--reuid={GIT}", f"--regid={GIT}", "--clear-groups", "git", "-c", "user.name=a", "-c", "user.email=a@lab.test"]
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
        subprocess.run([*git, "init", "-q", "--bare", "-b", "main", path], env=environment, check=True)
        tree = subprocess.run([*git, "-C", path, "mktree"], env=environment, check=True, input="", text=True, capture_output=True).stdout.strip()
        commit = subprocess.run([*git, "-C", path, "commit-tree", "-m", name, tree], env=environment, check=True, text=True,
                                capture_output=True).stdout.strip()
        subprocess.run([*git, "-C", path, "update-ref", "refs/heads/main", commit], env=environment, check=True)
        return path, commit

    def sshd(self, *options, address=ADDRESS, port=22, host_key="host_key"):
        """A real one; options are its configuration's lines. Serves when this returns."""
        config = self.write(f"sshd-{address}-{port}", "\n".join([
            f"Port {port}", f"ListenAddress {address}", f"HostKey {self.path(host_key)}", f"AuthorizedKeysFile {self.path('authorized')}",
            "StrictModes no", "PidFile none", "UsePAM no", "PasswordAuthentication no", "KbdInteractiveAuthentication no",
            "AcceptEnv GIT_PROTOCOL", "LogLevel VERBOSE", *options]) + "\n")
        log = open(self.path("sshd.log"), "ab")  # pylint: disable=consider-using-with
        with self.space:
            process = tied(["unshare", "-m", "bash", self.place, "/usr/sbin/sshd", "-D", "-e", "-f", config],
                           stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()

        def end():
            process.terminate()  # its sessions are of their own sessions, and end with their connections
            process.wait()
        self.undo.append(end)

        def serves():
            if process.poll() is not None:
                raise Failed(f"sshd (Debian's openssh-server): {self.log()}")
            with self.space.socket(socket.SOCK_STREAM) as probe:
                return probe.connect_ex((address, port)) == 0
        wait_for(serves, "sshd")
        return process

    def log(self):
        with open(self.path("sshd.log"), encoding="utf-8", errors="replace") as file:
            return file.read()

    # ---- stopper-push

    def start(self):
        self.channel, channel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.audit, audit = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for near in (channel, audit):
            near.setblocking(False)
        if os.path.exists(self.path("leg.sock")):
            os.unlink(self.path("leg.sock"))
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(self.path("leg.sock"))
        listener.listen(64)
        listener.setblocking(False)
        os.chmod(self.path("leg.sock"), 0o777)
        high = [fcntl.fcntl(s.fileno(), fcntl.F_DUPFD, 50) for s in (channel, audit, listener)]
        with self.space:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                ["setpriv", "--pdeathsig", "KILL", "unshare", "-m", "bash", self.place, "bash", "-c", WORKER.format(*high), "bash",
                 self.path("stopper-push")], pass_fds=high, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        for fd in high:
            os.close(fd)
        for each in (channel, audit, listener):
            each.close()
        self.channel.settimeout(WAIT)
        assert self.message()[0] == READY
        self.reader = threading.Thread(target=self._read, args=(self.audit,), daemon=True)
        self.reader.start()

    def message(self):
        data = self.channel.recv(70000)
        assert data, f"stopper-push ended: {self.process.wait(WAIT)}"
        kind, size, generation = HEAD.unpack(data[:HEAD.size])
        assert size == len(data) - HEAD.size
        return kind, generation, data[HEAD.size:].decode()

    def _read(self, audit):
        while packet := audit.recv(8192):
            self.lines += map(json.loads, packet.splitlines())

    def send(self, kind, content):
        fd = os.memfd_create("blob", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.write(fd, json.dumps(content).encode())
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, 0xF)
        socket.send_fds(self.channel, [HEAD.pack(kind, 0, self.generation)], [fd])
        os.close(fd)

    def offer(self, repos, keys="same"):
        """What init sends; returns the answer's kind and text. A repository is (name, url); `keys` as in the policy, or the rig's."""
        self.generation += 1
        gate = {"repos": [{"name": name, "url": url, "host_key": rest[0] if rest else self.host_key} for name, url, *rest in repos]}
        if repos:
            self.send(KEYS, {name: self.key for name, *_ in repos} if keys == "same" else keys)
        self.send(POLICY, {"protocol": 1, "generation": self.generation, "routes": [],
                           "sidecar": {"agent_address": "10.7.7.1", "own": ["10.7.7.0/30", "192.0.2.7/32"]},
                           **({"gate": gate} if repos else {})})
        kind, generation, text = self.message()
        assert generation == self.generation
        return kind, text

    def apply(self, repos, keys="same"):
        assert self.offer(repos, keys) == (APPLIED, "")

    def url(self, name, host=HOST, port=22):
        return f"ssh://git@{host}:{port}{self.path('srv', name)}"

    def line(self, **members):
        """The first audit line whose members have these values; waits for it."""
        def find():
            return next((line for line in list(self.lines) if all(line.get(k) == v for k, v in members.items())), None)
        return wait_for(find, f"a line with {members}: {self.lines[-10:]}")

    def children(self):
        """The ssh processes: command lines by pid."""
        found = {}
        for task in os.listdir(f"/proc/{self.process.pid}/task"):
            with open(f"/proc/{self.process.pid}/task/{task}/children", encoding="ascii") as file:
                pids = file.read().split()
            for pid in pids:
                try:
                    with open(f"/proc/{pid}/cmdline", encoding="utf-8") as words:
                        found[int(pid)] = words.read().split("\0")
                except (FileNotFoundError, ProcessLookupError):
                    pass  # it has just ended
        return found

    def folder(self):
        return sorted(os.listdir(f"/proc/{self.process.pid}/root/run/stopper-push"))

    # ---- callers

    def git(self, repo, *words, user=GATE, **named):
        """git, whose ssh is the leg; ends within WAIT."""
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", "LEG": self.path("leg.sock"),
                       "REPO": repo, "GIT_SSH_VARIANT": "ssh", "GIT_SSH_COMMAND": f"{sys.executable} {self.path('leg_client.py')}",
                       "GIT_TERMINAL_PROMPT": "0"}
        shutil.copy(os.path.join(HERE, "leg_client.py"), self.dir)
        return subprocess.run(["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "git", "-c", "protocol.version=2", *words],
                              env=environment, cwd="/", capture_output=True, text=True, timeout=WAIT * 3, check=False, **named)

    def call(self, repo, service=leg_client.UPLOAD_PACK, protocol=0, raw=None, count=3, user=GATE):
        """A caller of ours, as that user: a Call."""
        return Call(self, leg_client.REQUEST.pack(1, service, protocol, repo.encode()) if raw is None else raw, count, user)

    def close(self):
        if getattr(self, "process", None) is not None:
            self.stop()
        while self.undo:
            self.undo.pop()()

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        status = self.process.wait(WAIT)
        self.reader.join(WAIT)
        self.channel.close()
        self.audit.close()
        self.process = None
        return status


CONNECT = """
import os, socket, sys
link = socket.socket(fileno=0)
call = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
call.connect(sys.argv[1])
socket.send_fds(link, [b"x"], [call.fileno()])
"""


class Call:
    """One connection to the leg. `git` is the socket that ssh has as stdin and stdout, `words` what comes on its stderr."""

    def __init__(self, rig, request, count, user):
        near, far = socket.socketpair()
        subprocess.run(["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", sys.executable, "-c", CONNECT, rig.path("leg.sock")],
                       stdin=far, check=True, timeout=WAIT)
        far.close()
        _, fds, _, _ = socket.recv_fds(near, 1, 1)
        near.close()
        self.leg = socket.socket(fileno=fds[0])
        self.leg.settimeout(WAIT * 2)
        self.git, theirs = socket.socketpair()
        self.git.settimeout(WAIT)
        self.words, write = os.pipe()
        try:
            socket.send_fds(self.leg, [request], [theirs.fileno(), theirs.fileno(), write, write][:count])
        except (BrokenPipeError, ConnectionResetError):
            pass  # it was shut out before it could say anything
        theirs.close()
        os.close(write)

    def read(self, size):
        data = b""
        while len(data) < size:
            got = self.git.recv(size - len(data))
            if not got:
                break
            data += got
        return data

    def until(self, end):
        """What comes up to these bytes and, as it may be, some more."""
        data = b""
        while end not in data:
            got = self.git.recv(4096)
            assert got, data
            data += got
        return data

    def reply(self):
        """(outcome, status, text), or None: it was only closed."""
        try:
            data = self.leg.recv(4096)
        except ConnectionResetError:
            return None
        if not data:
            return None
        outcome, status, text = leg_client.REPLY.unpack(data)
        return outcome, status, text.rstrip(b"\0").decode()

    def said(self):
        data = b""
        while got := os.read(self.words, 65536):
            data += got
        return data.decode()

    def close(self):
        self.leg.close()
        self.git.close()
        if self.words >= 0:
            os.close(self.words)
        self.words = -1


__all__ = ["ADDRESS", "HOST", "PUBLIC", "PUSH", "Rig", "alive", "keygen"]
