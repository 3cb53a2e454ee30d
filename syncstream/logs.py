"""The loggers of this library: what they are given leaves them without any `Secret`. Any thread.

Texts of ours are scrubbed already; a traceback is not, for it shows the exceptions of the user's own code.
"""

from __future__ import annotations

import logging

from .secret import knows, scrub


class _Discreet(logging.Filter):
    """Owned by: nobody. Writes the message and the traceback of a record out, where there is anything to hide."""

    def filter(self, record: logging.LogRecord) -> bool:
        if knows():
            record.msg, record.args = scrub(record.getMessage()), ()
            if record.exc_info and not record.exc_text:  # formatters take this text where they find one
                record.exc_text = scrub(logging.Formatter().formatException(record.exc_info))
        return True


_discreet = _Discreet()


def logger(name: str) -> logging.Logger:
    """The logger of a module of ours."""
    found = logging.getLogger(name)
    found.addFilter(_discreet)
    return found
