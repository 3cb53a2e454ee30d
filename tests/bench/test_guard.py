"""That we are still fast: ratios to frozen naive loops, over the same bytes in one run; never a time."""

from __future__ import annotations

import gc
import statistics
import time
from typing import Any, Callable, Optional

from syncstream import Contiguous, Feed
from syncstream.core.engine import Engine
from syncstream.delivery import Delivery
from syncstream.views import items_of

from . import market, naive
from .market import Quote

QUOTES = 20_000
ROUNDS = 7
CHUNK = 64 * 1024  # what the reader takes in a turn


class _Stream:
    """Owned by: nobody. What an iterator needs of a stream."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    def get(self, timeout: Optional[float] = None) -> Any:
        return self._delivery.get(timeout=timeout)


def chunked() -> list[bytes]:
    data = b"".join(market.burst(QUOTES, 150))
    return [data[at : at + CHUNK] for at in range(0, len(data), CHUNK)]


def ratio(ours: Callable[[], int], naive_one: Callable[[], int]) -> float:
    """How many times as fast ours is: the median of rounds in which both run, one after the other.

    Without the garbage collector: how long that takes depends on what all the tests before have left.
    """
    found = []
    gc.collect()
    gc.disable()
    try:
        for _ in range(ROUNDS):
            times = []
            for run in (naive_one, ours):
                began = time.process_time()
                assert run() == QUOTES
                times.append(time.process_time() - began)
            found.append(times[0] / times[1])
    finally:
        gc.enable()
    return statistics.median(found)


def test_the_engine_is_faster_than_a_naive_loop() -> None:
    """From bytes to checked, typed messages. About 3.1 times when this was written."""
    chunks = chunked()

    def ours() -> int:
        rules = Feed("ws://venue.example/", decode=Quote, key="symbol", sequence=Contiguous("seq")).rules()
        engine = Engine(rules, random=lambda: 0.5, wall_ns=0)
        engine.start(0.0)
        engine.opened(0, 1, (), 0.0)
        for chunk in chunks:
            engine.batch(0, 1, chunk, 0.0)
        return sum(type(item) is Quote for item in engine.take_deliveries())

    found = ratio(ours, lambda: sum(1 for _ in naive.quotes(chunks)))
    assert found > 2.5, f"only {found:.2f} times as fast"


def test_the_hand_over_is_faster_than_a_queue() -> None:
    """From the reader to a loop, with everything that is counted on the way. About 9.7 times when this was written."""
    items: list[Any] = [object()] * QUOTES

    def ours() -> int:
        delivery = Delivery(QUOTES, key=lambda item: None)
        delivery.use("default")
        for at in range(0, QUOTES, 400):
            delivery.put_batch(items[at : at + 400], 0.0)
        delivery.close(drain=True)
        return sum(1 for _ in items_of(_Stream(delivery), delivery))

    found = ratio(ours, lambda: naive.handed_over(items))
    assert found > 5.0, f"only {found:.2f} times as fast"
