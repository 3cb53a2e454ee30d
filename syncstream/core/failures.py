"""What each way to fail means for the next attempt: one table, and the feed's own over it. Pure.

    what                     keys                                             class
    names                    "dns"                                            RETRY   a resolver that is away says it, too
    connections              "refused", "network"                             RETRY
    time                     "timeout"                                        RETRY
    proxy                    "proxy"                                          as it answers: a wrong password FATAL, else RETRY
    TLS                      "certificate"                                    FATAL   it gets no better by waiting
                             "tls"                                            SLOW    (FATAL where no TLS is spoken at all)
    upgrade                  400-499 but the next line, "upgrade" (no HTTP)   FATAL   we are asking for the wrong thing
                             408, 425, 429, 500-599                           RETRY   overload, and the venue's own trouble
                             any other status                                 FATAL   also a redirect that is not followed
    closed by the venue      1000, 1001, 1005, 1006, 1011, 1012, 1014         RETRY   a normal end, a restart, no word at all
                             1002, 1003, 1007-1010, 1015                      SLOW    we disagree, and shall again
                             1013                                             SLOW    "try again later"
                             3000-4999                                        RETRY   the venue's own: say what they mean
    our own dial budget      (not to be changed)                              waits until there is room; counts as no attempt
    the user's callables     "callable"                                       an `OSError` (a token server) RETRY, else FATAL

RETRY waits by the back-off, SLOW for its longest wait each time. FATAL ends a stream that was never live and is SLOW after: what
has worked will work again. A close code of an open line is FATAL until data came or a subscription was acknowledged: a venue
without an opening script lets everybody in, and closes on those it does not know. `Feed.failures` maps a status, a close code or
a word to another class; the first two do not collide.
"""

from __future__ import annotations

from typing import Mapping, Optional, Union

from ..errors import Severity

Failures = Mapping[Union[int, str], Severity]

WORDS = frozenset(("dns", "refused", "network", "timeout", "proxy", "certificate", "tls", "upgrade", "callable"))

_PASSING_STATUSES = frozenset((408, 425, 429))
_DISAGREEMENTS = frozenset((1002, 1003, 1007, 1008, 1009, 1010, 1013, 1015))


def of_status(status: int) -> Severity:
    """The class of an HTTP status that is no upgrade. Only overload and a server's own trouble pass."""
    return Severity.RETRY if status >= 500 or status in _PASSING_STATUSES else Severity.FATAL


def of_code(code: Optional[int]) -> Severity:
    """The class of a close code; `None`: there was none."""
    return Severity.SLOW if code in _DISAGREEMENTS else Severity.RETRY


def own(failures: Failures, *causes: Union[int, str, None]) -> Optional[Severity]:
    """What the feed says of the first of these causes that it names."""
    for cause in causes:
        if cause is not None and cause in failures:
            return failures[cause]
    return None
