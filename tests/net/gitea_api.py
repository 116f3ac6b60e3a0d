# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for a Gitea server's API of deploy keys, by its published description (Swagger 2.0: repoListKeys,
repoCreateKey, repoDeleteKey, definitions CreateKeyOption and DeployKey, responses error, forbidden, notFound,
validationError). It is strict: a request that the description does not have, or has otherwise, is a problem, and a test
that leaves one fails. It serves in a thread of the test's own, on a socket of a namespace, so that a test can hold a
request at any point, look, and let it go on."""
import base64
import binascii
import collections
import contextlib
import http.server
import json
import re
import socket
import struct
import threading
from datetime import datetime, timezone
from urllib.parse import parse_qsl, urlsplit

from spaces import WAIT, Failed
from world import RESOLVER

SCOPE = "write:repository"
MAX_RESPONSE_ITEMS = 50  # of the server's settings: more are never in one answer
SWAGGER = "/api/swagger"
VARIABLE = "FORGE_TOKEN"  # of the manifests below
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"


def manifest(*repos, host="git.test", host_key=HOST_KEY):
    """A bottle's, with keys of a forge. repos: (name, path, api_url or None)."""
    text = f"egress: {{dns: [{RESOLVER}]}}\ngit-gate:\n  repos:\n"
    for name, path, url in repos:
        text += (f"    {name}:\n      url: ssh://git@{host}/{path}\n      host_key: {host_key}\n      key:\n"
                 f"        provider: gitea\n        forge_token_env: {VARIABLE}\n")
        text += f"        api_url: {url}\n" if url else ""
    return text


def no_duplicates(pairs):
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member twice")
    return members


def public_key(text):
    """(type, blob) of a line of authorized_keys, else ValueError with Gitea's words."""
    words = text.split(" ", 2)
    if len(words) < 2 or "\n" in text:
        raise ValueError("extractTypeFromBase64Key: invalid key format")
    try:
        blob = base64.b64decode(words[1], validate=True)
        (size,) = struct.unpack_from(">I", blob)
        kind = blob[4:4 + size].decode("ascii")
    except (binascii.Error, struct.error, UnicodeDecodeError) as problem:
        raise ValueError(f"extractTypeFromBase64Key: {problem}") from problem
    if kind != words[0]:
        raise ValueError(f"key type and content does not match: {words[0]} - {kind}")
    if kind != "ssh-ed25519" or len(blob) != 4 + 11 + 4 + 32:
        raise ValueError("invalid ssh public key")
    return kind, blob


