"""The shelf: what each item of a stream makes of the books, over keys of its own."""

from __future__ import annotations

import logging
from typing import Any, Optional

import pytest

from syncstream import Connected, Contiguous, Disconnected, Dropped, Feed, Gap, Kind, Levels, Resynced, Snapshot, UsageError
from syncstream.books import Books, Shelf
from syncstream.core.keys import Keys
from syncstream.core.sync import State


class House:
    """Owned by: the test. A shelf, its keys, and the stream that `Books` wants."""

    def __init__(self, **levels: Any) -> None:
        settings: dict[str, Any] = {"bids": "b", "asks": "a", **levels}
        feed = Feed("wss://venue.example/", key="s", sequence=Contiguous("u"), classify=kind_of, book=Levels(**settings))
        self.keys = Keys(feed.rules(), wall_ns=0)
        self.keys.open_lines = 1
        reading = feed.book_reading()
        assert feed.book is not None
        assert reading is not None
        self.shelf = Shelf(feed.book, reading, key=lambda m: m["s"], position=lambda m: m.get("u"), keys=self.keys)
        self.books = Books(self, self.shelf)
        self.elsewhere = False

    def _check_process(self) -> None:
        if self.elsewhere:
            raise UsageError("another process")

    def __repr__(self) -> str:
        return "<a stream>"

    def take(self, *items: Any) -> list[Any]:
        return list(self.shelf.take(list(items)))

    def live(self, key: str = "K", *, state: State = State.LIVE) -> None:
        """The key is there, in that state."""
        sync = self.keys.find(key, 0.0)
        assert sync is not None
        sync.state = state

    def begin(self, key: str = "K", **extra: Any) -> None:
        self.live(key)
        self.take(snapshot(key, **extra), Resynced(key=key))

    def shown(self, key: str = "K") -> tuple[list[int], list[int], Any, bool]:
        """Prices of both sides, the position, and whether the book is live."""
        top = self.books[key].top()
        return [int(level.price) for level in top.bids], [int(level.price) for level in top.asks], top.position, top.live


def kind_of(message: Any) -> Optional[Kind]:
    return Kind.SNAPSHOT if "snapshot" in message else None


def snapshot(key: str = "K", position: Any = 1, **extra: Any) -> Snapshot:
    return Snapshot(key=key, position=position, state={"b": [(9, 1)], "a": [(11, 1)], **extra})


def delta(u: Any, bids: Any = (), asks: Any = (), key: str = "K", **extra: Any) -> dict[str, Any]:
    return {"s": key, "u": u, "b": bids, "a": asks, **extra}


def test_a_book_begins_with_a_snapshot_and_follows() -> None:
    """Messages before it are nobody's; then levels, position and life are those of the stream."""
    house = House()
    house.live()
    house.take(delta(1, [(5, 1)]))
    assert list(house.books) == []
    house.take(snapshot(), delta(2, [(8, 1)], [(11, 0), (12, 1)]), Resynced(key="K"))
    assert house.shown() == ([9, 8], [12], 2, True)


def test_depth_is_that_of_the_levels() -> None:
    """What falls out of the venue's window is forgotten."""
    house = House(depth=1)
    house.begin()
    house.take(delta(2, [(10, 1)]))
    assert house.shown() == ([10], [11], 2, True)


def test_a_healing_gap_stops_the_book_until_the_engine_says_live() -> None:
    """Stale while it is healed, though a snapshot has come; live again in the state that goes with it."""
    house = House()
    house.begin()
    house.live(state=State.SYNCING)
    house.take(Gap(key="K", healing=True))
    assert house.shown() == ([9], [11], 1, False)
    house.take(snapshot(position=7))  # a hole behind it: the engine is not content yet
    assert house.shown() == ([9], [11], 7, False)
    house.live()
    house.take(snapshot(position=9), delta(10, [(8, 1)]), Resynced(key="K"))
    assert house.shown() == ([9, 8], [11], 10, True)


def test_a_gap_that_needed_no_snapshot_ends_with_resynced() -> None:
    """Nothing was missing after all: the levels are good as they are."""
    house = House()
    house.begin()
    house.live(state=State.SYNCING)
    house.take(Gap(key="K", healing=True))
    house.live()
    house.take(Resynced(key="K"))
    assert house.shown() == ([9], [11], 1, True)


def test_what_follows_a_gap_that_nothing_heals_is_left_out() -> None:
    """It has no beginning; in the same batch already, and although the engine lets it through. A snapshot ends that."""
    house = House()
    house.begin()
    house.take(delta(2, [(8, 1)]), Gap(key="K"), delta(5, [(7, 1)]))
    house.take(delta(6, [(6, 1)]), Resynced(key="K"))
    assert house.shown() == ([9, 8], [11], 2, False)
    house.take(snapshot(position=8), delta(9, [(5, 1)]))
    assert house.shown() == ([9, 5], [11], 9, True)


