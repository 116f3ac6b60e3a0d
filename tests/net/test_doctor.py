# SPDX-License-Identifier: GPL-3.0-or-later
"""`hostctl doctor` on a bottle: all is ok, and when the lab opens a wall exactly that wall's line fails."""
import contextlib
import json
import os
import re
import subprocess

import pytest

from host import Host
from lab import program
from spaces import WAIT, tied, wait_for
from walls import forwarding, routed, rule
from world import RESOLVER

FAILED, UNWELL, USAGE = 125, 1, 2
NOWHERE = "ip daddr 192.0.2.0/24"  # where the probes' packets go: TEST-NET-1
INSIDE = ["routes", "ipv6", "route-change", "raw-sockets", "privileges", "no-new-privs", "seccomp", "user-namespaces", "init", "proc-sys",
          "host-sockets", "resolv-conf", "engine-resolver", "dns", "http", "tls", "metadata", "neighbours", "ports", "proxy-port",
          "sidecar-ports", "udp", "icmp", "ca"]
BESIDE = ["audit", "workers", "policy", "forwarding", "rules"]


class Patient:
    """A bottle of hostctl's with what opens its walls: root's hands in its namespaces."""

    def __init__(self, bottle):
        self.bottle, self.host, self.changed = bottle, bottle.host, set()  # lines that fail for good, once a rule was touched
        processes = self.host.processes()
        self.agent, self.sidecar = str(processes["stopper-shim"][0]), str(processes["stopper-init"][0])
        self.address = self.doctor_json()["sidecar"]

    def doctor_json(self):
        status = json.loads(self.host.hostctl("status", self.bottle.name, "--json").stdout)
        return {"sidecar": status["address"], "nonce": "ab" * 8, "user_namespaces": False, "ca": self.host.hostctl("ca", self.bottle.name).stdout}

    def sidecar_run(self, *argv, stdin=None):
        return self.host.space.run("nsenter", "-t", self.sidecar, "-n", *argv, input=stdin)

    def agents(self, *argv, spaces=("-n",), **named):
        return self.host.space.run("nsenter", "-t", self.agent, *spaces, *argv, **named)

    def agents_files(self, script):
        """A script of root's in the agent's view of files."""
        return self.agents("sh", "-ec", script, spaces=("-m", "-p", "-n"))

    @contextlib.contextmanager
    def running(self, *argv, spaces):
        """A process of root's making in namespaces of the agent's, which ends with its stdin."""
        process = tied(self.host.space.enter("nsenter", "-t", self.agent, *spaces, *argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                       env=self.host.environment)
        try:
            assert process.stdout.readline() == b"in\n"
            yield
        finally:
            process.communicate(timeout=WAIT)

    def doctor(self):
        """The names of the lines that fail."""
        done = self.host.hostctl("doctor", self.bottle.name, "--json")
        assert done.stderr == "", done
        said = json.loads(done.stdout)
        assert (said["bottle"], [line["name"] for line in said["checks"]]) == (self.bottle.name, INSIDE + BESIDE)
        failed = {line["name"]: line["said"] for line in said["checks"] if line["state"] == "fail"}
        assert all(line["state"] in ("ok", "fail") and (line["state"] == "ok") == ("remedy" not in line) for line in said["checks"])
        assert (done.returncode, said["ok"]) == ((UNWELL, False) if failed else (0, True))
        return failed


@pytest.fixture(scope="module")
def patient(host_bottle):
    return Patient(host_bottle)


@pytest.fixture(scope="module")
def ruled_patient(lab):
    """One whose rules are changed: that cannot be undone unseen."""
    host = Host(lab)
    try:
        bottle = host.up(options=("--allow-userns",))
        try:
            yield Patient(bottle)
        finally:
            bottle.close()
    finally:
        host.close()


def test_every_line_of_a_bottle_is_ok_and_its_probes_are_told_in_the_audit(patient):
    mark = patient.bottle.audit.mark()
    done = patient.host.hostctl("doctor", patient.bottle.name)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split(None, 3) for line in done.stdout.splitlines()]
    assert [line[:3] for line in lines] == [["ok", "bottle", name] for name in INSIDE] + [["ok", "sidecar", name] for name in BESIDE]
    name = re.search(r"under ([0-9a-f]{16}\.stopper-doctor\.invalid)$", done.stdout, re.M)[1]
    for kind, members in ("dns", {"reason": "dns-name"}), ("http", {"reason": "host-not-allowed", "path": f"/stopper-doctor/{name[:16]}/info/refs"}), \
            ("tls", {"reason": "ca-refused"}):
        patient.bottle.audit.wait(mark, kind=kind, verdict="block", host=name, **members)
    packet = patient.bottle.audit.wait(mark, kind="packet", verdict="block", port=443, protocol="udp")
    assert packet["address"] == f"192.0.2.{int(name[:2], 16) % 254 + 1}"


