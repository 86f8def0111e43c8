"""Ranges of what a command carries; each raises InvalidValue with the name of the field."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from sessions.domain import policy
from sessions.domain.rejections import InvalidValue

_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_MEDIA_TYPE: Final = re.compile(rf"{_TOKEN}/{_TOKEN}( *;[ -~]*)?")


def title(value: str) -> None:
    """At most TITLE_CHARS_MAX characters."""
    _at_most("title", len(value), policy.TITLE_CHARS_MAX, "characters")


def labels(value: Sequence[str]) -> None:
    """At most LABELS_MAX labels of 1 to LABEL_CHARS_MAX characters."""
    _at_most("labels", len(value), policy.LABELS_MAX, "labels")
    for label in value:
        if not label:
            raise InvalidValue("labels", "a label is not empty")
        _at_most("labels", len(label), policy.LABEL_CHARS_MAX, "characters a label")


def metadata(value: Mapping[str, object]) -> None:
    """At most METADATA_KEYS_MAX keys."""
    _at_most("metadata", len(value), policy.METADATA_KEYS_MAX, "keys")


def secrets(value: Mapping[str, str]) -> None:
    """At most SECRETS_MAX, with names of 1 to SECRET_NAME_CHARS_MAX characters; before sealing."""
    _at_most("secrets", len(value), policy.SECRETS_MAX, "secrets")
    for name, plaintext in value.items():
        if not name:
            raise InvalidValue("secrets", "a name is not empty")
        _at_most("secrets", len(name), policy.SECRET_NAME_CHARS_MAX, "characters a name")
        _at_most("secrets", len(plaintext), policy.SECRET_CHARS_MAX, "characters a value")


def detail(value: str) -> None:
    """At most DETAIL_CHARS_MAX characters."""
    _at_most("detail", len(value), policy.DETAIL_CHARS_MAX, "characters")


def content(value: str) -> None:
    """At most CONTENT_CHARS_MAX characters."""
    _at_most("content", len(value), policy.CONTENT_CHARS_MAX, "characters")


def channel_type(value: str) -> None:
    """At most CHANNEL_TYPE_CHARS_MAX characters."""
    _at_most("type", len(value), policy.CHANNEL_TYPE_CHARS_MAX, "characters")


def token(value: str | None) -> None:
    """At most TOKEN_CHARS_MAX characters."""
    _at_most("token", len(value or ""), policy.TOKEN_CHARS_MAX, "characters")


def artifact_name(value: str) -> None:
    """One name of a file, without a path."""
    _at_most("name", len(value), policy.ARTIFACT_NAME_CHARS_MAX, "characters")
    if not value.isprintable() or value in ("", ".", "..") or set(value) & set("/\\"):
        raise InvalidValue("name", "the name of a file, without slashes or control characters")


def media_type(value: str) -> None:
    """A type and a subtype, with or without parameters (RFC 9110 section 8.3.1)."""
    _at_most("media_type", len(value), policy.MEDIA_TYPE_CHARS_MAX, "characters")
    if not _MEDIA_TYPE.fullmatch(value):
        raise InvalidValue("media_type", "a media type such as image/png")


def artifacts(count: int, total: int) -> None:
    """At most ARTIFACTS_MAX of them, with ARTIFACT_BYTES_MAX bytes in all."""
    _at_most("artifacts", count, policy.ARTIFACTS_MAX, "artifacts")
    _at_most("artifacts", total, policy.ARTIFACT_BYTES_MAX, "bytes")


def clocks(idle_timeout_s: int | None, max_duration_s: int) -> None:
    """Both between 1 second and DURATION_S_MAX, the idle clock not the longer one."""
    if idle_timeout_s is not None:
        _duration("idle_timeout_s", idle_timeout_s)
    _duration("max_duration_s", max_duration_s)
    if idle_timeout_s is not None and idle_timeout_s > max_duration_s:
        raise InvalidValue("idle_timeout_s", f"at most max_duration_s, which is {max_duration_s}")


def _duration(field: str, value: int) -> None:
    if not 0 < value <= policy.DURATION_S_MAX:
        raise InvalidValue(field, f"between 1 and {policy.DURATION_S_MAX}")


def _at_most(field: str, size: int, limit: int, unit: str) -> None:
    if size > limit:
        raise InvalidValue(field, f"at most {limit} {unit}, not {size}")
