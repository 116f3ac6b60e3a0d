# SPDX-License-Identifier: GPL-3.0-or-later
"""A worker as stopper-init starts it, and what init holds of it (sys/worker.h, sys/channel.h): the channel, and the audit stream."""
import fcntl
import json
import os
import socket
import struct
import subprocess
import threading

WAIT = 15  # seconds: the bound of every wait
POLICY, READY, APPLIED, REFUSAL, AUTHORITY, SECRETS, DATABASE = 1, 2, 3, 4, 6, 7, 11
HEAD = struct.Struct("@IIQ")  # type, length of the text, generation
START = """
mount -t tmpfs none /run && mkdir -p /run/stopper/empty && chmod 0555 /run/stopper/empty || exit 1
exec {handed} {closed} </dev/null >/dev/null
exec {limits} "$0"
"""


def sealed(blob=b""):
    """A memfd; sealed when it holds something."""
    fd = os.memfd_create("blob", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    if blob:
        os.write(fd, blob)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, 0xF)
    return fd


class HeldWorker:
    """`program` with the channel as 3, the audit stream as 4 and these listeners behind it. Its audit stream is read unless it is `deaf`."""

    def __init__(self, space, program, listeners, deaf=False, environment=None, limits=""):
        self.generation, self.lines = 0, []
        self.channel, channel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.audit, audit = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs = [channel, audit, *listeners]
        for one in theirs:
            one.setblocking(False)
        high = [fcntl.fcntl(one.fileno(), fcntl.F_DUPFD, 50) for one in theirs]
        start = START.format(handed=" ".join(f"{3 + at}<&{fd}" for at, fd in enumerate(high)), limits=limits,
                             closed=" ".join(f"{fd}<&-" for fd in high))
        with space:
            self.process = subprocess.Popen(["unshare", "-m", "bash", "-c", start, os.path.abspath(program)], pass_fds=high,
                                            stdin=subprocess.DEVNULL, env=environment)
        for fd in high:
            os.close(fd)
        for one in theirs:
            one.close()
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.channel.settimeout(WAIT)
        try:
            assert self._message()[0] == READY
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        if not deaf:
            self.hear()

    def _message(self):
        data = self.channel.recv(70000)
        assert data, f"the worker ended: {self.process.wait(WAIT)}"
        kind, size, generation = HEAD.unpack(data[:HEAD.size])
        assert size == len(data) - HEAD.size
        return kind, generation, data[HEAD.size:].decode()

    def _send(self, kind, generation, blob):
        fd = sealed(blob)
        socket.send_fds(self.channel, [HEAD.pack(kind, 0, generation)], [fd])
        os.close(fd)

    def _read(self):
        while packet := self.audit.recv(8192):
            assert packet.endswith(b"\n") and len(packet) <= 7680
            with self.changed:
                self.lines += map(json.loads, packet.splitlines())
                self.changed.notify_all()

    def hear(self):
        """Starts reading the audit stream of a worker that was started deaf."""
        self.reader.start()

    def line(self, **members):
        """The first audit line whose members have these values; waits for it."""
        def find():
            return next((line for line in self.lines if all(line.get(k) == v for k, v in members.items())), None)
        with self.changed:
            self.changed.wait_for(find, WAIT)
            assert find(), f"no line with {members} in {self.lines[-20:]}"
            return find()

    def forget(self):
        with self.changed:
            self.lines.clear()

    def close(self):
        """SIGTERM ends it with status 0, whatever was sent to it before."""
        self.process.terminate()
        status = self.process.wait(WAIT)
        if self.reader.is_alive():
            self.reader.join(WAIT)
        self.channel.close()
        self.audit.close()
        assert status == 0, status
