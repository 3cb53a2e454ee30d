"""The pytest plugin: a fixture `broker`, for every project that has `syncstream[testing]` installed.

    @pytest.mark.broker(symbols=("ABC",), sequence="connection")    # arguments of Broker, if others than the default are wanted
    def test_my_client(broker):
        ...
        broker.publish("ABC", 10)

The market of this broker moves by hand (`rate=0`) unless the mark says otherwise, so a test decides what happens when. pytest
imports this module in every run, so it imports nothing else of the package until a test asks for the fixture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator

import pytest

if TYPE_CHECKING:
    from .broker import Broker


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "broker(**options): the arguments of the Broker that the fixture `broker` starts")


@pytest.fixture
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """A running `syncstream.testing.Broker`, stopped after the test."""
    from syncstream.testing import Broker

    mark = request.node.get_closest_marker("broker")
    options = {"rate": 0.0, **(mark.kwargs if mark else {})}
    with Broker(**options) as broker:
        yield broker
