"""For users' own tests: a venue in a box, the faults real venues have, and a consumer that finds out what was missed.

    from syncstream.testing import Broker, Replica

    with Broker(symbols=("ABC", "XYZ"), rate=0) as broker:
        ...connect to broker.url...
        broker.publish("ABC", 100)
        broker.faults.drop()

`Broker` needs the extra: `pip install 'syncstream[testing]'`. Without it any use of this module raises one ImportError that
says so. The names are looked up on first use, because pytest imports this package for its plugin in every project that
has syncstream installed, with the extra or without it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .broker import Broker as Broker
    from .faults import Faults as Faults
    from .market import State as State
    from .replica import Counts as Counts
    from .replica import Replica as Replica

__all__ = ["Broker", "Counts", "Faults", "Replica", "State"]

_HOMES = {"Broker": "broker", "Counts": "replica", "Faults": "faults", "Replica": "replica", "State": "market"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        import_module("websockets")
    except ImportError as error:
        raise ImportError("syncstream.testing needs the package websockets: pip install 'syncstream[testing]'") from error
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
