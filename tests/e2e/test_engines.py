# SPDX-License-Identifier: GPL-3.0-or-later
"""What the container runtimes promise beside what all do: how their containers are made, what the engine's own exec gains,
images of all sorts, and that whatever ends, nothing stays with the engine."""
import contextlib
import filecmp
import itertools
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import time

import pytest

import images
from engines import TOKEN
from gitea_api import VARIABLE, Forge, manifest
from images import archive, distroless
from spaces import WAIT, child_of, tied, wait_for

from test_runtimes import ASK, STOPPER_FAILED, SYSTEMS, Up, state_of, whole
from world import NAMES

NO_CAPABILITY = "0" * 16


def status_in(text):
    return {key: value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}


def mine(engine, name):
    """What the engine knows of this bottle."""
    return [thing for thing in engine.things() if thing.startswith(f"stopper-{name}-")]


# ---- how the containers are made ---------------------------------------------------------------------------------------


def test_the_sidecar_has_six_capabilities_and_the_agent_none(engine, sealed):
    sidecar, agent = (engine.inspect(engine.container(sealed.name, role)) for role in ("sidecar", "agent"))
    processes = {role: status_in(engine.space.run("cat", f"/proc/{inspected['State']['Pid']}/status"))
                 for role, inspected in (("sidecar", sidecar), ("agent", agent))}
    # init keeps five of the six for itself and leaves NET_ADMIN to the meter: capabilities(7)
    assert int(processes["sidecar"]["CapBnd"], 16) & ~sum(1 << cap for cap in (5, 6, 7, 8, 12, 18)) == 0
    assert {processes["agent"][key] for key in ("CapPrm", "CapEff", "CapBnd", "CapAmb", "CapInh")} == {NO_CAPABILITY}
    assert processes["agent"]["NoNewPrivs"] == processes["sidecar"]["NoNewPrivs"] == "1"
    assert sidecar["HostConfig"]["ReadonlyRootfs"] is True
    with open(f"/proc/{engine.space.pid}/root/proc/{sidecar['State']['Pid']}/mounts", encoding="ascii") as mounts:
        places = [line.split()[1] for line in mounts if " rw," in line and line.split()[2] in ("tmpfs", "overlay", "ext4")]
    assert "/run" in places and "/" not in places and "/stopper/shim" not in places


