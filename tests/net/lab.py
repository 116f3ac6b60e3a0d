# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab: a world, and bottles in front of it, on one machine and without internet.

    agent ──agent0── sidecar ──egress0── internet (world.py)

Everything lives in namespaces that are held by processes of the lab (spaces.py), so nothing of it can stay behind.
Bottle makes sidecar and agent itself; HostctlBottle lets hostctl do it. Walls are opened from outside, by root, in
walls.py: the programs have no switch for it.
"""
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading

import probes
from capture import Capture
from spaces import WAIT, Failed, Space, alive, child_of, tied, wait_for, wire
from world import NAMES, RESOLVER, World

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(os.environ.get("STOPPER_BUILD", os.path.join(HERE, "..", "..", "build", "release")))
MARK = "STOPPER_LAB"  # in the environment of all that the lab starts
AGENT_ADDRESS, SIDECAR_ADDRESS = "10.7.7.2", "10.7.7.1"

POLICY = {
    "protocol": 1,
    "dns": {"upstreams": [RESOLVER]},
    "routes": [
        *({"host": host, "tls": {"passthrough": True}} for host in
          ("allowed.test", "other.test", "*.sub.test", "git.test", "apt.test", "dead.test", "metadata.test",
           "loopback.test", "rebind.test", "mixed.test", "lan.test", "silent.test")),
        {"host": "plain.test"},
        {"host": "private.test", "tls": {"passthrough": True}, "allow_private": ["10.1.0.0/16"]},
    ],
}


def policy_with(*hosts, **more):
    """POLICY and these hosts as well."""
    return {**POLICY, "routes": POLICY["routes"] + [{"host": host, "tls": {"passthrough": True}, **more} for host in hosts]}


def program(name):
    path = os.path.join(BUILD, name)
    if not os.access(path, os.X_OK):
        raise Failed(f"{path} is not there: make all")
    return path


class Lab:
    """Owns a folder, an environment and everything that has to be undone, in reverse order."""

    def __init__(self, name):
        self.token = f"{name}-{os.getpid()}"
        self.environment = {**os.environ, MARK: self.token, "LC_ALL": "C"}
        self.undo = []
        self.dir = tempfile.mkdtemp(prefix=f"stopper-{self.token}-")
        os.chmod(self.dir, 0o755)
        self.undo.append(lambda: shutil.rmtree(self.dir))
        try:
            self.world = World(self)
            self.world.answers()
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

    def close(self):
        """Undoes everything, whatever fails on the way; the first failure is raised at the end."""
        problems = []
        while self.undo:
            try:
                self.undo.pop()()
            except Exception as problem:
                problems.append(problem)
        problems += [Failed(f"left behind: {leak}") for leak in self.leaks()]
        if problems:
            raise problems[0]

    def leaks(self):
        """What still bears our mark: processes, links, named namespaces, mounts."""
        def processes():
            found = []
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    with open(f"/proc/{pid}/environ", "rb") as environ:
                        if f"{MARK}={self.token}\0".encode() in environ.read() and alive(pid) and int(pid) != os.getpid():
                            with open(f"/proc/{pid}/cmdline", "rb") as line:
                                found.append(f"process {pid} {line.read().decode(errors='replace')!r}")
                except OSError:
                    continue
            return found
        try:
            wait_for(lambda: not processes(), "all processes of the lab to end", 5)
        except Failed:
            pass
        with open("/proc/self/mounts", encoding="utf-8") as mounts:
            left = [f"mount {line.split()[1]}" for line in mounts if self.token in line]
        return processes() + left + ([self.dir] if os.path.exists(self.dir) else [])


class Audit:
    """The audit stream of a sidecar: every line is kept, and whoever waits is woken."""

    def __init__(self, stream):
        self.stream, self.lines, self.raw, self.ended = stream, [], [], False
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for raw in self.stream:
            with self.changed:
                self.raw.append(raw)
                try:
                    self.lines.append(json.loads(raw))
                except ValueError:
                    self.lines.append({"not json": raw.decode(errors="replace")})
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def mark(self):
        """A place in the stream, for `since`."""
        with self.changed:
            return len(self.lines)

    def wait(self, since=0, seconds=WAIT, **members):
        """The first line from `since` on whose members have these values; a compiled pattern matches a value's beginning."""
        def fits(wanted, value):
            return wanted.match(value or "") if isinstance(wanted, re.Pattern) else wanted == value

        def matching():
            return next((line for line in self.lines[since:]
                         if all(fits(value, line.get(key)) for key, value in members.items())), None)
        with self.changed:
            self.changed.wait_for(lambda: matching() or self.ended, seconds)
            line = matching()
            if line is None:
                shown = "\n".join(json.dumps(line) for line in self.lines[since:][-30:])
                raise AssertionError(f"no audit line with {members}{', the stream ended' if self.ended else ''}; there were:\n{shown}")
            return line

    def close(self):
        self.thread.join(WAIT)
        self.stream.close()


