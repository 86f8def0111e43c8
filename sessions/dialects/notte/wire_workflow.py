"""The visit of a session as a script for the client (contract notte.md section 3.2), and as JSON.

What went into fields for secrets is in neither: a script reads it from the environment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from sessions.browser_answers import Step
from sessions.dialects.notte.wire_observations import selector
from sessions.runtimes.browser import port

HIDDEN: Final = "***"
_SAME: Final = (
    *("url", "wait_until", "key", "amount", "time_ms", "tab_index", "code"),
    *("clear_before_fill", "press_enter"),
)
_ON_ELEMENTS: Final = frozenset(
    {"click", "fill", "check", "select_dropdown_option", "upload_file", "download_file"}
)
_JSON: Final = "json.loads("
_FOOT: Final = '\n\nif __name__ == "__main__":\n    run()\n'


class Script(msgspec.Struct, frozen=True):
    """The visit, twice."""

    python_script: str
    json_actions: list[dict[str, Any]]


def script(steps: Sequence[Step], *, whole: bool) -> Script:
    """What succeeded, in order; a `whole` script runs as it is, else it is the inner lines."""
    actions = [_action(step) for step in steps if _counts(step)]
    secrets: list[str] = []
    lines = [_line(action, secrets) for action in actions]
    if not whole:
        return Script("\n".join(lines) + "\n" if lines else "", actions)
    forms = any(_JSON in line for line in lines)
    imports = ["import json"] * forms + ["import os", ""] if secrets else []
    head = [
        *imports,
        "from notte_sdk import NotteClient",
        "",
        "",
        "def run():",
        "    client = NotteClient()",
        "    with client.Session() as session:",
    ]
    body = [f"        {line}" for line in lines or ["pass"]]
    return Script("\n".join([*head, *body]) + _FOOT, actions)


def _counts(step: Step) -> bool:
    return step.success and step.kind in ("acted", "scraped")


def _action(step: Step) -> dict[str, Any]:
    """A step as `page/execute` takes it."""
    if step.kind == "scraped":
        return {"type": "scrape"}
    told = step.action
    action: dict[str, Any] = {"type": step.type}
    if step.type in _ON_ELEMENTS:
        action["id"] = told.get("id") or ""
        if step.label:
            action["text_label"] = step.label
    if told.get("selector"):
        found = msgspec.convert(told["selector"], port.Selector, strict=False)
        action["selector"] = msgspec.to_builtins(selector(found))
    action |= {name: told[name] for name in _SAME if told.get(name) not in (None, "")}
    if step.type == "form_fill":
        action["value"] = told.get("values") or {}
    elif told.get("value") is not None:
        action["value"] = told["value"]
    if told.get("file"):
        action["file_path"] = str(told["file"]).rsplit("/", 1)[-1]
    return action


def _line(action: dict[str, Any], secrets: list[str]) -> str:
    """The call that does it again; an element is found by its selector where there is one."""
    if action["type"] == "scrape":
        return "session.scrape()"
    given = dict(action)
    given.pop("text_label", None)
    if "selector" in given:
        given["selector"] = _short(given["selector"])
        given.pop("id", None)
    literals = {name: _literal(value, secrets) for name, value in given.items()}
    if given["type"] == "form_fill" and given["value"] == HIDDEN:
        literals["value"] = f"{_JSON}{literals['value']})"
    said = ", ".join(f"{name}={literal}" for name, literal in literals.items())
    return f"session.execute({said})"


def _short(found: dict[str, Any]) -> Any:
    """The one text that finds an element, or the whole selector of one inside of a frame."""
    if found["in_iframe"] or found["in_shadow_root"]:
        return {name: value for name, value in found.items() if value is not None}
    return found["playwright_selector"]


def _literal(value: Any, secrets: list[str]) -> str:
    if value == HIDDEN:
        secrets.append(f"SECRET_{len(secrets) + 1}")
        return f'os.environ["{secrets[-1]}"]'
    if isinstance(value, dict):
        items = (f"{key!r}: {_literal(each, secrets)}" for key, each in value.items())
        return "{" + ", ".join(items) + "}"
    return repr(value)
