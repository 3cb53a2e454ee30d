"""TLS over a connected socket: contexts from `sslopt`, the handshake, and what its failures mean.

Runs on a dialer thread. Verification and the check of the host name are on unless `sslopt` says otherwise; nothing below TLS 1.2
is spoken unless the user brings a context of his own. `sslopt` has the names that websocket-client knows. A context costs tens
of milliseconds to make, so each is made once and shared, until a file it came from changes. Not here: reading and writing.
"""

from __future__ import annotations

import contextlib
import functools
import os
import selectors
import ssl
from typing import Any, Hashable, Mapping, Optional

from .errors import DialError, Severity
from .tcp import BoundedSocket, Deadline, ours, reason

_FILES = ("ca_certs", "ca_cert_path", "certfile", "keyfile")
_OPTIONS = {*_FILES, "password", "cert_chain", "cert_reqs", "check_hostname", "ciphers", "ecdh_curve", "ssl_version"}
_PER_LINE = {"context", "server_hostname", "do_handshake_on_connect", "suppress_ragged_eofs"}

# What the other side says when it is our certificate that it does not like.
_REFUSES_OURS = ("CERTIFICATE", "UNKNOWN_CA")
# It does not speak TLS at all, or none of ours.
_SPEAKS_ANOTHER = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNSUPPORTED_PROTOCOL", "PROTOCOL_VERSION")


def secure(wire: BoundedSocket, host: str, sslopt: Mapping[str, Any]) -> None:
    """Put TLS over the socket of `wire`. Raises `DialError`, `ssl.SSLError` (see `failure`) or `OSError`."""
    wire.deadline.doing, wire.deadline.cause = "TLS", "tls"
    context = context_of(sslopt, wire.deadline)
    # The plain socket is empty from here on: its descriptor belongs to the TLS socket, also if this raises.
    sock = context.wrap_socket(wire.sock, server_hostname=sslopt.get("server_hostname") or host, do_handshake_on_connect=False)
    ours.add(sock)
    wire.sock = sock
    wire.until_done(sock.do_handshake, selectors.EVENT_READ)


def failure(error: ssl.SSLError, deadline: Deadline) -> DialError:
    """The class of a TLS failure. A certificate does not get better by waiting; a server that is being restarted does."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return deadline.error(f"the certificate was not accepted: {error.verify_message}", Severity.FATAL, cause="certificate")
    words = str(getattr(error, "reason", None) or reason(error))  # those that Python itself raises have no reason
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)) or "UNEXPECTED_EOF" in words:
        return deadline.error("the other side closed the connection without an answer")
    if any(word in words for word in _REFUSES_OURS):
        return deadline.error(f"the other side does not accept our certificate ({words})", Severity.FATAL, cause="certificate")
    if any(word in words for word in _SPEAKS_ANOTHER):
        return deadline.error(f"the other side does not speak TLS 1.2 or newer here ({words})", Severity.FATAL)
    return deadline.error(words, Severity.SLOW)


def unchecked(context: ssl.SSLContext) -> str:
    """What is not checked with this context, in words; empty if all is."""
    if context.verify_mode == ssl.CERT_NONE:
        return "certificates are not verified: whoever is on the way can pose as the venue"
    return "" if context.check_hostname else "host names are not checked: whoever has any certificate can pose as the venue"


def context_of(sslopt: Mapping[str, Any], deadline: Deadline) -> ssl.SSLContext:
    """The context for these options: the user's own, or one made from them. Raises `DialError` if they cannot work."""
    unknown = sorted(set(sslopt) - _OPTIONS - _PER_LINE)
    if unknown:
        raise deadline.error(f"sslopt has no option {unknown[0]!r}", Severity.FATAL)
    given = {name: _frozen(value) for name, value in sslopt.items() if name in _OPTIONS}
    own = sslopt.get("context")
    if own is not None:
        if given:
            raise deadline.error(f"sslopt: set {min(given)!r} in your own context, it is not changed here", Severity.FATAL)
        if not isinstance(own, ssl.SSLContext):
            raise deadline.error("sslopt['context'] is not an ssl.SSLContext", Severity.FATAL)
        return own
    _add_bundle_of_environment(given)
    files = [given.get(name) for name in _FILES] + list(given.get("cert_chain", ())[:2])
    try:
        return _build(tuple(sorted(given.items())), tuple(_stamp(path) for path in files))
    except (OSError, ValueError, TypeError) as error:
        raise deadline.error(f"sslopt ({', '.join(sorted(given))}) cannot be used: {reason(error)}", Severity.FATAL) from error


@functools.lru_cache(maxsize=16)
def _build(items: tuple[tuple[str, Any], ...], _stamps: tuple[Hashable, ...]) -> ssl.SSLContext:
    """The stamps only make a new context when one of its files was replaced, as short-lived certificates are."""
    options = dict(items)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _set_versions(context, options.get("ssl_version"))
    _set_verification(context, options)
    chain = options.get("cert_chain") or (options.get("certfile"), options.get("keyfile"), options.get("password"))
    certfile, keyfile, password = chain
    if certfile:
        # Without a password OpenSSL would ask for one on the terminal; an empty one fails instead.
        context.load_cert_chain(certfile, keyfile, password or "")
    if "ciphers" in options:
        context.set_ciphers(options["ciphers"])
    if "ecdh_curve" in options:
        context.set_ecdh_curve(options["ecdh_curve"])
    return context


def _set_versions(context: ssl.SSLContext, wanted: Optional[int]) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if wanted == ssl.PROTOCOL_TLSv1_2:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    elif wanted not in (None, ssl.PROTOCOL_TLS, ssl.PROTOCOL_TLS_CLIENT):
        raise ValueError("ssl_version is below TLS 1.2; if the venue really needs it, give a context of your own")


def _set_verification(context: ssl.SSLContext, options: Mapping[str, Any]) -> None:
    verify = ssl.VerifyMode(options.get("cert_reqs", ssl.CERT_REQUIRED))
    check_hostname = bool(options.get("check_hostname", verify != ssl.CERT_NONE))
    if check_hostname and verify == ssl.CERT_NONE:
        raise ValueError("check_hostname needs a verified certificate, and cert_reqs is CERT_NONE")
    context.check_hostname = check_hostname  # before the mode: it cannot be on without verification
    context.verify_mode = verify
    if verify == ssl.CERT_NONE:
        return
    if options.get("ca_certs") or options.get("ca_cert_path"):
        context.load_verify_locations(options.get("ca_certs"), options.get("ca_cert_path"))
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)


def _add_bundle_of_environment(given: dict[str, Any]) -> None:
    """websocket-client's own variable for a private CA; whoever has it set expects it to work here too."""
    path = os.environ.get("WEBSOCKET_CLIENT_CA_BUNDLE")
    if path and not given.get("ca_certs") and not given.get("ca_cert_path"):
        given["ca_cert_path" if os.path.isdir(path) else "ca_certs"] = path


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _stamp(path: Any) -> Hashable:
    with contextlib.suppress(OSError, TypeError, ValueError):  # a missing file is reported when it is loaded
        found = os.stat(path)
        return found.st_mtime_ns, found.st_size, found.st_ino
    return None
