"""nginx, haproxy and tinyproxy, each with a configuration of its own, on a free port of loopback, in a folder that goes away."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Optional

import pytest

_START_LIMIT = 20.0  # seconds

_NGINX = """
daemon off;
pid {home}/pid;
error_log {home}/error.log;
worker_processes 1;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    server {{
        listen 127.0.0.1:{port}{tls};
        {certificate}
        location / {{
            proxy_pass http://127.0.0.1:{upstream};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
            proxy_set_header Host $http_host;
            proxy_read_timeout {idle}s;
        }}
    }}
}}
"""

_HAPROXY = """
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout tunnel {idle}s
frontend front
    bind 127.0.0.1:{port}
    default_backend back
backend back
    server venue 127.0.0.1:{upstream}
"""

_TINYPROXY = """
Port {port}
Listen 127.0.0.1
Timeout 600
LogFile "{home}/log"
MaxClients 20
ConnectPort {upstream}
"""


def find(name: str) -> str:
    """The program, or skip: it is nothing that a developer must have."""
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))
    if found is None:
        pytest.skip(f"{name} is not installed here")
    return found


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Program:
    """Owned by: the test. One of them, between the client at `port` and the venue at `upstream`, while the `with` block lasts."""

    def __init__(self, name: str, upstream: int, *, idle: int = 60, certificate: Optional[bytes] = None) -> None:
        self.name = name
        self.port = free_port()
        self._found = find(name)
        self._temporary = tempfile.TemporaryDirectory()
        self._home = Path(self._temporary.name)
        fields = {"home": self._home, "port": self.port, "upstream": upstream, "idle": idle, "tls": "", "certificate": ""}
        if certificate is not None:
            (self._home / "venue.pem").write_bytes(certificate)
            fields["tls"] = " ssl"
            fields["certificate"] = f"ssl_certificate {self._home}/venue.pem; ssl_certificate_key {self._home}/venue.pem;"
        text = {"nginx": _NGINX, "haproxy": _HAPROXY, "tinyproxy": _TINYPROXY}[name]
        (self._home / "conf").write_text(text.format(**fields))
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Program:
        try:
            self.start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._end()

    def start(self, *more: str) -> None:
        """Run it and wait until it takes connections."""
        flags = {"nginx": ["-p", str(self._home), "-c"], "haproxy": ["-db", "-f"], "tinyproxy": ["-d", "-c"]}[self.name]
        with open(self._home / "output", "ab") as output:
            command = [self._found, *flags, str(self._home / "conf"), *more]
            process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        self._processes.append(process)
        deadline = time.monotonic() + _START_LIMIT
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1.0):
                return
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{self.name} does not start: {(self._home / 'output').read_text(errors='replace')[-500:]}")
            time.sleep(0.05)

    def reload(self) -> None:
        """New connections go to new workers; those that are open stay with the old ones."""
        if self.name == "nginx":
            self._processes[-1].send_signal(signal.SIGHUP)
        else:
            self.start("-sf", str(self._processes[-1].pid))

    def stop(self) -> None:
        """At once, with everything that is open."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.wait(10)
        self._processes.clear()

    def _end(self) -> None:
        try:
            self.stop()
        finally:
            for process in self._processes:
                process.kill()
                process.wait()
            self._temporary.cleanup()
