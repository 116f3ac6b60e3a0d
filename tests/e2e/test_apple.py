# SPDX-License-Identifier: GPL-3.0-or-later
"""What Apple's container asks of hostctl beside what all runtimes promise. `mac` is a host with the stand-in of
apple_container.py, which knows Apple's command reference; `both` is that once for each shape of its answers."""
import os
import signal
import subprocess

import pytest

import images
from spaces import WAIT, child_of, wait_for
from test_engines import Terminal, mine, status_in
from test_runtimes import STOPPER_FAILED, Up, state_of

NET_ADMIN = 1 << 12
NEVER = ("--sysctl=net.ipv4.ip_forward=0", "--security-opt=no-new-privileges", "--ip=192.168.64.9", "--add-host=a:1.2.3.4", "--restart=no",
         "--hostname=x", "--ipc=host")


def up(mac, reference, *command, options=()):
    done = mac.hostctl("up", "-f", mac.manifest, "--name", "i", "--runtime", "apple", "--image", reference, *options,
                       *(("--", *command) if command else ()))
    return done.returncode, done.stdout, done.stderr


def image(mac, name, **config):
    return mac.image(name, os.path.join(mac.dir, "small.tar"), **config)


# ---- the stand-in bites ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", NEVER)
def test_the_stand_in_refuses_what_the_reference_does_not_know(mac, option):
    words = "--name", "never", "--label=a=b", "--cap-drop=ALL"
    done = mac.engine("create", *words, option, "localhost/small:1", "true", status=None)
    assert done.returncode == 64 and done.stderr.startswith(f"Error: Unknown option '{option.partition('=')[0]}'\nUsage: container create"), done
    assert mac.engine("create", *words, "localhost/small:1", "true") == "never\n"  # the control
    mac.engine("delete", "never")


# ---- whether it is there -----------------------------------------------------------------------------------------------


def test_a_service_that_does_not_run_and_a_program_that_is_not_there_are_said_with_the_remedy(mac):
    bottle = lambda: up(mac, "localhost/small:1", "true")
    mac.service(False)
    try:
        assert bottle() == (STOPPER_FAILED, "", "hostctl up: apple: container's service does not run: start it with \"container system start\"\n")
    finally:
        mac.service(True)
    before = dict(mac.environment)
    try:
        mac.environment["PATH"] = mac.environment["PATH"].partition(":")[2]
        status, _, err = bottle()
        assert status == STOPPER_FAILED and "container is not on PATH" in err and "https://github.com/apple/container/releases" in err, err
        mac.environment |= {**before, "CONTAINER_VERSION": "0.11.1"}
        status, _, err = bottle()
        assert status == STOPPER_FAILED and "container is older than 0.12" in err and "https://github.com/apple/container/releases" in err, err
    finally:
        mac.environment |= before
    assert bottle() == (0, "", "")  # the control


def test_what_container_cannot_do_is_said_before_anything_is_made(mac):
    status, _, err = up(mac, "localhost/small:1", "true", options=("--detach",))
    assert status == STOPPER_FAILED and "--detach: container cannot attach to a command that runs" in err
    status, _, err = up(mac, "localhost/small:1", "true", options=("--cpus", "0.5"))
    assert status == STOPPER_FAILED and "Error: The value '0.5' is invalid for '--cpus <cpus>'" in err, err
    status, _, err = up(mac, "localhost/small:1", "true", options=("--route", "helper"))
    assert (status, err) == (STOPPER_FAILED, "hostctl up: --route=helper: with container no other container can act in the agent's network\n")
    assert up(mac, "localhost/small:1", "true", options=("--route", "shim")) == (0, "", "")  # what it does anyway
    status, _, err = up(mac, "localhost/never-made:1", "true")
    assert status == STOPPER_FAILED and "image localhost/never-made:1: " in err and "no registry answers" in err, err
    status, _, err = up(mac, "localhost/small:1", "true", options=("--sidecar-image", "localhost/small:1"))
    assert status == STOPPER_FAILED and "the sidecar ended" in err, err
    assert not mine(mac, "i") and state_of(mac, "i") is None


# ---- how the containers are made ---------------------------------------------------------------------------------------


def test_nat_comes_first_and_the_agent_is_on_the_inner_network_alone(both, bottle):
    names = {role: both.container(bottle.name, role) for role in ("sidecar", "agent")}
    inspected = {role: both.inspect(name) for role, name in names.items()}
    networks = {role: [each["network"] for each in it["configuration"]["networks"]] for role, it in inspected.items()}
    prefix = names["agent"].removesuffix("agent")
    assert networks == {"sidecar": [f"{prefix}egress", f"{prefix}inner"], "agent": [f"{prefix}inner"]}
    modes = {role: (it.get("configuration") or it["config"])["mode"] for role in ("egress", "inner")
             for it in [both.inspect(f"{prefix}{role}", "network")]}
    assert modes == {"egress": "nat", "inner": "hostOnly"}
    assert inspected["sidecar"]["configuration"]["readOnly"] is True
    for it in inspected.values():
        assert it["configuration"]["labels"] == {"stopper.bottle": bottle.name, "stopper.state": os.path.join(both.state, "stopper", "bottles", bottle.name)}
    # the sidecar asks nobody that the policy does not name; the agent asks the sidecar
    assert both.engine("exec", names["sidecar"], "/stopper/stopper-init", "ctl", "hello").startswith("{")
    attachments = (inspected["sidecar"]["status"] if both.version > "1" else inspected["sidecar"])["networks"]
    inner = next(each for each in attachments if each["network"].endswith("-inner"))
    assert bottle.agent.read(path="/etc/resolv.conf")["data"] == f"nameserver {(inner.get('ipv4Address') or inner['address']).partition('/')[0]}\n"


