# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the image, and that it is the same each time."""
import gzip
import hashlib
import json
import os
import re
import subprocess
import time

import pytest

from built import LOADERS, TRIPLETS, read_tar

LIMIT = 20_000_000  # bytes, compressed


def build(image, out, *more, contents=None):
    """build.py once more, for the commit of the image that is there; its status and what it said."""
    tree = image.tree
    if contents is not None:  # another list: in a copy of the builder
        os.makedirs(f"{out}/image")
        for name in "appliance", "LICENSE":
            os.symlink(os.path.abspath(f"{tree}/{name}"), f"{out}/{name}")
        for name in os.listdir(f"{tree}/image"):
            if name != "contents.txt":
                os.symlink(os.path.abspath(f"{tree}/image/{name}"), f"{out}/image/{name}")
        for name in [name for name in os.listdir(f"{out}/image") if name.endswith(".py")]:
            os.unlink(f"{out}/image/{name}")
            with open(f"{tree}/image/{name}", encoding="utf-8") as source, open(f"{out}/image/{name}", "w", encoding="utf-8") as copy:
                copy.write(source.read())
        with open(f"{out}/image/contents.txt", "w", encoding="utf-8") as file:
            file.write(contents)
        tree = out
    labels = image.config["config"]["Labels"]
    epoch = int(time.mktime(time.strptime(image.config["created"] + " UTC", "%Y-%m-%dT%H:%M:%SZ %Z"))) - time.timezone
    deps = subprocess.run([f"{image.tree}/image/deps/deps.sh", "--where"], env={**os.environ, "ARCH": image.arch}, capture_output=True, text=True,
                          check=True).stdout.strip()
    more = [*(["--sysroot", image.sysroot, "--strip", f"{TRIPLETS[image.arch]}-strip"] if image.sysroot else []), *more]
    done = subprocess.run(["/usr/bin/python3", f"{tree}/image/build.py", "--programs", os.environ["STOPPER_BUILD"], "--deps", deps, "--out", str(out),
                           "--version", labels["org.opencontainers.image.version"], "--revision", labels["org.opencontainers.image.revision"],
                           "--epoch", str(epoch), "--arch", image.arch, *more], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_two_builds_of_one_commit_are_the_same_to_the_last_byte(image, tmp_path):
    assert build(image, tmp_path)[0] == 0
    for name in sorted(os.listdir(image.folder)):
        if name != "root":
            with open(f"{image.folder}/{name}", "rb") as one, open(f"{tmp_path}/{image.arch}/{name}", "rb") as other:
                assert hashlib.sha256(one.read()).hexdigest() == hashlib.sha256(other.read()).hexdigest(), name


def test_another_time_is_another_image(image, tmp_path):
    """The control of the one above: what is compared there can differ."""
    assert build(image, tmp_path, "--epoch", "1000000000", "--root-only")[0] == 0
    with open(f"{tmp_path}/root/stopper/sbom.spdx.json", "rb") as file:
        assert file.read() != image.files["/stopper/sbom.spdx.json"]


def test_the_files_are_the_declared_ones_and_no_others(image):
    files, folders = image.declared()
    texts = {path for path in image.files if re.fullmatch(r"/usr/share/doc/[a-z0-9.+-]+/copyright|/usr/share/common-licenses/[A-Za-z0-9.-]+", path)}
    assert set(image.files) - texts == files
    packages = {package["name"] for package in image.materials["packages"]} - {"stopper-sidecar"}
    assert {path.split("/")[4] for path in texts if path.startswith("/usr/share/doc/")} == packages
    parents = {os.path.dirname(path) for path in image.files}
    while parents != (more := parents | {os.path.dirname(path) for path in parents}):
        parents = more
    assert {path for path, entry in image.entries.items() if entry.isdir()} == (parents | set(folders)) - {"/"}
    assert all(image.entries[path].mode == mode for path, mode in folders.items())


def test_there_is_no_shell_no_package_manager_and_nothing_special(image):
    programs = {path for path, entry in image.entries.items() if entry.isfile() and entry.mode & 0o111}
    assert programs == {"/stopper/stopper-init", "/stopper/stopper-proxy", "/stopper/stopper-dns", "/stopper/stopper-dlpc", "/stopper/shim/stopper-shim",
                        "/stopper/stopper-gate", "/stopper/stopper-push", "/stopper/stopper-gate-relay", "/stopper/gate-hooks/pre-receive",
                        "/stopper/gate-hooks/proc-receive", "/usr/bin/git", "/usr/bin/ssh", LOADERS[image.arch]}
    for name in "sh", "bash", "dash", "busybox", "perl", "python3", "apt", "apt-get", "dpkg", "nft", "ip", "curl":
        assert not any(path.rpartition("/")[2] == name for path in image.entries)
    for path, entry in image.entries.items():
        assert entry.isfile() or entry.isdir(), path
        assert (entry.uid, entry.gid, entry.mode & 0o6000) == (0, 0, 0), path
        assert entry.mode & 0o022 == 0 or path == "/tmp", path


def test_programs_are_stripped_and_name_no_folder_of_the_machine(image):
    home = os.path.expanduser("~").encode()
    for path, data in image.files.items():
        if (path.startswith("/stopper/stopper-") and path != "/stopper/stopper-dlp.db") or path.startswith("/stopper/shim"):
            assert data.startswith(b"\x7fELF") and b".debug_info" not in data and b".symtab" not in data, path
            assert os.path.abspath(image.tree).encode() not in data and home + b"/" not in data, path


def test_what_the_build_compiled_is_whole(image):
    data = image.files["/stopper/stopper-dlp.db"]
    with open(f"{image.tree}/appliance/dlp/layout.h", encoding="utf-8") as file:
        magic = re.search(r'#define DLP_BASE_MAGIC[\s\\]+"(\w{8})"', file.read())[1]
    assert data.startswith(magic.encode()) and int.from_bytes(data[8:16], "little") == len(data)


def test_users_are_those_of_the_walls_rules(image):
    with open(f"{image.tree}/appliance/sys/users.h", encoding="utf-8") as file:
        numbers = dict(re.findall(r"#define USER_(\w+)\s+(\d+)", file.read()))
    assert image.files["/etc/passwd"].decode().splitlines() == [
        "root:x:0:0::/:/nonexistent", f"stopper-proxy:x:{numbers['PROXY']}:{numbers['PROXY']}::/:/nonexistent",
        f"stopper-dns:x:{numbers['DNS']}:{numbers['DNS']}::/:/nonexistent",
        f"stopper-dlpc:x:{numbers['COMPILER']}:{numbers['COMPILER']}::/:/nonexistent",
        f"stopper-gate:x:{numbers['GATE']}:{numbers['GATE']}::/:/nonexistent",
        f"stopper-push:x:{numbers['PUSH']}:{numbers['PUSH']}::/:/nonexistent"]
    assert image.files["/etc/group"].decode().splitlines() == [
        "root:x:0:", f"stopper-proxy:x:{numbers['PROXY']}:", f"stopper-dns:x:{numbers['DNS']}:", f"stopper-dlpc:x:{numbers['COMPILER']}:",
        f"stopper-gate:x:{numbers['GATE']}:", f"stopper-push:x:{numbers['PUSH']}:"]


def test_root_certificates_are_debians_and_none_of_the_machines_own(image):
    found = re.findall(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", image.files["/etc/ssl/certs/ca-certificates.crt"], re.S)
    packaged = []
    for name in filter(lambda name: name.endswith(".crt"), sorted(image.dpkg("-L", "ca-certificates").splitlines())):
        with open(image.sysroot + name, "rb") as file:
            packaged.append(file.read().strip())
    assert len(packaged) > 100 and found == packaged


def test_materials_name_every_file_its_sums_and_its_package(image):
    files = {one["fileName"].removeprefix("."): one for one in image.materials["files"]}
    assert set(files) == set(image.files) - {"/stopper/sbom.spdx.json"}
    for path, one in files.items():
        sums = {sum["algorithm"]: sum["checksumValue"] for sum in one["checksums"]}
        assert sums == {"SHA1": hashlib.sha1(image.files[path]).hexdigest(), "SHA256": hashlib.sha256(image.files[path]).hexdigest()}
    packages = {one["SPDXID"]: one for one in image.materials["packages"]}
    owners = {one["relatedSpdxElement"]: packages[one["spdxElementId"]] for one in image.materials["relationships"]
              if one["relationshipType"] == "CONTAINS" and one["relatedSpdxElement"].startswith("SPDXRef-File-")}
    assert set(owners) == {one["SPDXID"] for one in files.values()}
    for one in packages.values():  # SPDX 2.3, 7.9: the sums of its files, if it has any here
        sums = sorted(file["checksums"][0]["checksumValue"] for file in files.values() if owners[file["SPDXID"]] is one)
        assert one["filesAnalyzed"] == bool(sums)
        assert not sums or one["packageVerificationCode"]["packageVerificationCodeValue"] == hashlib.sha1("".join(sums).encode()).hexdigest()
    triplet = TRIPLETS[image.arch]
    for path, name in ("/usr/bin/git", "git"), ("/usr/bin/ssh", "openssh-client"), (f"/usr/lib/{triplet}/libcrypto.so.3", "libssl3"), \
            (f"/usr/lib/{triplet}/libc.so.6", "libc6"), (LOADERS[image.arch], "libc6"), ("/stopper/stopper-init", "stopper-sidecar"):
        owner = owners[files[path]["SPDXID"]]
        assert owner["name"] == name
        if name != "stopper-sidecar":
            assert owner["versionInfo"] == image.dpkg("-W", "-f", "${Version}", f"{name}:{image.arch}")
    inside = {(one["spdxElementId"].rpartition("-stopper-")[2], packages[one["relatedSpdxElement"]]["name"]) for one in image.materials["relationships"]
              if one["relationshipType"] == "STATIC_LINK"}
    assert {("init", "wolfssl"), ("proxy", "wolfssl"), ("proxy", "llhttp"), ("shim", "libc6-dev"), ("shim", "libmnl")} <= inside
    assert image.materials["spdxVersion"] == "SPDX-2.3" and image.materials["dataLicense"] == "CC0-1.0"


def test_both_archives_are_one_image_and_others_can_read_them(image):
    docker = read_tar(image.docker_path)
    listed = json.loads(docker["manifest.json"])
    assert len(listed) == 1 and docker[listed[0]["Config"]] == image.config_bytes and [docker[name] for name in listed[0]["Layers"]] == [image.layer]
    assert listed[0]["RepoTags"] == ["localhost/stopper-sidecar:" + image.config["config"]["Labels"]["org.opencontainers.image.version"]]
    with open(f"{image.folder}/stopper-sidecar.id", encoding="ascii") as one, open(f"{image.folder}/stopper-sidecar.digest", encoding="ascii") as other:
        assert (one.read().strip(), other.read().strip()) == (image.id, image.digest)
    for kind, path in ("oci-archive", image.oci_path), ("docker-archive", image.docker_path):
        seen = subprocess.run(["skopeo", "inspect", "--config", f"{kind}:{path}"], capture_output=True, text=True, check=False)
        assert seen.returncode == 0, seen.stderr
        seen = json.loads(seen.stdout)
        assert seen["config"]["Entrypoint"] == ["/stopper/stopper-init"] and seen["rootfs"]["diff_ids"] == image.config["rootfs"]["diff_ids"]


def test_the_configuration_is_the_containerfiles(image):
    config = image.config["config"]
    assert config["Entrypoint"] == ["/stopper/stopper-init"] and config["Env"] == ["PATH=/stopper:/usr/bin"] and config["User"] == "0:0"
    assert config["Healthcheck"] == {"Test": ["CMD", "/stopper/stopper-init", "ctl", "wait-ready", "--timeout", "3"],
                                     "Interval": 10 * 10**9, "Timeout": 5 * 10**9, "StartPeriod": 10 * 10**9, "Retries": 3}
    assert {name.rpartition(".")[2] for name in config["Labels"]} == {"title", "description", "licenses", "version", "revision"}
    assert re.fullmatch("[0-9a-f]{40}(-dirty)?", config["Labels"]["org.opencontainers.image.revision"])


@pytest.mark.parametrize("change, words", [
    (("lib libz.so.1\n", ""), "that are needed and not listed: ['libz.so.1']"),
    (("lib libz.so.1\n", "lib libz.so.1\nlib libdl.so.2\n"), "libraries that nothing needs: ['libdl.so.2']"),
    (("file /usr/bin/git\n", "file /usr/bin/gitt\n"), "/usr/bin/gitt is not there: run make deps"),
    (("file /usr/bin/git\n", "file /var/lib/dpkg/status\n"), "/var/lib/dpkg/status is of no Debian package"),
    (("file /usr/bin/git\n", "flie /usr/bin/git\n"), "contents.txt: flie is not known")])
def test_a_list_that_does_not_fit_is_an_error(image, tmp_path, change, words):
    with open(f"{image.tree}/image/contents.txt", encoding="utf-8") as file:
        text = file.read()
    assert change[0] in text
    status, said = build(image, tmp_path, "--root-only", contents=text.replace(*change))
    assert status == 1 and words in said


PARTS = [  # the first that fits, and what of the README's table it is
    ("stopper-init, -proxy, -dns", r"/stopper/stopper-"), ("stopper-shim", r"/stopper/shim/"), ("git", r"/usr/bin/git|.*libpcre2|.*libz\."),
    ("ssh", r"/usr/bin/ssh|.*lib(k5crypto|krb5|gssapi|com_err|keyutils|selinux|resolv)"), ("OpenSSL", r".*lib(crypto|ssl)\."),
    ("C library", r".*(ld-linux|lib[cm]\.so)"), ("other libraries", r"/usr/lib/"), ("root certificates", r"/etc/ssl/"), ("texts", r"")]


def test_it_is_small(image, record_property):
    record_property("MB compressed, unpacked", (round(len(image.compressed) / 1e6, 2), round(len(image.layer) / 1e6, 2)))
    found = {name: [] for name, _ in PARTS}
    for path in sorted(image.files):
        found[next(name for name, pattern in PARTS if re.match(pattern, path))].append(image.files[path])
    for name, contents in found.items():
        assert contents, name
        together = b"".join(contents)
        record_property(f"MB {name}", (round(len(gzip.compress(together, 9)) / 1e6, 2), round(len(together) / 1e6, 2)))
    assert len(image.compressed) < LIMIT
