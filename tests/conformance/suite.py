"""The Autobahn TestSuite: a program for Python 2.7, installed into a folder of its own in the user's cache, and its server.

What is missing (the interpreter, its pip, a package) is told as `Missing`, which is a reason to skip and no failure.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Optional, Sequence

# Everything, exactly: pip for Python 2.7 is old, and what it would choose by itself may change under us.
PACKAGES = (
    "argparse==1.4.0",
    "attrs==21.4.0",
    "autobahn==0.10.9",
    "autobahntestsuite==0.8.2",
    "Automat==22.10.0",
    "cffi==1.15.1",
    "constantly==15.1.0",
    "cryptography==3.3.2",
    "enum34==1.1.10",
    "hyperlink==21.0.0",
    "idna==2.10",
    "incremental==22.10.0",
    "ipaddress==1.0.23",
    "Jinja2==2.11.3",
    "klein==20.6.0",
    "linecache2==1.0.0",
    "MarkupSafe==1.1.1",
    "pyasn1==0.5.1",
    "pyasn1-modules==0.3.0",
    "pycparser==2.21",
    "PyHamcrest==1.10.1",
    "pyOpenSSL==21.0.0",
    "service_identity==21.1.0",
    "setuptools==44.1.1",
    "six==1.17.0",
    "traceback2==1.4.0",
    "Tubes==0.2.1",
    "Twisted==20.3.0",
    "txaio==2.1.0",
    "typing==3.10.0.0",
    "ujson==2.0.3",
    "unittest2==1.1.0",
    "Werkzeug==1.0.1",
    "wsaccel==0.6.6",
    "zope.interface==5.5.2",
)

# Its packages are put together by a .pth file, so the folder must be a site folder, not only on the path.
_RUN = (
    "import site, sys, warnings; warnings.simplefilter('ignore'); folder = sys.argv.pop(1); "
    "sys.path.insert(0, folder); site.addsitedir(folder); from autobahntestsuite.wstest import run; run()"
)
_INSTALL_LIMIT = 300.0  # seconds
_START_LIMIT = 60.0
_ASK_LIMIT = 30.0


class Missing(Exception):
    """The suite cannot be had here. The text says why."""


class Result(NamedTuple):
    """What the suite says of one case: its behaviour, and how the connection ended."""

    case: str
    behavior: str
    close: str
    code: Optional[int]

    def place(self) -> list[int]:
        """Where it stands in the order of the cases."""
        return [int(number) for number in self.case.split(".")]


def interpreter() -> str:
    """A Python 2.7: of `PYTHON27`, on `PATH`, or pyenv's. Raises `Missing`."""
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    candidates = [os.environ.get("PYTHON27"), shutil.which("python2.7"), *map(str, sorted(versions.glob("2.7.*/bin/python")))]
    for candidate in candidates:
        if candidate and _answers(candidate, "import sys, ssl, zlib; print(sys.version_info[:2] == (2, 7))") == "True":
            return candidate
    raise Missing("no Python 2.7 here (asked: PYTHON27, PATH, pyenv)")


def _answers(python: str, code: str) -> str:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=_ASK_LIMIT, check=False)
        return done.stdout.strip()
    return ""


def folder() -> Path:
    """Where the suite is, or would be."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "syncstream-conformance" / "autobahntestsuite-0.8.2"


def installed() -> Path:
    """The folder, if the suite is in it. Raises `Missing`. Asks no network."""
    place = folder()
    if not (place / "autobahntestsuite").is_dir():
        raise Missing("the Autobahn TestSuite is not installed (python -m tests.conformance --prepare)")
    return place


def install() -> Path:
    """The folder with the suite in it, fetched from the package index if need be. Raises `Missing`."""
    with contextlib.suppress(Missing):
        return installed()
    python, place = interpreter(), folder()
    if not _answers(python, "import pip; print(pip.__version__)"):
        raise Missing(f"{python} has no pip")
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as temporary:
        made = Path(temporary) / "made"
        command = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--retries", "1", "--timeout", "20"]
        try:
            done = subprocess.run(
                [*command, "--no-deps", "--target", str(made), *PACKAGES],
                capture_output=True,
                text=True,
                timeout=_INSTALL_LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Missing(f"pip for Python 2.7 took longer than {_INSTALL_LIMIT:g} s") from None
        if done.returncode != 0:
            errors = [line for line in done.stderr.splitlines() if "ERROR" in line] or done.stderr.splitlines() or ["no word"]
            raise Missing(f"pip for Python 2.7 failed: {errors[0].strip()}")
        with contextlib.suppress(OSError):  # somebody else was faster: theirs is as good
            made.rename(place)
    return installed()


class Suite:
    """Owned by: the test. The fuzzing server on a free port of loopback, for the cases given, while the `with` block lasts."""

    def __init__(self, cases: Sequence[str]) -> None:
        self._cases = list(cases)
        self._python = interpreter()
        self._place = installed()
        self._temporary = tempfile.TemporaryDirectory()
        self._process: Optional[subprocess.Popen[bytes]] = None
        self.url = ""

    def __enter__(self) -> Suite:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._stop()

    def _start(self) -> None:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        self.url = f"ws://127.0.0.1:{port}"
        home = Path(self._temporary.name)
        spec = {"url": self.url, "outdir": str(home / "reports"), "cases": self._cases}
        (home / "spec.json").write_text(json.dumps({**spec, "exclude-cases": [], "exclude-agent-cases": {}}))
        arguments = ["-m", "fuzzingserver", "-s", str(home / "spec.json"), "-u", "0"]
        with open(home / "log", "wb") as log:
            self._process = subprocess.Popen(
                [self._python, "-c", _RUN, str(self._place), *arguments],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=home,
            )
        deadline = time.monotonic() + _START_LIMIT
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
                return
            if self._process.poll() is not None or time.monotonic() > deadline:
                tail = (home / "log").read_text(errors="replace").strip().splitlines()[-1:] or ["no word"]
                raise Missing(f"the fuzzing server does not start: {tail[0]}")
            time.sleep(0.05)

    def _stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._temporary.cleanup()

    def results(self) -> list[Result]:
        """What was found so far; ask for `/updateReports` first."""
        [found] = json.loads((Path(self._temporary.name) / "reports" / "index.json").read_text()).values()
        return [Result(case, said["behavior"], said["behaviorClose"], said["remoteCloseCode"]) for case, said in found.items()]


def wrong(results: Sequence[Result]) -> list[Result]:
    """The cases that failed, are not supported, or ended in a way that the standard does not allow."""
    fine = ("OK", "NON-STRICT", "INFORMATIONAL")
    return [result for result in results if result.behavior not in fine or result.close not in ("OK", "INFORMATIONAL")]


def loaded(path: Path) -> Any:
    """The module in the file at `path`."""
    import importlib.util

    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
