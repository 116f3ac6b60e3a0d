# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of the search share: secrets and the ways to write them, requests that carry them, an upstream that keeps every byte that
arrives, and what a refusal for a finding looks like."""
import base64
import json
import random
import string
import zlib

from http_peer import problem
from proxy_rig import PUBLIC

SECRET, LOGIN = "zq7Xk2PvR9mLw4TnB6sYh8", "pa55/word+of:it=9~t"
CANARY = "cnry-8Jq2Wd5Zx7Lp3Vt9Nb6K"
SECRETS = {"TOKEN": SECRET, "LOGIN": LOGIN, "STOPPER_CANARY": CANARY}


def github(seed=7):
    """A token of a shape that everybody knows, with its checksum: CRC-32 in base 62."""
    digits = string.digits + string.ascii_uppercase + string.ascii_lowercase
    body = "".join(random.Random(seed).choices(digits, k=30))
    crc, check = zlib.crc32(body.encode()), ""
    for _ in range(6):
        crc, digit = divmod(crc, 62)
        check = digits[digit] + check
    return f"ghp_{body}{check}"


class Recorder:
    """An upstream that keeps every byte that arrives, and answers each request that is whole."""

    def __init__(self, rig):
        self.raw, self.answered, self.open = bytearray(), 0, 0
        self.upstream = rig.upstream(PUBLIC, 80, self.serve)

    def serve(self, stream):
        self.open += 1
        try:
            pending = b""
            while data := stream.recv(65536):
                self.raw += data
                pending += data
                while (end := self.whole(pending)) is not None:
                    pending = pending[end:]
                    self.answered += 1
                    stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        finally:
            self.open -= 1

    @staticmethod
    def whole(data):
        head, found, body = data.partition(b"\r\n\r\n")
        if not found:
            return None
        size = len(head) + 4
        if b"transfer-encoding" in head.lower():
            at = 0
            while (line := body.find(b"\r\n", at)) >= 0:
                length = int(body[at:line], 16)
                at = line + 2 + length + 2
                if length == 0:
                    return size + at if len(body) >= at else None
                if len(body) < at:
                    return None
            return None
        length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0)
        return size + length if len(body) >= length else None


def post(host, body, fields="", path="/"):
    return f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n{fields}\r\n".encode() + body


def chunked(host, parts, fields="", path="/", trailers=""):
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n{fields}\r\n".encode()
    return head + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts if part) + b"0\r\n" + trailers.encode() + b"\r\n"


def json_escaped(text):
    return "".join(f"\\u{ord(c):04x}" for c in text)


def percent(text):
    return "".join(f"%{ord(c):02X}" for c in text)


WRITINGS = {
    "plain": str, "percent": percent, "escaped": json_escaped,
    **{f"base64+{n}": lambda text, n=n: base64.b64encode(b"x" * n + text.encode() + b"y").decode() for n in range(3)},
    "base64url": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "twice": lambda text: base64.b64encode(base64.b64encode(text.encode())).decode(),
    "dotted": ".".join,
}


def parts_of(written, size=8):
    """Every piece of a writing that is long enough to tell."""
    return [written[i:i + size].encode() for i in range(0, len(written) - size + 1)]


def nothing_of(recorder, written):
    return not any(part in bytes(recorder.raw) for part in parts_of(written))


def refused(rig, host, request, surface, reason="dlp-match", detector="known_secrets"):
    """The request is refused with words that name what found it where, and no value; the line says the same (equal ones of a second
    are one line with a count)."""
    with rig.client(send=request) as client:
        message = client.message()
    body = problem(message, 403, reason)
    line = rig.worker.line(verdict="block", reason=reason, detector=detector, surface=surface, host=body["host"])
    assert detector in body["detail"] and line["pattern"] in body["detail"] and surface in body["detail"]
    text = json.dumps([body, [each for each in rig.worker.lines if each["host"] == body["host"]]])
    assert not any(part.decode() in text for value in SECRETS.values() for part in parts_of(value)), text
    return line


def unchunked(data):
    body, at = b"", 0
    while size := int(data[at:data.index(b"\r\n", at)], 16):
        at = data.index(b"\r\n", at) + 2
        body, at = body + data[at:at + size], at + size + 2
    return body


def covered(recorder):
    """The last request as the upstream has it: head and body."""
    head, _, body = bytes(recorder.raw).rpartition(b"POST ")[2].partition(b"\r\n\r\n")
    return head, body
