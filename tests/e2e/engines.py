# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts with a container engine: each engine lives in its host's namespaces, with its storage in the host's folder, so that
its bridges, rules and mounts are never the machine's."""
import json
import os
import shutil
import signal
import subprocess

import images
from host import Host, HostBottle
from lab import HERE, program
from spaces import WAIT, Failed, child_of, tied, wait_for
from world import RESOLVER

IMAGES = os.path.abspath(os.environ.get("STOPPER_IMAGE", os.path.join(HERE, "..", "..", "build", "image")))
TOKEN = "tok/9c41D+77ab=c0~e"
MANIFEST = f"""\
egress:
  dns: [{RESOLVER}]
  extra_ca: [lab-ca.pem]
  routes:
    - host: allowed.test
      auth: {{scheme: Bearer, token_ref: FORGE_TOKEN}}
    - host: other.test
    - host: plain.test
    - host: git.test
    - host: "*.sub.test"
      tls: {{passthrough: true}}
    - host: host.stopper.internal
      ports: [7070]
"""


def need(program, package):
    if not shutil.which(program):
        raise Failed(f"{program} is missing: Debian's {package}")


class RuntimeHost(Host):
    """A host whose bottles are all made by one runtime, from one manifest."""
    runtime, options, started = "netns", ("--runtime", "netns"), False
    caller, number = (1717, 1818), 1000  # the numbers of who called sudo, when a test says so, and the agent's when none does
    limits, mapped = True, False         # whether the engine can keep limits; whether its containers have numbers of their own

    def __init__(self, lab):
        super().__init__(lab)
        try:
            with open(lab.world.ca, encoding="ascii") as ca:
                self.write("lab-ca.pem", ca.read())
            self.manifest = self.write("bottle.yaml", MANIFEST)
            self.environment["FORGE_TOKEN"] = TOKEN
            self.start()
            self.started = True
            self.before = self.traces()
        except BaseException:
            self.close()
            raise

    def start(self):
        """Brings the engine up, with the images."""

    def up(self, options=(), **named):
        return HostBottle(self, options=(*self.options, *options), **named)

    def run(self, *command, options=(), stdin="", name="r", seconds=60):
        """A bottle to its end."""
        return self.hostctl("up", "-f", self.manifest, "--name", name, *self.options, *options, "--", *command, stdin=stdin,
                            seconds=seconds)


class EngineHost(RuntimeHost):
    """`tool` is the engine's program; the agents' images are agent:1 (Python) and small:1 (busybox alone). `network` is the role of
    the container that has the agent's network namespace."""
    tool, sidecar_image = None, "localhost/stopper-sidecar:0.1.0"
    options = ()
    containers = "ps", "-a", "--format", "{{.Names}}"
    networks = "network", "ls", "--format", "{{.Name}}"
    volumes = "volume", "ls", "--format", "{{.Name}}"

    def engine(self, *words, status=0, stdin=None):
        """The engine's program by hand; None accepts any status, and then all is returned."""
        done = subprocess.run(self.command_line(self.tool, *words), input=stdin, capture_output=True, text=True, timeout=120,
                              check=False, env=self.environment, cwd=self.dir)
        if status is None:
            return done
        if done.returncode != status:
            raise Failed(f"{self.tool} {' '.join(words)}: {done.returncode} {done.stdout}{done.stderr}")
        return done.stdout

    def command_line(self, *argv):
        return self.space.enter(*argv)

    @staticmethod
    def sidecar(kind):
        """The sidecar's image, as an archive of this kind."""
        archive = os.path.join(IMAGES, os.uname().machine.replace("x86_64", "amd64").replace("aarch64", "arm64"), f"stopper-sidecar.{kind}.tar")
        if not os.path.exists(archive):
            raise Failed(f"{archive} is not there: make image")
        return archive

    def load(self):
        self.engine("load", "-q", "-i", self.sidecar(self.archive))
        for name, fill in ("agent", images.python), ("small", images.busybox):
            self.engine("import", images.archive(self.dir, name, fill), f"localhost/{name}:1")

    def container(self, bottle, role):
        """The name of a container of this bottle's."""
        return next(name for name in self.engine(*self.containers).split() if name.startswith(f"stopper-{bottle}-")
                    and name.endswith(f"-{role}"))

    def inspect(self, name, kind="container"):
        return json.loads(self.engine("inspect", "--type", kind, name))[0]

    def things(self):
        """All names that the engine knows."""
        return sorted(self.engine(*self.containers).split() + self.engine(*self.networks).split() + self.engine(*self.volumes).split())

    def traces(self):
        files = [os.path.join(folder, name) for folder, _, names in os.walk(self.state) for name in names if folder != self.kept]
        return {"things": self.things() if self.started else [], "files": files, "processes": self.processes(),
                "mounts": sorted(line for line in self.space.run("sh", "-c", "cut -d' ' -f5 /proc/self/mountinfo").split("\n")
                                 if "/netns/" in line or "/merged" in line)}


