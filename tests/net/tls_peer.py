# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS as the tests' clients and servers speak it: the bottle's authority, certificates of the tests' own, hellos byte for byte."""
import os
import ssl
import struct
import subprocess
import tempfile


def openssl(*argv, **named):
    """The openssl program; returns what it wrote."""
    return subprocess.run(["openssl", *argv], check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **named).stdout


class Authority:
    """A CA as stopper-init makes it; `pem` is a file, removed with the process that made it."""

    _made = None

    @classmethod
    def get(cls):
        if cls._made is None:
            cls._made = cls()
        return cls._made

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="stopper-proxy-ca-")
        self.pem, key = os.path.join(self.folder.name, "ca.pem"), os.path.join(self.folder.name, "key.pem")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                "/O=Stopper/CN=of the rig", "-addext", "basicConstraints=critical,CA:true,pathlen:0", "-addext",
                "keyUsage=critical,keyCertSign,cRLSign", "-keyout", key, "-out", self.pem)
        parts = (openssl("x509", "-in", self.pem, "-outform", "DER"), openssl("ec", "-in", key, "-outform", "DER"))
        self.message = b"".join(struct.pack("@I", len(part)) + part for part in parts)


class Certificates:
    """A root of the tests' own, and certificates under it that are right or wrong in one way each."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.root = self.issuer("root", None)
        self.pem = open(self.path("root.pem"), encoding="ascii").read()

    def path(self, name):
        return os.path.join(self.folder, name)

    def key(self, name, *kind):
        path = self.path(name + ".key")
        openssl("genpkey", "-out", path, *(kind or ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")))
        return path

    def make(self, name, issuer="root", san="DNS:tls.test", more=(), days=("20250101000000Z", "20350101000000Z"), key=(),
             digest="sha256", subject="/O=Test", constraints="basicConstraints=critical,CA:false", usage="serverAuth"):
        """name.pem holds the certificate (and, when its issuer is no root, the issuer's), name.key the key."""
        lines = [constraints, *more]
        if san:
            lines.append("subjectAltName=" + san)
        if usage:
            lines.append("extendedKeyUsage=" + usage)
        with open(self.path(name + ".ext"), "w", encoding="ascii") as out:
            out.write("\n".join(lines) + "\n")
        self.key(name, *key)
        with open(self.path(name + ".conf"), "w", encoding="ascii") as out:
            out.write(f"[ca]\ndefault_ca=x\n[x]\ndatabase={self.path(name)}.db\nnew_certs_dir={self.folder}\nrand_serial=yes\n"
                      "policy=p\nunique_subject=no\nemail_in_dn=no\n[p]\norganizationName=optional\ncommonName=optional\n")
        open(self.path(name + ".db"), "w", encoding="ascii").close()
        openssl("req", "-new", "-key", self.path(name + ".key"), "-subj", subject, "-out", self.path(name + ".csr"))
        signer = ("-selfsign", "-keyfile", self.path(name + ".key")) if issuer is None else \
            ("-cert", self.path(issuer + ".only"), "-keyfile", self.path(issuer + ".key"))
        openssl("ca", "-batch", "-notext", "-config", self.path(name + ".conf"), "-md", digest, "-in", self.path(name + ".csr"),
                "-startdate", days[0], "-enddate", days[1], "-extfile", self.path(name + ".ext"), "-out",
                self.path(name + ".only"), *signer)
        chain = [name] + ([issuer] if issuer not in (None, "root") else [])
        with open(self.path(name + ".pem"), "w", encoding="ascii") as out:
            for one in chain:
                with open(self.path(one + ".only"), encoding="ascii") as part:
                    out.write(part.read())
        return name

    def issuer(self, name, issuer, more=(), **named):
        return self.make(name, issuer, None, ("keyUsage=critical,keyCertSign,cRLSign", *more), subject=f"/O=Test/CN={name}",
                         constraints="basicConstraints=critical,CA:true", usage=None, **named)


def tls_client(client, name, ca, **settings):
    """TLS over a client's connection."""
    context = ssl.create_default_context(cafile=ca)
    context.set_alpn_protocols(settings.get("alpn", ["http/1.1"]))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    if name is None:
        context.check_hostname = False
    for key in ("minimum_version", "maximum_version"):
        if key in settings:
            setattr(context, key, settings[key])
    return context.wrap_socket(client.stream, server_hostname=name)


def hello(name="secure.test", extra=b"", cut=None):
    """A ClientHello as bytes, with a server name unless it is None."""
    extensions = extra
    if name is not None:
        raw = name if isinstance(name, bytes) else name.encode()
        entry = b"\0" + struct.pack("!H", len(raw)) + raw
        extensions += struct.pack("!HHH", 0, len(entry) + 2, len(entry)) + entry
    body = b"\3\3" + b"r" * 32 + b"\0" + b"\0\2\x13\1" + b"\1\0" + struct.pack("!H", len(extensions)) + extensions
    message = b"\1" + struct.pack("!I", len(body))[1:] + body
    cut = cut or len(message)
    return b"".join(b"\x16\3\1" + struct.pack("!H", len(part)) + part
                    for part in (message[i:i + cut] for i in range(0, len(message), cut)))


ECH = struct.pack("!HH", 0xfe0d, 5) + b"\0\0\1\0\1"


def tls_upstream(rig, certificates, name, serve=None, port=443, tune=None, **at):
    """An upstream behind TLS; `serve` gets the stream in clear. `address` where it is another than the rig's own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.load_cert_chain(certificates.path(name + ".pem"), certificates.path(name + ".key"))
    if tune:
        tune(context)
    failures = []

    def one(stream):
        try:
            with context.wrap_socket(stream, server_side=True, suppress_ragged_eofs=False) as secure:
                made.streams.append(secure)  # in place of the one that it wraps
                (serve or made.answer)(secure)
        except ssl.SSLError as problem:
            failures.append(problem)
    made = rig.upstream(port=port, serve=one, **at)
    made.failures = failures
    return made
