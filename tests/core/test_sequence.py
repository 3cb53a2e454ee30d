"""How a venue's numbers count: each verdict off by one on both sides, and the laws that hold for any numbers."""

from __future__ import annotations

from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncstream.core.sequence import Chained, Contiguous, Increasing, Rule, Verdict
from syncstream.errors import FeedError

NEXT, DUPLICATE, HOLE = Verdict.NEXT, Verdict.DUPLICATE, Verdict.HOLE
SINGLE, OVERLAP = Contiguous("U", "u"), Contiguous("U", "u", overlap=True)
GROWING = Increasing("ts")
CHAIN = Chained("pu", "u")
RULES: list[Rule] = [SINGLE, OVERLAP, CHAIN, GROWING]
NUMBER = st.integers(-(10**18), 10**18) | st.integers(0, 20)


@st.composite
def ranges(draw: st.DrawFn) -> tuple[int, int]:
    first = draw(NUMBER)
    return first, first + draw(st.integers(0, 5))


# ---------------------------------------------------------------- Contiguous, message after message


@pytest.mark.parametrize(
    ("first", "last", "plain", "overlap"),
    [
        (11, 11, NEXT, NEXT),
        (11, 15, NEXT, NEXT),
        (10, 10, DUPLICATE, DUPLICATE),
        (9, 9, DUPLICATE, DUPLICATE),
        (3, 10, DUPLICATE, DUPLICATE),
        (12, 12, HOLE, HOLE),
        (12, 15, HOLE, HOLE),
        (10, 11, HOLE, NEXT),  # begins at the position, ends beyond it
        (3, 11, HOLE, NEXT),
        (11, 10, DUPLICATE, DUPLICATE),  # ends before it begins, and says nothing new
        (12, 11, HOLE, HOLE),
    ],
)
def test_a_message_at_position_10(first: int, last: int, plain: Verdict, overlap: Verdict) -> None:
    """Goes on exactly at 11; ends at 10 or before: nothing new; begins at 12: a hole. Overlap only where it is legal."""
    assert SINGLE.judge(10, first, last) is plain
    assert OVERLAP.judge(10, first, last) is overlap


@given(position=NUMBER, span=ranges())
def test_a_verdict_is_what_it_says(position: int, span: tuple[int, int]) -> None:
    """NEXT advances, DUPLICATE never does; a HOLE of the overlapping rule always leaves out a number."""
    first, last = span
    for rule in (SINGLE, OVERLAP):
        verdict = rule.judge(position, first, last)
        assert (verdict is DUPLICATE) == (last <= position)
        if verdict is NEXT:
            assert first <= position + 1 <= last
    assert (OVERLAP.judge(position, first, last) is HOLE) == (first > position + 1)


@given(position=NUMBER, span=ranges())
def test_overlap_only_widens(position: int, span: tuple[int, int]) -> None:
    """What the strict rule takes, the overlapping one takes too; they differ only where the message reaches back."""
    strict, wide = SINGLE.judge(position, *span), OVERLAP.judge(position, *span)
    assert strict is wide or (strict is HOLE and wide is NEXT and span[0] <= position < span[1])


# ---------------------------------------------------------------- laws of every rule


@pytest.mark.parametrize("rule", RULES)
@given(position=NUMBER, span=ranges())
def test_after_next_the_same_message_is_a_duplicate(rule: Rule, position: int, span: tuple[int, int]) -> None:
    """Applying a message and seeing it again says nothing new, before and after a snapshot."""
    first, last = span
    if rule is CHAIN and first == last:
        return  # it only shows life, and may as often as it likes
    if rule.judge(position, first, last) is NEXT:
        assert rule.judge(last, first, last) is DUPLICATE
    if rule.splice(position, first, last) is NEXT:
        assert rule.splice(last, first, last) is DUPLICATE


@pytest.mark.parametrize("rule", RULES)
@given(position=NUMBER, span=ranges())
def test_what_goes_on_also_joins(rule: Rule, position: int, span: tuple[int, int]) -> None:
    """A splice is never stricter than the rule, and agrees with it on what is stale."""
    judged, spliced = rule.judge(position, *span), rule.splice(position, *span)
    assert (judged is DUPLICATE) == (spliced is DUPLICATE)
    if judged is NEXT:
        assert spliced is NEXT


# ---------------------------------------------------------------- after a snapshot