class Podman(EngineHost):
    runtime, tool, archive, agent_link, network = "podman", "podman", "oci", "agent0", "agent"
    runroot = "/run/containers"
    options = "--runtime", "podman", "--image", "localhost/agent:1"

    def start(self):
        for program, package in ("podman", "podman"), ("runc", "runc"), ("/usr/lib/podman/netavark", "netavark"), ("conmon", "conmon"):
            need(program, package)
        os.mkdir(os.path.join(self.dir, "storage"))
        self.space.run("mount", "-t", "tmpfs", "-o", "mode=711", "tmpfs", os.path.join(self.dir, "storage"))
        os.mkdir(os.path.join(self.dir, "networks"))  # else they are in the machine's /etc
        self.environment["CONTAINERS_CONF"] = self.write("containers.conf", f"""\
[containers]
default_ulimits=["nofile=1024:1024","nproc=1024:1024"]
[engine]
runtime="runc"
cgroup_manager="cgroupfs"
events_logger="none"
[network]
network_backend="netavark"
network_config_dir="{self.dir}/networks"
""")
        self.environment["CONTAINERS_STORAGE_CONF"] = self.write("storage.conf", f"""\
[storage]
driver="overlay"
graphroot="{self.dir}/storage"
runroot="{self.runroot}"
""")
        self.prepare()
        self.load()

    def prepare(self):
        """What is needed before the first image."""


class Rootless(Podman):
    """podman and hostctl as an ordinary user, who has 65,536 further numbers for containers."""
    USER, runroot = 1500, "/run/user/1500/containers"
    caller, number, mapped = (USER, USER), USER, True
    limits = False  # not for an ordinary user with cgroups of version 1

    def __init__(self, lab):
        for program, package in ("newuidmap", "uidmap"), ("slirp4netns", "slirp4netns"):
            need(program, package)
        super().__init__(lab)

    def command_line(self, *argv):
        return self.space.enter("setpriv", f"--reuid={self.USER}", f"--regid={self.USER}", "--clear-groups", "--", *argv)

    def command(self, *words):
        return self.command_line(program("hostctl"), *words)

    def prepare(self):
        runtime = f"/run/user/{self.USER}"
        self.environment["XDG_RUNTIME_DIR"] = runtime
        for name, line in ("passwd", f"caller:x:{self.USER}:{self.USER}::{self.home}:/bin/sh"), ("group", f"caller:x:{self.USER}:"), \
                ("subuid", "caller:200000:65536"), ("subgid", "caller:200000:65536"):
            path = self.write(name, line + "\n")
            with open(f"/etc/{name}", encoding="utf-8") if os.path.exists(f"/etc/{name}") else open(os.devnull, encoding="utf-8") as file:
                text = file.read()
            with open(path, "a", encoding="utf-8") as file:
                file.write(text if name in ("passwd", "group") else "")
            # the machine may have no such file: then it is made in a layer over /etc that only this host has
            self.space.run("sh", "-c", f"[ -e /etc/{name} ] && mount --bind {path} /etc/{name}")
        self.space.run("sh", "-c", f"mkdir -p {runtime} && chown {self.USER}:{self.USER} {runtime} && chmod 700 {runtime}; "
                       "mount -t tmpfs -o mode=755 tmpfs /dev/net && mknod -m 666 /dev/net/tun c 10 200")
        for folder in self.home, self.state, os.path.join(self.dir, "networks"):
            os.chown(folder, self.USER, self.USER)
        self.space.run("chown", f"{self.USER}:{self.USER}", os.path.join(self.dir, "storage"))


