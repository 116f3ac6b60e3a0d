# SPDX-License-Identifier: GPL-3.0-or-later
"""Content codings (RFC 9110 section 8.4.1) to write test bodies in, by the libraries' own encoders: each takes bytes and returns bytes."""
import ctypes
import gzip
import zlib


def deflate_raw(data):
    """What many servers mean by deflate: RFC 1951 without zlib's frame."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def brotli(data):
    library = ctypes.CDLL("libbrotlienc.so.1")
    library.BrotliEncoderMaxCompressedSize.restype = ctypes.c_size_t
    size = ctypes.c_size_t(library.BrotliEncoderMaxCompressedSize(ctypes.c_size_t(len(data))))
    out = ctypes.create_string_buffer(size.value)
    assert library.BrotliEncoderCompress(5, 22, 0, ctypes.c_size_t(len(data)), data, ctypes.byref(size), out) == 1
    return out.raw[:size.value]


def zstd(data):
    library = ctypes.CDLL("libzstd.so.1")
    library.ZSTD_compressBound.restype = library.ZSTD_compress.restype = ctypes.c_size_t
    out = ctypes.create_string_buffer(library.ZSTD_compressBound(ctypes.c_size_t(len(data))))
    size = library.ZSTD_compress(out, ctypes.c_size_t(len(out)), data, ctypes.c_size_t(len(data)), 3)
    assert size <= len(out)
    return out.raw[:size]


def twice(pack):
    return lambda data: pack(pack(data))


PACKERS = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli, "zstd": zstd}  # by their names in Content-Encoding
