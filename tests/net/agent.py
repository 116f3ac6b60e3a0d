# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent of the lab: runs in the bottle as the bottle's command and does there what tests ask it to.

Requests come over a Unix socket in the work directory, one connection each: {"call": NAME, "arguments": {…}} names a
function of probes.py; the answer is what it returned.
"""
import json
import os
import socket
import sys
import threading

import probes


def serve(connection):
    with connection, connection.makefile("rwb") as stream:
        request = json.loads(stream.readline())
        try:
            answer = {"value": getattr(probes, request["call"])(**request["arguments"])}
        except Exception as problem:  # a probe that breaks is for the test to see
            answer = {"problem": repr(problem)}
        stream.write(json.dumps(answer).encode() + b"\n")


def main():
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(sys.argv[1] + ".new")
    os.chmod(sys.argv[1] + ".new", 0o777)
    listener.listen(64)
    os.rename(sys.argv[1] + ".new", sys.argv[1])
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
