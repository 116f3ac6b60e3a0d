# SPDX-License-Identifier: GPL-3.0-or-later
"""stopper-gate by itself, driven as init drives it, and a stand-in for stopper-push (gate/leg.h) that runs the upstream's git on
bare repositories of this machine with the descriptors that it is handed. Everything of it is in a network namespace of its own."""
import array
import errno
import fcntl
import hashlib
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading

import pytest

from proxy_rig import APPLIED, BUILD, DATABASE, HEAD, POLICY, READY, Space, database, sealed
from spaces import WAIT, Failed, wait_for

HERE = os.path.dirname(os.path.abspath(__file__))
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZha2VmYWtlZmFrZWZha2VmYWtlZmFrZWZha2VmYWtlZmFr"
REQUEST, REPLY = struct.Struct("=III65s3x"), struct.Struct("=Ii256s")
ENDED, UNKNOWN, NOT_RESOLVED = 1, 2, 3
HOLD, HOLD_END, VERDICT, CANARY = 8, 9, 10, 12
APPROVED, REFUSED, STALE = 1, 2, 6
# A root of its own: this machine's folders, and /gate and /run as a sidecar has them.
START = """
set -e
mount -t tmpfs none "$1/root"
for entry in /*; do
    case $entry in /gate|/run|/lost+found) continue;; esac
    if [ -L "$entry" ]; then cp -P "$entry" "$1/root$entry"
    elif [ -d "$entry" ]; then mkdir "$1/root$entry"; mount --rbind "$entry" "$1/root$entry"
    fi
done
mkdir -p "$1/root/run" "$1/root/gate"
mount -t tmpfs none "$1/root/run"
mkdir -p "$1/root/run/stopper/empty" "$1/root/run/stopper-gate"
mount --bind "$1/gate" "$1/root/gate"
mount --bind "$1/bin" "$1/root/usr/local/bin"
[ ! -e "$1/git" ] || mount --bind "$1/git" "$1/root/usr/bin/git"
mount --bind "$1/leg" "$1/root/run/stopper-gate"
chown 61005:61005 "$1/gate" && chmod 700 "$1/gate"
exec 3<&{0} 4<&{1} 5<&{2} {0}<&- {1}<&- {2}<&- </dev/null >/dev/null
exec chroot "$1/root" "$0"
"""


class Leg:
    """stopper-push's stand-in. Runs the upstream's git; `before` is called with each request and may answer for it."""

    def __init__(self, folder, repos):
        self.repos, self.requests, self.processes, self.threads = repos, [], [], []
        self.before, self.environment = None, {}
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(os.path.join(folder, "leg.sock"))
        os.chmod(os.path.join(folder, "leg.sock"), 0o666)
        self.listener.listen(64)
        self.closing = False
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            if self.closing:
                sock.close()
                return
            thread = threading.Thread(target=self._one, args=(sock,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _one(self, sock):
        with sock:
            data, control, _, _ = sock.recvmsg(4096, socket.CMSG_LEN(4 * 8))
            came = array.array("i")
            for _, _, part in control:
                came.frombytes(part[:len(part) - len(part) % came.itemsize])
            fds = list(came)  # _answer takes out those that it closes: their numbers are soon another thread's
            try:
                answer = self._answer(sock, data, fds)
            finally:
                for fd in fds:
                    os.close(fd)
            try:
                sock.send(REPLY.pack(answer[0], answer[1], answer[2].encode()))
            except OSError:
                pass

    def _answer(self, sock, data, fds):
        version, service, protocol, name = REQUEST.unpack(data)
        assert version == 1 and service in (1, 2) and protocol in (0, 1, 2) and len(fds) == 3
        name = name.rstrip(b"\0").decode()
        self.requests.append((service, name, protocol))
        if self.before is not None:
            answer = self.before(service, name, fds)
            if answer is not None:
                return answer
        if name not in self.repos:
            return UNKNOWN, 0, "no such repository"
        program = "upload-pack" if service == 1 else "receive-pack"
        environment = {**clean_environment(), **self.environment, **({"GIT_PROTOCOL": f"version={protocol}"} if protocol else {})}
        process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "git", program, self.repos[name]], stdin=fds[0], stdout=fds[1],
                                   stderr=fds[2], env=environment, start_new_session=True)
        self.processes.append(process)
        while fds:
            os.close(fds.pop())
        ended = os.pidfd_open(process.pid)
        try:
            if ended not in select.select([sock, ended], [], [])[0]:  # the session has gone before its git
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        finally:
            os.close(ended)
        return ENDED, process.returncode if process.returncode >= 0 else 128 - process.returncode, ""

    def close(self):
        self.closing = True
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(WAIT)
        for thread in self.threads:
            thread.join(WAIT)


