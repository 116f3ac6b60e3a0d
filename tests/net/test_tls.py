# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS that stopper-proxy opens: what clients and upstreams see of it, and which certificates are never accepted."""
import os
import socket
import ssl
import struct
import threading
import time

import pytest

from http_peer import CLOSING, Reader, get, problem
from proxy_rig import BUILD, DIALLED, OTHER, PUBLIC, SERVER, Rig, wait_until, wait_until_same
from tls_peer import ECH, Authority, Certificates, hello, tls_client, tls_upstream

# What the address sanitizer keeps of freed memory, KiB.
QUARANTINE = 400 << 10 if "asan" in BUILD else 0


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def right(certificates):
    return certificates.make("right")


@pytest.fixture(scope="module")
def long_lived(certificates):
    """tls.test leads to PUBLIC, other.test to OTHER; the tests' root is trusted."""
    made = Rig()
    made.worker.apply("tls.test", "other.test", {"host": "forge.test", "ports": [3000]}, "nodot", "deep.er.test",
                      {"host": "pass.test", "tls": {"passthrough": True}}, extra_ca=certificates.pem)
    made.resolver.names.update({"tls.test": [PUBLIC], "other.test": [OTHER], "forge.test": [PUBLIC], "pass.test": [SERVER],
                                "nodot": [PUBLIC], "deep.er.test": [PUBLIC]})
    yield made
    made.close()


@pytest.fixture
def rig(long_lived):
    long_lived.worker.forget()
    yield long_lived
    long_lived.clear()


# ---- what passes

@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_requests_pass_over_tls_on_both_legs_and_connections_are_kept(rig, certificates, right, version):
    upstream = tls_upstream(rig, certificates, right)
    with rig.https("tls.test", minimum_version=version, maximum_version=version) as client:
        assert client.stream.selected_alpn_protocol() == "http/1.1"
        for path in ("/1", "/2", "/3"):
            client.send(get("tls.test", path))
            assert client.message().body == b"hello"
        client.send(b"".join(get("tls.test", f"/{i}") for i in range(50)))
        assert [client.message().status for _ in range(50)] == [200] * 50
    assert upstream.accepted == 1 and len(upstream.requests) == 53
    assert upstream.requests[0] == b"GET /1 HTTP/1.1\r\nHost: tls.test\r\n\r\n"
    line = rig.worker.line(kind="http", verdict="allow", path="/1")
    wanted = {"rule": "tls.test", "host": "tls.test", "method": "GET", "status": 200, "address": DIALLED, "port": 443,
              "upstream": f"{PUBLIC}:443", "alpn": "http/1.1", "bytes_out": len(upstream.requests[0])}
    assert {key: line.get(key) for key in wanted} == wanted


def test_the_leaf_is_the_bottles_and_every_client_is_content_with_it(rig, certificates, right):
    tls_upstream(rig, certificates, right)
    with rig.https("tls.test") as client:  # strict, RFC 5280
        certificate = client.stream.getpeercert()
    assert certificate["subjectAltName"] == (("DNS", "tls.test"),) and certificate["subject"] == ((("organizationName", "Stopper"),),
                                                                                                (("commonName", "tls.test"),))
    for argv in (("curl", "-sS", "--cacert"), ("curl", "-sS", "--tls-max", "1.2", "--cacert"),
                 ("curl", "-sS", "--curves", "P-384", "--cacert"), ("curl", "-sS", "--no-alpn", "--cacert")):
        done = rig.run(*argv, Authority.get().pem, "--resolve", f"tls.test:443:{DIALLED}", "https://tls.test/")
        assert (done.returncode, done.stdout) == (0, b"hello"), (argv, done.stderr)


def test_names_up_to_the_longest_get_a_leaf(rig):
    for name in ("a" * 63 + "." + "b" * 63 + "." + "c" * 63 + ".test", ".".join(["d" * 30] * 8)[:249] + "test", "x_y.test"):
        with rig.https(name) as client:
            client.send(get(name))
            assert problem(client.message(), 403, "host-not-allowed")["host"] == name


