"""The examples of README: those that stand for themselves are run, as far as they need no venue."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from syncstream import Feed

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = [block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "feed = Feed(" in block]


@pytest.mark.parametrize("block", BLOCKS, ids=[block.split("Feed(")[0].splitlines()[0] for block in BLOCKS])
def test_a_feed_of_readme_can_be_made(block: str) -> None:
    """What is imported is there, each option exists, and the feed does not contradict itself."""
    names: dict[str, Any] = {}
    exec(compile(block.split("with Stream(feed)")[0], "README.md", "exec"), names)
    assert isinstance(names["feed"], Feed)
    assert names["feed"].rules().decode(b"{}", True) == {}


def test_there_are_four_of_them() -> None:
    """The first glance, a venue that wants more, a secret, and a book."""
    assert len(BLOCKS) == 4
