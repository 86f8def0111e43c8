"""Sessions with machines as InstaVM's clients use them: one connection for each who calls."""

from __future__ import annotations

import http.client
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import msgspec

from scripts.bench.processes import ADMIN_KEY, Server

ECHO: Final = "echo hello"
SAID: Final = "hello\n"
ANSWER_S_MAX: Final = 120.0
# Longer than any bench runs: no machine ends but by a kill.
LIFETIME_S: Final = 3600


class Client:
    """One keep-alive connection."""

    def __init__(self, server: Server) -> None:
        self._connection = http.client.HTTPConnection(
            "127.0.0.1", server.port, timeout=ANSWER_S_MAX
        )

    def create(self) -> str:
        """A session whose machine is made at once."""
        body = {
            "api_key": ADMIN_KEY,
            "env": {"BENCH": "1"},
            "vm_lifetime_seconds": LIFETIME_S,
        }
        session: str = self._call("POST", "/v1/sessions/session", body)["session_id"]
        return session

    def echo(self, session: str) -> float:
        """Seconds that an `echo` takes; a machine is made where there is none."""
        began = time.perf_counter()
        body = {"session_id": session, "command": ECHO, "language": "bash"}
        answer = self._call("POST", "/execute", body)
        took = time.perf_counter() - began
        if answer["stdout"] != SAID or answer["exit_code"] != 0:
            raise RuntimeError(f"echo was answered with {answer}")
        return took

    def kill(self, session: str) -> None:
        """End the machine of a session."""
        self._call("POST", "/kill", {"session_id": session})

    def first_echo(self) -> tuple[str, float]:
        """A new session, and the seconds from the wish for it to the answer to its first echo."""
        began = time.perf_counter()
        session = self.create()
        self.echo(session)
        return session, time.perf_counter() - began

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _call(self, method: str, path: str, body: Any) -> Any:
        headers = {"X-API-Key": ADMIN_KEY, "Content-Type": "application/json"}
        self._connection.request(method, path, msgspec.json.encode(body), headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status not in (200, 201):
            raise RuntimeError(f"{method} {path}: {answer.status} {content!r}")
        return msgspec.json.decode(content)


def first_echoes_at_once(server: Server, count: int) -> tuple[list[str], float]:
    """So many new sessions at the same time, and the seconds until all of them have echoed."""
    clients = [Client(server) for _ in range(count)]
    began = time.perf_counter()
    with ThreadPoolExecutor(count) as threads:
        sessions = [session for session, _ in threads.map(Client.first_echo, clients)]
    took = time.perf_counter() - began
    for client in clients:
        client.close()
    return sessions, took


def echoes_at_once(server: Server, sessions: list[str]) -> None:
    """Have a machine for each of the sessions."""
    with ThreadPoolExecutor(len(sessions)) as threads:
        list(threads.map(lambda session: _once(server, session), sessions))


def _once(server: Server, session: str) -> None:
    client = Client(server)
    try:
        client.echo(session)
    finally:
        client.close()
