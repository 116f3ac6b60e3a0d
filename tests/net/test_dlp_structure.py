# SPDX-License-Identifier: GPL-3.0-or-later
"""What the search cannot or must not let pass whatever a route says: line ends and NULs that a server would take for its own, and bodies
that unpack without an end. Under every setting it is the same 403, nobody is asked, and on a route that searches nothing it arrives."""

import pytest

from dlp_rig import SECRET, Recorder, post
from http_peer import get, problem
from packers import PACKERS
from proxy_rig import BUILD, PUBLIC, Rig, wait_until

ACTIONS = {"block.test": {}, "redact.test": {"outbound_on_match": "redact"}, "ask.test": {"outbound_on_match": "supervise"},
           "provider.test": {"outbound_on_match": "redact", "transcript": True}, "entropy.test": {"outbound": ["entropy"]}}
ROUTES = [{"host": host, "dlp": {**rules, "inbound": []}} for host, rules in {**ACTIONS, "open.test": {"outbound": []}}.items()]
CPU_SECONDS = 60 if "asan" in BUILD else 15  # unpacking all of it would take minutes


@pytest.fixture(scope="module")
def long_lived():
    made = Rig()
    made.worker.apply(*ROUTES, secrets={"TOKEN": SECRET}, hold={"denied": False}, value_key="a5" * 32)
    made.resolver.names.update({route["host"]: [PUBLIC] for route in ROUTES})
    yield made
    made.close()


@pytest.fixture
def rig(long_lived):
    yield long_lived
    long_lived.clear()


@pytest.fixture
def recorder(rig):
    return Recorder(rig)


INJECTIONS = {  # surface → what is in it, and the request
    "path": ["/a%0d%0ab", "/a%0ab", "/a%00b", "/a%250d%250ab"],
    "query": ["/?q=x%0d%0aSet-Cookie:%20a=b", "/?q=x%0aHost:evil.example", "/?q=x%00", "/?q=x%20HTTP/1.1%0d%0aHost:%20evil.example"],
    "header value": ["/x%0d%0aLocation:%20/y"],
}
INJECTED = [(surface, text) for surface, texts in INJECTIONS.items() for text in texts]


@pytest.mark.parametrize("surface, text", INJECTED)
def test_a_line_end_that_is_smuggled_in_is_refused_under_every_setting(rig, recorder, surface, text):
    def request(host):
        return get(host, "/", f"X-Next: {text}\r\n") if surface == "header value" else get(host, text)
    for host in ACTIONS:
        body = problem(rig.get(request(host)), 403, "dlp-structure")
        assert "an encoded line end or NUL where a server could take it for its own" in body["detail"]
        line = rig.worker.line(reason="dlp-structure", verdict="block", host=host)
        assert (line["detector"], line["pattern"]) == ("structural", "line-injection")
    assert recorder.upstream.accepted == 0
    assert rig.get(request("open.test")).status == 200  # the control
    assert text.encode() in bytes(recorder.raw)


def gigabytes(coding, many=10):
    """A body of so many GiB of NULs in this coding, in members of 16 MiB, the first of which is too much already."""
    piece = PACKERS[coding](bytes(1 << 24))
    return piece * (many << 6)


@pytest.mark.parametrize("coding", ["gzip", "zstd", "br"])
def test_ten_gigabytes_in_a_megabyte_are_refused_in_little_time_and_memory(rig, recorder, coding):
    """In a coding that is packed once more with gzip, so that what is sent is small: little is unpacked, and less is kept."""
    packed = PACKERS["gzip"](gigabytes(coding))
    assert len(packed) < 1 << 20
    before, spent = rig.worker.memory("VmHWM"), rig.worker.cpu()
    for host in ACTIONS:
        body = problem(rig.get(post(host, packed, f"Content-Encoding: {coding}, gzip\r\n")), 403, "dlp-structure")
        assert "the body unpacks to too much" in body["detail"]
        rig.worker.line(verdict="block", reason="dlp-structure", pattern="decode-bomb", detector="structural", host=host)
    assert rig.worker.memory("VmHWM") - before < 65536  # KiB
    assert rig.worker.cpu() - spent < CPU_SECONDS
    wait_until(lambda: recorder.open == 0)
    assert recorder.answered == 0 and len(recorder.raw) < 64 << 20  # a provider's goes on unpacked, until it is refused
    recorder.raw.clear()
    with rig.client(send=post("open.test", packed, f"Content-Encoding: {coding}, gzip\r\n")) as client:  # the control
        assert client.message().status == 200
    assert bytes(recorder.raw).endswith(packed)