# ---- the agent's side: what is opened is closed again -------------------------------------------------------------------


@contextlib.contextmanager
def commands(there, back):
    there()
    try:
        yield
    finally:
        back()


def a_route_around(patient):
    route = ("ip", "route", "{}", "198.51.100.0/24", "dev", "agent0")
    return commands(lambda: patient.agents(*(word.format("add") for word in route)), lambda: patient.agents(*(word.format("del") for word in route)))


def ipv6(patient):
    switch = lambda value: patient.agents("sysctl", "-qw", f"net.ipv6.conf.agent0.disable_ipv6={value}")
    return commands(lambda: (switch(0), patient.agents("ip", "-6", "address", "add", "2001:db8:7::2/64", "dev", "agent0", "nodad")),
                    lambda: switch(1))


def a_process(*words):
    return lambda patient: patient.running(*words, "/bin/sh", "-c", "echo in; exec cat", spaces=("-p", "-m"))


ORDINARY = "setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"


def a_file_over(path, text="opened\n", mode="644"):
    """Another file at this place of the agent's."""
    source = f"/run/over{path.replace('/', '-')}"
    return lambda patient: commands(
        lambda: patient.agents_files(f"printf %s '{text}' >{source}; chmod {mode} {source}; mount --bind {source} {path}"),
        lambda: patient.agents_files(f"umount {path}; rm {source}"))


def a_socket(path, at=None):
    make = f"/usr/bin/python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"{path}\")'"
    there, back = (f"; : >{at}; mount --bind {path} {at}", f"umount {at}; rm {at}; ") if at else ("", "")
    return lambda patient: commands(lambda: patient.agents_files(make + there), lambda: patient.agents_files(f"{back}rm {path}"))


ANSWERS = """
import socket, sys, threading
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("127.0.0.11", 53))
print("in", flush=True)
def serve():
  while True:
    data, peer = sock.recvfrom(512)
    sock.sendto(data[:2] + b"\\x81\\x80" + data[4:], peer)
threading.Thread(target=serve, daemon=True).start()
sys.stdin.read()
"""


def an_engines_resolver(patient):
    return patient.running("/usr/bin/python3", "-c", ANSWERS, spaces=("-n",))


ENTERED = """#!/bin/sh
read line <&3
echo '{"ok":true}' >&3
"""
UNDROPPED = ENTERED + """\
export SSL_CERT_FILE=/run/stopper-ca/bundle.pem
exec setpriv --reuid=1000 --regid=1000 --clear-groups --inh-caps=-all,+net_admin --ambient-caps=-all,+net_admin /run/real-shim probe
"""


def another_shim(patient, script):
    place = "/run/stopper/stopper-shim"
    return commands(
        lambda: patient.agents_files(f"cp {place} /run/real-shim; cat >/run/another <<'END'\n{script}END\n"
                                     f"chmod 755 /run/another /run/real-shim; mount --bind /run/another {place}"),
        lambda: patient.agents_files(f"umount {place}; rm /run/another /run/real-shim"))


def a_shim_that_does_not_drop(patient):
    """In the place of the shim something that gives up nothing but root."""
    return another_shim(patient, UNDROPPED)


def the_policy(patient):
    def apply(*words):
        assert patient.host.hostctl("apply", patient.bottle.name, *words).returncode == 0
    wide = patient.host.write("wide.yaml", f'egress:\n  dns: [{RESOLVER}]\n  routes:\n    - {{host: "*.stopper-doctor.invalid"}}\n')
    return commands(lambda: apply("-f", wide), apply)


