"""Which fault comes when."""

from __future__ import annotations

from syncstream.testing.rules import Rule, Rules


def rules(*added: Rule) -> Rules:
    made = Rules(1)
    for rule in added:
        made.add(rule)
    return made


def test_nothing_is_on_at_first() -> None:
    """Without a rule nothing happens to a message."""
    assert rules().message("ABC", 1) == ""


def test_a_count_is_used_up() -> None:
    """A rule with a count happens so often, and is then gone."""
    asked = rules(Rule("drop", left=2))
    assert [asked.message("ABC", 1) for _ in range(3)] == ["drop", "drop", ""]
    assert list(asked) == []


def test_no_count_lasts() -> None:
    """A rule without a count goes on until it is cleared."""
    asked = rules(Rule("drop"))
    assert [asked.message("ABC", 1) for _ in range(10)] == ["drop"] * 10
    asked.clear()
    assert asked.message("ABC", 1) == ""


def test_where_it_applies() -> None:
    """A symbol and a connection narrow a rule down; a message elsewhere does not use it up."""
    asked = rules(Rule("drop", left=1, symbol="ABC", connection=2))
    assert [asked.message("XYZ", 2), asked.message("ABC", 1), asked.message("ABC", 2)] == ["", "", "drop"]


def test_one_fault_for_one_message() -> None:
    """Several rules take turns in their fixed order; a message has one fault at most."""
    asked = rules(Rule("reorder", left=1), Rule("duplicate", left=1), Rule("drop", left=1))
    assert [asked.message("ABC", 1) for _ in range(4)] == ["drop", "duplicate", "reorder", ""]


def test_a_rate_is_a_chance_from_the_seed() -> None:
    """A rate hits about its share of the messages, and the same ones each time."""
    first, second = rules(Rule("drop", rate=0.1)), rules(Rule("drop", rate=0.1))
    hits = [first.message("ABC", 1) for _ in range(2000)]
    assert [second.message("ABC", 1) for _ in range(2000)] == hits
    assert 140 < hits.count("drop") < 260


def test_a_rate_with_a_count_ends() -> None:
    """Both together: by chance, but no more than so often."""
    asked = rules(Rule("drop", left=5, rate=0.5))
    assert [asked.message("ABC", 1) for _ in range(200)].count("drop") == 5


def test_a_moment_ends_it() -> None:
    """A rule until a moment applies before it, and not at it."""
    asked = rules(Rule("refuse", until=10.0))
    assert asked.take("refuse", now=9.9) is not None
    assert asked.take("refuse", now=10.0) is None


def test_a_rule_says_what_it_does() -> None:
    """Its text names what was set, and nothing else."""
    assert str(Rule("drop", rate=0.5, symbol="ABC")) == "drop rate=0.5 symbol=ABC"
    assert str(Rule("fail_snapshot", left=1, how=503, retry_after=None)) == "fail_snapshot left=1 how=503"


def test_two_messages_do_not_wait_to_be_overtaken() -> None:
    """Where one waits already, a reorder is saved for later."""
    asked = rules(Rule("reorder", left=1))
    assert [asked.message("ABC", 1, swappable=False), asked.message("ABC", 1)] == ["", "reorder"]
