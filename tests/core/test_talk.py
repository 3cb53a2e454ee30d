"""`core/talk.py`: what is said on a connection, in which order, and at which pace."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Hashable, Mapping

from hypothesis import given
from hypothesis import strategies as st

from syncstream.core.actions import Payload
from syncstream.core.backoff import Backoff
from syncstream.core.budget import Budget
from syncstream.core.frames import PING, PONG, TEXT
from syncstream.core.keepalive import Keepalive
from syncstream.core.opening import Step
from syncstream.core.paths import getter
from syncstream.core.subscriptions import Acks, Missed
from syncstream.core.talk import Talk
from syncstream.secret import Secret

from .rig import PLAIN, change

NOW = 100.0


class Heard:
    """Owned by: one test. What the venue was told."""

    def __init__(self, options: Mapping[str, Any] = MappingProxyType({}), **fields: Any) -> None:
        self.said: list[tuple[str, bool]] = []
        self.steps: tuple[tuple[Payload, ...], ...] = (texts("login"),) if "opening" in fields else ()
        self.talk = Talk(change(PLAIN, **fields), self.send, NOW, steps=self.steps, **options)

    def send(self, opcode: int, payload: bytes, urgent: bool) -> None:
        self.said.append(({PING: "ping", PONG: "pong"}.get(opcode, payload.decode()), urgent))

    def take(self) -> list[str]:
        said, self.said = self.said, []
        return [text for text, _ in said]


def texts(*words: str) -> tuple[Payload, ...]:
    return tuple(Payload(TEXT, word.encode(), (word,)) for word in words)


def test_without_a_budget_nothing_waits() -> None:
    """In the order in which it was said."""
    heard = Heard()
    heard.talk.say(texts("a", "b"), NOW)
    heard.talk.urge(PONG, b"", NOW)
    assert heard.said == [("a", False), ("b", False), ("pong", True)]
    assert (heard.talk.waiting, heard.talk.deadline(NOW)) == (0, None)


def test_subscriptions_wait_for_the_budget() -> None:
    """What does not fit follows when there is room, in its order; it is followed from then."""
    heard = Heard(send_budget=Budget(count=2, per=10.0), acks=Acks(by="count", within=5.0))
    heard.talk.say(texts("a", "b", "c"), NOW)
    assert (heard.take(), heard.talk.waiting) == (["a", "b"], 1)
    assert heard.talk.deadline(NOW) == NOW + 5.0
    heard.talk.subscriptions.acknowledged({}, NOW)
    heard.talk.subscriptions.acknowledged({}, NOW)
    assert heard.talk.deadline(NOW) == NOW + 10.0
    heard.talk.tick(NOW + 9.9)
    assert heard.take() == []
    heard.talk.tick(NOW + 10.0)
    assert heard.take() == ["c"]
    assert heard.talk.deadline(NOW) == NOW + 15.0


def test_pongs_and_answers_never_wait_but_count() -> None:
    """And so does what the user sends, and the opening script."""
    heard = Heard(send_budget=Budget(count=2, per=10.0), opening=(Step(send="login"),))
    assert heard.talk.open(NOW)
    heard.talk.urge(PONG, b"", NOW + 1.0)
    heard.talk.say(texts("a"), NOW + 2.0)
    assert heard.said == [("login", False), ("pong", True)]
    heard.take()
    heard.talk.spent(NOW + 3.0)
    heard.talk.tick(NOW + 10.0)
    assert heard.take() == []
    heard.talk.tick(NOW + 11.0)
    assert heard.take() == ["a"]


def test_a_keepalive_goes_before_the_others() -> None:
    """When there is room for one."""
    heard = Heard(send_budget=Budget(count=1, per=10.0), keepalive=Keepalive(every=4.0))
    heard.talk.say(texts("a", "b"), NOW)
    assert heard.take() == ["a"]
    assert not heard.talk.keep_alive(NOW + 4.0, NOW)
    assert heard.talk.deadline(NOW) == NOW + 10.0
    assert heard.talk.keep_alive(NOW + 10.0, NOW)
    heard.talk.tick(NOW + 10.0)
    assert heard.said == [("ping", True)]


def test_a_keepalive_is_a_moment_to_wait_for() -> None:
    """When it is due, or when there is room for one."""
    assert Heard(keepalive=Keepalive(every=4.0)).talk.deadline(NOW) == NOW + 4.0
    heard = Heard(send_budget=Budget(count=1, per=10.0), keepalive=Keepalive(every=4.0))
    heard.talk.spent(NOW)
    assert heard.talk.deadline(NOW) == NOW + 10.0


def test_a_keepalive_of_the_venues_own_kind() -> None:
    """A payload, made anew each time."""
    numbers = iter(range(9))
    heard = Heard(keepalive=Keepalive(every=4.0), keepalive_payload=lambda: Payload(TEXT, b"ping %d" % next(numbers)))
    assert not heard.talk.keep_alive(NOW + 3.9, NOW)
    assert heard.talk.keep_alive(NOW + 4.0, NOW)
    heard.talk.begin(NOW + 5.0)
    assert not heard.talk.keep_alive(NOW + 8.0, NOW)
    assert heard.talk.keep_alive(NOW + 9.0, NOW)
    assert heard.said == [("ping 0", False), ("ping 1", False)]


def test_what_is_asked_for_is_followed_as_the_rules_say() -> None:
    """Where an answer has its id, its topics and its key; of what is wanted the next data is heard of."""
    heard = Heard(acks=Acks(by="id"), ack_id=getter("id"))
    heard.talk.say([texts("a")[0]._replace(ident=7)], NOW)
    assert heard.talk.subscriptions.acknowledged({"id": 7}, NOW) == ["a"]
    heard = Heard(acks=Acks(by="key", topics="args"), ack_topics=getter("args"))
    heard.talk.say(texts("a"), NOW)
    assert heard.talk.subscriptions.acknowledged({"args": ["a"]}, NOW) == ["a"]
    watched: list[Hashable] = []
    asks = {"topic_key": lambda topic: topic[-1], "watch": watched.append, "wanted": {"t.A"}}
    heard = Heard(asks, acks=Acks(by="key"))
    heard.talk.say(texts("t.A", "t.B"), NOW)
    assert heard.talk.subscriptions.acknowledged({"k": "A"}, NOW) == ["t.A"]
    assert (watched, heard.talk.subscriptions.pending) == (["A"], {"A": ["t.A"]})
    heard = Heard(asks, key=None)
    heard.talk.say(texts("t.A"), NOW)
    assert heard.talk.subscriptions.came(None) == ["t.A"]  # without a key in the feed all data is everybody's


def test_how_long_a_topic_may_take_stands_in_the_rules() -> None:
    """Until its data comes, until it is asked for again, and until the callable that says how has said it."""
    backoff = Backoff(base=6.0, maximum=6.0)
    heard = Heard({"hidden": ("s3cr3t",)}, topic_data_limit=3.0, fetch_backoff=backoff, dial_limit=20.0)
    heard.talk.say(texts("a", "b"), NOW)
    subscriptions = heard.talk.subscriptions
    assert subscriptions.refused("a of s3cr3t") == []  # nobody knows which
    subscriptions.came("b")
    assert heard.talk.deadline(NOW) == NOW + 3.0
    assert subscriptions.tick(NOW + 3.0, lambda: 1.0) == ([Missed("a", "no data within 3 s", 6.0)], [])
    assert subscriptions.tick(NOW + 9.0, lambda: 1.0) == ([], ["a"])
    assert heard.talk.deadline(NOW) == NOW + 29.0
    assert subscriptions.refused("a of s3cr3t") == [Missed("a", "a of ***", None)]


def test_everything_is_asked_for_when_all_calls_are_back() -> None:
    """The last one ends it, whichever it is; an answer that nobody waits for changes nothing."""
    heard = Heard()
    heard.talk.called()
    heard.talk.resubscribing_until = NOW + 15.0
    heard.talk.answered()
    once: object = heard.talk.resubscribing_until
    assert once is None
    heard.talk.answered()
    heard.talk.called()
    heard.talk.called()
    heard.talk.resubscribing_until = NOW + 15.0
    heard.talk.answered()
    assert heard.talk.resubscribing_until == NOW + 15.0
    heard.talk.answered()
    assert heard.talk.resubscribing_until is None


def test_a_callable_that_hangs_is_given_up() -> None:
    """What the user's callables are asked for is missed at its limit, and not before."""
    heard = Heard()
    heard.talk.resubscribing_until = NOW + 15.0
    assert heard.talk.deadline(NOW) == NOW + 15.0
    heard.talk.tick(NOW + 14.9)
    assert heard.talk.deadline(NOW) == NOW + 15.0
    heard.talk.tick(NOW + 15.0)
    assert heard.talk.deadline(NOW) is None


