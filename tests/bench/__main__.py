"""`python -m tests.bench [--rounds N] [--only NAME ...] [--out DIR] [--readme]`: syncstream beside the clients people use today.

Every round runs each client once, in a process of its own, one after the other, against the same load generator; so what disturbs
the machine disturbs all. Figures are medians over the rounds with the least and the most; ratios are taken within a round.

Exit code 0: every row is at or past its number. 1: it says which is not.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
import urllib.request
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, Optional

import msgspec

from tests import readme

from .client import Measured
from .peers import NO_DEFLATE, NO_PRIVATE_CA, PEERS
from .picture import draw

_LIBRARIES = ("picows", "uvloop", "aiohttp", "websockets", "lomond", "websocket-client", "msgspec")
_MOST = ("loop", "picows", "aiohttp", "websockets", "recv", "app", "lomond")
_FEW = ("loop", "picows", "websockets", "app")


class Scenario(NamedTuple):
    """One kind of load. `path`: what the load generator is asked for; at `most` so many quotes, or what comes in `seconds`."""

    title: str
    path: str
    most: int
    seconds: float
    peers: tuple[str, ...]
    tls: bool = False
    deflate: bool = False
    timed: bool = False
    busy: bool = False


def _burst(title: str, count: int, size: int, peers: tuple[str, ...], **more: bool) -> Scenario:
    deflate = "&deflate=1" if more.get("deflate") else ""
    return Scenario(title, f"/burst?count={count}&size={size}{deflate}", count, 5.0, peers, **more)


def _paced(rate: int, peers: tuple[str, ...]) -> Scenario:
    return Scenario(
        f"{rate:,} quotes a second", f"/paced?rate={rate}&count={rate * 6}&size=150", rate * 6, 30.0, peers, timed=True
    )


SCENARIOS = {
    "burst": _burst("1 M quotes of 150 bytes", 1_000_000, 150, ("loop", "get", "get_many", "workers", *_MOST[1:], "limit")),
    "large": _burst("200,000 quotes of 1.5 KB", 200_000, 1500, _MOST),
    "tls": _burst("1 M quotes of 150 bytes, TLS", 1_000_000, 150, _MOST, tls=True),
    "deflate": _burst("300,000 quotes of 150 bytes, permessage-deflate", 300_000, 150, _MOST, deflate=True),
    "busy": _burst("150 bytes, beside a thread that computes", 1_000_000, 150, _FEW, busy=True),
    "paced-1000": _paced(1_000, _FEW),
    "paced-5000": _paced(5_000, _FEW),
    "paced-20000": _paced(20_000, _FEW),
}


class Goal(NamedTuple):
    """A ratio of two peers in one scenario, and the least (or, if `most`, the most) it may be."""

    text: str
    scenario: str
    figure: str
    peer: str
    number: float
    most: bool = False


GOALS = (
    Goal("`for`, against picows + uvloop", "burst", "rate", "picows", 1.0),
    Goal("`for`, against websockets.sync", "burst", "rate", "websockets", 5.0),
    Goal("`for`, against `WebSocketApp` + json", "burst", "rate", "app", 12.0),
    Goal("beside a thread that computes, against `WebSocketApp`", "busy", "rate", "app", 50.0),
    Goal("beside a thread that computes, against websockets.sync", "busy", "rate", "websockets", 8.0),
    Goal("share of what `msgspec` alone decodes", "burst", "rate", "limit", 0.4),
    Goal("latency p50 at 5,000/s against websockets.sync", "paced-5000", "p50", "websockets", 1.0, most=True),
    Goal("latency p99 at 5,000/s against websockets.sync", "paced-5000", "p99", "websockets", 1.0, most=True),
    Goal("CPU seconds at 20,000/s against `WebSocketApp`", "paced-20000", "cpu", "app", 0.35, most=True),
)

Rounds = dict[str, dict[str, list[Measured]]]


class Source:
    """Owned by: `main`. The load generator's process."""

    def __enter__(self) -> Source:
        command = [sys.executable, "-m", "tests.bench.source"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self.ports: dict[str, Any] = json.loads(self._process.stdout.readline())
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def build(self, scenario: Scenario) -> None:
        """Have a burst built before it is asked for."""
        if scenario.path.startswith("/burst"):
            url = f"http://localhost:{self.ports['ws']}{scenario.path.replace('/burst', '/build')}"
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=300).close()

    def measure(self, scenario: Scenario, peer: str) -> Measured:
        """Run one peer once."""
        scheme = "wss" if scenario.tls else "ws"
        url = f"{scheme}://localhost:{self.ports[scheme]}{scenario.path}"
        command = [sys.executable, "-m", "tests.bench.client", peer, url, f"--count={scenario.most}"]
        command += [f"--seconds={scenario.seconds}", *(["--ca", self.ports["ca"]] if scenario.tls else [])]
        command += [f"--{name}" for name in ("deflate", "timed", "busy") if getattr(scenario, name)]
        ran = subprocess.run(command, stdout=subprocess.PIPE, timeout=scenario.seconds + 120, check=True)
        return msgspec.json.decode(ran.stdout.splitlines()[-1], type=Measured)


