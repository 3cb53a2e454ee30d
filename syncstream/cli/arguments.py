"""What stands on the command line, checked. Pure, but for argparse, which prints usage and ends the program.

Deliberately not here: what the options do.
"""

from __future__ import annotations

import argparse
import re
import sys
from typing import Optional, Sequence

import msgspec

from .. import __version__
from .schedule import FAULTS

NAMES = ("ABC", "XYZ", "KLM", "QRS", "TUV", "DEF", "GHI", "NOP")
MOST_SYMBOLS = 200
SHORTEST, LONGEST = 1.0, 3600.0

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,11}")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked for. `duration` in seconds; `faults` by name, in the order of the table."""

    seed: int = 1
    duration: float = 20.0
    symbols: tuple[str, ...] = NAMES[:5]
    faults: tuple[str, ...] = tuple(FAULTS)
    json: bool = False


def parse(argv: Optional[Sequence[str]]) -> Options:
    """Raises `SystemExit`: 0 after `--help` and `--version`, 2 after an error."""
    parser = _parser()
    given = vars(parser.parse_args(argv))
    if given.pop("command") is None:
        parser.print_help(sys.stderr)
        raise SystemExit(2)
    return Options(**given)


def symbols(text: str) -> tuple[str, ...]:
    """`"5"` is that many, `"ABC,XYZ"` are these."""
    if text.isdecimal():
        count = int(text)
        if not 1 <= count <= MOST_SYMBOLS:
            raise argparse.ArgumentTypeError(f"{text}: expected 1 to {MOST_SYMBOLS} symbols, or their names")
        return NAMES[:count] + tuple(f"S{number:03}" for number in range(len(NAMES) + 1, count + 1))
    names = tuple(text.split(","))
    wrong = [name for name in names if not _NAME.fullmatch(name)]
    if wrong:
        raise argparse.ArgumentTypeError(f"{wrong[0]!r}: a symbol has 1 to 12 letters, digits, dots or dashes")
    if len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"{text}: each symbol once")
    if len(names) > MOST_SYMBOLS:
        raise argparse.ArgumentTypeError(f"{len(names)} names: expected 1 to {MOST_SYMBOLS}")
    return names


def faults(text: str) -> tuple[str, ...]:
    """`"none"`, `"all"`, or names."""
    if text in ("none", "all"):
        return tuple(FAULTS) if text == "all" else ()
    names = text.split(",")
    unknown = [name for name in names if name not in FAULTS]
    if unknown:
        known = ", ".join(FAULTS)
        raise argparse.ArgumentTypeError(f"there is no fault {unknown[0]!r}; give none, all, or names of these: {known}")
    return tuple(name for name in FAULTS if name in names)


def duration(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not SHORTEST <= seconds <= LONGEST:
        raise argparse.ArgumentTypeError(f"{text}: expected {SHORTEST:g} to {LONGEST:g} seconds")
    return seconds


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="syncstream", description="Gap-free market-data streams for synchronous Python.")
    parser.add_argument("--version", action="version", version=f"syncstream {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command")
    demo = commands.add_parser(
        "demo",
        help="watch a stream lose messages, get cut, and come back complete",
        description=(
            "Starts a venue on this machine and a stream that listens to it, and lets the venue do\n"
            "what real venues do wrong. At the end it compares what the stream delivered with the\n"
            "venue's true state. The exit code is 0 only if all is equal, and no message was lost,\n"
            "duplicated or out of order."
        ),
        epilog="\n  ".join(["faults:", *(f"{name:<18}{fault.what}" for name, fault in FAULTS.items())]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = Options()
    demo.add_argument("--seed", type=int, default=default.seed, help="of the market and the faults (%(default)s)")
    demo.add_argument("--duration", type=duration, default=default.duration, metavar="SECONDS", help="(%(default)g)")
    demo.add_argument(
        "--symbols",
        type=symbols,
        default=default.symbols,
        metavar="N|NAME,...",
        help=f"how many, or which ({','.join(default.symbols)})",
    )
    demo.add_argument(
        "--faults",
        type=faults,
        default=default.faults,
        metavar="none|all|NAME,...",
        help="what the venue does wrong, as many as there is time for (all)",
    )
    demo.add_argument("--json", action="store_true", help="end with one JSON object on stdout; all else goes to stderr")
    return parser
