# SPDX-License-Identifier: GPL-3.0-or-later
"""Package managers, git, a browser, and programs in Go and Rust, in a bottle and with no setting for it: each fetches from an
allowed host through the opened connection, and is refused at another. What names a server (an index, a registry) is given;
nothing that speaks of trust or of a proxy is."""
import json
import os
import re

import pytest

from host import trusting
from world import RESOLVER

MANIFEST = f"""\
egress:
  dns: [{RESOLVER}]
  routes:
    - host: allowed.test
    - host: git.test
      git: {{fetch: true}}
    - host: npm.test
    - host: pypi.test
"""
CHROMIUM = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
            "--disable-background-networking", "--disable-component-update", "--dump-dom"]
LARGE = 50 << 20  # bytes
GIT = ("git", "-c", "user.name=Lab", "-c", "user.email=lab@test", "-c", "init.defaultBranch=main", "-c", "core.compression=0")


@pytest.fixture(scope="module")
def opened(lab):
    with trusting(lab, MANIFEST) as bottle:
        yield bottle


def shell(bottle, script, *words, **named):
    return bottle.agent.run(argv=["sh", "-c", script, "sh", *words], **named)


def blocked(bottle, host):
    """Waits for the audit line of a request to a host that no other test names. A request was read, so TLS was trusted."""
    bottle.audit.wait(kind="http", verdict="block", reason="host-not-allowed", host=host, status=403)


# ---- npm

def test_npm_installs_from_a_registry(opened, registry):
    install = ('mkdir -p "/tmp/$1" && cd "/tmp/$1" && npm install --no-audit --no-update-notifier --registry "https://$1/" lab-module'
               ' && node -e "console.log(require(\'lab-module\'))"')
    good = shell(opened, install, "npm.test", timeout=120)
    assert good["status"] == 0 and good["out"].endswith("a module\n"), good
    bad = shell(opened, install, "npm.denied.test", timeout=120)
    assert bad["status"] != 0 and "E403" in bad["err"] and "403 Forbidden - GET https://npm.denied.test/lab-module" in bad["err"], bad
    blocked(opened, "npm.denied.test")


# ---- pip

def test_pip_downloads_and_installs_from_an_index(opened, index):
    def pip(host, *words):
        return opened.agent.run(argv=["/usr/bin/python3", "-m", "pip", *words, "--retries", "0", "--disable-pip-version-check",
                                      "--index-url", f"https://{host}/simple/", "lab-wheel"])
    good = pip("pypi.test", "download", "-d", "/tmp/download")
    assert good["status"] == 0 and opened.agent.read(path="/tmp/download") == {"names": ["lab_wheel-1.0-py3-none-any.whl"]}, good
    good = pip("pypi.test", "install", "--target", "/tmp/wheel")
    assert good["status"] == 0 and opened.agent.read(path="/tmp/wheel/lab_wheel.py") == {"data": "HELLO = 'a wheel'\n"}, good
    bad = pip("pypi.denied.test", "download", "-vv", "-d", "/tmp/denied")  # of an index pip tells a refusal when asked only
    assert bad["status"] == 1 and "403 Client Error: Forbidden for url: https://pypi.denied.test/simple/lab-wheel/" in bad["out"], bad
    blocked(opened, "pypi.denied.test")


# ---- git

@pytest.fixture(scope="module")
def large(lab):
    """A function that commits so many bytes of noise to git.test/git/large.git and returns the commit."""
    work, bare = lab.world.path("large"), lab.world.path("git", "large.git")
    lab.run(*GIT, "init", "-q", "--bare", bare)
    lab.run(*GIT, "clone", "-q", bare, work)

    def commit(size):
        with open(os.path.join(work, f"noise-{size}"), "wb") as noise:
            noise.write(os.urandom(size))
        lab.run(*GIT, "-C", work, "add", ".")
        lab.run(*GIT, "-C", work, "commit", "-qm", f"{size} bytes")
        lab.run(*GIT, "-C", work, "push", "-q", "origin", "HEAD:main")
        return lab.run(*GIT, "-C", work, "rev-parse", "HEAD").strip()
    return commit


@pytest.fixture(scope="module")
def first(large):
    return large(LARGE)


