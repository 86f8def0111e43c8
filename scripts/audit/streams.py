"""Which stream of a log --session or --vm names."""

from __future__ import annotations

import argparse

from eventstore.sqlite.archive import Archive
from projections.folds import session, vm
from projections.wording import plain
from scripts.audit.command import CannotRun
from sessions.dialects.devin.ids import native_id
from sessions.dialects.galtea.wire import SESSION
from sessions.dialects.uuids import uuid_of


def named_stream(given: argparse.Namespace, archive: Archive) -> str | None:
    """The stream that is asked for; None if it is all of them; raises CannotRun."""
    if given.vm is not None:
        names: list[str] = [vm.PREFIX + str(given.vm).removeprefix(vm.PREFIX)]
    elif given.session is not None:
        names = [session.PREFIX + one for one in _ids(str(given.session))]
    else:
        return None
    for name in names:
        # An argument that is no UTF-8 comes in as what SQLite does not take, and names nothing.
        if name.isprintable() and next(archive.stream(name), None) is not None:
            return name
    what, asked = ("machine", given.vm) if given.session is None else ("session", given.session)
    raise CannotRun(f"there is no {what} {plain(asked)} in this log")


def _ids(text: str) -> list[str]:
    """What the session may be called in the log: dialects show ids in forms of their own."""
    text = text.removeprefix(session.PREFIX)
    return [one for one in (text, native_id(text), uuid_of(SESSION, text)) if one is not None]
