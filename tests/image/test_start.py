# SPDX-License-Identifier: GPL-3.0-or-later
"""The image started by an engine, as a sidecar: read-only, with six capabilities, with what a container cannot change."""
import json
import os
import shutil

import pytest

import probes
from container import NEEDED, SEALED, ContainerBottle, Engine
from lab import SIDECAR_ADDRESS, Lab
from spaces import WAIT, wait_for
from world import NAMES, RESOLVER

SECRET = "value-of-the-token"
POLICY = {"protocol": 1, "dns": {"upstreams": [RESOLVER]},
          "routes": [{"host": "plain.test", "insecure": True, "auth": {"scheme": "Bearer", "secret": "PLAIN_TOKEN"}},
                     {"host": "allowed.test", "tls": {"passthrough": True}}]}


@pytest.fixture(scope="module")
def lab():
    if os.geteuid() != 0:
        pytest.exit("namespaces and containers need root", 2)
    made = Lab(f"image-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}")
    yield made
    made.close()


@pytest.fixture(scope="module")
def engine(image):
    made = Engine(image)
    yield made
    made.close()


@pytest.fixture(scope="module")
def mounted(lab, engine):
    """A sidecar that starts from mounted files alone."""
    folder = os.path.join(lab.dir, "mounted")
    os.mkdir(folder)
    for name, content, mode in ("policy.json", POLICY, 0o644), ("secrets.json", {"PLAIN_TOKEN": SECRET}, 0o600):
        with open(f"{folder}/{name}", "w", encoding="ascii") as file:
            json.dump(content, file)
        os.chmod(f"{folder}/{name}", mode)
    made = ContainerBottle(lab, engine, "--policy", "/etc/stopper/policy.json", "--secrets", "/etc/stopper/secrets.json",
                           options=("--volume", f"{folder}:/etc/stopper:ro"))
    yield made
    made.close()


def test_a_mounted_policy_alone_makes_a_sidecar(lab, mounted):
    """No ctl before this: denied and allowed, by name, and the token that only the file holds."""
    denied = mounted.bare("http", host="denied.test", address=NAMES["denied.test"])
    assert (denied["status"], json.loads(denied["body"])["host"]) == (403, "denied.test")
    allowed = mounted.bare("http", host="plain.test", address=NAMES["denied.test"], path="/")
    assert (allowed["status"], allowed["body"]) == (200, f"I am plain.test at {NAMES['plain.test']}\n")
    echoed = mounted.bare("http", host="plain.test", address=NAMES["plain.test"], path="/echo")
    assert echoed["body"] == f"you said Bearer {'*' * len(SECRET)}\n"
    assert [line["authorization"] for line in map(json.loads, lab.world.log()) if line["uri"] == "/echo"] == [f"Bearer {SECRET}"]
    assert mounted.bare("dns", server=SIDECAR_ADDRESS, name="allowed.test")["addresses"] == [NAMES["allowed.test"]]
    assert mounted.status()["generation"] == 1


def test_the_images_own_base_fits_its_programs(lab, engine, mounted):
    assert mounted.status()["generation"] == 1  # compiled with a secret: see above
    assert "stopper-dlpc" not in mounted.errors()
    without = ContainerBottle(lab, engine, "--policy", "/etc/stopper/policy.json", "--secrets", "/etc/stopper/secrets.json", options=(
        "--volume", f"{lab.dir}/mounted:/etc/stopper:ro", "--volume", "/dev/null:/stopper/stopper-dlp.db:ro"))
    try:
        wait_for(lambda: "stopper-init: stopper-dlpc: there is no base: all is compiled anew\n" in without.errors(), "its words")
    finally:
        without.close()


def test_it_answers_through_the_engines_exec(mounted):
    status, answer = mounted.ctl("hello")
    assert (status, answer["ok"], answer["protocol"]) == (0, True, 1)
    assert mounted.ctl("wait-ready") == (0, {"ok": True})


def test_it_has_six_capabilities_and_gives_one_up(mounted):
    numbers = {"KILL": 5, "SETGID": 6, "SETUID": 7, "SETPCAP": 8, "NET_ADMIN": 12, "SYS_CHROOT": 18}
    granted = json.loads(mounted.engine.run("inspect", mounted.name))[0]
    assert sorted(granted["BoundingCaps"]) == sorted(f"CAP_{name}" for name in NEEDED)
    kept = sum(1 << numbers[name] for name in NEEDED if name != "NET_ADMIN")
    assert {int(probes.status(mounted.pid)[key], 16) for key in ("CapPrm", "CapEff", "CapBnd")} == {kept}
    processes = mounted.processes()
    assert {int(probes.status(processes["meter"][0])[key], 16) for key in ("CapEff", "CapBnd")} == {1 << numbers["NET_ADMIN"]}
    for name in "stopper-dns", "stopper-proxy":
        status = probes.status(processes[name][0])
        assert {int(status[key], 16) for key in ("CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb")} == {0} and status["Seccomp"] == "2"


def test_its_root_and_its_settings_cannot_be_written_and_forwarding_is_off_all_the_same(mounted):
    with open(f"/proc/{mounted.pid}/mounts", encoding="utf-8") as file:
        mounts = {line.split()[1]: line.split()[3].split(",") for line in file}
    assert "ro" in mounts["/"] and "ro" in mounts["/proc/sys"] and "rw" in mounts["/run"]
    assert [path for path in os.listdir(f"/proc/{mounted.pid}/root/run/stopper")] != []
    assert mounted.sidecar_run("cat", "/proc/sys/net/ipv4/ip_forward") == "1\n"  # as the engine left it
    for link in "agent0", "egress0", "lo":
        assert mounted.sidecar_run("cat", f"/proc/sys/net/ipv4/conf/{link}/forwarding") == "0\n"


