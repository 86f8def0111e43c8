"""Evidence from a running service and from its folder, checked by a copy of the checker alone."""

import base64
import functools
import json
import shutil
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventstore.checkpoint import Signer
from eventstore.commit import START, Append
from eventstore.heads import KEY_FILE, VKEY_FILE
from projections.events import CODEC
from projections.events.vm import VmReady, VmRequested
from scripts.audit import export
from sessions import ids
from sessions.caller import Caller
from sessions.web.appkeys import EVIDENCE, HEADS, LOG
from tests.support.evidence import audited, refusal
from tests.support.service import SESSIONS, ask, bearer, create, move, new_key, refused, start

PICTURE = bytes(range(256))


@pytest.fixture
async def client(aiohttp_client, tmp_path):
    return await start(aiohttp_client, tmp_path)


async def incident(client):
    """A session with a history, a machine and two files, between those of others."""
    await create(client)
    session = await create(client, "vm", title="Ada ✓", spec={"env": "x"})
    vm = f"vm/{ids.uuid7()}"
    wanted = VmRequested(session=session["id"], vcpu_count=2, memory_mb=512, lifetime_s=300)
    position = START
    for fact in (wanted, VmReady(boot_ms=7)):
        wish = Append(
            stream=vm,
            expected=position,
            commit_id=ids.commit_id(),
            events=(CODEC.encode(fact),),
            actor="service",
            tenant="default",
        )
        position = (await client.app[LOG].append(wish)).position
        await create(client)
    for name in ("one.png", "two.png", "again.png"):
        path = f"{SESSIONS}/{session['id']}/artifacts?name={name}"
        content = PICTURE if name != "two.png" else b"two"
        await ask(client, "POST", path, 201, data=content)
    await move(client, session, "running", "failed")
    await create(client)
    return session


async def bundle_of(client, session, query=""):
    async with client.get(f"{SESSIONS}/{session['id']}/evidence{query}") as answer:
        assert answer.status == 200
        assert answer.content_type == "application/vnd.sessiond.evidence"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        return await answer.read()


async def test_evidence_holds_on_a_machine_that_has_nothing_of_ours(client, tmp_path):
    session = await incident(client)
    bundle = await bundle_of(client, session)
    vkey = client.app[HEADS].vkey
    code, told = audited(tmp_path, bundle, "--key", vkey)
    assert (code, told["holds"], told["session"]) == (0, True, session["id"])
    assert told["size"] == client.app[LOG].size
    assert [stream.partition("/")[0] for stream in told["last"]] == ["session", "vm"]
    assert [(a["name"], a["here"]) for a in told["artifacts"]] == [
        ("again.png", True),
        ("two.png", True),
    ]
    assert len(told["history"]) == 8
    assert "session.created" in told["history"][0]
    words = " ".join(told["proved"])
    for said in (
        "the key that this check was given",
        "8 commits",
        "key:admin, service",
        "its word",
    ):
        assert said in words
    key_file = tmp_path / "log.vkey"
    key_file.write_text(f"{vkey}\n")
    assert audited(tmp_path, bundle, "--key", str(key_file))[0] == 0
    assert "from the bundle alone" in " ".join(audited(tmp_path, bundle)[1]["proved"])


async def test_evidence_without_files_says_so(client, tmp_path):
    session = await incident(client)
    bundle = await bundle_of(client, session, "?artifacts=false")
    assert PICTURE not in bundle
    code, told = audited(tmp_path, bundle)
    assert code == 0
    assert [artifact["here"] for artifact in told["artifacts"]] == [False, False]
    assert "not in this bundle" in told["proved"][-1]


async def test_a_deleted_and_an_erased_session_still_have_their_evidence(client, tmp_path):
    session = await incident(client)
    await ask(client, "DELETE", f"{SESSIONS}/{session['id']}", 204)
    assert audited(tmp_path, await bundle_of(client, session))[0] == 0
    await ask(client, "DELETE", f"{SESSIONS}/{session['id']}?erase=true", 204)
    bundle = await bundle_of(client, session)
    assert PICTURE not in bundle
    code, told = audited(tmp_path, bundle)
    assert code == 0
    assert "session.erased" in told["history"][-1]
    assert not any(artifact["here"] for artifact in told["artifacts"])


async def test_a_file_that_the_disk_has_lost_is_left_out(client, tmp_path):
    session = await incident(client)
    for file in (tmp_path / "data" / "artifacts" / session["id"]).iterdir():
        if file.read_bytes() == b"two":
            file.write_bytes(b"twO")
    code, told = audited(tmp_path, await bundle_of(client, session))
    assert code == 0
    assert [artifact["here"] for artifact in told["artifacts"]] == [True, False]


