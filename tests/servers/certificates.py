"""A certificate authority made for one test run, and TLS contexts that use it."""

from __future__ import annotations

import datetime
import functools
import ssl
from pathlib import Path
from typing import Optional

import trustme


@functools.cache
def authority() -> trustme.CA:
    return trustme.CA()


@functools.cache
def server_context(name: str = "localhost", *, expired: bool = False, asks_for_certificate: bool = False) -> ssl.SSLContext:
    """For a server called `name`."""
    ends: Optional[datetime.datetime] = datetime.datetime(2021, 1, 1) if expired else None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority().issue_cert(name, not_after=ends).configure_cert(context)
    if asks_for_certificate:
        context.verify_mode = ssl.CERT_REQUIRED
        authority().configure_trust(context)
    return context


def ca_file(folder: Path) -> str:
    """A file that makes a client trust `authority`."""
    path = folder / "ca.pem"
    authority().cert_pem.write_to_path(str(path))
    return str(path)


def client_file(folder: Path) -> str:
    """A client's certificate and its key, in one file."""
    path = folder / "client.pem"
    authority().issue_cert("client@venue.test").private_key_and_cert_chain_pem.write_to_path(str(path))
    return str(path)
