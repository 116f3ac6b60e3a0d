# SPDX-License-Identifier: GPL-3.0-or-later
"""A real git server for bottles by hostctl: sshd in the lab's internet, on a port of its own of ssh.test, with bare repositories
of a user of its own. All of it is in a mount namespace, so that its paths are short and this machine has no such user."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile

from spaces import Failed, child_of, tied, wait_for
from world import NAMES

HOST, PORT, GIT = "ssh.test", 2222, 61010
PASSWD = f"root:x:0:0::/nonexistent:/bin/sh\nsshd:x:61011:61011::/nonexistent:/bin/false\ngit:x:{GIT}:{GIT}::/srv:/bin/sh\n"
PLACE = """
mount -t tmpfs -o mode=0755 none /run && mkdir /run/sshd || exit 1
mount --bind {dir}/passwd /etc/passwd && mount --bind {dir}/shadow /etc/shadow && mount --bind {dir}/srv /srv || exit 1
exec /usr/sbin/sshd -D -e -f {dir}/sshd.conf
"""


def keygen(path):
    """A key without a passphrase; its public half as "TYPE BASE64"."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", path], check=True)
    with open(f"{path}.pub", encoding="ascii") as public:
        return " ".join(public.read().split()[:2])


class Upstream:
    def __init__(self, lab):
        self.lab, self.process = lab, None
        self.dir = tempfile.mkdtemp(prefix="stopper-git-")
        os.chmod(self.dir, 0o755)
        self.key = os.path.join(self.dir, "key")
        self.host_key = keygen(os.path.join(self.dir, "host_key"))
        self.write("passwd", PASSWD)
        self.write("shadow", "git:*:19000:0:99999:7:::\nsshd:*:19000:0:99999:7:::\nroot:*:19000:0:99999:7:::\n")
        self.write("authorized", keygen(self.key) + "\n")
        os.mkdir(os.path.join(self.dir, "srv"))
        os.chown(os.path.join(self.dir, "srv"), GIT, GIT)
        self.start()

    def write(self, name, text):
        with open(os.path.join(self.dir, name), "w", encoding="ascii") as file:
            file.write(text)

    def start(self, host_key="host_key"):
        self.write("sshd.conf", f"Port {PORT}\nListenAddress {NAMES[HOST]}\nHostKey {self.dir}/{host_key}\nAuthorizedKeysFile {self.dir}/authorized\n"
                   "StrictModes no\nPidFile none\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nAcceptEnv GIT_PROTOCOL\n")
        with open(os.path.join(self.dir, "sshd.log"), "ab") as log:
            self.process = tied(self.lab.world.space.enter("unshare", "-m", "sh", "-c", PLACE.format(dir=self.dir)),
                                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

        def serves():
            if self.process.poll() is not None:
                with open(os.path.join(self.dir, "sshd.log"), encoding="utf-8", errors="replace") as log:
                    raise Failed(f"sshd (Debian's openssh-server): {log.read()}")
            with self.lab.world.space.call(socket.socket, socket.AF_INET, socket.SOCK_STREAM) as probe:
                return probe.connect_ex((NAMES[HOST], PORT)) == 0
        wait_for(serves, "sshd")

    def stop(self):
        os.kill(child_of(self.process.pid), signal.SIGTERM)  # the process is nsenter, which waits for it
        self.process.wait()

    def url(self, name):
        return f"ssh://git@{HOST}:{PORT}/srv/{name}.git"

    def git(self, name, *words, **named):
        """As the upstream's user, in the repository: what git says."""
        return subprocess.run(["setpriv", f"--reuid={GIT}", f"--regid={GIT}", "--clear-groups", "git", "-c", "user.name=Up", "-c", "user.email=up@lab.test",
                               *(["-C", self.path(name)] if name else []), *words], check=True, capture_output=True, text=True,
                              env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"}, **named).stdout.strip()

    def path(self, name):
        return os.path.join(self.dir, "srv", f"{name}.git")

    def repository(self, name):
        """A bare one with one commit on main, whose tree has a README."""
        self.git(None, "init", "-q", "--bare", "-b", "main", self.path(name))
        blob = self.git(name, "hash-object", "-w", "--stdin", input=f"This is {name}.\n")
        tree = self.git(name, "mktree", input=f"100644 blob {blob}\tREADME\n")
        self.git(name, "update-ref", "refs/heads/main", self.git(name, "commit-tree", "-m", "The first", tree))

    def refs(self, name):
        return dict(reversed(line.split()) for line in self.git(name, "for-each-ref", "--format=%(objectname) %(refname)").splitlines())

    def close(self):
        if self.process is not None:
            self.stop()
        shutil.rmtree(self.dir)