def test_engine_exec_as_root_gains_nothing(engine, sealed):
    """By hand, past hostctl and the shim. The control is a container with the capability."""
    name = engine.container(sealed.name, "agent")
    by_hand = lambda *words: engine.engine("exec", "-u", "0", name, *words, status=None)
    status = status_in(by_hand("cat", "/proc/self/status").stdout)
    assert {status[key] for key in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {NO_CAPABILITY} and status["NoNewPrivs"] == "1"
    route = "ip", "route", "replace", "default", "dev", "lo"
    done = by_hand(*route)
    assert done.returncode != 0 and "Operation not permitted" in done.stderr, done
    for command in "echo nameserver 1.1.1.1 >/etc/resolv.conf", "echo x >/etc/hosts", "echo x >/stopper/shim/x", "mount -t tmpfs x /tmp":
        assert by_hand("sh", "-c", command).returncode != 0, command
    assert by_hand("unshare", "-U", "true").returncode != 0
    assert engine.engine("run", "--rm", "--network", "none", "--cap-add", "NET_ADMIN", "localhost/small:1", *route) == ""
    assert sealed.agent.http(host="denied.test")["status"] == 403


def test_a_container_of_somebody_elses_is_out_of_reach(engine, sealed):
    """On another network of the engine's, with a service that its neighbours reach."""
    engine.engine("network", "create", "lab-net")
    engine.engine("run", "-d", "--name", "stranger", "--network", "lab-net", "localhost/agent:1", "/usr/bin/python3", "-m",
                  "http.server", "7005")
    try:
        address = engine.inspect("stranger")["NetworkSettings"]["Networks"]["lab-net"]["IPAddress"]
        ask = "sh", "-c", f"until wget -qO- http://{address}:7005/; do :; done"
        assert "Directory listing" in engine.engine("run", "--rm", "--network", "lab-net", "localhost/agent:1", *ask)  # the control
        assert sealed.agent.tcp(address=address, port=7005, send="hello\r\n\r\n")["error"] == "ECONNRESET"
    finally:
        engine.engine("kill", "stranger")
        engine.engine("rm", "-f", "stranger")
        engine.engine("network", "rm", "lab-net")


def test_the_shim_runs_nothing_in_a_container_that_is_not_sealed(engine, sealed):
    """Containers by hand around the bottle's own shim: each lacks one thing, and the last one nothing."""
    mounts = {mount["Destination"]: mount for mount in engine.inspect(engine.container(sealed.name, "agent"))["Mounts"]}
    address = sealed.agent.read(path="/etc/resolv.conf")["data"].split()[1]
    configuration = {"protocol": 1, "sealed": True, "interface": engine.agent_link, "gateway": address, "resolver": address,
                     "env": {}, "cwd": "/"}
    inside = f"container:{engine.container(sealed.name, engine.network)}"
    inner = next(thing for thing in engine.things() if thing.startswith(f"stopper-{sealed.name}-") and thing.endswith("-inner"))
    good = {"--network": inside, "--user": "1000:1000", "--cap-drop": "ALL", "--security-opt": "no-new-privileges"}
    for change, words in (({"--network": inner}, "network: "), ({"--cap-add": "NET_ADMIN"}, "sealed: bounding set: capability 12"),
                          ({"--user": "0:0"}, "sealed: the process is root"),
                          ({"--security-opt": "label=disable"}, "sealed: the container was made without no-new-privileges"), ({}, None)):
        options = [word for item in {**good, **change}.items() for word in item]
        engine.engine("run", "-d", "--name", "byhand", *options, "--volume", f"{mounts['/stopper/shim']['Name']}:/stopper/shim:ro",
                      "--volume", f"{mounts['/etc/resolv.conf']['Source']}:/etc/resolv.conf:ro", "--tmpfs", "/run/stopper:rw,mode=1777",
                      "--entrypoint", "/stopper/shim/stopper-shim", "localhost/small:1", "contained", "--", "sh", "-c",
                      "echo ran; exec sleep 1000")
        try:
            answer = json.loads(engine.engine("exec", "-i", "byhand", "/stopper/shim/stopper-shim", "configure",
                                              stdin=json.dumps(configuration) + "\n", status=None).stdout)
            if words is None:
                assert answer == {"ok": True}
                wait_for(lambda: engine.engine("logs", "byhand") == "ran\n", "the control")
            else:
                assert answer["ok"] is False and answer["error"].startswith(words), answer
                assert engine.engine("logs", "byhand") == ""
        finally:
            engine.engine("kill", "byhand", status=None)  # rm alone waits for it
            engine.engine("rm", "-f", "byhand")


def test_a_restarted_agent_runs_nothing(engine):
    """Its network would be a new one, without the route."""
    work = os.path.join(engine.dir, "restarted")
    os.mkdir(work)
    os.chmod(work, 0o777)
    done = engine.hostctl("up", "-f", engine.manifest, "--name", "d", *engine.options, "--detach", "--mount", work, "--", "sh", "-c",
                          "echo >ran; exec sleep 1000")
    assert done.returncode == 0 and "runs on" in done.stderr, done
    try:
        wait_for(lambda: os.listdir(work) == ["ran"], "the control")
        os.unlink(os.path.join(work, "ran"))
        name = engine.container("d", "agent")
        engine.engine("restart", "-t", "0", name)
        done = engine.hostctl("exec", "d", "--", "true")
        assert done.returncode == STOPPER_FAILED or done.returncode == 1, done
        assert os.listdir(work) == [] and "sleep 1000" not in engine.space.run("ps", "-e", "-o", "args")
    finally:
        assert engine.hostctl("down", "d").returncode == 0


def test_the_engines_own_resolver_is_closed(engine, sealed):
    """docker has one in every namespace of its networks; podman's own would be on the bridge, which has no address."""
    for server in "127.0.0.11", "127.0.0.1":
        assert sealed.agent.dns(server=server, name="plain.test", timeout=2)["error"] in ("EHOSTUNREACH", "ECONNREFUSED"), server
    if engine.runtime == "docker":  # the control: in another container it answers
        engine.engine("network", "create", "lab-net")
        try:
            probe = "import sys; sys.path.insert(0, '/lab'); import probes; print(probes.dns('127.0.0.11', 'plain.test', timeout=5))"
            out = engine.engine("run", "--rm", "--network", "lab-net", "--dns", "203.0.113.53", "--volume", f"{sealed.work}/lab:/lab:ro", "localhost/agent:1",
                                "/usr/bin/python3", "-B", "-c", probe)
            assert NAMES["plain.test"] in out, out
            assert sealed.agent.dns(server="127.0.0.11", name="plain.test", timeout=2)["error"] == "EHOSTUNREACH"
        finally:
            engine.engine("network", "rm", "lab-net")


# ---- the network sealed by the agent's own PID 1 -----------------------------------------------------------------------


def test_the_shim_can_seal_the_network_itself(engine):
    """No other container acts in the agent's network then; what the engine's own exec gains by it is in SECURITY.md."""
    if engine.mapped:
        done = engine.run("true", options=("--route", "shim"))
        assert (done.returncode, done.stdout) == (STOPPER_FAILED, "") and \
            done.stderr == f"hostctl up: --route=shim: without root {engine.tool} gives the agent's container no power over its network\n", done
        return
    bottle = engine.up(options=("--route", "shim"))
    try:
        agent, name = bottle.agent, engine.container(bottle.name, "agent")
        assert [thing for thing in mine(engine, bottle.name) if thing.endswith(("-pause", "-route", "-trust"))] == []
        assert agent.https(host="allowed.test")["status"] == 200 and agent.http(host="denied.test")["status"] == 403
        assert agent.udp(address="203.0.113.99", port=443)["error"] == "EHOSTUNREACH"
        assert agent.dns(server="127.0.0.11", name="plain.test", timeout=2)["error"] in ("EHOSTUNREACH", "ECONNREFUSED")
        one = status_in(engine.engine("exec", name, "cat", "/proc/1/status"))
        assert {one[key] for key in ("CapPrm", "CapEff", "CapBnd", "CapAmb", "CapInh")} == {NO_CAPABILITY}
        assert one["NoNewPrivs"] == "1" and one["Uid"].split() == [str(engine.number)] * 4
        for words in ("ip", "route", "replace", "192.0.2.0/24", "dev", "lo"), ("sh", "-c", "echo x >/etc/resolv.conf"), \
                ("cat", "/run/stopper/agent.json"), ("sh", "-c", "echo x >>/etc/ssl/certs/ca-certificates.crt"):
            done = engine.hostctl("exec", bottle.name, "--", *words)
            assert done.returncode != 0 and ("denied" in done.stderr or "permitted" in done.stderr or "Read-only" in done.stderr), done
        done = agent.run(argv=["env", "-i", "/usr/bin/python3", "-c", SYSTEMS])
        said = json.loads(done["out"])
        assert (said["marks"], said["owner"], said["file"], said["folder"]) == (1, 0, "you said \n", "you said \n")
        # by hand, past hostctl, it has the rights again that its PID 1 gave up: the control, and the price
        assert engine.engine("exec", name, "ip", "route", "replace", "192.0.2.0/24", "dev", "lo") == ""
        assert int(status_in(engine.engine("exec", name, "cat", "/proc/self/status"))["CapEff"], 16) == sum(1 << cap for cap in (5, 6, 7, 8, 12))
    finally:
        bottle.close()
    reference = image(engine, "itself", "USER user")
    assert up(engine, reference, "sh", "-c", "id -u; echo $HOME", options=("--route", "shim")) == (0, "1234\n/home/user\n", "")
    assert not mine(engine, "i")


# ---- images ------------------------------------------------------------------------------------------------------------


def image(engine, name, *changes):
    """The small image with other words about itself."""
    archive = os.path.join(engine.dir, "small.tar")
    words = [word for change in changes for word in ("--change", change)]
    engine.engine("import", *words, archive, f"localhost/{name}:1")
    return f"localhost/{name}:1"


def up(engine, reference, *command, options=()):
    words = ("--", *command) if command else ()
    done = engine.hostctl("up", "-f", engine.manifest, "--name", "i", "--runtime", engine.runtime, "--image", reference, *options, *words)
    return done.returncode, done.stdout, done.stderr


def test_an_images_own_words_are_kept(engine):
    reference = image(engine, "wordy", 'ENTRYPOINT ["/bin/sh", "-c", "id -un; pwd; echo $COLOUR $HOME; echo $0 $@", "zero"]',
                      'CMD ["one", "two"]', "USER user", "WORKDIR /home/user", "ENV COLOUR=green")
    assert up(engine, reference) == (0, "user\n/home/user\ngreen /home/user\nzero one two\n", "")
    status, out, err = up(engine, reference, "three", options=("-e", "COLOUR=blue", "-w", "/tmp"))
    assert (status, out, err) == (0, "user\n/tmp\nblue /home/user\nzero three\n", "")


def test_an_images_own_user_is_the_caller_where_numbers_are_mapped(engine):
    work = os.path.join(engine.dir, "numbered")
    os.mkdir(work)
    os.chmod(work, 0o777)
    reference = image(engine, "numbered", "USER 4711:4712")
    assert up(engine, reference, "sh", "-c", "id -u; id -g; echo >/work/numbered/made", options=("--mount", work)) == (0, "4711\n4712\n", "")
    info = os.stat(os.path.join(work, "made"))
    assert (info.st_uid, info.st_gid) == (engine.caller if engine.mapped else (4711, 4712))


def test_odd_images_work_or_say_why_not(engine):
    small = "localhost/small:1"  # no Python, no roots, no resolv.conf, busybox only
    status, out, err = up(engine, small, "sh", "-c", "id -u; cat /etc/resolv.conf; wget -qO- http://plain.test/; ls /run/stopper-ca")
    assert status == 0 and out.startswith(f"{engine.number}\nnameserver ") and "I am plain.test" in out and "ca.pem" in out, (out, err)
    status, _, err = up(engine, image(engine, "absent", 'ENTRYPOINT ["/absent"]'))
    assert status == 127 and "/absent: command not found" in err
    status, _, err = up(engine, image(engine, "stranger", "USER nobodyknows"), "true")
    assert status == STOPPER_FAILED and "nobodyknows" in err, err
    assert up(engine, image(engine, "number", "USER 4711:4712"), "sh", "-c", "id -u; id -g; cd; pwd")[:2] == (0, "4711\n4712\n/\n")
    status, _, err = up(engine, "localhost/never-made:1", "true")
    assert status == STOPPER_FAILED and "image localhost/never-made:1: " in err, err
    assert not mine(engine, "i")


def test_an_image_with_musl_and_without_a_shell_or_etc_works(engine):
    archive(engine.dir, "bare", distroless)
    engine.engine("import", "--change", 'ENTRYPOINT ["/fetch"]', os.path.join(engine.dir, "bare.tar"), "localhost/bare:1")
    status, out, err = up(engine, "localhost/bare:1", "plain.test")
    assert status == 0 and out.startswith(f"uid {engine.number}\n") and "I am plain.test" in out, (out, err)
    status, out, err = up(engine, "localhost/bare:1", "denied.test")
    assert status == 0 and " 403 " in out and "urn:stopper:denial:host-not-allowed" in out, (out, err)


def test_an_images_roots_are_extended_where_they_are_and_no_mount_is_written(engine):
    """Its roots and their folder cannot be written, links lead to them, and one leads to where the user mounts something."""
    roots, mark = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n", "\n# Stopper: the authority of this bottle\n"
    pem = "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"

    def fill(root):
        images.busybox(root)
        for path in pem, "/data/roots.pem":
            path = root + path
            os.makedirs(os.path.dirname(path))
            with open(path, "w", encoding="ascii") as file:
                file.write(roots)
            os.chmod(path, 0o444)
            os.chmod(os.path.dirname(path), 0o555)
        os.makedirs(f"{root}/etc/pki/tls/certs")
        os.makedirs(f"{root}/etc/ssl")
        for link, target in ("pki/tls/certs/ca-bundle.crt", pem), ("ssl/certs", "../pki/tls/certs"), ("ssl/cert.pem", "/data/roots.pem"), \
                ("ssl/ca-bundle.pem", "/proc/self/environ"):
            os.symlink(target, f"{root}/etc/{link}")
    engine.engine("import", images.archive(engine.dir, "rooted", fill), "localhost/rooted:1")
    folder = os.path.join(engine.dir, "roots")
    os.mkdir(folder)
    os.chmod(folder, 0o777)
    with open(os.path.join(folder, "roots.pem"), "w", encoding="ascii") as file:
        file.write(roots)
    os.chmod(file.name, 0o666)
    look = "sh", "-c", f"cat /etc/ssl/cert.pem; echo @; cat {pem}; echo @; ls -ln {pem} /etc/pki/tls/certs; cat /run/stopper-ca/ca.pem >&2"
    for options, extended in (("--mount", f"{folder}:/data"), False), ((), True):
        status, out, ca = up(engine, "localhost/rooted:1", *look, options=options)
        linked, system, listed = out.split("@\n")
        assert (status, linked, system) == (0, roots + mark + ca if extended else roots, roots + mark + ca) and "BEGIN" in ca, (out, ca)
        assert f"{pem}\n" in listed and listed.startswith("-rw-r--r--    1 0        0 "), listed
        assert f" ca-bundle.crt -> {pem}\n" in listed and len([line for line in listed.split("\n") if line.endswith(".0")]) == 1, listed
    assert os.listdir(folder) == ["roots.pem"]
    with open(file.name, encoding="ascii") as file:
        assert file.read() == roots
    assert not mine(engine, "i")


@pytest.mark.parametrize("route", ["helper", "shim"])
def test_an_etc_that_is_a_mount_is_not_written_and_works_or_says_why_not(pod, route):
    """The user's configuration of the engine mounts a folder over every container's /etc, of which hostctl knows nothing. The engine
    itself then needs the places of its own files there."""
    folder, before = os.path.join(pod.dir, f"etc-{route}"), dict(pod.environment)
    bundle = os.path.join(folder, "ssl/certs/ca-certificates.crt")
    os.makedirs(os.path.dirname(bundle))
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", bundle)
    with open(before["CONTAINERS_CONF"], encoding="utf-8") as file:
        text = file.read()
    command, options = ("/usr/bin/python3", "-c", ASK, "other.test"), ("--route", route)

    def mounted(option):
        pod.environment["CONTAINERS_CONF"] = pod.write("etc.conf", text.replace("[containers]\n", f'[containers]\nvolumes=["{folder}:/etc{option}"]\n'))
    try:
        mounted(":ro")
        done = pod.run(*command, options=options)
        assert done.returncode == STOPPER_FAILED and "/merged/etc/" in done.stderr and \
            done.stderr.endswith(": read-only file system\n"), done
        for name, content in ("passwd", "root:x:0:0::/root:/bin/sh\n"), ("group", "root:x:0:\n"), ("nsswitch.conf", "hosts: files dns\n"), \
                ("resolv.conf", ""), ("hosts", ""), ("hostname", ""):
            with open(os.path.join(folder, name), "w", encoding="ascii") as file:
                file.write(content)
        for option in ":ro", "":
            mounted(option)
            done = pod.run(*command, options=options)
            assert (done.returncode, done.stdout, done.stderr) == (0, '["you said \\n", null]\n', ""), done
            assert os.listdir(os.path.dirname(bundle)) == ["ca-certificates.crt"] and filecmp.cmp(bundle, "/etc/ssl/certs/ca-certificates.crt", False)
    finally:
        pod.environment |= before
    assert not mine(pod, "r")


def test_a_tag_that_moves_while_a_bottle_is_made_changes_nothing(engine):
    """A program before the engine's own moves the tags of both images to another one as soon as the sidecar is made."""
    engine.engine("tag", "localhost/agent:1", "localhost/moving:1")
    engine.engine("tag", engine.sidecar_image, "localhost/moving-sidecar:1")
    folder, before = os.path.join(engine.dir, "moving"), dict(engine.environment)
    os.mkdir(folder)
    with open(os.path.join(folder, engine.tool), "w", encoding="ascii") as file:
        file.write(f"""#!/bin/sh
PATH={before["PATH"]}
case "$1 $*" in
"create "*"-agent --label"*|"run "*) for name in moving moving-sidecar; do {engine.tool} tag localhost/small:1 localhost/$name:1 || exit 99; done ;;
esac
exec {engine.tool} "$@"
""")
    os.chmod(file.name, 0o755)
    engine.environment["PATH"] = f"{folder}:{before['PATH']}"
    words = "sh", "-c", "test -e /usr/bin/python3 && grep -c '^# Stopper: ' /etc/ssl/certs/ca-certificates.crt"
    options = "--sidecar-image", "localhost/moving-sidecar:1"
    try:
        assert up(engine, "localhost/moving:1", *words, options=options) == (0, "1\n", "")
        assert up(engine, "localhost/moving:1", *words)[:2] == (1, "")  # the control: now it is the other
        status, _, err = up(engine, "localhost/small:1", "true", options=options)
        assert status == STOPPER_FAILED and "stopper-init" in err, err
    finally:
        engine.environment |= before
    assert not mine(engine, "i")


def test_a_step_that_fails_is_undone(engine):
    status, _, err = up(engine, "localhost/small:1", "true", options=("--sidecar-image", "localhost/small:1"))
    assert status == STOPPER_FAILED and "stopper-init" in err, err
    assert not mine(engine, "i") and state_of(engine, "i") is None
    status, _, err = up(engine, "localhost/small:1", "true", options=("-w", "/absent"))
    assert status == STOPPER_FAILED and "cwd: /absent" in err, err
    assert not mine(engine, "i") and state_of(engine, "i") is None


def test_limits_are_kept_or_refused(engine):
    command = "sh", "-c", "cat /sys/fs/cgroup/memory/memory.limit_in_bytes || cat /sys/fs/cgroup/memory.max"
    status, out, err = up(engine, "localhost/small:1", *command, options=("--memory", "64m", "--cpus", "0.5"))
    if engine.limits:
        assert (status, out, err) == (0, f"{64 << 20}\n", "")
    else:
        assert status == STOPPER_FAILED and err == f"hostctl up: --memory, --cpus: {engine.tool} cannot keep limits here\n"


def test_a_home_that_stays(engine):
    try:
        options = "--home", "lab-home"
        command = "cat ~/kept 2>/dev/null; echo once >>~/kept; cd; pwd"
        assert up(engine, "localhost/small:1", "sh", "-c", command, options=options) == (0, "/home/agent\n", "")
        assert up(engine, "localhost/small:1", "sh", "-c", command, options=options)[1].startswith("once\n")
    finally:
        engine.engine("volume", "rm", "lab-home")


# ---- attaching ---------------------------------------------------------------------------------------------------------


class Terminal:
    """A user's terminal with hostctl in it."""

    def __init__(self, host, *words):
        self.master, self.slave = pty.openpty()
        self.process = tied(host.command(*words), env={**host.environment, "TERM": "vt100"}, cwd=host.dir, stdin=self.slave,
                            stdout=self.slave, stderr=self.slave)
        self.seen = b""

    def read(self, until):
        while until not in self.seen:
            assert select.select([self.master], [], [], WAIT)[0], self.seen
            self.seen += os.read(self.master, 4096)
        before, _, self.seen = self.seen.partition(until)
        return before

    def write(self, data):
        os.write(self.master, data)

    def end(self):
        status = self.process.wait(WAIT)
        os.close(self.master)
        os.close(self.slave)
        return status


def test_detach_and_attach_again(engine):
    first = Terminal(engine, "up", "-f", engine.manifest, "--name", "t", *engine.options, "--", "sh", "-c",
                     "echo $TERM; tty; while read line; do stty size; echo got-$line; [ $line = end ] && exit 5; done")
    first.read(b"vt100")
    first.read(b"/dev/")
    first.write(b"one\n")
    first.read(b"got-one")
    subprocess.run(["stty", "-F", os.ttyname(first.slave), "rows", "40", "cols", "100"], check=True)
    os.kill(child_of(first.process.pid), signal.SIGWINCH)

    def size():
        first.write(b"two\n")
        return first.read(b"got-two")
    wait_for(lambda: b"40 100" in size(), "the size")
    keys = itertools.cycle((b"\x10", b"\x11"))  # one at a time, as a hand does; podman knows them so only

    def detached():
        first.write(next(keys))
        return first.process.poll() is not None
    wait_for(detached, "the detachment")
    first.read(b"runs on")
    assert first.end() == 0
    assert state_of(engine, "t") == "detached"
    assert engine.hostctl("gc").stdout == "" and engine.hostctl("exec", "t", "--", "true").returncode == 0
    assert engine.hostctl("up", "-f", engine.manifest, "--name", "t", *engine.options, "--", "true").returncode == STOPPER_FAILED
    second = Terminal(engine, "attach", "t")
    wait_for(lambda: state_of(engine, "t") == "running", "the attachment")
    second.write(b"three\n")
    second.read(b"got-three")
    second.write(b"end\n")
    assert second.end() == 5
    assert state_of(engine, "t") is None and engine.hostctl("attach", "t").returncode == STOPPER_FAILED


# ---- the end -----------------------------------------------------------------------------------------------------------


def test_a_dead_sidecar_or_agent_ends_the_bottle(engine):
    for role, status, text in ("sidecar", STOPPER_FAILED, "the sidecar ended"), ("agent", 137, ""):
        bottle = Up(engine, "sh", "-c", "echo up; exec sleep 1000")
        bottle.said("up")
        engine.engine("kill", "--signal", "KILL", engine.container("u", role))
        code, _, err = bottle.end()
        assert code == status and text in err, (role, code, err)
        assert not mine(engine, "u") and state_of(engine, "u") is None


@pytest.mark.parametrize("moment", range(6))
def test_an_end_at_any_moment_leaves_nothing(engine, moment):
    bottle = Up(engine, "sleep", "1000")
    pid = child_of(bottle.process.pid)
    time.sleep(moment * 0.35)  # no event to wait for: the moments themselves are the test
    os.kill(pid, signal.SIGKILL if moment % 2 else signal.SIGTERM)
    bottle.process.communicate(timeout=WAIT * 2)
    done = engine.hostctl("gc")
    assert (done.returncode, done.stderr) == (0, "") and not mine(engine, "u") and state_of(engine, "u") is None, done


def test_what_is_to_be_kept_stays_until_down(engine):
    status, out, err = up(engine, "localhost/small:1", "sh", "-c", "echo inside >/tmp/made; exit 3", options=("--keep",))
    name = engine.container("i", "agent")
    assert (status, out) == (3, "") and f"the container {name} was kept" in err
    assert state_of(engine, "i") == "kept" and engine.hostctl("gc").stdout == "" and whole(engine, "i")
    assert [thing for thing in mine(engine, "i") if thing.endswith(("-sidecar", "-egress", "-pause"))] == []
    engine.engine("cp", f"{name}:/tmp/made", os.path.join(engine.home, "made"))
    with open(os.path.join(engine.home, "made"), encoding="ascii") as file:
        assert file.read() == "inside\n"
    os.unlink(os.path.join(engine.home, "made"))
    assert up(engine, "localhost/small:1", "true")[0] == STOPPER_FAILED and engine.hostctl("attach", "i").returncode == STOPPER_FAILED
    assert engine.hostctl("down", "i").returncode == 0 and not mine(engine, "i") and whole(engine, "i")


def test_a_deploy_key_goes_with_its_bottle_also_when_that_was_detached_or_is_kept(pod):
    forge = Forge(pod.space)
    forge.tokens = {TOKEN: {}}
    bottle = ("up", "-f", pod.write("keys.yaml", manifest(("app", "org/app.git", forge.url))), "--name", "k", *pod.options)
    without = {name: value for name, value in pod.environment.items() if name != VARIABLE}
    try:
        assert pod.hostctl(*bottle, "--detach", "--", "sleep", "1000").returncode == 0
        (key,) = forge.keys
        assert state_of(pod, "k") == "detached" and pod.hostctl("gc").stdout == "" and forge.keys == [key]
        down = subprocess.run(pod.command("down", "k"), capture_output=True, text=True, timeout=60, check=False, env=without, cwd=pod.dir)
        assert down.returncode == STOPPER_FAILED and f'k: deploy key {key["id"]}, ' in down.stderr and VARIABLE in down.stderr, down
        assert not mine(pod, "k") and state_of(pod, "k") == "keys" and forge.keys == [key]
        assert pod.hostctl("down", "k").returncode == 0 and forge.keys == [] and state_of(pod, "k") is None
        assert pod.hostctl(*bottle, "--keep", "--", "true").returncode == 0
        assert len(forge.asked("POST")) == 2 and forge.keys == [] and state_of(pod, "k") == "kept"
        assert pod.hostctl("down", "k").returncode == 0 and state_of(pod, "k") is None
    finally:
        pod.hostctl("down", "k")
        forge.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(pod.state, "stopper", "label"))
    forge.reset()


def test_gc_removes_what_is_nobodys(engine):
    bottle = Up(engine, "sh", "-c", "echo up; exec sleep 1000")
    bottle.said("up")
    bottle.signal(signal.SIGKILL)
    bottle.process.wait(WAIT)
    assert mine(engine, "u") and engine.hostctl("gc", "--all").stdout.startswith("u\n")  # by its state folder; then the kept audits
    assert not mine(engine, "u")
    engine.engine("volume", "create", "--label", "stopper.state=/nonexistent", "stopper-x-000000-shim")
    engine.engine("volume", "create", "stopper-unmarked")
    assert engine.hostctl("gc").stdout == "" and "stopper-x-000000-shim" in engine.things()
    assert engine.hostctl("gc", "--all").stdout.startswith(f"{engine.runtime}: 1 without a bottle\n")
    engine.engine("volume", "rm", "stopper-unmarked")  # it had no label: not ours
    assert not mine(engine, "x")
