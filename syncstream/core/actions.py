"""What the engine asks the shell to do, and what is sent: plain values, taken in order. Pure."""

from __future__ import annotations

from typing import Any, Hashable, NamedTuple


class Payload(NamedTuple):
    """A message to the venue, ready for a frame.

    `topics`: those that it subscribes; `ident`: the id that it carries, where acknowledgements name one; `left`: the topics that
    it leaves; `keys`: those that it asks a snapshot of.
    """

    opcode: int
    data: bytes
    topics: tuple[Hashable, ...] = ()
    ident: Hashable = None
    left: tuple[Hashable, ...] = ()
    keys: tuple[Hashable, ...] = ()


class Dial(NamedTuple):
    """Action: open a connection for this line; it will be subscribed to `topics`."""

    line: int
    epoch: int
    topics: tuple[Any, ...]


class Abandon(NamedTuple):
    """Action: the dial of this epoch is not wanted any more."""

    line: int
    epoch: int


class Hangup(NamedTuple):
    """Action: release this connection at once. What was to be sent before is tried once."""

    line: int
    epoch: int


class Send(NamedTuple):
    """Action: send one frame. `urgent` ones (pong, close, answers) go before what waits, behind what is half out."""

    line: int
    epoch: int
    opcode: int
    payload: bytes
    urgent: bool


class Call(NamedTuple):
    """Action: ask the user's callables, which may block, what to say to leave the topics `leave`, then to subscribe `ask`."""

    line: int
    epoch: int
    leave: tuple[Any, ...]
    ask: tuple[Any, ...]
