"""`Line`: one connection as its venue sees it: what it is greeted with, answered, and sent of the tape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Sequence, Union

if TYPE_CHECKING:
    from .history import History

Data = Union[str, bytes]


class Line:
    """Gets every frame of the tape as it was recorded. Owned by: the thread of its connection.

    `subscribed`: how many topics it asked for. The base knows no topics: whatever is said asks for all of them.
    """

    def __init__(self, history: History, number: int) -> None:
        self.history = history
        self.number = number
        self._asked = not history.recording.sent

    @property
    def subscribed(self) -> float:
        return float("inf") if self._asked else 0

    def greeting(self) -> Sequence[Data]:
        """What it is sent first."""
        return self.history.venue.greeting()

    def hear(self, text: str, position: int) -> Sequence[Data]:
        """The answer to a client's message that comes when so many frames of the tape are played to it."""
        self._asked = True
        answer = self.history.venue.answer(text)
        return [] if answer is None else [answer]

    def play(self, index: int) -> Optional[Data]:
        """A frame of the tape as this line gets it; `None`: it does not."""
        return self.history.frames[index].data
