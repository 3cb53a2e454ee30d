"""`core/subscriptions.py`: what became of each topic, by every way to acknowledge."""

from __future__ import annotations

from typing import Any, Hashable, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstream.core.actions import Payload
from syncstream.core.backoff import Backoff
from syncstream.core.frames import TEXT
from syncstream.core.paths import getter
from syncstream.core.subscriptions import Acks, Batch, Missed, Subscriptions
from syncstream.errors import FeedError

NOW = 100.0
BACKOFF = Backoff(base=1.0, maximum=8.0)


def ask(*topics: Hashable, ident: Hashable = None) -> Payload:
    return Payload(TEXT, b"ask", topics, ident)


def made(acks: Optional[Acks] = None, **options: Any) -> Subscriptions:
    options.setdefault("keyed", lambda topic: topic)
    options.setdefault("key_of", getter("k"))
    topics_of = None if acks is None or acks.topics is None else getter(acks.topics)
    return Subscriptions(acks, id_of=getter("id"), topics_of=topics_of, backoff=BACKOFF, **options)


def states(it: Subscriptions) -> dict[Hashable, str]:
    return {topic: status.state for topic, status in it.status().items()}


def tick(it: Subscriptions, now: float) -> tuple[list[Missed], list[Hashable]]:
    return it.tick(now, lambda: 0.5)


# ---------------------------------------------------------------- batches


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        (Batch(), [["A", "BB", "CCC", "D"]]),
        (Batch(topics=2), [["A", "BB"], ["CCC", "D"]]),
        (Batch(characters=4), [["A", "BB"], ["CCC"], ["D"]]),
        (Batch(characters=5), [["A", "BB"], ["CCC", "D"]]),
        (Batch(characters=1), [["A"], ["BB"], ["CCC"], ["D"]]),
        (Batch(topics=1, characters=100), [["A"], ["BB"], ["CCC"], ["D"]]),
    ],
)
def test_a_batch_is_as_long_as_it_may_be(batch: Batch, expected: list[list[str]]) -> None:
    """By count and by characters, one between two topics counted; one that is too long goes alone."""
    assert batch.split(["A", "BB", "CCC", "D"]) == expected
    assert batch.split([]) == []


@given(topics=st.lists(st.text(max_size=9)), most=st.none() | st.integers(1, 5), characters=st.none() | st.integers(1, 20))
def test_batches_are_the_topics_in_their_order(topics: list[str], most: Optional[int], characters: Optional[int]) -> None:
    """None is lost, none is empty, none is longer than it may be."""
    batches = Batch(topics=most, characters=characters).split(topics)
    assert [topic for batch in batches for topic in batch] == topics
    assert all(batches)
    assert most is None or all(len(batch) <= most for batch in batches)
    assert characters is None or all(len(batch) == 1 or len(",".join(batch)) <= characters for batch in batches)


@pytest.mark.parametrize("fields", [{"topics": 0}, {"topics": True}, {"characters": 1.5}])
def test_a_batch_is_a_whole_number(fields: dict[str, Any]) -> None:
    """The field is named."""
    with pytest.raises(FeedError, match=f"^{next(iter(fields))}="):
        Batch(**fields)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"by": "name"}, "by"),
        ({"by": "count", "each": "symbol"}, "each"),
        ({"by": "id", "each": "topic"}, "each"),
        ({"by": "id", "unsubscribes": False}, "unsubscribes"),
        ({"by": "count", "unsubscribes": 2}, "unsubscribes"),
        ({"by": "id", "id": "a..b"}, "id"),
        ({"by": "id", "sent": 5}, "sent"),
        ({"by": "cumulative"}, "topics"),
        ({"by": "count", "within": 0}, "within"),
        ({"by": "count", "attempts": 0}, "attempts"),
    ],
)
def test_acks_that_cannot_be_are_refused(fields: dict[str, Any], field: str) -> None:
    """The field is named."""
    with pytest.raises(FeedError, match=f"^{field}="):
        Acks(**fields)


def test_what_is_wrong_with_unsubscribes() -> None:
    """In words."""
    with pytest.raises(FeedError) as caught:
        Acks(by="id", unsubscribes=False)
    assert str(caught.value) == "unsubscribes=False: False says that they are not counted; it goes with by='count'"


# ---------------------------------------------------------------- data


def leave(*topics: Hashable) -> Payload:
    """A payload that leaves these topics."""
    return Payload(TEXT, b"leave", left=topics)