class Agent:
    """Speaks to agent.py in a bottle through the socket in the bottle's work directory."""

    def __init__(self, path):
        self.path = path

    def ready(self, process):
        wait_for(lambda: os.path.exists(self.path) or process.poll() is not None, "the agent")
        if not os.path.exists(self.path):
            raise Failed(f"the agent ended with {process.returncode} before it began")

    def call(self, name, /, within=180, **arguments):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(within)
            sock.connect(self.path)
            sock.sendall(json.dumps({"call": name, "arguments": arguments}).encode() + b"\n")
            with sock.makefile("rb") as stream:
                line = stream.readline()
        if not line:
            raise Failed(f"the agent ended during {name}")
        answer = json.loads(line)
        if "problem" in answer:
            raise Failed(f"{name}{arguments}: {answer['problem']}")
        return answer["value"]

    def __getattr__(self, name):
        if name.startswith("_") or not hasattr(probes, name):
            raise AttributeError(name)
        return lambda **arguments: self.call(name, **arguments)


class Bottle:
    """A sidecar and an agent that the lab made by itself: `agent` probes from inside, `audit` is the sidecar's stdout,
    `uplink` the name of its egress link on the internet's side."""

    count = 0

    def __init__(self, lab, policy=POLICY, agent=True):
        Bottle.count += 1
        self.lab, self.dir = lab, os.path.join(lab.dir, f"bottle{Bottle.count}")
        self.undo = []
        os.mkdir(self.dir)
        lab.on_close(self.close)
        try:
            self._sidecar()
            if policy is not None:
                self.apply(policy)
            self._agent(agent)
        except BaseException:
            self.close()
            raise

    def _namespace(self, name):
        holder = Space(self.lab, name)
        self.undo.append(holder.close)
        return holder

    def _sidecar(self):
        self.outer, self.inner = self._namespace("sidecar"), self._namespace("agent")
        self.address, self.uplink = self.lab.world.link(self.outer.pid, "egress0")
        wire(self.outer.pid, "agent0", f"{SIDECAR_ADDRESS}/30", self.inner.pid, "agent0", f"{AGENT_ADDRESS}/30")
        errors = open(os.path.join(self.dir, "sidecar.err"), "wb")
        self.sidecar = tied(
            ["nsenter", "-t", str(self.outer.pid), "-n", "unshare", "-m", "-p", "-f", "--kill-child", "--mount-proc",
             "sh", "-c", 'mount -t tmpfs -o mode=755 tmpfs /run && exec "$0"', program("stopper-init")],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env=self.lab.environment)
        errors.close()
        self.undo.append(self._stop_sidecar)
        self.audit = Audit(self.sidecar.stdout)
        self.pid = child_of(self.sidecar.pid)
        try:
            self.audit.wait(kind="lifecycle", detail="ready")
        except AssertionError as problem:
            raise Failed(f"the sidecar is not ready: {problem}\n{self.errors()}") from None

    def _stop_sidecar(self):
        self.sidecar.kill()
        self.sidecar.wait()
        self.audit.close()

    def errors(self):
        with open(os.path.join(self.dir, "sidecar.err"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def ctl(self, *words, stdin=""):
        """stopper-init ctl in the sidecar: (status, answer)."""
        done = subprocess.run(["nsenter", "-t", str(self.pid), "-n", "-m", "-p", program("stopper-init"), "ctl", *words],
                              input=stdin, capture_output=True, text=True, timeout=WAIT, check=False, env=self.lab.environment)
        try:
            return done.returncode, json.loads(done.stdout)
        except ValueError:
            raise Failed(f"ctl {words}: {done.returncode} {done.stdout!r} {done.stderr!r}") from None

    def apply(self, policy, secrets=None):
        status, answer = self.ctl("apply", stdin=json.dumps({"policy": policy, "secrets": secrets or {}}))
        if status != 0 or not answer["ok"]:
            raise Failed(f"apply: {answer}")
        return answer["generation"]

    def status(self):
        return self.ctl("status")[1]

    def processes(self):
        """{program or "meter": [pid…]} of the sidecar's live processes, in this machine's numbers."""
        found = {}
        children = [self.pid]
        for pid in children:
            try:
                with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
                    children += [int(child) for child in file.read().split()]
                if alive(pid):
                    name = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
                    found.setdefault("meter" if name == "stopper-init" and pid != self.pid else name, []).append(pid)
            except (FileNotFoundError, ProcessLookupError):
                continue
        return found

    def let_go(self):
        """From now on only the bottle's own processes keep its namespaces alive."""
        self.outer.close()
        self.inner.close()

    ROOT = r'''
set -e
mount --make-rprivate /; mount -t tmpfs -o mode=755 tmpfs "$ROOT"; cd "$ROOT"
mkdir usr etc etc/ssl dev dev/pts proc run tmp work lab stopper home home/agent old; chmod 1777 tmp; chown 1000:1000 home/agent
for link in bin sbin lib lib64; do ln -s usr/$link $link; done
bind() { mount --bind "$1" "$2"; mount -o remount,bind,nosuid,ro "$2"; }
bind /usr usr; bind "$LAB" lab; bind "$BUILD" stopper; mount --bind "$WORK" work
for file in /etc/ld.so.cache /etc/alternatives /etc/apt /etc/ssl/openssl.cnf; do [ ! -e $file ] || cp -a $file etc${file#/etc} ; done
cp -r /etc/ssl/certs etc/ssl/certs 2>/dev/null || true
echo 'root:x:0:0::/root:/bin/sh
agent:x:1000:1000::/home/agent:/bin/sh' >etc/passwd
echo 'root:x:0:
agent:x:1000:' >etc/group
echo 'hosts: files dns' >etc/nsswitch.conf; echo '127.0.0.1 localhost' >etc/hosts; : >etc/resolv.conf
mount -t proc proc proc; mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
for node in null zero full random urandom tty; do : >dev/$node; mount --bind /dev/$node dev/$node; done
ln -s pts/ptmx dev/ptmx; ln -s /proc/self/fd dev/fd
pivot_root . old; umount -l /old; rmdir /old; cd /
exec 3<&0 </dev/null
exec chroot / "$@"
'''

    def _agent(self, start):
        """An agent's root with nothing of the machine but /usr; the shim as its PID 1."""
        work = os.path.join(self.dir, "work")
        for name in "root", "work", "lab":
            os.mkdir(os.path.join(self.dir, name))
        os.chmod(work, 0o777)
        for name in "agent.py", "probes.py":
            shutil.copy(os.path.join(HERE, name), os.path.join(self.dir, "lab", name))
        shutil.copy(self.lab.world.ca, os.path.join(self.dir, "lab", "ca.pem"))
        self.agent = Agent(os.path.join(work, "agent.sock"))
        if not start:
            return
        ours, theirs = socket.socketpair()
        command = ["nsenter", "-t", str(self.inner.pid), "-n", "unshare", "-m", "-p", "-i", "-u", "-f", "--kill-child",
                   "sh", "-c", self.ROOT, "sh", "/stopper/stopper-shim", "/usr/bin/python3", "-B", "/lab/agent.py", "/work/agent.sock"]
        environment = {**self.lab.environment, "ROOT": os.path.join(self.dir, "root"), "WORK": work, "BUILD": BUILD,
                       "LAB": os.path.join(self.dir, "lab")}
        program("stopper-shim")
        with open(os.path.join(self.dir, "agent.err"), "wb") as errors:
            self.shim = tied(command, stdin=theirs, stdout=errors, stderr=errors, env=environment)
        theirs.close()
        self.undo.append(lambda: (self.shim.kill(), self.shim.wait(), self.control.close()))
        self.control = ours
        ours.settimeout(WAIT)
        authority = self.ctl("ca")[1]
        ours.sendall(json.dumps(
            {"protocol": 1, "ca": authority["pem"], "ca_subject_hash": authority["subject_hash"], "interface": "agent0", "gateway": SIDECAR_ADDRESS, "resolver": SIDECAR_ADDRESS, "uid": 1000,
             "gid": 1000, "groups": [], "env": {"HOME": "/home/agent", "PATH": "/usr/bin:/usr/sbin", MARK: self.lab.token},
             "cwd": "/work", "terminal": False, "die_with_parent": True}).encode() + b"\n")
        answer = ours.recv(4096)
        with open(os.path.join(self.dir, "agent.err"), encoding="utf-8", errors="replace") as errors:
            if not answer.startswith(b'{"ok":true'):
                raise Failed(f"the shim said {answer!r} and wrote {errors.read()!r}")
        self.agent.ready(self.shim)
        self.agent_pid = child_of(self.shim.pid)

    def bare(self, name, /, **arguments):
        """A probe by root in the agent's network namespace, past the shim: what the sidecar's own walls hold against."""
        return self.inner.call(getattr(probes, name), **arguments)

    def as_user(self, uid, name, /, **arguments):
        """A probe in the sidecar's network namespace as one of its users."""
        out = self.lab.run("nsenter", "-t", str(self.pid), "-n", "setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups",
                           "--", "/usr/bin/python3", "-B", os.path.join(self.dir, "lab", "probes.py"), name, json.dumps(arguments))
        return json.loads(out)

    def sidecar_run(self, *argv, stdin=None):
        """A program of the lab, as root, in the sidecar's network namespace."""
        return self.lab.run("nsenter", "-t", str(self.pid), "-n", *argv, input=stdin)

    def capture(self):
        return Capture(self.lab.world.space.pid, self.uplink, sender=self.pid)

    def close(self):
        while self.undo:
            self.undo.pop()()


def allowed_targets(*hosts, ports=(80, 443)):
    """What may be on the egress link: the resolver and these hosts."""
    return {("udp", RESOLVER, 53), ("tcp", RESOLVER, 53)} | {("tcp", NAMES[host], port) for host in hosts for port in ports}
