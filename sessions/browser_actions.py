"""Actions as the log has them: what may be told in clear, and what only the key opens."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from projections.events.browser import BrowserActed
from sessions.browser_addresses import without_user
from sessions.browser_book import BrowserBook
from sessions.runtimes.browser.port import Action, Done, Selector

HIDDEN: Final = "***"
MESSAGE_CHARS_MAX: Final = 1_000
TEXT_CHARS_MAX: Final = 2_000
_ALWAYS_HIDDEN: Final = frozenset({"code", "values"})
_VALUES_IN_CLEAR: Final = frozenset({"check"})


def fields_of(action: Action) -> dict[str, Any]:
    """What was said of the action, without what is as usual."""
    fields: dict[str, Any] = {}
    for name in Action.__struct_fields__:
        value = getattr(action, name)
        if name != "type" and value != _USUAL[name]:
            fields[name] = value
    if action.selector is not None:
        fields["selector"] = _selector(action.selector)
    if action.file is not None:
        fields["file"] = action.file.name
    return fields


def hidden_in(action: Action) -> tuple[str, ...]:
    """The names of the fields that only the key of the session opens."""
    return tuple(name for name in fields_of(action) if _hides(action, name))


async def asked_for(book: BrowserBook, session_id: str, action: Action) -> str:
    """The hidden fields of an action, sealed; raises StorageError and SubjectErased."""
    fields = fields_of(action)
    hidden = {name: fields[name] for name in hidden_in(action)}
    return await book.seal(session_id, hidden) if hidden else ""


def acted_fact(
    action: Action, sealed: str, done: Done, duration_ms: int, files: tuple[str, ...]
) -> BrowserActed:
    """What is told of an action that was done."""
    hidden = hidden_in(action)
    clear = {name: value for name, value in fields_of(action).items() if name not in hidden}
    if done.selector is not None:  # an id means nothing on another day
        clear.setdefault("selector", _selector(done.selector))
    place = done.place
    return BrowserActed(
        type=action.type,
        success=done.success,
        action=_bounded(clear),
        hidden=hidden,
        sealed=sealed,
        secret=done.secret,
        message=_unsaid(done.message, action)[:MESSAGE_CHARS_MAX],
        error_type=done.error_type[:MESSAGE_CHARS_MAX],
        label=done.label[:MESSAGE_CHARS_MAX],
        url="" if place is None else without_user(place.url),
        title="" if place is None else place.title[:300],
        duration_ms=max(0, duration_ms),
        files=files,
    )


def _hides(action: Action, name: str) -> bool:
    if name == "value":
        return action.type not in _VALUES_IN_CLEAR
    return name in _ALWAYS_HIDDEN


def _unsaid(message: str, action: Action) -> str:
    """The message without what must not be in clear."""
    if action.url:
        message = message.replace(action.url, without_user(action.url))
    hidden = [action.code, *action.values.values()]
    if _hides(action, "value") and isinstance(action.value, str):
        hidden.append(action.value)
    for text in sorted(filter(None, hidden), key=len, reverse=True):
        message = message.replace(text, HIDDEN)
    return message


def _bounded(fields: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for name, value in fields.items():
        if name == "url":
            found[name] = without_user(value)
        else:
            found[name] = value[:TEXT_CHARS_MAX] if isinstance(value, str) else value
    return found


def _selector(selector: Selector) -> dict[str, Any]:
    given = msgspec.structs.asdict(selector)
    usual = msgspec.structs.asdict(Selector())
    told = {name: value for name, value in given.items() if value != usual[name]}
    return {
        name: value[:TEXT_CHARS_MAX] if isinstance(value, str) else value
        for name, value in told.items()
    }


_USUAL: Final[dict[str, Any]] = msgspec.structs.asdict(Action(type="wait"))
