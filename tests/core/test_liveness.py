"""Is the line alive: who proves what, when each clock rings, and that the deadline never comes too late."""

from __future__ import annotations

import math
from typing import Any, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from syncstream.core.liveness import Clocks, Due, Liveness
from syncstream.errors import FeedError

POLICY = Liveness(ping_after=15.0, pong_within=10.0, silence=60.0, maximum_silence=3600.0)


def clocks(policy: Liveness = POLICY, heartbeat: Optional[float] = None, silence: Optional[float] = None) -> Clocks:
    return Clocks(policy, heartbeat, policy.silence if silence is None else silence, 100.0)


# ---------------------------------------------------------------- the transport


def test_an_idle_line_is_pinged_once_and_then_dead() -> None:
    """15 s without a byte: a ping. 10 s more without one: half-open. Each exactly at its moment, not before."""
    c = clocks()
    assert c.deadline() == 115.0
    assert c.due(114.999) is None
    assert c.due(115.0) is Due.PING
    assert c.deadline() == 125.0
    assert c.due(115.0) is None  # noted: no second one
    assert c.due(124.999) is None
    assert c.due(125.0) is Due.DEAD
    assert c.reason(125.0) == "half-open: no answer to our ping within 10 s"


def test_the_time_for_a_pong_runs_from_the_ping() -> None:
    """A ping that goes out late (a busy turn) gets its whole time."""
    c = clocks()
    assert c.due(117.5) is Due.PING
    assert c.deadline() == 127.5
    assert c.due(127.4) is None
    assert c.due(127.5) is Due.DEAD


@pytest.mark.parametrize("proof", ["proved_transport", "proved_feed"])
def test_any_byte_answers_a_ping(proof: str) -> None:
    """A pong, a piece of a long message, a message: all prove the transport, and the next ping is due 15 s later."""
    c = clocks()
    assert c.due(115.0) is Due.PING
    getattr(c, proof)(120.0)
    assert c.due(125.0) is None
    assert c.deadline() == 135.0
    assert c.due(135.0) is Due.PING


def test_bytes_put_the_ping_off() -> None:
    """A busy line is never pinged."""
    c = clocks()
    for at in range(110, 150, 5):
        c.proved_transport(float(at))
        assert c.due(at + 14.9) is None


# ---------------------------------------------------------------- the feed


def test_a_heartbeat_that_stays_away_is_death_pongs_or_not() -> None:
    """With a declared heartbeat of 4 s the feed may be mute for 6 s; bytes that are no message do not help."""
    c = clocks(heartbeat=4.0)
    assert c.deadline() == 106.0
    c.proved_transport(105.9)
    assert c.due(105.999) is None
    assert c.due(106.0) is Due.DEAD
    assert c.reason(106.0) == "mute: no message for 6.0 s, limit 6 s (1.5 x heartbeat)"


def test_a_message_is_a_heartbeat() -> None:
    """Whatever the message is, the limit runs from it."""
    c = clocks(heartbeat=4.0)
    c.proved_feed(105.0)
    assert c.deadline() == 111.0
    assert c.due(110.999) is None
    assert c.due(111.0) is Due.DEAD


def test_a_long_heartbeat_still_finds_a_half_open_line() -> None:
    """The ping does not wait for the heartbeat's limit."""
    c = clocks(heartbeat=600.0)
    assert c.due(115.0) is Due.PING
    assert c.due(125.0) is Due.DEAD
    assert c.reason(125.0).startswith("half-open")


def test_silence_without_a_heartbeat_is_no_proof_of_death() -> None:
    """The transport answers, no message comes: STALE at the limit, and not DEAD, whether a ping is under way or not."""
    c = clocks()
    for at in (112.0, 124.0, 136.0, 148.0):
        c.proved_transport(at)
    assert c.deadline() == 160.0
    assert c.due(159.999) is None
    assert c.due(160.0) is Due.STALE
    assert c.reason(160.0) == "mute: no message for 60.0 s"
    assert c.due(163.0) is Due.STALE  # as long as the line is kept: the caller gives it up


