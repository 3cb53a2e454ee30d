"""The threads that fetch snapshots, against a real site."""

from __future__ import annotations

import gc
import logging
import queue
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from syncstream.errors import Severity
from syncstream.feed import Rest
from syncstream.snapshots import Fetched, Snapshots, pool
from tests.deadlines import SLACK
from tests.snapshots.site import Site, Visit

WAIT = 5.0
"""Longer than anything here takes."""


class Asked:
    """Owned by: the test. A `Snapshots` and what it posts."""

    def __init__(self, url: Any, **kwargs: Any) -> None:
        self.answers: queue.Queue[Fetched] = queue.Queue()
        self.rest = Rest(url, position="seq", **{"timeout": 10.0, **kwargs})
        self.snapshots = Snapshots(self.rest, self.answers.put, user_agent="syncstream/test")

    def fetch(self, *keys: Any, epoch: int = 1) -> None:
        for key in keys:
            self.snapshots.fetch(key, epoch)

    def answer(self) -> Fetched:
        return self.answers.get(timeout=WAIT)

    def close(self) -> None:
        self.snapshots.stop()
        assert self.snapshots.join(WAIT) == []

    def threads(self) -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name.startswith("syncstream-snapshot-")]


NewAsked = Callable[..., Asked]


@pytest.fixture
def ask(site: Site) -> Iterator[NewAsked]:
    """Makes a `Snapshots` for the site; all of its threads have to end after the test, before the site does."""
    made: list[Asked] = []

    def make(url: Any = None, **kwargs: Any) -> Asked:
        made.append(Asked(url or site.base + "/{key}", **kwargs))
        return made[-1]

    yield make
    for one in made:
        one.close()


def quote(visit: Visit) -> None:
    visit.json({"seq": 7})


def test_a_fetch_is_answered_by_a_post(site: Site, ask: NewAsked) -> None:
    """With the key, the epoch, what was found, how long it took and how many bytes it was."""
    site.pages["/ABC"] = quote
    asked = ask()
    asked.fetch("ABC", epoch=3)
    answer = asked.answer()
    assert answer == Fetched("ABC", 3, position=7, state={"seq": 7}, seconds=answer.seconds, size=len(b'{"seq": 7}'))
    assert 0 < answer.seconds < WAIT
    assert site.requests[0].headers["User-Agent"] == "syncstream/test"


def test_a_failure_is_answered_by_a_post(ask: NewAsked) -> None:
    """One request is one answer: nothing is tried again here."""
    asked = ask()
    asked.fetch(("a", 1), epoch=2)
    answer = asked.answer()
    assert (answer.key, answer.epoch, answer.position, answer.state) == (("a", 1), 2, None, None)
    assert answer.error is not None
    assert (answer.error.severity, answer.error.status) == (Severity.FATAL, 404)
    assert answer.error.__traceback__ is None


def test_the_user_agent_names_us(site: Site) -> None:
    """With the version where it is known."""
    site.pages["/ABC"] = quote
    answers: queue.Queue[Fetched] = queue.Queue()
    snapshots = Snapshots(Rest(site.base + "/{key}", position="seq"), answers.put)
    snapshots.fetch("ABC", 1)
    answers.get(timeout=WAIT)
    snapshots.stop()
    assert snapshots.join(WAIT) == []
    assert site.requests[0].headers["User-Agent"].startswith("syncstream/")


def test_no_thread_without_a_fetch(ask: NewAsked) -> None:
    """Threads are started when there is something to do, no more than that, and are named."""
    asked = ask(concurrency=3)
    assert asked.threads() == []
    asked.fetch("ABC")
    asked.answer()
    assert asked.threads() == ["syncstream-snapshot-watch", "syncstream-snapshot-1"]


def test_concurrency_is_reached_and_not_passed(site: Site, ask: NewAsked) -> None:
    """Three at once, no fewer (they wait for each other) and no more (counted); all keys are answered once."""
    together = threading.Barrier(3, timeout=WAIT)
    lock = threading.Lock()
    inside: list[int] = []
    now = 0

    def page(visit: Visit) -> None:
        nonlocal now
        with lock:
            now += 1
            inside.append(now)
        together.wait()
        with lock:
            now -= 1
        together.wait()  # nobody answers before all have been counted out
        visit.json({"seq": 7})

    keys = [f"k{number}" for number in range(9)]
    site.pages.update({f"/{key}": page for key in keys})
    asked = ask(concurrency=3)
    asked.fetch(*keys)
    answers = [asked.answer() for _ in keys]
    assert sorted(answer.key for answer in answers) == keys
    assert {answer.error for answer in answers} == {None}
    assert max(inside) == 3
    assert len({request.port for request in site.requests}) == 3
    assert len(asked.threads()) == 4


def test_a_full_house_makes_requests_wait(site: Site, ask: NewAsked) -> None:
    """What is above the limit is asked when a thread is free, in order."""
    site.pages.update({f"/{key}": quote for key in "abcdef"})
    asked = ask(concurrency=1)
    asked.fetch(*"abcdef")
    assert [asked.answer().key for _ in range(6)] == list("abcdef")
    assert site.paths() == [f"/{key}" for key in "abcdef"]