@pytest.mark.parametrize("rule", [SINGLE, OVERLAP])
@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (95, 99, DUPLICATE),
        (95, 100, DUPLICATE),  # u == L: covered by the snapshot
        (95, 101, NEXT),  # overlaps
        (100, 101, NEXT),
        (101, 101, NEXT),  # U == L+1: the common case of Binance spot, where L stands outside [U, u]
        (101, 105, NEXT),
        (102, 102, HOLE),  # U == L+2
        (102, 105, HOLE),
    ],
)
def test_the_splice_boundary(rule: Contiguous, first: int, last: int, expected: Verdict) -> None:
    """Drop `u <= L`; the first one to apply has `U <= L+1 <= u`; beyond that the snapshot is too old. L is 100."""
    assert rule.splice(100, first, last) is expected


@given(position=NUMBER, span=ranges())
def test_splice_accepts_any_overlap(position: int, span: tuple[int, int]) -> None:
    """`U <= L+1 <= u`, exactly, with or without `overlap`."""
    first, last = span
    assert (SINGLE.splice(position, first, last) is NEXT) == (first <= position + 1 <= last)
    assert OVERLAP.splice(position, first, last) is SINGLE.splice(position, first, last)


# ---------------------------------------------------------------- holes


@pytest.mark.parametrize(("position", "first", "missing"), [(10, 12, 1), (10, 110, 99), (10, 11, None), (10, 5, None)])
def test_how_much_is_missing(position: int, first: int, missing: Optional[int]) -> None:
    """The numbers between the position and the message; nothing can be said where they meet or overlap."""
    assert SINGLE.missing(position, first) == missing
    assert GROWING.missing(position, first) is None


@given(position=NUMBER, span=ranges())
def test_missing_counts_the_hole(position: int, span: tuple[int, int]) -> None:
    """With overlap a HOLE always has a size, and it is what would have gone on up to there."""
    first, last = span
    if OVERLAP.judge(position, first, last) is HOLE:
        missing = OVERLAP.missing(position, first)
        assert missing is not None
        assert missing >= 1
        assert OVERLAP.judge(position + missing, first, last) is NEXT


# ---------------------------------------------------------------- Chained


@pytest.mark.parametrize(
    ("previous", "current", "expected"),
    [
        (10, 11, NEXT),
        (10, 5_000, NEXT),  # numbers skip by right
        (10, 10, NEXT),  # it only shows life (OKX)
        (10, 3, NEXT),  # the venue starts its numbers anew, in the chain (OKX)
        (-1, 10, DUPLICATE),
        (9, 10, DUPLICATE),
        (3, 9, DUPLICATE),
        (12, 9, DUPLICATE),
        (9, 11, HOLE),  # what it follows is not what we have
        (11, 12, HOLE),
        (11, 5_000, HOLE),
    ],
)
def test_a_link_at_position_10(previous: int, current: int, expected: Verdict) -> None:
    """It goes on where it names the position, whatever number it has itself."""
    assert CHAIN.judge(10, previous, current) is expected


@pytest.mark.parametrize(
    ("previous", "current", "expected"),
    [
        (90, 99, DUPLICATE),
        (90, 100, DUPLICATE),  # u == L: covered; the next one names L
        (99, 101, NEXT),  # pu < L < u: spans it
        (100, 101, NEXT),
        (100, 100, NEXT),
        (100, 50, NEXT),
        (101, 102, HOLE),
    ],
)
def test_the_splice_boundary_of_a_chain(previous: int, current: int, expected: Verdict) -> None:
    """The first to apply spans the snapshot's position, or begins there. L is 100."""
    assert CHAIN.splice(100, previous, current) is expected


@given(numbers=st.lists(st.integers(1, 50), min_size=2, max_size=20), start=NUMBER, data=st.data())
def test_a_chain_shows_every_message_that_is_left_out(numbers: list[int], start: int, data: st.DataObject) -> None:
    """Of a chain whose numbers skip, leaving out any stretch is a hole at the next message, and nothing else is one."""
    links = []
    for step in numbers:
        links.append((start, start + step))
        start += step
    begin = data.draw(st.integers(1, len(links) - 1))
    end = data.draw(st.integers(begin, len(links) - 1))
    position = links[0][1]
    for index, (previous, current) in enumerate(links[1:], 1):
        if begin <= index < end:
            continue
        assert CHAIN.judge(position, previous, current) is (HOLE if index == end > begin else NEXT)
        position = current


def test_a_chain_has_two_numbers_and_cannot_count_what_is_missing() -> None:
    """It can be used wherever a rule can; holes can be seen, their size cannot."""
    assert (CHAIN.first, CHAIN.last, CHAIN.start, CHAIN.detects) == ("pu", "u", None, True)
    assert CHAIN.missing(10, 15) is None


@pytest.mark.parametrize("rule", RULES)
@given(position=NUMBER, span=ranges())
def test_what_is_plainly_next_is_next(rule: Rule, position: int, span: tuple[int, int]) -> None:
    """The hot path takes a message that begins `ahead` of the position and does not end before it begins; that is the nearest."""
    length = span[1] - span[0]
    first = position + rule.ahead
    assert rule.judge(position, first, first + length) is NEXT
    assert rule.judge(position, first - 1, first - 1) is not NEXT