def test_the_shims_rights_are_gone_and_only_the_engines_own_exec_has_them_again(both, bottle):
    """By hand, past hostctl, the container is root's with what its PID 1 began with: that is written in SECURITY.md."""
    name = both.container(bottle.name, "agent")
    one = status_in(both.engine("exec", name, "cat", "/proc/1/status"))
    assert {one[key] for key in ("CapPrm", "CapEff", "CapBnd", "CapAmb", "CapInh")} == {"0" * 16}
    assert one["NoNewPrivs"] == "1" and one["Seccomp"] == "2" and "0" not in one["Uid"].split()
    route = "ip", "route", "replace", "192.0.2.0/24", "dev", "lo"
    done = both.hostctl("exec", bottle.name, "--", *route)
    assert done.returncode != 0 and "Operation not permitted" in done.stderr, done
    # the control: the same command does change the route where the right is there
    assert int(status_in(both.engine("exec", name, "cat", "/proc/self/status"))["CapEff"], 16) & NET_ADMIN
    assert both.engine("exec", name, *route) == ""
    both.engine("exec", name, "ip", "route", "del", "192.0.2.0/24")
    for path in "/etc/resolv.conf", "/stopper/shim/x", "/run/stopper/agent.json", "/run/stopper-ca/x":
        assert bottle.agent.run(argv=["sh", "-c", f"echo x >{path}"])["status"] != 0, path
    assert bottle.agent.run(argv=["cat", "/run/stopper/agent.json"])["status"] != 0


def test_the_sidecars_death_and_the_agents_end_the_bottle(both):
    for role, status, text in ("sidecar", STOPPER_FAILED, "the sidecar ended"), ("agent", 137, ""):
        bottle = Up(both, "sh", "-c", "echo up; exec sleep 1000")
        bottle.said("up")
        both.engine("kill", "--signal", "KILL", both.container("u", role))
        code, _, err = bottle.end()
        assert code == status and text in err, (role, code, err)
        assert not mine(both, "u") and state_of(both, "u") is None


def test_an_agent_that_is_started_again_runs_nothing(mac):
    """Its network is a new one, with the host's route; its PID 1 waits to be told again, and nobody tells it."""
    work = os.path.join(mac.dir, "again")
    os.mkdir(work)
    os.chmod(work, 0o777)
    bottle = Up(mac, "sh", "-c", "echo >ran; echo up; exec sleep 1000", options=("--mount", work))
    bottle.said("up")
    bottle.signal(signal.SIGKILL)
    bottle.process.wait(WAIT)
    assert os.listdir(work) == ["ran"]  # the control
    os.unlink(os.path.join(work, "ran"))
    name = mac.container("u", "agent")
    mac.engine("kill", name)
    wait_for(lambda: name not in mac.engine("list", "--quiet").split(), "its end")
    mac.engine("start", name)
    wait_for(lambda: mac.engine("exec", name, "ls", "/run/stopper", status=None).stdout == "door\n", "its PID 1")
    assert os.listdir(work) == []
    names = mac.engine("exec", name, "sh", "-c", "cat /proc/[0-9]*/comm").split()
    assert "stopper-shim" in names and "sleep" not in names
    assert mac.hostctl("down", "u").returncode == 0
    assert not mine(mac, "u")


def test_gc_removes_what_is_nobodys(both):
    both.engine("network", "create", "--label=stopper.state=/nonexistent", "stopper-x-000000-inner")
    both.engine("create", "--name", "stopper-x-000000-agent", "--label=stopper.state=/nonexistent", "--network",
               "stopper-x-000000-inner", "localhost/small:1", "true")
    both.engine("network", "create", "stopper-unmarked")
    try:
        assert both.hostctl("gc").stdout == "" and len(mine(both, "x")) == 2
        assert both.hostctl("gc", "--all").stdout.startswith("apple: 2 without a bottle\n")  # then the kept audits
        assert not mine(both, "x")
    finally:
        both.engine("network", "delete", "stopper-unmarked")  # it had no label: not ours


# ---- images ------------------------------------------------------------------------------------------------------------


def test_an_images_own_words_and_user_are_kept(both):
    reference = image(both, "wordy", Entrypoint=["/bin/sh", "-c", "id -un; pwd; echo $COLOUR $HOME; echo $0 $@", "zero"], Cmd=["one", "two"],
                      User="user", WorkingDir="/home/user", Env=["COLOUR=green"])
    assert up(both, reference) == (0, "user\n/home/user\ngreen /home/user\nzero one two\n", "")
    assert up(both, reference, "three", options=("-e", "COLOUR=blue", "-w", "/tmp")) == (0, "user\n/tmp\nblue /home/user\nzero three\n", "")


