"""One request, asked by a callable of the feed's on its own thread: for `endpoint=`, where a venue gives it out by REST."""

from __future__ import annotations

from typing import Any

from ..errors import FetchError, Severity
from ..feed import Rest
from .client import Client
from .pool import default_user_agent
from .source import Source


def ask(url: str, *, method: str = "POST", decode: Any = dict, timeout: float = 10.0) -> Any:
    """The body of the answer, of the type `decode`, within `timeout` seconds. What goes out has no body.

    Raises `ConnectionError` for what may pass by itself, so that a dialler tries again; `FetchError` for what will not.
    """
    client = Client(Source(Rest(lambda key: url, whole=True, decode=decode)), timeout, default_user_agent(), method=method)
    try:
        return client.get(None)[1]
    except FetchError as error:
        if error.severity is Severity.RETRY:
            raise ConnectionError(str(error)) from error
        raise
    finally:
        client.close()
