"""The command line: `syncstream demo`. Main thread only.

Here is only what every command needs: arguments, exit codes, Ctrl-C. What belongs to an extra (websockets, rich) is imported when
a command runs, so `--help` and `--version` work without.

Exit codes: 0 well, 1 the verdict of the demo is not "equal", 2 wrong arguments or a missing extra, 130 Ctrl-C.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Optional, Sequence

from .arguments import Options, parse

INTERRUPTED = 130


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run one command; returns the exit code. `--help`, `--version` and wrong arguments end in `SystemExit`."""
    options = parse(argv)
    try:
        return _demo(options)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # who read our output has gone, as in `syncstream demo | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains once more when it ends
        return 1


def _demo(options: Options) -> int:
    try:
        importlib.import_module("websockets")
    except ImportError:
        print("syncstream demo: the package websockets is missing. Get it with: pip install 'syncstream[demo]'", file=sys.stderr)
        return 2
    from .demo import Demo
    from .views import choose

    with choose(options) as view:
        result = Demo(options, view).run()
    view.verdict(result)
    return result.exit_code
