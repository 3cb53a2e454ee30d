"""The venue's own books along a recording."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from . import made
from .books import Book, Top
from .history import Books


@given(seed=st.integers(0, 10**6), steps=st.lists(st.integers(0, 60), max_size=8))
def test_the_books_end_at_the_truth_however_they_are_advanced(seed: int, steps: list[int]) -> None:
    """Snapshot plus deltas is the market's true state, in one step or in many."""
    market = made.market(60, seed=seed)
    books = Books(market.history)
    for position in steps:
        books.advance(position)
    assert books.advance(len(market.history.frames)) == market.truth


@given(seed=st.integers(0, 10**6))
def test_every_moved_book_agrees_with_the_ticker(seed: int) -> None:
    """The oracle of a made market holds at each position the books stand at."""
    history = made.market(60, seed=seed).history
    seen: dict[tuple[str, int], object] = {}
    Books(history, lambda key, book: seen.__setitem__((key, book.position), book.top())).advance(len(history.frames))
    compared = {at: top for at, top in seen.items() if at in history.oracle}
    assert compared == {at: history.oracle[at] for at in compared}


def test_a_book_exists_from_its_snapshot_on() -> None:
    """Before the recorded REST body there is none; with it, what had come before is replayed."""
    market = made.market(30, symbols=("AAA",), snapshot_at=5)
    taken = market.history.snapshots[0].position
    books = Books(market.history)
    assert books.advance(taken - 1) == {}
    assert books.advance(taken)["AAA"].position == json.loads(market.history.snapshots[0].text)["lastUpdateId"]


def test_a_position_never_goes_back() -> None:
    """An older position than before gives the books as they are."""
    market = made.market(30)
    books = Books(market.history)
    books.advance(len(market.history.frames))
    assert books.advance(0) == market.truth


def test_the_tail_of_a_key_is_its_last_delta() -> None:
    """One index per key, nothing of that key after it."""
    history = made.market(40).history
    tails = history.tails()
    assert {delta.key for index in tails for delta in [history.deltas[index]] if delta} == set(history.final)
    for index in tails:
        last = history.deltas[index]
        assert last is not None
        assert last.last == history.final[last.key]
        assert last.key not in {delta.key for delta in history.deltas[index + 1 :] if delta}


def test_kucoins_overlap_control_frames_and_price_zero() -> None:
    """Changes the snapshot has are skipped, welcome and ack are not on the tape, and the ticker agrees."""
    history = made.kucoin()
    assert [delta.last if delta else None for delta in history.deltas] == [11, 13, 15, 16, None]
    assert history.snapshots[0].position == 1
    assert history.oracle == {("AB-USDT", 16): Top.of("9", "7", "11", "4")}
    assert Books(history).advance(5) == {"AB-USDT": Book(16, [["8", "3"], ["9", "7"]], [["11", "4"]])}
