# SPDX-License-Identifier: GPL-3.0-or-later
"""The "internet": one namespace in which every IPv4 address is local, with real servers on well-known names.

nginx speaks HTTP and TLS (a test CA's certificate), nsd answers for the zone "test", sshd greets on port 22, git's own
backend and an apt repository stand behind nginx. Catchers listen on the ports that nobody may reach and remember
who came: what they remember is a leak.
"""
import http.server
import json
import os
import selectors
import shutil
import socket
import subprocess
import textwrap
import threading

from spaces import Failed, Space, wait_for

NAMES = {                            # the zone
    "allowed.test": "203.0.113.10",
    "other.test": "203.0.113.11",
    "wild.sub.test": "203.0.113.12",
    "deep.er.sub.test": "203.0.113.12",
    "plain.test": "203.0.113.13",    # for plain HTTP only
    "git.test": "203.0.113.14",
    "apt.test": "203.0.113.15",
    "npm.test": "203.0.113.16",
    "pypi.test": "203.0.113.17",
    "forge.test": "203.0.113.18",    # what /echo is told, it sends back and remembers
    "denied.test": "203.0.113.20",
    "ssh.test": "203.0.113.22",
    "silent.test": "203.0.113.98",   # nothing is ever answered
    "dead.test": "203.0.113.99",     # every connection is refused
    "private.test": "10.1.2.3",
    "lan.test": "10.9.9.9",
    "loopback.test": "127.0.0.1",
    "metadata.test": "169.254.169.254",
    "unspecified.test": "0.0.0.0",
    "multicast.test": "224.0.0.1",
    "rebind.test": "198.18.0.9",
}
RESOLVER = "203.0.113.53"
STRANGER = "203.0.113.77"            # has no name
TCP_CATCHERS = (21, 25, 853, 3128, 5432, 8080, 8443, 9999)
UDP_CATCHERS = (123, 443, 853, 5353, 9999)
BIG = 1 << 30                        # bytes of /big, a hole in a file

NGINX = """
user root; daemon on; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/nginx-error.log;
worker_rlimit_nofile 8192;
events {{ worker_connections 4000; }}
http {{
  log_format access escape=json
    '{{"host":"$http_host","name":"$ssl_server_name","method":"$request_method","uri":"$request_uri","port":"$server_port",'
    '"address":"$server_addr","from":"$remote_addr","authorization":"$http_authorization"}}';
  access_log {dir}/access.log access;
  client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3; uwsgi_temp_path {dir}/t4;
  scgi_temp_path {dir}/t5;
  sendfile on; keepalive_timeout 60s; default_type text/plain; client_max_body_size 0;
  ssl_certificate {dir}/server.pem; ssl_certificate_key {dir}/server.key; ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_cache shared:s:1m;
  server {{
    listen 80 default_server backlog=4096; listen 443 ssl default_server backlog=4096; listen 3141 ssl; server_name _; root {dir}/www;
    add_header Alt-Svc 'h3=":443"';
    location / {{ return 200 "I am $host at $server_addr\\n"; }}
    location /echo {{ add_header X-Echo $http_authorization; return 200 "you said $http_authorization\n"; }}
    location /big {{ }}
    location /slow {{ alias {dir}/www/megabyte; limit_rate 20k; }}
    location /debian/ {{ alias {dir}/apt/; }}
    location /simple/ {{ alias {dir}/simple/; index index.html; types {{ text/html html; }} }}
    location /pks/ {{ alias {dir}/pks/; }}
    location /git/ {{ proxy_pass http://127.0.0.1:8001; proxy_request_buffering off; proxy_http_version 1.1; }}
  }}
  server {{
    listen 80; listen 443 ssl; server_name npm.test;
    location / {{ proxy_pass http://127.0.0.1:4873; proxy_set_header Host $host; proxy_set_header X-Forwarded-Proto $scheme; }}
  }}
}}
"""


class GitBackend(http.server.BaseHTTPRequestHandler):
    """git-http-backend as CGI (RFC 3875), without a web server's help."""
    root = None
    protocol_version = "HTTP/1.0"

    def _body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        return body

    def do_GET(self):
        path, _, query = self.path.partition("?")
        environment = {"PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": self.root, "GIT_HTTP_EXPORT_ALL": "1",
                       "PATH_INFO": path.removeprefix("/git"), "QUERY_STRING": query, "REQUEST_METHOD": self.command,
                       "CONTENT_TYPE": self.headers.get("Content-Type", ""), "HOME": self.root,
                       "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                       "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""), "REMOTE_ADDR": self.client_address[0],
                       "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
        answer = subprocess.run(["git", "http-backend"], input=self._body(), env=environment, stdout=subprocess.PIPE,
                                check=False).stdout
        head, _, body = answer.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


