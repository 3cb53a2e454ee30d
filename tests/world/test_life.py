"""Worlds for the life of a line that random ones meet too seldom: each of these found what a broken engine does."""

from __future__ import annotations

from typing import Any

import pytest

from .config import FINAL_CODE, Config
from .run import run_script

UNTIL_LIVE = ("wait", 0.3)


@pytest.mark.parametrize("acks", ["id", "key", "count", "cumulative"])
@pytest.mark.parametrize("seed", range(4))
def test_a_request_that_went_astray(acks: str, seed: int) -> None:
    """The venue has not heard it, or its acknowledgement was lost: in the end every topic is subscribed and live."""
    script: list[Any] = [UNTIL_LIVE, ("lost", seed), ("cut", 0, False), ("wait", 1.0), ("trade", 1, 1, "", 2), ("wait", 1.0)]
    run_script(Config(acks=acks, keys=4), script, seed)


@pytest.mark.parametrize("entry", ["no", ""])
def test_a_login_that_does_not_lead_in(entry: str) -> None:
    """Refused for now, or never answered: tried again, and live when the venue lets in."""
    script: list[Any] = [UNTIL_LIVE, ("trade", 0, 1, "", 2), ("entry", entry), ("cut", 0, False), ("wait", 7.0), ("wait", 7.0)]
    run_script(Config(script=True), script)


def test_a_wrong_key_is_the_end() -> None:
    """Before the stream was ever live, and at once."""
    run_script(Config(script=True), [("entry", "final"), ("wait", 1.0)])


@pytest.mark.parametrize("script", [False, True])
@pytest.mark.parametrize("worked", ["", "login", "acknowledged", "data"])
def test_a_venue_that_closes_on_a_wrong_key(script: bool, worked: str) -> None:
    """Without a login the line is live already, and the code is final all the same; but not once it has let us in."""
    live = () if script and not worked else (UNTIL_LIVE,)
    data = (("trade", 0, 1, "", 2),) if worked == "data" else ()
    again = (("entry", ""), ("cut", 0, False), ("wait", 1.0)) if script and worked == "login" else ()  # and now it does not
    config = Config(script=script, acks="id" if worked == "acknowledged" else "")
    report = run_script(config, [("wait", 0.05), *live, *data, *again, ("bye", 0, FINAL_CODE), ("wait", 9.0)])
    through = worked in ("acknowledged", "data") or (script and worked == "login")
    assert (report.faults["ConnectFailed"] == 0) is through


@pytest.mark.parametrize("notice", ["pause", "resume", "resubscribe", "reconnect", "challenge", "pong"])
@pytest.mark.parametrize("source", ["rest", "whole", "none"])
def test_a_notice_between_data(notice: str, source: str) -> None:
    """Whatever it asks for, no hole is left untold, and all is well after it."""
    trade = ("trade", 0, 1, "", 2)
    script: list[Any] = [UNTIL_LIVE, trade, trade, ("notice", 0, notice), trade, ("wait", 2.5), trade, ("wait", 7.0), trade]
    run_script(Config(source=source, keepalive=1.5, quiet_after=3.0), script)


def test_a_quiet_key_that_the_venue_has_lost() -> None:
    """One key is silent while the other speaks: it is asked for again, and nothing that this loses is left untold."""
    speak = [("trade", 1, 1, "", 2), ("wait", 0.3)] * 20
    run_script(Config(quiet_after=3.0), [UNTIL_LIVE, ("trade", 0, 1, "", 2), *speak, ("trade", 0, 2, "", 2), *speak])
    run_script(
        Config(scope="none", source="whole", quiet_after=3.0),
        [UNTIL_LIVE, ("trade", 0, 1, "", 2), *speak, ("trade", 0, 1, "", 2)],
    )


def test_lines_that_live_for_a_while_only() -> None:
    """Replaced again and again, with nothing lost, at a pace of four messages a second."""
    trades = [("trade", number % 4, 1, "", 2) if number % 2 else ("wait", 1.0) for number in range(120)]
    run_script(Config(keys=4, lifetime=12.0, budget=4, script=True, acks="key"), [UNTIL_LIVE, *trades])
