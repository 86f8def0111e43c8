"""kill -9 at each step of an erasure: after the next start it is done, and nothing is left."""

import aiohttp
import pytest

from eventstore.vault import Vault
from tests.support.dying import ERASING, last_words
from tests.support.erasing import check_gone, check_sealed, keys_of, marked
from tests.support.logs import check_log
from tests.support.process import serving
from tests.support.replays import opened_log
from tests.support.service import SESSIONS, ask, refused

pytestmark = pytest.mark.slow(reason="starts, kills and starts the service at 8 steps")

ERASE = {"erase": "true"}
# Until the transaction that destroys the key is durable, nothing has happened.
NOT_BEGUN = {"erase: in the transaction"}
# Three sessions are talked to, one gets an artifact, and two are erased before the kill.
COMMANDS_BEFORE = 6


def count_of(step):
    """At which time of the step the third erasure comes to it."""
    return COMMANDS_BEFORE + 1 if "Sessions.execute" in ERASING[step].place else 3


async def die_erasing(folder, step, transcript):
    """Make what is to be erased, erase it, and die with the third; what was made, and its keys."""
    environ = {"DIE_AT": step, "DIE_COUNT": str(count_of(step))}
    async with serving(folder, module="tests.support.dying", environ=environ) as service:
        async with service.client() as client:
            made = await marked(client)
            keys = keys_of(folder, made)
            check_sealed(folder, made, keys)
            for id_ in made.ids[1:]:
                await ask(client, "DELETE", f"{SESSIONS}/{id_}", 204, params=ERASE)
            with pytest.raises(aiohttp.ClientError):
                await client.delete(f"{SESSIONS}/{made.ids[0]}", params=ERASE)
        await service.exited()
        assert service.stderr.endswith(last_words(step))
        transcript.append(service.stdout + service.stderr)
        return made, keys


@pytest.mark.parametrize("step", ERASING)
async def test_an_erasure_survives_kill_9(tmp_path, step):
    folder = tmp_path / "data"
    transcript: list[str] = []
    made, keys = await die_erasing(folder, step, transcript)
    async with serving(folder) as service:
        async with service.client() as client:
            path = f"{SESSIONS}/{made.ids[0]}"
            if step in NOT_BEGUN:
                secrets = (await ask(client, "GET", path))["secrets"]
                assert secrets == dict.fromkeys("ABC", "sealed")
                await ask(client, "DELETE", path, 204, params=ERASE)
            check_gone(folder, made, keys)
            await refused(client, "GET", path, 410, "session_deleted")
            for id_ in made.ids:
                (message,) = (await ask(client, "GET", f"{SESSIONS}/{id_}/messages"))["items"]
                assert (message["content"], message["erased"]) == ("", True)
                await ask(client, "DELETE", f"{SESSIONS}/{id_}", 204, params=ERASE)
                page = await ask(client, "GET", f"{SESSIONS}/{id_}/events")
                types = [event["type"] for item in page["items"] for event in item["events"]]
                assert types.count("session.erased") == 1
        await service.stop()
        transcript.append(service.stdout + service.stderr)
    check_gone(folder, made, keys)
    assert not any(marker in "".join(transcript) for marker in made.markers)
    async with opened_log(folder) as log:
        await check_log(log)
    vault = await Vault.open(folder)
    try:
        assert await vault.unfinished() == []
    finally:
        await vault.close()
