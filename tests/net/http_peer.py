# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP messages as the tests' clients and servers read and write them, and the shape of every refusal."""
import json

CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"


def get(host, path="/", fields=""):
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n".encode()


def problem(message, status, name):
    """The shape of every refusal over HTTP; returns its JSON."""
    assert message.status == status, message.raw
    if message.body:
        body = message.json
        assert message.field("content-type") == "application/problem+json"
        assert body["type"] == f"urn:stopper:denial:{name}" and body["status"] == status
        assert set(body) == {"type", "title", "status", "detail", "host", "rule", "event_id", "hint"}
        assert body["title"] in body["detail"] and body["hint"]
        return body
    return None


class Message:
    def __init__(self, head, body, raw):
        self.raw, self.body = raw, body
        self.start, *lines = head.decode("latin-1").split("\r\n")
        self.fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        self.status = int(self.start.split()[1]) if self.start.startswith("HTTP/") else 0

    def field(self, name):
        return next((value for known, value in self.fields if known == name), None)

    @property
    def json(self):
        return json.loads(self.body)


class Reader:
    """HTTP messages off a blocking socket, one byte too many never read."""

    def __init__(self, stream):
        self.stream = stream

    def until(self, end):
        data = b""
        while not data.endswith(end):
            got = self.stream.recv(1)
            if not got:
                return data
            data += got
        return data

    def exactly(self, size):
        data = b""
        while len(data) < size:
            got = self.stream.recv(size - len(data))
            assert got, f"cut short after {len(data)} of {size}"
            data += got
        return data

    def message(self, request=False, to_head=False):
        raw = self.until(b"\r\n\r\n")
        if not raw:
            return None
        assert raw.endswith(b"\r\n\r\n"), raw
        made = Message(raw[:-4], b"", raw)
        length, coding = made.field("content-length"), made.field("transfer-encoding")
        if to_head or made.status in (204, 304) or 100 <= made.status < 200:
            return made
        if coding:
            while True:
                line = self.until(b"\r\n")
                assert line, "cut short in a chunk"
                size = int(line, 16)
                part = self.exactly(size + 2) if size else self.until(b"\r\n")
                made.raw += line + part
                made.body += part[:-2]
                if not size:
                    return made
        if length is not None:
            made.body = self.exactly(int(length))
        elif not request:
            while got := self.stream.recv(65536):
                made.body += got
        made.raw += made.body
        return made