def test_sessions_are_resumed_and_policy_is_asked_all_the_same(rig, certificates, right):
    upstream = tls_upstream(rig, certificates, right)
    context = ssl.create_default_context(cafile=Authority.get().pem)
    with rig.client(443) as client:
        client.stream = context.wrap_socket(client.stream, server_hostname="tls.test")
        client.reader = Reader(client.stream)
        client.send(get("tls.test"))
        assert client.message().status == 200
        session = client.stream.session
    for name, status in (("tls.test", 200), ("denied.test", 403)):  # the ticket of one name shown under another
        context.check_hostname = name == "tls.test"
        with rig.client(443) as client:
            client.stream = context.wrap_socket(client.stream, server_hostname=name, session=session)
            client.reader = Reader(client.stream)
            client.send(get(name))
            assert client.message().status == status
            if name == "tls.test":
                assert client.stream.session_reused
    assert len(upstream.requests) == 2


def test_a_client_may_resume_for_ever(rig):
    """Each connection with the ticket of the one before: nothing is counted along (image/deps/wolfssl/ticket-nonce.patch)."""
    context, session = ssl.create_default_context(cafile=Authority.get().pem), None
    for turn in range(260):
        with rig.client(443) as client:
            client.stream = context.wrap_socket(client.stream, server_hostname="denied.test", session=session)
            client.reader = Reader(client.stream)
            client.send(get("denied.test"))
            assert client.message().status == 403
            assert client.stream.session_reused == (turn > 0)
            session = client.stream.session


def test_large_and_cut_hellos_are_understood(rig, certificates, right):
    """The bytes of a real hello, dripped in pieces; and one with sixty thousand bytes of extensions."""
    tls_upstream(rig, certificates, right)
    context = ssl.create_default_context(cafile=Authority.get().pem)
    context.set_alpn_protocols(["http/1.1"] + [f"{i:0200d}" for i in range(140)])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    memory = context.wrap_bio(incoming, outgoing, server_hostname="tls.test")
    with rig.client(443) as client:
        while True:
            try:
                memory.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                done = False
            data = outgoing.read()
            assert not data or len(data) < 1000 or len(data) > 28000
            for i in range(0, len(data), 997):
                client.send(data[i:i + 997])
            if done:
                break
            incoming.write(client.stream.recv(65536))
        memory.write(get("tls.test"))
        client.send(outgoing.read())
        answer = b""
        while not answer.endswith(b"hello"):
            try:
                answer += memory.read()
            except ssl.SSLWantReadError:
                incoming.write(client.stream.recv(65536))


def extension(kind, *parts):
    """Each part with its length of 16 bits."""
    return struct.pack("!HH", kind, sum(len(part) for part in parts)) + b"".join(parts)


def counted(data):
    return struct.pack("!H", len(data)) + data


@pytest.mark.parametrize("record, segment", [(None, None), (16384, 7), (100, 97), (3, None), (1, 500)])
def test_a_post_quantum_hello_with_grease_in_any_records_and_segments_is_answered_in_its_group(rig, record, segment):
    """As Chromium sends it: values that mean nothing (RFC 8701) in every list, an ECH extension that may mean nothing, and a
    share of X25519MLKEM768, before that of X25519, which makes 1.8 KB. The keys are of no use, but valid."""
    share = bytes(1184) + (9).to_bytes(32, "little")
    hybrid, plain, grease = struct.pack("!H", 0x11ec), struct.pack("!H", 0x1d), b"\x2a\x2a"
    sent = hello("tls.test", cut=record, extra=b"".join((
        extension(0x1a1a), extension(10, counted(grease + hybrid + plain)), extension(13, counted(b"\x04\x03")),
        extension(43, b"\x06", grease + b"\3\4\3\3"), ECH,
        extension(51, counted(grease + counted(b"\0") + hybrid + counted(share) + plain + counted(share[-32:]))),
        extension(0x3a3a, b"\0"))))
    with rig.client(443) as client:
        client.stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(sent), segment or len(sent)):
            client.send(sent[at:at + (segment or len(sent))])
        head = client.reader.exactly(5)
        assert head[:3] == b"\x16\3\3", head
        answer = client.reader.exactly(int.from_bytes(head[3:], "big"))
    assert answer[0] == 2  # ServerHello
    assert struct.pack("!HHHH", 51, 1124, 0x11ec, 1120) in answer  # its share: ML-KEM's ciphertext of 1,088 bytes, and X25519's 32


