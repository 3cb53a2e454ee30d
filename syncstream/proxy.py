"""The way through a proxy: which one, if any, and asking it for a connection to the venue (HTTP CONNECT, SOCKS 4 and 5).

Runs on a dialer thread. The environment is read by our own rules, because the library's `no_proxy` lets `.example.com` match
`badexample.com` and sends loopback through the proxy. SOCKS is spoken here, not by a package: the deadline of the attempt
holds over every byte, and nothing has to be installed. Not here: proxies that want TLS or other logins than a password.
"""

from __future__ import annotations

import functools
import ipaddress
import socket
import struct
import time
from typing import NamedTuple, Optional, Union
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment

from . import upgrade
from .core.failures import of_status
from .errors import Severity
from .tcp import HEAD_LIMIT, BoundedSocket, Deadline, resolve
from .urls import redact

_DEFAULT_PORTS = {"http": 80, "socks4": 1080, "socks4a": 1080, "socks5": 1080, "socks5h": 1080}

# What a SOCKS 5 proxy answers; what may pass with time is in the second table.
_SOCKS5_REPLIES = {
    1: "general failure",
    2: "not allowed by its rules",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "too many hops",
    7: "command not supported",
    8: "kind of address not supported",
}
_SOCKS5_LASTING = {2, 7, 8}
_SOCKS4_REPLIES = {91: "rejected or failed", 92: "it cannot reach our identd", 93: "our identd does not confirm us"}
_SOCKS4_LASTING = {92, 93}

_Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


class Proxy(NamedTuple):
    """A proxy taken apart. `shown` is its URL as it may be shown."""

    scheme: str
    host: str
    port: int
    username: str
    password: str
    shown: str


def choose(setting: Optional[str], secure: bool, host: str, port: int, deadline: Deadline) -> Optional[Proxy]:
    """The proxy for a line to `host`: `setting` is an endpoint's. Raises `DialError` for one that cannot be used."""
    if setting != "environment":
        return _proxy(setting, deadline) if setting else None
    # By the convention of curl and others; upper case counts too, except HTTP_PROXY in a CGI script (a client could set it).
    environment = getproxies_environment()
    found = environment.get("https" if secure else "http") or environment.get("all")
    if not found or direct(host, port, environment.get("no", "")):
        return None
    return _proxy(found if "://" in found else f"http://{found}", deadline)


def _proxy(url: str, deadline: Deadline) -> Proxy:
    shown = redact(url)
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        raise deadline.error(f"the proxy {shown} is not a URL", Severity.FATAL) from None
    if not host or parts.scheme not in _DEFAULT_PORTS:
        known = ", ".join(_DEFAULT_PORTS)
        raise deadline.error(f"the proxy {shown} cannot be used: expected a host, and one of {known}", Severity.FATAL)
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Proxy(parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme], username, password, shown)


def direct(host: str, port: int, no_proxy: str) -> bool:
    """Whether the environment wants no proxy for `host`. Loopback never goes through one: it would be the proxy's own.

    `no_proxy` lists names (with all names below them, with or without a dot in front), addresses, networks (`10.0.0.0/8`), each
    with or without a port, or `*`.
    """
    host = host.lower().rstrip(".")
    address = _address(host)
    if host == "localhost" or host.endswith(".localhost") or (address is not None and address.is_loopback):
        return True
    return any(_covers(entry.strip().lower(), host, address, port) for entry in no_proxy.split(","))


def _covers(entry: str, host: str, address: Optional[_Address], port: int) -> bool:
    if entry == "*":
        return True
    name, colon, wanted = entry.rpartition(":")
    if colon and wanted.isdecimal() and (":" not in name or name.endswith("]")):  # a port, not the end of an IPv6 address
        if int(wanted) != port:
            return False
    else:
        name = entry
    if address is not None:
        try:
            return address in ipaddress.ip_network(name.strip("[]"), strict=False)
        except ValueError:
            return False
    name = name.lstrip("*").strip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _address(host: str) -> Optional[_Address]:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def pass_through(wire: BoundedSocket, proxy: Proxy, host: str, port: int) -> None:
    """Make the proxy connect `wire` to the venue. Raises `DialError` or `OSError`."""
    wire.deadline.doing, wire.deadline.cause = f"asking the proxy {proxy.shown}", "proxy"
    if proxy.scheme == "http":
        _connect(wire, proxy, host, port)
    elif proxy.scheme.startswith("socks4"):
        _socks4(wire, proxy, host, port)
    else:
        _socks5(wire, proxy, host, port)


