# SPDX-License-Identifier: GPL-3.0-or-later
"""What a session of stopper-gate does to reach an upstream (gate/leg.h), as a program for GIT_SSH: the git that starts it speaks
over its descriptors. LEG says the socket, REPO the repository's name. What stopper-push has to say goes to stderr."""
import os
import socket
import struct
import sys

REQUEST, REPLY = struct.Struct("@III65s3x"), struct.Struct("@Ii256s")
UPLOAD_PACK, RECEIVE_PACK = 1, 2
ENDED, UNKNOWN, NOT_RESOLVED, NO_KEY, BUSY, BAD, FAILED = range(1, 8)


def main():
    service = RECEIVE_PACK if "git-receive-pack" in sys.argv[-1] else UPLOAD_PACK
    protocol = int(os.environ.get("GIT_PROTOCOL", "version=0").partition("=")[2])
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as leg:
        leg.connect(os.environ["LEG"])
        socket.send_fds(leg, [REQUEST.pack(1, service, protocol, os.environ["REPO"].encode())], [0, 1, 2])
        null = os.open(os.devnull, os.O_RDWR)
        for fd in 0, 1:  # ssh has them: its end has to be the end
            os.dup2(null, fd)
        outcome, status, text = REPLY.unpack(leg.recv(4096))
    text = text.rstrip(b"\0").decode()
    if text:
        sys.stderr.write(f"leg: {outcome}: {text}\n")
    return status if outcome == ENDED else 255


if __name__ == "__main__":
    sys.exit(main())
