#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""lying_pack.py KIND DIR: writes a pack and its index that git index-pack would not have made, or only in hours.

bomb: 2000 versions of a blob of 20 MB, each a few bytes long. large: a blob that says it has 2 GiB. short: one that says it has less
than it has.
"""
import hashlib
import pathlib
import struct
import sys
import zlib


def entry(kind, size):
    """The head of an object in a pack (gitformat-pack(5))."""
    out, first = b"", kind << 4 | size & 15
    size >>= 4
    while size:
        out += bytes([first | 128])
        first, size = size & 127, size >> 7
    return out + bytes([first])


def number(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def bomb():
    size, objects = 20_000_000, []
    base = bytes(size)
    name = hashlib.sha1(b"blob %d\0" % size + base).digest()
    objects.append((name, entry(3, size) + zlib.compress(base)))
    copies, left, at = b"", size - 4, 0
    while left:
        n = min(left, 0xffffff)
        copies += b"\xff" + struct.pack("<I", at) + struct.pack("<I", n)[:3]
        at, left = at + n, left - n
    for i in range(2000):
        delta = number(size) * 2 + copies + b"\x04" + struct.pack(">I", i)
        objects.append((hashlib.sha1(b"version %d" % i).digest(), entry(7, len(delta)) + name + zlib.compress(delta)))
    return objects


def blob(claimed):
    data = b"x" * 1000
    return [(hashlib.sha1(b"blob 1000\0" + data).digest(), entry(3, claimed) + zlib.compress(data))]


def main():
    objects = {"bomb": bomb, "large": lambda: blob(2 << 30), "short": lambda: blob(10)}[sys.argv[1]]()
    pack, where = bytearray(b"PACK" + struct.pack(">II", 2, len(objects))), {}
    for name, data in objects:
        where[name] = len(pack), zlib.crc32(data)
        pack += data
    pack += hashlib.sha1(pack).digest()
    names = sorted(where)
    index = bytearray(b"\xfftOc" + struct.pack(">I", 2))
    for first in range(256):
        index += struct.pack(">I", sum(name[0] <= first for name in names))
    index += b"".join(names)
    index += b"".join(struct.pack(">I", where[name][1]) for name in names)
    index += b"".join(struct.pack(">I", where[name][0]) for name in names)
    index += pack[-20:]
    index += hashlib.sha1(index).digest()
    base = pathlib.Path(sys.argv[2]) / "pack"
    (base / "pack-1.pack").write_bytes(pack)
    (base / "pack-1.idx").write_bytes(index)


main()
