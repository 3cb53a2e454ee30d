"""What a selector waits for, asked without its look-ups: for the short way of the reader, where each message costs a wait.

Reader thread only. Where the system has epoll the same list of descriptors is asked directly; elsewhere the selector is.
"""

from __future__ import annotations

import os
import select
import selectors
import sys


class Poll:
    """Owned by: whoever owns the selector."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector

    def wait(self, timeout: float, most: int) -> list[tuple[int, int]]:
        """Up to `timeout` seconds: the descriptors that something can be done with now, each with what that is."""
        return [(key.fd, mask) for key, mask in self._selector.select(timeout)[:most]]

    def close(self) -> None:
        """Of no more use. The selector stays."""


if sys.platform == "linux":

    class EPoll(Poll):
        """Owned by: whoever owns the selector. A second descriptor of the selector's own list."""

        def __init__(self, selector: selectors.EpollSelector) -> None:
            self._epoll = select.epoll.fromfd(os.dup(selector.fileno()))
            self.wait = self._epoll.poll  # type: ignore[assignment,method-assign,unused-ignore]

        def close(self) -> None:
            self._epoll.close()


def of(selector: selectors.BaseSelector) -> Poll:
    """The quickest there is."""
    if sys.platform == "linux" and isinstance(selector, selectors.EpollSelector):
        return EPoll(selector)
    return Poll(selector)