# ---------------------------------------------------------------- Increasing


@pytest.mark.parametrize(("number", "expected"), [(9, DUPLICATE), (10, DUPLICATE), (11, NEXT), (5_000, NEXT)])
def test_numbers_that_only_grow(number: int, expected: Verdict) -> None:
    """Greater is next however far; equal and smaller are not. A hole cannot be seen."""
    assert GROWING.judge(10, number, number) is expected
    assert GROWING.splice(10, number, number) is expected
    assert not GROWING.detects


def test_increasing_has_one_number_and_no_start() -> None:
    """It can be used wherever a rule can."""
    assert (GROWING.first, GROWING.last, GROWING.start) == ("ts", None, None)


# ---------------------------------------------------------------- making one


def test_contiguous_defaults() -> None:
    """One number, no overlap, any start; holes can be seen."""
    rule = Contiguous("seq")
    assert (rule.first, rule.last, rule.overlap, rule.start) == ("seq", None, False, None)
    assert rule.detects
    assert repr(rule) == "Contiguous(first='seq')"


BAD_PATHS: list[Any] = ["", ".", "a.", ".a", "a..b", 5, None, b"seq", ["seq"]]


@pytest.mark.parametrize("path", BAD_PATHS)
def test_a_path_that_cannot_be(path: Any) -> None:
    """The error names the field and the value."""
    with pytest.raises(FeedError, match=r"^first=.*expected a field name, a dotted path such as 'data\.u', or a callable$"):
        Contiguous(path)
    with pytest.raises(FeedError, match=r"^position="):
        Increasing(path)
    with pytest.raises(FeedError, match=r"^previous="):
        Chained(path, "u")
    with pytest.raises(FeedError, match=r"^current="):
        Chained("pu", path)
    if path is not None:
        with pytest.raises(FeedError, match=r"^last=") as caught:
            Contiguous("U", path)
        assert caught.value.value is path


@pytest.mark.parametrize("start", [True, "1", 1.0])
def test_a_start_that_cannot_be(start: Any) -> None:
    """The first number of a counter is an int."""
    with pytest.raises(FeedError, match=r"^start=.*: the first number of a counter is an int$"):
        Contiguous("seq", start=start)


@pytest.mark.parametrize("rule", RULES)
def test_rules_are_frozen(rule: Any) -> None:
    """Values that can be shared and compared."""
    for field in rule.__struct_fields__:
        with pytest.raises(AttributeError):
            setattr(rule, field, "x")
    assert rule == type(rule)(**{field: getattr(rule, field) for field in rule.__struct_fields__})


def test_callables_and_dotted_paths_are_places() -> None:
    """Either can say where a number stands."""
    rule = Contiguous(len, "data.u", overlap=True, start=0)
    assert (rule.first, rule.last, rule.start) == (len, "data.u", 0)
    assert Increasing(len).first is len


# ---------------------------------------------------------------- modifiers, and names

NAMES = Chained("before", "id", ordered=False)


@pytest.mark.parametrize(
    ("position", "previous", "current", "expected"),
    [("b", "b", "c", NEXT), ("b", "b", "a", NEXT), ("b", "a", "b", DUPLICATE), ("b", "a", "c", HOLE), ("b", "y", "z", HOLE)],
)
def test_of_names_only_equality_says_something(position: str, previous: str, current: str, expected: Verdict) -> None:
    """Whether one is greater than another is chance: neither old nor new."""
    assert NAMES.judge(position, previous, current) is expected
    assert (NAMES.ordered, CHAIN.ordered, GROWING.ordered, Contiguous("n").ordered) == (False, True, True, True)


def test_modifiers_are_for_rules_that_see_holes() -> None:
    """None by default; `Increasing` has no such thing."""
    for rule in (GROWING, CHAIN, Contiguous("n")):
        assert (rule.idle, rule.reset) == (None, None)
    assert Contiguous("n", idle="beat").idle == "beat"
    assert Chained("p", "n", reset=bool).reset is bool


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Contiguous("n", idle=""), "idle"),
        (lambda: Chained("p", "n", idle=3), "idle"),  # type: ignore[arg-type]
        (lambda: Contiguous("n", reset="first"), "reset"),  # type: ignore[arg-type]
        (lambda: Chained("p", "n", reset=1), "reset"),  # type: ignore[arg-type]
        (lambda: Chained("p", "n", ordered=1), "ordered"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_modifier(make: Any, field: str) -> None:
    """It is refused by its name."""
    with pytest.raises(FeedError, match=f"^{field}="):
        make()
