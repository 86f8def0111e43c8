"""Shapes of InstaVM's machines (contract instavm.md section 5): what is asked for."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from projections.folds.vm_snapshot import Snapshot
from sessions.dialects import fastapi
from sessions.dialects.fastapi import Check, Field, Path, Wrong
from sessions.dialects.instavm import wire
from sessions.domain import commands
from sessions.domain import machine_sizes as sizes
from sessions.failure import FieldError

NAME_CHARS_MAX: Final = 200
ENTRIES_MAX: Final = 1000


class CreateVm(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `POST /v1/vms`; without a session the machine gets one of its own."""

    session_id: str | None = None
    snapshot_id: str | None = None
    vm_lifetime_seconds: int | None = None
    memory_mb: int | None = None
    vcpu_count: int | None = None
    metadata: dict[str, Any] | None = None
    env: dict[str, str] | None = None


class PatchVm(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `PATCH /v1/vms/{id}`; what is absent stays as it is."""

    metadata: dict[str, Any] | UnsetType = UNSET
    memory_mb: int | UnsetType = UNSET


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """The bodies of a snapshot (`name`) and of a clone (`snapshot_name`)."""

    name: str | None = None
    snapshot_name: str | None = None


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One variable to stage."""

    env_name: str
    value: str


class Staged(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a stage-env; of the variables it has the names."""

    vm_id: str
    staged: tuple[str, ...]
    status: str


class StageEnv(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `POST /v1/vms/{id}/stage-env`."""

    entries: list[Entry]

    @property
    def env(self) -> dict[str, str]:
        """The variables by name; of two of a name the last one counts."""
        return {entry.env_name: entry.value for entry in self.entries}


def create_vm(body: Any) -> CreateVm:
    """The body; raises Failure 422 that names every wrong field."""
    return fastapi.checked(body, _CREATE, CreateVm)


def patch_vm(body: Any) -> PatchVm:
    """The body; raises Failure 422 also for what cannot be changed.

    An answer 200 to a change that is not made is worse than none.
    """
    wrong: Wrong = []
    values = fastapi.object_of(_PATCH)(body, ("body",), wrong)
    known = {field.name for field in _PATCH}
    for name in sorted(body.keys() - known) if isinstance(body, dict) else ():
        wrong.append(FieldError(("body", name), "this cannot be changed", "extra_forbidden"))
    if wrong:
        raise fastapi.refusal(wrong)
    given = {name: value for name, value in values.items() if value is not None}
    return msgspec.convert(given, PatchVm)


def named(body: Any) -> Named:
    """The body, which may be absent; raises Failure 422."""
    return fastapi.checked({} if body is None else body, _NAMED, Named)


def stage_env(body: Any) -> StageEnv:
    """The body; raises Failure 422 that names every wrong field, and no value."""
    return fastapi.checked(body, _STAGE, StageEnv)


def to_command(wanted: CreateVm, owner: str, sealed: dict[str, str]) -> commands.CreateSession:
    """The session of a machine of its own."""
    return commands.CreateSession(
        kind="vm",
        dialect="instavm",
        owner=owner,
        metadata=wanted.metadata or {},
        spec={
            "vm_lifetime_seconds": wanted.vm_lifetime_seconds or sizes.LIFETIME_S,
            "memory_mb": wanted.memory_mb,
            "vcpu_count": wanted.vcpu_count,
            "snapshot_id": wanted.snapshot_id,
        },
        secrets=sealed,
    )


def to_change(wanted: CreateVm) -> commands.Configure | None:
    """What the machine is to be that a session does not say yet; None for nothing."""
    given = {
        "vm_lifetime_seconds": wanted.vm_lifetime_seconds,
        "memory_mb": wanted.memory_mb,
        "vcpu_count": wanted.vcpu_count,
        "snapshot_id": wanted.snapshot_id,
    }
    spec = {name: value for name, value in given.items() if value is not None}
    metadata = wanted.metadata or None
    if not spec and metadata is None:
        return None
    return commands.Configure(spec=spec or UNSET, metadata=UNSET if metadata is None else metadata)


def check_of_session(wanted: CreateVm) -> None:
    """Raises Failure 422 for an environment, which a session has from its beginning."""
    if wanted.env:
        message = "a session that is there already has its environment"
        raise fastapi.refusal([FieldError(("body", "env"), message, "value_error")])


def check_snapshot(wanted: CreateVm, snapshot: Snapshot | None) -> None:
    """Raises Failure 422 for a snapshot that is not there, and for sizes that it cannot have."""
    vcpu_count = wanted.vcpu_count
    if snapshot is None:
        error = FieldError(("body", "snapshot_id"), "there is no such snapshot", "value_error")
    elif snapshot.status != "ready":
        message = f"the snapshot is not ready: it is {snapshot.status}"
        error = FieldError(("body", "snapshot_id"), message, "value_error")
    elif vcpu_count not in (None, snapshot.vcpu_count):
        message = f"a machine that begins with this snapshot has {snapshot.vcpu_count}"
        error = FieldError(("body", "vcpu_count"), message, "value_error")
    else:
        return
    raise fastapi.refusal([error])


def _not_offered(what: str) -> Check:
    """Takes what asks for nothing (null, false, empty), and refuses the rest."""

    def check(value: Any, path: Path, wrong: Wrong) -> Any:
        if value:
            wrong.append(FieldError(path, f"this service offers no {what}", "value_error"))
        return None

    return check


def _resumes(value: Any, path: Path, wrong: Wrong) -> Any:
    fastapi.boolean(value, path, wrong)
    if value is False:
        message = "a suspended machine goes on as soon as it is used"
        wrong.append(FieldError(path, message, "value_error"))
    return None


def _no_egress(value: Any, path: Path, wrong: Wrong) -> Any:
    fastapi.mapping(value, path, wrong)
    if isinstance(value, dict) and any(value.values()):
        message = "machines have no network: nothing can be allowed"
        wrong.append(FieldError(path, message, "value_error"))
    return None


def _variant(value: Any, path: Path, wrong: Wrong) -> Any:
    if value != "standard":
        wrong.append(FieldError(path, "Input should be 'standard'", "literal_error"))
    return value


_name: Final = fastapi.text(0, NAME_CHARS_MAX)
_PLANS: Final = (
    Field("snapshot_on_terminate", _not_offered("snapshot at the end of a machine")),
    Field("snapshot_name", _not_offered("snapshot at the end of a machine")),
    Field("auto_suspend", _not_offered("suspension by itself")),
    Field("auto_resume", _resumes),
    Field("vault_ids", _not_offered("vaults")),
)
_CREATE: Final = (
    Field("session_id", fastapi.string),
    Field("snapshot_id", fastapi.string),
    Field("vm_lifetime_seconds", wire.LIFETIME),
    Field("memory_mb", wire.MEMORY),
    Field("vcpu_count", wire.VCPUS),
    Field("metadata", wire.METADATA),
    Field("env", wire.ENV),
    Field("egress_policy", _no_egress),
    Field("share", _not_offered("shared ports: machines have no network")),
    Field("custom_domain", _not_offered("domains: machines have no network")),
    Field("volumes", _not_offered("volumes")),
    Field("image_variant", _variant),
    *_PLANS,
)
_PATCH: Final = (
    Field("metadata", wire.METADATA),
    Field("memory_mb", wire.MEMORY),
    *_PLANS,
)
_NAMED: Final = (Field("name", _name), Field("snapshot_name", _name))
_ENTRY: Final = (
    Field("env_name", wire.env_name, required=True, nullable=False),
    Field("value", wire.env_value, required=True, nullable=False),
)
_STAGE: Final = (
    Field(
        "entries",
        fastapi.list_of(fastapi.object_of(_ENTRY), ENTRIES_MAX),
        required=True,
        nullable=False,
    ),
)
