"""The library's own `Book` along the recorded sessions, without any network: every checksum, every best price stated."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Iterator

import msgspec
import pytest

from syncstream.book import Book, kraken_checksum, okx_checksum, same_checksum
from tests import replay
from tests.replay import Top
from tests.replay.recording import folder


def frames(name: str) -> Iterator[Any]:
    """The JSON messages of a recording."""
    return (json.loads(frame.data) for frame in replay.require(name).frames)


def test_every_checksum_of_kraken_v1() -> None:
    """4,269 of 4,269: after each delta the CRC32 is that of the venue."""
    books: dict[str, Book] = {}
    checked = 0
    for message in frames("kraken_v1_book1000_20210417"):
        if isinstance(message, dict):
            continue
        parts: dict[str, Any] = {}
        for part in message[1:-2]:  # a delta of both sides has two
            parts.update(part)
        pair = message[-1]
        if "as" in parts:
            books[pair] = Book(parts["bs"], parts["as"], depth=1000)
            continue
        books[pair].apply(parts.get("b", ()), parts.get("a", ()))
        assert same_checksum(parts["c"], kraken_checksum(books[pair])), message
        checked += 1
    assert checked == 4269


def test_every_checksum_of_kraken_v2() -> None:
    """4 of 4, snapshot included: `Decimal`s keep the digits of JSON numbers. With `float`s, which lose them, it fails."""
    path = folder() / "tickvault" / "kraken_book.jsonl"
    if not path.is_file():
        pytest.skip(f"no {path.name} in {path.parent}")
    lines = path.read_bytes().splitlines()
    assert kraken_v2(lines, msgspec.json.Decoder(float_hook=Decimal)) == [True] * 4
    assert not all(kraken_v2(lines, msgspec.json.Decoder()))


def kraken_v2(lines: list[bytes], decoder: msgspec.json.Decoder[Any]) -> list[bool]:
    """Of each book message, whether the checksum agrees."""
    agrees = []
    book = Book(depth=10)
    for line in lines:
        message = decoder.decode(line)
        if message.get("channel") != "book":
            continue
        data = message["data"][0]
        bids, asks = ([(level["price"], level["qty"]) for level in data[side]] for side in ("bids", "asks"))
        (book.replace if message["type"] == "snapshot" else book.apply)(bids, asks)
        agrees.append(same_checksum(data["checksum"], kraken_checksum(book)))
    return agrees


def test_every_checksum_of_okx() -> None:
    """290 of 290, the snapshots included, with their sign."""
    books: dict[str, Book] = {}
    checked = 0
    for message in frames("okx_v5_books_20220513"):
        if message["arg"]["channel"] != "books" or "data" not in message:
            continue
        data, book = message["data"][0], books.setdefault(message["arg"]["instId"], Book())
        (book.replace if message["action"] == "snapshot" else book.apply)(data["bids"], data["asks"])
        assert data["checksum"] == okx_checksum(book), message
        checked += 1
    assert checked == 290


@pytest.mark.parametrize(
    ("name", "verified"),
    [("binance_spot_10sym_20210405", 1152), ("binance_usdm_5sym_20210405", 214), ("kucoin_level2_20210425", 810)],
)
def test_every_best_price_that_binance_and_kucoin_state(name: str, verified: int) -> None:
    """Best prices and sizes at the position the ticker speaks of, and at the end every level of the reference."""
    history = replay.history(name)
    books: dict[str, Book] = {}
    compared: list[tuple[str, int]] = []

    def seen(key: str, reference: replay.Book) -> None:
        """Follows each delta that the reference took."""
        delta = deltas.pop((key, reference.position))
        book = books.get(key)
        if book is None:
            book = books[key] = first_book(history, key)
        assert book.position is not None
        after = book.position
        sides = (
            [level for level in side if level.position > after and Decimal(level.price)] for side in (delta.bids, delta.asks)
        )
        book.apply(*sides, position=delta.last)
        expected = history.oracle.get((key, delta.last))
        if expected is not None:
            top = book.best()
            assert top.bid is not None
            assert top.ask is not None
            assert Top(*top.bid, *top.ask) == expected
            assert not top.crossed
            compared.append((key, delta.last))

    deltas = {(delta.key, delta.last): delta for delta in history.deltas if delta is not None}
    references = replay.Books(history, seen).advance(len(history.frames))
    assert len(compared) == verified
    for key, book in books.items():
        bids, asks = references[key].levels()
        top = book.top()
        assert [[format(price, "f"), format(size, "f")] for price, size in top.bids] == bids
        assert [[format(price, "f"), format(size, "f")] for price, size in top.asks] == asks


def first_book(history: replay.History, key: str) -> Book:
    """The book of the recorded snapshot."""
    body = next(taken.text for taken in history.snapshots if taken.key == key)
    reference = history.venue.book(json.loads(body))
    return Book(*reference.levels(), position=reference.position)
