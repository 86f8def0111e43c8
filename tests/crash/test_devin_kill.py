"""kill -9 at each step of an attachment and of a secret: nothing is left half done (devin.md 3)."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from eventstore.vault import Vault
from tests.support.devin import SECRET, the_file
from tests.support.dying import ENTRIES, last_words
from tests.support.logs import check_log
from tests.support.process import serving
from tests.support.raw_files import vault_keys
from tests.support.replays import opened_log
from tests.support.service import ask

pytestmark = pytest.mark.slow(reason="starts, kills and starts the service at 8 steps")

ATTACHMENTS = "/devin/v1/attachments"
SECRETS = "/devin/v1/secrets"
DATA = b"of the file that comes last"

Client = Any


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in (folder / "artifacts").rglob("*")}


async def before(client: Client) -> tuple[str, str]:
    """Keep a file and a secret; where they are."""
    url = await ask(client, "POST", ATTACHMENTS, data=the_file(b"of the first file"))
    secret = await ask(client, "POST", SECRETS, json=SECRET)
    return "/" + url.split("/", 3)[3], f"{SECRETS}/{secret['id']}"


async def last(client: Client, step: str, secret: str) -> None:
    """Ask for what comes to the step."""
    if step.startswith("attachment"):
        await client.post(ATTACHMENTS, data=the_file(DATA))
    elif step == "secret: sealed, not told":
        await client.post(SECRETS, json={**SECRET, "key": "SECOND"})
    else:
        await client.delete(secret)


@pytest.mark.parametrize("step", ENTRIES)
async def test_attachments_and_secrets_survive_kill_9(tmp_path: Path, step: str) -> None:
    folder = tmp_path / "data"
    # The first file and the first secret come by the same steps.
    count = 2 if step.startswith("attachment") or step == "secret: sealed, not told" else 1
    environ = {"DIE_AT": step, "DIE_COUNT": str(count)}
    async with serving(folder, module="tests.support.dying", environ=environ) as service:
        async with service.client() as client:
            url, secret = await before(client)
            there = files_of(folder)
            with pytest.raises(aiohttp.ClientError):
                await last(client, step, secret)
        await service.exited()
        assert service.stderr.endswith(last_words(step))
    async with serving(folder) as service:
        async with service.client() as client:
            async with client.get(url) as answer:
                assert await answer.read() == b"of the first file"
            told = step == "attachment: told, not settled"
            new = files_of(folder) - there
            assert {len(Path(name).parts) for name in new} == ({2, 3} if told else set()), new
            gone = step.startswith("secret: key in") or step.endswith(
                ("not finished", "not answered")
            )
            names = [each["key"] for each in await ask(client, "GET", SECRETS)]
            assert names == ([] if gone else [SECRET["key"]])
            kept = [name for name in vault_keys(folder) if name.startswith("catalog/")]
            assert len(kept) == (0 if gone else 2 if step == "secret: sealed, not told" else 1)
            if gone:
                await ask(client, "POST", SECRETS, json=SECRET)
            else:
                await ask(client, "DELETE", secret)
        await service.stop()
    async with opened_log(folder) as log:
        await check_log(log)
    vault = await Vault.open(folder)
    try:
        assert await vault.unfinished() == []
    finally:
        await vault.close()