def test_data_makes_a_topic_live() -> None:
    """Without acknowledgements too; it is told once, and the key's next data is asked for."""
    watched: list[Hashable] = []
    it = made(watch=watched.append)
    it.sent(ask("A", "B"), NOW)
    assert (states(it), watched, it.deadline()) == ({"A": "sent", "B": "sent"}, ["A", "B"], None)
    assert (it.came("A"), it.came("A"), it.came("Z")) == (["A"], [], [])
    assert (states(it), it.pending) == ({"A": "live", "B": "sent"}, {"B": ["B"]})


def test_topics_of_one_key_come_together() -> None:
    """Nobody can tell them apart; where the feed has no keys any data is everybody's."""
    it = made(keyed=lambda topic: topic.split(".")[1])
    it.sent(ask("trades.A", "book.A"), NOW)
    assert it.came("A") == ["trades.A", "book.A"]
    it = made(keyed=None)
    it.sent(ask("A", "B"), NOW)
    assert it.came(None) == ["A", "B"]


def test_a_fixed_payload_is_one_topic() -> None:
    """Any data is its own."""
    it = made(Acks(by="count"))
    it.sent(ask(None), NOW)
    assert it.came("A") == [None]
    assert states(it) == {None: "live"}


def test_data_before_the_acknowledgement() -> None:
    """The topic is live; the acknowledgement that follows changes nothing and is told no more."""
    it = made(Acks(by="key"))
    it.sent(ask("A"), NOW)
    assert it.came("A") == ["A"]
    assert it.acknowledged({"k": "A"}, NOW) == []
    assert (states(it), tick(it, NOW + 100)) == ({"A": "live"}, ([], []))


def test_a_request_without_topics_is_not_followed() -> None:
    """An unsubscription, a keepalive."""
    it = made(Acks(by="count"))
    it.sent(Payload(TEXT, b"x"), NOW)
    assert (it.status(), it.deadline(), it.acknowledged({}, NOW)) == ({}, None, [])


def test_what_is_not_wanted_any_more_is_not_followed() -> None:
    """It was left between the dial and the opening."""
    it = made(wanted={"A"})
    it.sent(ask("A", "B"), NOW)
    assert states(it) == {"A": "sent"}


# ---------------------------------------------------------------- acknowledgements


def test_by_id() -> None:
    """The message names the request; an id that is used again goes to the oldest."""
    it = made(Acks(by="id"))
    it.sent(ask("A", ident=1), NOW)
    it.sent(ask("B", ident=2), NOW)
    it.sent(ask("C", ident=1), NOW)
    assert it.acknowledged({"id": 2}, NOW) == ["B"]
    assert it.acknowledged({"id": 1}, NOW) == ["A"]
    assert it.acknowledged({"id": 1}, NOW) == ["C"]
    others: list[Any] = [{"id": 1}, {"id": 9}, {}, []]
    assert [it.acknowledged(message, NOW) for message in others] == [[], [], [], []]


def test_a_topic_of_two_requests_needs_both() -> None:
    """Its payloads are acknowledged one by one."""
    it = made(Acks(by="id"))
    it.sent(ask("A", ident=1), NOW)
    it.sent(ask("A", ident=2), NOW)
    assert it.acknowledged({"id": 1}, NOW) == []
    assert it.acknowledged({"id": 2}, NOW) == ["A"]
    assert it.status()["A"].asked == 1


def test_by_key() -> None:
    """The message's own key, or what it names as topics: one, or several."""
    it = made(Acks(by="key"))
    it.sent(ask("A", "B"), NOW)
    assert (it.acknowledged({"k": "B"}, NOW), it.acknowledged({}, NOW)) == (["B"], [])
    it = made(Acks(by="key", topics="args"))
    it.sent(ask("A", "B", ("C", 1)), NOW)
    assert it.acknowledged({"args": ["A", "Z"]}, NOW) == ["A"]
    assert it.acknowledged({"args": ("C", 1)}, NOW) == [("C", 1)]
    assert it.acknowledged({"args": ("B", "A")}, NOW) == ["B"]
    assert it.acknowledged({"args": "Z"}, NOW) == []


def test_by_count() -> None:
    """In the order of the requests, one for each of them or one for each topic."""
    it = made(Acks(by="count"))
    it.sent(ask("A", "B"), NOW)
    it.sent(ask("C"), NOW)
    assert [it.acknowledged({}, NOW) for _ in range(3)] == [["A", "B"], ["C"], []]
    it = made(Acks(by="count", each="topic"))
    it.sent(ask("A", "B"), NOW)
    assert [it.acknowledged({}, NOW) for _ in range(2)] == [["A"], ["B"]]


