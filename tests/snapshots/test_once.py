"""One request for a callable of a feed."""

from __future__ import annotations

import msgspec
import pytest

from syncstream.errors import FetchError
from syncstream.snapshots import ask
from tests.snapshots.site import Site


class Token(msgspec.Struct):
    token: str


def test_the_body_of_the_answer(site: Site) -> None:
    """A POST, and what it says, of the type asked for."""
    site.pages["/token"] = lambda visit: visit.json({"token": "T"})
    assert ask(site.base + "/token", decode=Token) == Token("T")
    assert [(request.method, request.path) for request in site.requests] == [("POST", "/token")]
    assert ask(site.base + "/token", method="GET") == {"token": "T"}


def test_what_may_pass_is_an_error_of_the_network(site: Site) -> None:
    """A dialler tries again after it."""
    site.pages["/token"] = lambda visit: visit.send(status=503)
    with pytest.raises(ConnectionError, match="503"):
        ask(site.base + "/token")


def test_what_will_not_pass_is_final(site: Site) -> None:
    """A page that is not there, and one that says something else."""
    site.pages["/other"] = lambda visit: visit.json({"other": 1})
    for path in ("/token", "/other"):
        with pytest.raises(FetchError):
            ask(site.base + path, decode=Token)
