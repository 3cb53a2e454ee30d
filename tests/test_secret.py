"""Secret: plain where it is used, hidden where it is shown, and looked for in every form it may be written in."""

from __future__ import annotations

import copy
import json
import pickle
import threading
from typing import Any, Callable
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstream import Closed, Disconnected, Endpoint, Feed, FeedError, Quarantined, Rest, Secret, StreamFailed, schema
from syncstream.errors import DialError, SyncstreamError
from syncstream.secret import HIDDEN, REMEMBERED, SHORTEST, scrub, scrub_bytes, stands_in
from syncstream.urls import redact

TEXT = "k3y /+\"ü'\\of-mine"
KEY = Secret(TEXT)


def test_it_is_the_text() -> None:
    """For whoever writes it somewhere: a URL, a payload, a signature, a header."""
    assert KEY == TEXT
    assert f"Bearer {KEY}" == "Bearer " + TEXT
    assert str(KEY) == TEXT
    assert type(str(KEY)) is str
    assert json.loads(json.dumps({"key": KEY})) == {"key": TEXT}
    assert urlencode({"key": KEY}) == urlencode({"key": TEXT})
    assert KEY.encode() == TEXT.encode()


def test_it_shows_nothing_of_itself() -> None:
    """Alone, in a container, in a feed, and after a copy."""
    for one in (KEY, copy.copy(KEY), copy.deepcopy(KEY), pickle.loads(pickle.dumps(KEY))):
        assert (type(one), repr(one), one) == (Secret, HIDDEN, TEXT)
    assert repr({"key": [KEY]}) == "{'key': [***]}"


@pytest.mark.parametrize("payload", [KEY, {"op": "login", "args": [{"key": KEY}]}, [KEY], (KEY,)])
def test_a_payload_has_it_plain(payload: Any) -> None:
    """Wherever it stands in it."""
    sent = schema.encode("subscribe", payload)
    assert isinstance(sent, str)
    assert (sent if payload is KEY else json.dumps(json.loads(sent), ensure_ascii=False)).count("k3y") == 1
    assert HIDDEN not in sent


def test_what_cannot_be_sent_is_refused_as_before() -> None:
    """Only texts are written for what they are."""
    with pytest.raises(FeedError, match="Encoding objects of type object is unsupported"):
        schema.encode("subscribe", {"key": object()})


FORMS: list[Callable[[str], str]] = [
    str,
    quote,
    lambda text: quote(text, safe=""),
    lambda text: urlencode({"": text})[1:],
    lambda text: json.dumps(text),
    lambda text: json.dumps(text, ensure_ascii=False),
    repr,
]


@pytest.mark.parametrize("form", FORMS)
def test_every_way_to_write_it_is_found(form: Callable[[str], str]) -> None:
    """Plain, in a URL, in JSON, in a repr."""
    shown = scrub(f"before {form(TEXT)} after")
    assert shown.startswith("before ")
    assert shown.endswith(" after")
    assert "mine" not in shown


@pytest.mark.parametrize("size", range(SHORTEST, len(TEXT)))
def test_what_is_left_of_it_at_a_cut_goes_too(size: int) -> None:
    """From four characters on, at the end of a text or of a frame."""
    assert scrub("key=" + TEXT[:size], cut=True) == "key=***"
    assert scrub("key=" + TEXT[:size]) == "key=" + TEXT[:size]
    assert scrub_bytes(b"key=" + TEXT[:size].encode()) == b"key=***"


def test_bytes_that_are_no_text_stay_what_they_are() -> None:
    """Around the secret."""
    assert scrub_bytes(b"\xff\x00" + TEXT.encode() + b"\xfe") == b"\xff\x00***\xfe"


@pytest.mark.parametrize("short", ["", "a", "no", "the"])
def test_a_short_one_is_hidden_by_its_repr_only(short: str) -> None:
    """It would be found in every other word."""
    assert repr(Secret(short)) == HIDDEN
    assert scrub("no other word, a the") == "no other word, a the"


