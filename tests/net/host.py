# SPDX-License-Identifier: GPL-3.0-or-later
"""A "host": a machine of its own as far as hostctl can tell (network, processes, mounts, home), behind one uplink to the
lab's internet. Here bottles are made as users make them, with `hostctl up`."""
import contextlib
import json
import os
import shutil
import signal
import subprocess

from capture import Capture
from lab import HERE, Agent, Audit, program
from spaces import WAIT, Failed, Space, child_of, tied, wait_for
from world import RESOLVER

OF_PODMAN = ("-path", "/run/libpod*", "-o", "-path", "/run/containers*", "-o", "-name", "libpod_lock")  # made by its first question

MANIFEST = f"""\
# a bottle of the lab
egress:
  dns: [{RESOLVER}]
  routes:
    - host: allowed.test
      tls: {{passthrough: true}}
    - host: plain.test
    - host: "*.sub.test"
      tls: {{passthrough: true}}
"""

SYSTEM = "/etc/ssl/certs/ca-certificates.crt"


def roots(lab):
    """The host's bundle with the lab's CA in it, as text."""
    with open(SYSTEM, encoding="ascii") as system, open(lab.world.ca, encoding="ascii") as ours:
        return system.read() + ours.read()


@contextlib.contextmanager
def trusting(lab, manifest):
    """A bottle on a host that trusts the lab's CA as any other."""
    host = Host(lab)
    try:
        host.space.run("mount", "--bind", host.write("roots.pem", roots(lab)), SYSTEM)
        bottle = host.up(manifest=host.write("trusting.yaml", manifest))
        try:
            yield bottle
        finally:
            bottle.close()
    finally:
        host.close()


class Host:
    def __init__(self, lab):
        self.lab, self.space, self.bottles = lab, Space(lab, "host"), 0
        self.dir = os.path.join(lab.dir, f"host-{self.space.pid}")
        self.home = os.path.join(self.dir, "home")
        self.state = os.path.join(self.dir, "state")
        self.kept = os.path.join(self.state, "stopper", "audit")  # the audit of bottles that are gone
        for folder in self.dir, self.home, self.state, os.path.join(self.home, ".ssh"):
            os.mkdir(folder)
        with open(os.path.join(self.home, ".ssh", "id_ed25519"), "w", encoding="ascii") as key:
            key.write("a private key of the user\n")
        self.manifest = self.write("bottle.yaml", MANIFEST)
        self.environment = {**lab.environment, "HOME": self.home, "XDG_STATE_HOME": self.state,
                            "XDG_CONFIG_HOME": os.path.join(self.home, ".config"),
                            "CONTAINERS_STORAGE_CONF": self.write("storage.conf", f"""\
[storage]
driver="vfs"
graphroot="{self.dir}/storage"
runroot="/run/containers"
""")}  # gc --all asks every engine, and podman's answer is not to be the machine's
        # /run is the host's own: what hostctl or pasta put there is seen by outside() and by nobody else
        self.space.run("sh", "-c", "mount -t tmpfs -o mode=755 tmpfs /run; mount -t tmpfs -o mode=1777 tmpfs /dev/shm")
        self.address, self.uplink = lab.world.link(self.space.pid, "up0")
        wait_for(lambda: "linkdown" not in self.space.run("ip", "route"), "the uplink's carrier")
        self.before = self.traces()

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def command(self, *words):
        return self.space.enter(program("hostctl"), *words)

    def hostctl(self, *words, stdin="", seconds=60):
        """Runs hostctl to its end: status, output, errors."""
        return subprocess.run(self.command(*words), input=stdin, capture_output=True, text=True, timeout=seconds, check=False,
                              env=self.environment, cwd=self.dir)

    def processes(self):
        """{program: [pid in the host's own numbers]}, kernel threads and the holder aside."""
        root, found = f"/proc/{self.space.pid}/root/proc", {}
        for pid in filter(str.isdigit, os.listdir(root)):
            try:
                with open(f"{root}/{pid}/stat", encoding="ascii", errors="replace") as stat:
                    zombie = stat.read().rpartition(")")[2].split()[0] in "ZX"
                if pid != "1" and not zombie:
                    found.setdefault(os.path.basename(os.readlink(f"{root}/{pid}/exe")), []).append(int(pid))
            except (FileNotFoundError, ProcessLookupError):
                continue
        return found

    def kill(self, pid, number=signal.SIGKILL):
        self.space.run("kill", f"-{int(number)}", str(pid))

    def traces(self):
        """All that a bottle may leave on a host, as text that is compared."""
        files = [os.path.join(folder, name) for folder, _, names in os.walk(self.state) for name in names
                 if folder != self.kept]  # what hostctl keeps on purpose
        return {"processes": self.processes(), "files": files,
                "links": [link["ifname"] for link in json.loads(self.space.run("ip", "-j", "link"))],
                "rules": self.space.run("nft", "list", "ruleset"), "routes": self.space.run("ip", "route"),
                "mounts": self.space.run("sh", "-c", "cut -d' ' -f5 /proc/self/mountinfo").split("\n"),
                "namespaces": self.space.run("ip", "netns"), "run": self.space.run("find", "/run", "/dev/shm", "-not", "(", *OF_PODMAN, ")"),
                "forwarding": self.space.run("sh", "-c", "cat /proc/sys/net/ipv4/ip_forward")}

    def clean(self, seconds=WAIT):
        """Waits until the host is as it was before any bottle."""
        try:
            wait_for(lambda: self.traces() == self.before, "a clean host", seconds)
        except Failed:
            now = self.traces()
            raise AssertionError("left on the host: " + json.dumps(
                {key: [self.before[key], now[key]] for key in now if now[key] != self.before[key]}, indent=1)) from None

    def capture(self):
        return Capture(self.lab.world.space.pid, self.uplink, sender=self.space.pid)

    def up(self, **named):
        return HostBottle(self, **named)

    def close(self):
        self.space.close()


