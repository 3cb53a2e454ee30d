"""How frames become messages and payloads become frames: decoders by type, getters by path, JSON out. Pure, any thread."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any, Callable, Optional, Union

import msgspec

from .core.paths import Getter, Path, getter
from .errors import FeedError

Decode = Callable[[bytes, bool], Any]
"""(payload, whether it was a text frame) → message. Raises whatever it likes on a payload it cannot read."""


def decoder(decode: Any, watch: Callable[[str, Any], Any] = lambda field, function: function) -> Decode:
    """The function for a feed's `decode`. `watch` may wrap a user's own function."""
    if decode is None:
        return lambda payload, text: payload.decode() if text else payload
    if decode is bytes:
        return lambda payload, text: payload
    if decode is str:
        return lambda payload, text: payload.decode()
    if _is_function(decode):
        own = watch("decode", decode)
        return lambda payload, text: own(payload.decode() if text else payload)
    read = msgspec.json.Decoder(Any if decode is dict else decode).decode
    return lambda payload, text: read(payload)


def field_getter(path: Path, decode: Any) -> Getter:
    """The getter for a path in messages of this `decode`."""
    return getter(path, attributes=_has_attributes(decode))


def check_decode(decode: Any) -> None:
    """Raise `FeedError` unless `decode` is something that can decode."""
    if decode in (None, bytes, str, dict) or _is_function(decode):
        return
    try:
        msgspec.json.Decoder(decode)
    except (TypeError, ValueError) as error:
        raise FeedError("decode", decode, f"msgspec cannot decode to it: {error}") from error


def check_path(field: str, path: object, decode: Any) -> None:
    """Raise `FeedError` if messages of this `decode` can never have `path`. Callables and plain JSON tell nothing yet."""
    if path is None or callable(path):
        return
    if not isinstance(path, str) or not all(path.split(".")):
        raise FeedError(field, path, "expected a field name, a dotted path such as 'data.s', or a callable")
    if decode in (None, bytes, str):
        raise FeedError(field, path, f"a message of decode={getattr(decode, '__name__', decode)} has no fields; give a callable")
    if decode is dict or _is_function(decode):
        return
    name = path.split(".")[0]
    known = [names for names in map(_fields, _members(decode)) if names is not None]
    if known and not any(name in names for names in known):
        seen = ", ".join(sorted(set().union(*known)))
        raise FeedError(field, path, f"no message of decode={_type_text(decode)} has the field {name!r}; they have: {seen}")


def encode(field: str, payload: Any) -> Union[str, bytes]:
    """What goes into a frame: text stays text, bytes stay bytes, all else becomes JSON text. `FeedError` if it cannot."""
    if isinstance(payload, (str, bytes)):
        return payload
    if isinstance(payload, (bytearray, memoryview)):
        return bytes(payload)
    try:
        return msgspec.json.encode(payload).decode()
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise FeedError(field, type(payload).__name__, f"cannot be written as JSON: {error}") from error


def fields_of(message: Any) -> list[str]:
    """The names of the fields a message has, for an error text."""
    if isinstance(message, dict):
        return sorted(map(str, message))
    names = _fields(type(message))
    return sorted(names) if names is not None else [type(message).__name__]


def _is_function(decode: Any) -> bool:
    return callable(decode) and not isinstance(decode, type) and typing.get_origin(decode) is None


def _members(decode: Any) -> list[Any]:
    if str(typing.get_origin(decode)) in ("typing.Union", "<class 'types.UnionType'>"):  # `A | B` is the latter until 3.13
        return list(typing.get_args(decode))
    return [decode]


def _fields(kind: Any) -> Optional[set[str]]:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return set(kind.__struct_fields__)
    if dataclasses.is_dataclass(kind):
        return {field.name for field in dataclasses.fields(kind)}
    if isinstance(kind, type) and issubclass(kind, dict):
        return set(kind.__annotations__) if typing.is_typeddict(kind) else None  # type: ignore[attr-defined,unused-ignore]
    return None


def _has_attributes(decode: Any) -> bool:
    if decode in (None, bytes, str, dict) or _is_function(decode):
        return False
    return all(isinstance(kind, type) and _fields(kind) is not None and not issubclass(kind, dict) for kind in _members(decode))


def _type_text(kind: Any) -> str:
    return getattr(kind, "__name__", None) or str(kind)
