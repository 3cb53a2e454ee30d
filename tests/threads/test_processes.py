"""Fork, the end of the interpreter, and Ctrl-C: in each state, in a program of its own."""

from __future__ import annotations

import sys
import threading

import pytest

from syncstream.testing import Broker
from tests.deadlines import SLACK
from tests.servers.scripted import Peer, Server
from tests.stream.outside import Program

from .crew import PATIENCE
from .states import STATES

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs fork, and a listen queue that drops what is too much")

BEGINNING = """
    from tests.threads.states import STATES, Place, bring, limit
    from syncstream.clock import now
"""

# ---------------------------------------------------------------- fork

FORK = """
    def told(stream):  # in the child: at every call, and without waiting for anything
        calls = (stream.get, stream.get_many, stream.join, stream.start, stream.events, lambda: stream.status,
                 lambda: stream.queue, lambda: stream.latest, lambda: stream.send("x"), lambda: iter(stream))
        for number, call in enumerate(calls):
            try:
                call()
            except UsageError as error:
                if "another process" not in str(error):
                    return 10 + number
            else:
                return 30 + number
        return 0 if stream.close() == Report() and "another process" in repr(stream) else 1

    def picture(place, stream):
        return place.broker.connections, stream._reader.ended.is_set(), stream.closed, stream._reader.engine.lines[0].epoch

    def end(place, name, stream):
        began = now()
        left = set(stream.close(limit(name)).threads) - set(STATES[name].left)
        in_time = now() - began < limit(name) + 5.0
        place.gate.open()
        ends[name] = not left and in_time and stream.close(20).threads == ()
        place.__exit__(None, None, None)

    ends, enders = {}, []
    for name in STATES:
        place = Place()
        place.__enter__()
        stream = bring(place, name)
        before = picture(place, stream)
        pid = os.fork()
        if not pid:
            signal.alarm(20)
            os._exit(told(stream))
        code = os.waitpid(pid, 0)[1]
        unharmed = before == picture(place, stream) or name in ("refused", "being closed")  # these go on
        say(name, "/", code, unharmed)
        enders.append(threading.Thread(target=end, args=(place, name, stream)))
        enders[-1].start()
    for ender in enders:
        ender.join()
    say(sorted(ends) == sorted(STATES), [name for name in ends if not ends[name]])
"""


def test_a_fork_in_each_state() -> None:
    """The child is told at every use and hangs nowhere; the parent's stream is as it was, and closes in time."""
    with Broker(rate=0) as broker, Program(BEGINNING + FORK, broker, "-W", "ignore::DeprecationWarning") as program:
        for name in STATES:
            assert program.hear() == f"{name} / 0 True"
        assert program.hear() == "True []"
        assert program.end() == (0, [], "")


IN_A_DIAL = """
    stream = Stream(Feed(URL))
    sys.stdin.readline()
    lives, parent = os.pipe()
    pid = os.fork()
    if not pid:
        signal.alarm(20)
        os.close(parent)
        os.read(lives, 1)
        os._exit(0)
    say("closed", stream.close(5).threads)
    sys.stdin.readline()
    os.close(parent)
    say("code", os.waitpid(pid, 0)[1])
"""


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_the_child_keeps_no_dial_that_is_under_way(scheme: str) -> None:
    """The parent gives it up, and the venue hears of that, though the child lives."""
    asked, over = threading.Event(), threading.Event()

    def script(peer: Peer) -> None:
        peer.read(5)
        asked.set()
        try:
            peer.until_hangup()
        finally:
            over.set()

    with Broker(rate=0) as broker, Server(script) as server:
        source = f"    URL = '{scheme}://127.0.0.1:{server.port}/'" + IN_A_DIAL
        with Program(source, broker, "-W", "ignore::DeprecationWarning") as program:
            assert asked.wait(PATIENCE)
            program.go_on()
            assert program.hear() == "closed ()"
            assert over.wait(SLACK)
            program.go_on()
            assert program.hear() == "code 0"
            assert program.end() == (0, [], "")


# ---------------------------------------------------------------- the end of the interpreter

