"""What `page/execute` takes (contract notte.md section 3.6): one action of a known type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from sessions.dialects import fastapi
from sessions.dialects.fastapi import Field, Path, Wrong
from sessions.dialects.notte import wire_scraping
from sessions.failure import FieldError
from sessions.runtimes.browser.port import Action, ActionType, ScrapeWanted, Selector

TIMEOUT_MS: Final = 15_000
TIMEOUT_MS_MAX: Final = 60_000
WAIT_MS_MAX: Final = 30_000
PIXELS_MAX: Final = 1_000_000
URL_CHARS_MAX: Final = 32_768
SELECTOR_CHARS_MAX: Final = 16_384
FRAMES_MAX: Final = 32
ID_CHARS_MAX: Final = 128
KEY_CHARS_MAX: Final = 128
PATH_CHARS_MAX: Final = 4096

NOT_AVAILABLE: Final = {
    "captcha_solve": "solving CAPTCHAs needs a paid third party",
    "email_verification_read": "there are no mailboxes that could be read",
    "email_read": "there are no mailboxes that could be read",
    "sms_read": "there are no phone numbers that could be read",
    "help": "no agent runs here that could ask for help",
    "completion": "no agent runs here that could complete a task",
}
"""Types that clients know and that cannot be done here, and why."""

FORM_FIELDS: Final = (
    "title",
    "first_name",
    "middle_name",
    "last_name",
    "full_name",
    "email",
    "company",
    "address1",
    "address2",
    "address3",
    "city",
    "state",
    "postal_code",
    "country",
    "phone",
    "cc_name",
    "cc_number",
    "cc_exp_month",
    "cc_exp_year",
    "cc_exp",
    "cc_cvv",
    "username",
    "password",
    "current_password",
    "new_password",
    "totp",
)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """An action as it was asked for: exactly one of `action`, `scrape` and `refused` is there."""

    told: dict[str, Any]
    """As it came; the answer says it again."""
    action: Action | None = None
    file_path: str = ""
    """Of `upload_file`: the name of a file of the session."""
    scrape: ScrapeWanted | None = None
    refused: str = ""


def execute(body: Any) -> Asked:
    """The action that is wanted; raises Failure 422."""
    if not isinstance(body, dict):
        fastapi.checked(body, (), Asked)
    name = body.get("type")
    if "type" not in body:
        raise fastapi.refusal([FieldError(("body", "type"), "Field required", "missing")])
    if isinstance(name, str) and name in NOT_AVAILABLE:
        return Asked(told=body, refused=f"{name} is not available here: {NOT_AVAILABLE[name]}.")
    if name == "scrape":
        return Asked(told=body, scrape=wire_scraping.scrape(body).wanted)
    if not isinstance(name, str) or name not in _FIELDS:
        message = f"Input should be one of {', '.join(sorted((*_FIELDS, 'scrape')))}"
        raise fastapi.refusal([FieldError(("body", "type"), message, "literal_error")])
    wrong: Wrong = []
    values = fastapi.object_of(_FIELDS[name])(body, ("body",), wrong)
    if name in _ON_ELEMENTS and not wrong and not (values.get("id") or values.get("selector")):
        message = "an element is named by its id or by a selector"
        wrong.append(FieldError(("body", "id"), message))
    if wrong:
        raise fastapi.refusal(wrong)
    values = {field: value for field, value in values.items() if value is not None}
    return Asked(told=body, action=_action(name, values), file_path=values.get("file_path", ""))


def _action(name: str, values: dict[str, Any]) -> Action:
    filled = values.get("value")
    form = filled if isinstance(filled, dict) else {}
    return Action(
        type=_TYPES.get(name) or msgspec.convert(name, ActionType),
        id=values.get("id", "").removesuffix("[:]"),
        selector=values.get("selector"),
        value=None if form else filled,
        values=form,
        url=values.get("url", ""),
        wait_until=values.get("wait_until", ""),
        key=values.get("key", ""),
        amount=values.get("amount"),
        time_ms=values.get("time_ms", 0),
        tab_index=values.get("tab_index", 0),
        code=values.get("code", ""),
        clear_before_fill=values.get("clear_before_fill", True),
        press_enter=values.get("press_enter", False),
        timeout_ms=min(values.get("timeout") or TIMEOUT_MS, TIMEOUT_MS_MAX),
    )


def _selector(value: Any, path: Path, wrong: Wrong) -> Any:
    """A selector, as a text or as an object; None for one that says nothing."""
    if isinstance(value, str):
        _selector_text(value, path, wrong)
        return _of_text(value)
    found = fastapi.object_of(_SELECTOR)(value, path, wrong)
    if wrong or not isinstance(found, dict):
        return None
    given = {name: text for name, text in found.items() if text}
    if not given.keys() & {"css_selector", "xpath_selector", "playwright_selector"}:
        if value:
            message = "one of css_selector, xpath_selector and playwright_selector is needed"
            wrong.append(FieldError(path, message))
        return None
    return Selector(
        css=given.get("css_selector", ""),
        xpath=given.get("xpath_selector", ""),
        playwright=given.get("playwright_selector", ""),
        frames=tuple(given.get("iframe_parent_css_selectors", ())),
        in_shadow_root=given.get("in_shadow_root", False),
    )


def _of_text(text: str) -> Selector | None:
    """As the client reads one: a prefix says which kind it is, `~` looks for a text."""
    if not text.strip():
        return None
    if text.startswith("xpath="):
        return Selector(xpath=text.removeprefix("xpath="))
    if text.startswith("css="):
        return Selector(css=text.removeprefix("css="))
    if text.startswith("~"):
        quoted = text.replace("~", "").strip().replace("\\", "\\\\").replace('"', '\\"')
        return Selector(playwright=f'internal:text="{quoted}"')
    return Selector(playwright=text)


def _form(value: Any, path: Path, wrong: Wrong) -> Any:
    """What goes into a form; nulls are left out, and `password` is the current one."""
    if isinstance(value, dict):
        value = {name: text for name, text in value.items() if text is not None}
        if not value:
            message = f"at least one field is needed: {', '.join(FORM_FIELDS)}"
            wrong.append(FieldError(path, message))
        if {"password", "current_password"} <= value.keys():
            wrong.append(FieldError(path, "password and current_password are the same field"))
    values = _form_values(value, path, wrong)
    if wrong or "password" not in values:
        return values
    return {
        "current_password" if name == "password" else name: text for name, text in values.items()
    }


_selector_text: Final = fastapi.text(0, SELECTOR_CHARS_MAX)
_form_values: Final = fastapi.mapping_of(fastapi.string, fastapi.word(*FORM_FIELDS))
_SELECTOR: Final = (
    Field("css_selector", _selector_text),
    Field("xpath_selector", _selector_text),
    Field("playwright_selector", _selector_text),
    Field("in_shadow_root", fastapi.boolean),
    Field("iframe_parent_css_selectors", fastapi.list_of(_selector_text, FRAMES_MAX)),
)

_url: Final = Field("url", fastapi.text(1, URL_CHARS_MAX), required=True, nullable=False)
_text: Final = Field("value", fastapi.string, required=True, nullable=False)
_clear: Final = Field("clear_before_fill", fastapi.boolean)
_WAIT_UNTIL: Final = ("commit", "domcontentloaded", "load", "networkidle")
_ELEMENT: Final = (
    Field("id", fastapi.text(0, ID_CHARS_MAX)),
    Field("selector", _selector),
    Field("press_enter", fastapi.boolean),
    Field("timeout", fastapi.integer(0)),
)
_SCROLL: Final = (Field("amount", fastapi.integer(0, PIXELS_MAX)), Field("selector", _selector))
_fill: Final = (*_ELEMENT, _text, _clear)

_FIELDS: Final[Mapping[str, Sequence[Field]]] = {
    "goto": (_url, Field("wait_until", fastapi.word(*_WAIT_UNTIL))),
    "goto_new_tab": (_url,),
    "close_tab": (),
    "switch_tab": (
        Field("tab_index", fastapi.integer(-1_000, 1_000), required=True, nullable=False),
    ),
    "go_back": (),
    "go_forward": (),
    "reload": (),
    "wait": (Field("time_ms", fastapi.integer(0, WAIT_MS_MAX), required=True, nullable=False),),
    "press_key": (Field("key", fastapi.text(1, KEY_CHARS_MAX), required=True, nullable=False),),
    "scroll_up": _SCROLL,
    "scroll_down": _SCROLL,
    "evaluate_js": (Field("code", fastapi.text(1), required=True, nullable=False),),
    "form_fill": (Field("value", _form, required=True, nullable=False),),
    "click": _ELEMENT,
    "fill": _fill,
    "multi_factor_fill": _fill,
    "fallback_fill": _fill,
    "check": (*_ELEMENT, Field("value", fastapi.boolean, required=True, nullable=False)),
    "select_dropdown_option": (*_ELEMENT, _text),
    "upload_file": (
        *_ELEMENT,
        Field("file_path", fastapi.text(1, PATH_CHARS_MAX), required=True, nullable=False),
    ),
    "download_file": _ELEMENT,
}
_TYPES: Final[Mapping[str, ActionType]] = {"multi_factor_fill": "fill", "fallback_fill": "fill"}
_ON_ELEMENTS: Final = frozenset(name for name, fields in _FIELDS.items() if fields[:4] == _ELEMENT)
ACTION_TYPES: Final = frozenset((*_FIELDS, *NOT_AVAILABLE, "scrape"))
"""All that clients know."""
