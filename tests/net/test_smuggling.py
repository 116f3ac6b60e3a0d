# SPDX-License-Identifier: GPL-3.0-or-later
"""Request smuggling: what a raw upstream records for every shape that two parsers have ever read differently.

Each shape goes through the proxy in clear and over TLS. The upstream records bytes and understands nothing, so what it has
is what any server would have to make sense of. Nothing, or exactly the requests that are listed here, byte for byte; the
audit has as many. The same bytes sent past the proxy do arrive.
"""
import ssl
import threading

import pytest

from proxy_rig import PUBLIC, WAIT, Authority, Reader, Rig, wait_until
from test_proxy import problem
from test_tls import Certificates

HOST = b"smuggle.test"
EVIL = b"GET /evil HTTP/1.1\r\nHost: smuggle.test\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: smuggle.test\r\n"
POST = b"POST / HTTP/1.1\r\nHost: smuggle.test\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
CONTROL = b"GET /control HTTP/1.1\r\nHost: smuggle.test\r\n\r\n"
CLEAN = GET + b"\r\n"
BAD = [(400, "http-malformed")]


def refused(sent, answers=None):
    """Nothing of it goes anywhere."""
    return sent, [], answers or BAD


def passed(sent, *upstream, answers=None):
    """The upstream sees these requests."""
    return sent, list(upstream or [CLEAN]), answers or [(200, None)] * len(upstream or [CLEAN])


def field(text):
    """A GET with one more field line."""
    return GET + text + b"\r\n\r\n"


def coding(text):
    """A chunked POST that spells Transfer-Encoding in its own way; to who does not see it, EVIL is the next request."""
    return POST + text + b"\r\n\r\n0\r\n\r\n" + EVIL


def length(text):
    """A POST that spells Content-Length in its own way; whoever reads 0, or nothing, sees EVIL as the next request."""
    return POST + text + b"\r\n\r\n" + EVIL


def target(text, host=HOST):
    return b"GET " + text + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"