def test_stale_while_a_ping_is_under_way_and_dead_once_it_has_failed() -> None:
    """Half-open is death and says so, also when the feed has been silent for too long."""
    c = clocks()
    c.proved_transport(140.0)
    assert c.due(155.0) is Due.PING
    assert c.due(160.0) is Due.STALE
    assert c.due(164.999) is Due.STALE
    assert c.reason(164.999) == "mute: no message for 65.0 s"
    assert c.due(165.0) is Due.DEAD
    assert c.reason(165.0).startswith("half-open")


# ---------------------------------------------------------------- the ladder


def test_the_ladder_doubles_up_to_the_maximum_and_falls_back_on_data() -> None:
    """60, 120, 240 ... 3600 s, one rung per line; a message, and nothing less, takes it back to the start."""
    silence, rungs = POLICY.silence, []
    for _ in range(9):
        c = clocks(silence=silence)
        c.proved_transport(100.0)
        c.transport_at = 100.0 + silence  # pongs all the way
        assert c.due(100.0 + silence - 0.001) is None
        assert c.due(100.0 + silence) is Due.STALE
        assert c.silence == silence
        silence = c.climb()
        rungs.append(silence)
    assert rungs == [120.0, 240.0, 480.0, 960.0, 1920.0, 3600.0, 3600.0, 3600.0, 3600.0]
    c = clocks(silence=3600.0)
    c.proved_transport(200.0)
    assert c.silence == 3600.0
    c.resume(250.0)
    assert c.silence == 3600.0
    c.proved_feed(300.0)
    assert c.silence == 60.0
    c.transport_at = 360.0
    assert c.due(360.0) is Due.STALE


def test_the_ladder_is_not_for_feeds_with_a_heartbeat() -> None:
    """Their limit is the heartbeat's, on every line."""
    assert clocks(heartbeat=4.0, silence=3600.0).due(106.0) is Due.DEAD


# ---------------------------------------------------------------- back-pressure


def test_no_clock_runs_while_we_do_not_read() -> None:
    """A pause of an hour proves nothing against the venue, which is pinged all the same; afterwards every limit starts anew."""
    for heartbeat in (None, 4.0):
        c = clocks(heartbeat=heartbeat)
        c.pause()
        assert c.deadline() == 115.0
        assert [c.due(now) for now in (114.9, 115.0, 115.1, 130.0, 3700.0)] == [None, Due.PING, None, Due.PING, Due.PING]
        c.resume(3700.0)
        assert c.due(3700.0) is None
        assert c.deadline() == (3715.0 if heartbeat is None else 3706.0)


def test_a_ping_from_before_the_pause_is_forgotten() -> None:
    """Its answer may wait unread; the line is pinged again later."""
    c = clocks()
    assert c.due(115.0) is Due.PING
    c.pause()
    c.resume(200.0)
    assert c.due(200.0) is None
    assert c.due(215.0) is Due.PING


def test_a_ping_right_before_the_pause_is_not_sent_again() -> None:
    """We stop reading at the moment of a ping: the next one is due as long after it as any."""
    c = clocks()
    assert c.due(115.0) is Due.PING
    c.pause()
    assert c.due(115.0) is None
    assert c.deadline() == 130.0
    assert c.due(130.0) is Due.PING


# ---------------------------------------------------------------- a venue that asks for patience


@pytest.mark.parametrize("heartbeat", [None, 4.0])
def test_a_venue_that_said_so_may_be_silent(heartbeat: Optional[float]) -> None:
    """For `pause_limit`, 120 s: pings go out, no answer is missed and nothing is stale. Then it is dead, and that says why."""
    c = clocks(heartbeat=heartbeat)
    c.excuse(105.0)
    assert c.deadline() == 115.0
    assert [c.due(now) for now in (114.9, 115.0, 115.1, 130.0, 224.9)] == [None, Due.PING, None, Due.PING, Due.PING]
    assert c.deadline() == 225.0
    assert c.due(225.0) is Due.DEAD
    assert c.reason(225.0) == "mute: the venue has paused for more than 120 s"