def can(scenario: Scenario, peer: str) -> bool:
    """Whether this client knows what the scenario needs."""
    return not (scenario.deflate and peer in NO_DEFLATE) and not (scenario.tls and peer in NO_PRIVATE_CA)


def run(names: list[str], rounds: int) -> Rounds:
    """Everything, interleaved."""
    found: Rounds = {name: {} for name in names}
    with Source() as source:
        for name in names:
            scenario = SCENARIOS[name]
            source.build(scenario)
            for number in range(rounds):
                for peer in scenario.peers:
                    if not can(scenario, peer):
                        continue
                    measured = source.measure(scenario, peer)
                    found[name].setdefault(peer, []).append(measured)
                    told = measured.missing or f"{measured.rate:,.0f}/s, p50 {measured.p50:.0f} us, cpu {measured.cpu:.2f} s"
                    print(f"{name}, round {number + 1} of {rounds}: {PEERS[peer][0]}: {told}", file=sys.stderr, flush=True)
    return found


# -------------------------------------------------------------------- tables


def _figure(measured: Measured, figure: str) -> float:
    """`cpu` is for each quote, so that runs of different lengths can be compared."""
    return measured.cpu / measured.count if figure == "cpu" and measured.count else float(getattr(measured, figure))


def ratios(found: Rounds, goal: Goal) -> list[float]:
    """Ours over theirs, in each round; empty where that was not measured."""
    peers = found.get(goal.scenario, {})
    pairs = zip(peers.get("loop", []), peers.get(goal.peer, []))
    return [_figure(ours, goal.figure) / _figure(theirs, goal.figure) for ours, theirs in pairs if _figure(theirs, goal.figure)]


def met(goal: Goal, each: list[float]) -> Optional[bool]:
    """Whether the median reaches its number; `None` where there is none."""
    if not each:
        return None
    return median(each) <= goal.number if goal.most else median(each) >= goal.number


def goals(found: Rounds) -> str:
    """The ratios beside what they should be."""
    rows = []
    for goal in GOALS:
        each, sign = ratios(found, goal), "at most" if goal.most else "at least"
        shown = f"{median(each):.2f} ({min(each):.2f} to {max(each):.2f})" if each else "not measured"
        rows.append((goal.text, f"{sign} {goal.number:g}", shown, {True: "yes", False: "NO", None: ""}[met(goal, each)]))
    return readme.table(("ratio in one round", "goal", "median (least to most)", "reached"), rows)


def _spread(values: list[float], form: str) -> str:
    return f"{median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def details(name: str, found: Rounds) -> str:
    """One scenario, every peer."""
    scenario = SCENARIOS[name]
    rows: list[tuple[object, ...]] = []
    for peer, runs in found[name].items():
        title = PEERS[peer][0]
        if runs[0].missing:
            rows.append((title, f"{runs[0].missing} is not installed", "", ""))
        elif scenario.timed:
            latencies = [_spread([getattr(each, figure) for each in runs], ",.0f") for figure in ("p50", "p99", "p999")]
            cpu = _spread([1e6 * each.cpu / each.count for each in runs], ".2f")
            rows.append((title, *latencies, cpu))
        else:
            rates = _spread([each.rate for each in runs], ",.0f")
            cpu = _spread([1e6 * each.cpu / each.count for each in runs], ".2f")
            rows.append((title, rates, cpu, sum(each.wrong for each in runs)))
    timed = ("client", "p50, us", "p99, us", "p99.9, us", "CPU s per million")
    head = timed if scenario.timed else ("client", "quotes a second", "CPU s per million", "out of order")
    return f"{scenario.title}\n\n{readme.table(head, rows)}"


def ran(rounds: int) -> str:
    """When, where, with what."""
    versions = []
    for library in _LIBRARIES:
        try:
            versions.append(f"{library} {metadata.version(library)}")
        except metadata.PackageNotFoundError:
            continue
    machine = f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}"
    return f"Run on {time.strftime('%Y-%m-%d')}, {rounds} rounds, {machine}; {', '.join(versions)}."


def main() -> int:
    """Runs, prints, writes."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    parser.add_argument("--out", type=Path, help="a folder for the table, the picture and all figures")
    parser.add_argument("--readme", action="store_true")
    options = parser.parse_args()
    found = run(options.only, options.rounds)
    summary = f"{goals(found)}\n\n{ran(options.rounds)}"
    text = "\n\n".join([summary, *(details(name, found) for name in options.only)])
    print(text)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "bench.md").write_text(f"{text}\n", encoding="utf-8")
        (options.out / "bench.json").write_bytes(msgspec.json.format(msgspec.json.encode(found)))
        draw({SCENARIOS[name].title: found[name] for name in options.only}, options.out / "bench.svg")
    if options.readme:
        readme.write("bench", "\n\n".join([*(details(name, found) for name in options.only), ran(options.rounds)]))
    return 1 if any(met(goal, ratios(found, goal)) is False for goal in GOALS) else 0


if __name__ == "__main__":
    sys.exit(main())
