"""The sessions that wait for a worker, oldest first: a window onto the head of a queue; pure."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

WINDOW_MAX: Final = 2_000


class Waiting(NamedTuple):
    """A session that waits, by the position that created it, and the labels that it needs."""

    created: int
    id: str
    requires: frozenset[str]


class Window:
    """All that wait with a `created` up to `upto`; None: all there are. At first it knows none."""

    def __init__(self, window_max: int = WINDOW_MAX) -> None:
        self.upto: int | None = 0
        self._max = window_max
        self._waiting: list[Waiting] = []
        self._reading: list[Waiting] | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """True where more would push others out."""
        return len(self._waiting) >= self._max

    def add(self, one: Waiting) -> None:
        """It waits; it may be known already."""
        if self._reading is not None:
            self._reading.append(one)
        if self.upto is not None and one.created > self.upto:
            return
        at = self._place(one.created)
        if at < len(self._waiting) and self._waiting[at].created == one.created:
            self._waiting[at] = one
            return
        insort(self._waiting, one)
        if len(self._waiting) > self._max:
            del self._waiting[self._max :]
            self.upto = self._waiting[-1].created

    def remove(self, created: int) -> None:
        """It does not wait any more, if it did."""
        at = self._place(created)
        if at < len(self._waiting) and self._waiting[at].created == created:
            del self._waiting[at]
        if self._reading is not None:
            self._reading = [one for one in self._reading if one.created != created]

    def first(self, labels: Collection[str], taken: Collection[str]) -> Waiting | None:
        """The first that needs no more than `labels`, and is not among the ids `taken`."""
        return first_of(self._waiting, labels, taken)

    def begin_reading(self) -> None:
        """What comes from now on is remembered until `read`."""
        self._reading = []

    def read(self, found: Sequence[Waiting], *, last: bool) -> None:
        """The next ones behind `upto`, as they were at some moment since `begin_reading`.

        One that stopped waiting since then may be among them: who claims it will see.
        """
        arrived, self._reading = self._reading or [], None
        self.upto = None if last else found[-1].created
        for one in (*found, *arrived):
            self.add(one)

    def break_off(self) -> None:
        """Nothing could be read."""
        self._reading = None

    def _place(self, created: int) -> int:
        return bisect_left(self._waiting, created, key=lambda one: one.created)


def first_of(
    waiting: Sequence[Waiting], labels: Collection[str], taken: Collection[str]
) -> Waiting | None:
    """The first that needs no more than `labels`, and is not among the ids `taken`."""
    for one in waiting:
        if one.id not in taken and one.requires.issubset(labels):
            return one
    return None
