"""What the package has of adapters: the public functions of the venues' modules that return a feed."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

from syncstream import Feed, venues


def adapters() -> set[str]:
    """Their names, such as `binance.depth`."""
    found = set()
    for module in pkgutil.iter_modules(venues.__path__):
        place = importlib.import_module(f"syncstream.venues.{module.name}")
        for name, function in inspect.getmembers(place, inspect.isfunction):
            if not name.startswith("_") and function.__annotations__.get("return") in ("Feed", Feed):
                found.add(f"{module.name}.{name}")
    return found
