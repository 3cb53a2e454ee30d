"""`Secret`: a text that goes out plain on the wire and is shown nowhere else. Any thread.

A query, a login in a URL and the values of headers are never shown anyway. A `Secret` can stand there too, and anywhere in a
payload or a path; and it is also hidden when somebody else says it: a venue that repeats a key in a close reason, an error page
or a frame that cannot be read, a callback's exception. So the texts are remembered, in the whole process: every error, event,
repr and log record of this library is scrubbed of them when it is made.

Limits: what has fewer than four characters hides nothing. Of those that nobody holds any more the last 256 are remembered.
Messages are the user's data and stay as they are, and so do exceptions that the user's own code raised, which are chained.
"""

from __future__ import annotations

import json
import threading
import weakref
from typing import NamedTuple
from urllib.parse import quote, quote_plus

HIDDEN = "***"
SHORTEST = 4
"""Characters of the shortest text that is looked for: what is shorter would be found everywhere."""
REMEMBERED = 256
"""So many that nobody holds any more are looked for all the same: a token of an attempt may be repeated after it."""

_lock = threading.RLock()  # guards: _known, and that `_forms` belongs to it. A finalizer may come here while it is held
_known: dict[str, _Known] = {}  # by text, in the order they came
_forms: tuple[str, ...] = ()  # all of them, the longest first; replaced, never changed, so that anybody can look


class Secret(str):
    """A text that is written as it is and shown as `***`.

        Endpoint(url, headers={"X-Key": Secret(key)})
        Feed(url, subscribe={"op": "login", "key": Secret(key)})

    It is a `str`: `str()`, f-strings, `json.dumps` and `.encode()` give the plain text, for that is how a URL, a payload or a
    signature is made. Its repr, and that of whatever holds it, shows `***`; so does everything this library says.
    """

    def __new__(cls, text: str) -> Secret:
        """The same text is the same object, as long as somebody holds it."""
        if len(text) < SHORTEST:
            return super().__new__(cls, text)
        with _lock:
            known = _known.get(text)
            made = known.secret() if known is not None else None
            if made is None:
                made = super().__new__(cls, text)
                _remember(made)
        return made

    def __repr__(self) -> str:
        return HIDDEN


def scrub(text: str, *, cut: bool = False) -> str:
    """The text without any secret. `cut`: it may end in the middle of one; then what it has of that goes too."""
    for form in _forms:
        if form in text:
            text = text.replace(form, HIDDEN)
    return _without_end(text) if cut else text


def scrub_bytes(data: bytes) -> bytes:
    """The same for the beginning of a frame."""
    if not _forms:
        return data
    return scrub(data.decode("utf-8", "surrogateescape"), cut=True).encode("utf-8", "surrogateescape")


def stands_in(data: bytes) -> bool:
    """Whether a whole secret does."""
    forms = _forms
    text = data.decode("utf-8", "surrogateescape") if forms else ""
    return any(form in text for form in forms)


def knows() -> bool:
    """Whether there is anything to hide."""
    return bool(_forms)


def _without_end(text: str) -> str:
    for form in _forms:
        at = text.find(form[:SHORTEST], max(0, len(text) - len(form)))
        while at >= 0:
            if form.startswith(text[at:]):
                return text[:at] + HIDDEN
            at = text.find(form[:SHORTEST], at + 1)
    return text


class _Known(NamedTuple):
    secret: weakref.ref[Secret]
    forms: tuple[str, ...]  # how it may be written


def _remember(made: Secret) -> None:
    global _forms
    text = str(made)
    _known[text] = _Known(weakref.ref(made), _ways_to_write(text))
    let_go = [other for other, known in _known.items() if known.secret() is None]
    for other in let_go[: max(0, len(let_go) - REMEMBERED)]:
        del _known[other]
    _forms = tuple(sorted({form for known in _known.values() for form in known.forms}, key=len, reverse=True))


def _ways_to_write(text: str) -> tuple[str, ...]:
    escaped = (quote(text, errors="replace"), quote(text, safe="", errors="replace"), quote_plus(text, errors="replace"))
    return (text, *escaped, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1])