def _connect(wire: BoundedSocket, proxy: Proxy, host: str, port: int) -> None:
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
    if proxy.username:
        lines.append(f"Proxy-Authorization: {upgrade.basic(proxy.username, proxy.password)}")
    wire.send("\r\n".join([*lines, "", ""]).encode("ascii"))
    answer, rest = upgrade.final(functools.partial(wire.head, HEAD_LIMIT))
    if not 200 <= answer.status < 300:
        secrets = [secret for secret in (proxy.username, proxy.password) if secret]
        raise wire.deadline.error(
            upgrade.refusal(answer, b"", secrets),
            of_status(answer.status),
            status=answer.status,
            retry_after=upgrade.retry_after(answer.headers, time.time()),
        )
    if rest:
        # On a line through the proxy we speak first, so these bytes are not the venue's.
        raise wire.deadline.error("it sent more than its answer", Severity.FATAL)


def _socks5(wire: BoundedSocket, proxy: Proxy, host: str, port: int) -> None:
    destination = _socks5_address(wire, proxy, host)
    wire.send(b"\x05\x02\x00\x02" if proxy.username else b"\x05\x01\x00")
    version, method = wire.exactly(2)
    if version != 5:
        raise wire.deadline.error("it does not speak SOCKS 5", Severity.FATAL)
    if method == 2 and proxy.username:
        username, password = _short(wire, proxy.username, "user name"), _short(wire, proxy.password, "password")
        wire.send(b"\x01" + username + password)
        if wire.exactly(2)[1] != 0:
            raise wire.deadline.error("it refused the user name or the password", Severity.FATAL)
    elif method != 0:
        raise wire.deadline.error("it accepts none of our ways to log in", Severity.FATAL)
    wire.send(b"\x05\x01\x00" + destination + struct.pack(">H", port))
    _, reply, _, kind = wire.exactly(4)
    if reply != 0:
        lasting = Severity.FATAL if reply in _SOCKS5_LASTING else Severity.RETRY
        raise wire.deadline.error(f"refused: {_SOCKS5_REPLIES.get(reply, f'reply {reply}')}", lasting)
    if kind not in (1, 3, 4):
        raise wire.deadline.error("its answer is not one of SOCKS 5", Severity.FATAL)
    # The address it connects from is of no use, but stands before the venue's first byte.
    size = wire.exactly(1)[0] if kind == 3 else {1: 4, 4: 16}[kind]
    wire.exactly(size + 2)


def _socks5_address(wire: BoundedSocket, proxy: Proxy, host: str) -> bytes:
    address = _address(host)
    if address is None and proxy.scheme == "socks5h":
        return b"\x03" + _short(wire, host, "host name")
    if address is None:
        address = _looked_up(wire, host, (socket.AF_INET, socket.AF_INET6))
    return (b"\x01" if address.version == 4 else b"\x04") + address.packed


def _socks4(wire: BoundedSocket, proxy: Proxy, host: str, port: int) -> None:
    address = _address(host)
    if address is None and proxy.scheme == "socks4":
        address = _looked_up(wire, host, (socket.AF_INET,))
    if address is not None and address.version != 4:
        raise wire.deadline.error("SOCKS 4 cannot reach an IPv6 address", Severity.FATAL)
    # An address that cannot be, 0.0.0.1, means: the name follows.
    packed = address.packed if address is not None else b"\0\0\0\1"
    name = b"" if address is not None else host.encode("ascii") + b"\0"
    user = proxy.username.encode()
    if b"\0" in user:
        raise wire.deadline.error("a SOCKS 4 user name cannot hold a zero byte", Severity.FATAL)
    wire.send(b"\x04\x01" + struct.pack(">H", port) + packed + user + b"\0" + name)
    reply = wire.exactly(8)[1]
    if reply != 90:
        lasting = Severity.FATAL if reply in _SOCKS4_LASTING else Severity.RETRY
        raise wire.deadline.error(f"refused: {_SOCKS4_REPLIES.get(reply, f'reply {reply}')}", lasting)


def _looked_up(wire: BoundedSocket, host: str, families: tuple[int, ...]) -> _Address:
    """The proxy wants an address, and the look-up is ours (`socks4a` and `socks5h` leave it to the proxy)."""
    doing = wire.deadline.doing
    for family, _, _, _, place in resolve(host, wire.deadline):
        if family in families:
            wire.deadline.doing = doing
            return ipaddress.ip_address(place[0].partition("%")[0])
    raise wire.deadline.error("no address of a kind that the proxy can take")


def _short(wire: BoundedSocket, text: str, what: str) -> bytes:
    """With its length in one byte before it."""
    data = text.encode()
    if len(data) > 255:
        raise wire.deadline.error(f"the {what} is longer than SOCKS allows", Severity.FATAL)
    return bytes([len(data)]) + data
