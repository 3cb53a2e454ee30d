"""What the venue answers to a plain HTTP request, right or wrong. Pure values; session.py writes them to a socket."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Optional, Union

import msgspec

SNAPSHOT_FAILURES = ("html", "truncated", "cut")
"""How a snapshot can fail besides an HTTP status."""

_HTML = b"<!DOCTYPE html>\n<html><head><title>Sorry</title></head><body><h1>We are down for maintenance</h1></body></html>\n"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """`after` seconds later; with `cut` only the first half is sent, then a TCP reset."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = {}
    after: float = 0.0
    cut: bool = False


def error(status: int, message: str, *, retry_after: Optional[float] = None) -> Answer:
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return Answer(status=status, body=msgspec.json.encode({"error": message}), headers=headers)


def snapshot(body: dict[str, Any], *, after: float = 0.0) -> Answer:
    return Answer(body=msgspec.json.encode(body), after=after)


def failed(answer: Answer, how: Union[int, str], retry_after: Optional[float]) -> Answer:
    """A good answer, spoilt: an HTTP status, or one of SNAPSHOT_FAILURES."""
    if isinstance(how, int):
        return msgspec.structs.replace(error(how, phrase(how), retry_after=retry_after), after=answer.after)
    if how == "html":
        return msgspec.structs.replace(answer, body=_HTML, content_type="text/html; charset=utf-8")
    if how == "truncated":
        return msgspec.structs.replace(answer, body=answer.body[: len(answer.body) // 2])
    return msgspec.structs.replace(answer, cut=True)


def phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