async def test_sealed_values_stay_sealed(client):
    session = await create(client, "vm", secrets={"TOKEN": "plain-text-token"})
    bundle = await bundle_of(client, session)
    assert b"sealed:v1:" in bundle
    assert b"plain-text-token" not in bundle


async def test_only_who_may_see_a_session_gets_evidence_of_it(client):
    path = f"{SESSIONS}/{(await create(client))['id']}/evidence"
    key = (await new_key(client, "lab"))["key"]
    await refused(client, "GET", path, 404, "not_found", headers=bearer(key))
    await refused(client, "GET", f"{path}?artifacts=1", 400, "invalid_query")
    await refused(client, "GET", f"{path}?x=1", 400, "invalid_query")


@pytest.mark.parametrize(
    "step",
    [19, pytest.param(1, marks=pytest.mark.slow)],  # each byte: 13,000 checks
)
async def test_no_byte_of_a_bundle_can_be_changed_unseen(client, tmp_path, step):
    session = await incident(client)
    bundle = await bundle_of(client, session)
    assert refusal(bundle) == ""
    survivors = [
        (at, change)
        for at in range(0, len(bundle), step)
        for change in (0x20, 1 << at % 8)
        if not refusal(bundle[:at] + bytes([bundle[at] ^ change]) + bundle[at + 1 :])
    ]
    assert survivors == []
    for at in range(0, len(bundle), step):
        assert refusal(bundle[:at]), f"cut off at {at}"
    for at in (0, bundle.index(b"\n"), len(bundle) // 2, len(bundle) - 1):
        code, told = audited(tmp_path, bundle[:at] + bytes([bundle[at] ^ 1]) + bundle[at + 1 :])
        assert (code, told["holds"]) == (1, False)
        assert "\n" not in told["error"]
    assert audited(tmp_path, bundle[:-1])[0] == 1
    assert "follows the end" in audited(tmp_path, bundle + b"\n")[1]["error"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


async def test_no_field_of_a_bundle_can_be_changed_unseen(client):
    session = await incident(client)
    bundle = await bundle_of(client, session)
    first, _, rest = bundle.partition(b"\n")
    fields = json.loads(first)

    def written(values):
        text = json.dumps(values, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        return text.encode("utf-8", "surrogatepass") + b"\n" + rest

    assert written(fields) == bundle

    @settings(max_examples=150)
    @given(st.sampled_from(sorted(fields)), json_values)
    def changed(name, value):
        if type(value) is not type(fields[name]) or value != fields[name]:
            assert refusal(written({**fields, name: value}))

    changed()
    for name in fields:
        assert refusal(written({k: v for k, v in fields.items() if k != name}))
    assert refusal(written({**fields, "more": 1}))
    assert refusal(written({**fields, "commits": float(fields["commits"])}))
    nodes = base64.b64decode(fields["nodes"])
    for changed_nodes in (nodes + nodes[:32], nodes[:-32], nodes + b"x", b""):
        assert refusal(written({**fields, "nodes": base64.b64encode(changed_nodes).decode()}))
    for other in (fields["artifacts"][::-1], fields["artifacts"][:1] * 2, ["0" * 64]):
        assert refusal(written({**fields, "artifacts": other}))
    spaced = json.dumps(fields, ensure_ascii=False, sort_keys=True).encode()
    assert "not as the format" in refusal(spaced + b"\n" + rest)


async def test_another_key_is_told_apart(client, tmp_path):
    session = await incident(client)
    bundle = await bundle_of(client, session)
    other = Signer.from_seed("sessiond/other", bytes(32)).verifier.vkey
    code, told = audited(tmp_path, bundle, "--key", other)
    assert code == 1
    assert "not the key given" in told["error"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "cut off"),
        (b"hello\n", "not JSON"),
        (b"{}\n", "no bundle"),
        (b"[" * 1_000_000 + b"\n", "not JSON"),
        (b"\xff\xfe\n", "not JSON"),
        (b'{"size":' + b"9" * 1_000_000 + b"}\n", "no bundle"),
        (b"\0" * 5_000_000, "cut off"),
    ],
    ids=["empty", "text", "object", "deep", "no utf-8", "endless number", "no line"],
)
def test_what_is_no_bundle_is_one_clear_line(tmp_path, content, why):
    code, told = audited(tmp_path, content)
    assert (code, told["holds"]) == (1, False)
    assert why in told["error"]
    assert "\n" not in told["error"]


def test_what_cannot_be_checked_at_all_is_another_code(tmp_path):
    assert audited(tmp_path, b"{}\n", "--key", "neither+a+key")[0] == 2
    assert audited(tmp_path, b"{}\n", "--key", str(tmp_path / "none"))[0] == 2


def exported(folder, session, target, *options):
    """Exit code of the script; its answer is in the file."""
    given = ["--data", str(folder), "--session", session["id"], "--to", str(target), *options]
    return export.main([*given, "--evidence"])


async def test_the_script_makes_the_same_of_a_folder_that_nobody_serves(client, tmp_path, capsys):
    session = await incident(client)
    await client.close()
    folder, copy = tmp_path / "data", tmp_path / "copy"
    shutil.copytree(folder, copy)
    run = functools.partial(exported, copy, session)
    before = sorted(path.name for path in copy.rglob("*"))
    vkey = (folder / "heads" / VKEY_FILE).read_text().strip()
    assert run(tmp_path / "one") == 0
    code, told = audited(tmp_path, (tmp_path / "one").read_bytes(), "--key", vkey)
    assert (code, len(told["history"])) == (0, 8)
    assert all(artifact["here"] for artifact in told["artifacts"])
    assert run(tmp_path / "one") == 2, "nothing is overwritten"
    assert run(tmp_path / "two", "--no-artifacts") == 0
    assert not any(
        a["here"] for a in audited(tmp_path, (tmp_path / "two").read_bytes())[1]["artifacts"]
    )
    assert sorted(path.name for path in copy.rglob("*")) == before
    capsys.readouterr()


async def test_without_the_key_the_newest_head_is_taken(aiohttp_client, tmp_path, capsys):
    client = await start(aiohttp_client, tmp_path, heads_interval_s=3600)
    session = await incident(client)
    await client.app[HEADS].write()
    size = client.app[LOG].size
    await ask(client, "DELETE", f"{SESSIONS}/{session['id']}", 204)
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "data", copy, ignore=shutil.ignore_patterns("*.sock"))
    (copy / KEY_FILE).unlink()
    assert exported(copy, session, tmp_path / "one") == 0
    told = capsys.readouterr().out
    assert "newest head signed before" in told
    assert "1 commits are not in it" in told
    code, found = audited(tmp_path, (tmp_path / "one").read_bytes())
    assert (code, found["size"], len(found["history"])) == (0, size, 8)
    assert "Whether anything of these followed is not shown." in found["proved"]
    shutil.rmtree(copy / "heads")
    assert exported(copy, session, tmp_path / "two") == 2
    assert "neither" in capsys.readouterr().err


