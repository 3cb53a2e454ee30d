"""The guide to adapters in syncstream/venues/README.md: its example runs, and its table knows every field of a feed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

import syncstream.venues
from syncstream import Backoff, Batch, Feed, Stream
from syncstream.core.rules import Kind
from syncstream.testing import Broker
from tests.stream.setting import PATIENCE

TITLE = "## An adapter of one's own"
GUIDE = (
    Path(syncstream.venues.__file__).with_name("README.md").read_text(encoding="utf-8").partition(TITLE)[2].partition("\n## ")[0]
)
TABLE = [[cell.strip() for cell in line.split("|")[1:-1]] for line in GUIDE.splitlines() if line.startswith("| ")]
ROWS = [row for row in TABLE if "`" in row[2]]


@pytest.fixture
def depth() -> Callable[..., Feed]:
    """The adapter of the guide."""
    (example,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    names: dict[str, Any] = {"__name__": "guide"}
    exec(compile(example, "README.md", "exec", dont_inherit=True), names)
    found: Callable[..., Feed] = names["depth"]
    return found


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker(rate=300, heartbeat=0.5, seed=2) as broker:
        yield broker


def test_the_adapter_of_the_guide_is_whole(depth: Callable[..., Feed], broker: Broker) -> None:
    """Messages are lost, the line is cut; nothing is quarantined, and at the end the books are the venue's."""
    rest_url = broker.snapshot_url.rpartition("/")[0]
    feed = depth(broker.symbols, url=broker.url, rest_url=rest_url, backoff=Backoff(base=0.02, maximum=0.1), verify_after=0.2)
    with Stream(feed) as stream:
        assert stream.wait_live(PATIENCE) == []
        broker.faults.drop(count=3)
        broker.wait_for(lambda: stream.status.healed >= 1, PATIENCE)
        broker.faults.cut()
        broker.wait_for(lambda: stream.status.reconnects == 1, PATIENCE)
        assert stream.wait_live(PATIENCE) == []
        broker.pause()
        states = broker.states()
        broker.wait_for(lambda: all(stream.books[one].position == state.version for one, state in states.items()), PATIENCE)
        for symbol, state in states.items():
            top = stream.books[symbol].top(100)
            assert top.live
            assert {str(level.price): level.size for level in top.bids} == state.bids
            assert {str(level.price): level.size for level in top.asks} == state.asks
        assert (stream.status.quarantined, stream.books.unreadable) == (0, 0)


def test_the_adapter_of_the_guide_tells_what_is_refused(depth: Callable[..., Feed], broker: Broker) -> None:
    """By name, while the other topic comes."""
    rest_url = broker.snapshot_url.rpartition("/")[0]
    with Stream(depth(["ABC", "QQQ"], url=broker.url, rest_url=rest_url, batch=Batch(topics=1))) as stream:
        broker.wait_for(lambda: stream.wait_live(0.0) == ["QQQ"], PATIENCE)
        assert {topic: state.state for topic, state in stream.status.topics.items()} == {"ABC": "live", "QQQ": "refused"}
        assert stream.status.topics["QQQ"].reason


def test_its_settings_change_the_feed(depth: Callable[..., Feed]) -> None:
    """Any other field may be given."""
    feed = depth(["ABC"], url="ws://127.0.0.1:1/", rest_url="http://127.0.0.1:1", heartbeat=None, lifetime=3600.0)
    assert (feed.heartbeat, feed.lifetime, feed.topics) == (None, 3600.0, ["ABC"])


def test_there_are_fourteen_concepts() -> None:
    """Numbered as the design has them."""
    assert [row[0] for row in ROWS if row[0]] == [str(number) for number in range(1, 15)]


def test_the_table_knows_every_field() -> None:
    """Whoever gives `Feed` a new one says here what it is for; and none is named that there is not."""
    named = {name for row in ROWS for name in re.findall(r"`(\w+)`", row[2])}
    assert sorted(set(Feed.__struct_fields__) - named) == []
    assert sorted(named - set(Feed.__struct_fields__)) == []


def test_the_kinds_it_names_are_there() -> None:
    """In the row about what a message is."""
    (row,) = [row for row in ROWS if "`classify`" in row[2]]
    kinds = set(re.findall(r"\b([A-Z]{3,})\b", row[3]))
    assert kinds
    assert kinds <= set(Kind.__members__)