def test_callables_run_on_the_threads(site: Site, ask: NewAsked) -> None:
    """They may block: never on the thread that calls `fetch`."""
    site.pages["/ABC"] = quote
    names: list[str] = []

    def url(key: str) -> str:
        names.append(threading.current_thread().name)
        return f"{site.base}/{key}"

    def headers() -> dict[str, str]:
        names.append(threading.current_thread().name)
        return {}

    asked = ask(url, headers=headers)
    asked.fetch("ABC")
    assert asked.answer().position == 7
    assert names == ["syncstream-snapshot-1"] * 2


@pytest.mark.parametrize("surprise", [SystemExit(3), KeyboardInterrupt(), MemoryError()])
def test_nothing_ends_a_thread(site: Site, ask: NewAsked, caplog: pytest.LogCaptureFixture, surprise: BaseException) -> None:
    """Not even a sys.exit() in a callable: it is logged, answered as FATAL, and the next request is served."""
    site.pages["/XYZ"] = quote

    def url(key: str) -> str:
        if key == "ABC":
            raise surprise
        return f"{site.base}/{key}"

    asked = ask(url, concurrency=1)
    asked.fetch("ABC", "XYZ")
    error = asked.answer().error
    assert error is not None
    assert error.severity is Severity.FATAL
    assert error.__cause__ is surprise
    assert asked.answer().position == 7
    if not isinstance(surprise, Exception):
        assert [(record.name, record.levelno) for record in caplog.records] == [("syncstream.snapshots", logging.ERROR)]


def test_what_nobody_foresaw_is_answered(
    site: Site, ask: NewAsked, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A CA bundle that is not there is an OSError out of requests: FATAL, with that as its cause, and logged."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/file.pem")
    asked = ask(site.base.replace("http:", "https:") + "/{key}")
    asked.fetch("ABC")
    error = asked.answer().error
    assert error is not None
    assert (str(error), error.severity) == ("snapshot of 'ABC': unexpected OSError", Severity.FATAL)
    assert "/no/such/file.pem" in str(error.__cause__)
    assert "/no/such/file.pem" in caplog.text


