# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs in a bottle trust its authority with no option and no setting of their own: what they fetch through the opened
connection arrives, the refusal of another host can be read, and the image's own roots are still trusted beside it.

The host's roots are Debian's and the lab's own CA: it issues what the sidecar verifies upstream and what the agent sees at
a host that is passed through."""
import json
import os
import re
import shutil
import ssl
import zipfile

import pytest

from host import SYSTEM, Host, roots, trusting
from world import RESOLVER

MANIFEST = f"""\
egress:
  dns: [{RESOLVER}]
  routes:
    - host: allowed.test
    - host: apt.test
    - host: git.test
      git: {{fetch: true}}
    - host: other.test
      tls: {{passthrough: true}}
"""
OWN = "/run/stopper-ca"
HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")
WHEEL = "lab_wheel-1.0-py3-none-any.whl"


@pytest.fixture(scope="module", name="roots")
def roots_fixture(lab):
    return roots(lab)


@pytest.fixture(scope="module")
def opened(lab):
    with trusting(lab, MANIFEST) as bottle:
        yield bottle


def shell(bottle, script, *words, **named):
    return bottle.agent.run(argv=["sh", "-c", script, "sh", *words], **named)


# ---- what is where

def test_hostctl_prints_the_authority_that_the_agent_has(opened):
    printed = opened.host.hostctl("ca", opened.name)
    assert printed.returncode == 0 and printed.stdout == opened.agent.read(path=f"{OWN}/ca.pem")["data"]
    assert ssl.PEM_cert_to_DER_cert(printed.stdout)
    missing = opened.host.hostctl("ca", "absent")
    assert missing.returncode == 125 and "absent" in missing.stderr and missing.stdout == ""


def test_the_roots_are_the_hosts_and_ours_in_the_own_folder_and_in_place(opened, roots):
    ours = opened.host.hostctl("ca", opened.name).stdout
    for path in SYSTEM, f"{OWN}/bundle.pem":
        held = shell(opened, 'cat "$1"', path)["out"]
        assert held.startswith(roots) and held.endswith(ours) and held.count("BEGIN") == roots.count("BEGIN") + 1
    listed = shell(opened, f"ls {OWN}/certs")["out"].split()
    theirs = list(filter(HASHED.fullmatch, os.listdir("/etc/ssl/certs")))
    assert len(theirs) > 100 and set(theirs) < set(listed) and len(listed) == len(theirs) + 1


def test_the_host_is_not_touched(opened, roots):
    assert opened.host.space.run("cat", SYSTEM) == roots
    ours = set(filter(HASHED.fullmatch, shell(opened, "ls /etc/ssl/certs")["out"].split()))
    theirs = set(filter(HASHED.fullmatch, os.listdir("/etc/ssl/certs")))
    assert theirs < ours and len(ours) == len(theirs) + 1


@pytest.mark.parametrize("path", [f"{OWN}/ca.pem", f"{OWN}/bundle.pem", f"{OWN}/certs/x", SYSTEM, "/etc/ssl/certs/x"])
def test_the_agent_cannot_change_what_is_trusted(opened, path):
    done = shell(opened, 'echo x >>"$1"', path)
    assert done["status"] != 0 and "Permission denied" in done["err"], done
    assert shell(opened, "echo x >>/tmp/x")["status"] == 0


def test_openssl_accepts_the_authority_at_its_strictest_from_the_file_and_from_the_folder(opened):
    for where in "-no-CApath", "-no-CAfile":
        for variables in "", "env -i":
            done = shell(opened, f"{variables} openssl verify -x509_strict -no-CAstore {where} {OWN}/ca.pem")
            assert done["status"] == 0 and done["out"] == f"{OWN}/ca.pem: OK\n", done
    done = shell(opened, f"openssl verify -x509_strict -no-CAstore -no-CApath -no-CAfile {OWN}/ca.pem")
    assert done["status"] != 0, done


def test_commands_that_enter_later_trust_it_too_and_the_manifests_word_wins(opened):
    entered = opened.host.hostctl("exec", opened.name, "--", "sh", "-c", "echo $SSL_CERT_FILE; curl -sS https://allowed.test/")
    assert entered.stdout.startswith(f"{OWN}/bundle.pem\nI am allowed.test"), entered
    manifest = opened.host.write("own.yaml", "env:\n  CURL_CA_BUNDLE: /mine\n" + MANIFEST)
    done = opened.host.hostctl("up", "-f", manifest, "--", "sh", "-c", "echo $CURL_CA_BUNDLE $PIP_CERT")
    assert done.stdout == f"/mine {OWN}/bundle.pem\n", done


# ---- NSS

CERTUTIL = "certutil -d sql:$HOME/.pki/nssdb -L"
OURS = "Stopper, the authority of this bottle"


def test_a_home_that_is_kept_trusts_its_new_authority_only(host):
    home = os.path.join(host.dir, "kept")
    os.mkdir(home)
    os.chmod(home, 0o777)
    certificates = []
    for _ in range(2):
        done = host.hostctl("up", "-f", host.manifest, "--mount", f"{home}:/home/agent", "--", "sh", "-c",
                            f'{CERTUTIL} && {CERTUTIL} -n "{OURS}" -a && cat {OWN}/ca.pem')
        assert (done.returncode, done.stderr) == (0, "") and len(re.findall(f"{OURS} +C,,", done.stdout)) == 1, done
        inside, told = (ssl.PEM_cert_to_DER_cert(pem) for pem in re.findall("-----BEGIN.*?END CERTIFICATE-----", done.stdout, re.DOTALL))
        assert inside == told
        certificates.append(told)
    assert certificates[0] != certificates[1]


def test_certutil_runs_with_the_rights_of_the_command(host):
    """It is the image's program, and may be anyone's."""
    fields = "grep -E '^(Uid|Gid|Groups|Cap.*|NoNewPrivs|Seccomp):' /proc/self/status"
    fake = host.write("certutil", f"#!/bin/sh\n{fields} >/tmp/status; echo $HOME >>/tmp/status; ls /home /run/stopper >>/tmp/status 2>&1\n")
    os.chmod(fake, 0o755)
    host.space.run("mount", "--bind", fake, "/usr/bin/certutil")
    host.before = host.traces()
    done = host.hostctl("up", "-f", host.manifest, "--", "sh", "-c",
                        f"cat /tmp/status; echo --; {fields}; echo $HOME; ls /home /run/stopper 2>&1")
    its, _, commands = done.stdout.partition("--\n")
    assert its == commands and re.search(r"CapEff:\t0+\nCapBnd:\t0+\n", its) and "Uid:\t0" not in its, done
    assert "Permission denied" in its and "NoNewPrivs:\t1" in its


# ---- programs

PYTHON = 'import sys, urllib.error, urllib.request\ntry: print(urllib.request.urlopen(sys.argv[1]).read().decode())\n' \
         'except urllib.error.HTTPError as problem: print(problem.read().decode())'
STRICT = """
import socket, ssl, sys
host = sys.argv[1].split("/")[2]
context = ssl.create_default_context()
context.verify_flags |= ssl.VERIFY_X509_STRICT
with context.wrap_socket(socket.create_connection((host, 443)), server_hostname=host) as sock:
    sock.sendall(f"GET / HTTP/1.1\\r\\nHost: {host}\\r\\nConnection: close\\r\\n\\r\\n".encode())
    print(b"".join(iter(lambda: sock.recv(4096), b"")).decode())
