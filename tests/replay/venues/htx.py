"""HTX, which was Huobi: gzip in binary frames, each message whole; its pings are on the tape. Pure."""

from __future__ import annotations

import gzip
import json
from typing import Any, Optional, Union

from .base import Venue


class Htx(Venue):
    """A subscription is acknowledged with its id; the answer to a ping gets none."""

    def decode(self, data: Union[str, bytes]) -> Any:
        assert isinstance(data, bytes)
        return json.loads(gzip.decompress(data))

    def encode(self, message: Any) -> bytes:
        return gzip.compress(json.dumps(message).encode())

    def is_control(self, message: Any) -> bool:
        return "status" in message

    def answer(self, text: str) -> Optional[bytes]:
        request = json.loads(text)
        if "sub" not in request:
            return None
        answer = {"id": request["id"], "status": "ok", "subbed": request["sub"], "ts": 1618678070653}
        return self.encode(answer)


CAPTURES: dict[str, Venue] = {"huobi_spot_gzip_20210417": Htx()}
