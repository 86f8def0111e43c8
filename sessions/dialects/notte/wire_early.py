"""What the early API asks for (contract notte.md, section 2): body and query, the body first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec

from sessions.dialects import fastapi, queries
from sessions.dialects.fastapi import Check, Field, Path, Wrong
from sessions.dialects.notte.wire_actions import URL_CHARS_MAX, WAIT_MS_MAX
from sessions.dialects.notte.wire_observations import ACTIONS, ACTIONS_MAX
from sessions.dialects.notte.wire_scraping import NO_MODEL
from sessions.dialects.notte.wire_start import no_session_id
from sessions.domain import commands
from sessions.domain.policy import MINUTE_S
from sessions.failure import FieldError
from sessions.runtimes.browser.port import Action, ActionType, ScrapeWanted

TIMEOUT_MINUTES: Final = 5
TIMEOUT_MINUTES_MAX: Final = 30
SECOND_MS: Final = 1000
ID_CHARS_MAX: Final = 128
T = TypeVar("T")

GOTO, SCRAPE, SCREENSHOT, WAIT, TERMINATE = "S1", "S2", "S3", "S7", "S8"
_MOVES: Final[dict[str, ActionType]] = {"S4": "go_back", "S5": "go_forward", "S6": "reload"}


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """A session that is wanted: by `start`, or by an operation that names none.

    None of `keep_alive` means that nobody said; such a session is closed by who made it.
    """

    timeout_minutes: int
    keep_alive: bool | None
    screenshot: bool | None


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Which session an operation is about; without an id it opens one of its own."""

    session_id: str | None
    start: Start