SIZE = b"%d" % len(EVIL)
SHAPES = {
    # Content-Length against Transfer-Encoding
    "CL.TE": refused(POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG" + EVIL),
    "TE.CL": refused(POST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n2c\r\n" + EVIL + b"\r\n0\r\n\r\n"),
    "CL.TE with equal ends": refused(POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "CL 0 and TE": refused(POST + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + EVIL),
    "TE and an empty CL": refused(POST + b"Content-Length:\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + EVIL),
    "TE.TE second unknown": refused(coding(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: cow")),
    "TE.TE first unknown": refused(coding(b"Transfer-Encoding: cow\r\nTransfer-Encoding: chunked")),
    "TE.TE identity": refused(coding(b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked")),
    "TE.TE twice the same": refused(coding(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked")),
    "TE list, chunked last": refused(coding(b"Transfer-Encoding: gzip, chunked")),
    "TE list, chunked first": refused(coding(b"Transfer-Encoding: chunked, gzip")),
    "TE list, chunked twice": refused(coding(b"Transfer-Encoding: chunked, chunked")),
    "TE list, empty members": refused(coding(b"Transfer-Encoding: ,chunked,")),
    "TE identity": refused(coding(b"Transfer-Encoding: identity")),
    "TE empty": refused(coding(b"Transfer-Encoding:")),
    "TE xchunked": refused(coding(b"Transfer-Encoding: xchunked")),
    "TE chunkedx": refused(coding(b"Transfer-Encoding: chunkedx")),
    "TE quoted": refused(coding(b'Transfer-Encoding: "chunked"')),
    "TE with a parameter": refused(coding(b"Transfer-Encoding: chunked;q=1")),
    "TE with a comment": refused(coding(b"Transfer-Encoding: chunked (x)")),
    "TE with a vertical tab": refused(coding(b"Transfer-Encoding:\x0bchunked")),
    "TE with a form feed": refused(coding(b"Transfer-Encoding: \x0cchunked")),
    "TE with a no-break space": refused(coding(b"Transfer-Encoding: \xa0chunked")),
    "TE with a NEL behind it": refused(coding(b"Transfer-Encoding: chunked\x85")),
    "TE with NUL behind it": refused(coding(b"Transfer-Encoding: chunked\0")),
    "TE with a bare CR before it": refused(coding(b"Transfer-Encoding: \rchunked")),
    "TE folded": refused(coding(b"Transfer-Encoding:\r\n chunked")),
    "TE folded by a tab": refused(coding(b"Transfer-Encoding:\r\n\tchunked")),
    "TE behind a space": refused(coding(b" Transfer-Encoding: chunked")),
    "TE behind a fold": refused(coding(b"X: y\r\n Transfer-Encoding: chunked")),
    "TE behind a bare LF": refused(coding(b"X: y\nTransfer-Encoding: chunked")),
    "TE behind a bare CR": refused(coding(b"X: y\rTransfer-Encoding: chunked")),
    "TE behind NUL": refused(coding(b"X: y\0Transfer-Encoding: chunked")),
    "TE, a space before the colon": refused(coding(b"Transfer-Encoding : chunked")),
    "TE, a tab before the colon": refused(coding(b"Transfer-Encoding\t: chunked")),
    "TE, NUL before the colon": refused(coding(b"Transfer-Encoding\0: chunked")),
    "TE, no colon": refused(coding(b"Transfer-Encoding chunked")),
    "TE by an underscore": refused(coding(b"Transfer_Encoding: chunked")),
    "TE by a dot": refused(coding(b"Transfer.Encoding: chunked")),
    "TE by a tilde": refused(coding(b"transfer~encoding: chunked")),
    "TE in HTTP/1.0": refused(coding(b"Transfer-Encoding: chunked").replace(b"1.1", b"1.0", 1)),
    "TE in HTTP/1.0 kept": refused(coding(b"Connection: keep-alive\r\nTransfer-Encoding: chunked").replace(b"1.1", b"1.0", 1)),
    "TE in letters of any case": passed(POST + b"tRANSFER-eNCODING: ChUnKeD\r\n\r\n0\r\n\r\n" + EVIL, CHUNKED + b"0\r\n\r\n", EVIL),
    "TE with blanks behind it": refused(coding(b"Transfer-Encoding: chunked \t")),
    "TE with blanks before it": passed(POST + b"Transfer-Encoding: \t chunked\r\n\r\n0\r\n\r\n", CHUNKED + b"0\r\n\r\n"),
    # lengths
    "CL twice, different": refused(length(b"Content-Length: 0\r\nContent-Length: " + SIZE)),
    "CL twice, the same": refused(length(b"Content-Length: " + SIZE + b"\r\nContent-Length: " + SIZE)),
    "CL twice, once in lower case": refused(length(b"Content-Length: 0\r\ncontent-length: " + SIZE)),
    "CL list": refused(length(b"Content-Length: 0, " + SIZE)),
    "CL list of the same": refused(length(b"Content-Length: " + SIZE + b", " + SIZE)),
    "CL plus": refused(length(b"Content-Length: +" + SIZE)),
    "CL plus and zeros": refused(length(b"Content-Length: +00" + SIZE)),
    "CL minus": refused(length(b"Content-Length: -1")),
    "CL minus zero": refused(length(b"Content-Length: -0")),
    "CL hexadecimal": refused(length(b"Content-Length: 0x2a")),
    "CL with hexadecimal digits": refused(length(b"Content-Length: 2a")),
    "CL octal prefix": refused(length(b"Content-Length: 0o52")),
    "CL exponent": refused(length(b"Content-Length: 4e1")),
    "CL fraction": refused(length(b"Content-Length: 42.0")),
    "CL underscore in digits": refused(length(b"Content-Length: 4_2")),
    "CL of two words": refused(length(b"Content-Length: 4 2")),
    "CL with a semicolon": refused(length(b"Content-Length: 42;")),
    "CL quoted": refused(length(b'Content-Length: "42"')),
    "CL empty": refused(length(b"Content-Length:")),
    "CL in other digits": refused(length(b"Content-Length: \xd9\xa4\xd9\xa2")),
    "CL with a no-break space": refused(length(b"Content-Length: \xa042")),
    "CL with NUL": refused(length(b"Content-Length: 42\0")),
    "CL 2^64": refused(length(b"Content-Length: 18446744073709551616")),
    "CL 2^64 + 42": refused(length(b"Content-Length: 18446744073709551658")),
    "CL 2^63": refused(length(b"Content-Length: 9223372036854775808")),
    "CL of 400 digits": refused(length(b"Content-Length: " + b"0" * 398 + b"42")),
    "CL folded": refused(length(b"Content-Length:\r\n " + SIZE)),
    "CL, a space before the colon": refused(length(b"Content-Length : " + SIZE)),
    "CL by an underscore": refused(length(b"Content_Length: " + SIZE)),
    "CL by an underscore beside CL": refused(length(b"Content_Length: 0\r\nContent-Length: " + SIZE)),
    "CL by a dot": refused(length(b"Content.Length: " + SIZE)),
    "CL with leading zeros": passed(length(b"Content-Length: 00" + SIZE), POST + b"Content-Length: " + SIZE + b"\r\n\r\n" + EVIL),
    "a request hidden in a body": passed(length(b"Content-Length: " + SIZE), POST + b"Content-Length: " + SIZE + b"\r\n\r\n" + EVIL),
    "a request hidden in a GET's body": passed(GET + b"Content-Length: " + SIZE + b"\r\n\r\n" + EVIL,
                                               GET + b"Content-Length: " + SIZE + b"\r\n\r\n" + EVIL),
    "a request hidden in a chunk": passed(CHUNKED + b"2a\r\n" + EVIL + b"\r\n0\r\n\r\n", CHUNKED + b"2a\r\n" + EVIL + b"\r\n0\r\n\r\n"),
    "a request behind a body of none": passed(length(b"Content-Length: 0"), POST + b"Content-Length: 0\r\n\r\n", EVIL),
    "a request behind no body": passed(POST + b"\r\n" + EVIL, POST + b"\r\n", EVIL),
    "a body behind no length": refused(POST + b"\r\n{\"a\":1}\r\n\r\n" + EVIL, [(200, None), *BAD])[:1] +
                               ([POST + b"\r\n"], [(200, None), *BAD]),
    # chunks
    "chunk size, hexadecimal overflow": refused(CHUNKED + b"1000000000000000a\r\n0123456789\r\n0\r\n\r\n" + EVIL),
    "chunk size 2^64 - 1": refused(CHUNKED + b"ffffffffffffffff\r\n" + EVIL),
    "chunk size 2^63": refused(CHUNKED + b"8000000000000000\r\n" + EVIL),
    "chunk size plus": refused(CHUNKED + b"+5\r\nhello\r\n0\r\n\r\n" + EVIL),
    "chunk size minus": refused(CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n" + EVIL),
    "chunk size minus zero": refused(CHUNKED + b"-0\r\n\r\n" + EVIL),
    "chunk size 0x": refused(CHUNKED + b"0x5\r\nhello\r\n0\r\n\r\n" + EVIL),
    "chunk size, a space before": refused(CHUNKED + b" 5\r\nhello\r\n0\r\n\r\n" + EVIL),
    "chunk size, a space behind": refused(CHUNKED + b"5 \r\nhello\r\n0\r\n\r\n" + EVIL),
    "chunk size, a tab behind": refused(CHUNKED + b"5\t\r\nhello\r\n0\r\n\r\n" + EVIL),
    "chunk size, a space before the extension": refused(CHUNKED + b"5 ;x\r\nhello\r\n0\r\n\r\n" + EVIL),
    "chunk size, letters behind": refused(CHUNKED + b"5g\r\nhello\r\n0\r\n\r\n" + EVIL),
    "chunk size, NUL behind": refused(CHUNKED + b"5\0\r\nhello\r\n0\r\n\r\n" + EVIL),
    "chunk size, none": refused(CHUNKED + b"\r\nhello\r\n0\r\n\r\n" + EVIL),
    "chunk size, an extension alone": refused(CHUNKED + b";x\r\n\r\n" + EVIL),
    "chunk size in quotes": refused(CHUNKED + b'"5"\r\nhello\r\n0\r\n\r\n' + EVIL),
    "chunk size of 300 zeros": refused(CHUNKED + b"0" * 300 + b"5\r\nhello\r\n0\r\n\r\n" + EVIL),
    "chunk size ends by a bare LF": refused(CHUNKED + b"5\nhello\r\n0\r\n\r\n" + EVIL),
    "chunk size ends by a bare CR": refused(CHUNKED + b"5\rhello\r\n0\r\n\r\n" + EVIL),
    "chunk size ends by CR CR LF": refused(CHUNKED + b"5\r\r\nhello\r\n0\r\n\r\n" + EVIL),
    "chunk data longer than its size": refused(CHUNKED + b"5\r\nhello!\r\n0\r\n\r\n" + EVIL),
    "chunk data ends by a bare LF": refused(CHUNKED + b"5\r\nhello\n0\r\n\r\n" + EVIL),
    "chunk data ends by two other bytes": refused(CHUNKED + b"5\r\nhelloXX0\r\n\r\n" + EVIL),
    "the last chunk ends by a bare LF": refused(CHUNKED + b"5\r\nhello\r\n0\n\n" + EVIL),
    "the last chunk's line ends by a bare CR": refused(CHUNKED + b"0\r\n\r" + EVIL),
    "extension with a bare LF": refused(CHUNKED + b"2;\nxx\r\n4c\r\n0\r\n\r\n" + EVIL),
    "extension with a bare CR": refused(CHUNKED + b"2;\rxx\r\n0\r\n\r\n" + EVIL),
    "extension with a LF in quotes": refused(CHUNKED + b'5;a="\n"\r\nhello\r\n0\r\n\r\n' + EVIL),
    "extension with NUL": refused(CHUNKED + b"5;a=\0\r\nhello\r\n0\r\n\r\n" + EVIL),
    "extension that is too long": refused(CHUNKED + b"5;" + b"x" * 300 + b"\r\nhello\r\n0\r\n\r\n" + EVIL),
    "extension with an open quote": refused(CHUNKED + b'5;a="x\r\nhello\r\n0\r\n\r\n' + EVIL),
    "extension": passed(CHUNKED + b"5;a=b\r\nhello\r\n0\r\n\r\n", CHUNKED + b"5\r\nhello\r\n0\r\n\r\n"),
    "extension in quotes": passed(CHUNKED + b'5;a="b"\r\nhello\r\n0;z=1\r\n\r\n', CHUNKED + b"5\r\nhello\r\n0\r\n\r\n"),
    "chunk size with zeros": passed(CHUNKED + b"0005\r\nhello\r\n00\r\n\r\n", CHUNKED + b"5\r\nhello\r\n0\r\n\r\n"),
    "trailer Content-Length": refused(CHUNKED + b"0\r\nContent-Length: 42\r\n\r\n" + EVIL),
    "trailer Transfer-Encoding": refused(CHUNKED + b"0\r\nTransfer-Encoding: chunked\r\n\r\n" + EVIL),
    "trailer Host": refused(CHUNKED + b"0\r\nHost: evil.test\r\n\r\n"),
    "trailer folded": refused(CHUNKED + b"0\r\nX: y\r\n z\r\n\r\n" + EVIL),
    "trailer without a colon": refused(CHUNKED + b"0\r\nGET /evil HTTP/1.1\r\n\r\n" + EVIL),
    "trailer with a space before the colon": refused(CHUNKED + b"0\r\nX : y\r\n\r\n" + EVIL),
    "trailer behind a bare LF": refused(CHUNKED + b"0\r\nX: y\nZ: a\r\n\r\n" + EVIL),
    "trailer that may stand there": passed(CHUNKED + b"0\r\nX-Sum: 1\r\nAuthorization: x\r\n\r\n", CHUNKED + b"0\r\n\r\n"),
    # lines and names
    "only bare LFs": refused(b"GET / HTTP/1.1\nHost: smuggle.test\n\n" + EVIL),
    "a bare LF behind the request line": refused(CLEAN.replace(b"\r\n", b"\n", 1)),
    "an end by a bare LF": refused(GET + b"\n" + EVIL),
    "an end by CR LF CR X": refused(GET + b"\rX" + EVIL),
    "CR CR LF": refused(GET + b"X: y\r\r\n\r\n" + EVIL),
    "a leading empty line": refused(b"\r\n" + CLEAN),
    "a leading LF": refused(b"\n" + CLEAN),
    "a leading space": refused(b" " + CLEAN),
    "an empty line between requests": passed(CLEAN + b"\r\n" + EVIL, CLEAN, answers=[(200, None), *BAD]),
    "a fold": refused(field(b"X: y\r\n z")),
    "a fold in front of all fields": refused(b"GET / HTTP/1.1\r\n Host: smuggle.test\r\n\r\n"),
    "a space before the colon": refused(field(b"X : y")),
    "no name": refused(field(b": y")),
    "no colon": refused(field(b"X")),
    "NUL in a name": refused(field(b"X\0Y: z")),
    "NUL in a value": refused(field(b"X: y\0z")),
    "a control byte in a value": refused(field(b"X: y\x01")),
    "DEL in a value": refused(field(b"X: y\x7f")),
    "a space in a name": refused(field(b"X Y: z")),
    "a bracket in a name": refused(field(b"X[0]: z")),
    "a quote in a name": refused(field(b'"X": z')),
    "a slash in a name": refused(field(b"X/Y: z")),
    "a byte above ASCII in a name": refused(field(b"X\xe9: z")),
    "a full-width letter in a name": refused(field(b"\xef\xbc\xa8ost: evil.test")),
    "a name with a request in it": refused(field(b"GET /evil HTTP/1.1\r\nX: y")),
    "bytes above ASCII in a value": passed(field(b"X: \xc3\xa9\xff"), GET + b"X: \xc3\xa9\xff\r\n\r\n"),
    "a tab in a value": passed(field(b"X:\ta\tb\t"), GET + b"X: a\tb\r\n\r\n"),
    # request line
    "two spaces before the target": refused(b"GET  / HTTP/1.1\r\nHost: smuggle.test\r\n\r\n"),
    "two spaces behind the target": refused(b"GET /  HTTP/1.1\r\nHost: smuggle.test\r\n\r\n"),
    "a tab before the target": refused(b"GET\t/ HTTP/1.1\r\nHost: smuggle.test\r\n\r\n"),
    "a tab behind the target": refused(b"GET /\tHTTP/1.1\r\nHost: smuggle.test\r\n\r\n"),
    "a space behind the version": refused(b"GET / HTTP/1.1 \r\nHost: smuggle.test\r\n\r\n"),
    "a vertical tab in the line": refused(b"GET /\x0bHTTP/1.1 HTTP/1.1\r\nHost: smuggle.test\r\n\r\n"),
    "NUL in the target": refused(target(b"/\0")),
    "a byte above ASCII in the target": refused(target(b"/\xe9")),
    "a bare CR in the line": refused(b"GET /\rX: y HTTP/1.1\r\nHost: smuggle.test\r\n\r\n"),
    "two versions": refused(target(b"/ HTTP/1.1")),
    "no version": refused(b"GET /\r\nHost: smuggle.test\r\n\r\n"),
    "a version in lower case": refused(CLEAN.replace(b"HTTP", b"http")),
    "version 1.10": refused(CLEAN.replace(b"1.1", b"1.10")),
    "version 1,1": refused(CLEAN.replace(b"1.1", b"1,1")),
    "version 01.1": refused(CLEAN.replace(b"1.1", b"01.1")),
    "version 1.2": refused(CLEAN.replace(b"1.1", b"1.2"), [(505, "http-version")]),
    "version 2.0": refused(CLEAN.replace(b"1.1", b"2.0"), [(505, "http-version")]),
    "version 0.9": refused(CLEAN.replace(b"1.1", b"0.9"), [(505, "http-version")]),
    "method with a bracket": refused(CLEAN.replace(b"GET", b"G[T")),
    "method with NUL": refused(CLEAN.replace(b"GET", b"GET\0")),
    "method with a byte above ASCII": refused(CLEAN.replace(b"GET", b"GE\xd4")),
    "method with a colon": refused(CLEAN.replace(b"GET", b"GET:")),
    "method in lower case": refused(CLEAN.replace(b"GET", b"get"), [(405, "http-method")]),
    "method unknown": refused(CLEAN.replace(b"GET", b"GETT"), [(405, "http-method")]),
    "method PRI": refused(b"PRI / HTTP/1.1\r\nHost: smuggle.test\r\n\r\n", [(405, "http-method")]),
    "method TRACE": refused(CLEAN.replace(b"GET", b"TRACE"), [(405, "http-method")]),
    "method CONNECT": refused(b"CONNECT smuggle.test:80 HTTP/1.1\r\nHost: smuggle.test:80\r\n\r\n" + EVIL, [(405, "http-method")]),
    # targets and hosts
    "authority form": refused(target(b"smuggle.test:80")),
    "a target without a slash": refused(target(b"evil")),
    "a query alone": refused(target(b"?a")),
    "* for GET": refused(target(b"*")),
    "a fragment": refused(target(b"/#evil")),
    "another host in the target": refused(target(b"{scheme}://evil.test/")),
    "the allowed host in the target alone": refused(target(b"{scheme}://smuggle.test/", b"evil.test")),
    "another port in the target": refused(target(b"{scheme}://smuggle.test:81/")),
    "user information in the target": refused(target(b"{scheme}://smuggle.test@evil.test/")),
    "user information and the right host": refused(target(b"{scheme}://evil.test@smuggle.test/")),
    "a backslash in the target's host": refused(target(b"{scheme}://smuggle.test\\@evil.test/")),
    "an empty authority": refused(target(b"{scheme}:///")),
    "the wrong scheme": refused(target(b"{other}://smuggle.test/")),
    "an unknown scheme": refused(target(b"ftp://smuggle.test/")),
    "a relative scheme": refused(target(b"{scheme}:smuggle.test/")),
    "no host": refused(b"GET / HTTP/1.1\r\n\r\n"),
    "no host, absolute form": refused(b"GET {scheme}://smuggle.test/ HTTP/1.1\r\n\r\n"),
    "no host in HTTP/1.0": refused(b"GET / HTTP/1.0\r\n\r\n"),
    "an empty host": refused(target(b"/", b"")),
    "two hosts": refused(field(b"Host: evil.test")),
    "two hosts, the first another": refused(b"GET / HTTP/1.1\r\nHost: evil.test\r\nHost: smuggle.test\r\n\r\n"),
    "two equal hosts": refused(field(b"Host: smuggle.test")),
    "two hosts by a fold": refused(b"GET / HTTP/1.1\r\nHost: smuggle.test\r\n Host: evil.test\r\n\r\n"),
    "a space before Host's colon": refused(field(b"Host : evil.test")),
    "a list of hosts": refused(target(b"/", b"smuggle.test, evil.test")),
    "hosts and a space": refused(target(b"/", b"smuggle.test evil.test")),
    "host with user information": refused(target(b"/", b"evil@smuggle.test")),
    "host with a path": refused(target(b"/", b"smuggle.test/evil")),
    "host with a query": refused(target(b"/", b"smuggle.test?evil")),
    "host with a scheme": refused(target(b"/", b"http://smuggle.test")),
    "host with a fragment": refused(target(b"/", b"smuggle.test#evil")),
    "host percent-encoded": refused(target(b"/", b"smuggle%2etest")),
    "host with a dot at its end": refused(target(b"/", b"smuggle.test.")),
    "host in full-width letters": refused(target(b"/", "ｓmuggle.test".encode())),
    "host with an empty port": refused(target(b"/", b"smuggle.test:")),
    "host with port 0": refused(target(b"/", b"smuggle.test:0")),
    "host with two ports": refused(target(b"/", b"smuggle.test:80:81")),
    "host with a signed port": refused(target(b"/", b"smuggle.test:+80")),
    "host with a port past the last": refused(target(b"/", b"smuggle.test:65616")),
    "host with another port": refused(target(b"/", b"smuggle.test:81"), [(403, "port-not-allowed")]),
    "host with the port": passed(target(b"/", b"SMUGGLE.test:{port}")),
    "absolute form": passed(target(b"{scheme}://Smuggle.TEST:{port}/a?b", b"smuggle.test"), CLEAN.replace(b"/ ", b"/a?b ")),
    "absolute form without a path": passed(target(b"{scheme}://smuggle.test")),
    "absolute form of another in origin form": passed(target(b"//evil.test/"), CLEAN.replace(b"/ ", b"//evil.test/ ")),
    "* for OPTIONS": passed(CLEAN.replace(b"GET /", b"OPTIONS *"), CLEAN.replace(b"GET /", b"OPTIONS *")),
    "OPTIONS in absolute form": passed(target(b"{scheme}://smuggle.test").replace(b"GET", b"OPTIONS"),
                                       CLEAN.replace(b"GET /", b"OPTIONS *")),
    # what belongs to a connection
    "Connection names Content-Length": passed(POST + b"Connection: Content-Length\r\nContent-Length: 5\r\n\r\nhello" + EVIL,
                                              POST + b"Content-Length: 5\r\n\r\nhello", EVIL),
    "Connection names Transfer-Encoding": passed(POST + b"Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello"
                                                 b"\r\n0\r\n\r\n" + EVIL, CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", EVIL),
    "Connection names Host": passed(field(b"Connection: Host")),
    "Connection names Authorization": passed(field(b"Connection: keep-alive, Authorization\r\nAuthorization: x\r\nX-Kept: 1"),
                                             GET + b"X-Kept: 1\r\n\r\n"),
    "Connection names Connection": passed(field(b"Connection: Connection, close")),
    "Keep-Alive, TE, Trailer and Proxy-Connection": passed(field(b"Keep-Alive: 5\r\nTE: trailers, chunked\r\nTrailer: Content-Length\r\n"
                                                                 b"Proxy-Connection: keep-alive\r\nProxy-Authorization: x")),
    "Upgrade h2c": passed(field(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk")),
    "Upgrade h2c with a body": passed(POST + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: " + SIZE + b"\r\n\r\n" + EVIL,
                                      POST + b"Content-Length: " + SIZE + b"\r\n\r\n" + EVIL),
    "Upgrade websocket": refused(field(b"Connection: Upgrade\r\nUpgrade: websocket") + EVIL, [(403, "upgrade"), (200, None)])[:1] +
                         ([EVIL], [(403, "upgrade"), (200, None)]),
    "Upgrade twice": refused(field(b"Connection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket"), [(403, "upgrade")]),
    "Expect unknown": refused(POST + b"Expect: 200-ok\r\nContent-Length: " + SIZE + b"\r\n\r\n" + EVIL, [(417, "http-expectation")]),
    "Expect twice": refused(POST + b"Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
                            [(417, "http-expectation")]),
    "Expect with more": refused(POST + b"Expect: x 100-continue\r\nContent-Length: 5\r\n\r\nhello", [(417, "http-expectation")]),
    "Expect without a body": passed(field(b"Expect: 100-continue")),
    "Expect and the body at once": passed(POST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
                                          POST + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhello"),
    "Expect in HTTP/1.0": passed(POST.replace(b"1.1", b"1.0") + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
                                 POST + b"Content-Length: 5\r\n\r\nhello"),
    "HTTP/1.0 that wants to be kept": passed(CLEAN.replace(b"1.1", b"1.0")[:-2] + b"Connection: keep-alive\r\n\r\n" + EVIL),
    "a close, and another request behind it": passed(field(b"Connection: close") + EVIL),
}


class Recorder:
    """Records what comes on each connection, and answers as many requests as it was told to expect, each when its last byte
    is there and by closing: that is all that it knows about HTTP."""

    def __init__(self, context=None):
        self.context, self.seen, self.open, self.lock = context, [], 0, threading.Lock()
        self.expect = []

    def __call__(self, stream):
        with self.lock:
            at = len(self.seen)
            self.seen.append(b"")
            self.open += 1
        try:
            secure = self.context.wrap_socket(stream, server_side=True, suppress_ragged_eofs=True) if self.context else stream
            self.record(secure, at)
        except ssl.SSLError:
            pass
        finally:
            with self.lock:
                self.open -= 1

    def record(self, stream, at):
        answered = False
        while got := stream.recv(65536):
            self.seen[at] += got
            if not answered and self.seen[at] in self.expect:
                answered = True
                stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

    def forget(self, *expect):
        wait_until(lambda: not self.open)
        self.seen, self.expect = [], list(expect)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    made = Certificates(tmp_path_factory.mktemp("certificates"))
    made.make("smuggle", san="DNS:smuggle.test")
    return made


@pytest.fixture(scope="module")
def rig(certificates):
    made = Rig()
    made.worker.apply("smuggle.test", extra_ca=certificates.pem)
    made.resolver.names["smuggle.test"] = [PUBLIC]
    yield made
    made.close()


class Leg:
    """One way through the proxy: in clear or over TLS."""

    def __init__(self, rig, certificates, secure):
        self.rig, self.secure, self.port, self.dialled = rig, secure, 443 if secure else 80, 0
        context = None
        if secure:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificates.path("smuggle.pem"), certificates.path("smuggle.key"))
            self.context = ssl.create_default_context(cafile=Authority.get().pem)
        self.recorder = Recorder(context)
        self.upstream = rig.upstream(PUBLIC, self.port, self.recorder)

    def fill(self, text):
        for name, value in ((b"{port}", b"%d" % self.port), (b"{scheme}", b"https" if self.secure else b"http"),
                            (b"{other}", b"http" if self.secure else b"https")):
            text = text.replace(name, value)
        return text

    def client(self):
        """Each dials an address of its own, so that no two denials are equal and counted in one line."""
        self.dialled += 1
        client = self.rig.client(self.port, self.address())
        if self.secure:
            client.stream = self.context.wrap_socket(client.stream, server_hostname="smuggle.test", suppress_ragged_eofs=False)
            client.reader = Reader(client.stream)
        return client

    def direct(self, sent):
        """Past the proxy."""
        with self.rig.sidecar.socket() as stream:
            stream.connect((PUBLIC, self.port))
            stream.sendall(sent)
            wait_until(lambda: b"".join(self.recorder.seen) == sent)

    def address(self):
        return f"198.18.{self.dialled >> 8}.{self.dialled & 255}"

    def lines(self, address):
        """What the audit says of the connection to this address."""
        return [line for line in self.rig.worker.lines if line["kind"] == "http" and line["address"] == address]

    def control(self):
        """A plain request, behind everything that the upstream and the audit were sent before it. Returns the lines of the
        connection before."""
        address = self.address()
        with self.client() as client:
            client.send(CONTROL)
            assert client.message().body == b"ok"
        self.rig.worker.line(path="/control", address=self.address())
        return self.lines(address)


@pytest.fixture(scope="module", params=["clear", "TLS"])
def leg(request, rig, certificates):
    made = Leg(rig, certificates, request.param == "TLS")
    yield made
    rig.things.remove(made.upstream)
    made.upstream.close()


def answers_are(client, answers):
    """All answers, in order, then an end when the last one is a 400. Returns the ids of the refusals."""
    ids = []
    for status, name in answers:
        answer = client.message()
        assert answer is not None, (status, name)
        while answer.status == 100:
            answer = client.message()
        if name is None:
            assert (answer.status, answer.body) == (status, b"ok")
        else:
            ids.append(problem(answer, status, name)["event_id"])
    if answers[-1][0] == 400:
        assert answer.field("connection") == "close" and client.rest() == b""
    return ids


@pytest.mark.parametrize("shape", SHAPES)
def test_the_upstream_sees_what_policy_saw_or_nothing(leg, shape):
    sent, upstream, answers = SHAPES[shape]
    sent = leg.fill(sent)
    leg.recorder.forget()
    if not leg.secure:
        leg.direct(sent)  # without the proxy nothing is in the way
    leg.recorder.forget(*upstream, CONTROL)
    leg.rig.worker.forget()
    with leg.client() as client:
        client.send(sent)
        ids = answers_are(client, answers)
    lines = leg.control()
    assert [seen for seen in leg.recorder.seen if seen] == [*upstream, CONTROL]
    assert len(leg.recorder.seen) == len(upstream) + 1 or shape.startswith(("chunk", "the last chunk", "extension", "trailer"))
    assert [line["id"] for line in lines if line["verdict"] == "block"] == ids
    assert [line["reason"] for line in lines if line["verdict"] == "block"] == [name for _, name in answers if name]
    allowed = [line for line in lines if line["verdict"] == "allow"]
    assert [line["bytes_out"] for line in allowed] == [len(each) for each in upstream] and len(lines) == len(answers)


BODIES = [name for name, (sent, upstream, _) in SHAPES.items() if sent.startswith(CHUNKED) and not upstream]


@pytest.mark.parametrize("shape", BODIES)
def test_a_body_that_goes_wrong_under_way_is_never_whole_for_the_upstream(leg, shape):
    rest = SHAPES[shape][0][len(CHUNKED):]
    leg.recorder.forget(CONTROL)
    leg.rig.worker.forget()
    with leg.client() as client:
        client.send(CHUNKED)
        wait_until(lambda: leg.recorder.seen == [CHUNKED])
        client.send(rest)
        event, = answers_are(client, BAD)
    leg.control()
    assert leg.recorder.seen == [CHUNKED, CONTROL]
    line = leg.rig.worker.line(id=event)
    assert (line["verdict"], line["reason"], line["bytes_out"]) == ("allow", "http-malformed", len(CHUNKED))  # it was forwarded


# ---- answers

NEXT = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnext"
OK, STOLEN = b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen"
CHUNKS = OK + b"Transfer-Encoding: chunked\r\n\r\n"
MALFORMED = {
    "CL and TE": OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + STOLEN,
    "TE and CL": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n" + STOLEN,
    "CL twice, different": OK + b"Content-Length: 0\r\nContent-Length: 64\r\n\r\n" + STOLEN,
    "CL twice, the same": OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "CL list": OK + b"Content-Length: 2, 2\r\n\r\nok",
    "CL plus": OK + b"Content-Length: +2\r\n\r\nok",
    "CL minus": OK + b"Content-Length: -1\r\n\r\n" + STOLEN,
    "CL hexadecimal": OK + b"Content-Length: 0x2\r\n\r\nok",
    "CL 2^64": OK + b"Content-Length: 18446744073709551616\r\n\r\n" + STOLEN,
    "CL empty": OK + b"Content-Length:\r\n\r\n" + STOLEN,
    "CL by an underscore": OK + b"Content_Length: 2\r\n\r\nok",
    "TE unknown": OK + b"Transfer-Encoding: cow\r\n\r\n" + STOLEN,
    "TE list": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "TE twice": OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TE identity": OK + b"Transfer-Encoding: identity\r\n\r\nok",
    "TE in HTTP/1.0": CHUNKS.replace(b"1.1", b"1.0") + b"0\r\n\r\n" + STOLEN,
    "TE by an underscore": OK + b"Transfer_Encoding: chunked\r\n\r\n0\r\n\r\n",
    "TE, a space before the colon": OK + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + STOLEN,
    "a bare LF behind the status line": b"HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nok",
    "a bare LF behind a field": OK + b"X: y\nContent-Length: 2\r\n\r\nok",
    "only bare LFs": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "a bare CR": OK + b"X: y\rContent-Length: 2\r\n\r\nok",
    "CR CR LF": OK + b"X: y\r\r\nContent-Length: 2\r\n\r\nok",
    "a fold": OK + b"X: y\r\n Content-Length: 2\r\n\r\nok",
    "a fold in front": OK + b" X: y\r\nContent-Length: 2\r\n\r\nok",
    "NUL": OK + b"X: y\0\r\nContent-Length: 2\r\n\r\nok",
    "a control byte": OK + b"X: \x1b[2J\r\nContent-Length: 2\r\n\r\nok",
    "no colon": OK + b"X\r\nContent-Length: 2\r\n\r\nok",
    "an empty line in front": b"\r\n" + STOLEN,
    "status of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok",
    "status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok",
    "status 000": b"HTTP/1.1 000 OK\r\nContent-Length: 2\r\n\r\nok",
    "status 600": b"HTTP/1.1 600 OK\r\nContent-Length: 2\r\n\r\nok",
    "two spaces": b"HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/0.9": b"<html>stolen</html>\r\n\r\n",
    "ICY": b"ICY 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "100 with a length": b"HTTP/1.1 100 Continue\r\nContent-Length: 64\r\n\r\n" + STOLEN,
    "103 in chunks": b"HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + STOLEN,
    "101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n" + STOLEN,
    "204 with a length": b"HTTP/1.1 204 No Content\r\nContent-Length: 64\r\n\r\n" + STOLEN,
    "204 in chunks": b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + STOLEN,
    "205 with a length": b"HTTP/1.1 205 Reset Content\r\nContent-Length: 64\r\n\r\n" + STOLEN,
    "205 in chunks": b"HTTP/1.1 205 Reset Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + STOLEN,
    "17 interim answers": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 17 + STOLEN,
    "a flood of interim answers": b"HTTP/1.1 102 Processing\r\n\r\n" * 100000,
    "an interim answer that is too large": b"HTTP/1.1 103 Early Hints\r\nX: " + b"x" * 70000,
    "300 fields": OK + b"X: y\r\n" * 300 + b"\r\n",
}
CUT = {
    "chunk size, hexadecimal overflow": CHUNKS + b"10000000000000002\r\nok\r\n0\r\n\r\n",
    "chunk size 2^64 - 1": CHUNKS + b"ffffffffffffffff\r\n" + STOLEN,
    "chunk size plus": CHUNKS + b"+2\r\nok\r\n0\r\n\r\n",
    "chunk size 0x": CHUNKS + b"0x2\r\nok\r\n0\r\n\r\n",
    "chunk size, a space behind": CHUNKS + b"2 \r\nok\r\n0\r\n\r\n",
    "chunk size, a bare LF": CHUNKS + b"2\nok\r\n0\r\n\r\n",
    "chunk data longer than its size": CHUNKS + b"2\r\nokay\r\n0\r\n\r\n",
    "extension with a bare LF": CHUNKS + b"2;\nok\r\n0\r\n\r\n",
    "trailer that frames": CHUNKS + b"0\r\nContent-Length: 64\r\n\r\n" + STOLEN,
    "trailer that is folded": CHUNKS + b"0\r\nX: y\r\n z\r\n\r\n",
}
HEAD = b"HEAD / HTTP/1.1\r\nHost: smuggle.test\r\n\r\n"
SURPLUS = {  # request, answer, status and body that the agent gets; what is behind them is nobody's
    "a second answer": (CLEAN, OK + b"Content-Length: 2\r\n\r\nok" + STOLEN, 200, b"ok"),
    "a second answer behind chunks": (CLEAN, CHUNKS + b"2\r\nok\r\n0\r\n\r\n" + STOLEN, 200, b"ok"),
    "bytes behind the length": (CLEAN, OK + b"Content-Length: 2\r\n\r\nokay", 200, b"ok"),
    "an answer behind a length of none": (CLEAN, OK + b"Content-Length: 0\r\n\r\n" + STOLEN, 200, b""),
    "an answer to HEAD with a body": (HEAD, OK + b"Content-Length: 64\r\n\r\n" + STOLEN, 200, b""),
    "an answer to HEAD in chunks": (HEAD, CHUNKS + b"2\r\nok\r\n0\r\n\r\n" + STOLEN, 200, b""),
    "204 with a body": (CLEAN, b"HTTP/1.1 204 No Content\r\n\r\n" + STOLEN, 204, b""),
    "205 with a body": (CLEAN, b"HTTP/1.1 205 Reset Content\r\n\r\n" + STOLEN, 205, b""),
    "304 with a body": (CLEAN, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 64\r\n\r\n" + STOLEN, 304, b""),
    "304 in chunks": (CLEAN, b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 304, b""),
}


@pytest.fixture
def answering(leg):
    """The leg with an upstream that answers /next with NEXT and all else with `says`, what it has in `late` once `told`."""
    told = threading.Event()

    def record(stream, at):
        while request := Reader(stream).message(request=True):
            recorder.seen[at] += request.raw
            if request.start.split()[1] == "/next":
                stream.sendall(NEXT)
                continue
            stream.sendall(leg.says)
            if leg.late:
                assert told.wait(WAIT)
                stream.sendall(leg.late)
    recorder = leg.recorder
    recorder.forget()
    recorder.record, leg.late, leg.told = record, b"", told
    yield leg
    told.set()
    del recorder.record


def next_is_right(client):
    client.send(CLEAN.replace(b"/ ", b"/next "))
    answer = client.message()
    assert answer is not None and (answer.status, answer.body) == (200, b"next"), answer


@pytest.mark.parametrize("kind", MALFORMED)
def test_an_answer_that_is_ambiguous_is_a_502_and_the_next_one_is_right(answering, kind):
    answering.says = MALFORMED[kind]
    answering.rig.worker.forget()
    with answering.client() as client:
        client.send(CLEAN)
        interim, answer = 0, client.message()
        while answer.status in (102, 103):
            interim, answer = interim + 1, client.message()
        event = problem(answer, 502, "upstream-malformed")["event_id"]
        assert interim == (16 if "interim answers" in kind else 0)
        next_is_right(client)
    line = answering.rig.worker.line(id=event)
    assert (line["verdict"], line["reason"], line["status"]) == ("allow", "upstream-malformed", 502)
    answering.rig.worker.line(path="/next", address=answering.address())
    assert len(answering.lines(answering.address())) == len(b"".join(answering.recorder.seen).split(b"Host:")) - 1 == 2


OPAQUE = b"\r\nContent-Type: application/octet-stream\r\n"  # text is searched: its head waits, and could still be refused


@pytest.mark.parametrize("kind", CUT)
def test_an_answer_whose_body_is_ambiguous_is_cut(answering, kind):
    answering.says = CUT[kind].replace(b"\r\n", OPAQUE, 1)
    answering.rig.worker.forget()
    with answering.client() as client:
        client.send(CLEAN)
        with pytest.raises((ConnectionResetError, ssl.SSLEOFError)):  # no clean end
            got = b""
            while True:
                part = client.stream.recv(65536)
                assert part, "the answer looks whole"
                got += part
        assert not got.endswith(b"0\r\n\r\n") and b"stolen" not in got
    answering.rig.worker.line(reason="upstream-malformed", verdict="allow", status=200)
    with answering.client() as client:  # the control
        next_is_right(client)


@pytest.mark.parametrize("late", [False, True], ids=["at once", "when it is kept"])
@pytest.mark.parametrize("kind", SURPLUS)
def test_what_nobody_asked_for_never_becomes_an_answer(answering, kind, late):
    request, says, status, body = SURPLUS[kind]
    at = (says.index(b"\r\n\r\n") + 4 + (len(body) if b"Content-Length" in says else 0)) if b"chunked" not in says or not body else \
        says.index(b"0\r\n\r\n") + 5
    answering.says, answering.late = (says[:at], says[at:]) if late else (says, b"")
    with answering.client() as client:
        client.send(request)
        answer = client.message(to_head=request is HEAD)
        if status == 205:
            assert answer.field("content-length") == "0"
        assert (answer.status, answer.body) == (status, body)
        if late:
            answering.told.set()
            wait_until(lambda: not answering.recorder.open)  # the proxy has hung up on it
        next_is_right(client)
    assert answering.recorder.seen == [request, CLEAN.replace(b"/ ", b"/next ")]


def test_an_answer_before_the_end_of_its_request_ends_the_connection(answering):
    """Else what is left of the body would be read as requests."""
    def record(stream, at):
        recorder.seen[at] += Reader(stream).until(b"\r\n\r\n")
        stream.sendall(OK + b"Content-Length: 2\r\n\r\nok")
        recorder.seen[at] += stream.recv(65536)
    recorder, head = answering.recorder, POST + b"Content-Length: 1000\r\n\r\n"
    recorder.record = record
    with answering.client() as client:
        client.send(head)
        assert client.message().body == b"ok"
        client.send(EVIL)
        assert client.rest() == b""
    wait_until(lambda: not recorder.open)
    assert recorder.seen == [head]
