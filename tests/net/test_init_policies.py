# SPDX-License-Identifier: GPL-3.0-or-later
"""stopper-init by itself, with stand-ins for its workers: policies and what goes with them, all or nothing."""
import base64
import json
import os
import signal
import ssl

import pytest

from clock import Clock
from init_rig import EGRESS, POLICY, SIDECAR, WORLD, Init
from init_rig import rig, shared  # noqa: F401 (fixtures)
from spaces import alive, wait_for


def test_apply_hands_each_worker_its_section(rig):
    init = Init(rig)
    mark = init.audit.mark()
    assert init.ctl("apply", stdin=json.dumps({"policy": POLICY})) == (0, {"ok": True, "generation": 1})
    assert init.ctl("apply", stdin=json.dumps({"policy": POLICY})) == (0, {"ok": True, "generation": 2})

    def told():
        return [line["policy"] for line in init.audit.lines[mark:] if "policy" in line]
    wait_for(lambda: len(told()) >= 4, "both workers' sections of both policies")
    sections = told()
    assert len(sections) == 4
    sidecar = {"agent_address": SIDECAR, "own": ["10.7.7.0/30", f"{SIDECAR}/32", f"{EGRESS}/32"], "host": WORLD}
    assert all(section["sidecar"] == sidecar for section in sections)
    dns, proxy = sorted(sections[:2], key=lambda section: "dns" not in section)
    assert dns["routes"] == [{"host": "api.example.com"}, {"host": "git.example.com", "allow_private": ["10.9.0.0/16"]}]
    assert proxy["routes"] == POLICY["routes"]
    line = init.audit.wait(mark, kind="control", verdict="allow", rule="apply", generation=2)
    assert line["detail"] == "the policy is in force"


@pytest.mark.parametrize("word, host", [("127.0.0.1", "127.0.0.1"), ("none", None)])
def test_the_host_is_where_it_is_said_and_its_loopback_has_a_hole_in_the_wall_only_then(rig, word, host):
    init = Init(rig, "--host", word)
    mark = init.audit.mark()
    rules = rig.nft("-s", "list", "table", "inet", "stopper")
    assert ('oifname "lo" meta skuid 61001 ip daddr 127.0.0.1 meta l4proto tcp accept' in rules) == (host is not None)
    assert ('iifname "lo" ip daddr 127.0.0.1 meta l4proto tcp accept' in rules) == (host is not None)
    assert init.ctl("apply", stdin=json.dumps({"policy": POLICY})) == (0, {"ok": True, "generation": 1})
    wait_for(lambda: len([line for line in init.audit.lines[mark:] if "policy" in line]) >= 2, "both workers' sections")
    sections = [line["policy"] for line in init.audit.lines[mark:] if "policy" in line]
    assert [section["sidecar"].get("host") for section in sections] == [host, host]


def test_each_proxy_is_given_the_authority_before_any_policy_and_nobody_else_is(rig):
    init = Init(rig, "--proxies", "2", policy=POLICY)
    answer = init.ctl("ca")[1]
    der = base64.b64encode(ssl.PEM_cert_to_DER_cert(answer["pem"])).decode()

    def told():
        return [line for line in init.audit.lines if "authority" in line]
    wait_for(lambda: len(told()) == 2, "both proxies")
    given = told()
    assert [line["authority"] for line in given] == [der, der] and all(line["key"] > 100 for line in given)
    mark = init.audit.mark()
    os.kill(init.worker("stopper-proxy.2")[1], signal.SIGKILL)  # the next one gets the same
    assert init.audit.wait(mark, kind="test", authority=der)
    assert init.ctl("ca") == (0, answer)


@pytest.mark.parametrize("policy, words", [
    ("{", "the input is not a JSON object: line 1, column 1"),
    ("{}", 'apply: the member "policy" is missing'),
    ('{"policy":{}}', 'policy: "protocol" is missing'),
    ('{"policy":{},"secret":{}}', 'apply: unknown member "secret"'),
    ('{"verb":"hello"}', "the input is not an object with the members of the request"),
    (json.dumps({"policy": {**POLICY, "generation": 7}}), 'policy: unknown member "generation"'),
    (json.dumps({"policy": POLICY, "secrets": {"A": "12345678\n"}}), "secrets: A: the value holds a line break"),
    (json.dumps({"policy": {**POLICY, "routes": [{"host": "127.0.0.1"}]}}), "policy: routes: [0]: host: not a host name"),
    ('{"policy":[1]}', "policy: expected an object, found an array"),
    ("[1]", "the input is not an object with the members of the request")])
