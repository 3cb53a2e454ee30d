"""`live.py`: what of a picture is missing."""

from __future__ import annotations

from typing import Any

import pytest

from syncstream import Feed, KeyStatus, Status, TopicStatus
from syncstream.live import missing

LIVE, SYNCING = KeyStatus(state="live"), KeyStatus(state="syncing")
URL = "wss://venue.example/"
KEYED = Feed(URL, key="k")


def topics(**states: str) -> dict[Any, TopicStatus]:
    return {topic: TopicStatus(state=state) for topic, state in states.items()}


@pytest.mark.parametrize(
    ("status", "left"),
    [
        (Status(lines=1), [None]),
        (Status(lines=1, keys={"A": LIVE, "B": SYNCING}), ["B"]),
        (Status(lines=1, keys={"A": LIVE}), []),
        (Status(lines=0, keys={"A": LIVE, "B": LIVE}), ["A", "B"]),
        (Status(lines=1, keys={"A": KeyStatus(state="incomplete")}), ["A"]),
        (Status(lines=1, topics={None: TopicStatus(state="acknowledged")}), [None]),
        (Status(lines=1, topics=topics(A="live", B="acknowledged", C="refused", D="sent", E="wanted")), ["B", "C", "D", "E"]),
        (Status(lines=1, keys={"A": SYNCING}, topics=topics(A="live")), ["A"]),
        (Status(lines=1, keys={"A": LIVE}, topics=topics(A="live")), []),
    ],
)
def test_what_is_missing(status: Status, left: list[Any]) -> None:
    """Topics that did not come, or whose key is not complete; without topics the keys."""
    assert missing(KEYED, status) == left


def test_topics_that_are_not_keys() -> None:
    """The feed says which key a topic is about; where it has none, there is only one."""
    feed = Feed(URL, key="k", topic_key=lambda topic: topic.split(".")[1])
    status = Status(lines=1, keys={"A": SYNCING, "B": LIVE}, topics={name: TopicStatus(state="live") for name in ("x.A", "x.B")})
    assert missing(feed, status) == ["x.A"]
    assert missing(Feed(URL), Status(lines=1, keys={None: SYNCING}, topics=topics(A="live"))) == ["A"]
