# SPDX-License-Identifier: GPL-3.0-or-later
"""Request smuggling: what a raw upstream records for every shape that two parsers have ever read differently.

Each shape (smuggling_shapes.py) goes through the proxy in clear and over TLS. The upstream records bytes and understands nothing, so
what it has is what any server would have to make sense of. Nothing, or exactly the requests that are listed, byte for byte; the
audit has as many. The same bytes sent past the proxy do arrive.
"""
import pytest

from proxy_rig import wait_until
from smuggling_rig import answers_are
from smuggling_rig import certificates, leg, rig  # noqa: F401 (fixtures)
from smuggling_shapes import BAD, BODIES, CHUNKED, CONTROL, SHAPES


@pytest.mark.parametrize("shape", SHAPES)
def test_the_upstream_sees_what_policy_saw_or_nothing(leg, shape):
    sent, upstream, answers = SHAPES[shape]
    sent = leg.fill(sent)
    leg.recorder.forget()
    if not leg.secure:
        leg.direct(sent)  # without the proxy nothing is in the way
    leg.recorder.forget(*upstream, CONTROL)
    leg.rig.worker.forget()
    with leg.client() as client:
        client.send(sent)
        ids = answers_are(client, answers)
    lines = leg.control()
    assert [seen for seen in leg.recorder.seen if seen] == [*upstream, CONTROL]
    assert len(leg.recorder.seen) == len(upstream) + 1 or shape.startswith(("chunk", "the last chunk", "extension", "trailer"))
    assert [line["id"] for line in lines if line["verdict"] == "block"] == ids
    assert [line["reason"] for line in lines if line["verdict"] == "block"] == [name for _, name in answers if name]
    allowed = [line for line in lines if line["verdict"] == "allow"]
    assert [line["bytes_out"] for line in allowed] == [len(each) for each in upstream] and len(lines) == len(answers)


@pytest.mark.parametrize("shape", BODIES)
def test_a_body_that_goes_wrong_under_way_is_never_whole_for_the_upstream(leg, shape):
    rest = SHAPES[shape][0][len(CHUNKED):]
    leg.recorder.forget(CONTROL)
    leg.rig.worker.forget()
    with leg.client() as client:
        client.send(CHUNKED)
        wait_until(lambda: leg.recorder.seen == [CHUNKED])
        client.send(rest)
        event, = answers_are(client, BAD)
    leg.control()
    assert leg.recorder.seen == [CHUNKED, CONTROL]
    line = leg.rig.worker.line(id=event)
    assert (line["verdict"], line["reason"], line["bytes_out"]) == ("allow", "http-malformed", len(CHUNKED))  # it was forwarded
