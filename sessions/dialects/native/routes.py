"""The routes of the native API, as data; the OpenAPI document is made from the same."""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from sessions.dialects.native import (
    artifacts,
    browsers,
    executions,
    keys,
    log,
    openapi,
    sessions,
    views,
    vms,
    wire,
    work,
)
from sessions.dialects.native import browser_operations as visits
from sessions.dialects.native import machine_operations as runs
from sessions.dialects.native import operations as of
from sessions.dialects.native import work_operations as jobs
from sessions.dialects.native.operation import route
from sessions.observe import routes as observe
from sessions.web import health
from sessions.web.answer import Answer
from sessions.web.surface import Surface

_SESSION: Final = "/api/v1/sessions/{id}"


async def openapi_json(_: web.Request) -> web.Response:
    """This document."""
    return Answer(DOCUMENT)


ROUTES: Final = (
    route("GET", "/livez", health.livez, "livez", of.LIVEZ),
    route("GET", "/readyz", health.readyz, "readyz", of.READYZ),
    route("GET", "/metrics", health.metrics, "metrics", of.METRICS),
    route("GET", "/api/v1/openapi.json", openapi_json, "openapi", of.OPENAPI),
    route("POST", "/api/v1/views/rebuild", views.rebuild, "views.rebuild", of.VIEWS_REBUILD),
    route("GET", "/api/v1/views/rebuild", views.progress, "views.progress", of.VIEWS_PROGRESS),
    route("POST", "/api/v1/sessions", sessions.create, "sessions.create", of.SESSIONS_CREATE),
    route("GET", "/api/v1/sessions", sessions.list_, "sessions.list", of.SESSIONS_LIST),
    route("GET", _SESSION, sessions.get, "sessions.get", of.SESSIONS_GET),
    route("PATCH", _SESSION, sessions.patch, "sessions.patch", of.SESSIONS_PATCH),
    route("DELETE", _SESSION, sessions.delete, "sessions.delete", of.SESSIONS_DELETE),
    route(
        "POST",
        f"{_SESSION}/transitions",
        sessions.transition,
        "sessions.transition",
        of.SESSIONS_TRANSITION,
    ),
    route("POST", f"{_SESSION}/extend", sessions.extend, "sessions.extend", of.SESSIONS_EXTEND),
    route(
        "POST",
        f"{_SESSION}/messages",
        sessions.add_message,
        "sessions.messages.add",
        of.SESSIONS_MESSAGES_ADD,
    ),
    route(
        "GET", f"{_SESSION}/messages", sessions.messages, "sessions.messages", of.SESSIONS_MESSAGES
    ),
    route("GET", f"{_SESSION}/events", sessions.events, "sessions.events", of.SESSIONS_EVENTS),
    route("GET", f"{_SESSION}/why", sessions.why, "sessions.why", of.SESSIONS_WHY),
    route(
        "POST",
        f"{_SESSION}/artifacts",
        artifacts.add,
        "sessions.artifacts.add",
        of.SESSIONS_ARTIFACTS_ADD,
    ),
    route(
        "GET",
        f"{_SESSION}/artifacts",
        artifacts.list_,
        "sessions.artifacts",
        of.SESSIONS_ARTIFACTS,
    ),
    route(
        "GET",
        f"{_SESSION}/artifacts/{{sha256}}",
        artifacts.get,
        "sessions.artifacts.get",
        of.SESSIONS_ARTIFACTS_GET,
    ),
    route(
        "GET",
        f"{_SESSION}/evidence",
        artifacts.evidence,
        "sessions.evidence",
        of.SESSIONS_EVIDENCE,
    ),
    route(
        "POST",
        f"{_SESSION}/executions",
        executions.add,
        "sessions.executions.add",
        runs.SESSIONS_EXECUTIONS_ADD,
    ),
    route(
        "GET",
        f"{_SESSION}/executions",
        executions.list_,
        "sessions.executions",
        runs.SESSIONS_EXECUTIONS,
    ),
    route(
        "GET",
        f"{_SESSION}/executions/{{execution}}",
        executions.get,
        "sessions.executions.get",
        runs.SESSIONS_EXECUTIONS_GET,
    ),
    route(
        "GET",
        f"{_SESSION}/browser",
        browsers.of_session,
        "sessions.browser",
        visits.SESSIONS_BROWSER,
    ),
    route("GET", f"{_SESSION}/vms", vms.of_session, "sessions.vms", of.SESSIONS_VMS),
    route("GET", "/api/v1/vms", vms.list_, "vms.list", of.VMS_LIST),
    route("GET", "/api/v1/vms/{id}", vms.get, "vms.get", of.VMS_GET),
    route("POST", f"{_SESSION}/work", work.offer, "sessions.work", jobs.SESSIONS_WORK),
    route("GET", "/api/v1/work", work.list_, "work.list", jobs.WORK_LIST),
    route("POST", "/api/v1/work/claims", work.claim, "work.claim", jobs.WORK_CLAIM),
    route("POST", "/api/v1/work/{id}/poll", work.poll, "work.poll", jobs.WORK_POLL),
    route("POST", "/api/v1/work/{id}/reports", work.report, "work.report", jobs.WORK_REPORT),
    route("POST", "/api/v1/work/{id}/release", work.release, "work.release", jobs.WORK_RELEASE),
    route("GET", "/api/v1/observe", observe.observe, "observe", of.OBSERVE),
    route("GET", "/api/v1/feed", observe.feed, "feed", of.FEED),
    route("GET", "/api/v1/log/head", log.head, "log.head", of.LOG_HEAD),
    route(
        "GET",
        "/api/v1/log/consistency",
        log.consistency,
        "log.consistency",
        of.LOG_CONSISTENCY,
    ),
    route("POST", "/api/v1/log/verify", log.verify, "log.verify", of.LOG_VERIFY),
    route("GET", "/api/v1/log/verify", log.verification, "log.verification", of.LOG_VERIFICATION),
    route(
        "DELETE",
        "/api/v1/log/verify",
        log.stop_verification,
        "log.verification.stop",
        of.LOG_VERIFICATION_STOP,
    ),
    route("POST", "/api/v1/keys", keys.issue, "keys.issue", of.KEYS_ISSUE),
    route("GET", "/api/v1/keys", keys.list_, "keys.list", of.KEYS_LIST),
    route("DELETE", "/api/v1/keys/{id}", keys.revoke, "keys.revoke", of.KEYS_REVOKE),
)

DOCUMENT: Final = msgspec.json.encode(openapi.document(ROUTES))
"""The OpenAPI document, made once and served as it is."""

SURFACE: Final = Surface(name="native", prefix="", routes=ROUTES, failure=wire.problem)