def test_one_inside_another_leaves_nothing() -> None:
    """The longer one goes first."""
    Secret("inner-part")
    Secret("outer-inner-part-outer")
    assert scrub("x outer-inner-part-outer y inner-part z") == "x *** y *** z"


def test_of_those_that_nobody_holds_the_last_ones_are_remembered() -> None:
    """Tokens that are made anew for every attempt must not fill the memory, nor push out the key of a feed."""
    Secret("the-very-first-one")
    held = Secret("held-all-the-time")
    for number in range(REMEMBERED + 1):
        Secret(f"one-of-many-{number:04}")
    assert scrub("the-very-first-one") == "the-very-first-one"
    assert scrub(f"one-of-many-0001 one-of-many-0256 {held}") == "*** *** ***"
    assert scrub(TEXT) == HIDDEN


def test_the_same_text_is_one_object() -> None:
    """So it is known whether anybody holds it; after that a new one is made."""
    first = Secret("twice-the-same")
    assert Secret("twice-the-same") is first
    assert Secret(str(first)) is first
    del first
    assert scrub("twice-the-same") == HIDDEN
    assert repr(Secret("twice-the-same")) == HIDDEN


def test_any_thread_may_make_one() -> None:
    """None is forgotten."""
    names = [f"made-by-thread-{number}" for number in range(40)]
    threads = [threading.Thread(target=Secret, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert scrub(" ".join(names)) == " ".join([HIDDEN] * 40)


@given(st.text(), st.text())
def test_nothing_else_is_changed(before: str, after: str) -> None:
    """Around a secret all stays, and no whole secret is left."""
    Secret(TEXT)
    shown = scrub(before + TEXT + after)
    assert TEXT not in shown
    assert HIDDEN in shown


def test_errors_do_not_show_it() -> None:
    """Not the text, not the value that was refused, not after a cut."""
    assert str(SyncstreamError(f"no {KEY}")) == "no ***"
    assert str(DialError(f"no {TEXT}")) == "no ***"
    assert "k3y" not in str(FeedError("topics", [KEY, "x" * 300], f"not {KEY}"))
    assert "k3y" not in str(FeedError("topics", "x" * 185 + TEXT, "too long"))
    again = pickle.loads(pickle.dumps(StreamFailed(f"no {KEY}")))
    assert str(again) == "no ***"


def test_events_do_not_show_it() -> None:
    """Neither in their fields nor in their repr; what else they say stays."""
    gone = Disconnected(reason=f"closed by the venue: 1008 bad key {TEXT}", code=1008)
    assert (gone.reason, gone.code) == ("closed by the venue: 1008 bad key ***", 1008)
    aside = Quarantined(reason=f"no number: {TEXT}", raw=f"error: {TEXT}".encode(), key="ABC")
    assert (aside.reason, aside.raw, aside.key) == ("no number: ***", b"error: ***", "ABC")
    assert Closed(error=str(StreamFailed(TEXT))).error == HIDDEN


def test_reprs_do_not_show_it() -> None:
    """Where it stands in a path too."""
    path = Secret("key-in-a-path")
    assert redact(f"wss://venue.test/v1/{path}/feed?x=1") == "wss://venue.test/v1/***/feed?..."
    endpoint = Endpoint(url=f"wss://venue.test/{path}", headers={"X-Key": KEY})
    feed = Feed(endpoint, subscribe={"key": KEY}, key="symbol")
    rest = Rest(f"https://venue.test/{path}/{{key}}", whole=True, headers={"X-Key": KEY})
    for one in (endpoint, feed, rest, Feed(f"wss://venue.test/{path}", headers={"X-Key": KEY})):
        assert "key-in-a-path" not in repr(one)
        assert "k3y" not in repr(one)


def test_it_is_found_in_bytes() -> None:
    """In any of its forms, whole, also where the rest is no text."""
    assert stands_in(b'{"key":"' + TEXT.encode() + b'"}')
    assert stands_in(b"\xff\x00" + TEXT.encode() + b"\xff")
    assert not stands_in(TEXT.encode()[:-1])
    assert not stands_in(b"")
