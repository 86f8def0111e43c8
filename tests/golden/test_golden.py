"""Every log that a released version wrote says today what it said then.

A golden log is `log.jsonl`, the stored bodies of a small log with every fact of its vocabulary,
and `digests.json`, written by the release itself: the root of the tree over the bodies, and for
each stream the digest of the state that it was folded to.

The digest covers the whole state, as JSON with sorted keys but without what has its default value.
So a field that is new to a state changes no digest, and everything else does: a fold, an upcaster
or a default that is not what it was. Where that is meant, `digests.json` stays as the release
wrote it, and `changes.json` beside it says for each stream why it differs and what its digest is
now; a change that is not needed there is refused. Then the state itself must be shown to be right
in a test of its own, as at the end of this file.

A field that is new to a fact, and has a default, needs no new version of the fact. The newest
golden log must have every fact and every field, so it is written anew until its release
(`tests/golden/write.py`), and another one for the release after it.
"""

import sqlite3
from contextlib import closing

import msgspec
import pytest

from eventstore.commit import Append, restore
from eventstore.merkle import Tree, leaf_hash
from eventstore.sqlite.log import SqliteLog
from eventstore.vault import Vault
from projections.events import CODEC, VOCABULARY
from projections.events.work import PullRequest
from projections.folds.agent import AgentState
from projections.folds.span import key_of
from projections.folds.turns import Turns
from projections.folds.turns import evolve as turn_evolve
from projections.folds.work import Work
from projections.subjects import SUBJECTS, subject_of
from tests.golden import write
from tests.golden.story import CASE, DEVIN, INSTAVM, NATIVE, PRODUCT, TOKEN, VAULT_TEXTS
from tests.golden.work_story import AGENT, EVALUATION, GONE, OTHER_SPAN, SPAN, VERSION
from tests.support.golden import digest, golden, names, states_of
from tests.support.logs import Clock, whole
from tests.support.service import SESSIONS, ask, refused, start
from tests.support.trees import root_of_bodies

NAMES = names()
NEWEST = NAMES[-1]


@pytest.fixture(params=NAMES)
def log(request):
    return golden(request.param)


def with_keys(vault_file, subjects):
    """Put the known keys of the golden logs into a vault."""
    with closing(sqlite3.connect(vault_file, isolation_level=None)) as vault:
        for subject in subjects:
            row = (subject, bytes.fromhex(VAULT_TEXTS[subject]["key"]))
            vault.execute("INSERT INTO vault_keys (subject, key) VALUES (?, ?)", row)


async def written(golden_log, folder):
    """A file in `folder` to which the commits were appended anew; its bodies and its root."""
    clock = Clock()
    log = await SqliteLog.open(folder, clock_us=clock)
    try:
        for commit in golden_log.commits:
            clock.now_us = commit.at
            fields = ("stream", "events", "actor", "tenant", "tags")
            more = ("correlation_id", "causation", "traceparent")
            given = {name: getattr(commit, name) for name in (*fields, *more)}
            await log.append(
                Append(expected=commit.previous, commit_id=bytes.fromhex(commit.id), **given)
            )
        return [one.body for one in await whole(log)], log.head().root.hex()
    finally:
        await log.close()


def test_there_is_every_version_from_the_first_on():
    assert [f"v{number}" for number in range(1, len(NAMES) + 1)] == NAMES


def test_the_bodies_hash_to_the_root_of_their_release(log):
    assert len(log.bodies) == log.digests["size"]
    tree = Tree()
    for body in log.bodies:
        tree.append(leaf_hash(body))
    assert tree.root().hex() == log.digests["root"]
    assert root_of_bodies(log.bodies).hex() == log.digests["root"]


async def test_the_log_writes_the_same_bytes_today(log, tmp_path):
    assert await written(log, tmp_path) == (log.bodies, log.digests["root"])


def test_every_state_is_what_its_release_made_of_it(log):
    changed = {stream: change["digest"] for stream, change in log.changes.items()}
    expected = {**log.digests["states"], **changed}
    assert {stream: digest(state) for stream, state in states_of(log.commits)} == expected


def test_what_was_changed_on_purpose_is_said_and_nothing_else(log):
    for stream, change in log.changes.items():
        assert change["why"]
        assert change["digest"] != log.digests["states"][stream]


def test_todays_events_are_encoded_to_the_same_bytes(log):
    todays = [
        event
        for commit in log.commits
        for event in commit.events
        if event.v == CODEC.version(event.type)
    ]
    assert todays
    for event in todays:
        assert CODEC.encode(CODEC.decode(event)) == event


def test_the_newest_log_has_every_fact_and_every_field_of_it():
    told: dict[str, set[str]] = {}
    for commit in golden(NEWEST).commits:
        for event in commit.events:
            if event.v == CODEC.version(event.type):
                told.setdefault(event.type, set()).update(msgspec.json.decode(event.data))
    fields = {kind.NAME: set(kind.__struct_fields__) for kind in VOCABULARY}
    assert told == fields, "extend tests/golden/story.py, then write the log of the next release"


def test_the_newest_log_is_what_the_story_tells():
    assert [one.body for one in write.recorded()] == golden(NEWEST).bodies