class Observe(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `env/observe`."""

    target: Target
    url: str
    actions_max: int


class Scrape(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `env/scrape`."""

    target: Target
    url: str
    wanted: ScrapeWanted


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `env/step`; `action` is None for what only looks, and for the end (S8)."""

    target: Target
    action_id: str
    value: str
    enter: bool
    actions_max: int
    action: Action | None


def start(body: Any, query: Mapping[str, str]) -> Start:
    """What `session/start` asks for; raises Failure 400."""
    return _start(_merged(body, query, _START))


def target(body: Any, query: Mapping[str, str]) -> Target:
    """The session that `session/close` is about; raises Failure 400."""
    return _target(_merged(body, query, _COMMON))


def observe(body: Any, query: Mapping[str, str]) -> Observe:
    """What `env/observe` asks for; raises Failure 400."""
    asked = _merged(body, query, _OBSERVE)
    return Observe(
        target=_target(asked), url=asked.get("url") or "", actions_max=_actions_max(asked)
    )


def scrape(body: Any, query: Mapping[str, str]) -> Scrape:
    """What `env/scrape` asks for; raises Failure 400."""
    asked = _merged(body, query, _SCRAPE)
    wanted = ScrapeWanted(
        links=_given(asked, "scrape_links", True),
        images=_given(asked, "scrape_images", False),
        only_main_content=_given(asked, "only_main_content", True),
    )
    return Scrape(target=_target(asked), url=asked.get("url") or "", wanted=wanted)


def step(body: Any, query: Mapping[str, str]) -> Step:
    """What `env/step` asks for; raises Failure 400."""
    asked = _merged(body, query, _STEP)
    about = _target(asked)
    if about.session_id is None:
        raise _refused("session_id", "a step needs a session that was started")
    action_id = asked["action_id"]
    value = asked.get("value")
    return Step(
        target=about,
        action_id=action_id,
        value=value or "",
        enter=bool(asked.get("enter")),
        actions_max=_actions_max(asked),
        action=_special(action_id, value),
    )


def element_action(asked: Step, type_: ActionType) -> Action:
    """What `asked` does to an element that takes this type of action."""
    value: str | bool | None = asked.value
    if type_ == "click":
        value = None
    elif type_ == "check":
        # A box that is only named is ticked, as by a click into an empty one.
        value = queries.truth(asked.value) is not False
    return Action(type=type_, id=asked.action_id, value=value, press_enter=asked.enter)


def goes_on(spec: Mapping[str, Any], asked: Start) -> bool:
    """Whether a session that was started stays after an operation.

    Only one that was started to be closed after it does not, unless the operation keeps it.
    """
    return spec.get(ONE_SHOT) is not True or asked.keep_alive is True


def to_command(asked: Start, owner: str) -> commands.CreateSession:
    """The session that `asked` makes."""
    spec: dict[str, Any] = {
        "session_timeout_minutes": asked.timeout_minutes,
        "keep_alive": asked.keep_alive is True,
        "screenshot": asked.screenshot,
    }
    return commands.CreateSession(
        kind="browser",
        dialect="notte",
        owner=owner,
        status="queued",
        spec={**spec, ONE_SHOT: True} if asked.keep_alive is False else spec,
        idle_timeout_s=asked.timeout_minutes * MINUTE_S,
    )


def wants_screenshot(asked: Start, spec: Mapping[str, Any]) -> bool:
    """Whether an operation shows the page, by itself or as its session was started."""
    wanted = spec.get("screenshot") if asked.screenshot is None else asked.screenshot
    return wanted is True


def _special(action_id: str, value: str | None) -> Action | None:
    """What a special action does; None for an element, and for what only looks or ends."""
    if action_id == GOTO:
        if not value:
            raise _refused("value", f"{GOTO} goes to the address that stands in value")
        return Action(type="goto", url=value)
    if action_id == WAIT:
        return Action(type="wait", time_ms=_milliseconds(value))
    move = _MOVES.get(action_id)
    return None if move is None else Action(type=move)


def _milliseconds(value: str | None) -> int:
    try:
        waited = round(float(value or "") * SECOND_MS)
    except (ValueError, OverflowError):
        waited = -1
    if not 0 <= waited <= WAIT_MS_MAX:
        longest = WAIT_MS_MAX // SECOND_MS
        raise _refused("value", f"{WAIT} waits for as many seconds as value says, 0 to {longest}")
    return waited


def _refused(name: str, message: str) -> Exception:
    return fastapi.refusal([FieldError(("body", name), message)], 400)


def _merged(body: Any, query: Mapping[str, str], fields: Sequence[Field]) -> dict[str, Any]:
    wrong: Wrong = []
    # A query need not have what a body must.
    in_query = [msgspec.structs.replace(field, required=False) for field in fields]
    asked: dict[str, Any] = fastapi.object_of(in_query)(_query_values(query), ("query",), wrong)
    raw = {} if body is None else body
    if isinstance(raw, dict):
        raw = {**{name: asked[name] for name in _NEEDED & asked.keys()}, **raw}
    said: Any = fastapi.object_of(fields)(raw, ("body",), wrong)
    if wrong:
        raise fastapi.refusal(wrong, 400)
    # The time-out of the body wins, under whichever of its names it comes.
    if not said.keys().isdisjoint(_TIMEOUTS):
        asked = {name: value for name, value in asked.items() if name not in _TIMEOUTS}
    return {**asked, **said}


def _start(asked: Mapping[str, Any]) -> Start:
    minutes = (asked[name] for name in _TIMEOUTS if name in asked)
    return Start(
        timeout_minutes=next(minutes, TIMEOUT_MINUTES),
        keep_alive=asked.get("keep_alive"),
        screenshot=asked.get("screenshot"),
    )


def _target(asked: Mapping[str, Any]) -> Target:
    return Target(session_id=asked.get("session_id"), start=_start(asked))


def _actions_max(asked: Mapping[str, Any]) -> int:
    """The larger number counts where the smaller one is not given, as the client says."""
    return asked.get("min_nb_actions") or asked.get("max_nb_actions") or ACTIONS


def _given(asked: Mapping[str, Any], name: str, default: T) -> T:
    value = asked.get(name)
    return default if value is None else value


def _needs_a_model(value: Any, path: Path, wrong: Wrong) -> Any:
    if value not in ("", {}):
        wrong.append(FieldError(path, NO_MODEL, "not_available"))
    return value


def _query_values(query: Mapping[str, str]) -> dict[str, Any]:
    return {name: _IN_QUERY.get(name, _same)(value) for name, value in query.items()}


def _same(text: str) -> str:
    return text


def _boolean(text: str) -> bool | str:
    found = queries.truth(text)
    return text if found is None else found


def _integer(text: str) -> int | str:
    digits = text.removeprefix("-")
    fits = digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS_MAX
    return int(text) if fits else text


ONE_SHOT: Final = "one_shot"
_DIGITS_MAX: Final = 9
# Of the two names the client's goes before the one that only the documentation knows.
_TIMEOUTS: Final = ("session_timeout_minutes", "session_timeout")
_NEEDED: Final = frozenset({"action_id"})
_minutes: Final = fastapi.integer(1, TIMEOUT_MINUTES_MAX)
_count: Final = fastapi.integer(1, ACTIONS_MAX)


def _common(session_id: Check) -> tuple[Field, ...]:
    return (
        Field("session_id", session_id),
        Field("keep_alive", fastapi.boolean, nullable=False),
        *(Field(name, _minutes, nullable=False) for name in _TIMEOUTS),
        Field("screenshot", fastapi.boolean),
    )


_START: Final = _common(no_session_id)
_COMMON: Final = _common(fastapi.text(1, ID_CHARS_MAX))
_COUNTS: Final = (
    Field("min_nb_actions", _count),
    Field("max_nb_actions", _count, nullable=False),
)
_OBSERVE: Final = (*_COMMON, *_COUNTS, Field("url", fastapi.text(0, URL_CHARS_MAX)))
_SCRAPE: Final = (
    *_OBSERVE,
    Field("scrape_images", fastapi.boolean, nullable=False),
    Field("scrape_links", fastapi.boolean),
    Field("only_main_content", fastapi.boolean, nullable=False),
    Field("response_format", _needs_a_model),
    Field("instructions", _needs_a_model),
)
_STEP: Final = (
    *_COMMON,
    *_COUNTS,
    Field("action_id", fastapi.text(1, ID_CHARS_MAX), required=True, nullable=False),
    Field("value", fastapi.string),
    Field("enter", fastapi.boolean),
)
_IN_QUERY: Final[dict[str, Callable[[str], Any]]] = {
    **dict.fromkeys(
        (
            "keep_alive",
            "screenshot",
            "scrape_images",
            "scrape_links",
            "only_main_content",
            "enter",
        ),
        _boolean,
    ),
    **dict.fromkeys((*_TIMEOUTS, "min_nb_actions", "max_nb_actions"), _integer),
}