def test_the_health_check_tells_a_sidecar_that_serves_from_one_that_does_not(lab, engine, mounted):
    with_check = tuple(option for option in SEALED if option != "--no-healthcheck")
    healthy = ContainerBottle(lab, engine, sealed=with_check)
    try:
        assert engine.status("healthcheck", "run", healthy.name)[0] == 0
    finally:
        healthy.close()
    waiting = ContainerBottle(lab, engine, "--wait", "60", sealed=with_check, ready=False, wired=False)
    try:
        assert engine.status("healthcheck", "run", waiting.name)[0] == 1
    finally:
        waiting.close()


def test_stop_is_heard_and_the_end_is_clean(lab, engine):
    bottle = ContainerBottle(lab, engine)
    try:
        engine.run("kill", "--signal", "TERM", bottle.name)
        assert bottle.sidecar.wait(WAIT) == 0
        bottle.audit.wait(kind="lifecycle", detail="stopped")
    finally:
        bottle.close()


def test_without_the_needed_capabilities_it_says_so_and_does_not_serve(lab, engine):
    without = tuple(option for option in SEALED if option != "--cap-add=NET_ADMIN")
    bottle = ContainerBottle(lab, engine, sealed=without, ready=False)
    try:
        assert bottle.sidecar.wait(WAIT) == 1
        assert "stopper-init: forwarding: " in bottle.errors() and "Operation not permitted" in bottle.errors()
    finally:
        bottle.close()


def test_a_secrets_file_that_others_can_read_is_refused(lab, engine):
    path = os.path.join(lab.dir, "open-secrets.json")
    with open(path, "w", encoding="ascii") as file:
        json.dump({"PLAIN_TOKEN": SECRET}, file)
    os.chmod(path, 0o644)
    bottle = ContainerBottle(lab, engine, "--policy", "/etc/stopper/policy.json", "--secrets", "/etc/stopper/secrets.json", ready=False,
                             options=("--volume", f"{lab.dir}/mounted/policy.json:/etc/stopper/policy.json:ro", "--volume", f"{path}:/etc/stopper/secrets.json:ro"))
    try:
        assert bottle.sidecar.wait(WAIT) == 1
        assert "stopper-init: policy: /etc/stopper/secrets.json: has to be root's and closed to everybody else" in bottle.errors()
        assert SECRET not in bottle.errors()
    finally:
        bottle.close()


@pytest.mark.parametrize("command, words", [
    (("git", "--version"), "git version 2."), (("git", "hash-object", "-t", "tree", "--stdin"), "4b825dc642cb6eb9a060e54bf8d69288fbee4904"),
    (("ssh", "-V"), "OpenSSH_"), (("stopper-init", "--version"), "stopper-init 0.1.0"), (("/stopper/shim/stopper-shim", "--help"), "usage: stopper-shim")])
def test_its_programs_run_in_it(engine, command, words):
    status, out, errors = engine.status("run", "--rm", "--network", "none", *SEALED, "--entrypoint", command[0], engine.id, *command[1:])
    assert status == 0 and words in out + errors


def test_the_shim_goes_to_another_container_by_a_volume(engine):
    """As to an agent's, when the engine's machine shares no files with ours: an empty volume is filled from the image."""
    engine.run("volume", "create", "shim")
    engine.run("run", "--rm", "--network", "none", *SEALED, "--volume", "shim:/stopper/shim", engine.id, "--version")
    out = engine.run("run", "--rm", "--network", "none", *SEALED, "--volume", "shim:/tmp:ro", "--entrypoint", "/tmp/stopper-shim", engine.id, "--help")
    assert "usage: stopper-shim" in out


def test_the_containerfile_makes_the_same_image_of_the_same_files(image, engine):
    """Its last stage; the one before, which needs a registry and Debian's mirrors, is replaced by what it makes."""
    stage = os.path.join(engine.dir, "stage")
    shutil.copytree(os.path.join(image.folder, "root"), f"{stage}/src/build/image/root")
    labels = image.config["config"]["Labels"]
    engine.run("build", "--quiet", "--isolation", "chroot", "--format", "docker", "--file", f"{image.tree}/image/Containerfile", "--build-context", f"build={stage}",
               "--build-arg", f"REVISION={labels['org.opencontainers.image.revision']}", "--tag", "localhost/by-containerfile", image.tree)
    made = json.loads(engine.run("image", "inspect", "localhost/by-containerfile"))[0]
    config = {name: value for name, value in made["Config"].items() if name != "Labels"}
    assert config == {name: value for name, value in image.config["config"].items() if name not in ("Labels", "Healthcheck")}
    assert {name: value for name, value in made["Labels"].items() if not name.startswith("io.buildah.")} == labels
    assert made["Healthcheck"] == image.config["config"]["Healthcheck"]
    root = engine.run("image", "mount", "localhost/by-containerfile").strip()
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                found["/" + os.path.relpath(path, root)] = (file.read(), os.stat(path).st_mode & 0o7777)
    assert found == {path: (data, image.entries[path].mode) for path, data in image.files.items()}