@pytest.mark.parametrize("version", ["0", "2"])
def test_git_clones_fifty_megabytes_and_fetches_what_is_new(opened, large, first, version):
    git, url = ["git", "-c", f"protocol.version={version}"], "https://git.test/git/large.git"
    def at(name):
        return shell(opened, 'git -C /tmp/large rev-parse "$1" && git -C /tmp/large rev-list --objects --disk-usage "$1"', name)
    cloned = opened.agent.run(argv=[*git, "clone", "-q", url, "/tmp/large"], timeout=120)
    assert cloned["status"] == 0, cloned
    before, size = at("origin/main")["out"].split()
    assert int(size) >= LARGE
    mark, after = opened.audit.mark(), large(1 << 20 if version == "0" else 2 << 20)
    fetched = opened.agent.run(argv=[*git, "-C", "/tmp/large", "fetch", "-q"], environment={"GIT_TRACE_PACKET": "1"})
    assert ("fetch< version 2" in fetched["err"]) == (version == "2"), fetched
    assert fetched["status"] == 0 and at("origin/main")["out"].split()[0] == after != before, fetched
    opened.audit.wait(mark, kind="http", verdict="allow", method="POST", host="git.test", path="/git/large.git/git-upload-pack", status=200)
    refused = opened.agent.run(argv=[*git, "clone", "-q", f"https://git{version}.denied.test/git/large.git", "/tmp/refused"])
    assert refused["status"] == 128 and "The requested URL returned error: 403" in refused["err"], refused
    blocked(opened, f"git{version}.denied.test")
    shell(opened, "rm -rf /tmp/large")


# ---- a browser

def chromium(bottle, host, home="/home/agent"):
    return bottle.agent.run(argv=["env", f"HOME={home}", *CHROMIUM, "--user-data-dir=/tmp/chromium-" + os.path.basename(home),
                                  f"https://{host}/"])


def test_chromium_loads_a_page_and_reads_the_refusal(opened):
    through, refused = chromium(opened, "allowed.test"), chromium(opened, "denied.test")
    assert through["status"] == 0 and "I am allowed.test at 203.0.113.10" in through["out"], through
    assert "urn:stopper:denial:host-not-allowed" in refused["out"] and "egress.routes" in refused["out"], refused
    stranger = chromium(opened, "allowed.test", "/tmp/stranger")  # the control: without the database that was made for the agent
    assert "net::ERR_CERT_AUTHORITY_INVALID" in stranger["err"] and stranger["out"] == "", stranger


# ---- Go and Rust

def test_a_program_in_go_fetches_and_reads_the_refusal(opened):
    def gh(host, **environment):
        return opened.agent.run(argv=["gh", "api", f"https://{host}/"], environment={"GH_TOKEN": "of the agent", **environment})
    through, refused = gh("allowed.test"), gh("denied.test")
    assert (through["status"], through["out"]) == (0, "I am allowed.test at 203.0.113.10\n"), through
    assert refused["status"] == 1 and "HTTP 403" in refused["err"], refused
    assert json.loads(refused["out"])["type"] == "urn:stopper:denial:host-not-allowed"
    stranger = gh("allowed.test", SSL_CERT_FILE="/lab/ca.pem", SSL_CERT_DIR="/nowhere")
    assert stranger["status"] == 1 and "certificate signed by unknown authority" in stranger["err"], stranger


@pytest.fixture(scope="module")
def key(lab):
    """The fingerprint of the OpenPGP key that allowed.test's key server answers with."""
    os.mkdir(lab.world.path("pks"))
    lab.run("sq", "key", "generate", "--userid", "Lab <lab@test>", "--export", lab.world.path("key.pgp"))
    lab.run("sq", "key", "extract-cert", "--output", lab.world.path("pks", "lookup"), lab.world.path("key.pgp"))
    shown = lab.run("sq", "inspect", lab.world.path("pks", "lookup"))
    return re.search("Fingerprint: ([0-9A-F]{40})", shown)[1]


def test_a_program_in_rust_fetches_and_is_refused(opened, key):
    def sq(host, **environment):
        return opened.agent.run(argv=["sq", "keyserver", "--server", f"hkps://{host}", "get", key], environment=environment)
    through = sq("allowed.test")
    assert through["status"] == 0 and through["out"].startswith("-----BEGIN PGP PUBLIC KEY BLOCK-----"), through
    assert re.sub("[^0-9A-F]", "", through["out"].split("Comment: ")[1]) == key, through
    refused = sq("sq.denied.test")  # sq has no words for a status
    assert refused["status"] == 1 and "Error communicating with server" in refused["err"], refused
    blocked(opened, "sq.denied.test")
    stranger = sq("allowed.test", SSL_CERT_FILE="/lab/ca.pem", SSL_CERT_DIR="/nowhere")
    assert stranger["status"] == 1 and "certificate verify failed" in stranger["err"], stranger