class HostBottle:
    """A bottle by `hostctl up` whose command is the lab's agent."""

    def __init__(self, host, manifest=None, options=(), start=True):
        host.bottles += 1
        self.host, self.name = host, f"lab{host.bottles}"
        self.work = os.path.join(host.dir, self.name)
        os.makedirs(os.path.join(self.work, "lab"))
        os.chmod(self.work, 0o777)
        for name in "agent.py", "probes.py":
            shutil.copy(os.path.join(HERE, name), os.path.join(self.work, "lab", name))
        shutil.copy(host.lab.world.ca, os.path.join(self.work, "lab", "ca.pem"))
        self.errors = os.path.join(self.work, "hostctl.err")
        self.agent = Agent(os.path.join(self.work, "agent.sock"))
        self.logs = self.audit = None
        with open(self.errors, "wb") as errors:
            self.process = tied(
                host.command("up", "-f", manifest or host.manifest, "--name", self.name, "--mount", f"{self.work}:/work",
                             "--mount", f"{self.work}/lab:/lab:ro", *options, "--",
                             "/usr/bin/python3", "-B", "/lab/agent.py", "/work/agent.sock"),
                stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, env=host.environment, cwd=host.dir)
        try:
            self.agent.ready(self.process)
            self.logs = tied(host.command("logs", "-f", "--json", self.name), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             env=host.environment, cwd=host.dir)
            self.audit = Audit(self.logs.stdout)
        except BaseException as problem:
            self.close()
            with open(self.errors, encoding="utf-8", errors="replace") as errors:
                raise Failed(f"{problem}; hostctl wrote: {errors.read()}") from problem

    def hostctl_pid(self):
        """Of hostctl itself, in this machine's numbers: our process is nsenter, which waits for it."""
        return child_of(self.process.pid)

    def down(self):
        done = self.host.hostctl("down", self.name)
        self.process.wait(WAIT)
        return done

    def close(self):
        if self.process.poll() is None:
            self.host.hostctl("down", self.name)
            try:
                self.process.wait(WAIT)
            except subprocess.TimeoutExpired:
                self.process.kill()
        if self.logs is not None:
            self.logs.kill()
            self.logs.wait()
            self.audit.close()