RECORD = struct.Struct("=IIHB5xQQq32s64s32s32s40s24s254s1025sx72s512s72s72s72sQIIII")  # struct hold_request of core/hold.h, with its push
FIELDS = ("kind", "seconds", "port", "tls", "base", "query", "body", "event", "rule", "detector", "surface", "value", "method", "host", "path",
          "repository", "ref", "old", "new", "commit", "line", "finding", "findings", "allow_comment", "zero")


def held_record(data):
    return {name: value.rstrip(b"\0").decode() if isinstance(value, bytes) else value for name, value in zip(FIELDS, RECORD.unpack(data))}


def clean_environment():
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C", "GIT_CONFIG_NOSYSTEM": "1", "GIT_TEMPLATE_DIR": "",
            "GIT_CONFIG_GLOBAL": os.path.join(HERE, "gate_rig.gitconfig")}


class Gate:
    """stopper-gate, and what init holds of it."""

    def __init__(self, space, folder, environment=None):
        self.space, self.folder, self.environment = space, folder, environment
        self.generation, self.lines, self.kept, self.past = 0, [], [], set()
        self.start()

    def start(self):
        self.channel, channel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.audit, audit = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener = self.space.socket(bind=("127.0.0.1", 9418), listen=256)
        for one in (channel, audit, listener):
            one.setblocking(False)
        high = [fcntl.fcntl(s.fileno(), fcntl.F_DUPFD, 50) for s in (channel, audit, listener)]
        with self.space:
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", "-m", "bash", "-c", START.format(*high),
                                             os.path.abspath(os.path.join(BUILD, "stopper-gate")), self.folder],
                                            pass_fds=high, stdin=subprocess.DEVNULL, env=self.environment)
        for fd in high:
            os.close(fd)
        for one in (channel, audit, listener):
            one.close()
        self.changed = threading.Condition()
        self.channel.settimeout(WAIT)
        assert self._message()[0] == READY
        self.reader = threading.Thread(target=self._read, args=(self.audit,), daemon=True)
        self.reader.start()

    def _message(self):
        data = self.channel.recv(70000)
        assert data, f"stopper-gate ended: {self.process.wait(WAIT)}"
        kind, size, generation = HEAD.unpack(data[:HEAD.size])
        assert size == len(data) - HEAD.size
        return kind, generation, data[HEAD.size:] if kind == HOLD else data[HEAD.size:].decode()

    def wait_message(self, wanted):
        """The first message that is wanted; others are kept for later."""
        for at, message in enumerate(self.kept):
            if wanted(*message):
                return self.kept.pop(at)
        while not wanted(*(message := self._message())):
            self.kept.append(message)
        return message

    def held(self):
        """The next push that waits: (its number, what init is told of it)."""
        _, number, record = self.wait_message(lambda kind, *_: kind == HOLD)
        return number, held_record(record)

    def verdict(self, number, outcome):
        self.channel.send(HEAD.pack(VERDICT, 16, number) + struct.pack("=IIQ", outcome, 0, number))

    def hold_end(self, number):
        self.wait_message(lambda kind, generation, _: (kind, generation) == (HOLD_END, number))

    def _read(self, audit):
        while packet := audit.recv(8192):
            assert packet.endswith(b"\n") and len(packet) <= 7680
            with self.changed:
                self.lines += (line for line in map(json.loads, packet.splitlines()) if line.get("repository") not in self.past)
                self.changed.notify_all()

    def apply(self, gate, known=None, **members):
        """known: name -> value, of the secrets that are searched for."""
        self.generation += 1
        socket.send_fds(self.channel, [HEAD.pack(DATABASE, 0, self.generation)], [database(known or {})])
        policy = {"protocol": 1, "dns": {"upstreams": ["203.0.113.53"]}, "generation": self.generation,
                  "sidecar": {"agent_address": "127.0.0.1", "own": []}, "routes": [], "gate": gate, **members}
        blob = sealed(json.dumps(policy).encode())
        socket.send_fds(self.channel, [HEAD.pack(POLICY, 0, self.generation)], [blob])
        os.close(blob)
        self.wait_message(lambda kind, generation, words: (kind, generation, words) == (APPLIED, self.generation, ""))

    def line(self, **members):
        """The first audit line whose members have these values; waits for it."""
        def find():
            return next((line for line in self.lines if all(line.get(k) == v for k, v in members.items())), None)
        with self.changed:
            self.changed.wait_for(find, WAIT)
            assert find(), f"no line with {members} in {self.lines[-20:]}"
            return find()

    def forget(self, past=()):
        """The lines that there are, and those of these repositories that come late: a client does not wait for them."""
        with self.changed:
            self.past.update(past)
            self.lines.clear()

    def children(self):
        """Of the gate and of its sessions, all of them: pids."""
        found, left = [], [self.process.pid]
        while left:
            try:
                with open(f"/proc/{left[0]}/task/{left[0]}/children", encoding="ascii") as file:
                    more = [int(pid) for pid in file.read().split()]
            except (FileNotFoundError, ProcessLookupError):
                more = []
            found += more
            left = left[1:] + more
        return found

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.reader.join(WAIT)
        self.channel.close()
        self.audit.close()

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
        status = self.process.wait(WAIT)
        self.reader.join(WAIT)
        self.channel.close()
        self.audit.close()
        assert status == 0, status


