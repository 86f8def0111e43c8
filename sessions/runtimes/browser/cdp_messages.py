"""Messages of the debugger's protocol, as far as they have to be understood; pure."""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

import msgspec

OWN_IDS: Final = 1 << 30
"""Numbers of the calls that the filter makes itself; a client's are smaller."""
ROOT: Final = ""
"""The session with the browser as a whole, which every connection begins with."""


class BadMessage(Exception):
    """The client speaks something else."""


class Call(msgspec.Struct, rename={"session": "sessionId"}):
    """What a client asks."""

    id: int
    method: str
    params: dict[str, Any] | None = None
    session: str = ROOT


class Heard(msgspec.Struct, rename={"session": "sessionId"}):
    """What a browser says: an answer to a call, or an event."""

    id: int | None = None
    method: str = ""
    params: msgspec.Raw = msgspec.Raw(b"{}")
    result: msgspec.Raw = msgspec.Raw(b"{}")
    error: msgspec.Raw = msgspec.Raw(b"")
    session: str = ROOT

    @property
    def failed(self) -> bool:
        """True for the answer to a call that was not done."""
        return bytes(self.error) != b""


class Out(NamedTuple):
    """A message to send on."""

    to: Literal["client", "browser"]
    text: bytes


class Target(msgspec.Struct, rename="camel"):
    """What can be debugged: a page, a frame, a worker; `browser_context_id` says whose it is."""

    target_id: str = ""
    type: str = ""
    browser_context_id: str = ""


class About(msgspec.Struct, rename="camel"):
    """What an event of targets is about."""

    target_info: Target = msgspec.field(default_factory=Target)
    target_id: str = ""
    session_id: str = ""


def call_of(text: str | bytes) -> tuple[Call, dict[str, Any]]:
    """The call of a client and its parameters; raises BadMessage for what is none."""
    try:
        call = _call.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise BadMessage("This is no call of the protocol.") from None
    if not 0 <= call.id < OWN_IDS:
        raise BadMessage(f"The number of a call is between 0 and {OWN_IDS - 1}.")
    return call, call.params or {}


def heard(raw: bytes) -> Heard:
    """What the browser says."""
    return _heard.decode(raw)


def about(params: msgspec.Raw) -> About:
    """Which target and session an event, or an answer, is about."""
    return _about.decode(params)


def info_of(params: msgspec.Raw) -> msgspec.Raw:
    """All that is told of a target."""
    return _infos.decode(params)["targetInfo"]


def asked(number: int, method: str, params: Any, session: str) -> bytes:
    """A call."""
    return _encoded({"id": number, "method": method, "params": params}, session)


def told(method: str, params: Any, session: str) -> bytes:
    """An event."""
    return _encoded({"method": method, "params": params}, session)


def answered(call: Call, result: Any) -> bytes:
    """The answer to a call."""
    return _encoded({"id": call.id, "result": result}, call.session)


def refused(call: Call, code: int, message: str) -> bytes:
    """The answer to a call that is not done."""
    said = {"id": call.id, "error": {"code": code, "message": message}}
    return _encoded(said, call.session)


def _encoded(message: dict[str, Any], session: str) -> bytes:
    if session != ROOT:
        message["sessionId"] = session
    return msgspec.json.encode(message)


_call: Final = msgspec.json.Decoder(Call)
_heard: Final = msgspec.json.Decoder(Heard)
_about: Final = msgspec.json.Decoder(About)
_infos: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
