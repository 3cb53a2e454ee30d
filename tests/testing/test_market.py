"""The true state: moves, older states, restarts, dice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstream.testing.market import HISTORY, Book, Delta, Market, State


def book(seed: int = 1) -> Book:
    return Market(["ABC"], seed).books["ABC"]


def fold(state: State, deltas: list[Delta]) -> State:
    """The state after these deltas, computed the slow and obvious way."""
    bids, asks, volume = dict(state.bids), dict(state.asks), state.volume
    for delta in deltas:
        side = bids if delta.side == "bid" else asks
        side[delta.price] = delta.size
        volume += delta.volume
    return State(
        symbol=state.symbol,
        version=deltas[-1].version if deltas else state.version,
        bids={price: bids[price] for price in sorted(bids, key=float, reverse=True) if bids[price]},
        asks={price: asks[price] for price in sorted(asks, key=float) if asks[price]},
        volume=volume,
    )


def test_versions_count_from_one() -> None:
    """Each move has the next version, and the state says which was the last."""
    moved = book()
    assert [moved.move().version for _ in range(5)] == [1, 2, 3, 4, 5]
    assert moved.state().position == 5


def test_the_same_seed_gives_the_same_market() -> None:
    """All chance comes from the seed."""
    first, second, other = book(7), book(7), book(8)
    moves = [first.move() for _ in range(100)]
    assert [second.move() for _ in range(100)] == moves
    assert [other.move() for _ in range(100)] != moves


def test_a_symbol_does_not_depend_on_the_turns_of_others() -> None:
    """What happens to a symbol is the same, however often others move in between."""
    alone, beside = Market(["ABC", "XYZ"], 3), Market(["ABC", "XYZ"], 3)
    moves = []
    for _ in range(50):
        beside.books["XYZ"].move()
        moves.append(beside.books["ABC"].move())
    assert [alone.books["ABC"].move() for _ in range(50)] == moves


def test_every_symbol_has_its_turn() -> None:
    """Among a few hundred turns every symbol comes."""
    market = Market(["A", "B", "C"], 1)
    assert {market.pick() for _ in range(300)} == {"A", "B", "C"}


@given(seed=st.integers(0, 1000), moves=st.integers(0, 300), ago=st.integers(0, 400))
def test_an_older_state_is_the_one_there_was(seed: int, moves: int, ago: int) -> None:
    """The state so many versions ago is what folding the moves up to then gives; too long ago is the beginning."""
    moved = book(seed)
    made = [moved.move() for _ in range(moves)]
    kept = made[: max(0, moves - ago)]
    assert moved.state(ago) == fold(State(symbol="ABC"), kept)


def test_memory_is_bounded() -> None:
    """Only so many moves can be taken back; asking for more gives the oldest state that can be told."""
    moved = book()
    for _ in range(HISTORY + 10):
        moved.move()
    assert moved.state(HISTORY + 5).version == 10


@pytest.mark.parametrize("empty", [False, True])
def test_a_restart_counts_from_one_again(empty: bool) -> None:
    """The numbering begins again, the state is carried on or empty, and nothing from before can be told."""
    moved = book()
    for _ in range(50):
        moved.move()
    before = moved.state()
    moved.restart(empty=empty)
    begun = moved.state()
    assert (begun.version, begun.volume) == (0, 0 if empty else before.volume)
    assert (begun.bids, begun.asks) == (({}, {}) if empty else (before.bids, before.asks))
    assert moved.move().version == 1
    assert moved.state(10) == begun


def test_a_book_never_crosses() -> None:
    """Every bid is below every ask, best prices come first, and no level is empty."""
    moved = book()
    for _ in range(500):
        moved.move()
    state = moved.state()
    assert max(map(float, state.bids)) < min(map(float, state.asks))
    assert next(iter(state.bids)) == max(state.bids, key=float)
    assert next(iter(state.asks)) == min(state.asks, key=float)
    assert min([*state.bids.values(), *state.asks.values()]) > 0
