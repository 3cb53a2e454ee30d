"""Ten threads on one stream, and eight workers with dice: every message once, and each key in its order."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Union

import pytest

from syncstream import Gap, Stream, StreamClosed
from syncstream.testing import Broker

from .setting import PATIENCE, plain_feed

SYMBOLS = tuple("ABCDEFGHIJKL")
COUNT = 3000


def test_ten_getters_take_every_message_once() -> None:
    """Whatever the form they take it in, also when all of them have begun."""
    with Broker(symbols=SYMBOLS, rate=0, heartbeat=0.1) as broker, Stream(plain_feed(broker)) as stream:
        broker.wait_for(lambda: broker.subscriptions and all(broker.subscriptions.values()), PATIENCE)
        taken: list[list[Any]] = [[] for _ in range(10)]
        left = threading.Semaphore(0)
        all_have_one = threading.Barrier(10)

        def take(number: int) -> None:
            mine = taken[number]
            try:
                while True:
                    if number % 3 == 0:
                        got = stream.get_many(7, timeout=PATIENCE)
                    elif number % 3 == 1:
                        got = [stream.get(timeout=PATIENCE)]
                    else:
                        got = [stream.queue.get(timeout=PATIENCE)]
                    if not mine:  # one alone may be fast enough to take everything
                        all_have_one.wait(PATIENCE)
                    mine += got
                    left.release(len(got))
            except StreamClosed:
                pass  # the end of the test

        threads = [threading.Thread(target=take, args=(number,)) for number in range(10)]
        for thread in threads:
            thread.start()
        for symbol in SYMBOLS * 10:
            broker.publish(symbol, COUNT // len(SYMBOLS) // 10)
        for _ in range(COUNT):
            assert left.acquire(timeout=PATIENCE)
        stream.close()
        for thread in threads:
            thread.join()
    items = [item for mine in taken for item in mine]
    assert sorted((item["symbol"], item["seq"]) for item in items) == [
        (symbol, seq) for symbol in SYMBOLS for seq in range(1, COUNT // len(SYMBOLS) + 1)
    ]
    assert all(taken)
    for mine in taken:  # what one thread has is in order
        for symbol in SYMBOLS:
            seqs = [item["seq"] for item in mine if item["symbol"] == symbol]
            assert seqs == sorted(seqs)


@pytest.mark.parametrize("kind", ["threads", "executor"])
def test_the_order_of_each_key_under_eight_workers_with_dice(kind: str) -> None:
    """Each callback takes a random while; the messages of a symbol never overlap, come in order, and all come."""
    done: dict[str, list[int]] = defaultdict(list)
    busy: set[str] = set()
    overlapped: list[str] = []
    pauses = threading.Event()
    dice = random.Random(8)
    with (
        Broker(symbols=SYMBOLS, rate=0, heartbeat=0.1) as broker,
        ThreadPoolExecutor(8) as pool,
        Stream(plain_feed(broker)) as stream,
    ):

        @stream.on()
        def message(item: Any) -> None:
            symbol = item["symbol"]
            if symbol in busy:
                overlapped.append(symbol)
            busy.add(symbol)
            pauses.wait(dice.random() * 0.002)
            done[symbol].append(item["seq"])
            busy.discard(symbol)

        stream.on(Gap)(lambda event: overlapped.append(str(event)))
        broker.wait_for(lambda: broker.subscriptions and all(broker.subscriptions.values()), PATIENCE)
        workers: Union[int, ThreadPoolExecutor] = 8 if kind == "threads" else pool
        stream.start(workers)
        for symbol in SYMBOLS * 5:
            broker.publish(symbol, 20)
        broker.wait_for(lambda: sum(map(len, done.values())) == 100 * len(SYMBOLS), PATIENCE)
        broker.wait_for(lambda: stream.stats().in_hand == 0, PATIENCE)
        callbacks = stream.stats().callbacks
        assert stream.close().threads == ()
    assert overlapped == []
    assert dict(done) == {symbol: list(range(1, 101)) for symbol in SYMBOLS}
    assert callbacks[0].calls == 100 * len(SYMBOLS)
    assert callbacks[0].share == pytest.approx(1.0)