def test_a_pause_said_again_has_its_whole_time_again() -> None:
    """The limit counts from the last time."""
    c = clocks(Liveness(ping_after=math.inf, pause_limit=30.0))
    c.excuse(100.0)
    c.excuse(120.0)
    assert c.deadline() == 150.0
    assert c.due(149.9) is None
    assert c.due(150.0) is Due.DEAD


def test_what_comes_during_a_pause_does_not_end_it() -> None:
    """A message proves the feed, and the venue may be silent again until the limit."""
    c = clocks(heartbeat=4.0)
    c.excuse(100.0)
    c.proved_feed(150.0)
    assert c.due(164.9) is None
    assert c.due(165.0) is Due.PING
    assert c.due(220.0) is Due.DEAD


def test_when_the_venue_goes_on_silence_counts_again() -> None:
    """From then on, as if the line had just been opened."""
    c = clocks(heartbeat=4.0)
    c.excuse(100.0)
    c.expect(190.0)
    assert c.deadline() == 196.0
    assert c.due(195.9) is None
    assert c.due(196.0) is Due.DEAD
    assert c.reason(196.0) == "mute: no message for 6.0 s, limit 6 s (1.5 x heartbeat)"


def test_a_ping_right_before_the_venue_pauses_is_not_sent_again() -> None:
    """The next one is due as long after it as any."""
    c = clocks()
    assert c.due(115.0) is Due.PING
    c.excuse(115.0)
    assert c.due(115.0) is None
    assert c.deadline() == 130.0


def test_what_the_venue_says_meanwhile_cannot_be_known_while_we_do_not_read() -> None:
    """Its pause may be over and we have not read it: no death before we read again, and then `pong_within` for what waits."""
    c = clocks()
    c.excuse(100.0)
    c.pause()
    assert c.deadline() == 115.0
    assert c.due(219.0) is Due.PING
    assert c.deadline() == 234.0  # its limit, 220, is none for now
    assert c.due(221.0) is None
    c.resume(300.0)
    assert c.due(309.9) is None
    assert c.deadline() == 310.0
    assert c.due(310.0) is Due.DEAD
    c = clocks()
    c.excuse(100.0)
    c.pause()
    c.resume(150.0)
    assert c.excused_until == 220.0  # what was left of it is more than that


# ---------------------------------------------------------------- something the venue answers


def test_whatever_the_venue_answers_is_as_good_as_a_ping() -> None:
    """A keepalive was sent: no answer within `pong_within` is half-open, and there is no ping beside it."""
    c = clocks()
    c.asked(105.0)
    assert c.deadline() == 115.0
    assert c.due(114.9) is None
    assert c.due(115.0) is Due.DEAD
    assert c.reason(115.0) == "half-open: no answer to our ping within 10 s"


def test_asked_twice_the_first_one_counts() -> None:
    """A venue that answers nothing is found out however often it is asked."""
    c = clocks()
    c.asked(105.0)
    c.asked(114.0)
    assert c.due(115.0) is Due.DEAD
    c = clocks()
    assert c.due(115.0) is Due.PING
    c.asked(120.0)
    assert c.due(125.0) is Due.DEAD