def test_a_gap_without_a_key_is_one_of_every_key() -> None:
    """After a reconnect that nothing can prove all books are stale, and each begins anew by itself."""
    house = House()
    house.begin("K")
    house.begin("L")
    house.take(Gap(reason="reconnect"))
    house.take(snapshot("L", 5))
    assert [key for key, book in house.books.items() if book.live] == ["L"]


def test_without_a_line_no_book_is_live() -> None:
    """From the loss of the last line on, until the engine has proved the key; other markers change nothing."""
    house = House()
    house.begin()
    house.take(Dropped(key="K", count=3), Resynced(key="never seen"))
    assert house.shown()[-1]
    house.keys.open_lines = 0
    house.live(state=State.UNPROVEN)
    house.take(Disconnected())
    assert not house.shown()[-1]
    house.keys.open_lines = 1
    house.take(Connected())
    assert not house.shown()[-1]
    house.live()
    house.take(Resynced(key="K"))
    assert house.shown()[-1]


def test_a_key_whose_source_was_given_up_is_not_live() -> None:
    """What the engine calls incomplete is stale."""
    house = House()
    house.begin()
    house.keys.syncs["K"].incomplete = True
    house.take(Resynced(key="K"))
    assert not house.books["K"].live


@pytest.mark.parametrize("bad", [{"s": "K", "u": 2}, delta(2, [("x", 1)]), delta(2, 5), delta(2, [(1, -1)])])
def test_what_cannot_be_applied_leaves_a_stale_book(bad: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Counted, once in the log for each key, and until the next snapshot nothing else is applied."""
    house = House()
    house.begin()
    with caplog.at_level(logging.WARNING, "syncstream.books"):
        house.take(bad, delta(3, [(8, 1)]))
        house.take(snapshot(), bad)
    assert (house.shown(), house.books.unreadable) == (([9], [11], 1, False), 2)
    assert len(caplog.records) == 1
    assert "the book of 'K' is stale until its next snapshot" in caplog.text


def test_a_snapshot_that_cannot_be_read_makes_no_book() -> None:
    """A first one makes none, a later one leaves a stale one as it was."""
    house = House()
    house.live()
    bad = Snapshot(key="K", position=5, state={"code": 1})
    house.take(bad)
    assert "K" not in house.books
    house.begin()
    house.take(bad, delta(6, [(8, 1)]))
    assert (house.shown(), house.books.unreadable) == (([9], [11], 1, False), 2)


def test_messages_of_other_kinds_change_nothing() -> None:
    """A trade beside the depth is none of the book's."""
    house = House(bids=lambda m: m.get("b"), asks=lambda m: m.get("a"))
    house.begin()
    house.take({"s": "K", "u": 2, "trade": 1})
    assert house.shown() == ([9], [11], 1, True)


def test_whole_messages_replace_the_book() -> None:
    """Each is a beginning: also the first, and one after a gap or one that could not be read."""
    house = House(whole=True)
    house.live()
    house.take(delta(1, [(5, 1)], [(6, 1)]))
    assert house.shown() == ([5], [6], 1, True)
    house.take(Gap(reason="reconnect"), {"s": "K", "u": 2})
    assert house.shown() == ([5], [6], 1, False)
    house.take(delta(3, [(4, 1)]))
    assert house.shown() == ([4], [], 3, True)


def test_whole_messages_of_other_kinds_are_left_alone() -> None:
    """What is none of the book's replaces nothing."""
    house = House(whole=True, bids=lambda m: m.get("b"), asks=lambda m: m.get("a"))
    house.live()
    house.take(delta(1, [(5, 1)], [(6, 1)]), {"s": "K", "u": 2, "trade": 1})
    assert house.shown() == ([5], [6], 1, True)


# -------------------------------------------------------------------- checksums


def summed(**levels: Any) -> House:
    """A checksum that is the number of levels."""
    return House(checksum=len, expected="c", **levels)


def test_a_wrong_checksum_leaves_a_stale_book_that_follows(caplog: pytest.LogCaptureFixture) -> None:
    """Until the next snapshot, even where a later one is right again: it covers the best levels only."""
    house = summed()
    house.begin(c=2)
    with caplog.at_level(logging.WARNING, "syncstream.books"):
        assert house.take(delta(2, [(8, 1)], c=3), delta(3, [(7, 1)], c=9)) == ["K"]
        house.take(delta(4, [(6, 1)], c=5), Resynced(key="K"))
    assert (house.shown(), house.books.mismatches) == (([9, 8, 7, 6], [11], 4, False), 1)
    assert "another checksum" in caplog.text
    house.take(snapshot(position=5, c=2))
    assert house.shown() == ([9], [11], 5, True)


@pytest.mark.parametrize("extra", [{}, {"c": 0}, {"c": None}, {"c": ""}, {"c": "0"}])
def test_a_message_without_a_checksum_is_not_checked(extra: dict[str, Any]) -> None:
    """Missing, empty or zero: there is none."""
    house = summed()
    house.begin()
    house.take(delta(2, [(8, 1)], **extra))
    assert (house.books["K"].live, house.books.mismatches) == (True, 0)


def test_a_check_that_never_succeeds_switches_itself_off(caplog: pytest.LogCaptureFixture) -> None:
    """After ten wrong ones of any key; the books are believed again, and it is said."""
    house = summed()
    house.begin("K", c=99)
    house.begin("L", c=99)
    for number in range(2, 9):
        house.take(delta(number, c=99))
    assert (house.books.checking, house.books["K"].live, house.books["L"].live) == (True, False, False)
    with caplog.at_level(logging.WARNING, "syncstream.books"):
        house.take(delta(9, c=99))
    assert (house.books.checking, house.books["K"].live, house.books["L"].live) == (False, True, True)
    assert "10 were wrong and none was right" in caplog.text
    house.take(delta(10, c=98))
    assert (house.books.mismatches, house.books["K"].live) == (10, True)


def test_a_key_turns_out_wrong_once_for_each_snapshot() -> None:
    """That is what the engine is told; a snapshot may be wrong by itself."""
    house = summed()
    house.live()
    assert house.take(snapshot(c=2), delta(2, [(8, 1)], c=3)) == []
    assert house.take(delta(3, c=9), delta(4, c=9)) == ["K"]
    assert house.take(delta(5, c=9)) == []
    assert house.take(snapshot(position=6, c=9), delta(7, c=9)) == ["K"]


def test_a_doubt_that_nothing_heals_leaves_it_followed() -> None:
    """Else nobody would ever see that it is the check that is wrong."""
    house = summed()
    house.begin(c=99)
    house.take(Gap(key="K", reason="checksum", healing=False))
    house.take(delta(2, [(8, 1)], c=99))
    assert (house.shown(), house.books.mismatches) == (([9, 8], [11], 2, False), 2)


def test_what_switches_the_check_off_doubts_nothing() -> None:
    """The tenth was as wrong as the nine before; a message that is all of a book is doubted by nobody."""
    house = summed()
    for number in range(9):
        house.live(str(number))
        assert house.take(snapshot(str(number), c=99)) == [str(number)]
    house.live("K")
    assert house.take(snapshot(c=99)) == []
    whole = House(whole=True, checksum=lambda book: 1, expected="c")
    whole.live()
    assert (whole.take(delta(1, [(5, 1)], [(6, 1)], c=2)), whole.books.mismatches) == ([], 1)


def test_a_check_that_was_right_once_stays() -> None:
    """However often it is wrong afterwards."""
    house = summed()
    house.begin(c=2)
    for number in range(2, 40):
        house.take(delta(number, c=99))
    assert (house.books.checking, house.books.mismatches, house.books["K"].live) == (True, 38, False)


def test_a_checksum_that_raises_counts_as_not_readable() -> None:
    """The user's callable, or what should have been a number."""
    house = summed()
    house.begin(c="x")
    assert (house.books.unreadable, house.books["K"].live) == (1, False)


def test_a_callable_that_cannot_say_what_a_checksum_should_be_counts_as_not_readable() -> None:
    """What it raises is trouble of that book only, after a delta as after a snapshot."""
    house = House(checksum=len, expected=lambda message: 10 // message["c"])
    house.begin("K", c=5)
    assert (house.books.unreadable, house.books["K"].live) == (0, True)
    house.take(delta(2, [(8, 1)], c=0))
    assert (house.books.unreadable, house.books["K"].live) == (1, False)
    house.begin("L", c=0)
    assert (house.books.unreadable, house.books["L"].live) == (2, False)


# -------------------------------------------------------------------- ends


def test_a_key_that_nobody_wants_any_more_has_no_book() -> None:
    """Its book is gone from the shelf, and stale for who holds it."""
    house = House()
    house.begin("K")
    house.begin("L")
    held = house.books["K"]
    house.keys.unsubscribed("K")
    house.shelf.prune()
    assert (list(house.books), held.live, house.books["L"].live) == (["L"], False, True)


def test_at_the_end_no_book_is_live() -> None:
    """Its levels stay."""
    house = House()
    house.begin()
    house.shelf.close()
    assert house.shown() == ([9], [11], 1, False)


def test_books_are_a_mapping_of_this_process() -> None:
    """Keys, length, a `KeyError` for what was not seen; refused in the child of a fork."""
    house = House()
    house.begin()
    assert (list(house.books), len(house.books), "K" in house.books, repr(house.books)) == (
        ["K"],
        1,
        True,
        "<books of <a stream>: 1 keys>",
    )
    with pytest.raises(KeyError):
        house.books["X"]
    house.elsewhere = True
    for call in (lambda: house.books["K"], lambda: list(house.books), lambda: len(house.books), lambda: house.books.mismatches):
        with pytest.raises(UsageError):
            call()