class Rig:
    """One gate, its upstreams, and folders for clones. environment: the gate's own; its sessions have none. git: a script that
    the gate has in git's place."""

    def __init__(self, environment=None, git=None):
        self.dir = tempfile.mkdtemp(prefix="stopper-gate-")
        os.chmod(self.dir, 0o755)
        if git is not None:
            with open(self.path("git"), "w", encoding="ascii") as file:
                file.write(git)
            os.chmod(self.path("git"), 0o755)
        for name in "root", "gate", "leg", "bin", "up", "work":
            os.mkdir(os.path.join(self.dir, name))
        self.space = Space()
        self.repos, self.template = {}, None
        self.leg = Leg(os.path.join(self.dir, "leg"), self.repos)
        self.gate = Gate(self.space, self.dir, environment)

    def begun(self, name):
        """An upstream with one commit on main: (its path, that commit)."""
        if self.template is None:
            at = self.path("work", "template")
            self.git("init", "--quiet", at)
            first = self.commit(at)
            self.run("git", "clone", "--quiet", "--bare", at, self.path("up", "template.git"))
            self.template = first
        shutil.copytree(self.path("up", "template.git"), self.path("up", f"{name}.git"))
        self.repos[name] = self.path("up", f"{name}.git")
        return self.repos[name], self.template

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def upstream(self, name, branch="main"):
        """A bare repository; it becomes the gate's when apply is called."""
        path = self.path("up", f"{name}.git")
        self.run("git", "init", "--quiet", "--bare", f"--initial-branch={branch}", path)
        self.repos[name] = path
        return path

    def apply(self, push=None, scanner=None, prefetch=False, storage_mb=None, **members):
        repos = [{"name": name, "url": f"ssh://git@up.test/org/{name}.git", "host_key": HOST_KEY, "push": (push or {}).get(name, {})}
                 for name in self.repos]
        self.gate.apply({"repos": repos, "prefetch": prefetch, **({"scanner": scanner} if scanner else {}),
                         **({"storage_mb": storage_mb} if storage_mb else {})}, **members)

    def dial(self):
        sock = self.space.socket()
        sock.settimeout(WAIT)
        with self.space:
            sock.connect(("127.0.0.1", 9418))
        return sock

    def url(self, name, rest=""):
        return f"git://127.0.0.1/{name}:{rest}"

    def git(self, *argv, at=None, ok=True, environment=None):
        """Runs the agent's git in the namespace; returns what it wrote, both outputs. ok=False: it has to fail; None: it may."""
        with self.space:
            done = subprocess.run(["git", *argv], cwd=at or self.path("work"), env={**clean_environment(), **(environment or {})},
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600, check=False)
        if ok is not None and (done.returncode == 0) != ok:
            raise Failed(f"git {' '.join(argv)}: status {done.returncode}\n{done.stdout}")
        return done.stdout

    def run(self, *argv, environment=None, **named):
        return subprocess.run(argv, env={**clean_environment(), **(environment or {})}, check=True, capture_output=True, text=True, timeout=120, **named).stdout

    def refs(self, path):
        """Of a bare repository: name -> id."""
        lines = self.run("git", "-C", path, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        return dict(line.split(" ") for line in lines)

    def mirror(self, name):
        return self.path("gate", f"{name}.git")

    def commit(self, at, name="file", text="text\n", message="a commit"):
        with open(os.path.join(at, name), "a", encoding="utf-8") as file:
            file.write(text)
        self.git("add", "-A", at=at)
        self.git("commit", "--quiet", "-m", message, at=at)
        return self.git("rev-parse", "HEAD", at=at).strip()

    def close(self):
        try:
            self.gate.close()
        finally:
            self.leg.close()
            self.space.close()
            shutil.rmtree(self.dir)


# ---- fixtures of the test files

@pytest.fixture(scope="module")
def shared_gate():
    made = Rig()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def rig(shared_gate):
    """One gate for all that leave it as it was; each test has an upstream of its own, "app", with one commit on main."""
    shared_gate.leg.before = None
    shared_gate.gate.forget(past=shared_gate.repos)
    shared_gate.repos.clear()
    shared_gate.number = getattr(shared_gate, "number", 0) + 1
    fresh(shared_gate, f"app{shared_gate.number}")
    return shared_gate


@pytest.fixture
def own():
    """A gate that may be killed."""
    made = Rig()
    try:
        fresh(made, "app1")
        yield made
    finally:
        made.close()


def fresh(rig, name):
    rig.name = name
    rig.up, rig.first = rig.begun(name)
    rig.apply()
    rig.gate.forget()
    rig.leg.requests.clear()


# ---- what tests do with it

def clone(rig, name="one", *options):
    at = rig.path("work", f"{rig.name}-{name}")
    rig.git("clone", "--quiet", *options, rig.url(rig.name), at)
    return at


def others(rig):
    """A clone of the upstream, by somebody who does not come through the gate."""
    at = rig.path("work", f"{rig.name}-others")
    rig.git("clone", "--quiet", rig.up, at)
    return at


def hook(rig, name, text):
    path = os.path.join(rig.up, "hooks", name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\n" + text)
    os.chmod(path, 0o755)
    return path


def remote_words(output):
    return [line for line in output.splitlines() if line.startswith("remote:")]


def results(output):
    """Of a push --porcelain: (flag, ref, summary)."""
    return sorted((line.split("\t")[0], line.split("\t")[1].split(":")[1], line.split("\t")[2]) for line in output.splitlines()
                  if line.count("\t") == 2)


def same_mirror(rig):
    return rig.refs(rig.mirror(rig.name)) == rig.refs(rig.up)


def sessions(gate):
    """The pids of sessions that run."""
    def is_session(pid):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                return file.read().split(b"\0")[1:2] == [b"session"]
        except (FileNotFoundError, ProcessLookupError):
            return False
    return [pid for pid in gate.children() if is_session(pid)]


def leftovers(rig):
    found = []
    for folder, folders, files in os.walk(rig.mirror(rig.name)):
        found += [os.path.join(folder, name) for name in folders + files if name.startswith("tmp_") or name.endswith(".lock")]
    return found


def nothing_left(rig):
    """git receive-pack removes its quarantine behind its last word, which the client does not wait for."""
    return wait_for(lambda: leftovers(rig) == [], "the end of what git leaves while it runs")


def line_of(text, length=None):
    """A line of git's protocol (gitprotocol-common(5)), whatever length it says."""
    return f"{len(text) + 4 if length is None else length:04x}".encode() + text


def request_of(rig, service):
    """The first line of a connection."""
    return line_of(f"git-{service} /{rig.name}:\0host=x\0".encode())


def that_is_all(sock):
    """Says that nothing more comes."""
    try:
        sock.shutdown(socket.SHUT_WR)
    except OSError as error:  # the other end was faster: it did not want all of what came
        if error.errno != errno.ENOTCONN:
            raise


def to_the_end(sock):
    """What comes until the other end closes."""
    came = b""
    try:
        while part := sock.recv(65536):
            came += part
    except ConnectionResetError:  # there was more of ours than it wanted
        pass
    return came


def ask(rig, raw, shut=False):
    """What the gate answers to these bytes, until it closes."""
    with rig.dial() as sock:
        sock.sendall(raw)
        if shut:
            that_is_all(sock)
        return to_the_end(sock)


def pack(*objects, count=None):
    """A pack of these (gitformat-pack(5)); of `count`, if it lies."""
    body = b"PACK" + struct.pack("!II", 2, len(objects) if count is None else count) + b"".join(objects)
    return body + hashlib.sha1(body).digest()


def push_begun(rig):
    """A connection to the gate that has asked to push and heard which refs there are."""
    sock = rig.dial()
    sock.sendall(request_of(rig, "receive-pack"))
    advertised = b""
    while not advertised.endswith(b"0000"):
        came = sock.recv(65536)
        assert came, advertised
        advertised += came
    return sock


def half_a_push(rig, at):
    """A push whose pack has begun and does not go on: git's own bytes, cut. Returns the socket, when the quarantine is there."""
    pack = rig.path("work", "pack")
    with open(pack, "wb") as file:
        rig.space.run("git", "-C", at, "pack-objects", "--revs", "--stdout", "--all", input=b"", stdout=file)
    with open(pack, "rb") as file:
        data = file.read()
    new = rig.git("rev-parse", "HEAD", at=at).strip()
    sock = push_begun(rig)
    command = f"{rig.first} {new} refs/heads/main\0 report-status".encode()
    sock.sendall(line_of(command) + b"0000" + data[:len(data) // 2])
    wait_for(lambda: leftovers(rig), "the quarantine")
    return sock