class Catchers(threading.Thread):
    """Listeners that answer "caught" and remember (protocol, port, peer)."""

    def __init__(self, space):
        super().__init__(daemon=True)
        self.selector, self.seen = selectors.DefaultSelector(), []
        self.stop, self.stopper = os.pipe()
        self.selector.register(self.stop, selectors.EVENT_READ)
        for kind, ports in (socket.SOCK_STREAM, TCP_CATCHERS), (socket.SOCK_DGRAM, UDP_CATCHERS):
            for port in ports:
                sock = space.call(socket.socket, socket.AF_INET, kind)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if kind == socket.SOCK_DGRAM:
                    sock.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO: answer from the address that was asked
                sock.bind(("0.0.0.0", port))
                if kind == socket.SOCK_STREAM:
                    sock.listen()
                self.selector.register(sock, selectors.EVENT_READ, (kind, port))

    def run(self):
        while True:
            for key, _ in self.selector.select():
                if key.fileobj == self.stop:
                    return
                kind, port = key.data
                if kind == socket.SOCK_STREAM:
                    connection, peer = key.fileobj.accept()
                    self.seen.append(("tcp", port, peer[0]))
                    with connection:
                        connection.sendall(b"caught\n")
                else:
                    _, ancillary, _, peer = key.fileobj.recvmsg(2048, 64)
                    self.seen.append(("udp", port, peer[0]))
                    key.fileobj.sendmsg([b"caught\n"], ancillary, 0, peer)

    def close(self):
        os.write(self.stopper, b".")
        self.join()
        for key in list(self.selector.get_map().values()):
            if key.fileobj != self.stop:
                key.fileobj.close()
        self.selector.close()
        os.close(self.stop)
        os.close(self.stopper)