def test_another_port_where_the_route_says_so_speaks_both(rig, certificates):
    certificates.make("forge", san="DNS:forge.test")
    upstream = tls_upstream(rig, certificates, "forge", port=3000)
    with rig.https("forge.test", 3000) as client:
        client.send(get("forge.test:3000"))
        assert client.message().body == b"hello"
    assert upstream.requests == [b"GET / HTTP/1.1\r\nHost: forge.test:3000\r\n\r\n"]
    for port in (443, 3001):
        with rig.https("forge.test", port) as client:
            client.send(get("forge.test"))
            problem(client.message(), 403, "port-not-allowed")
    rig.clear()
    rig.upstream(PUBLIC, 3000)
    assert rig.get(get("forge.test:3000"), 3000).body == b"hello"
    problem(rig.get(get("forge.test:80"), 80), 403, "port-not-allowed")


# ---- what is refused, readably

def test_a_denied_host_is_a_403_over_a_session_with_our_ca(rig):
    with rig.https("denied-once.test") as client:
        client.send(get("denied-once.test", "/x?secret=1") + get("denied-once.test", "/y"))
        body = problem(client.message(), 403, "host-not-allowed")
        problem(client.message(), 403, "host-not-allowed")
    line = rig.worker.line(kind="http", verdict="block", reason="host-not-allowed", path="/x")
    assert line["id"] == body["event_id"] and line["port"] == 443 and "upstream" not in line
    assert rig.resolver.asked.count("denied-once.test") == 0


def test_without_a_server_name_there_is_a_leaf_for_the_address_and_a_403(rig):
    for host, name in ((DIALLED, "address-literal"), ("tls.test", "tls-no-name")):
        with rig.https(None) as client:
            assert client.stream.getpeercert()["subjectAltName"] == (("IP Address", DIALLED),)
            client.send(get(host))
            problem(client.message(), 403, name)
    done = rig.run("curl", "-sS", "--cacert", Authority.get().pem, f"https://{DIALLED}/")
    assert done.returncode == 0 and b"address-literal" in done.stdout, done.stderr


def test_a_request_for_another_host_than_the_server_name_is_misdirected(rig, certificates, right):
    upstream, other = tls_upstream(rig, certificates, right), rig.upstream(OTHER, 443)
    with rig.https("tls.test") as client:
        client.send(get("other.test"))
        problem(client.message(), 421, "misdirected")
        client.send(b"GET https://tls.test/abs HTTP/1.1\r\nHost: tls.test\r\n\r\n")
        assert client.message().status == 200
        client.send(get("denied.test"))
        problem(client.message(), 421, "misdirected")
        client.send(b"GET http://tls.test/ HTTP/1.1\r\nHost: tls.test\r\n\r\n")
        problem(client.message(), 400, "http-malformed")
    with rig.https("denied.test") as client:  # fronting, the other way round
        client.send(get("tls.test"))
        problem(client.message(), 421, "misdirected")
    assert len(upstream.requests) == 1 and other.accepted == 0
    assert rig.worker.line(reason="misdirected", host="other.test")["status"] == 421


def test_tls_on_port_80_is_refused_readably(rig):
    with rig.https("tls.test", 80) as client:
        client.send(get("tls.test"))
        problem(client.message(), 403, "port-not-allowed")


