"""Recorded sessions whose messages name the one before (`Chained`), through the public API: Binance USD-M, OKX, Deribit.

Binance's books are rebuilt and compared with its `bookTicker`, 215 of which share an update id with a depth message. OKX and
Deribit are played as they are: the chain shows no hole where there is none, and shows one where a message is left out.
"""

from __future__ import annotations

import json
import math
from typing import Any, Iterator, Optional

import pytest

from syncstream import Backoff, Chained, Contiguous, Event, Feed, Gap, Kind, Rest, Snapshot, Stream
from tests import replay
from tests.captures.rebuild import assert_complete, rebuild
from tests.captures.test_binance_spot import key_of
from tests.replay.recording import parse

PATIENCE = 20.0
RATE = 3000.0


# -------------------------------------------------------------------- Binance USD-M, with snapshots by REST


@pytest.fixture
def usdm() -> replay.History:
    return replay.history("binance_usdm_5sym_20210405")


def usdm_feed(server: replay.ReplayServer, **changes: Any) -> Feed:
    settings: dict[str, Any] = {
        "key": key_of,
        "sequence": Chained("data.pu", "data.u"),
        "snapshot": Rest(
            server.rest_url + "/fapi/v1/depth?symbol={key}&limit=1000",
            position="lastUpdateId",
            attempts=100,
            backoff=Backoff(base=0.02, maximum=0.1),
        ),
        "backoff": Backoff(base=0.01, maximum=0.02),
        "verify_after": 1.0,
    }
    return Feed(server.ws_url, **{**settings, **changes})


def test_a_whole_session_of_usdm_shows_no_gap(usdm: replay.History) -> None:
    """No false gap, one snapshot a symbol, and no state contradicts the ticker."""
    with replay.ReplayServer(usdm, speed=math.inf, rate=RATE) as server:
        result = rebuild(usdm_feed(server), server, events=True)
    assert_complete(result, server, checked=120)
    assert result.gaps == []
    assert result.snapshots == len(usdm.final) == 5


def test_one_percent_of_usdm_left_out(usdm: replay.History) -> None:
    """Each hole is told and healed by a snapshot; their size cannot be counted."""
    with replay.ReplayServer(usdm, speed=math.inf, rate=RATE, leave_out=0.01, seed=1) as server:
        result = rebuild(usdm_feed(server), server, events=True)
    assert_complete(result, server, checked=60)
    assert 0 < len(result.gaps) <= len(server.left_out)
    left_out = {(delta.key, delta.first - 1, delta.last) for delta in server.left_out}
    for gap in result.gaps:
        assert (gap.reason, gap.healing, gap.missing) == ("hole", True, None)
        assert any(key == gap.key and gap.after <= first and last <= gap.before for key, first, last in left_out), gap


@pytest.mark.slow
def test_usdm_cut_every_500_frames(usdm: replay.History) -> None:
    """After each cut the chain proves a key complete, or it is healed."""
    with replay.ReplayServer(usdm, speed=math.inf, rate=2000.0, cut_after=500) as server:
        result = rebuild(usdm_feed(server), server)
    assert_complete(result, server, checked=30)
    assert result.events == []
    assert server.cuts >= 8


def test_the_numbers_of_usdm_are_not_contiguous(usdm: replay.History) -> None:
    """What the spot rule would make of it: almost every message a hole, of which there are none."""
    deltas = [json.loads(frame.data)["data"] for frame, delta in zip(usdm.frames, usdm.deltas) if delta is not None]
    last: dict[str, int] = {}
    verdicts = {"chained": 0, "contiguous": 0, "all": 0}
    chain, spot = Chained("pu", "u"), Contiguous("U", "u")
    for data in deltas:
        before = last.get(data["s"])
        last[data["s"]] = data["u"]
        if before is not None:
            verdicts["all"] += 1
            verdicts["chained"] += chain.judge(before, data["pu"], data["u"]).value == "hole"
            verdicts["contiguous"] += spot.judge(before, data["U"], data["u"]).value == "hole"
    assert verdicts["chained"] == 0
    assert (verdicts["all"], verdicts["contiguous"] > 4000) == (4418, True)


# -------------------------------------------------------------------- snapshots in-band


class Played(replay.Venue):
    """Owned by: the test. A session whose data are numbered, so that the server can leave some out."""

    def __init__(self, number: Any) -> None:
        self._number = number

    def decode(self, data: Any) -> Any:
        return json.loads(data)

    def is_control(self, message: Any) -> bool:
        return "event" in message or "id" in message

    def delta(self, message: Any) -> Optional[replay.Delta]:
        found = self._number(message)
        if found is None:
            return None
        key, previous, current = found
        return replay.Delta(key, previous, current, (), ())


