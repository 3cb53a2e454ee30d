"""Crypto.com: each message whole; its heartbeat is on the tape. Pure."""

from __future__ import annotations

import json
from typing import Any, Optional, Union

from .base import Venue


class CryptoCom(Venue):
    """A subscription is acknowledged with code 0; the answer to a heartbeat gets none."""

    def decode(self, data: Union[str, bytes]) -> Any:
        return json.loads(data)

    def is_control(self, message: Any) -> bool:
        return message["method"] == "subscribe" and "result" not in message

    def answer(self, text: str) -> Optional[str]:
        return '{"id":0,"code":0,"method":"subscribe"}' if json.loads(text)["method"] == "subscribe" else None


CAPTURES: dict[str, Venue] = {"cryptocom_20211123": CryptoCom()}
