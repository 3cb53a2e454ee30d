"""The error tree: who is whose base, and what each error says and keeps."""

from __future__ import annotations

import copy
import inspect
import pickle
import queue
import re
import sys
from typing import Any

import pytest

from syncstream import errors
from syncstream.errors import DialError, FeedError, FetchError, Severity, StreamClosed, StreamFailed, SyncstreamError

CLASSES = {name: value for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, SyncstreamError)}


def drawn() -> dict[str, tuple[str, tuple[str, ...]]]:
    """The tree of the docstring: each name with its parent in the tree and its other bases."""
    assert errors.__doc__ is not None
    found: dict[str, tuple[str, tuple[str, ...]]] = {}
    above: list[str] = []
    for line in errors.__doc__.splitlines():
        match = re.match(r"    (?P<branch>[ │├└─]*)(?P<name>[A-Z]\w+)(?: \((?P<bases>[^)]*)\))?(?:\s|$)", line)
        if match is None:
            continue
        depth = len(match["branch"]) // 4
        above = [*above[:depth], match["name"]]
        found[match["name"]] = (above[-2] if depth else "", tuple((match["bases"] or "").split(", ")) if match["bases"] else ())
    return found


def test_the_tree_is_the_one_of_the_docstring() -> None:
    """Every class stands in the picture, or below it among the reasons, with exactly the bases it has."""
    tree = drawn()
    assert set(tree) == set(CLASSES) - {"DialError", "CallableError", "FetchError"}
    assert len(tree) == 15
    for name, (parent, others) in tree.items():
        bases = [base.__name__ for base in CLASSES[name].__bases__ if base is not Exception]
        expected = [parent] if parent else []
        expected += [other.rpartition(".")[2] for other in others]
        if name == "StreamClosed" and sys.version_info < (3, 13):
            expected.remove("ShutDown")
        assert bases == expected


def test_closed_is_a_shut_down_queue_where_python_has_one() -> None:
    """Code that already drains a `queue.Queue` ends as it does with any other."""
    shut_down = getattr(queue, "ShutDown", None)
    assert (shut_down is not None) == (sys.version_info >= (3, 13))
    assert shut_down is None or issubclass(StreamClosed, shut_down)


def test_the_two_questions_a_user_asks() -> None:
    """Was it a time-out, was it the connection, is it final: each can be asked with the class Python has for it."""
    assert issubclass(errors.Empty, (TimeoutError, queue.Empty))
    assert issubclass(errors.Empty, TimeoutError)
    assert issubclass(errors.Empty, queue.Empty)
    for name in ("NotConnected", "SendUnknown", "ConnectFailed"):
        assert issubclass(CLASSES[name], ConnectionError)
    final = {name for name, one in CLASSES.items() if issubclass(one, StreamFailed)}
    assert final == {
        "StreamFailed",
        "ConnectFailed",
        "Overflow",
        "SnapshotFailed",
        "SubscribeFailed",
        "DataFailed",
        "FeedFailed",
        "HandlerFailed",
    }


def test_mistakes_of_the_user_and_trouble_of_the_world_share_no_class_but_the_roots() -> None:
    """`except ConnectionError` never hides a mistake in the user's own code, and no `except ValueError` hides the network."""
    users = {"FeedError", "UsageError", "FeedFailed", "HandlerFailed"}
    roots = {SyncstreamError, StreamFailed, Exception, BaseException, object}
    of_users = {base for name in users for base in CLASSES[name].__mro__} - roots
    of_world = {base for name in set(CLASSES) - users for base in CLASSES[name].__mro__} - roots
    assert of_users & of_world == set()
    assert not any(issubclass(CLASSES[name], OSError) for name in users)


@pytest.mark.parametrize("name", sorted(set(CLASSES) - {"FeedError"}))
def test_an_error_says_what_it_is_told(name: str) -> None:
    """One text, kept as it is, also when it goes to another process."""
    error = CLASSES[name]("what happened")
    assert str(error) == "what happened"
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (CLASSES[name], "what happened")


# ---------------------------------------------------------------- FeedError


def test_a_feed_error_names_the_field_and_the_value() -> None:
    """In one line, and each for itself."""
    error = FeedError("heartbeat", -1.0, "expected a number of seconds above zero")
    assert str(error) == "heartbeat=-1.0: expected a number of seconds above zero"
    assert (error.field, error.value, error.why) == ("heartbeat", -1.0, "expected a number of seconds above zero")
    assert isinstance(error, ValueError)


@pytest.mark.parametrize(
    ("length", "shown"), [(197, "'" + "x" * 197 + "'"), (198, "'" + "x" * 198 + "'"), (199, "'" + "x" * 196 + "...")]
)
def test_a_long_value_is_cut(length: int, shown: str) -> None:
    """At 200 characters; the value itself is kept."""
    error = FeedError("topics", "x" * length, "why")
    assert str(error) == f"topics={shown}: why"
    assert len(shown) <= 200
    assert error.value == "x" * length


def test_a_feed_error_goes_through_pickle_and_copy() -> None:
    """A worker process that refuses a feed can say so; one that could not be restored would take its pool along."""
    error = FeedError("key", "sym", "no message has it")
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is FeedError
        assert (str(again), again.field, again.value, again.why) == (str(error), "key", "sym", "no message has it")


# ---------------------------------------------------------------- attempts

ATTEMPTS: list[Any] = [DialError, FetchError]


@pytest.mark.parametrize("kind", ATTEMPTS)
def test_a_failed_attempt_has_a_class(kind: Any) -> None:
    """Trying again is the rule; status and wait are unknown unless the venue said something."""
    plain = kind("refused")
    assert (plain.severity, plain.status, plain.retry_after) == (Severity.RETRY, None, None)
    told = kind("busy", severity=Severity.SLOW, status=429, retry_after=7.0)
    again = pickle.loads(pickle.dumps(told))
    for one in (told, again):
        assert (str(one), one.severity, one.status, one.retry_after) == ("busy", Severity.SLOW, 429, 7.0)


def test_the_three_severities() -> None:
    """Retry, slow, fatal, and nothing between."""
    assert [one.value for one in Severity] == ["retry", "slow", "fatal"]
