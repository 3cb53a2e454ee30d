"""How frames become messages and payloads become frames: decoders by type, getters by path, JSON out. Pure, any thread."""

from __future__ import annotations

import dataclasses
import re
import typing
from typing import Any, Callable, Optional, Union

import msgspec
from msgspec import inspect

from .core import frames
from .core.actions import Payload
from .core.paths import Getter, Path, getter
from .errors import FeedError

Decode = Callable[[bytes, bool], Any]
"""(payload, whether it was a text frame) → message. Raises whatever it likes on a payload it cannot read."""

_OBJECTS = (inspect.StructType, inspect.DataclassType, inspect.NamedTupleType)
_ARRAYS = (inspect.ListType, inspect.VarTupleType)
_INDEX = re.compile(r"-?[0-9]+\Z")


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
    return Json(msgspec.json.Decoder(Any if decode is dict else decode).decode)


class Json:
    """A decoder that does not care in what kind of frame its JSON came: the hot path calls `read` alone."""

    __slots__ = ("read",)

    def __init__(self, read: Callable[[bytes], Any]) -> None:
        self.read = read

    def __call__(self, payload: bytes, text: bool) -> Any:
        return self.read(payload)


def field_getter(path: Path, decode: Any) -> Getter:
    """The getter for a path in messages of this `decode`."""
    if callable(path) or decode in (None, bytes, str):
        return getter(path)
    if _is_function(decode):
        return getter(path, attributes=None)
    kinds = _kinds(decode)
    if any(isinstance(kind, _OBJECTS) for kind in kinds):
        return getter(path, attributes=True)
    for name in path.split("."):
        kinds = [found for kind in kinds for found in _below(kind, name)]
        if any(isinstance(kind, _OBJECTS) for kind in kinds):
            return getter(path, attributes=None)
    return getter(path)


def _unknown(frame: Any) -> Any:
    """In place of a type: a function tells nothing of what it returns."""


class Parted:
    """In place of a type: what messages are where a frame of `decode` is split at `path` (`None`: where it is the array)."""

    def __init__(self, decode: Any, path: Optional[str]) -> None:
        whole = _kinds(Any if decode is dict else decode)  # which is any JSON
        places = whole
        for name in path.split(".") if path is not None else ():
            places = [found for kind in places for found in _below(kind, name)]
        elements = [member for kind in places for member in _elements(kind)]
        arrays = (*_ARRAYS, inspect.TupleType) if path is None else ()
        self.kinds = elements + [kind for kind in whole if not isinstance(kind, arrays)]  # a frame may be a message itself
        self.splits = bool(elements)
        self.__name__ = _type_text(decode)


def message_type(decode: Any, split: Any) -> Any:
    """What stands for the type of a message, in what is asked here: `decode`, unless frames are split."""
    if split is None or (_is_function(decode) and not callable(split)):
        return decode
    if callable(split):
        return _unknown
    return Parted(decode, None if split is True else split)


def check_decode(decode: Any) -> None:
    """Raise `FeedError` unless `decode` is something that can decode."""
    if decode in (None, bytes, str, dict) or _is_function(decode):
        return
    try:
        msgspec.json.Decoder(decode)
        kinds = _kinds(decode)
    except Exception as error:  # it evaluates annotations: anything can go wrong there
        raise FeedError("decode", decode, f"msgspec cannot decode to it: {error}") from error
    if any(isinstance(kind, inspect.CustomType) for kind in kinds):
        raise FeedError("decode", decode, "msgspec cannot decode to it; give a function: payload -> message")


def check_path(field: str, path: object, decode: Any) -> None:
    """Raise `FeedError` if messages of this `decode` can never have `path`. Callables and plain JSON tell nothing yet."""
    if path is None or callable(path):
        return
    if not isinstance(path, str) or not all(path.split(".")):
        raise FeedError(field, path, "expected a field name, a dotted path such as 'data.s', or a callable")
    if decode in (None, bytes, str):
        raise FeedError(field, path, f"a message of decode={getattr(decode, '__name__', decode)} has no fields; give a callable")
    if _is_function(decode):
        return
    kinds = _kinds(decode)
    reached: list[str] = []
    for name in path.split("."):
        further = [found for kind in kinds for found in _below(kind, name)]
        if not further:
            where = f"{'.'.join(reached)!r} has" if reached else "they have"
            seen = ", ".join(sorted({field.name for kind in kinds for field in getattr(kind, "fields", ())}))
            there = f"{where}: {seen}" if seen else f"{where} no fields"
            raise FeedError(field, path, f"no message of decode={_type_text(decode)} has the field {path!r}; {there}")
        kinds = further
        reached.append(name)