def a_worker_that_does_not_start(patient):
    """In the place of stopper-dns a program that ends."""
    inside = "nsenter", "-t", patient.sidecar, "-m", "-p"

    def states():
        return {worker["name"]: worker["state"] for worker in
                json.loads(patient.host.hostctl("status", patient.bottle.name, "--json").stdout)["workers"]}

    def there():
        patient.host.space.run(*inside, "mount", "--bind", "/usr/bin/false", "/stopper/stopper-dns")
        patient.host.kill(patient.host.processes()["stopper-dns"][0])
        wait_for(lambda: states()["stopper-dns"] == "down", "the end of stopper-dns")

    def back():
        patient.host.space.run(*inside, "umount", "/stopper/stopper-dns")
        wait_for(lambda: set(states().values()) == {"serving"}, "the workers", 30)
    return commands(there, back)


def the_audit(patient):
    path = os.path.join(patient.host.state, "stopper", "bottles", patient.bottle.name, "audit.jsonl")
    return commands(lambda: os.rename(path, path + ".away"), lambda: os.rename(path + ".away", path))


def the_forwarding(patient):
    return commands(lambda: forwarding(patient),
                    lambda: patient.sidecar_run("sysctl", "-qw", "net.ipv4.ip_forward=0", "net.ipv6.conf.all.forwarding=0"))


OPENED = {  # what is opened: how, and the lines that fail
    "a route around the sidecar": (a_route_around, {"routes"}),
    "IPv6": (ipv6, {"ipv6"}),
    "a root process": (a_process("setpriv", "--no-new-privs"), {"privileges", "seccomp"}),
    "a process without no_new_privs": (a_process(*ORDINARY), {"no-new-privs", "seccomp"}),
    "a process without a filter": (a_process(*ORDINARY, "--no-new-privs"), {"seccomp"}),
    "the drop": (a_shim_that_does_not_drop, {"route-change", "privileges", "no-new-privs", "seccomp", "user-namespaces"}),
    "PID 1": (a_file_over("/proc/1/environ"), {"init"}),
    "/proc/sys": (a_file_over("/proc/sys/net/ipv4/ip_forward", mode="666"), {"proc-sys"}),
    "a daemon's socket": (a_socket("/run/docker.sock"), {"host-sockets"}),
    "a mounted socket": (a_socket("/run/any", "/run/other"), {"host-sockets"}),
    "another resolver": (a_file_over("/etc/resolv.conf", "nameserver 192.0.2.1\\n"), {"resolv-conf"}),
    "an engine's resolver": (an_engines_resolver, {"engine-resolver"}),
    "the roots": (a_file_over("/run/stopper-ca/bundle.pem"), {"ca"}),
    "names": (the_policy, {"dns", "http"}),
    "a worker": (a_worker_that_does_not_start, {"workers", "dns"}),
    "the audit": (the_audit, {"audit"}),
    "forwarding": (the_forwarding, {"forwarding"}),
}


@pytest.mark.parametrize("wall", OPENED)
def test_an_opened_wall_fails_with_its_line_and_no_other(patient, wall):
    opening, lines = OPENED[wall]
    with opening(patient):
        failed = patient.doctor()
    assert set(failed) == lines, failed


ANSWERS_OF_THE_AGENTS = {  # what comes in the place of the shim's answer: what the doctor makes of it
    r"""cat >/dev/null; printf '%s' '{"probes":[{"name":"routes","ok":true,"said":"\u001b[31mred\nok    x"},{"name":"x","ok":true},7]}'""":
        {"said": "?[31mred?ok    x"},
    "cat >/dev/null; echo nonsense": {"said": "the shim says nothing of it"},
    "exit 1": {"said": "the shim says nothing of it"},
    "cat >/dev/null; yes | head -c 70000": {"error": "hostctl doctor: the shim says too much\n"},
}


