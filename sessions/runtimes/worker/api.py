"""What a worker asks of the service over HTTP, and the few ways in which an answer can go wrong.

WorkError
    Unreachable   no answer, or one that says: later
    Refused       what was sent cannot be taken as it is
    Denied        the key does not open this
    Fenced        the session is not this worker's any more
    Ended         the session has ended
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeVar

import aiohttp
import msgspec

from sessions.runtimes.worker.claim import Claim, Heard, Reported, claim_of
from sessions.version import version

PATH: Final = "/api/v1/work"
SPARE_S: Final = 10.0
"""How long the service may take longer to answer than it was asked to wait."""
_WORDS_MAX: Final = 500

T = TypeVar("T")


class WorkError(Exception):
    """The service did not do as it was asked."""


class Unreachable(WorkError):
    """Try again later."""


class Refused(WorkError):
    """What was sent is not taken; the same again would not be either."""


class Denied(WorkError):
    """The key does not open this."""


class Fenced(WorkError):
    """Another worker has the session, or nobody."""


class Ended(WorkError):
    """Nothing more happens to the session."""


class _Problem(msgspec.Struct):
    code: str = ""
    detail: str = ""
    title: str = ""


class WorkApi:
    """The calls of one worker; the key goes to this service only, whatever it redirects to."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url.rstrip("/")
        self._client = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {key}", "User-Agent": f"sessiond-work/{version()}"},
            connector=aiohttp.TCPConnector(limit=0),
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def claim(
        self, kind: str, worker: str, labels: Sequence[str], wait_s: float
    ) -> Claim | None:
        """A session to work on; None where there is none within `wait_s`."""
        asked = {"kind": kind, "worker": worker, "labels": labels, "wait_s": wait_s}
        told = await self._call("/claims", asked, dict[str, Any], wait_s + SPARE_S)
        try:
            return None if told is None else claim_of(told)
        except msgspec.ValidationError as error:
            raise Unreachable(f"a claim that is none: {error}"[:_WORDS_MAX]) from None

    async def poll(self, claim: Claim, after: int, wait_s: float, within_s: float) -> Heard:
        """What users have said since `after`; renews the lease."""
        asked = {"generation": claim.generation, "after": after, "wait_s": wait_s}
        return _there(await self._call(f"/{claim.session_id}/poll", asked, Heard, within_s))

    async def report(
        self, claim: Claim, sequence: int, reports: Sequence[msgspec.Raw], within_s: float
    ) -> Reported:
        """Tell what has happened; a repeated `sequence` counts once. Renews the lease."""
        told = {"generation": claim.generation, "sequence": sequence, "reports": reports}
        return _there(await self._call(f"/{claim.session_id}/reports", told, Reported, within_s))

    async def release(self, claim: Claim, why: str, detail: str, within_s: float) -> None:
        """Give the session back."""
        told = {"generation": claim.generation, "why": why, "detail": detail}
        await self._call(f"/{claim.session_id}/release", told, dict[str, Any], within_s)

    async def _call(self, path: str, body: Any, shape: type[T], within_s: float) -> T | None:
        """The decoded answer; None where it is empty. Raises WorkError."""
        try:
            async with self._client.post(
                f"{self.url}{PATH}{path}",
                data=msgspec.json.encode(body),
                headers={"Content-Type": "application/json"},
                timeout=aiohttp.ClientTimeout(total=within_s),
                allow_redirects=False,
            ) as answer:
                content = await answer.read()
                if answer.status == 204:
                    return None
                if answer.status == 200:
                    return msgspec.json.decode(content, type=shape)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unreachable(f"{type(error).__name__}: {error}"[:_WORDS_MAX]) from None
        except msgspec.DecodeError as error:
            raise Unreachable(f"an answer that is none: {error}"[:_WORDS_MAX]) from None
        raise _error_of(answer.status, content)


def _there(answer: T | None) -> T:
    if answer is None:
        raise Unreachable("an empty answer")
    return answer


def _error_of(status: int, content: bytes) -> WorkError:
    try:
        problem = msgspec.json.decode(content, type=_Problem)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        problem = _Problem()
    told = f"{status} {problem.code}: {problem.detail or problem.title}"[:_WORDS_MAX]
    if status in (401, 403):
        return Denied(told)
    if problem.code == "session_ended":
        return Ended(told)
    if problem.code == "fenced" or status in (404, 410):
        return Fenced(told)
    if status in (400, 413, 422):
        return Refused(told)
    return Unreachable(told)
