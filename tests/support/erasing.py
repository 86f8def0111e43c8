"""A session full of things that must not be found, made through every way in."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.raw_files import holding, holding_any, vault_keys
from tests.support.service import SESSIONS, ask, create


class Marked(NamedTuple):
    """Sessions whose every secret holds a marker of its own, and one whose secrets stay."""

    ids: list[str]
    markers: list[str]
    artifact: str
    other: str


def _marker() -> str:
    return f"marker-{secrets.token_hex(12)}"


async def marked(client: Any) -> Marked:
    """Make the sessions, in three dialects, each with a sensitive message; an artifact in one."""
    markers = [_marker() for _ in range(9)]
    texts = {"A": markers[0], "B": f'{markers[1]} "\n', "C": markers[2]}
    native = await create(client, "vm", secrets=texts)
    body = {"api_key": _key_of(client)}  # with an environment it would begin, or fail, at once
    instavm = (await ask(client, "POST", "/instavm/v1/sessions/session", json=body))["session_id"]
    listed = [{"key": "D", "value": markers[3]}, {"key": "E", "value": markers[4]}]
    prompt = {"prompt": "x", "session_secrets": listed}
    devin = (await ask(client, "POST", "/devin/v1/sessions", json=prompt))["session_id"]
    hexed = devin.removeprefix("devin-")
    parts = (hexed[:8], hexed[8:12], hexed[12:16], hexed[16:20], hexed[20:])
    ids = [native["id"], instavm, "-".join(parts)]
    for id_, marker in zip(ids, markers[5:8], strict=True):
        said = {"content": marker, "sensitive": True, "data": {"k": f"data of {marker}"}}
        await ask(client, "POST", f"{SESSIONS}/{id_}/messages", 201, json=said)
    path = f"{SESSIONS}/{ids[0]}/artifacts"
    await ask(client, "POST", path, 201, params={"name": "a.txt"}, data=markers[8].encode())
    other = await create(client, secrets={"F": _marker()})
    return Marked(ids, markers[:8], markers[8], other["id"])


def _key_of(client: Any) -> str:
    headers: dict[str, str] = getattr(client, "session", client).headers
    return headers["Authorization"].removeprefix("Bearer ")


def keys_of(folder: Path, made: Marked) -> list[bytes]:
    """The keys of the marked sessions."""
    keys = vault_keys(folder)
    return [keys[f"session/{id_}"] for id_ in made.ids]


def check_sealed(folder: Path, made: Marked, keys: list[bytes]) -> None:
    """Fail unless plaintexts are in no file, and what is to go is where it belongs."""
    assert holding_any(folder, made.markers) == {}
    (file,) = holding(folder, made.artifact)
    assert file.startswith(f"artifacts/{made.ids[0]}/")
    for key in keys:
        assert set(holding(folder, key)) <= {"vault.db", "vault.db-wal"}
        assert holding(folder, key)


def check_gone(folder: Path, made: Marked, keys: list[bytes]) -> None:
    """Fail unless plaintexts, keys and artifact are in no file, and the other session is whole."""
    assert holding_any(folder, [*made.markers, made.artifact, *keys]) == {}
    assert list(vault_keys(folder)) == [f"session/{made.other}"]