def test_cumulative() -> None:
    """Each answer lists everything; what was on the list once and is not now is missing again."""
    it = made(Acks(by="cumulative", topics="all", within=10.0))
    it.sent(ask("A", "B", "C"), NOW)
    assert it.acknowledged({"all": ["A"]}, NOW) == ["A"]
    assert it.acknowledged({"all": ["A", "B", "Z"]}, NOW) == ["B"]
    it.came("B")
    assert it.acknowledged({"all": ["A", "C"]}, NOW + 1.0) == ["C"]
    assert states(it) == {"A": "acknowledged", "B": "sent", "C": "acknowledged"}
    assert [missed.topic for missed in tick(it, NOW + 11.0)[0]] == ["B"]
    assert it.came("B") == ["B"]


def test_a_cumulative_answer_to_a_fixed_payload() -> None:
    """Whatever it lists."""
    it = made(Acks(by="cumulative", topics="all"))
    it.sent(ask(None), NOW)
    assert it.acknowledged({"all": ["A"]}, NOW) == [None]


def test_without_acks_nothing_is_acknowledged() -> None:
    """A message that was classified so for another reason."""
    it = made()
    it.sent(ask("A"), NOW)
    assert (it.acknowledged({"k": "A"}, NOW), states(it)) == ([], {"A": "sent"})


# ---------------------------------------------------------------- refusals


def test_a_refusal_is_matched_like_an_acknowledgement() -> None:
    """It is final on this connection, and its reason is kept."""
    it = made(Acks(by="id"))
    it.sent(ask("A", ident=1), NOW)
    it.sent(ask("B", ident=2), NOW)
    assert it.refused({"id": 2, "error": "no"}) == [Missed("B", "{'id': 2, 'error': 'no'}", None)]
    assert (states(it), it.hopeless) == ({"A": "sent", "B": "refused"}, False)
    assert it.status()["B"].reason == "{'id': 2, 'error': 'no'}"
    assert it.refused({"id": 1}) != []
    assert (it.hopeless, it.deadline()) == (True, None)


@pytest.mark.parametrize("acks", [None, Acks(by="id"), Acks(by="cumulative", topics="all")])
def test_an_error_that_names_none_is_about_the_only_one(acks: Optional[Acks]) -> None:
    """With two under way nobody knows."""
    it = made(acks)
    it.sent(ask("A", ident=1), NOW)
    it.sent(ask("B", ident=2), NOW)
    assert it.refused({"error": "no"}) == []
    it.came("A")
    assert [missed.topic for missed in it.refused({"error": "no"})] == ["B"]


def test_what_is_refused_and_comes_all_the_same() -> None:
    """Data is stronger: "already subscribed" is said of what streams."""
    it = made(Acks(by="key"))
    it.sent(ask("A"), NOW)
    it.came("A")
    it.refused({"k": "A"})
    assert states(it) == {"A": "refused"}
    assert it.came("A") == ["A"]
    assert (states(it), it.hopeless) == ({"A": "live"}, False)


def test_nothing_asked_for_is_not_hopeless() -> None:
    """There is nothing that could have been refused."""
    assert not made().hopeless


def test_a_long_reason_is_cut() -> None:
    """It goes into events and errors."""
    it = made()
    it.sent(ask("A"), NOW)
    assert len(it.refused("x" * 1000)[0].reason) == 200


# ---------------------------------------------------------------- time


def test_an_acknowledgement_that_does_not_come() -> None:
    """Told each time, asked for again with the back-off, and given up at last."""
    it = made(Acks(by="key", within=10.0, attempts=3))
    it.sent(ask("A", "B"), NOW)
    it.acknowledged({"k": "B"}, NOW)
    now, told = NOW, []
    for wait in (0.5, 1.0):
        assert it.deadline() == now + 10.0
        now += 10.0
        missed, again = tick(it, now)
        assert (missed, again) == ([Missed("A", "no acknowledgement within 10 s", wait)], [])
        told += missed
        assert it.deadline() == now + wait
        now += wait
        assert tick(it, now) == ([], ["A"])
        it.sent(ask("A"), now)
    now += 10.0
    assert tick(it, now) == ([Missed("A", "no acknowledgement within 10 s", None)], [])
    assert (states(it), it.status()["A"].asked, it.deadline()) == ({"A": "refused", "B": "acknowledged"}, 3, None)