def test_a_policy_that_does_not_validate_changes_nothing(shared, policy, words):
    before = shared.ctl("status")[1]["generation"]
    assert shared.ctl("apply", stdin=policy) == (1, {"ok": False, "error": words})
    assert shared.ctl("status")[1]["generation"] == before


@pytest.mark.parametrize("mode, words", [("refuse", "worker stopper-dns: it refused policy generation 2: I would rather not"),
                                         ("mute", "the policy was not taken in time: worker stopper-dns has not answered")])
def test_a_policy_that_a_worker_does_not_take_is_in_force_nowhere(rig, mode, words):
    init = Init(rig, policy=POLICY)
    proxy = init.worker("stopper-proxy")[1]
    os.kill(init.worker("stopper-dns")[1], signal.SIGUSR1 if mode == "refuse" else signal.SIGUSR2)
    status, answer = init.ctl("apply", stdin=json.dumps({"policy": {**POLICY, "routes": []}}))
    assert (status, answer) == (1, {"ok": False, "error": words})
    init.audit.wait(kind="control", verdict="block", rule="apply", detail=words)
    assert init.ctl("status")[1]["generation"] == 1
    wait_for(lambda: not alive(proxy), "the end of the proxy that had taken it")
    assert init.ctl("wait-ready")[0] == 0

    def last():
        return [line["policy"] for line in init.audit.lines if "policy" in line and "dns" not in line["policy"]][-1]
    wait_for(lambda: last()["generation"] == 1, "the line of the proxy that was started again")
    assert last()["routes"] == POLICY["routes"]


def test_a_policy_whose_search_does_not_compile_changes_nothing(rig):
    init = Init(rig, policy=POLICY)
    assert init.audit.wait(kind="test", database=1)["policy"]["generation"] == 1
    real = os.path.join(rig.dir, "stopper-dlpc")
    more = {**POLICY, "routes": POLICY["routes"] + [{"host": "more.example.com"}]}
    os.rename(real, real + ".real")
    with open(real, "w", encoding="ascii") as file:
        file.write("#!/bin/sh\necho this is too hard >&2\n")
    os.chmod(real, 0o755)
    words = "what is searched for could not be compiled: this is too hard"
    failed = {"policy": more, "secrets": {"NEW": "some-new-value"}}
    assert init.ctl("apply", stdin=json.dumps(failed)) == (1, {"ok": False, "error": words})
    init.audit.wait(kind="control", verdict="block", rule="apply", detail=words)
    assert init.ctl("status")[1]["generation"] == 1
    assert init.ctl("apply", stdin=json.dumps({"policy": more}))[1] == {"ok": True, "generation": 3}  # nothing new to compile
    nothing = {"policy": {**more, "routes": [{**route, "dlp": {"outbound": [], "inbound": []}} for route in more["routes"][1:]]}}
    assert init.ctl("apply", stdin=json.dumps({**failed, **nothing}))[0] == 0  # nothing at all
    os.rename(real + ".real", real)
    assert init.ctl("apply", stdin=json.dumps(failed))[1] == {"ok": True, "generation": 5}  # the control
    assert init.audit.wait(kind="test", database=5)


@pytest.fixture
def clock(rig):
    """init's own."""
    made = Clock()
    rig.environment.update(made.environment)
    yield made
    made.close()


def test_a_base_that_does_not_fit_is_passed_over_and_it_says_so(rig, clock):
    path = os.path.join(rig.dir, "stopper-dlp.db")
    with open(path, "rb") as file:
        whole = file.read()
    init = Init(rig, policy=POLICY)
    assert init.audit.wait(kind="test", database=1)
    assert "stopper-dlpc" not in init.errors()  # the control: it fits
    clock.stop()  # the compiler has a limit by the clock, which a busy machine's sanitizer would reach

    def other(content, name, words):
        os.unlink(path)
        if content is not None:
            with open(path, "wb") as file:
                file.write(content)
        answer = init.ctl("apply", "--timeout", "60", stdin=json.dumps({"policy": POLICY, "secrets": {name: "some-new-value"}}))
        assert answer[0] == 0, answer
        assert init.errors() == words
    first = "stopper-init: stopper-dlpc: dlp: this is no database, or one of another version: all is compiled anew\n"
    other(whole[:-1], "CUT", first)
    other(None, "MISSING", first + "stopper-init: stopper-dlpc: there is no base: all is compiled anew\n")
    clock.start()  # init reads its workers' lines after pauses
    assert init.audit.wait(kind="test", database=3)
