# SPDX-License-Identifier: GPL-3.0-or-later
"""What was on a link: every frame, through an AF_PACKET socket in the link's namespace.

A capture that lost a frame, or that never saw the mark at its end, proves nothing and says so.
"""
import errno
import os
import select
import socket
import struct
import threading

from spaces import Failed, inside

ETH_P_ALL, SOL_PACKET, PACKET_STATISTICS = 3, 263, 6
SYN = 2
PROTOCOLS = {1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 58: "icmp6", 0: "hop6"}


class Frame:
    """One frame: kind, addresses, ports and the raw bytes; `carries` is false for a TCP segment that neither opens a
    connection nor has data."""

    def __init__(self, data):
        self.data, self.kind, self.carries = data, "other", True
        self.source = self.target = ""
        self.source_port = self.port = 0
        ethertype, = struct.unpack_from("!H", data, 12)
        packet = data[14:]
        if ethertype == 0x0806 and len(packet) >= 28:
            self.kind = "arp"
            self.source, self.target = socket.inet_ntoa(packet[14:18]), socket.inet_ntoa(packet[24:28])
        elif ethertype == 0x0800 and len(packet) >= 20:
            self._ports(packet[9], packet[(packet[0] & 15) * 4:])
            self.source, self.target = socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])
            if self.kind == "tcp" and len(packet) >= (head := (packet[0] & 15) * 4) + 20:  # RFC 9293 section 3.1
                payload = int.from_bytes(packet[2:4], "big") - head - (packet[head + 12] >> 4) * 4
                self.carries = payload > 0 or bool(packet[head + 13] & SYN)
        elif ethertype == 0x86DD and len(packet) >= 40:
            self._ports(packet[6], packet[40:])
            self.source = socket.inet_ntop(socket.AF_INET6, packet[8:24])
            self.target = socket.inet_ntop(socket.AF_INET6, packet[24:40])

    def _ports(self, protocol, rest):
        self.kind = PROTOCOLS.get(protocol, f"protocol {protocol}")
        if self.kind in ("tcp", "udp") and len(rest) >= 4:
            self.source_port, self.port = struct.unpack_from("!HH", rest)

    def is_neighbourhood(self):
        """Spoken by kernels to the link itself: ARP, and IPv6 neighbour and multicast-listener messages."""
        return self.kind == "arp" or (self.kind in ("icmp6", "hop6") and self.target.startswith("ff02:"))

    def __repr__(self):
        return f"{self.kind} {self.source}:{self.source_port} -> {self.target}:{self.port} ({len(self.data)} bytes)"


def connections(pid):
    """(own port, peer, its port) of every TCP connection in a process's network namespace, those among them that are just
    ending."""
    with open(f"/proc/{pid}/net/tcp", encoding="ascii") as table:
        pairs = [[end.split(":") for end in line.split()[1:3]] for line in table.readlines()[1:]]
    return {(int(own[1], 16), socket.inet_ntoa(struct.pack("=I", int(peer[0], 16))), int(peer[1], 16)) for own, peer in pairs}


class Capture:
    """with Capture(pid, "eth0") as capture: … ; capture.frames holds what passed in the meantime. With the process whose
    packets are looked for, `sender`, the last words of its connections from before are not taken for leaks."""

    def __init__(self, pid, link, keep=512, sender=None):
        self.pid, self.link, self.keep, self.sender, self.frames = pid, link, keep, sender, []
        self.gone = False  # the link vanished meanwhile: nothing more can have been on it
        self.mark = os.urandom(16)
        self.marked = threading.Event()

    def _open(self):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        sock.setsockopt(socket.SOL_SOCKET, 33, 32 << 20)  # SO_RCVBUFFORCE
        sock.bind((self.link, ETH_P_ALL))
        return sock

    def __enter__(self):
        self.before = connections(self.sender) if self.sender else set()
        self.socket = inside(self.pid, self._open)
        self.stop, self.stopper = os.pipe()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()
        return self

    def _read(self):
        while True:
            ready, _, _ = select.select([self.socket, self.stop], [], [])
            if self.socket not in ready:
                return
            try:
                data = self.socket.recv(65536)
            except OSError as problem:
                if problem.errno != errno.ENETDOWN:
                    raise
                self.gone = True
                self.marked.set()
                return
            if data[12:14] == b"\x88\xb5" and data[14:30] == self.mark:
                self.marked.set()
            elif len(data) >= 14:
                self.frames.append(Frame(data[:self.keep]))

    def _exists(self):
        return inside(self.pid, lambda: self.link in [name for _, name in socket.if_nameindex()])

    def flush(self):
        """Returns when everything that was on the link before this call is in frames."""
        self.marked.clear()
        # an experimental EtherType (IEEE 802a) that no kernel answers; our own outgoing frames are seen by the socket of
        # another process only, so the mark is sent by a second one
        def send():
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
                sock.bind((self.link, 0))
                sock.send(b"\xff" * 6 + b"\x02\0\0\0\0\1" + b"\x88\xb5" + self.mark + bytes(30))
        try:
            inside(self.pid, send)
        except OSError:
            self.gone = self.gone or not self._exists()
            if not self.gone:
                raise
        if not self.gone and not self.marked.wait(10):
            raise Failed(f"the capture on {self.link} does not see what is sent there")

    def __exit__(self, *_):
        try:
            if not self.gone:
                self.flush()
            packets, drops = struct.unpack("II", self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
            if drops:
                raise Failed(f"the capture on {self.link} lost {drops} of {packets + drops} frames")
        finally:
            os.write(self.stopper, b".")
            self.thread.join()
            self.socket.close()
            os.close(self.stop)
            os.close(self.stopper)

    def leaks(self, source, allowed):
        """Frames from the address that go anywhere but to the (kind, address, port) triples of allowed."""
        return [frame for frame in self.frames
                if frame.source == source and not frame.is_neighbourhood()
                and (frame.kind, frame.target, frame.port) not in allowed
                and (frame.carries or (frame.source_port, frame.target, frame.port) not in self.before)]

    def holds(self, text):
        """Frames whose bytes hold the text, in any case: a name on the wire, for instance."""
        return [frame for frame in self.frames if text.lower().encode() in frame.data.lower()]
