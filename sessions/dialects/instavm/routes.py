"""The routes of InstaVM's API, as data."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from sessions.dialects.instavm import (
    account,
    executions,
    files,
    network,
    sandboxes,
    sessions,
    snapshots,
    terminal_socket,
    terminals,
    vms,
    wire,
)
from sessions.web.surface import Handler, Route, Surface


def _route(method: str, path: str, handler: Handler, name: str) -> Route:
    # All of it is at the root too: a client is told one address for all its calls.
    return Route(method=method, path=path, handler=handler, name=name, root=True)


def _terminals(below: str, create: Handler, list_: Handler, name: str) -> tuple[Route, ...]:
    """The routes of terminals below a session or a machine."""
    one = below + "/pty/sessions/{pty}"
    return (
        _route("POST", below + "/pty/sessions", create, f"{name}.create"),
        _route("GET", below + "/pty/sessions", list_, f"{name}.list"),
        _route("GET", one, terminals.get, f"{name}.get"),
        _route("DELETE", one, terminals.kill, f"{name}.kill"),
        _route("POST", one + "/resize", terminals.resize, f"{name}.resize"),
        _route("GET", below + "/pty/{pty}/connect", terminal_socket.connect, f"{name}.connect"),
    )


_SESSIONS: Final = (
    _route("POST", "/v1/sessions/session", sessions.create, "sessions.create"),
    _route("GET", "/v1/sessions/session/{id}", sessions.info, "sessions.info"),
    _route("GET", "/v1/sessions/status/{id}", sessions.status, "sessions.status"),
    _route("GET", "/v1/sessions/usage/{id}", sandboxes.usage, "sessions.usage"),
    _route("GET", "/v1/sessions/app-url/{id}", network.app_url, "sessions.app_url"),
    _route("GET", "/v1/sessions/sandboxes", sandboxes.list_, "sessions.sandboxes"),
    _route("POST", "/execute", executions.execute, "executions.execute"),
    _route("POST", "/execute_async", executions.execute_async, "executions.execute_async"),
    _route("GET", "/v1/executions/{id}", executions.task, "executions.get"),
    _route("POST", "/kill", executions.kill, "sessions.kill"),
    _route("POST", "/upload", files.upload, "files.upload"),
    _route("POST", "/download", files.download, "files.download"),
    _route("GET", "/v1/egress/session/{id}", network.session_egress, "egress.session"),
    _route("POST", "/v1/egress/session/{id}", network.set_session_egress, "egress.set_session"),
)
_VMS: Final = (
    _route("POST", "/v1/vms", vms.create, "vms.create"),
    _route("GET", "/v1/vms", vms.live, "vms.live"),
    _route("GET", "/v1/vms/", vms.all_records, "vms.all"),
    _route("GET", "/v1/vms/{vm}", vms.get, "vms.get"),
    _route("PATCH", "/v1/vms/{vm}", vms.patch, "vms.patch"),
    _route("DELETE", "/v1/vms/{vm}", vms.delete, "vms.delete"),
    _route("POST", "/v1/vms/{vm}/suspend", vms.suspend, "vms.suspend"),
    _route("POST", "/v1/vms/{vm}/resume", vms.resume, "vms.resume"),
    _route("POST", "/v1/vms/{vm}/clone", snapshots.clone, "vms.clone"),
    _route("POST", "/v1/vms/{vm}/snapshot", snapshots.of_vm, "vms.snapshot"),
    _route("POST", "/v1/vms/{vm}/stage-env", vms.stage_env, "vms.stage_env"),
    _route("GET", "/v1/vms/{vm}/volumes", vms.volumes, "vms.volumes"),
    _route("GET", "/v1/egress/vm/{vm}", network.vm_egress, "egress.vm"),
    _route("POST", "/v1/egress/vm/{vm}", network.set_vm_egress, "egress.set_vm"),
    _route("POST", "/v1/snapshots", snapshots.build, "snapshots.build"),
    _route("GET", "/v1/snapshots", snapshots.list_, "snapshots.list"),
    _route("GET", "/v1/snapshots/{id}", snapshots.get, "snapshots.get"),
    _route("DELETE", "/v1/snapshots/{id}", snapshots.delete, "snapshots.delete"),
)
_ACCOUNT: Final = (
    _route("GET", "/v1/users/me", account.me, "users.me"),
    _route("GET", "/v1/users/me/usage-breakdown", sandboxes.usage_breakdown, "users.usage"),
    _route("GET", "/v1/ssh-keys", account.ssh_keys, "users.ssh_keys"),
)
# Behind the prefix alone: at the root these paths may be somebody else's.
_NOT_OFFERED: Final = tuple(
    Route(method="*", path=f"/v1/{{family:{family}}}{{rest:(/.*)?}}", handler=refuse, name=family)
    for family, what in account.NOT_OFFERED.items()
    for refuse in (account.not_offered(what),)
)

ROUTES: Final = (
    *_SESSIONS,
    *_VMS,
    *_terminals(
        "/v1/sessions/{id}",
        terminals.create_in_session,
        terminals.list_in_session,
        "terminals.session",
    ),
    *_terminals("/v1/vms/{vm}", terminals.create_in_vm, terminals.list_in_vm, "terminals.vm"),
    *_ACCOUNT,
    *_NOT_OFFERED,
)

SURFACE: Final = Surface(
    name="instavm", prefix="/instavm", routes=ROUTES, failure=wire.encode_failure
)
# A client whose base address ends with a slash puts another one after it (section 3).
AFTER_A_SLASH: Final = Surface(
    name="instavm",
    prefix="/instavm/",
    routes=tuple(replace(route, root=False) for route in ROUTES),
    failure=wire.encode_failure,
)
