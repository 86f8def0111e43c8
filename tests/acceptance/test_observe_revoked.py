"""A feed ends soon after the key that opened it was revoked."""

from tests.support.feeds import observe
from tests.support.service import API, ask, bearer, create, new_key, start


async def test_a_revoked_key_closes_its_feeds_and_no_others(aiohttp_client, tmp_path):
    client = await start(aiohttp_client, tmp_path, heartbeat_s=0.1)
    key = await new_key(client, "lab")
    theirs = await observe(client, headers=bearer(key["key"]))
    ours = await observe(client)
    await ask(client, "DELETE", f"{API}/keys/{key['id']}")
    last = (await theirs.until("end"))[-1]
    assert last["reason"] == "key_revoked"
    await create(client)
    assert (await ours.until("event"))[-1]["position"] == 3
