"""The routes of turns, spans, runs and the simulated user, as data."""

from __future__ import annotations

from typing import Final

from sessions.dialects.galtea import runs, spans, turns
from sessions.web.surface import Handler, Route


def _route(method: str, path: str, handler: Handler, name: str) -> Route:
    return Route(method=method, path=path, handler=handler, name=name)


TURN_ROUTES: Final = (
    _route("POST", "/inferenceResults", turns.create, "inferenceResults.create"),
    _route("POST", "/inferenceResults/batch", turns.create_batch, "inferenceResults.create-batch"),
    _route("GET", "/inferenceResults", turns.list_, "inferenceResults.list"),
    _route("GET", "/inferenceResults/{id}", turns.get, "inferenceResults.get"),
    _route("PATCH", "/inferenceResults/{id}", turns.change, "inferenceResults.change"),
    _route("DELETE", "/inferenceResults/{id}", turns.delete, "inferenceResults.delete"),
    _route("POST", "/traces", spans.create, "traces.create"),
    _route("POST", "/traces/batch", spans.create_batch, "traces.create-batch"),
    _route("GET", "/traces", spans.list_, "traces.list"),
    _route("GET", "/traces/{id}", spans.get, "traces.get"),
    _route("DELETE", "/traces/{id}", spans.delete, "traces.delete"),
    _route("POST", "/runs", runs.create, "runs.create"),
    _route("GET", "/runs", runs.list_, "runs.list"),
    _route("GET", "/runs/{id}", runs.get, "runs.get"),
    _route("POST", "/runs/{id}/close", runs.close, "runs.close"),
    _route("DELETE", "/runs/{id}", runs.delete, "runs.delete"),
    _route(
        "POST",
        "/conversationSimulator/generateNextUserMessage",
        turns.next_message,
        "conversationSimulator.generate-next-user-message",
    ),
)