REFUSED = {"alert": "by an alert", "nothing": "at the certificate", "handshake": "without a request"}  # by the last that it sent


@pytest.mark.parametrize("last", REFUSED)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_that_does_not_trust_our_ca_is_told_of_by_how_it_went(rig, version, last):
    context = ssl.create_default_context()
    if last == "handshake":
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = version
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    name = f"untrusted-{last}-{version.name.lower().replace('_', '-')}.test"
    memory, refused = context.wrap_bio(incoming, outgoing, server_hostname=name), False
    with rig.client(443) as client:
        while not refused:
            try:
                memory.do_handshake()
                break
            except ssl.SSLWantReadError:
                client.send(outgoing.read())
                incoming.write(client.stream.recv(65536))
            except ssl.SSLCertVerificationError:
                refused = True
        assert refused == (last != "handshake")
        if last != "nothing":
            client.send(outgoing.read())
        client.stream.shutdown(socket.SHUT_WR)
        line = rig.worker.line(kind="tls", verdict="block", reason="ca-refused", host=name)
        client.rest()
    assert REFUSED[last] in line["detail"] and "SSL_CERT_FILE" in line["detail"] and line["address"] == DIALLED


@pytest.mark.parametrize("argv, words", [(("curl", "-sS"), "by an alert"),
                                         (("wget", "-q", "-O-"), "without a request"),
                                         (("openssl", "s_client", "-verify_return_error", "-brief", "-connect"), "by an alert")],
                         ids=["curl", "wget", "openssl"])
def test_a_client_that_does_not_trust_our_ca_is_told_of_with_the_remedy(rig, argv, words):
    name = f"untrusted-{argv[0]}.test"
    if argv[0] == "openssl":
        done = rig.run(*argv, f"{DIALLED}:443", "-servername", name)
    elif argv[0] == "wget":
        done = rig.run(*argv, "https://192.0.2.98/")
    else:
        done = rig.run(*argv, "--resolve", f"{name}:443:{DIALLED}", f"https://{name}/")
    assert done.returncode != 0
    line = rig.worker.line(kind="tls", verdict="block", reason="ca-refused")
    # These close with bytes unread, by RST: what they sent last and was lost on the way is not sent again.
    assert words in line["detail"] or REFUSED["nothing"] in line["detail"]
    assert "SSL_CERT_FILE" in line["detail"] and line["address"] == ("192.0.2.98" if argv[0] == "wget" else DIALLED)


def test_a_handshake_that_cannot_succeed_is_told_of(rig):
    with rig.client(443, send=hello("tls.test")) as client:  # it offers no key exchange
        assert client.rest()[:1] == b"\x15"
    assert rig.worker.line(kind="tls", verdict="block", reason="tls-handshake")["host"] == "tls.test"
    with pytest.raises(ssl.SSLError):
        rig.https("tls.test", alpn=["h2"])
    assert rig.worker.line(reason="tls-handshake", alpn="h2")


def test_what_is_no_http_inside_tls_is_a_400(rig):
    with rig.https("tls.test") as client:
        client.send(b"\x16\x03\x01 not http\r\n\r\n")
        assert client.message().status == 400


# ---- certificates

