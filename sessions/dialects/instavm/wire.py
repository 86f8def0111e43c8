"""Shapes of InstaVM's API (contract instavm.md): requests, answers; errors are FastAPI's."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

from projections.folds.session import SECOND_US, Session
from projections.folds.vm import Vm, VmStatus, expiry
from sessions.dialects import fastapi
from sessions.dialects.fastapi import Field, Path, Wrong
from sessions.dialects.instants import instant
from sessions.domain import commands, policy
from sessions.domain.machine_sizes import (
    LIFETIME_S,
    LIFETIME_S_MAX,
    LIFETIME_S_MIN,
    MEMORY_MB_MAX,
    MEMORY_MB_MIN,
    VCPU_COUNT,
    VCPU_COUNTS,
)
from sessions.failure import Failure, FieldError, Reply

ENV_MAX: Final = 1000

# Clients take nothing but `active` for a machine that lives (section 7).
VM_STATUS: Final[dict[VmStatus, str]] = {
    "requested": "creating",
    "starting": "creating",
    "running": "active",
    "suspended": "suspended",
    "stopped": "killed",
    "lost": "killed",
}


class CreateSession(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `POST /v1/sessions/session` (section 2)."""

    api_key: str
    vm_lifetime_seconds: int | None = None
    memory_mb: int | None = None
    vcpu_count: int | None = None
    metadata: dict[str, Any] | None = None
    env: dict[str, str] | None = None


class Created(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a create."""

    session_id: str


class SessionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A session and its settings; of its environment only the names."""

    session_id: str
    vm_lifetime_seconds: int
    memory_mb: int | None
    vcpu_count: int
    metadata: dict[str, Any]
    env_names: tuple[str, ...]
    created_at: datetime


class SessionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a session has a machine and how that is (section 4.1)."""

    session_id: str
    exists: bool
    vm_assigned: bool
    vm_alive: bool
    vm_status: str | None
    vm_id: str | None
    uptime_seconds: int | None
    expires_in_seconds: int | None
    created_at: datetime


def create_session(body: Any) -> CreateSession:
    """The body; raises Failure 422 that names every wrong field."""
    return fastapi.checked(body, _CREATE, CreateSession)


def to_command(body: CreateSession, owner: str, sealed: dict[str, str]) -> commands.CreateSession:
    """The session that `body` makes; one with an environment waits for its machine at once."""
    return commands.CreateSession(
        kind="vm",
        dialect="instavm",
        owner=owner,
        status="queued" if sealed else "pending",
        metadata=body.metadata or {},
        spec={
            "vm_lifetime_seconds": body.vm_lifetime_seconds or LIFETIME_S,
            "memory_mb": body.memory_mb,
            "vcpu_count": body.vcpu_count or VCPU_COUNT,
        },
        secrets=sealed,
    )


def session_info(state: Session) -> SessionInfo:
    """The session with what it was asked for."""
    return SessionInfo(
        session_id=state.id,
        vm_lifetime_seconds=_number(state, "vm_lifetime_seconds") or LIFETIME_S,
        memory_mb=_number(state, "memory_mb"),
        vcpu_count=_number(state, "vcpu_count") or VCPU_COUNT,
        metadata=state.metadata,
        env_names=tuple(state.secrets),
        created_at=_without_zone(state.created_at),
    )


def session_status(state: Session, vm: Vm | None, now_us: int) -> SessionStatus:
    """How the session and its newest machine are at `now_us`."""
    if vm is None:
        return SessionStatus(
            session_id=state.id,
            exists=True,
            vm_assigned=False,
            vm_alive=False,
            vm_status="killed" if state.ended else None,
            vm_id=None,
            uptime_seconds=None,
            expires_in_seconds=None,
            created_at=_without_zone(state.created_at),
        )
    alive = vm.status == "running"
    killed = VM_STATUS[vm.status] == "killed"
    uptime_s = max(0, now_us - (vm.started_at or vm.created_at)) // SECOND_US
    ends_at = expiry(vm)
    left_s = max(0, ends_at - now_us) // SECOND_US if alive and ends_at is not None else None
    return SessionStatus(
        session_id=state.id,
        exists=True,
        # To clients a machine that is assigned and not alive is a dead one.
        vm_assigned=VM_STATUS[vm.status] != "creating",
        vm_alive=alive,
        vm_status=VM_STATUS[vm.status],
        vm_id=vm.id,
        uptime_seconds=uptime_s if alive else None,
        expires_in_seconds=0 if killed else left_s,
        created_at=_without_zone(state.created_at),
    )


def encode_failure(failure: Failure) -> Reply:
    """A refusal in FastAPI's shape; what was deleted is unknown here (section 6).

    422 is for what is wrong with a request; what a machine does not take is 400.
    """
    if failure.status == 410:
        failure = Failure(404, failure.code, failure.detail)
    elif failure.code == "guest_refused":
        failure = Failure(400, failure.code, failure.detail)
    return fastapi.encode_failure(failure)


def env_name(value: Any, path: Path, wrong: Wrong) -> Any:
    """The name of a variable."""
    if not isinstance(value, str):
        return fastapi.string(value, path, wrong)
    if not value or "=" in value or "\0" in value:
        message = "a name is not empty and holds neither = nor NUL"
        wrong.append(FieldError(path, message, "value_error"))
    return value


def env_value(value: Any, path: Path, wrong: Wrong) -> Any:
    """The value of a variable."""
    fastapi.string(value, path, wrong)
    if isinstance(value, str) and "\0" in value:
        wrong.append(FieldError(path, "a value holds no NUL", "value_error"))
    return value


def _number(state: Session, name: str) -> int | None:
    # The native API takes any spec.
    value = state.spec.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _without_zone(at_us: int) -> datetime:
    return instant(at_us).replace(tzinfo=None)


METADATA: Final = fastapi.mapping_of(fastapi.anything, fastapi.anything, policy.METADATA_KEYS_MAX)
ENV: Final = fastapi.mapping_of(env_value, env_name, ENV_MAX)
LIFETIME: Final = fastapi.integer(LIFETIME_S_MIN, LIFETIME_S_MAX)
MEMORY: Final = fastapi.integer(MEMORY_MB_MIN, MEMORY_MB_MAX)
VCPUS: Final = fastapi.one_of(*VCPU_COUNTS)
_CREATE: Final = (
    Field("api_key", fastapi.string, required=True, nullable=False),
    Field("vm_lifetime_seconds", LIFETIME),
    Field("memory_mb", MEMORY),
    Field("vcpu_count", VCPUS),
    Field("metadata", METADATA),
    Field("env", ENV),
)