@pytest.mark.parametrize("answer", ANSWERS_OF_THE_AGENTS)
def test_what_comes_from_inside_is_shown_as_text_and_believed_only_where_it_is_understood(patient, answer):
    wanted = ANSWERS_OF_THE_AGENTS[answer]
    with another_shim(patient, f"{ENTERED}{answer}\n"):
        done = patient.host.hostctl("doctor", patient.bottle.name)
    if "error" in wanted:
        assert (done.returncode, done.stdout, done.stderr) == (FAILED, "", wanted["error"])
        return
    lines = [line for line in done.stdout.splitlines() if line.split()[1] == "bottle"]
    assert (done.returncode, done.stderr, len(lines)) == (UNWELL, "", len(INSIDE)) and done.stdout.isascii() and "\x1b" not in done.stdout
    assert re.match(r"(ok  |FAIL)  bottle   routes           " + re.escape(wanted["said"]), lines[0]), lines[0]
    assert all(line.startswith("FAIL") for line in lines[1:])


def test_no_attempt_waits_for_the_operator_where_denied_requests_do(patient):
    text = f"egress:\n  dns: [{RESOLVER}]\n  on_denied: supervise\n  routes:\n    - host: allowed.test\n"
    assert patient.host.hostctl("apply", patient.bottle.name, "-f", patient.host.write("waiting.yaml", text)).returncode == 0
    assert patient.doctor() == {}
    assert json.loads(patient.host.hostctl("pending", patient.bottle.name, "--json").stdout) == []
    assert patient.host.hostctl("apply", patient.bottle.name).returncode == 0


def test_when_all_walls_are_closed_again_all_is_ok(patient):
    assert patient.doctor() == {}


def test_raw_sockets_and_more_are_found_open_by_root_past_the_shim(patient):
    """The probe itself, with all that root has: the bounding set of what hostctl starts leaves raw sockets closed twice."""
    name = os.path.join(patient.host.dir, "request")
    with open(name, "w", encoding="utf-8") as file:
        json.dump(patient.doctor_json(), file)
    out = patient.agents("sh", "-c", f'exec "$0" probe <"{name}"', program("stopper-shim"), spaces=("-n", "-p"))
    failed = {line["name"] for line in json.loads(out)["probes"] if not line["ok"]}
    assert failed >= {"raw-sockets", "route-change", "privileges", "no-new-privs", "seccomp", "user-namespaces"}
    assert not failed & {"routes", "ipv6", "dns", "http", "tls", "metadata", "ports", "proxy-port", "sidecar-ports", "udp"}


# ---- the sidecar's rules ------------------------------------------------------------------------------------------------


def handles(patient):
    table = json.loads(patient.sidecar_run("nft", "-j", "-a", "list", "table", "inet", "stopper"))["nftables"]
    return {(entry["rule"]["chain"], entry["rule"]["handle"]) for entry in table if "rule" in entry}


@contextlib.contextmanager
def rules(patient, opening):
    before = handles(patient)
    try:
        opening(patient)
        yield
    finally:
        for chain, handle in handles(patient) - before:
            patient.sidecar_run("nft", "delete", "rule", "inet", "stopper", chain, "handle", str(handle))
        for address in json.loads(patient.agents("ip", "-4", "-j", "address", "show", "agent0"))[0]["addr_info"]:
            if address["prefixlen"] == 24:
                patient.agents("ip", "address", "del", f"{address['local']}/24", "dev", "agent0")
        patient.sidecar_run("sh", "-c", "nft delete table ip lab 2>/dev/null; sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0")


def past(text):
    """Past the redirection, to where it was meant."""
    return lambda patient: rule(patient, "nat", f"{text.format(sidecar=patient.address)} accept")


def neighbours(patient):
    """The agent's network is as wide as containers have it, and one address there is not the sidecar's to answer for."""
    one = patient.address.rpartition(".")[0]
    own = json.loads(patient.agents("ip", "-4", "-j", "address", "show", "agent0"))[0]["addr_info"][0]["local"]
    patient.agents("ip", "address", "add", f"{own}/24", "dev", "agent0", "noprefixroute")
    patient.agents("ip", "route", "flush", "table", "local", "type", "broadcast", "dev", "agent0")
    said = patient.doctor()
    assert set(said) <= {"rules"}, said  # the control
    past(f"ip daddr {one}.254")(patient)