def test_an_answer_that_comes_late_still_counts() -> None:
    """While the next request waits, and after it was given up."""
    it = made(Acks(by="key", within=10.0, attempts=1))
    it.sent(ask("A"), NOW)
    tick(it, NOW + 10.0)
    assert states(it) == {"A": "refused"}
    assert it.acknowledged({"k": "A"}, NOW + 11.0) == ["A"]
    assert states(it) == {"A": "acknowledged"}


def test_data_that_does_not_come() -> None:
    """From the acknowledgement on, or from the request where there is none."""
    it = made(Acks(by="key", within=10.0, attempts=1), data_limit=5.0)
    it.sent(ask("A"), NOW)
    it.acknowledged({"k": "A"}, NOW + 3.0)
    assert tick(it, NOW + 7.9) == ([], [])
    assert tick(it, NOW + 8.0) == ([Missed("A", "no data within 5 s", None)], [])
    it = made(data_limit=5.0)
    it.sent(ask("A"), NOW)
    assert tick(it, NOW + 5.0) == ([Missed("A", "no data within 5 s", 0.5)], [])
    assert it.came("A") == ["A"]
    assert tick(it, NOW + 100.0) == ([], [])


def test_by_count_what_leaves_a_topic_is_answered_too() -> None:
    """In its place in the row, once or once for each topic; its answer, good or bad, says nothing of what waits."""
    it = made(Acks(by="count"))
    it.sent(leave("X", "Y"), NOW)
    it.sent(ask("A"), NOW)
    assert [it.acknowledged({}, NOW) for _ in range(2)] == [[], ["A"]]
    it = made(Acks(by="count", each="topic"))
    it.sent(leave("X", "Y"), NOW)
    it.sent(ask("A"), NOW)
    assert [it.acknowledged({}, NOW) for _ in range(3)] == [[], [], ["A"]]
    it = made(Acks(by="count"))
    it.sent(leave("X"), NOW)
    it.sent(ask("A"), NOW)
    assert (it.refused({"error": "not subscribed"}), it.acknowledged({}, NOW)) == ([], ["A"])


def test_by_count_what_was_left_and_is_asked_for_again() -> None:
    """The first answer is that of the first request."""
    it = made(Acks(by="count"))
    it.sent(ask("A"), NOW)
    it.left(["A"])
    it.sent(ask("A"), NOW)
    assert [it.acknowledged({}, NOW) for _ in range(2)] == [[], ["A"]]


def test_where_nothing_is_counted_what_leaves_a_topic_is_nothing() -> None:
    """No answers are declared, or they say themselves what they are about."""
    for acks in (None, Acks(by="id")):
        it = made(acks)
        it.sent(leave("X"), NOW)
        assert (it.status(), it.acknowledged({}, NOW), len(it._row)) == ({}, [], 0)


def test_a_cumulative_error_does_not_say_what_it_is_about() -> None:
    """It lists what is subscribed, and refuses none of that."""
    it = made(Acks(by="cumulative", topics="all"))
    it.sent(ask("A", "B"), NOW)
    assert it.refused({"all": ["A"], "error": "no"}) == []


def test_an_error_beyond_what_is_counted() -> None:
    """It is about the only one that waits, as where nothing is counted."""
    it = made(Acks(by="count", within=10.0, attempts=1))
    it.sent(ask("A"), NOW)
    it.acknowledged({}, NOW)
    it.sent(ask("B"), NOW)
    it._row.clear()
    assert [missed.topic for missed in it.refused({"error": "no"})] == ["B"]


def test_a_venue_that_does_not_answer_what_leaves_a_topic() -> None:
    """The feed says so; where it does not, one request too many is made, and all is well again."""
    it = made(Acks(by="count", unsubscribes=False))
    it.sent(leave("X"), NOW)
    it.sent(ask("A"), NOW)
    assert it.acknowledged({}, NOW) == ["A"]
    it = made(Acks(by="count", within=10.0))
    it.sent(leave("X"), NOW)
    it.sent(ask("A"), NOW)
    assert it.acknowledged({}, NOW) == []
    tick(it, NOW + 10.0)
    assert tick(it, NOW + 10.5) == ([], ["A"])
    it.sent(ask("A"), NOW + 10.6)
    assert it.acknowledged({}, NOW + 11.0) == ["A"]