def test_every_kind_of_stream_is_in_the_newest_log_and_no_other_in_older_ones(log):
    found = {subject_of(commit.stream) for commit in log.commits}
    everything = set(SUBJECTS.values())
    assert found <= everything
    assert log.name != NEWEST or found == everything


@pytest.mark.parametrize("name", NAMES)
def test_a_golden_log_is_never_written_again(name):
    before = golden(name)
    with pytest.raises(FileExistsError):
        write.main(int(name.removeprefix("v")))
    assert golden(name) == before


async def test_what_was_sealed_opens(log, tmp_path):
    vault = await Vault.open(tmp_path)
    try:
        with_keys(tmp_path / "vault.db", log.vault)
        for subject, known in log.vault.items():
            texts = known["texts"]
            assert await vault.unseal_many(subject, list(texts)) == list(texts.values())
    finally:
        await vault.close()


def test_secrets_of_version_1_are_where_todays_are():
    """v1 and v2 begin with the same two sessions, each in the shape of its time."""
    old, new = (dict(states_of(golden(name).commits)) for name in ("v1", "v2"))
    for stream in (DEVIN, INSTAVM):
        assert old[stream].secrets
        assert old[stream] == new[stream]
        assert "sealed:" not in str(old[stream].spec)


def test_what_a_client_of_version_1_called_env_stays_in_spec():
    state = dict(states_of(golden("v1").commits))[NATIVE]
    assert state.secrets == {}
    assert state.spec == {"env": {"A": TOKEN}, "text": "x"}


def test_the_log_of_version_1_is_stored_as_it_was():
    """Upcasting is in the eye of the reader."""
    body = golden("v1").bodies[0]
    assert restore(body).commit.events[0].v == 1
    assert TOKEN.encode() in body


@pytest.mark.parametrize("name", ["v1", "v2", "v3", "v4"])
def test_what_older_versions_wrote_of_agents_is_offered_and_entries_changed_when_entered(name):
    states = dict(states_of(golden(name).commits))
    assert states[DEVIN].work == Work()
    assert states[DEVIN].waits_for_worker
    assert states[NATIVE].work is None
    for entry in (PRODUCT, CASE):
        assert states[entry].updated_at == states[entry].created_at
        assert not states[entry].deleted


def test_what_the_work_of_version_5_adds_up_to():
    log = golden("v5")
    states = dict(states_of(log.commits))
    agent, evaluation = states[AGENT], states[EVALUATION]
    assert agent.work == Work(
        requires=("gpu",),
        attempts_max=5,
        generation=2,
        attempts=2,
        worker="w-2",
        lease_s=30,
        claimed_at=agent.work.claimed_at,
    )
    assert agent.agent == AgentState(
        structured_output={"n": [1, None]},
        pull_requests=(
            PullRequest(url="https://example.org/1", state="merged"),
            PullRequest(url="x"),
        ),
        acus=1.25,
    )
    assert (evaluation.status, evaluation.reason, evaluation.turns) == ("running", "reopened", 2)
    assert states[VERSION].data == {"a": {"x": 1}, "c": "new"}
    assert (states[GONE].deleted, states[VERSION].deleted) == (True, False)
    assert (states[SPAN].data["name"], states[SPAN].span_id) == ("b", "trace_0123456789abcdef")
    assert states[OTHER_SPAN].deleted
    assert states[OTHER_SPAN].id == key_of("lab", "größe/1")
    turns = Turns()
    for commit in log.commits:
        if commit.stream == EVALUATION:
            for event in commit.events:
                turn_evolve(turns, CODEC.decode(event), commit)
    assert [(one.index, one.data) for one in turns.by_index.values()] == [
        (0, {"actualOutput": "hi"})
    ]


@pytest.mark.parametrize("name", NAMES)
async def test_a_service_serves_the_log(aiohttp_client, tmp_path, name):
    log = golden(name)
    await written(log, tmp_path / "data")
    client = await start(aiohttp_client, tmp_path)
    with_keys(tmp_path / "data" / "vault.db", [DEVIN, INSTAVM])
    devin, instavm, native = (one.removeprefix("session/") for one in (DEVIN, INSTAVM, NATIVE))
    found = await ask(client, "GET", f"{SESSIONS}/{devin}")
    assert found["secrets"] == {"TOKEN": "sealed", "USER": "sealed"}
    assert found["spec"]["session_secrets"] == [
        {"key": "TOKEN", "sensitive": True},
        {"key": "USER", "sensitive": False},
    ]
    info = await ask(client, "GET", f"/instavm/v1/sessions/session/{instavm}")
    assert info["env_names"] == ["DATABASE_URL", "EMPTY"]
    await refused(client, "GET", f"{SESSIONS}/{native}", 410, "session_deleted")
    page = await ask(client, "GET", f"{SESSIONS}/{devin}/events")
    assert page["items"][0]["events"][0]["data"]["secrets"].keys() == {"TOKEN", "USER"}
    await ask(client, "DELETE", f"{SESSIONS}/{devin}", 204, params={"erase": "true"})
    page = await ask(client, "GET", f"{SESSIONS}/{devin}/events")
    assert page["items"][-1]["events"][-1]["type"] == "session.erased"
