"""The recorded sessions themselves, without any network: the books we compare with agree with what the venue says of them."""

from __future__ import annotations

import json

import pytest

from tests import replay


@pytest.mark.parametrize(
    ("name", "verified"),
    [("binance_spot_10sym_20210405", 1152), ("binance_usdm_5sym_20210405", 214), ("kucoin_level2_20210425", 810)],
)
def test_the_folded_books_agree_with_every_ticker(name: str, verified: int) -> None:
    """Each book that a delta has moved to a position the ticker speaks of has the ticker's best prices and sizes."""
    history = replay.history(name)
    tops: dict[tuple[str, int], object] = {}
    books = replay.Books(history, lambda key, book: tops.__setitem__((key, book.position), book.top()))
    final = books.advance(len(history.frames))
    compared = {at: top for at, top in tops.items() if at in history.oracle}
    assert compared == {at: history.oracle[at] for at in compared}
    assert len(compared) == verified
    assert {key: book.position for key, book in final.items()} == history.final


def test_a_message_that_ends_at_the_snapshot() -> None:
    """The 215th of Binance USD-M has `u == lastUpdateId`: the snapshot covers it, and the ticker agrees with the snapshot."""
    history = replay.history("binance_usdm_5sym_20210405")
    ends = {(delta.key, delta.last) for delta in history.deltas if delta is not None}
    books = [(taken.key, history.venue.book(json.loads(taken.text))) for taken in history.snapshots]
    covered = [(key, book) for key, book in books if (key, book.position) in ends.intersection(history.oracle)]
    assert [key for key, _ in covered] == ["CTKUSDT"]
    assert [book.top() for _, book in covered] == [history.oracle[key, book.position] for key, book in covered]
