"""nginx and haproxy between the stream and its venue: idle cuts, a reload, a stop. They cut without a close frame, as all do."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, NamedTuple

import pytest

from syncstream import Backoff, Liveness, Stream
from syncstream.testing import Broker

from .follower import Follower, feed_of
from .programs import free_port, listening

NGINX = """
daemon off; worker_processes 1; error_log stderr crit; pid {folder}/nginx.pid;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c; uwsgi_temp_path {folder}/d;
    scgi_temp_path {folder}/e;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_read_timeout 2s;
        }}
    }}
}}
"""

HAPROXY = """
global
    maxconn 64
defaults
    mode http
    timeout connect 1s
    timeout client 2s
    timeout server 2s
    timeout tunnel 2s
frontend f
    bind 127.0.0.1:{port}
    default_backend b
backend b
    server s 127.0.0.1:{upstream}
"""


class Kind(NamedTuple):
    """A program, its configuration, how it is started with the file, and the signal that makes it read that again."""

    name: str
    configuration: str
    command: Callable[[str, Path], list[str]]
    reload: int


KINDS = {
    "nginx": Kind("nginx", NGINX, lambda found, file: [found, "-p", str(file.parent), "-c", str(file)], signal.SIGHUP),
    "haproxy": Kind("haproxy", HAPROXY, lambda found, file: [found, "-W", "-db", "-q", "-f", str(file)], signal.SIGUSR2),
}


class Middlebox:
    """Owned by: the test. The program in front of a venue; it can be reloaded, stopped and started."""

    def __init__(self, kind: Kind, upstream: int, folder: Path) -> None:
        found = shutil.which(kind.name, path="/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin")
        if found is None:
            pytest.skip(f"no {kind.name} on this machine (Debian: nginx-light, haproxy)")
        self.port = free_port()
        self._kind = kind
        file = folder / f"{kind.name}.conf"
        file.write_text(kind.configuration.format(folder=folder, port=self.port, upstream=upstream))
        self._command = kind.command(found, file)
        self._stack = contextlib.ExitStack()
        self._process: subprocess.Popen[bytes]

    def start(self) -> None:
        self._process = self._stack.enter_context(listening(self.port, *self._command))

    def stop(self) -> None:
        self._stack.close()

    def reload(self) -> None:
        self._process.send_signal(self._kind.reload)


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker(rate=100.0) as broker:
        yield broker


@pytest.fixture(params=KINDS)
def middlebox(request: pytest.FixtureRequest, broker: Broker, tmp_path: Path) -> Iterator[Middlebox]:
    middlebox = Middlebox(KINDS[request.param], broker.port, tmp_path)
    middlebox.start()
    yield middlebox
    middlebox.stop()


def follow(broker: Broker, middlebox: Middlebox, **settings: Any) -> Stream:
    where = f"ws://127.0.0.1:{middlebox.port}/feed"
    return Stream(feed_of(broker, endpoint=where, backoff=Backoff(base=0.1, maximum=0.2), **settings))


def test_an_idle_line_is_cut_and_healed(broker: Broker, middlebox: Middlebox) -> None:
    """A venue that says nothing for two seconds: the line is cut without a word, told, and whole again when the market moves."""
    with follow(broker, middlebox) as stream:
        follower = Follower(broker, stream)
        follower.warm_up()
        began = follower.begin()
        broker.faults.mute(seconds=2.8)
        follower.until(follower.noticed)
        record = follower.record(began)
        assert record.wrong == ()
        assert record.noticed is not None
        assert record.noticed > 1.0  # nginx counts roughly
        assert "Connected" in record.saw


def test_pings_keep_an_idle_line(broker: Broker, middlebox: Middlebox) -> None:
    """Below the middlebox's limit they are enough, both ways."""
    with follow(broker, middlebox, liveness=Liveness(ping_after=0.3)) as stream:
        follower = Follower(broker, stream)
        follower.warm_up()
        began = follower.begin()
        broker.faults.mute(seconds=3.0)
        follower.drain(3.2)
        record = follower.record(began)
        assert (record.wrong, record.noticed, record.dials) == ((), None, 1)


def test_a_reload_keeps_the_line(broker: Broker, middlebox: Middlebox) -> None:
    """New processes take new connections, the old ones keep theirs; if one is cut all the same it is healed."""
    with follow(broker, middlebox) as stream:
        follower = Follower(broker, stream)
        follower.warm_up()
        began = follower.begin()
        middlebox.reload()
        follower.drain(1.0)
        record = follower.record(began)
        assert record.wrong == ()
        assert record.dials <= 2


def test_a_stop_cuts_and_a_start_heals(broker: Broker, middlebox: Middlebox) -> None:
    """SIGTERM ends it with all its lines; the stream waits until it is back."""
    with follow(broker, middlebox) as stream:
        follower = Follower(broker, stream)
        follower.warm_up()
        began = follower.begin()
        middlebox.stop()
        follower.until(follower.noticed)
        middlebox.start()
        record = follower.record(began)
        assert record.wrong == ()
        assert record.dials >= 2
