"""Tests of notebook/card.py: what the card says, that nothing gets out of its place, and how a browser shows it."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Optional

import pytest

from syncstream.events import KeyStatus, Status
from syncstream.notebook.card import KEYS_SHOWN, card
from syncstream.stats import Latency, Stats

KEYS: dict[Any, KeyStatus] = {
    "ABC": KeyStatus(state="live", position=1203),
    "XYZ": KeyStatus(state="syncing", position=88, gaps=2, healed=1, held=17),
}
STATUS = Status(state="syncing", lines=1, messages=12345, gaps=2, healed=1, reconnects=3, silence=0.0021, keys=KEYS)
STATS = Stats(depth=40, high_water=812, lag=0.25, dropped=7, latency=Latency(count=100, p50=0.0004, p99=0.012))


class Text(HTMLParser):
    """Owned by: one test. The tags in their order, balanced, and what a reader sees."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Optional[str]]]) -> None:
        self.tags.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data.strip())

    def __str__(self) -> str:
        return " ".join(filter(None, self.words))


def test_what_the_card_says() -> None:
    """State by word, figures with their names, keys in trouble first."""
    text = str(Text(card("quotes", STATUS, STATS, bound=10_000)))
    for part in (
        "syncing quotes",
        "messages 12,345",
        "gaps 2 (1 healed)",
        "reconnects 3",
        "queued 40 of 10,000",
        "deepest 812",
        "lag 250 ms",
        "dropped 7",
        "latency p50 / p99 400 µs / 12 ms",
        "XYZ ● syncing 88 2 17 ABC ● live 1203 0 0",
    ):
        assert part in text
    assert "exchange" not in text


def test_what_is_known_of_the_exchange_is_said() -> None:
    """With timestamps: beyond the fastest, and the offset."""
    stats = Stats(exchange=Latency(count=5, p50=0.001, p99=0.05), clock_offset=-0.0035)
    text = str(Text(card("quotes", Status(), stats, bound=10)))
    assert "exchange p50 / p99 1 ms / 50 ms" in text
    assert "clock offset -3.5 ms" in text
    assert "latency p50 / p99 none yet" in text
    assert "lag none" in text


EVIL = "<script>alert(1)</script>\"'&"


def test_nothing_from_outside_becomes_a_tag() -> None:
    """Names, keys, positions, errors: a venue must not run a script in somebody's notebook."""
    keys: dict[Any, KeyStatus] = {EVIL: KeyStatus(position=EVIL), None: KeyStatus(), ("a", 1): KeyStatus()}
    html = card(EVIL, Status(state="failed", error=EVIL, keys=keys), Stats(), bound=1)
    text = Text(html)
    assert "script" not in text.tags
    assert str(text).count(EVIL) == 4
    assert 'aria-label="stream &lt;script&gt;' in html


def test_many_keys_are_counted() -> None:
    """A card is no list of a thousand; long keys are cut."""
    keys: dict[Any, KeyStatus] = {f"{n:04}" + "x" * 99: KeyStatus(state="live") for n in range(1000)}
    html = card("quotes", Status(keys=keys), Stats(), bound=10)
    assert html.count("<tr>") == KEYS_SHOWN + 1
    assert f"and {1000 - KEYS_SHOWN} more keys" in html
    assert "x" * 60 not in html


BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


SCHEMES = {"light": ("#fff", "#222", "rgb(34, 34, 34)"), "dark": ("#111", "#eee", "rgb(238, 238, 238)")}
MEASURE = """<script>
document.title = JSON.stringify([...document.querySelectorAll(".syncstream")].map(card => {
  const box = card.getBoundingClientRect();
  return [box.width, box.height, getComputedStyle(card.querySelector("td")).color, card.innerText];
}));
</script>"""


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed here (Debian: apt-get install chromium)")
@pytest.mark.parametrize("doctype", ["<!doctype html>", ""], ids=["standard", "quirks"])
def test_a_browser_shows_it(tmp_path: Path, doctype: str) -> None:
    """On a light page and on a dark one: its words are there in the page's colour, and it has about the size of a card.

    Without a document type, as where a card was saved as it is, browsers let tables inherit no colour.
    """
    assert BROWSER is not None
    body = card("quotes", STATUS, STATS, bound=10_000)
    sections = [
        f'<section style="color-scheme:{scheme};background:{back};color:{front};padding:8px">{body}</section>'
        for scheme, (back, front, _) in SCHEMES.items()
    ]
    page, picture = tmp_path / "card.html", tmp_path / "card.png"
    page.write_text(f"{doctype}<meta charset=utf-8><body>{''.join(sections)}{MEASURE}", encoding="utf-8")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    command += ["--window-size=760,600", f"--screenshot={picture}", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True)
    cards = json.loads(unescape(done.stdout.split("<title>")[1].split("</title>")[0]))
    assert len(cards) == len(SCHEMES)
    for (width, height, colour, text), (_, _, expected) in zip(cards, SCHEMES.values()):
        assert 400 <= width <= 720
        assert 120 <= height <= 360
        assert colour == expected
        for word in ("syncing", "quotes", "latency p50 / p99", "400 µs / 12 ms", "XYZ"):
            assert word in text
    if picture.exists():  # some versions do one of the two only
        content = picture.read_bytes()
        assert struct.unpack(">II", content[16:24]) == (760, 600)
        assert len(content) > 10_000  # an empty page has less than half of that