class World:
    """The internet's namespace, its servers and what they saw. Links to it are /30s of 198.51.100.0/24."""

    def __init__(self, lab):
        self.lab, self.dir = lab, os.path.join(lab.dir, "world")
        os.mkdir(self.dir)
        self.space = Space(lab, "internet")
        self.space.run("ip", "route", "add", "local", "0.0.0.0/0", "dev", "lo", "table", "main")
        self.space.run("ip", "route", "add", "blackhole", NAMES["silent.test"])
        self.space.run("nft", f"add table ip w; add chain ip w i {{ type filter hook input priority 0; }};"
                              f"add rule ip w i ip daddr {NAMES['dead.test']} meta l4proto tcp reject with tcp reset")
        self.space.run("sysctl", "-qw", "net.ipv4.icmp_ratelimit=0")
        self.space.run("ip", "address", "add", "2001:db8::53/128", "dev", "lo", "nodad")
        self._authority()
        self._files()
        self._nginx()
        self._nsd()
        self._sshd()
        self.catchers = Catchers(self.space)
        self.catchers.start()
        lab.on_close(self.catchers.close)

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="ascii") as file:
            file.write(textwrap.dedent(text))
        return self.path(name)

    def link(self, pid, name):
        """Wires process pid's namespace to the internet. Returns (its address, the name of the link on this side)."""
        from spaces import wire
        taken = {link["ifname"] for link in json.loads(self.space.run("ip", "-j", "link"))}
        number = next(number for number in range(64) if f"link{number}" not in taken)  # a link goes with its peer's namespace
        base, here = number * 4, f"link{number}"
        address, gateway = f"198.51.100.{base + 2}", f"198.51.100.{base + 1}"
        wire(pid, name, f"{address}/30", self.space.pid, here, f"{gateway}/30")
        self.lab.run("nsenter", "-t", str(pid), "-n", "ip", "route", "add", "default", "via", gateway)
        return address, here

    def log(self):
        """The requests that nginx answered, as JSON lines."""
        with open(self.path("access.log"), encoding="utf-8") as log:
            return log.read().splitlines()

    def _authority(self):
        for name in "ca", "server":
            self.lab.run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.path(f"{name}.key"))
        self.ca = self.path("ca.pem")
        self.lab.run("openssl", "req", "-x509", "-new", "-key", self.path("ca.key"), "-out", self.ca, "-days", "30",
                     "-subj", "/CN=Lab CA", "-addext", "basicConstraints=critical,CA:TRUE",
                     "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        self.lab.run("openssl", "req", "-new", "-key", self.path("server.key"), "-subj", "/CN=allowed.test",
                     "-out", self.path("server.csr"))
        names = ",".join(f"DNS:{name}" for name in NAMES)
        extensions = self.write("extensions", f"subjectAltName={names},DNS:*.sub.test\nextendedKeyUsage=serverAuth\n")
        self.lab.run("openssl", "x509", "-req", "-in", self.path("server.csr"), "-CA", self.ca, "-CAkey",
                     self.path("ca.key"), "-CAcreateserial", "-days", "30", "-extfile", extensions,
                     "-out", self.path("server.pem"))
        os.chmod(self.ca, 0o644)

    def _files(self):
        os.mkdir(self.path("www"))
        with open(self.path("www", "big"), "wb") as big:
            big.truncate(BIG)
        with open(self.path("www", "megabyte"), "wb") as megabyte:
            megabyte.write(b"0123456789abcde\n" * 65536)
        self._git_repository()
        self._apt_repository()

    def _git_repository(self):
        work, bare = self.path("work"), self.path("git", "repo.git")
        git = ("git", "-c", "user.name=Lab", "-c", "user.email=lab@test", "-c", "init.defaultBranch=main")
        self.lab.run(*git, "init", "-q", work)
        with open(os.path.join(work, "README"), "w", encoding="ascii") as readme:
            readme.write("a repository\n")
        self.lab.run(*git, "-C", work, "add", "README")
        self.lab.run(*git, "-C", work, "commit", "-qm", "first")
        self.lab.run(*git, "clone", "-q", "--bare", work, bare)
        shutil.rmtree(work)
        backend = type("Backend", (GitBackend,), {"root": self.path("git")})  # of this world, of which a process may have two
        listener = self.space.call(socket.create_server, ("127.0.0.1", 8001))
        server = http.server.ThreadingHTTPServer(listener.getsockname(), backend, bind_and_activate=False)
        server.socket.close()
        server.socket = listener
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.lab.on_close(lambda: (server.shutdown(), server.server_close()))

    def _apt_repository(self):
        tree = self.path("tree")
        os.makedirs(os.path.join(tree, "DEBIAN"))
        control = textwrap.dedent("""\
            Package: lab-hello
            Version: 1.0
            Architecture: all
            Maintainer: Lab <lab@apt.test>
            Description: nothing
            """)
        with open(os.path.join(tree, "DEBIAN", "control"), "w", encoding="ascii") as file:
            file.write(control)
        os.mkdir(self.path("apt"))
        deb = self.path("apt", "lab-hello.deb")
        self.lab.run("dpkg-deb", "-Znone", "--root-owner-group", "-b", tree, deb)
        shutil.rmtree(tree)

        def digest(path):
            return self.lab.run("sha256sum", path).split()[0], os.path.getsize(path)
        checksum, size = digest(deb)
        self.write("apt/Packages", control + f"Filename: ./lab-hello.deb\nSize: {size}\nSHA256: {checksum}\n")
        checksum, size = digest(self.path("apt", "Packages"))
        self.write("apt/Release", f"Origin: lab\nSuite: ./\nSHA256:\n {checksum} {size} Packages\n")

    def _nginx(self):
        with open(self.path("nginx.conf"), "w", encoding="ascii") as file:
            file.write(NGINX.format(dir=self.dir))
        # the command ends when the listeners are bound
        self.space.run("nginx", "-e", self.path("nginx-error.log"), "-c", self.path("nginx.conf"))

    def _nsd(self):
        records = "".join(f"{name}. A {address}\n" for name, address in NAMES.items())
        zone = self.write("test.zone", "$ORIGIN test.\n$TTL 60\n@ SOA ns hostmaster 1 60 60 60 60\n@ NS ns\nns A 203.0.113.53\n"
                          "mixed A 203.0.113.10\nmixed A 10.9.9.9\nalias CNAME allowed.test.\n"
                          "allowed.test. TXT \"out of here\"\nallowed.test. AAAA 2001:db8::10\n"
                          "allowed.test. HTTPS 1 . alpn=h3\n" + records)
        conf = self.write("nsd.conf", f"""\
            server:
              ip-address: {RESOLVER}
              username: ""
              chroot: ""
              zonesdir: {self.dir}
              database: ""
              logfile: {self.dir}/nsd.log
              pidfile: {self.dir}/nsd.pid
              xfrdfile: {self.dir}/xfrd.state
              xfrdir: {self.dir}
              zonelistfile: {self.dir}/zone.list
              server-count: 1
            remote-control:
              control-enable: no
            zone:
              name: test
              zonefile: {zone}
            """)
        self.space.run("nsd", "-c", conf)

    def _sshd(self):
        self.lab.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.path("host_key"))
        conf = self.write("sshd.conf", f"""\
            ListenAddress 0.0.0.0
            HostKey {self.dir}/host_key
            PidFile none
            UsePAM no
            AuthenticationMethods publickey
            """)
        command = f'mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && exec /usr/sbin/sshd -D -e -f {conf}'
        sshd = subprocess.Popen(self.space.enter("sh", "-c", command), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                env=self.lab.environment)
        self.lab.on_close(lambda: (self.space.close(), sshd.wait(), sshd.stderr.close()))
        for line in sshd.stderr:
            if b"listening on" in line:
                return
        raise Failed("sshd ended")

    def answers(self):
        """Waits until the name server answers: it says so nowhere."""
        import probes
        wait_for(lambda: self.space.call(probes.dns, RESOLVER, "allowed.test")["addresses"], "an answer of nsd")
