"""Adapters whose snapshots come on the line, along recorded sessions, through a real socket; also with faults.

Each state that the consumer comes to is judged: by the checksum that the venue sends with it, else by the reference's books.
"""

from __future__ import annotations

from typing import Callable, NamedTuple

import pytest

import syncstream.venues as adapters
from syncstream import Feed
from tests import replay

from . import inband
from .sessions import bitfinex, bybit, coinbase_advanced, deribit, kraken, kraken_v2, okx


class Case(NamedTuple):
    """`deltas` and `states` of the session that are compared; `cut` so many frames make a line end, at `rate` a second; `lost`:
    this fraction of the deltas is left out where some are. `numbered`: whether loss shows by numbers."""

    history: Callable[[], replay.History]
    feed: Callable[[replay.ReplayServer], Feed]
    deltas: int
    states: int
    cut: int = 500
    rate: float = 3000.0
    lost: float = 0.01
    numbered: bool = True


CASES = {
    "kraken": Case(lambda: replay.history(kraken.CAPTURE), kraken.depth, 4269, 4279, numbered=False),
    "kraken_v2": Case(
        lambda: replay.history(kraken_v2.CAPTURE), kraken_v2.depth, 3, 4, cut=4, rate=20.0, lost=0.9, numbered=False
    ),
    "okx with checksums": Case(
        lambda: replay.history(okx.CHECKED), okx.checked, 287, 290, cut=100, rate=500.0, lost=0.02, numbered=False
    ),
    "okx with numbers": Case(lambda: replay.history(okx.NUMBERED), okx.depth, 6, 7, cut=4, rate=20.0, lost=0.6),
    "bybit linear": Case(lambda: bybit.part("linear"), bybit.depth, 1594, 1598),
    "bybit spot": Case(lambda: bybit.part("spot"), bybit.depth, 548, 550, cut=150, rate=1000.0, lost=0.03),
    "deribit": Case(lambda: replay.history(deribit.CAPTURE), deribit.depth, 36, 46, cut=20, rate=100.0, lost=0.1),
    "bitfinex": Case(lambda: replay.history(bitfinex.CAPTURE), bitfinex.depth, 1593, 1600, cut=300, rate=1000.0),
    "coinbase_advanced": Case(
        lambda: replay.history(coinbase_advanced.CAPTURE), coinbase_advanced.depth, 773, 775, cut=200, rate=300.0
    ),
}
SLOW = ("coinbase_advanced",)  # books of 46,000 levels


def only(wanted: Callable[[Case], bool]) -> pytest.MarkDecorator:
    """The cases that a test is for."""
    names = [name for name, case in CASES.items() if wanted(case)]
    params = [pytest.param(CASES[name], id=name, marks=[pytest.mark.slow] * (name in SLOW)) for name in names]
    return pytest.mark.parametrize("case", params)


cases = only(lambda case: True)
numbered = only(lambda case: case.numbered)
checked = only(lambda case: not case.numbered)


@cases
def test_a_whole_session(case: Case) -> None:
    """Every message comes, no gap, every state is right, and at the end each book is the venue's, level for level."""
    result = inband.run(case.feed, case.history())
    assert (result.messages, result.compared) == (case.deltas, case.states)
    assert (result.gaps, result.quarantined, result.duplicates, result.contradicted, result.whole) == (0, 0, 0, 0, True)


@cases
def test_cuts(case: Case) -> None:
    """Each new line begins with snapshots as of then; no state on the way is wrong, and the books end as the venue's."""
    with inband.play(case.history(), rate=case.rate, cut_after=case.cut) as server:
        result = inband.books(case.feed, server)
        assert server.cuts > 0
    assert (result.quarantined, result.contradicted, result.whole) == (0, 0, True)


@numbered
@pytest.mark.parametrize("cut", [False, True], ids=["one line", "and cuts"])
def test_deltas_left_out(case: Case, cut: bool) -> None:
    """Each hole is healed by a snapshot of the line; no state on the way is wrong, and the books end as the venue's."""
    faults = {"leave_out": case.lost, "seed": 5, "cut_after": case.cut if cut else None}
    with inband.play(case.history(), rate=case.rate, **faults) as server:
        result = inband.books(case.feed, server)
        assert server.left_out
    assert (result.unhealed, result.quarantined, result.contradicted, result.after_gap, result.whole) == (0, 0, 0, 0, True)
    assert cut or result.gaps >= result.healed > 0  # one snapshot heals two holes


@numbered
def test_deltas_that_come_twice(case: Case) -> None:
    """They are dropped, and nobody sees more than one."""
    with inband.play(case.history(), rate=case.rate, repeat=max(0.05, case.lost), seed=5) as server:
        result = inband.books(case.feed, server)
        assert server.repeated
    assert (result.gaps, result.quarantined, result.contradicted, result.whole) == (0, 0, 0, True)
    assert (result.messages, result.compared) == (case.deltas, case.states)


@checked
@pytest.mark.parametrize("cut", [False, True], ids=["one line", "and cuts"])
def test_a_loss_that_a_checksum_shows(case: Case, cut: bool) -> None:
    """It is told, nothing of that key comes before the snapshot that heals it, and the best levels end as the venue's.

    The checksum is over the best ones only, and so is what can be asked for.
    """
    faults = {"leave_out": case.lost, "seed": 5, "cut_after": case.cut if cut else None}
    with inband.play(case.history(), rate=case.rate, **faults) as server:
        result = inband.books(case.feed, server, whole=False)
        assert server.left_out
    assert (result.unhealed, result.quarantined, result.after_gap, result.whole) == (0, 0, 0, True)
    assert cut or result.gaps == result.healed == result.told > 0
    assert result.contradicted >= result.told


@checked
def test_an_old_delta_that_a_checksum_shows(case: Case) -> None:
    """One that comes again makes a book without numbers wrong. It is told and healed likewise."""
    with inband.play(case.history(), rate=case.rate, repeat=max(0.05, case.lost), seed=5) as server:
        result = inband.books(case.feed, server, whole=False)
        assert server.repeated or case.deltas < 10
    assert (result.unhealed, result.quarantined, result.after_gap, result.whole) == (0, 0, 0, True)
    assert result.gaps == result.healed == result.told


EQUAL: dict[str, Callable[[], Feed]] = {
    "bitfinex.depth": lambda: adapters.bitfinex.depth(["tAB"]),
    "bitfinex.ticker": lambda: adapters.bitfinex.ticker(["tAB"]),
    "bybit.depth": lambda: adapters.bybit.depth(["AB"]),
    "coinbase_advanced.depth": lambda: adapters.coinbase_advanced.depth(["A-B"]),
    "coinbase_advanced.trades": lambda: adapters.coinbase_advanced.trades(["A-B"]),
    "deribit.depth": lambda: adapters.deribit.depth(["A"]),
    "kraken.depth": lambda: adapters.kraken.depth(["A/B"]),
    "kraken_v2.depth": lambda: adapters.kraken_v2.depth(["A/B"]),
    "okx.depth": lambda: adapters.okx.depth(["A-B"]),
    "okx.trades": lambda: adapters.okx.trades(["A-B"]),
}


def test_feeds_that_say_the_same_are_equal() -> None:
    """So a cell of a notebook that is run again closes the stream before; and no two of them are one."""
    made = [make() for make in EQUAL.values()]
    assert made == [make() for make in EQUAL.values()]
    assert all(one != other for at, one in enumerate(made) for other in made[:at])