"""
NODE = "fetch(process.argv[1]).then(a => a.text()).then(console.log, p => { console.log(p.cause); process.exit(3) })"
HTTPS = "require('https').get(process.argv[1], a => a.pipe(process.stdout)).on('error', p => { console.log(p); process.exit(3) })"
JAVA = """
import java.net.*; import java.net.http.*;
public class Get { public static void main(String[] words) throws Exception {
  System.out.println(HttpClient.newHttpClient().send(HttpRequest.newBuilder(URI.create(words[0])).build(),
    HttpResponse.BodyHandlers.ofString()).body()); } }
"""
CLIENTS = {
    "curl": ["curl", "-sS"],
    "wget": ["wget", "-q", "-O-", "--content-on-error"],
    "urllib": ["/usr/bin/python3", "-c", PYTHON],
    "ssl, strict": ["/usr/bin/python3", "-c", STRICT],
    "requests": ["/usr/bin/python3", "-c", "import requests, sys; print(requests.get(sys.argv[1]).text)"],
    "node, fetch": ["node", "-e", NODE],
    "node, https": ["node", "-e", HTTPS],
    "java": ["java", "/tmp/Get.java"],
    # without any variable: what is in place is enough
    "curl, bare": ["env", "-i", "curl", "-sS"],
    "wget, bare": ["env", "-i", "wget", "-q", "-O-", "--content-on-error"],
    "urllib, bare": ["env", "-i", "/usr/bin/python3", "-c", PYTHON],
    "requests, bare": ["env", "-i", "/usr/bin/python3", "-c", "import requests, sys; print(requests.get(sys.argv[1]).text)"],
}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_fetches_reads_the_refusal_and_keeps_its_own_roots(opened, client):
    shell(opened, 'printf %s "$1" >/tmp/Get.java', JAVA)
    through, refused, passed = (opened.agent.run(argv=[*CLIENTS[client], f"https://{host}/"])
                                for host in ("allowed.test", "denied.test", "other.test"))
    assert "I am allowed.test at 203.0.113.10" in through["out"], through
    assert "urn:stopper:denial:host-not-allowed" in refused["out"] and "egress.routes" in refused["out"], refused
    own = "I am other.test at 203.0.113.11" if not client.startswith("node") else "unable to verify"  # node: those compiled in
    assert own in passed["out"], passed


def test_a_program_that_trusts_the_image_only_is_told_so_by_its_own_words(opened):
    """The control of the tests above: without our authority they fail."""
    for argv in (["curl", "-sS", "--cacert", "/lab/ca.pem", "--capath", "/dev/null"],
                 ["env", "-u", "NODE_EXTRA_CA_CERTS", "-u", "SSL_CERT_FILE", "node", "-e", NODE]):
        done = opened.agent.run(argv=[*argv, "https://allowed.test/"])
        assert done["status"] != 0 and ("self-signed" in done["err"] + done["out"] or "unable to" in done["err"] + done["out"]), done


@pytest.mark.parametrize("variables", [[], ["env", "-i", "HOME=/tmp"]], ids=["", "bare"])
def test_git_clones(opened, variables):
    done = shell(opened, 'rm -rf /tmp/clone; "$@" git clone -q https://git.test/git/repo.git /tmp/clone && cat /tmp/clone/README', *variables)
    assert (done["status"], done["out"]) == (0, "a repository\n"), done
    refused = opened.agent.run(argv=[*variables, "git", "ls-remote", "https://denied.test/git/repo.git"])
    assert refused["status"] == 128 and "403" in refused["err"], refused


def test_apt_updates_and_downloads(opened):
    script = r"""
