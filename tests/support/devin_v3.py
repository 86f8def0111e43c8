"""What tests ask of Devin's API v3, in one line each."""

from __future__ import annotations

from typing import Any, Final

from tests.support.service import ask, bearer, client_of, new_key

PROMPT: Final = "Review the pull request"
PREFIX: Final = "/devin/v3"

Client = Any


class Org:
    """An organisation, and a client with a key of its own."""

    def __init__(self, client: Client, tenant: str) -> None:
        self.client = client
        self.tenant = tenant
        self.id = f"org-{tenant}"
        self.path = f"{PREFIX}/organizations/{self.id}"

    async def ask(self, method: str, path: str, status: int = 200, **request: Any) -> Any:
        """The JSON of an answer with that status; `path` is below the organisation."""
        return await ask(self.client, method, f"{self.path}{path}", status, **request)

    async def made(self, prompt: str = PROMPT, **body: Any) -> Any:
        """A new session."""
        return await self.ask("POST", "/sessions", json={"prompt": prompt, **body})

    async def listed(self, query: Any = "") -> list[str]:
        """The ids of one page of sessions."""
        page = await self.ask("GET", "/sessions", params=query)
        return [one["session_id"] for one in page["items"]]

    async def refused(self, method: str, path: str, status: int, **request: Any) -> Any:
        """What a refusal says: one text, or for 422 the path of each wrong field."""
        error = await self.ask(method, path, status, **request)
        assert error.keys() == {"detail"}, (method, path, error)
        if status != 422:
            assert isinstance(error["detail"], str)
            assert error["detail"]
            return error["detail"]
        for wrong in error["detail"]:
            assert wrong.keys() == {"loc", "msg", "type"}, wrong
        return [wrong["loc"] for wrong in error["detail"]]


def at(session: Any, rest: str = "") -> str:
    """Where a session is, below its organisation."""
    return f"/sessions/{session['session_id']}{rest}"


async def org_of(aiohttp_client: Any, shared: Any, tenant: str, *scopes: str) -> Org:
    """An organisation in a service that others use too."""
    admin = await client_of(aiohttp_client, shared)
    wanted = scopes or ("sessions:read", "sessions:write", "work")
    key = (await new_key(admin, tenant, *wanted, prefix="cog_"))["key"]
    return Org(await aiohttp_client(shared, headers=bearer(key)), tenant)
