"""Upbit: JSON in binary frames, each message whole. Pure."""

from __future__ import annotations

import json
from typing import Any, Union

from .base import Venue


class Upbit(Venue):
    """Answers nothing."""

    def decode(self, data: Union[str, bytes]) -> Any:
        return json.loads(data)


CAPTURES: dict[str, Venue] = {"upbit_binaryjson_20210417": Upbit()}