def okx_kind(message: Any) -> Optional[Kind]:
    if "data" not in message:
        return Kind.IGNORE
    return Kind.SNAPSHOT if message.get("action") == "snapshot" else None


def okx_feed(url: str) -> Feed:
    return Feed(
        url,
        key="arg.instId",
        classify=okx_kind,
        sequence=Chained("data.0.prevSeqId", "data.0.seqId"),
        backoff=Backoff(base=0.01, maximum=0.02),
    )


def deribit_kind(message: Any) -> Optional[Kind]:
    if not message.get("params", {}).get("channel", "").startswith("book."):
        return Kind.IGNORE
    return Kind.SNAPSHOT if message["params"]["data"].get("type") == "snapshot" or not previous_of(message) else None


def previous_of(message: Any) -> Any:
    """A snapshot follows nothing."""
    return message["params"]["data"].get("prev_change_id", 0)


def deribit_feed(url: str) -> Feed:
    return Feed(
        url,
        subscribe={"method": "public/subscribe"},
        key="params.channel",
        classify=deribit_kind,
        sequence=Chained(previous_of, "params.data.change_id"),
        backoff=Backoff(base=0.01, maximum=0.02),
    )


def okx_history() -> replay.History:
    """The lines of OKX as the rows of a session."""
    path = replay.folder() / "tickvault" / "okx_books.jsonl"
    if not path.is_file():
        pytest.skip(f"no {path.name} in {path.parent}")
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [json.dumps({"t": number / 10, "k": "recv", "conn": "c", "text": line}) for number, line in enumerate(lines)]

    def number(message: Any) -> Optional[tuple[str, int, int]]:
        if message.get("action") != "update":
            return None
        return message["arg"]["instId"], message["data"][0]["prevSeqId"], message["data"][0]["seqId"]

    return replay.History(parse("okx_books", rows), Played(number))


def deribit_history() -> replay.History:
    def number(message: Any) -> Optional[tuple[str, int, int]]:
        if deribit_kind(message) is not None:
            return None
        data = message["params"]["data"]
        return message["params"]["channel"], data["prev_change_id"], data["change_id"]

    return replay.History(replay.require("deribit_raw_20210722"), Played(number))


def play(feed: Any, server: replay.ReplayServer) -> Iterator[Any]:
    """What the stream yields until the last number of every key has come."""
    final = dict(server.history.final)
    at: dict[str, int] = {}
    with Stream(feed(server.ws_url)) as stream:
        while not all(at.get(key) == position for key, position in final.items()):
            item = stream.get(timeout=PATIENCE)
            if not isinstance(item, Event):
                delta = server.history.venue.delta(item)
                assert delta is not None
                at[delta.key] = delta.last
            yield item


SESSIONS = [
    pytest.param(okx_history, okx_feed, id="okx"),
    pytest.param(deribit_history, deribit_feed, id="deribit"),
]


@pytest.mark.parametrize(("make", "feed"), SESSIONS)
def test_a_chain_of_in_band_sessions_shows_no_gap(make: Any, feed: Any) -> None:
    """Every snapshot and every delta comes, and no gap."""
    history = make()
    with replay.ReplayServer(history, speed=math.inf, rate=RATE) as server:
        items = list(play(feed, server))
    deltas = [delta for delta in history.deltas if delta is not None]
    assert len([item for item in items if not isinstance(item, Event)]) == len(deltas)
    assert {item.key for item in items if isinstance(item, Snapshot)} >= set(history.final)
    assert [item for item in items if isinstance(item, Gap)] == []


@pytest.mark.parametrize(("make", "feed"), SESSIONS)
def test_a_link_left_out_is_a_gap(make: Any, feed: Any) -> None:
    """Told once for each stretch left out, with the two numbers that do not meet; nothing can heal it here."""
    history = make()
    chains: dict[str, list[replay.Delta]] = {}
    for delta in history.deltas:
        if delta is not None:
            chains.setdefault(delta.key, []).append(delta)
    gone = {chain[-2] for chain in chains.values() if len(chain) > 2}
    assert gone
    with replay.ReplayServer(history, speed=math.inf, rate=RATE, leave_out=gone.__contains__) as server:
        gaps = [item for item in play(feed, server) if isinstance(item, Gap)]
    assert {(gap.key, gap.after, gap.before) for gap in gaps} == {(delta.key, delta.first, delta.last) for delta in gone}