class Hold:
    """A request that waits. `arrived` is set when it has come; it goes on after go()."""

    def __init__(self):
        self.arrived, self.may_go = threading.Event(), threading.Event()

    def wait(self):
        if not self.arrived.wait(WAIT):
            raise Failed("no such request came")

    def go(self):
        self.may_go.set()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, forge, listener):
        super().__init__(listener.getsockname(), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket, self.forge = listener, forge

    def handle_error(self, request, client_address):
        pass  # a client that went away: what it should not have sent is among the problems


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.handle_request
        raise AttributeError(name)

    def handle_request(self):
        self.server.forge.answer(self)

    def json(self, status, value, headers=()):
        body = json.dumps(value).encode() if value is not None else b""
        self.send_response(status)
        for name, field in headers:
            self.send_header(name, field)
        if value is not None:
            self.send_header("Content-Type", "application/json;charset=utf-8")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def error(self, status, message):
        self.json(status, {"message": message, "url": self.server.forge.url + SWAGGER})


class Forge:
    """repos: those there are. tokens: {token: what it may}; a token may see and administer all of `repos`, unless its
    entry says otherwise: {"scopes": set, "sees": set, "administers": set}."""

    def __init__(self, space, repos=("org/app",), address="127.0.0.1", port=0, prefix="", tls=None):
        self.space, self.address, self.prefix, self.tls = space, address, prefix, tls
        self.lock = threading.Lock()
        self.repos, self.tokens = set(repos), {}
        self.user_keys = set()  # blobs that some user has as a key of his own
        self.changed = lambda keys: None  # called with all keys when there is another one, or one less, before the answer
        self.missing = 204  # what the deletion of a key that is not there answers; the description has 404, too
        self.keys, self.last = [], 0
        self.requests, self.problems = [], []
        self.holds, self.faults = collections.defaultdict(list), collections.defaultdict(list)
        self.server = None
        self.port = port
        self.open()

    def open(self):
        def listen():
            listener = socket.create_server((self.address, self.port))
            listener.listen(16)
            return listener
        listener = self.space.call(listen)
        self.port = listener.getsockname()[1]
        scheme = "http" if self.tls is None else "https"
        default = {"http": 80, "https": 443}[scheme]
        self.url = f"{scheme}://{self.address}{'' if self.port == default else f':{self.port}'}{self.prefix}"
        if self.tls is not None:
            listener = self.tls.wrap_socket(listener, server_side=True)
        self.server = Server(self, listener)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def close(self):
        """The server is gone; its keys stay, and open() brings it back to the same port."""
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.thread.join()
        self.server = None

    def reset(self):
        for holds in self.holds.values():
            for hold in holds:
                hold[1].go()
        with self.lock:
            problems, self.problems, self.requests, self.keys = self.problems, [], [], []
            self.user_keys, self.missing = set(), 204
            self.holds.clear()
            self.faults.clear()
        assert not problems, problems

    # -- what tests arrange

    @contextlib.contextmanager
    def hold(self, method, when):
        """The next request of this method waits "before" it is looked at, or "after" all is done but the answer."""
        hold = Hold()
        with self.lock:
            self.holds[method].append((when, hold))
        try:
            yield hold
        finally:
            hold.go()

    def fault(self, method, status=None, body=b"", headers=(), after=False, silent=False):
        """The next request of this method gets this answer; after: although it was done; silent: none at all."""
        with self.lock:
            self.faults[method].append((status, body, headers, after, silent))

    def add(self, repo, title, key=None):
        """A key of somebody else's. Returns its id."""
        with self.lock:
            self.last += 1
            self.keys.append({"repo": repo, "id": self.last, "title": title, "read_only": True,
                              "key": key or f"ssh-ed25519 {self.last}", "created_at": self.now()})
            return self.last

    def titles(self, repo="org/app"):
        with self.lock:
            return [key["title"] for key in self.keys if key["repo"] == repo]

    def asked(self, method=None):
        with self.lock:
            return [target for was, target in self.requests if method in (None, was)]

    # -- what it answers

    @staticmethod
    def now():
        return datetime.now(timezone.utc).isoformat(timespec="seconds")

    def wrong(self, handler, text):
        with self.lock:
            self.problems.append(f"{handler.command} {handler.path}: {text}")

    def of(self, table, method, *when):
        with self.lock:
            for at, entry in enumerate(table[method]):
                if not when or entry[0] == when[0]:
                    return table[method].pop(at)
        return None

    def wait(self, handler, when):
        held = self.of(self.holds, handler.command, when)
        if held is not None:
            held[1].arrived.set()
            if not held[1].may_go.wait(2 * WAIT):
                self.wrong(handler, "the test never let it go on")

    def answer(self, handler):
        length = handler.headers.get_all("Content-Length", [])
        body = handler.rfile.read(int(length[0])) if length else b""
        with self.lock:
            self.requests.append((handler.command, handler.path))
        self.wait(handler, "before")
        fault = self.of(self.faults, handler.command)
        if fault is not None and not fault[3]:
            self.play(handler, fault)
            return
        status, value, headers = self.judge(handler, body)
        self.wait(handler, "after")
        if fault is not None:
            self.play(handler, fault)
        elif isinstance(value, str):
            handler.error(status, value)
        else:
            handler.json(status, value, headers)

    def play(self, handler, fault):
        status, body, headers, _, silent = fault
        handler.close_connection = True
        if silent:
            return
        handler.send_response(status)
        for name, value in headers:
            handler.send_header(name, value)
        handler.send_header("Connection", "close")
        handler.end_headers()
        with contextlib.suppress(OSError):  # a client that has had enough
            handler.wfile.write(body)

    def judge(self, handler, body):
        """Status, JSON or a message, fields."""
        target = urlsplit(handler.path)
        match = re.fullmatch(re.escape(self.prefix) + r"/api/v1/repos/([A-Za-z0-9._-]+)/([A-Za-z0-9._-]+)/keys(?:/([1-9][0-9]*))?",
                             target.path)
        allowed = {"GET", "POST"} if match and match[3] is None else {"DELETE"}
        if not match or handler.command not in allowed:
            self.wrong(handler, "the description has no such operation, or no test needs it")
            return 404, "not found", ()
        self.look_at_fields(handler, body)
        refusal, repo = self.refuse(handler, f"{match[1]}/{match[2]}"), f"{match[1]}/{match[2]}"
        if refusal is not None:
            return refusal
        if handler.command == "POST":
            return self.create(handler, repo, body)
        if handler.command == "GET":
            return self.list(handler, repo, target.query)
        return self.delete(repo, int(match[3]))

    def look_at_fields(self, handler, body):
        fields = collections.Counter(name.lower() for name in handler.headers)
        known = {"host", "user-agent", "accept", "authorization"} | ({"content-type", "content-length"} if handler.command == "POST" else set())
        if set(fields) != known or max(fields.values()) > 1:
            self.wrong(handler, f"fields {sorted(fields.elements())}")
        if handler.headers["Host"] != urlsplit(self.url).netloc or handler.headers["Accept"] != "application/json":
            self.wrong(handler, f"Host {handler.headers['Host']}, Accept {handler.headers['Accept']}")
        if handler.command == "POST" and handler.headers["Content-Type"] != "application/json":
            self.wrong(handler, f"Content-Type {handler.headers['Content-Type']}")
        if handler.command != "POST" and body:
            self.wrong(handler, "a body")

    def refuse(self, handler, repo):
        scheme, _, token = handler.headers.get("Authorization", "").partition(" ")
        if scheme != "token" or not token or " " in token:
            self.wrong(handler, "no Authorization: token")
            return 401, "token is required", ()
        if token not in self.tokens:
            return 401, "user does not exist [uid: 0, name: ]", ()
        may = self.tokens[token]
        if SCOPE not in may.get("scopes", {SCOPE}):
            return 403, f"token does not have at least one of required scope(s): [{SCOPE}]", ()
        if repo not in may.get("sees", self.repos) or repo not in self.repos:
            return 404, "The target couldn't be found.", ()
        if repo not in may.get("administers", self.repos):
            return 403, "user should be an owner or a collaborator with admin write of a repository", ()
        return None

    def create(self, handler, repo, body):
        try:
            option = json.loads(body, object_pairs_hook=no_duplicates)
        except ValueError as problem:
            self.wrong(handler, f"body: {problem}")
            return 422, str(problem), ()
        types = {"title": str, "key": str, "read_only": bool}
        if not isinstance(option, dict) or {name: type(value) for name, value in option.items()} != types or not option["title"]:
            self.wrong(handler, f"no CreateKeyOption: {option}")
            return 422, "[Title]: Required", ()
        if len(option["title"]) > 255:
            self.wrong(handler, "a title that its database cuts")
        try:
            _, blob = public_key(option["key"])
        except ValueError as problem:
            return 422, f"Invalid key content: {problem}", ()
        with self.lock:
            here = [key for key in self.keys if key["repo"] == repo]
            if blob in self.user_keys:
                return 422, "Key content has been used as non-deploy key", ()
            if any(key["key"].split(" ")[1] == option["key"].split(" ")[1] for key in here):
                return 422, "This key has already been added to this repository", ()
            if any(key["title"] == option["title"] for key in here):
                return 422, "A key with the same name already exists", ()
            self.last += 1
            self.keys.append({**option, "repo": repo, "id": self.last, "created_at": self.now()})
            self.changed(self.keys)
            return 201, self.shown(self.keys[-1]), ()

    def shown(self, key):
        """A DeployKey."""
        return {"id": key["id"], "key_id": key["id"] + 1000, "key": key["key"], "title": key["title"],
                "url": f"{self.url}/api/v1/repos/{key['repo']}/keys/{key['id']}", "fingerprint": f"SHA256:{key['id']}",
                "created_at": key["created_at"], "read_only": key["read_only"], "repository": {"id": 1, "full_name": key["repo"]}}

    def list(self, handler, repo, query):
        pairs = parse_qsl(query, strict_parsing=True)
        if [name for name, _ in pairs] != ["page", "limit"] or not all(value.isdigit() and int(value) >= 1 for _, value in pairs):
            self.wrong(handler, f"query {query}")
            return 422, "query", ()
        page, limit = int(pairs[0][1]), min(int(pairs[1][1]), MAX_RESPONSE_ITEMS)
        with self.lock:
            here = [self.shown(key) for key in self.keys if key["repo"] == repo]
        return 200, here[(page - 1) * limit:page * limit], [("X-Total-Count", str(len(here)))]

    def delete(self, repo, number):
        with self.lock:
            found = [key for key in self.keys if key["id"] == number]
            if found and found[0]["repo"] != repo:
                return 403, "You do not have access to this key", ()
            if not found and self.missing == 404:
                return 404, "The target couldn't be found.", ()
            self.keys = [key for key in self.keys if key["id"] != number]
            self.changed(self.keys)
            return 204, None, ()
