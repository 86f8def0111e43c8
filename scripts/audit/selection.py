"""Which commits of a log are asked for."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Final

import msgspec

from eventstore.commit import START, Position, Recorded, restore
from eventstore.errors import LogFormatError
from eventstore.sqlite.archive import Archive
from projections.events.status import KINDS
from projections.folds.session import PREFIX
from scripts.audit.command import Advance, CannotRun, moment, time_us

SPAN: Final = 128
"""Positions read at a time: no reader stands in the way of a checkpoint while its page is written,
and commits of the largest size fill no more than this many MiB."""


class _Words(msgspec.Struct, gc=False):
    """What of a commit it is selected by."""

    stream: str
    actor: str
    tenant: str
    tags: tuple[str, ...] = ()


_words: Final = msgspec.json.Decoder(_Words).decode


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """The commits after `after` up to and with `until` that fit; None fits all."""

    after: Position
    until: Position
    session: str | None = None
    tenant: str | None = None
    actor: str | None = None
    kind: str | None = None

    @property
    def complete(self) -> bool:
        """True if a log could be made of it: everything from its first commit on."""
        words = (self.session, self.tenant, self.actor, self.kind)
        return self.after == START and words == (None,) * len(words)

    def pages(self, archive: Archive, advance: Advance) -> Iterator[list[Recorded]]:
        """The commits, in order; `advance` is told how many positions were looked at."""
        every = (self.session, self.tenant, self.actor, self.kind) == (None,) * 4
        position = self.after
        while position < self.until:
            last = Position(min(position + SPAN, self.until))
            for bodies in archive.bodies(position, last):
                try:
                    yield [restore(body) for body in bodies if every or self._takes(body)]
                except msgspec.MsgspecError as error:
                    where = f"positions {position + 1} to {last}"
                    raise LogFormatError(f"a commit at {where} cannot be read: {error}") from None
            position = last
            advance(position - self.after)

    def _takes(self, body: bytes) -> bool:
        words = _words(body)
        return (
            (self.tenant is None or words.tenant == self.tenant)
            and (self.actor is None or words.actor == self.actor)
            and (self.kind is None or f"kind={self.kind}" in words.tags)
            and (self.session is None or self._of_session(words))
        )

    def _of_session(self, words: _Words) -> bool:
        return words.stream == f"{PREFIX}{self.session}" or f"session={self.session}" in words.tags


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that `selected` reads."""
    parser.add_argument("--session", metavar="ID", help="a session, with its machines")
    parser.add_argument("--tenant", metavar="T", help="what belongs to a tenant")
    parser.add_argument("--actor", metavar="A", help="what an actor did, such as key:NAME")
    parser.add_argument("--kind", choices=KINDS, help="sessions of a kind, with their machines")
    place = "POSITION|TIME"
    parser.add_argument("--from", dest="begin", metavar=place, help="from there on, with it")
    parser.add_argument("--until", metavar=place, help="up to there, with it")


def selected(given: argparse.Namespace, archive: Archive) -> Selection:
    """What the options ask for; raises CannotRun for what the log cannot have."""
    until = archive.size if given.until is None else moment(given.until, archive)
    after = START if given.begin is None else _after(given.begin, archive)
    if after >= until and archive.size:
        raise CannotRun(f"--from {given.begin} is after --until {given.until or archive.size}")
    if given.session is not None and not any(archive.stream(PREFIX + given.session)):
        raise CannotRun(f"there is no session {given.session} in this log")
    return Selection(
        after=after,
        until=until,
        session=given.session,
        tenant=given.tenant,
        actor=given.actor,
        kind=given.kind,
    )


def _after(text: str, archive: Archive) -> Position:
    """The position before the first that is asked for."""
    if text.isascii() and text.isdigit():
        return Position(max(moment(text, archive) - 1, START))
    return archive.position_at(time_us(text) - 1)
