"""The adapters of real venues against recorded sessions, through a real socket. `python -m tests.venues --write`: the table."""