def pings(patient):
    patient.agents("sysctl", "-qw", "net.ipv4.ping_group_range=0 2147483647")
    said = patient.doctor()
    assert set(said) <= {"rules"}, said  # the control
    rule(patient, "agent", "ip protocol icmp accept")


RULES = {
    "the rule set": (lambda patient: rule(patient, "output", "counter"), set()),
    "the proxy's port": (lambda patient: rule(patient, "input", "tcp dport 9443 accept"), {"proxy-port"}),
    "the sidecar's ports": (past("ip daddr {sidecar} tcp dport 22"), {"sidecar-ports"}),
    "metadata": (past("ip daddr 169.254.169.254"), {"metadata"}),
    "HTTP": (past(f"{NOWHERE} tcp dport 80"), {"http"}),
    "TLS": (past(f"{NOWHERE} tcp dport 443"), {"tls"}),
    "DNS": (past(f"{NOWHERE} udp dport 53"), {"dns"}),
    "other ports": (past(f"{NOWHERE} tcp dport 9999"), {"ports"}),
    "neighbours": (neighbours, {"neighbours"}),
    "pings": (pings, {"icmp"}),
    "UDP, all the way": (routed(f"{NOWHERE} udp dport 9999"), {"udp", "forwarding"}),
}


@pytest.mark.parametrize("wall", RULES)
def test_an_opened_rule_fails_with_its_line_and_that_of_the_rules(ruled_patient, wall):
    opening, lines = RULES[wall]
    with rules(ruled_patient, opening):
        failed = ruled_patient.doctor()
    assert set(failed) == lines | {"rules"}, failed


def test_user_namespaces_are_ok_only_where_they_were_asked_for(ruled_patient):
    path = os.path.join(ruled_patient.host.state, "stopper", "bottles", ruled_patient.bottle.name, "record.json")
    with open(path, encoding="utf-8") as file:
        record = file.read()
    assert set(ruled_patient.doctor()) <= {"rules"}
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(record.replace('"user_namespaces"', '"never_asked_for"'))
        failed = ruled_patient.doctor()
        assert failed.pop("user-namespaces") == "the agent can make one, and is root in it" and set(failed) <= {"rules"}
    finally:
        with open(path, "w", encoding="utf-8") as file:
            file.write(record)


def test_a_bottle_that_does_not_run_and_wrong_words_are_said(patient):
    done = patient.host.hostctl("doctor", "absent")
    assert (done.returncode, done.stdout, done.stderr) == (FAILED, "", 'hostctl doctor: there is no bottle "absent"\n')
    for words, why in (("a", "b"), "name one bottle, or none"), ((patient.bottle.name, "--runtime", "netns"), "no option goes with its name"), \
            (("--runtime", "x"), 'unknown runtime "x"'):
        done = patient.host.hostctl("doctor", *words)
        assert (done.returncode, done.stdout) == (USAGE, "") and why in done.stderr, done


# ---- the machine --------------------------------------------------------------------------------------------------------

OWN = ["state", "leftovers", "config", "manifests", "known-hosts", "disk", "limits", "clock"]
NETNS = ["root", "namespaces", "programs", "cable", "uplink", "wall"]


def machine(host, *words, status=0, prefix=()):
    """{(area, name): (state, what was said, remedy)} of `hostctl doctor --json`."""
    done = subprocess.run(host.space.enter(*prefix, program("hostctl"), "doctor", "--json", *words), capture_output=True, text=True,
                          timeout=60, check=False, env=host.environment, cwd=host.dir)
    said = json.loads(done.stdout)
    assert (done.returncode, done.stderr, said["ok"], said["bottle"]) == (status, "", status == 0, None), done
    return {(line["area"], line["name"]): (line["state"], line["said"], line.get("remedy")) for line in said["checks"]}


def test_a_machine_that_can_run_bottles_is_ok_and_stays_as_it_was(host):
    said = machine(host, "--runtime", "netns")
    assert list(said) == [("host", name) for name in OWN] + [("netns", name) for name in NETNS] + [("host", "runtimes")]
    assert {state for state, _, _ in said.values()} == {"ok"}, said
    assert said["netns", "wall"][1] == "the kernel takes the sidecar's rule set; protocol 1"
    done = host.hostctl("doctor", "--runtime", "netns")
    assert (done.returncode, done.stderr) == (0, "") and re.search(r"^ok +netns +wall +the kernel takes", done.stdout, re.M), done
    host.clean()  # what was tried is gone


