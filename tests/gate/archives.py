#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""archives.py WHAT SECRET: writes archives into the current folder.

secrets: one for each way in which a zip or gzip can carry a text. clean: the same with another text. Else: one file of that name that is a
bomb, or cannot be looked into.
"""
import gzip
import io
import pathlib
import random
import struct
import sys
import tarfile
import zipfile
import zlib


def put(name, data):
    pathlib.Path(name).write_bytes(data)


def zipped(members, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


def deflated(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def head(method, packed, size, flags=0):
    """A member's own head (APPNOTE.TXT 4.3.7)."""
    return struct.pack("<4sHHHHHIIIHH", b"PK\3\4", 20, flags, method, 0, 0, 0, packed, size, 1, 0) + b"m"


def secrets(secret):
    text = b"".join(b"line %d\n" % i for i in range(500)) + secret + b"\n"
    put("deflated.zip", zipped([("a", b"nothing"), ("b", text)]))
    put("stored.zip", zipped([("a", text)], zipfile.ZIP_STORED))
    put("unlisted.zip", head(8, len(deflated(text)), len(text)) + deflated(text) + zipped([("a", b"harmless")]))
    put("streamed.zip", head(8, 0, 0, 8) + deflated(text) + zipped([("a", b"harmless")]))
    put("program", b"\x7fELF" + bytes(5000) + zipped([("a", text)]))
    put("second.gz", gzip.compress(b"first") + gzip.compress(text))
    put("padded.gz", gzip.compress(text) + bytes(512))
    put("cut.gz", gzip.compress(text + bytes(range(256)) * 99)[:-20])
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in (("plain", b"nothing"), ("inner.gz", gzip.compress(text)), ("inner.zip", zipped([("a", text)]))):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    put("members.tar", out.getvalue())
    # One stream that is part of another member: what one reader skips the other reads.
    inner = head(8, len(deflated(text)), len(text)) + deflated(text)
    stored = struct.pack("<BHH", 1, len(inner), len(inner) ^ 0xffff) + inner
    put("within.zip", head(8, len(stored), len(inner)) + stored)
    put("large.gz", gzip.compress(bytes(i * i % 251 for i in range(10_000_000)) + text, 1))
    put("ordinary.png", b"\x89PNG\r\n\x1a\n" + zlib.compress(bytes(9999)) + b"PK\3\4" + bytes(40) + b"\x1f\x8b\x08" + bytes(40))


def damaged():
    """Some hundred archives with a few other bytes here and there, heads above all."""
    dice = random.Random(11)
    text = b"".join(b"line %d\n" % i for i in range(300))
    whole = [zipped([("a", text), ("b", b"nothing")]), gzip.compress(text), head(8, 0, 0, 8) + deflated(text),
             zipped([("a", text)], zipfile.ZIP_STORED) + gzip.compress(text)]
    for number in range(400):
        data = bytearray(whole[number % len(whole)])
        for _ in range(dice.randrange(1, 6)):
            data[dice.randrange(min(len(data), dice.choice((12, 40, 5000))))] = dice.randrange(256)
        put(f"damaged{number}", bytes(data[:dice.choice((len(data), dice.randrange(len(data))))]))


def main():
    what, secret = sys.argv[1], sys.argv[2].encode()
    zeros = bytes(1 << 24)
    if what in ("secrets", "clean"):
        secrets(secret)
    elif what == "damaged":
        damaged()
    elif what == "bomb.gz":
        put(what, gzip.compress(zeros * 4))
    elif what == "members.gz":  # many small ones
        put(what, gzip.compress(zeros) * 20)
    elif what == "bomb.zip":
        put(what, zipped([(str(i), zeros) for i in range(4)]))
    elif what == "overlap.zip":  # each member's stream is the next one's head, quoted, and all that follows
        data = deflated(zeros)
        for _ in range(200):
            inner = head(8, len(data), 1 << 24)
            data = struct.pack("<BHH", 0, len(inner), len(inner) ^ 0xffff) + inner + data
        put(what, head(8, len(data), 1 << 24) + data)
    elif what == "shared.gz":  # each head skips those behind it, as its extra field, to the same blocks of nothing
        heads = [struct.pack("<BBBBIBBH", 0x1f, 0x8b, 8, 4, 0, 0, 3, 12 * (4999 - i)) for i in range(5000)]
        put(what, b"".join(heads) + struct.pack("<BHH", 0, 0, 0xffff) * 60000)
    elif what == "encrypted.zip":
        put(what, head(8, 12 + len(secret), len(secret), 1) + bytes(12) + secret[::-1])
    elif what == "bzip2.zip":
        put(what, zipped([("a", secret)], zipfile.ZIP_BZIP2))
    elif what == "harmless.gz":
        put(what, gzip.compress(bytes(4_000_000)))
    else:
        sys.exit(f"archives.py: {what}?")


main()