def test_by_count_a_request_that_was_given_up_leaves_the_row() -> None:
    """The next answer is then for the next one."""
    it = made(Acks(by="count", within=10.0))
    it.sent(ask("A"), NOW)
    it.sent(ask("B"), NOW + 5.0)
    tick(it, NOW + 10.0)
    assert it.acknowledged({}, NOW + 11.0) == ["B"]


def test_a_callable_that_does_not_say_what_to_send() -> None:
    """Counts like a request that was not answered; one that never comes back, too."""
    it = made(Acks(by="key", within=10.0, attempts=3), call_limit=4.0)
    it.sent(ask("A"), NOW)
    tick(it, NOW + 10.0)
    assert tick(it, NOW + 10.5) == ([], ["A"])
    assert [missed.retry_in for missed in it.failed(["A", "unknown"], "raised", NOW + 11.0, 0.5)] == [1.0]
    assert tick(it, NOW + 12.0) == ([], ["A"])
    assert [missed.topic for missed in tick(it, NOW + 16.0)[0]] == ["A"]


def test_what_was_left_is_forgotten() -> None:
    """Its deadline, its answer and its data are nobody's."""
    it = made(Acks(by="count", within=10.0))
    it.sent(ask("A", "B"), NOW)
    it.left(["A", "unknown"])
    assert (it.pending, it.acknowledged({}, NOW), it.came("A")) == ({"B": ["B"]}, ["B"], [])
    it.left(["B"])
    assert (it.status(), it.deadline(), it.pending) == ({}, None, {})


def test_an_answer_for_what_was_left() -> None:
    """It says nothing any more, good or bad."""
    it = made(Acks(by="id"))
    for ident in (1, 2):
        it.sent(ask("A", ident=ident), NOW)
    it.left(["A"])
    assert (it.acknowledged({"id": 1}, NOW), it.refused({"id": 2})) == ([], [])


def test_two_topics_of_a_key_and_one_is_left() -> None:
    """The other waits on."""
    it = made(keyed=lambda topic: "A")
    it.sent(ask("x", "y"), NOW)
    it.left(["x"])
    assert it.came("A") == ["y"]


def test_asked_anew_it_begins_from_the_start() -> None:
    """The venue has forgotten it; the attempts of before do not count."""
    it = made(Acks(by="key", attempts=1))
    it.sent(ask("A"), NOW)
    it.acknowledged({"k": "A"}, NOW)
    it.came("A")
    it.anew(["A", "unknown"])
    assert states(it) == {"A": "sent"}
    it.sent(ask("A"), NOW + 1.0)
    assert it.acknowledged({"k": "A"}, NOW + 1.0) == ["A"]


def test_what_came_while_the_callable_was_asked_stays_live() -> None:
    """The second request changes nothing then."""
    it = made(Acks(by="key", within=10.0))
    it.sent(ask("A"), NOW)
    tick(it, NOW + 10.0)
    tick(it, NOW + 10.5)
    it.came("A")
    it.sent(ask("A"), NOW + 11.0)
    assert (states(it), it.deadline()) == ({"A": "live"}, None)


MOVES = st.lists(
    st.tuples(st.sampled_from(["sent", "ack", "error", "came", "left", "anew", "wait"]), st.sampled_from("ABC")), max_size=60
)


@given(moves=MOVES, by=st.sampled_from(["id", "key", "count", "cumulative"]), limit=st.none() | st.just(3.0))
def test_whatever_happens(moves: list[tuple[str, str]], by: str, limit: Optional[float]) -> None:
    """Nothing is due in the past, and what is live is not pending, needs nothing and has no reason."""
    acks = Acks(by=by, topics=None if by in ("id", "count", "key") else "all", within=2.0, attempts=3)
    it = made(acks, data_limit=limit)
    now = NOW
    for move, name in moves:
        if move == "sent":
            it.sent(ask(name, ident=name), now)
        elif move == "ack":
            it.acknowledged({"id": name, "k": name, "all": [name]}, now)
        elif move == "error":
            it.refused({"id": name, "k": name})
        elif move == "came":
            it.came(name)
        elif move == "left":
            it.left([name])
        elif move == "anew":
            it.anew([name])
        else:
            now += 1.0
        _, again = tick(it, now)
        for topic in again:
            it.sent(ask(topic, ident=topic), now)
        deadline = it.deadline()
        assert deadline is None or deadline > now or deadline == pytest.approx(now)
        for topic, status in it.status().items():
            assert status.state != "live" or topic not in it.pending
            assert status.state != "live" or status.reason == ""