def test_an_answer_of_its_own_is_awaited_beside_the_others() -> None:
    """Bytes and messages do not stop that clock, an answer does; the first that is awaited counts, and it is no mere silence."""
    for within, limit in ((None, 10.0), (4.0, 4.0)):
        c = clocks()
        c.awaits(105.0, within)
        c.awaits(106.0, 1.0)
        c.proved_transport(105.0 + limit - 1)
        c.proved_feed(105.0 + limit - 1)
        assert c.deadline() == 105.0 + limit
        assert c.due(105.0 + limit - 0.1) is None
        assert c.due(105.0 + limit) is Due.DEAD
        assert c.reason(105.0 + limit) == f"half-open: no answer to our keepalive within {limit:g} s"
    c.answered()
    assert c.due(105.0 + limit) is None
    c.awaits(110.0, 4.0)
    assert c.due(114.0) is Due.DEAD


def test_silence_before_an_awaited_answer_is_due_is_silence() -> None:
    """Each says what it is."""
    c = clocks()
    c.awaits(100.0, 1000.0)
    c.proved_transport(159.0)
    assert c.due(160.0) is Due.STALE
    assert c.reason(160.0) == "mute: no message for 60.0 s"


@pytest.mark.parametrize("patience", ["pause", "excuse"])
def test_no_answer_is_awaited_where_silence_proves_nothing(patience: str) -> None:
    """It was asked for during a pause, and is not missed after it."""
    c = clocks()
    c.pause() if patience == "pause" else c.excuse(100.0)
    c.asked(105.0)
    c.awaits(105.0, 1.0)
    assert (c.pinged_at, c.answer_due_at) == (None, None)
    assert c.due(114.9) is None
    assert c.due(115.0) is Due.PING
    c.resume(116.0)
    c.expect(116.0)
    assert c.deadline() == 131.0


# ---------------------------------------------------------------- an answer of its own


@pytest.mark.parametrize(("within", "limit"), [(None, 10.0), (3.0, 3.0), (40.0, 40.0)])
@pytest.mark.parametrize("heartbeat", [None, 60.0])
def test_nothing_else_stands_for_the_answer_to_a_keepalive(
    within: Optional[float], limit: float, heartbeat: Optional[float]
) -> None:
    """Messages and bytes do not stop its clock: `within` seconds, or as many as for a pong, and the line is half-open."""
    c = clocks(heartbeat=heartbeat)
    c.awaits(100.0, within)
    for after in (0.9, 0.999):
        c.proved_feed(100.0 + after * limit)
        c.proved_transport(100.0 + after * limit)
        assert c.due(100.0 + after * limit) is None
    assert c.deadline() == 100.0 + limit
    assert c.due(100.0 + limit) is Due.DEAD
    assert c.reason(100.0 + limit) == f"half-open: no answer to our keepalive within {limit:g} s"


def test_the_answer_stops_its_clock() -> None:
    """And the next one has its whole time; the line may be mute or silent as before."""
    c = clocks()
    c.awaits(100.0, 3.0)
    c.answered()
    assert c.deadline() == 115.0
    c.awaits(110.0, 4.0)
    c.awaits(113.0, 9.0)  # the first of two that go unanswered counts
    assert c.due(113.9) is None
    assert c.due(114.0) is Due.DEAD
    assert c.reason(114.0) == "half-open: no answer to our keepalive within 4 s"


def test_while_the_answer_may_come_a_mute_feed_is_no_death() -> None:
    """STALE until then, and then DEAD."""
    c = clocks(Liveness(ping_after=math.inf))
    c.awaits(155.0, 10.0)
    assert c.due(160.0) is Due.STALE
    assert c.reason(160.0) == "mute: no message for 60.0 s"
    assert c.due(165.0) is Due.DEAD


@pytest.mark.parametrize("patience", ["pause", "excuse"])
def test_an_answer_is_not_awaited_where_silence_proves_nothing(patience: str) -> None:
    """Neither one that was asked for during a pause nor one from before it is missed after it."""
    for at in (99.0, 105.0):
        c = clocks()
        if at < 100.0:
            c.awaits(at, 3.0)
        c.pause() if patience == "pause" else c.excuse(100.0)
        c.awaits(105.0, 3.0)
        assert c.due(114.9) is None
        c.resume(116.0) if patience == "pause" else c.expect(116.0)
        assert c.deadline() == 131.0