async def test_the_script_says_what_it_cannot_do(client, tmp_path, capsys):
    session = await incident(client)
    await client.close()
    folder = tmp_path / "data"
    assert exported(folder, {"id": "none"}, tmp_path / "x") == 2
    assert "no session none" in capsys.readouterr().err
    assert exported(folder, session, tmp_path / "x", "--tenant", "lab") == 2
    assert exported(tmp_path / "nowhere", session, tmp_path / "x") == 2
    other = Signer.from_seed("sessiond/other", bytes(32))
    (folder / KEY_FILE).write_text(other.private_line())
    assert exported(folder, session, tmp_path / "x") == 2
    assert "signs for sessiond/other" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (('"owner":"key:admin"', '"owner":"nobody"'), "are not those under the head"),
        (("{", "["), "export.py"),
    ],
)
async def test_a_changed_log_makes_no_evidence(client, tmp_path, capsys, change, why):
    session = await incident(client)
    await client.close()
    folder = tmp_path / "data"
    with sqlite3.connect(folder / "log.db") as log:
        log.execute("DROP TRIGGER commits_are_not_updated")
        where = "position = (SELECT position FROM commits WHERE name = ?)"
        sql = f"UPDATE commits SET body = CAST(replace(body, ?, ?) AS BLOB) WHERE {where}"
        log.execute(sql, (*change, f"session/{session['id']}"))
    log.close()
    assert exported(folder, session, tmp_path / "x") == 1
    assert why in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


async def test_a_log_that_its_heads_contradict_makes_no_evidence(client, tmp_path, capsys):
    session = await incident(client)
    await client.close()
    folder = tmp_path / "data"
    signer = Signer.parse((folder / KEY_FILE).read_text())
    (folder / "heads" / f"{99:020d}.checkpoint").write_text(signer.sign(99, bytes(32)))
    assert exported(folder, session, tmp_path / "x") == 1
    assert "says otherwise" in capsys.readouterr().err


async def test_what_happens_while_a_bundle_is_read_is_not_in_it(client):
    session = await incident(client)
    who = Caller(actor="key:admin", tenant="default", scopes=("admin",))
    maker = client.app[EVIDENCE]
    prepared = await maker.prepare(session["id"], who, artifacts=True)
    await ask(client, "DELETE", f"{SESSIONS}/{session['id']}", 204)
    bundle = b"".join([part async for part in maker.parts(prepared)])
    assert refusal(bundle, client.app[HEADS].vkey) == ""
    assert b"session.deleted" not in bundle
    assert b"session.deleted" in await bundle_of(client, session)
