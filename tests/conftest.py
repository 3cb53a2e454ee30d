"""What holds for every test: no thread outlives it, nobody asks the network for a name, and hypothesis tries the same examples
on every run."""

from __future__ import annotations

import ipaddress
import socket
import threading
from typing import Any, Iterator

import pytest
from hypothesis import HealthCheck, settings

from syncstream import turnstile
from syncstream.stream import streams
from tests.leaks import describe, threads_left

GRACE = 2.0
"""Seconds in which a thread that was told to end may still be on its way out."""

# The default: the same examples every time, and no verdict that depends on how busy the machine is.
settings.register_profile("ci", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
# For a search by hand: new examples every time, and many of them (`pytest --hypothesis-profile=dev`).
settings.register_profile("dev", max_examples=1000, deadline=None, print_blob=True)
settings.load_profile("ci")


def _is_here(host: Any) -> bool:
    """Whether no name server is needed to know it."""
    try:
        return host in (None, "", b"", "localhost", b"localhost") or bool(ipaddress.ip_address(host))
    except ValueError:
        return False


@pytest.fixture(autouse=True, scope="session")
def _names_are_unknown() -> Iterator[None]:
    """Every name but this machine's is unknown, and at once: what the system asks may take its time, and nothing ends it."""
    real = socket.getaddrinfo

    def look_up(host: Any, *rest: Any, **more: Any) -> Any:
        if _is_here(host):
            return real(host, *rest, **more)
        if isinstance(host, str):
            host.encode("idna")  # what is no name at all raises as it would
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", look_up)
        yield


@pytest.fixture(autouse=True)
def _nothing_was_dialled() -> None:
    """The dials of other tests do not count: the budget of a host is one for the whole process."""
    turnstile._hosts.clear()


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    """Fail the test that leaves a thread behind.

    It is set up before the fixtures a test asks for and ends after them, so what they started has been stopped by then.
    Threads of fixtures with a wider scope were there before.
    """
    before = frozenset(threading.enumerate())
    yield
    left = threads_left(before, grace=GRACE)
    if left:
        for stream in streams():
            stream.close(GRACE)  # or what it does and logs would make others fail too
        pytest.fail(f"{len(left)} thread(s) left behind by this test\n{describe(left)}", pytrace=False)