# ---------------------------------------------------------------- any sequence of inputs

SPAN = st.sampled_from([0.5, 1.0, 3.0, 7.0, 15.0, 60.0]) | st.floats(0.01, 1e5)


class AnyInputs(RuleBasedStateMachine):
    """Whatever happens, `due` asks for nothing before `deadline`, and for something at it; and what it asks for is right."""

    @initialize(
        ping_after=SPAN,
        pong_within=SPAN,
        silence=SPAN,
        more=st.floats(0, 1e4),
        pause_limit=SPAN,
        heartbeat=st.none() | SPAN,
        now=st.floats(0, 1e6),
    )
    def begin(
        self,
        ping_after: float,
        pong_within: float,
        silence: float,
        more: float,
        pause_limit: float,
        heartbeat: Optional[float],
        now: float,
    ) -> None:
        self.policy = Liveness(
            ping_after=ping_after,
            pong_within=pong_within,
            silence=silence,
            maximum_silence=silence + more,
            pause_limit=pause_limit,
        )
        self.heartbeat = heartbeat
        self.now = now
        self.clocks = Clocks(self.policy, heartbeat, silence, now)
        self.bytes_at = self.message_at = now  # the model: nothing but the last moments
        self.ping_at: Optional[float] = None
        self.paused = False
        self.excused_until: Optional[float] = None
        self.answer_at: Optional[float] = None

    @rule()
    def bytes_come(self) -> None:
        self.clocks.proved_transport(self.now)
        self.bytes_at, self.ping_at = self.now, None

    @rule()
    def a_message_comes(self) -> None:
        self.clocks.proved_feed(self.now)
        self.bytes_at = self.message_at = self.now
        self.ping_at = None

    @rule()
    def pause(self) -> None:
        self.clocks.pause()
        self.paused = True
        self.bytes_at = max(self.bytes_at, self.ping_at or self.bytes_at)

    @rule()
    def resume(self) -> None:
        self.clocks.resume(self.now)
        self.bytes_at = self.message_at = self.now
        self.ping_at, self.answer_at, self.paused = None, None, False
        if self.excused_until is not None:
            self.excused_until = max(self.excused_until, self.now + self.policy.pong_within)

    @rule()
    def the_venue_pauses(self) -> None:
        self.clocks.excuse(self.now)
        self.excused_until = self.now + self.policy.pause_limit
        self.bytes_at = max(self.bytes_at, self.ping_at or self.bytes_at)

    @rule()
    def the_venue_goes_on(self) -> None:
        self.clocks.expect(self.now)
        self.bytes_at = self.message_at = self.now
        self.ping_at = self.answer_at = self.excused_until = None

    @rule(within=st.none() | SPAN)
    def an_answer_is_awaited(self, within: Optional[float]) -> None:
        self.clocks.awaits(self.now, within)
        if self.answer_at is None and not self.paused and self.excused_until is None:
            self.answer_at = self.now + (self.policy.pong_within if within is None else within)

    @rule()
    def it_is_answered(self) -> None:
        self.clocks.answered()
        self.answer_at = None

    @rule()
    def something_is_asked(self) -> None:
        self.clocks.asked(self.now)
        if self.ping_at is None and not self.paused and self.excused_until is None:
            self.ping_at = self.now

    @rule(seconds=SPAN)
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.look()

    @rule(share=st.floats(0, 1, exclude_max=True))
    def time_passes_to_just_before_the_deadline(self, share: float) -> None:
        deadline = self.clocks.deadline()
        if deadline <= self.now:
            return
        before = self.now + share * (deadline - self.now)
        if before < deadline:
            self.now = before
            assert self.clocks.due(self.now) is None

    @rule()
    def time_passes_to_the_deadline(self) -> None:
        deadline = self.clocks.deadline()
        self.now = max(self.now, deadline)
        assert self.look() is not None

    def look(self) -> Optional[Due]:
        """What the clocks ask for, compared with what the rules say of the model."""
        expected = self.expected()
        found = self.clocks.due(self.now)
        assert found is expected
        if found is Due.PING:
            patient = self.paused or self.excused_until is not None
            self.ping_at, self.bytes_at = (None, self.now) if patient else (self.now, self.bytes_at)
            assert self.clocks.due(self.now) is None
        return found

    def expected(self) -> Optional[Due]:
        if self.excused_until is not None and self.now >= self.excused_until and not self.paused:
            return Due.DEAD
        if self.paused or self.excused_until is not None:
            return Due.PING if self.now >= self.bytes_at + self.policy.ping_after else None
        if self.ping_at is not None and self.now >= self.ping_at + self.policy.pong_within:
            return Due.DEAD
        if self.answer_at is not None and self.now >= self.answer_at:
            return Due.DEAD
        if self.heartbeat is not None and self.now >= self.message_at + 1.5 * self.heartbeat:
            return Due.DEAD
        if self.heartbeat is None and self.now >= self.message_at + self.policy.silence:
            return Due.STALE
        if self.ping_at is None and self.now >= self.bytes_at + self.policy.ping_after:
            return Due.PING
        return None

    @invariant()
    def the_deadline_is_never_late(self) -> None:
        deadline = self.clocks.deadline()
        if self.expected() is not None:
            assert deadline <= self.now