def test_what_the_venue_repeats_is_hidden() -> None:
    """Whatever the upgrade sent, the longest first so that a part of it leaves no rest; and every `Secret` that there is."""
    secret = Secret("hunter2-in-a-test")
    talk = Talk(PLAIN, lambda opcode, payload, urgent: None, NOW, hidden=("abc", "token=abc123", "abc123"))
    assert talk.shown("no such user abc123, sent as token=abc123, or abc") == "no such user ***, sent as ***, or ***"
    assert talk.shown(f"who is {secret}?") == "who is ***?"
    talk = Talk(PLAIN, lambda opcode, payload, urgent: None, NOW, hidden=("zz", "azz1"))
    assert talk.shown("azz1 or zz") == "*** or ***"
    assert Talk(PLAIN, lambda opcode, payload, urgent: None, NOW).shown("token=abc123, abc") == "token=abc123, abc"


@given(
    count=st.integers(1, 3),
    moves=st.lists(st.tuples(st.sampled_from(["say", "urge", "wait"]), st.integers(1, 9)), max_size=40),
)
def test_the_pace_is_kept(count: int, moves: list[tuple[str, int]]) -> None:
    """What waits is never more than the budget allows, nothing is lost, and the order stays."""
    heard = Heard(send_budget=Budget(count=count, per=5.0))
    now, number, paced = NOW, 0, []
    for move, size in moves:
        before = len(heard.said)
        if move == "say":
            heard.talk.say(texts(*map(str, range(number, number + size))), now)
            number += size
        elif move == "urge":
            heard.talk.urge(PONG, b"", now)
        else:
            now += size / 4
            heard.talk.tick(now)
        paced += [(now, text) for text, urgent in heard.said[before:] if not urgent]
        assert sum(1 for at, _ in paced if at + 5.0 > now) <= count
        deadline = heard.talk.deadline(now)
        assert (deadline is not None and deadline > now) if heard.talk.waiting else deadline is None
    while heard.talk.waiting:
        now = heard.talk.deadline(now) or now
        before = len(heard.said)
        heard.talk.tick(now)
        paced += [(now, text) for text, _ in heard.said[before:]]
    assert [text for _, text in paced] == list(map(str, range(number)))