def encode(field: str, payload: Any) -> Union[str, bytes]:
    """What goes into a frame: text stays text, bytes stay bytes, all else becomes JSON text. `FeedError` if it cannot."""
    if isinstance(payload, (bytes, bytearray, memoryview)):
        return bytes(payload)
    try:
        if isinstance(payload, str):
            payload.encode()  # the line will
            return payload
        return msgspec.json.encode(payload, enc_hook=_plain).decode()
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise FeedError(field, type(payload).__name__, f"cannot be sent: {error}") from error


def payload(field: str, item: Any) -> Payload:
    """One message to the venue: text stays text, bytes stay bytes, all else is JSON. Raises `FeedError` if it cannot be."""
    encoded = encode(field, item)
    if isinstance(encoded, bytes):
        return Payload(frames.BINARY, encoded)
    try:
        return Payload(frames.TEXT, encoded.encode())
    except UnicodeEncodeError as error:
        raise FeedError(field, "a text", f"cannot be written as UTF-8: {error.reason}") from None


def _plain(value: Any) -> Any:
    """A kind of text, such as a `Secret`, is written as that text."""
    if isinstance(value, str):
        return str(value)
    raise TypeError(f"Encoding objects of type {type(value).__name__} is unsupported")  # as msgspec says it


def fields_of(message: Any) -> list[str]:
    """The names of the fields a message has, for an error text."""
    if isinstance(message, dict):
        return sorted(map(str, message))
    if dataclasses.is_dataclass(message):
        return sorted(one.name for one in dataclasses.fields(message))
    names = getattr(message, "__struct_fields__", None) or getattr(message, "_fields", None)  # a Struct, a named tuple
    return sorted(names) if names else [type(message).__name__]


def _is_function(decode: Any) -> bool:
    if decode is Any or hasattr(decode, "__supertype__"):  # on some Pythons these can be called, too
        return False
    return callable(decode) and not isinstance(decode, type) and typing.get_origin(decode) is None


def _kinds(decode: Any) -> list[inspect.Type]:
    """The types a message can have, as msgspec sees them."""
    if isinstance(decode, Parted):
        return decode.kinds
    return _members(inspect.AnyType() if decode is object else inspect.type_info(decode))


def _members(kind: inspect.Type) -> list[inspect.Type]:
    if isinstance(kind, inspect.Metadata):
        return _members(kind.type)
    if isinstance(kind, inspect.UnionType):
        return [member for one in kind.types for member in _members(one)]
    return [kind]


def _below(kind: inspect.Type, name: str) -> list[inspect.Type]:
    """The types that can stand at `name` in a value of this one; none if it can have nothing there."""
    if isinstance(kind, (inspect.AnyType, inspect.CustomType)):
        return [kind]
    if isinstance(kind, inspect.DictType):
        return _members(kind.value_type)
    if isinstance(kind, _ARRAYS):
        return _members(kind.item_type) if _INDEX.match(name) else []
    if isinstance(kind, inspect.TupleType):
        return [member for one in kind.item_types for member in _members(one)] if _INDEX.match(name) else []
    if not isinstance(kind, (*_OBJECTS, inspect.TypedDictType)):
        return []
    if isinstance(kind, _OBJECTS) and isinstance(getattr(kind.cls, name, None), property):
        return [inspect.AnyType()]
    return [member for field in kind.fields if field.name == name for member in _members(field.type)]


def _elements(kind: inspect.Type) -> list[inspect.Type]:
    """The types that can stand in an array; none if it is no array."""
    if isinstance(kind, (inspect.AnyType, inspect.CustomType)):
        return [kind]
    if isinstance(kind, inspect.TupleType):
        return [member for one in kind.item_types for member in _members(one)]
    return _members(kind.item_type) if isinstance(kind, _ARRAYS) else []


def _type_text(kind: Any) -> str:
    return getattr(kind, "__name__", None) or str(kind)