AnyInputs.TestCase.settings = settings(max_examples=150, stateful_step_count=30)
TestAnyInputs = AnyInputs.TestCase


# ---------------------------------------------------------------- the policy


def test_the_default_is_the_one_of_the_design() -> None:
    """A ping after 15 s, ten for its answer, a minute of silence, an hour at most."""
    assert Liveness() == POLICY
    by_position: Any = Liveness
    with pytest.raises(TypeError):
        by_position(15.0)
    with pytest.raises(AttributeError):
        Liveness().silence = 1.0  # type: ignore[misc]
    assert (
        repr(Liveness()) == "Liveness(ping_after=15.0, pong_within=10.0, silence=60.0, maximum_silence=3600.0, pause_limit=120.0)"
    )


BAD: list[Any] = [0, 0.0, -1, -math.inf, math.nan, True, False, None, "1", [1]]


@pytest.mark.parametrize("field", ["ping_after", "pong_within", "silence", "maximum_silence", "pause_limit"])
@pytest.mark.parametrize("value", BAD)
def test_a_limit_that_cannot_be(field: str, value: Any) -> None:
    """Every limit is above zero; the error names the field and the value."""
    with pytest.raises(FeedError, match=r"a limit is a number of seconds above zero$") as caught:
        Liveness(**{field: value})
    assert str(caught.value).startswith(f"{field}={value!r}: ")


def test_a_maximum_below_the_first_rung() -> None:
    """Two fields that contradict each other are both named."""
    with pytest.raises(FeedError, match=r"^maximum_silence=5\.0: is below silence=60\.0$"):
        Liveness(maximum_silence=5.0)


def test_a_limit_that_never_comes_is_fine() -> None:
    """Whoever wants no ping, or no silence limit, says infinity."""
    c = clocks(Liveness(ping_after=math.inf, silence=60.0))
    assert c.deadline() == 160.0
    c = clocks(Liveness(silence=math.inf, maximum_silence=math.inf))
    assert c.deadline() == 115.0


@given(silence=st.floats(0.01, 1e6), more=st.floats(0, 1e6), current=st.floats(0.01, 1e7))
def test_no_rung_is_above_the_maximum(silence: float, more: float, current: float) -> None:
    """The next rung is twice this one or the maximum."""
    policy = Liveness(silence=silence, maximum_silence=silence + more)
    assert clocks(policy, silence=current).climb() == min(2 * current, silence + more)
