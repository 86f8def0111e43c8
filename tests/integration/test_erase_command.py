"""`sessiond erase`, beside a running service and without one."""

import asyncio
import json

import pytest

from sessions import cli
from tests.support.process import serving
from tests.support.raw_files import vault_keys
from tests.support.service import SESSIONS, ask, create


@pytest.fixture(autouse=True)
def _plain(monkeypatch):
    monkeypatch.setattr("sessions.logging.configure", lambda *_: None)
    for name in ("DATA", "CONFIG", "ADMIN_KEY"):
        monkeypatch.delenv(f"SESSIOND_{name}", raising=False)


def erase(capsys, folder, session_id):
    """Exit code, what was printed, and what was complained of."""
    code = cli.run(["erase", "--data", str(folder), session_id])
    said = capsys.readouterr()
    return code, said.out, said.err


def check_erased(capsys, folder, session_id):
    for _ in range(2):
        code, out, err = erase(capsys, folder, session_id)
        assert (code, err) == (0, "")
        assert json.loads(out) == {"id": session_id, "erased": True}


async def actors(client, session_id):
    page = await ask(client, "GET", f"{SESSIONS}/{session_id}/events")
    return [commit["actor"] for commit in page["items"]]


@pytest.mark.slow(reason="starts the service twice")
async def test_erase_with_and_without_a_running_service(tmp_path, capsys):
    folder = tmp_path / "data"
    async with serving(folder) as service:
        async with service.client() as client:
            one, two = [await create(client, secrets={"A": "x"}) for _ in range(2)]
            await asyncio.to_thread(check_erased, capsys, folder, one["id"])
            assert list(vault_keys(folder)) == [f"session/{two['id']}"]
            assert await actors(client, one["id"]) == ["key:admin", "owner"]
            code, out, err = await asyncio.to_thread(erase, capsys, folder, "no such/../one?")
            assert (code, out) == (1, "")
            assert err == "sessiond: There is no such session.\n"
        await service.stop()
    await asyncio.to_thread(check_erased, capsys, folder, two["id"])
    assert vault_keys(folder) == {}
    code, out, err = await asyncio.to_thread(erase, capsys, folder, "no such/../one?")
    assert (code, out, err) == (1, "", "sessiond: There is no such session.\n")
    async with serving(folder) as service, service.client() as client:
        assert await actors(client, two["id"]) == ["key:admin", "service"]


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_without_a_log_is_refused_and_left_alone(tmp_path, capsys, there):
    folder = tmp_path / "data"
    if there:
        folder.mkdir()
    code, out, err = erase(capsys, folder, "x")
    assert (code, out) == (1, "")
    assert err == f"sessiond: {folder} is no data folder: there is no log in it\n"
    assert [*tmp_path.rglob("*")] == ([folder] if there else [])
