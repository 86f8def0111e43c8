"""A client that keeps a head can check for ever that the log only grew."""

import pytest
from tlog_scales.signing import Vkey
from tlog_scales.tlog import Checkpoint, ConsistencyProof, ConsistencyProofInvalid

from eventstore.checkpoint import Verifier
from tests.support.process import serving
from tests.support.service import API, ask, bearer, create, new_key, refused, start

HEAD = f"{API}/log/head"
CONSISTENCY = f"{API}/log/consistency"


class Auditor:
    """Somebody outside, with tools of others: keeps the newest head and believes no answer."""

    def __init__(self, head):
        """Keep the head, and trust its key."""
        self.key = Vkey.from_string(head["key"])
        self.kept = self.checked(head)

    async def again(self, client):
        """Check that today's log extends the one of the head that was kept; keep today's."""
        answer = await ask(client, "GET", CONSISTENCY, params={"from": self.kept.size})
        assert answer["from"] == self.kept.size
        now = self.checked(answer)
        path = [bytes.fromhex(node) for node in answer["proof"]]
        ConsistencyProof(self.kept.size, now.size, path).check(self.kept.root_hash, now.root_hash)
        self.kept = now

    def checked(self, answer):
        """The checkpoint of an answer, after its signature and what is said beside it."""
        checkpoint = Checkpoint.from_text(answer["checkpoint"])
        checkpoint.verify(self.key)
        assert (checkpoint.origin, answer["key"]) == (self.key.name, self.key.serialize())
        assert answer["root"] == checkpoint.root_hash.hex()
        assert answer.get("size", answer.get("to")) == checkpoint.size
        return checkpoint


@pytest.mark.slow(reason="starts the service three times")
async def test_a_client_that_keeps_a_head_sees_that_the_log_only_grew_also_after_a_restart(
    tmp_path,
):
    auditor = None
    for run in range(3):
        async with serving(tmp_path) as service, service.client() as client:
            if auditor is None:
                await create(client)
                auditor = Auditor(await ask(client, "GET", HEAD))
            for count in (0, 1, 5):
                before = auditor.kept.size
                for _ in range(count):
                    await create(client)
                await auditor.again(client)
                assert auditor.kept.size == before + count
            if run == 1:
                service.kill()
            else:
                await service.stop()


async def test_a_client_with_a_head_of_another_log_sees_that_it_is_another(
    aiohttp_client, tmp_path
):
    one = await start(aiohttp_client, tmp_path / "one")
    two = await start(aiohttp_client, tmp_path / "two")
    for client in (one, two):
        for _ in range(5):
            await create(client)
    auditor = Auditor(await ask(one, "GET", HEAD))
    auditor.key = Vkey.from_string((await ask(two, "GET", HEAD))["key"])
    with pytest.raises(ConsistencyProofInvalid):
        await auditor.again(two)


@pytest.fixture
async def client(aiohttp_client, tmp_path):
    client = await start(aiohttp_client, tmp_path)
    for _ in range(5):
        await create(client)
    return client


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/json, text/plain, */*", "application/json"),
        ("text/plain", "text/plain"),
        ("text/plain;charset=utf-8", "text/plain"),
    ],
)
async def test_the_head_is_json_or_the_note_as_it_is(client, accept, kind):
    head = await ask(client, "GET", HEAD)
    headers = {} if accept is None else {"Accept": accept}
    async with client.get(HEAD, headers=headers) as answer:
        assert (answer.status, answer.content_type) == (200, kind)
        if kind == "text/plain":
            assert await answer.text("utf-8") == head["checkpoint"]
        else:
            assert await answer.json() == head
    said = Verifier.parse(head["key"]).open(head["checkpoint"])
    assert (said.size, said.root.hex()) == (head["size"], head["root"]) == (5, head["root"])
    assert said.origin == f"sessiond/{head['epoch']}"


async def test_a_proof_can_be_asked_for_between_any_two_sizes(client):
    verifier = Verifier.parse((await ask(client, "GET", HEAD))["key"])
    roots: dict[int, str] = {}
    for to in range(6):
        for old in range(to + 1):
            found = await ask(client, "GET", CONSISTENCY, params={"from": old, "to": to})
            assert (found["from"], found["to"]) == (old, to)
            said = verifier.open(found["checkpoint"])
            assert (said.size, said.root.hex()) == (to, found["root"])
            assert roots.setdefault(old, found["from_root"]) == found["from_root"]
            assert roots.setdefault(to, found["root"]) == found["root"]
            path = [bytes.fromhex(node) for node in found["proof"]]
            ends = bytes.fromhex(found["from_root"]), said.root
            ConsistencyProof(old, to, path).check(*ends)
    assert len(set(roots.values())) == 6


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({}, "invalid_query"),
        ({"to": "3"}, "invalid_query"),
        ({"from": "1", "until": "3"}, "invalid_query"),
        ({"from": "6"}, "bad_position"),
        ({"from": "-1"}, "bad_position"),
        ({"from": "x"}, "bad_position"),
        ({"from": ""}, "bad_position"),
        ({"from": "1" * 30}, "bad_position"),
        ({"from": "1", "to": "6"}, "bad_position"),
        ({"from": "3", "to": "2"}, "bad_position"),
        ({"from": "1", "to": "x"}, "bad_position"),
    ],
)
async def test_a_proof_that_there_cannot_be_is_refused(client, query, code):
    await refused(client, "GET", CONSISTENCY, 400, code, params=query)


async def test_a_key_must_be_allowed_to_read(client):
    writer = bearer((await new_key(client, "lab", "sessions:write"))["key"])
    reader = bearer((await new_key(client, "lab", "sessions:read"))["key"])
    for path in (HEAD, f"{CONSISTENCY}?from=1"):
        await ask(client, "GET", path, headers=reader)
        await refused(client, "GET", path, 403, "forbidden", headers=writer)
        await refused(client, "GET", path, 401, "unauthorized", headers=bearer("none"))
