"""Shapes of `/sessions/{id}/cookies` (contract notte.md section 3.6); Chrome's and Playwright's."""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec

from sessions.dialects import fastapi
from sessions.dialects.fastapi import Field, Path, Wrong
from sessions.failure import FieldError

COOKIES_MAX: Final = 1_000
NAME_CHARS_MAX: Final = 4096
DOMAIN_CHARS_MAX: Final = 1024
SAME_SITE: Final = {
    "lax": "Lax",
    "strict": "Strict",
    "none": "None",
    "no_restriction": "None",
    "unspecified": None,
}
"""As Playwright calls them, by the words of clients and of Chrome's extensions."""
UNTIL_CLOSED: Final = -1.0


class Cookie(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A cookie for the client."""

    name: str
    value: str
    domain: str
    path: str
    http_only: bool
    secure: bool
    session: bool
    host_only: bool
    expires: float | None
    expiration_date: float | None
    same_site: str | None
    partition_key: str | None


class Cookies(msgspec.Struct, frozen=True):
    """All cookies of the browser."""

    cookies: list[Cookie]


class Taken(msgspec.Struct, frozen=True):
    """The cookies are in the browser."""

    success: bool
    message: str


def set_cookies(body: Any) -> list[dict[str, Any]]:
    """The cookies as Playwright takes them; raises Failure 422."""
    wrong: Wrong = []
    asked = fastapi.object_of(_BODY)(body, ("body",), wrong)
    if wrong:
        raise fastapi.refusal(wrong)
    return [_to_playwright(cookie) for cookie in asked["cookies"]]


def cookies(found: list[dict[str, Any]]) -> Cookies:
    """The browser's cookies as the client reads them."""
    return Cookies([_of_playwright(cookie) for cookie in found])


def taken(count: int) -> Taken:
    """So many cookies were taken."""
    return Taken(True, f"{count} cookie{'' if count == 1 else 's'} set")


def _of_playwright(cookie: dict[str, Any]) -> Cookie:
    expires = cookie.get("expires")
    lasts = isinstance(expires, int | float) and expires >= 0
    until = float(expires) if lasts and expires is not None else None
    domain = cookie.get("domain", "")
    partition = cookie.get("partitionKey")
    return Cookie(
        name=cookie["name"],
        value=cookie["value"],
        domain=domain,
        path=cookie.get("path", "/"),
        http_only=bool(cookie.get("httpOnly")),
        secure=bool(cookie.get("secure")),
        session=until is None,
        host_only=not domain.startswith("."),
        expires=until,
        expiration_date=until,
        same_site=cookie.get("sameSite"),
        partition_key=partition if isinstance(partition, str) else None,
    )


def _to_playwright(cookie: dict[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in cookie.items() if value is not None}
    made = {name: given[name] for name in ("name", "value", "path", "httpOnly")}
    # A cookie of one host alone has no dot before it; one of all below it has.
    domain = given["domain"]
    made["domain"] = domain.lstrip(".") if given.get("hostOnly") else domain
    made["secure"] = given.get("secure", False)
    until = given.get("expires", given.get("expirationDate", UNTIL_CLOSED))
    made["expires"] = UNTIL_CLOSED if given.get("session") or until < 0 else until
    same_site = SAME_SITE[given.get("sameSite", "unspecified").lower()]
    if same_site is not None:
        made["sameSite"] = same_site
    if given.get("partitionKey"):
        made["partitionKey"] = given["partitionKey"]
    return made


def _number(value: Any, path: Path, wrong: Wrong) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or abs(value) > _SECONDS_MAX:
        wrong.append(FieldError(path, "Input should be a valid number", "float_type"))
        return UNTIL_CLOSED
    return float(value)


def _same_site(value: Any, path: Path, wrong: Wrong) -> Any:
    if not (isinstance(value, str) and value.lower() in SAME_SITE):
        message = "Input should be 'Lax', 'None' or 'Strict'"
        wrong.append(FieldError(path, message, "literal_error"))
    return value


def _domain(value: Any, path: Path, wrong: Wrong) -> Any:
    _domain_text(value, path, wrong)
    if isinstance(value, str) and not value.strip("."):
        wrong.append(FieldError(path, "Input should name a host"))
    return value


# The last second of the year 9999; a date is made of it.
_SECONDS_MAX: Final = 253_402_300_799
_domain_text: Final = fastapi.text(0, DOMAIN_CHARS_MAX)
_text: Final = fastapi.text(0, NAME_CHARS_MAX)
_COOKIE: Final = (
    Field("name", _text, required=True, nullable=False),
    Field("value", _text, required=True, nullable=False),
    Field("domain", _domain, required=True, nullable=False),
    Field("path", _text, required=True, nullable=False),
    Field("httpOnly", fastapi.boolean, required=True, nullable=False),
    Field("secure", fastapi.boolean),
    Field("session", fastapi.boolean),
    Field("hostOnly", fastapi.boolean),
    Field("expires", _number),
    Field("expirationDate", _number),
    Field("sameSite", _same_site),
    Field("partitionKey", _text),
)
_BODY: Final = (
    Field(
        "cookies",
        fastapi.list_of(fastapi.object_of(_COOKIE), COOKIES_MAX),
        required=True,
        nullable=False,
    ),
)
