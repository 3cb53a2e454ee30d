"""`python -m syncstream`: the same as the command `syncstream`. Nothing else is here."""

from __future__ import annotations

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
