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
PROTOCOLS = {1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 58: "icmp6", 0: "hop6"}


class Frame:
    """One frame: kind, addresses, ports and the raw bytes."""

    def __init__(self, data):
        self.data, self.kind = data, "other"
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


class Capture:
    """with Capture(pid, "eth0") as capture: … ; capture.frames holds what passed in the meantime."""

    def __init__(self, pid, link, keep=512):
        self.pid, self.link, self.keep, self.frames = pid, link, keep, []
        self.gone = False  # the link vanished meanwhile: nothing more can have been on it
        self.mark = os.urandom(16)
        self.marked = threading.Event()

    def _open(self):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        sock.setsockopt(socket.SOL_SOCKET, 33, 32 << 20)  # SO_RCVBUFFORCE
        sock.bind((self.link, ETH_P_ALL))
        return sock

    def __enter__(self):
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
                and (frame.kind, frame.target, frame.port) not in allowed]

    def holds(self, text):
        """Frames whose bytes hold the text, in any case: a name on the wire, for instance."""
        return [frame for frame in self.frames if text.lower().encode() in frame.data.lower()]