def test_a_failing_post_ends_no_thread(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and the next answer is posted."""
    site.pages.update({"/a": quote, "/b": quote})
    answers: queue.Queue[Fetched] = queue.Queue()

    def post(answer: Fetched) -> None:
        if answer.key == "a":
            raise RuntimeError("no room")
        answers.put(answer)

    snapshots = Snapshots(Rest(site.base + "/{key}", position="seq", concurrency=1), post)
    snapshots.fetch("a", 1)
    snapshots.fetch("b", 1)
    assert answers.get(timeout=WAIT).key == "b"
    snapshots.stop()
    assert snapshots.join(WAIT) == []
    assert "no room" in caplog.text


def test_stop_ends_idle_threads(site: Site, ask: NewAsked) -> None:
    """At once; with their connections, which the site sees end without any help from the collector."""
    site.pages["/ABC"] = quote
    asked = ask()
    asked.fetch("ABC")
    asked.answer()
    gc.disable()
    try:
        started_at = time.monotonic()
        asked.close()
        assert time.monotonic() - started_at < 3.0
        assert asked.threads() == []
        assert site.gone.acquire(timeout=WAIT)
    finally:
        gc.enable()


def test_stop_ends_what_is_in_flight(site: Site, ask: NewAsked) -> None:
    """A request that would last is cut off, what waits is dropped, and nothing is posted any more."""
    site.pages["/mute"] = lambda visit: visit.hang()
    asked = ask(concurrency=2, timeout=60.0)
    asked.fetch("mute", "mute", "mute", "mute")
    for _ in range(2):
        assert site.hanging.acquire(timeout=WAIT)
    started_at = time.monotonic()
    asked.snapshots.stop()
    assert asked.snapshots.join(WAIT) == []
    assert time.monotonic() - started_at < SLACK
    asked.fetch("mute")
    assert asked.threads() == []
    assert asked.answers.empty()
    assert len(site.requests) == 2


def test_an_answer_after_stop_is_dropped(ask: NewAsked) -> None:
    """A thread that cannot be cut off, because it is in a callable, is named by `join` and posts nothing later."""
    inside, go_on = threading.Event(), threading.Event()

    def url(key: str) -> str:
        inside.set()
        go_on.wait(WAIT)
        return "http://nowhere.example/"

    asked = ask(url)
    asked.fetch("ABC")
    assert inside.wait(WAIT)
    asked.snapshots.stop()
    assert asked.snapshots.join(0.05) == ["syncstream-snapshot-1"]
    go_on.set()
    assert asked.snapshots.join(WAIT) == []
    assert asked.answers.empty()


def test_stop_can_be_said_twice_and_first(ask: NewAsked) -> None:
    """Before any fetch there is nothing to end; a second time there is nothing left."""
    asked = ask()
    asked.snapshots.stop()
    asked.snapshots.stop()
    asked.fetch("ABC")
    assert asked.snapshots.join(0.0) == []
    assert asked.answers.empty()


def test_a_request_that_hangs_is_answered_all_the_same(site: Site, ask: NewAsked, caplog: pytest.LogCaptureFixture) -> None:
    """No socket time-out bounds a callable or a name lookup: the watch does, and another thread serves what waits."""
    site.pages["/XYZ"] = quote
    go_on = threading.Event()

    def url(key: str) -> str:
        if key == "ABC":
            go_on.wait(WAIT)
        return f"{site.base}/{key}"

    asked = ask(url, concurrency=1, timeout=0.1)
    asked.fetch("ABC", "XYZ")
    late = asked.answer()
    assert (late.key, late.state) == ("ABC", None)
    assert late.error is not None
    assert late.error.severity is Severity.RETRY
    assert str(late.error) == "snapshot of 'ABC': no answer within 0.1 s, and the request hangs"
    assert asked.answer().position == 7
    assert asked.threads() == ["syncstream-snapshot-watch", "syncstream-snapshot-1", "syncstream-snapshot-2"]
    (lost,) = (thread for thread in threading.enumerate() if thread.name == "syncstream-snapshot-1")
    go_on.set()
    lost.join(WAIT)
    assert not lost.is_alive()
    assert asked.answers.empty()
    assert "it is left behind" in caplog.text
    asked.fetch("XYZ")
    assert asked.answer().position == 7


def test_hanging_threads_are_bounded(site: Site, ask: NewAsked, monkeypatch: pytest.MonkeyPatch) -> None:
    """When too many hang, requests are refused at once instead of waiting for ever; when they return, it goes on."""
    monkeypatch.setattr(pool, "_LOST_LIMIT", 2)
    monkeypatch.setattr(pool, "_GRACE", 0.01)
    site.pages["/XYZ"] = quote
    go_on = threading.Event()

    def url(key: str) -> str:
        if key != "XYZ":
            go_on.wait(WAIT)
        return f"{site.base}/{key}"

    asked = ask(url, concurrency=1, timeout=0.1)
    asked.fetch("a", "b", "c", "d")
    texts = [str(asked.answer().error) for _ in range(4)]
    assert [text.partition(": ")[2] for text in texts] == [
        "no answer within 0.1 s, and the request hangs",
        "no answer within 0.1 s, and the request hangs",
        "no thread for it: 2 earlier requests hang",
        "no thread for it: 2 earlier requests hang",
    ]
    asked.fetch("e")
    assert "2 earlier requests hang" in str(asked.answer().error)
    go_on.set()
    for thread in threading.enumerate():
        if thread.name in ("syncstream-snapshot-1", "syncstream-snapshot-2"):
            thread.join(WAIT)
    asked.fetch("XYZ")
    assert asked.answer().position == 7


def test_without_threads_a_fetch_is_refused(ask: NewAsked, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may give no more threads; the caller, which is the reader, lives on and may ask again."""

    def no_more(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    asked = ask()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_more)
        asked.fetch("ABC")
    error = asked.answer().error
    assert error is not None
    assert (str(error), error.severity) == ("snapshot of 'ABC': no thread for it: can't start new thread", Severity.RETRY)
    asked.fetch("ABC")
    error = asked.answer().error
    assert error is not None
    assert error.status == 404


def test_no_connection_is_leaked(site: Site, ask: NewAsked) -> None:
    """After every kind of end nothing is left that the collector would warn about (warnings are errors here)."""
    site.pages["/good"] = quote
    site.pages["/html"] = lambda visit: visit.send(b"<html>" * 50_000)
    site.pages["/cut"] = lambda visit: visit.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")
    site.pages["/moved"] = lambda visit: visit.send(b"x" * 99, status=302, Location="/good")
    site.pages["/mute"] = lambda visit: visit.hang()
    asked = ask(concurrency=2, maximum_size=100_000)
    asked.fetch("good", "html", "cut", "moved", "gone")
    answers = {answer.key: answer for answer in (asked.answer() for _ in range(5))}
    assert {key for key, answer in answers.items() if answer.error is None} == {"good", "moved"}
    asked.fetch("mute")
    assert site.hanging.acquire(timeout=WAIT)
    asked.close()
    answers.clear()
    gc.collect()


def test_the_interpreter_does_not_wait(site: Site) -> None:
    """A program that ends while a request hangs, with or without `stop`, ends at once and in silence."""
    site.pages["/mute"] = lambda visit: visit.hang()
    program = f"""
        import sys
        from syncstream.feed import Rest
        from syncstream.snapshots import Snapshots
        snapshots = Snapshots(Rest("{site.base}/{{key}}", position="seq", timeout=60.0), print)
        snapshots.fetch("mute", 1)
        sys.stdin.read(1)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    root = Path(__file__).parent.parent.parent
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=root) as child:
        assert site.hanging.acquire(timeout=WAIT)
        output, _ = child.communicate(b"x", timeout=WAIT)
    assert (child.returncode, output) == (0, b"")
