"""What is done with an item at which a callback raised: each word, a function that says one, and what is kept."""

from __future__ import annotations

import logging
import threading
from typing import Any, Optional

import pytest

from syncstream import FeedError, Gap, Quarantined
from syncstream.quarantine import ANSWERS, KEPT, OnError, Quarantine


def quarantine(on_error: OnError) -> tuple[Quarantine, list[Quarantined]]:
    """One that does this, and what it told."""
    told: list[Quarantined] = []
    made = Quarantine(key=lambda message: message["symbol"], tell=told.append)
    made.use(on_error)
    return made, told


def test_without_a_word_it_raises() -> None:
    """The default is loud: the very exception, with its traceback."""
    made = Quarantine(key=lambda message: None, tell=lambda event: None)
    error = KeyError("mine")
    with pytest.raises(KeyError) as caught:
        made({"symbol": "A"}, error)
    assert caught.value is error


def test_log_says_what_and_where_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """Each time, with the traceback, and without the item, which may hold what is nobody's business."""
    made, told = quarantine("log")
    for _ in range(2):
        made({"symbol": "A", "account": "12345"}, KeyError("mine"))
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert caplog.messages[0] == "a callback raised KeyError, at an item of type dict; the stream goes on"
    assert all(record.exc_info is not None for record in caplog.records)
    assert "12345" not in caplog.text
    assert (made.count, made.kept, told) == (0, (), [])


def test_quarantine_keeps_counts_and_tells(caplog: pytest.LogCaptureFixture) -> None:
    """The item with its key and its error; the log has the first one only."""
    made, told = quarantine("quarantine")
    first, second = {"symbol": "A"}, {"symbol": "B"}
    error = KeyError("mine")
    made(first, error)
    made(second, ValueError("yours"))
    assert [(one.item, one.key) for one in made.kept] == [(first, "A"), (second, "B")]
    assert made.kept[0].error is error
    assert [(event.key, event.reason, event.raw) for event in told] == [
        ("A", "a callback raised KeyError: 'mine'", b""),
        ("B", "a callback raised ValueError: yours", b""),
    ]
    assert told[0].at_ns > 0
    assert made.count == 2
    assert len(caplog.records) == 1


@pytest.mark.parametrize(("item", "key"), [(Gap(key="A"), "A"), (Gap(), None), ({"no": "symbol"}, None), ("text", None)])
def test_the_key_is_that_of_the_item(item: Any, key: Optional[str]) -> None:
    """A marker names its own; an item from which none can be had has none."""
    made, told = quarantine("quarantine")
    made(item, KeyError("mine"))
    assert (made.kept[0].key, told[0].key) == (key, key)


def test_only_the_last_few_are_kept() -> None:
    """The rest is counted and let go of."""
    made, told = quarantine("quarantine")
    for number in range(KEPT + 5):
        made({"symbol": number}, KeyError(number))
    assert [one.key for one in made.kept] == list(range(5, KEPT + 5))
    assert (made.count, len(told)) == (KEPT + 5, KEPT + 5)


def test_a_callback_that_fails_at_the_telling_is_not_told_of() -> None:
    """Else each telling would bring the next one, for ever."""
    made, told = quarantine("quarantine")
    made(Quarantined(key="A"), KeyError("mine"))
    assert (made.count, told) == (1, [])


@pytest.mark.parametrize("answer", [*ANSWERS, None])
def test_a_function_may_say_any_of_the_words(answer: Optional[str]) -> None:
    """It gets the item and the exception; None means that it has dealt with it."""
    asked: list[Any] = []

    def on_error(item: Any, error: Exception) -> Optional[str]:
        asked.append((item, error))
        return answer

    made, _ = quarantine(on_error)
    item, error = {"symbol": "A"}, KeyError("mine")
    if answer == "raise":
        with pytest.raises(KeyError):
            made(item, error)
    else:
        made(item, error)
    assert asked == [(item, error)]
    assert made.count == (answer == "quarantine")


def test_what_a_function_raises_goes_up() -> None:
    """It ends the stream instead of the callback's own error."""

    def on_error(item: Any, error: Exception) -> None:
        raise LookupError("enough") from error

    made, _ = quarantine(on_error)
    with pytest.raises(LookupError, match="enough") as caught:
        made({"symbol": "A"}, KeyError("mine"))
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_function_that_says_something_else_is_a_mistake() -> None:
    """Named, with what the callback raised as its cause."""
    made, _ = quarantine(lambda item, error: "ignore")
    with pytest.raises(FeedError, match=r"^on_error='ignore': the function returns 'raise'") as caught:
        made({"symbol": "A"}, KeyError("mine"))
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize("word", ["", "ignore", None, 5, True])
def test_a_word_that_says_nothing_is_refused(word: Any) -> None:
    """Before any callback runs."""
    with pytest.raises(FeedError, match=r"^on_error=.*expected 'raise', 'log', 'quarantine', or a function"):
        quarantine(word)


def test_many_workers_may_fail_at_once() -> None:
    """Each failure is counted, whichever thread it happened on."""
    made, told = quarantine("quarantine")

    def fail() -> None:
        for _ in range(50):
            made({"symbol": "A"}, KeyError("mine"))

    threads = [threading.Thread(target=fail) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (made.count, len(told), len(made.kept)) == (200, 200, KEPT)