@pytest.mark.parametrize("user,status,words", [
    ("4711:4712", 0, "4711 4712 /\n"), ("4711", 0, "4711 4711 /\n"), ("1234", 0, "1234 1234 /home/user\n"),
    ("user:4712", 0, "1234 4712 /home/user\n"), ("nobodyknows", STOPPER_FAILED, "the image has no user \"nobodyknows\""),
    ("user:nogroup", STOPPER_FAILED, "the image has no group \"nogroup\""), ("0:0", 0, "1000 1000 /home/agent\n")])
def test_a_user_is_what_the_image_says_it_is_and_never_root(mac, user, status, words):
    reference = image(mac, "odd", User=user)
    done = up(mac, reference, "sh", "-c", "echo $(id -u) $(id -g) $HOME")
    assert done[0] == status and words in done[1 if status == 0 else 2], done
    assert not mine(mac, "i")


def test_what_the_image_leads_into_a_mount_is_left_alone(mac):
    """Its PID 1 is root while it adds the bottle's authority to the image's roots."""
    text, mark = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n", "# Stopper: the authority of this bottle"

    def fill(root):
        images.busybox(root)
        for path in "data", "etc/ssl", "etc/pki/tls":
            os.makedirs(os.path.join(root, path))
        for path in "data/roots.pem", "etc/pki/tls/cert.pem":
            with open(os.path.join(root, path), "w", encoding="ascii") as file:
                file.write(text)
        os.symlink("/data/roots.pem", f"{root}/etc/ssl/cert.pem")
        os.symlink("/home/agent/roots.pem", f"{root}/etc/ssl/ca-bundle.pem")
    reference = mac.image("leading", images.archive(mac.dir, "leading", fill))
    folder = os.path.join(mac.dir, "roots")
    os.mkdir(folder)
    with open(os.path.join(folder, "roots.pem"), "w", encoding="ascii") as file:
        file.write(text)
    count = "sh", "-c", f"for file in /etc/ssl/cert.pem /etc/pki/tls/cert.pem; do grep -c '{mark}' $file; done"
    assert up(mac, reference, *count, options=("--mount", f"{folder}:/data")) == (0, "0\n1\n", "")
    assert os.listdir(folder) == ["roots.pem"]
    with open(file.name, encoding="ascii") as file:
        assert file.read() == text
    assert up(mac, reference, *count) == (0, "1\n1\n", "")  # the control
    try:  # a volume is the user's, too
        command = "sh", "-c", f"[ -e ~/roots.pem ] || echo '{text}' >~/roots.pem; grep -c '{mark}' /etc/ssl/ca-bundle.pem"
        for _ in range(2):
            assert up(mac, reference, *command, options=("--home", "lab-home")) == (1, "0\n", "")
    finally:
        mac.engine("volume", "delete", "lab-home")


def test_a_home_stays_and_is_the_agents(mac):
    try:
        command = "sh", "-c", "cat ~/kept 2>/dev/null; echo once >>~/kept; cd; pwd"
        assert up(mac, "localhost/small:1", *command, options=("--home", "lab-home", "--memory", "64m")) == (0, "/home/agent\n", "")
        assert up(mac, "localhost/small:1", *command, options=("--home", "lab-home")) == (0, "once\n/home/agent\n", "")
    finally:
        mac.engine("volume", "delete", "lab-home")


def test_a_kept_agent_is_there_until_down(mac):
    status, _, err = up(mac, "localhost/small:1", "sh", "-c", "exit 3", options=("--keep",))
    name = mac.container("i", "agent")
    assert status == 3 and f"the container {name} was kept" in err, err
    assert mine(mac, "i") == [name, name.removesuffix("agent") + "inner"] and name not in mac.engine("list", "--quiet").split()
    assert mac.hostctl("down", "i").returncode == 0 and not mine(mac, "i")


# ---- a terminal --------------------------------------------------------------------------------------------------------


def test_the_command_has_the_users_terminal_and_its_size(mac):
    first = Terminal(mac, "up", "-f", mac.manifest, "--name", "t", *mac.options, "--", "sh", "-c",
                     "echo $TERM; tty; while read line; do stty size; echo got-$line; [ $line = end ] && exit 5; done")
    first.read(b"vt100")
    first.read(b"/dev/")
    subprocess.run(["stty", "-F", os.ttyname(first.slave), "rows", "40", "cols", "100"], check=True)
    os.kill(child_of(first.process.pid), signal.SIGWINCH)

    def size():
        first.write(b"two\n")
        return first.read(b"got-two")
    wait_for(lambda: b"40 100" in size(), "the size")
    assert mac.hostctl("attach", "t").returncode == STOPPER_FAILED
    first.write(b"end\n")
    assert first.end() == 5
    assert state_of(mac, "t") is None
