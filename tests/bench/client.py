"""`python -m tests.bench.client PEER URL ...`: one peer in a process of its own. Prints what it measured as JSON."""

from __future__ import annotations

import argparse
import sys
import threading

import msgspec

from .peers import PEERS, Job, Tally


class Measured(msgspec.Struct, kw_only=True):
    """Of one run. `seconds`: from the first quote to the last; `cpu`: of the process, meanwhile; latencies in microseconds."""

    peer: str
    count: int = 0
    wrong: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    p50: float = 0.0
    p99: float = 0.0
    p999: float = 0.0
    missing: str = ""  # a library that is not installed

    @property
    def rate(self) -> float:
        """Quotes a second."""
        return self.count / self.seconds if self.seconds else 0.0


def keep_busy() -> None:
    """A thread that computes, in pure Python, until the process ends."""

    def compute() -> None:
        number = 1
        while True:
            number = (number * 1103515245 + 12345) % 2147483648

    threading.Thread(target=compute, daemon=True).start()


def measure(peer: str, job: Job, *, timed: bool, busy: bool) -> Measured:
    """Run it, here."""
    tally = Tally(job, timed=timed)
    if busy:
        keep_busy()
    try:
        PEERS[peer][1](job, tally)
    except ModuleNotFoundError as error:
        return Measured(peer=peer, missing=str(error.name))
    found = sorted(tally.latencies[len(tally.latencies) // 10 :])
    p50, p99, p999 = [found[min(len(found) - 1, int(len(found) * part))] / 1e3 if found else 0.0 for part in (0.5, 0.99, 0.999)]
    return Measured(
        peer=peer,
        count=tally.count,
        wrong=tally.wrong,
        seconds=tally.ended - tally.began,
        cpu=tally.cpu_ended - tally.cpu_began,
        p50=p50,
        p99=p99,
        p999=p999,
    )


def main() -> int:
    """One line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.client")
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("url")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--ca")
    parser.add_argument("--deflate", action="store_true")
    parser.add_argument("--timed", action="store_true")
    parser.add_argument("--busy", action="store_true")
    options = parser.parse_args()
    job = Job(options.url, options.count, options.seconds, options.ca, options.deflate)
    print(msgspec.json.encode(measure(options.peer, job, timed=options.timed, busy=options.busy)).decode(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
