# SPDX-License-Identifier: GPL-3.0-or-later
"""podman with everything of its own in one folder, and a bottle whose sidecar is a container of the image. The container's
network is a namespace of the lab's: podman makes none, so that it changes nothing of the machine's."""
import json
import os
import shutil
import subprocess
import tempfile

from lab import AGENT_ADDRESS, SIDECAR_ADDRESS, Audit, Bottle
from spaces import WAIT, Failed, tied, wait_for, wire

CONFIGURATION = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[network]
network_backend = "netavark"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
"""
NEEDED = ("NET_ADMIN", "SETUID", "SETGID", "SETPCAP", "SYS_CHROOT", "KILL")
SEALED = ("--read-only", "--read-only-tmpfs=false", "--tmpfs", "/run:rw,nosuid,nodev,noexec,size=16m,mode=755", "--cap-drop", "ALL",
          *(f"--cap-add={name}" for name in NEEDED), "--security-opt", "no-new-privileges", "--no-healthcheck")


class Engine:
    def __init__(self, image):
        self.dir = tempfile.mkdtemp(prefix="stopper-image-")
        os.chmod(self.dir, 0o755)
        try:
            with open(f"{self.dir}/containers.conf", "w", encoding="ascii") as file:
                file.write(CONFIGURATION)
            self.environment = {**os.environ, "LC_ALL": "C", "CONTAINERS_CONF": f"{self.dir}/containers.conf", "TMPDIR": self.dir}
            self.command = ["podman", "--root", f"{self.dir}/root", "--runroot", f"{self.dir}/run", "--tmpdir", f"{self.dir}/tmp",
                            "--storage-driver", "vfs"]
            self.run("load", "-i", image.docker_path)
            self.id = image.id.removeprefix("sha256:")
        except BaseException:
            self.close()
            raise

    def status(self, *words, stdin=""):
        """Exit status, stdout and stderr of a podman command."""
        done = subprocess.run([*self.command, *words], input=stdin, env=self.environment, capture_output=True, text=True, timeout=WAIT, check=False)
        return done.returncode, done.stdout, done.stderr

    def run(self, *words, **named):
        status, out, errors = self.status(*words, **named)
        if status != 0:
            raise Failed(f"podman {' '.join(words)}: status {status}\n{out}{errors}")
        return out

    def close(self):
        try:
            if hasattr(self, "command"):
                self.status("rm", "--all", "--force", "--time", "0")
        finally:
            with open("/proc/self/mounts", encoding="utf-8") as file:
                left = [line.split()[1] for line in file if self.dir in line]
            for path in reversed(left):
                subprocess.run(["umount", "-l", path], check=False)
            shutil.rmtree(self.dir)


class ContainerBottle(Bottle):
    """options: of podman run; arguments: of stopper-init. The agent's side is probed with `bare`."""

    def __init__(self, lab, engine, *arguments, options=(), ready=True, wired=True, sealed=SEALED):
        self.engine, self.arguments, self.options, self.sealed = engine, arguments, options, sealed
        self.is_ready, self.wired = ready, wired
        super().__init__(lab, policy=None, agent=False)

    def _sidecar(self):
        self.outer, self.inner = self._namespace("sidecar"), self._namespace("agent")
        self.outer.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        if self.wired:
            self.address, self.uplink = self.lab.world.link(self.outer.pid, "egress0")
            wire(self.outer.pid, "agent0", f"{SIDECAR_ADDRESS}/30", self.inner.pid, "agent0", f"{AGENT_ADDRESS}/30")
            self.inner.run("ip", "route", "add", "default", "via", SIDECAR_ADDRESS)
        self.name = f"sidecar-{os.path.basename(self.dir)}"
        errors = open(os.path.join(self.dir, "sidecar.err"), "wb")
        self.sidecar = tied([*self.engine.command, "run", "--name", self.name, "--network", f"ns:/proc/{self.outer.pid}/ns/net",
                             *self.sealed, *self.options, self.engine.id, *self.arguments],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env=self.engine.environment)
        errors.close()
        self.undo.append(self._stop_sidecar)
        self.audit = Audit(self.sidecar.stdout)
        self.pid = self._pid()
        if not self.is_ready:
            return
        try:
            self.audit.wait(kind="lifecycle", detail="ready")
        except AssertionError as problem:
            raise Failed(f"the sidecar is not ready: {problem}\n{self.errors()}") from None

    def _pid(self):
        """Its PID 1, in this machine's numbers; 0 when it has ended already."""
        def running():
            status, out, _ = self.engine.status("inspect", "--format", "{{.State.Status}} {{.State.Pid}}", self.name)
            state, _, pid = out.strip().partition(" ")
            return (state, int(pid)) if status == 0 and state in ("running", "exited", "stopped") else None
        return wait_for(running, "the container")[1]

    def _stop_sidecar(self):
        self.engine.status("rm", "--force", "--time", "0", self.name)
        self.sidecar.kill()
        self.sidecar.wait()
        self.audit.close()

    def ctl(self, *words, stdin=""):
        status, out, errors = self.engine.status("exec", "-i", self.name, "stopper-init", "ctl", *words, stdin=stdin)
        try:
            return status, json.loads(out)
        except ValueError:
            raise Failed(f"ctl {words}: {status} {out!r} {errors!r}") from None
