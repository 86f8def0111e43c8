"""What InstaVM's API says of the network: its machines have none here (contract section 4)."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from sessions.dialects import fastapi
from sessions.dialects.fastapi import Check, Field, Path, Wrong
from sessions.failure import FieldError

NO_ADDRESS: Final = (
    "The machines of this service have no network: no address leads to a port of one."
)
LIST_MAX: Final = 1000


class Egress(msgspec.Struct, frozen=True, kw_only=True):
    """What a machine may reach: nothing, whatever is asked for."""

    target_type: str
    target_id: str
    status: str = "disabled"
    detail: str = "machines have no network"
    allow_public_repos: bool = False
    allow_package_managers: bool = False
    allow_http: bool = False
    allow_https: bool = False
    allowed_domains: tuple[str, ...] = ()
    allowed_cidrs: tuple[str, ...] = ()


def check_egress(body: Any) -> None:
    """Raises Failure 422 for what is no policy, or one that would let something through."""
    fastapi.checked(body, _EGRESS, dict[str, Any])


def _denied(check: Check) -> Check:
    def denied(value: Any, path: Path, wrong: Wrong) -> Any:
        faults = len(wrong)
        check(value, path, wrong)
        if value and len(wrong) == faults:
            message = "machines have no network: nothing can be allowed"
            wrong.append(FieldError(path, message, "value_error"))
        return value

    return denied


_flag: Final = _denied(fastapi.boolean)
_list: Final = _denied(fastapi.list_of(fastapi.string, LIST_MAX))
_EGRESS: Final = (
    Field("allow_public_repos", _flag),
    Field("allow_package_managers", _flag),
    Field("allow_http", _flag),
    Field("allow_https", _flag),
    Field("allowed_domains", _list),
    Field("allowed_cidrs", _list),
)