def test_what_is_wrong_with_a_machine_is_said_with_its_remedy(host):
    bottles = os.path.join(host.home, ".config", "stopper", "bottles")
    os.makedirs(bottles)
    for name, text in ("good", "env: {A: b}"), ("bad", "routes: []"):
        with open(os.path.join(bottles, f"{name}.md"), "w", encoding="ascii") as file:
            file.write(f"---\n{text}\n---\n")
    bottle = host.up()
    os.kill(bottle.hostctl_pid(), 9)
    bottle.process.wait(WAIT)
    bottle.close()
    wait_for(lambda: "stopper-init" not in host.processes(), "the sidecar's end")
    os.chmod(os.path.dirname(bottles), 0o777)
    said = machine(host, "--runtime", "netns", status=UNWELL)
    assert {key: value for key, value in said.items() if value[0] != "ok"} == {
        ("host", "leftovers"): ("fail", f"of bottles whose hostctl was killed: {bottle.name}", "hostctl gc removes them"),
        ("host", "config"): ("fail", f"{os.path.dirname(bottles)} is not a folder that only its owner, the caller, can write",
                             "chown it to who calls hostctl, and chmod go-w"),
        ("host", "manifests"): ("fail", "1 of 2 are wrong", "hostctl validate tells each error with its line")}
    os.chmod(os.path.dirname(bottles), 0o755)
    os.unlink(os.path.join(bottles, "bad.md"))
    assert host.hostctl("gc").stdout == f"{bottle.name}\n"
    assert {value[0] for value in machine(host, "--runtime", "netns").values()} == {"ok"}


def test_a_runtime_that_cannot_run_here_is_absent_or_fails_where_it_was_asked_for(host):
    nobody = "setpriv", "--reuid=1500", "--regid=1500", "--clear-groups", "env", f"XDG_STATE_HOME={host.dir}/none", "PATH=/nowhere"
    asked = machine(host, "--runtime", "netns", status=UNWELL, prefix=nobody)
    assert asked["netns", "root"] == ("fail", "the netns runtime needs root", "run it with sudo") and ("netns", "namespaces") not in asked
    every = machine(host, status=UNWELL, prefix=nobody)
    assert {area: every[area, name] for area, name in every if every[area, name][0] != "ok"} == {
        "netns": ("absent", "the netns runtime needs root", "run it with sudo"),
        "podman": ("absent", "podman is not installed", "apt install podman"),
        "docker": ("absent", "docker.io is not installed", "apt install docker.io"),
        "apple": ("absent", "container is not on PATH", "its releases are at https://github.com/apple/container/releases"),
        "host": ("fail", "bottles cannot be made here", "see what is missing for each above")}


def test_the_rule_set_is_only_tried_in_a_namespace_of_its_own(host):
    """As root of the host, which has none of its own to lose: nothing is changed."""
    done = subprocess.run(host.space.enter(program("stopper-init"), "try"), capture_output=True, text=True, timeout=WAIT, check=False)
    assert (done.returncode, json.loads(done.stdout)) == (1, {"ok": False, "error": "has to be PID 1 of a pid namespace of its own"})
    assert host.space.run("nft", "list", "ruleset") == host.before["rules"]
    out = host.space.run("unshare", "-n", "-p", "-f", program("stopper-init"), "try")  # the control
    assert json.loads(out)["ok"] is True


def test_a_kernel_that_does_not_take_the_rules_fails(host):
    """Without the right to change rules: what an old kernel would say is another error of the same call."""
    out = subprocess.run(host.space.enter("setpriv", "--bounding-set=-net_admin", "unshare", "-n", "-p", "-f", program("stopper-init"), "try"),
                         capture_output=True, text=True, timeout=WAIT, check=False)
    assert out.returncode == 1 and "Operation not permitted" in json.loads(out.stdout)["error"], out
