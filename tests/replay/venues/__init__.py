"""What the messages and REST bodies of recorded venues mean: the little that replay needs to know. One module each.

`base.Venue` is the reading for a capture nobody taught us about: it only plays. Those of the modules also find the deltas, the
oracle's best prices and the snapshots, and write a snapshot in the venue's own shape. Pure functions on decoded messages. A new
module says in its `CAPTURES` whose recordings it reads; nothing has to be entered anywhere else.
"""

from __future__ import annotations

import importlib
import pkgutil

from .base import Quote, Reply, Venue
from .binance import BinanceSpot, BinanceUsdm
from .kucoin import KuCoin

CAPTURES: dict[str, Venue] = {}
for _module in pkgutil.iter_modules(__path__):
    CAPTURES.update(getattr(importlib.import_module(f"{__name__}.{_module.name}"), "CAPTURES", {}))

__all__ = ["CAPTURES", "BinanceSpot", "BinanceUsdm", "KuCoin", "Quote", "Reply", "Venue"]