class Docker(EngineHost):
    runtime, tool, archive, agent_link, network = "docker", "docker", "docker", "eth0", "pause"
    options = "--runtime", "docker", "--image", "localhost/agent:1"

    def start(self):
        need("dockerd", "docker.io")
        data = os.path.join(self.dir, "docker")
        os.mkdir(data)
        self.space.run("mount", "-t", "tmpfs", "-o", "mode=711", "tmpfs", data)
        self.environment["DOCKER_HOST"] = f"unix://{data}/docker.sock"
        # bridged frames pass through iptables: the usual setting, and the harder one
        self.space.run("sh", "-c", "[ ! -e /proc/sys/net/bridge ] || echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables")
        with open(os.path.join(self.dir, "dockerd.log"), "wb") as log:
            self.daemon = tied(self.command_line("dockerd", "--data-root", f"{data}/data", "--exec-root", f"{data}/exec", "--pidfile",
                                                 f"{data}/pid", "--host", f"unix://{data}/docker.sock"),
                               stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment)
        wait_for(lambda: self.daemon.poll() is not None or self.engine("version", status=None).returncode == 0, "dockerd", 60)
        if self.daemon.poll() is not None:
            with open(os.path.join(self.dir, "dockerd.log"), encoding="utf-8") as log:
                raise Failed(f"dockerd ended: {log.read()[-2000:]}")
        self.load()

    def close(self):
        if getattr(self, "daemon", None) is not None:
            os.kill(child_of(self.daemon.pid), signal.SIGTERM)
            self.daemon.wait(WAIT)
        super().close()


class Apple(EngineHost):
    """Apple's container, as far as it can be had here: see apple_container.py. `version` is whose words it speaks."""
    runtime, tool, version = "apple", "container", "1.2.2"
    options = "--runtime", "apple", "--image", "localhost/agent:1"
    containers, networks, volumes = ("list", "--all", "--quiet"), ("network", "list", "--quiet"), ("volume", "list", "--quiet")

    def start(self):
        root, programs = os.path.join(self.dir, "apple"), os.path.join(self.dir, "bin")
        os.mkdir(root)
        os.mkdir(programs)
        program = self.write("bin/container", f"""\
#!/usr/bin/python3 -S
import sys
sys.path.insert(0, {os.path.dirname(os.path.abspath(__file__))!r})
sys.pycache_prefix = {os.path.join(self.dir, "pycache")!r}  # compiled once
import apple_container
apple_container.main()
""")
        os.chmod(program, 0o755)
        self.space.run("mount", "-t", "tmpfs", "-o", "mode=711", "tmpfs", root)
        self.environment |= {"PATH": f"{programs}:{self.environment['PATH']}", "CONTAINER_ROOT": root, "CONTAINER_VERSION": self.version}
        self.service(True)
        self.load()

    def service(self, there):
        """`container system start` and `stop`, which are launchd's."""
        self.space.run(*(("touch",) if there else ("rm",)), os.path.join(self.environment["CONTAINER_ROOT"], "service"))

    def load(self):
        self.engine("image", "load", "--input", self.sidecar("oci"))
        for name, fill in ("agent", images.python), ("small", images.busybox):
            self.image(name, images.archive(self.dir, name, fill))

    def image(self, name, root, **config):
        self.engine("image", "load", "--input", images.oci_archive(self.dir, name, root, **config))
        return f"localhost/{name}:1"

    def inspect(self, name, kind="container"):
        return json.loads(self.engine(*(() if kind == "container" else (kind,)), "inspect", name))[0]


class AppleBefore(Apple):
    """The same before 1.0: other shapes, fewer options, and a /proc/sys that can be written."""
    version = "0.12.0"


RUNTIMES = {"netns": RuntimeHost, "podman": Podman, "rootless": Rootless, "docker": Docker, "apple": Apple, "apple-0.12": AppleBefore}
