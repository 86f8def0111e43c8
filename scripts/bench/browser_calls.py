"""Sessions with browsers as Notte's clients use them: one connection for each who calls."""

from __future__ import annotations

import http.client
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import msgspec

from scripts.bench.processes import ADMIN_KEY, Server

ANSWER_S_MAX: Final = 120.0
# Longer than any bench runs: no session ends but by a stop.
IDLE_MINUTES: Final = 30
DURATION_MINUTES: Final = 60


class Client:
    """One keep-alive connection."""

    def __init__(self, server: Server) -> None:
        self._connection = http.client.HTTPConnection(
            "127.0.0.1", server.port, timeout=ANSWER_S_MAX
        )

    def start(self) -> str:
        """A new session, whose browser is being opened."""
        body = {"idle_timeout_minutes": IDLE_MINUTES, "max_duration_minutes": DURATION_MINUTES}
        session: str = self._call("POST", "/sessions/start", body)["session_id"]
        return session

    def usable(self, session: str) -> None:
        """Return when its page has done something."""
        self._act(session, type="evaluate_js", code="1 + 1")

    def goto(self, session: str, url: str) -> None:
        """Open a page."""
        self._act(session, type="goto", url=url)

    def observe(self, session: str, actions: int) -> float:
        """Seconds that it takes to say what can be done on the page: that many things."""
        began = time.perf_counter()
        body = {"max_nb_actions": actions, "perception_type": "fast"}
        answer = self._call("POST", f"/sessions/{session}/page/observe", body)
        took = time.perf_counter() - began
        found = len(answer["space"]["interaction_actions"])
        if found != actions:
            raise RuntimeError(f"{found} actions were observed and not {actions}")
        return took

    def stop(self, session: str) -> None:
        """End the session."""
        self._call("DELETE", f"/sessions/{session}/stop", None)

    def first_use(self) -> tuple[str, float]:
        """A new session, and the seconds from the wish for it to what its page did first."""
        began = time.perf_counter()
        session = self.start()
        self.usable(session)
        return session, time.perf_counter() - began

    def whole_life(self, url: str, actions: int) -> float:
        """Seconds for a whole visit: create, open a page, look at it, stop."""
        began = time.perf_counter()
        session = self.start()
        self.goto(session, url)
        self.observe(session, actions)
        self.stop(session)
        return time.perf_counter() - began

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _act(self, session: str, **action: Any) -> None:
        answer = self._call("POST", f"/sessions/{session}/page/execute", action)
        if not answer["success"]:
            raise RuntimeError(f"{action} ended with {answer['message']}")

    def _call(self, method: str, path: str, body: Any) -> Any:
        headers = {"Authorization": f"Bearer {ADMIN_KEY}", "Content-Type": "application/json"}
        sent = None if body is None else msgspec.json.encode(body)
        self._connection.request(method, f"/notte{path}", sent, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:500]!r}")
        return msgspec.json.decode(content)


def visits_at_once(server: Server, count: int, url: str) -> tuple[list[str], float]:
    """So many sessions on that page, and the seconds until all of them are there."""
    clients = [Client(server) for _ in range(count)]

    def visit(client: Client) -> str:
        session = client.start()
        client.goto(session, url)
        return session

    began = time.perf_counter()
    with ThreadPoolExecutor(count) as threads:
        sessions = list(threads.map(visit, clients))
    took = time.perf_counter() - began
    for client in clients:
        client.close()
    return sessions, took