WRONG = {
    "expired": ({"days": ("20200101000000Z", "20210101000000Z")}, "has expired"),
    "not-yet": ({"days": ("20400101000000Z", "20450101000000Z")}, "not yet valid"),
    "wrong-host": ({"san": "DNS:wrong.test"}, "for another host"),
    "cn-only": ({"san": None, "subject": "/O=Test/CN=tls.test"}, "for another host"),
    "wildcard-over-two": ({"san": "DNS:*.test", "host": "deep.er.test"}, "for another host"),
    "wildcard-in-a-label": ({"san": "DNS:t*.test"}, "for another host"),
    "wildcard-not-in-front": ({"san": "DNS:deep.*.test", "host": "deep.er.test"}, "for another host"),
    "wildcard-alone": ({"san": "DNS:*"}, "for another host"),
    "wildcard-twice": ({"san": "DNS:*.*.test", "host": "deep.er.test"}, "for another host"),
    "mail-address": ({"san": "email:tls.test"}, "for another host"),
    "address": ({"san": f"IP:{PUBLIC}"}, "for another host"),
    "code-signing": ({"usage": "codeSigning"}, "not for servers"),
    "self-signed": ({"issuer": None}, "issuer is unknown"),
    "unknown-root": ({"issuer": "stranger"}, "issuer is unknown"),
    "missing-intermediate": ({"issuer": "middle", "cut": True}, "issuer is unknown"),
    "leaf-as-ca": ({"issuer": "right"}, "issuer is unknown"),  # a leaf is never taken for one
    "client-auth": ({"usage": "clientAuth"}, "not for servers"),
    "sha1": ({"digest": "sha1"}, "not accepted"),
    "name-constraints": ({"issuer": "narrow"}, "name constraints"),
    "nul-in-san": ({"san": "DER", "more": ("subjectAltName=DER:30:16:82:14:" + b"tls.test\0.wrong.test".hex(":"),)}, "cannot be read"),
    "short-key": ({"key": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")}, "too short"),
    "path-too-long": ({"issuer": "below"}, "longer than its CA allows"),
}


@pytest.fixture(scope="module")
def issuers(certificates, right):
    certificates.issuer("stranger", None)
    certificates.issuer("middle", "root")
    certificates.issuer("narrow", "root", ("nameConstraints=critical,permitted;DNS:other.test",))
    certificates.make("shallow", "root", None, ("keyUsage=critical,keyCertSign",), subject="/O=Test/CN=shallow",
                      constraints="basicConstraints=critical,CA:true,pathlen:0", usage=None)
    certificates.issuer("below", "shallow")


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_certificate_is_a_502_that_says_why_and_nothing_is_sent(rig, certificates, issuers, kind):
    settings, words = dict(WRONG[kind][0]), WRONG[kind][1]
    cut, host = settings.pop("cut", False), settings.pop("host", "tls.test")
    if settings.get("san") == "DER":
        settings["san"] = None
    certificates.make(kind, **settings)
    if kind == "path-too-long":
        with open(certificates.path(kind + ".pem"), "a", encoding="ascii") as out:
            out.write(open(certificates.path("shallow.only"), encoding="ascii").read())
    if cut:
        os.replace(certificates.path(kind + ".only"), certificates.path(kind + ".pem"))
    upstream = tls_upstream(rig, certificates, kind)
    with rig.https(host) as client:
        client.send(get(host))
        body = problem(client.message(), 502, "upstream-tls")
        print(f"\n{kind}: {body['detail']}")
        assert words in body["detail"]
        client.send(get("denied.test"))  # the agent's connection lives on
        problem(client.message(), 421, "misdirected")
    assert upstream.requests == []
    line = rig.worker.line(reason="upstream-tls", verdict="block")
    assert line["detail"] in body["detail"] and line.get("upstream", f"{PUBLIC}:443") == f"{PUBLIC}:443"


@pytest.mark.parametrize("kind, settings", [
    ("rsa", {"key": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")}), ("with-intermediate", {"issuer": "middle"}),
    ("wildcard", {"san": "DNS:*.test,DNS:tls.test"}), ("sha384", {"digest": "sha384"})])
def test_a_right_certificate_of_every_kind_is_accepted(rig, certificates, issuers, kind, settings):
    certificates.make(kind, **settings)
    upstream = tls_upstream(rig, certificates, kind)
    with rig.https("tls.test") as client:
        client.send(get("tls.test"))
        assert client.message().status == 200
    assert len(upstream.requests) == 1


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=["TLS 1.0", "TLS 1.1"])
def test_a_host_with_old_tls_only_is_refused(rig, certificates, right, version):
    def old(context):
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
    upstream = tls_upstream(rig, certificates, right, tune=old)
    context = ssl.create_default_context(cafile=certificates.path("root.pem"))
    old(context)
    with rig.sidecar.socket() as stream:  # the control: it does speak
        stream.connect((PUBLIC, 443))
        with context.wrap_socket(stream, server_hostname="tls.test") as secure:
            secure.sendall(get("tls.test"))
            assert secure.recv(4096).startswith(b"HTTP/1.1 200") and secure.version() == version.name.replace("_", ".")
    with rig.https("tls.test") as client:
        client.send(get("tls.test"))
        assert problem(client.message(), 502, "upstream-tls")["detail"].endswith("The host speaks no TLS version that is accepted.")
    assert len(upstream.requests) == 1


def test_a_name_that_cannot_be_verified_is_refused(rig, certificates, right):
    upstream = tls_upstream(rig, certificates, right)
    with rig.https("nodot") as client:
        client.send(get("nodot"))
        assert "no dot" in problem(client.message(), 502, "upstream-tls")["detail"]
    assert upstream.requests == []


def test_roots_of_a_policy_are_trusted_under_that_policy_only(certificates, right):
    rig = Rig()
    try:
        rig.resolver.names["tls.test"] = [PUBLIC]
        tls_upstream(rig, certificates, right)
        for members, status in (({}, 502), ({"extra_ca": certificates.pem}, 200), ({}, 502)):
            rig.worker.apply("tls.test", **members)
            with rig.https("tls.test") as client:
                client.send(get("tls.test"))
                assert client.message().status == status
    finally:
        rig.close()


# ---- ends

def test_an_answer_that_is_cut_off_is_never_passed_for_a_whole_one(rig, certificates, right):
    parts = {b"/close": b"HTTP/1.1 200 OK\r\n\r\npart", b"/length": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\npart",
             b"/chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n", b"/nothing": b"",
             b"/head": b"HTTP/1.1 200 OK\r\nContent-Len"}
    polite = [False]

    def serve(stream):
        request = upstream.read_request(stream)
        part = parts[request.start.split()[1].encode()]
        stream.sendall(part.replace(b"\r\n", b"\r\nContent-Type: image/png\r\n", 1))  # of text the head would wait
        if polite[0]:
            stream.unwrap().close()
        else:
            os.close(stream.detach())  # FIN without close_notify
    upstream = tls_upstream(rig, certificates, right, serve)
    for path in parts:
        with rig.https("tls.test") as client:
            client.send(get("tls.test", path.decode()))
            if path in (b"/nothing", b"/head"):
                problem(client.message(), 502, "upstream-malformed")
                continue
            with pytest.raises((AssertionError, OSError)):
                client.message()
        assert rig.worker.line(path=path.decode())["reason"] == "upstream-malformed"
    polite[0] = True
    with rig.https("tls.test") as client:
        client.send(get("tls.test", "/close"))
        assert client.message().body == b"part"


def test_our_own_ends_are_told_by_close_notify(rig, certificates, right):
    seen = []

    def serve(stream):
        made.answer(stream, CLOSING)  # until the end: an end without close_notify would be an error
        seen.append("clean")
    made = tls_upstream(rig, certificates, right, serve)
    with rig.client(443) as client:
        context = ssl.create_default_context(cafile=Authority.get().pem)
        client.stream = context.wrap_socket(client.stream, server_hostname="tls.test", suppress_ragged_eofs=False)
        client.send(get("tls.test", fields="Connection: close\r\n"))
        data = b""
        while got := client.stream.recv(65536):
            data += got
        assert data.endswith(b"hello")
    wait_until(lambda: seen and not made.failures)


# ---- amounts

def test_a_hundred_megabytes_both_ways_at_constant_memory(rig, certificates, right, record_property):
    size = 100 << 20

    def serve(stream):
        reader = Reader(stream)
        head = reader.until(b"\r\n\r\n")
        if head.startswith(b"POST"):
            left = size
            while left:
                left -= len(stream.recv(min(65536, left)))
            stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            stream.recv(1)
        else:
            stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            for _ in range(size // (1 << 20)):
                stream.sendall(bytes(1 << 20))
            stream.recv(1)
    tls_upstream(rig, certificates, right, serve)
    with rig.https("tls.test") as client:
        client.send(get("denied.test"))
        client.message()
        before = rig.worker.memory("VmHWM")
    for send in (get("tls.test"), b"POST / HTTP/1.1\r\nHost: tls.test\r\nContent-Length: %d\r\n\r\n" % size):
        with rig.https("tls.test") as client:
            began, up = time.monotonic(), send.startswith(b"POST")
            client.send(send)
            if up:
                for _ in range(size // (1 << 20)):
                    client.stream.sendall(bytes(1 << 20))
            head = client.reader.until(b"\r\n\r\n")
            assert b" 200 " in head
            left = 0 if up else size
            while left:
                left -= len(client.stream.recv(min(1 << 20, left)))
            rate = size / (1 << 20) / (time.monotonic() - began)
        peak = rig.worker.memory("VmHWM")
        print(f"\n100 MiB {'up' if up else 'down'}: {rate:.0f} MiB/s, peak {peak} KiB (before: {before})")
        assert peak < before + 4096 + QUARANTINE
    record_property("peak_KiB", peak)


def test_a_thousand_kept_connections_are_cheap(rig, certificates, right, record_property):
    tls_upstream(rig, certificates, right)
    with rig.https("tls.test") as client:
        client.send(get("tls.test"))
        client.message()
    before = rig.worker.memory()
    context = ssl.create_default_context(cafile=Authority.get().pem)
    clients = []
    try:
        for _ in range(1000):
            clients.append(rig.client(443))
            clients[-1].stream = context.wrap_socket(clients[-1].stream, server_hostname="tls.test")
            clients[-1].stream.sendall(get("tls.test"))
            assert clients[-1].stream.recv(4096)
        each = (rig.worker.memory() - before) / 1000
        print(f"\n1000 kept TLS connections, each with its kept TLS upstream: {each:.1f} KiB each")
        record_property("KiB_per_connection", each)
        assert each < 40 + QUARANTINE / 1000
    finally:
        for client in clients:
            client.close()


def test_a_slow_reader_slows_the_upstream_and_nothing_piles_up(rig, certificates, right):
    sent = [0]

    def serve(stream):
        made.read_request(stream)
        stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (1 << 30))
        stream.settimeout(2)
        while True:
            stream.sendall(bytes(65536))
            sent[0] += 65536
    made = tls_upstream(rig, certificates, right, serve)
    before = rig.worker.memory()
    with rig.https("tls.test") as client:
        client.send(get("tls.test"))
        wait_until(lambda: sent[0] > 0)
        assert wait_until_same(lambda: sent[0]) < 64 << 20 and rig.worker.memory() < before + 4096 + QUARANTINE
        client.stream.recv(1)


def test_garbage_and_floods_of_handshakes_do_no_harm(rig, certificates, right):
    tls_upstream(rig, certificates, right)
    whole = hello("tls.test")
    for i in range(0, len(whole), 5):
        with rig.client(443, send=whole[:i] + bytes([whole[i] ^ 0x55]) + whole[i + 1:]) as client:
            client.stream.settimeout(0.05)
            try:
                client.rest()
            except TimeoutError:
                pass
    with rig.client(443) as client:
        secure = tls_client(client, "tls.test", Authority.get().pem)
        raw = socket.socket(fileno=os.dup(secure.fileno()))
        raw.sendall(b"\x17\x03\x03\x00\x20" + b"x" * 32)  # a record that does not decrypt
        raw.settimeout(10)
        assert raw.recv(4096) is not None
        raw.close()
    threads = [threading.Thread(target=lambda: [rig.https(f"n{i}.test").close() for i in range(25)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with rig.https("tls.test") as client:
        client.send(get("tls.test"))
        assert client.message().status == 200