EXIT = """
    import contextlib
    names = list(STATES)
    gc.freeze()  # else each child would look through all of it once more

    def child():  # one that has made all it uses itself, as any program has; a few at once
        while names:
            children = {}
            for name in [names.pop(0) for _ in range(min(5, len(names)))]:
                hears, says = os.pipe()
                pid = os.fork()
                if not pid:
                    return name, says
                os.close(says)
                children[pid] = name, hears
            for pid, (name, hears) in children.items():
                began = os.read(hears, 100)
                code = os.waitpid(pid, 0)[1] >> 8
                say(name, code, now() - float(began) < 1.0 + 5.0 if began else "not begun")
        os._exit(0)

    name, says = child()
    place = contextlib.ExitStack().enter_context(Place())
    stream = bring(place, name)
    os.write(says, str(now()).encode())
    sys.exit(7)
"""


def test_the_end_of_the_interpreter_in_each_state() -> None:
    """A second at most for what cannot end, with the right code, and not a word on stderr."""
    with Broker(rate=0) as broker, Program(BEGINNING + EXIT, broker, "-W", "ignore::DeprecationWarning") as program:
        for name in STATES:
            assert program.hear() == f"{name} 7 True"
        assert program.end() == (0, [], "")


# ---------------------------------------------------------------- Ctrl-C

INTERRUPTED = """
    from tests.threads.crew import waits
    main = threading.main_thread()

    def leaves_with():
        with stream:
            pass

    def loop(items):
        for item in items:
            pass

    WAITS = {
        "events": ("live", lambda: loop(stream.events()), "next"),
        "messages": ("live", lambda: loop(stream.messages()), "next"),
        "queue.join": ("live", lambda: join_queue(), "join"),
        "get while dialing": ("connecting", lambda: stream.get(), "get"),
        "join while dialing": ("dialing", lambda: stream.join(), "join"),
        "get in a back-off": ("backing off", lambda: stream.get(), "get"),
        "get_many while fetching": ("slow snapshot", lambda: loop(iter(lambda: stream.get_many(), None)), "get_many"),
        "run": ("paused", lambda: run_hanging(), "run"),
        "close in a drain": ("callback hangs", lambda: stream.close(60, drain=True), "close"),
        "the end of with": ("callback hangs", lambda: leaves_with(), "close"),
        "close while a callable hangs": ("user code of a snapshot hangs", lambda: stream.close(60), "close"),
    }

    def join_queue():
        place.subscribed(stream)
        place.broker.publish("ABC")
        place.broker.wait_for(stream.queue.qsize)
        stream.queue.join()

    def run_hanging():
        stream.on()(lambda item: place.gate.pass_through())
        place.gate.shut = True
        stream.run(workers=2, markers="ignore")

    def interrupt(where, done):  # as soon as the main thread waits there; whoever sees nothing happen presses once more
        while not done.wait(2.0 if pressed else 0.001):
            if waits(main, where):
                pressed.append(now())
                os.kill(os.getpid(), signal.SIGINT)

    signal.alarm(60)
    for name, (state, call, where) in WAITS.items():
        with Place() as place:
            stream = Stream(STATES[state].feed(place)) if state == "live" else bring(place, state)
            pressed, done = [], threading.Event()
            killer = threading.Thread(target=interrupt, args=(where, done))
            killer.start()
            began = now()
            try:
                call()
            except KeyboardInterrupt:
                say(name + ":", "interrupted", now() - began < 1.0 + 5.0)
            done.set()
            killer.join()
            usable = stream.closed or stream.status.state != "failed"  # "closed", too: on its way there
            place.gate.open()
            say("then", usable, stream.close(20).threads)
"""


def test_ctrl_c_in_the_further_waits() -> None:
    """In the other views, in a drain, at the end of a `with`, and in states in which nothing comes: at once; it goes on."""
    with Broker(rate=0) as broker, Program(BEGINNING + INTERRUPTED, broker) as program:
        for _ in range(INTERRUPTED.count('": (')):
            name, said = program.hear().split(": ")
            assert (name, said) == (name, "interrupted True")
            assert (name, program.hear()) == (name, "then True ()")
        assert program.end() == (0, [], "")
