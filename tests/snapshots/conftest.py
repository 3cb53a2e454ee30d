"""Sites, and an environment in which only what a test sets is set."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Iterator

import pytest

from tests.snapshots.site import Site


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No proxy, no CA bundle and no netrc of the machine reaches a test."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))


@pytest.fixture
def new_site() -> Iterator[Callable[..., Site]]:
    """Makes sites that are closed after the test."""
    made: list[Site] = []

    def make(*args: object, **kwargs: object) -> Site:
        made.append(Site(*args, **kwargs))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for site in made:
        site.close()


@pytest.fixture
def site(new_site: Callable[..., Site]) -> Site:
    return new_site()
