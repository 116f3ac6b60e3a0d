# SPDX-License-Identifier: GPL-3.0-or-later
"""stopper-proxy with a few names: plain.test and *.wild.test over HTTP, secure.test over TLS that is passed through."""
import pytest

from proxy_rig import DIALLED, OTHER, PUBLIC, SERVER, Client, Rig

ALERT = bytes.fromhex("15030300020231")  # fatal, access_denied(49)
POST = b"POST / HTTP/1.1\r\nHost: plain.test\r\n"


@pytest.fixture
def rig():
    made = Rig()
    yield made
    made.close()


@pytest.fixture
def plain(rig):
    return name_all(rig)


@pytest.fixture(scope="module")
def long_lived():
    made = name_all(Rig())
    yield made
    made.close()


@pytest.fixture
def shared(long_lived):
    """One worker for many attacks, which it has to outlive; lines and upstreams are each test's own."""
    long_lived.worker.forget()
    yield long_lived
    long_lived.clear()


def name_all(rig):
    """plain.test over HTTP, secure.test over TLS, *.wild.test over HTTP; the names lead to PUBLIC, SERVER and OTHER."""
    rig.worker.apply("plain.test", {"host": "secure.test", "tls": {"passthrough": True}}, "*.wild.test", "other.test")
    rig.resolver.names.update({"plain.test": [PUBLIC], "secure.test": [SERVER], "a.wild.test": [OTHER], "other.test": [OTHER]})
    return rig


def is_reset(space, port, address=DIALLED):
    """Whether a connection is reset before anything is said on it, perhaps before connect() has returned."""
    try:
        with Client(space, port, address) as client:
            return client.rest() == "reset"
    except ConnectionResetError:
        return True
