# SPDX-License-Identifier: GPL-3.0-or-later
"""Real programs, as the agent's user and with no proxy variable, reach an allowed host over HTTPS and no other.

The routes here are passed through, so the world's CA is handed to each by its own option. A denied host is opened with the
bottle's CA, which none of them was told to trust: test_trust.py has those that trust it."""
import pytest

CA = "/lab/ca.pem"
NODE = """
require('https').get('https://' + process.argv[1] + '/', {ca: require('fs').readFileSync('/lab/ca.pem')}, (answer) => {
  let body = ''; answer.on('data', (piece) => body += piece); answer.on('end', () => console.log(answer.statusCode, body.trim()));
}).on('error', (problem) => { console.log(problem.code); process.exit(3); });
"""
PYTHON = """
import ssl, sys, urllib.request
print(urllib.request.urlopen(f"https://{sys.argv[1]}/", context=ssl.create_default_context(cafile="/lab/ca.pem")).read().decode())
"""

CLIENTS = {
    "curl": lambda host: ["curl", "-sS", "--capath", "/nowhere", "--cacert", CA, f"https://{host}/"],
    "python": lambda host: ["/usr/bin/python3", "-c", PYTHON, host],
    "node": lambda host: ["node", "-e", NODE, host],
}
REFUSED = {"curl": 60, "python": 1, "node": 3}  # what each ends with when its TLS handshake is refused


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_reaches_the_allowed_host_and_is_refused_at_another(bottle, client):
    good = bottle.agent.run(argv=CLIENTS[client]("allowed.test"))
    assert good["status"] == 0, good
    assert "I am allowed.test at 203.0.113.10" in good["out"]
    mark = bottle.audit.mark()
    with bottle.capture() as capture:
        bad = bottle.agent.run(argv=CLIENTS[client]("denied.test"))
    assert bad["status"] == REFUSED[client], bad
    bottle.audit.wait(mark, kind="tls", verdict="block", reason="ca-refused", host="denied.test")
    assert capture.leaks(bottle.address, set()) == []


def test_git_lists_and_clones_from_an_allowed_host(bottle):
    environment = {"GIT_SSL_CAINFO": CA, "GIT_TERMINAL_PROMPT": "0"}
    listed = bottle.agent.run(argv=["git", "ls-remote", "https://git.test/git/repo.git"], environment=environment)
    assert listed["status"] == 0 and "refs/heads/main" in listed["out"], listed
    cloned = bottle.agent.run(argv=["git", "clone", "-q", "https://git.test/git/repo.git", "/tmp/clone"], environment=environment)
    assert cloned["status"] == 0, cloned
    assert bottle.agent.read(path="/tmp/clone/README") == {"data": "a repository\n"}
    refused = bottle.agent.run(argv=["git", "ls-remote", "https://denied.test/git/repo.git"], environment=environment)
    assert refused["status"] == 128, refused


def test_apt_updates_and_downloads_from_an_allowed_host(bottle):
    script = r"""
set -e
mkdir -p /tmp/apt/lists/partial /tmp/apt/cache/archives/partial /tmp/apt/parts; : >/tmp/apt/status
echo "deb [trusted=yes] https://$1/debian/ ./" >/tmp/apt/sources.list
apt="apt-get -qq -o Dir::State=/tmp/apt -o Dir::State::lists=/tmp/apt/lists -o Dir::State::status=/tmp/apt/status
 -o Dir::Cache=/tmp/apt/cache -o Dir::Etc::sourcelist=/tmp/apt/sources.list -o Dir::Etc::sourceparts=/tmp/apt/parts
 -o Acquire::https::CaInfo=/lab/ca.pem -o Acquire::Retries=0 -o APT::Sandbox::User=agent -o Acquire::Languages=none"
$apt -o APT::Update::Error-Mode=any update
cd /tmp; $apt download lab-hello; dpkg-deb -f /tmp/lab-hello_1.0_all.deb Version
"""
    good = bottle.agent.run(argv=["sh", "-c", script, "sh", "apt.test"])
    assert good["status"] == 0 and good["out"].strip().endswith("1.0"), good
    bad = bottle.agent.run(argv=["sh", "-c", script, "sh", "denied.test"])
    assert bad["status"] == 100, bad


def test_ssh_is_told_why_it_is_refused(bottle):
    """The real client prints the reason that the disconnect message carries."""
    argv = ["ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
            "-o", "ConnectTimeout=10", "git@ssh.test"]
    mark = bottle.audit.mark()
    told = bottle.agent.run(argv=argv)
    assert told["status"] == 255
    assert "SSH is not a way out of this bottle" in told["err"], told
    bottle.audit.wait(mark, kind="tcp", verdict="block", reason="ssh", port=22)