set -e
rm -rf /tmp/apt; mkdir -p /tmp/apt/lists/partial /tmp/apt/cache/archives/partial /tmp/apt/parts; : >/tmp/apt/status
echo "deb [trusted=yes] https://$1/debian/ ./" >/tmp/apt/sources.list
apt="apt-get -qq -o Dir::State=/tmp/apt -o Dir::State::lists=/tmp/apt/lists -o Dir::State::status=/tmp/apt/status
 -o Dir::Cache=/tmp/apt/cache -o Dir::Etc::sourcelist=/tmp/apt/sources.list -o Dir::Etc::sourceparts=/tmp/apt/parts
 -o Acquire::Retries=0 -o APT::Sandbox::User=agent -o Acquire::Languages=none"
$apt -o APT::Update::Error-Mode=any update
cd /tmp; $apt download lab-hello; dpkg-deb -f /tmp/lab-hello_1.0_all.deb Version
"""
    good = shell(opened, script, "apt.test")
    assert good["status"] == 0 and good["out"].strip().endswith("1.0"), good
    bad = shell(opened, script, "denied.test")
    assert bad["status"] == 100 and "403" in bad["err"], bad


def test_pip_installs(opened):
    with zipfile.ZipFile(opened.host.lab.world.path("apt", WHEEL), "w") as wheel:
        wheel.writestr("lab_wheel.py", "HELLO = 'a wheel'\n")
        wheel.writestr("lab_wheel-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: lab-wheel\nVersion: 1.0\n")
        wheel.writestr("lab_wheel-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: lab\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("lab_wheel-1.0.dist-info/RECORD", "")
    pip = ["/usr/bin/python3", "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--retries", "0", "--target", "/tmp/wheel",
           "--disable-pip-version-check"]
    good = opened.agent.run(argv=[*pip, f"https://apt.test/debian/{WHEEL}"])
    assert good["status"] == 0, good
    assert opened.agent.read(path="/tmp/wheel/lab_wheel.py") == {"data": "HELLO = 'a wheel'\n"}
    bad = opened.agent.run(argv=[*pip, f"https://denied.test/debian/{WHEEL}"])
    assert bad["status"] == 1 and "403" in bad["err"], bad


def test_two_bottles_do_not_trust_each_other(opened):
    other = opened.host.up(manifest=opened.host.write("opened.yaml", MANIFEST))
    try:
        one, two = (json.dumps(opened.host.hostctl("ca", bottle.name).stdout) for bottle in (opened, other))
        assert one != two
        assert one[1:-1] not in json.dumps(shell(other, f"cat {SYSTEM} {OWN}/bundle.pem")["out"])
    finally:
        other.close()


def test_what_the_hosts_roots_lead_into_a_mount_is_left_alone(lab):
    """A link among the host's roots leads to where the user mounts something in the bottle."""
    host, text = Host(lab), "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"
    try:
        for folder in "ssl", "data":
            os.mkdir(os.path.join(host.dir, folder))
        shutil.copytree("/etc/ssl/certs", os.path.join(host.dir, "ssl", "certs"), symlinks=True)
        os.symlink("/data/roots.pem", os.path.join(host.dir, "ssl", "ca-bundle.pem"))
        path = host.write("data/roots.pem", text)
        host.space.run("mount", "--bind", os.path.join(host.dir, "ssl"), "/etc/ssl")
        look = "cat /etc/ssl/ca-bundle.pem; grep -c '^# Stopper: ' /etc/ssl/certs/ca-certificates.crt"
        done = host.hostctl("up", "-f", host.manifest, "--runtime", "netns", "--mount", f"{os.path.dirname(path)}:/data", "--", "sh", "-c", look)
        assert (done.returncode, done.stdout) == (0, text + "1\n"), done
        assert os.listdir(os.path.dirname(path)) == ["roots.pem"]
    finally:
        host.close()
