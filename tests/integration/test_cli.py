"""The command line: `serve` and its options, `keys` beside a running service and without one."""

import asyncio
import json

import pytest

from sessions import cli
from tests.support.process import refused, serving
from tests.support.service import bearer


@pytest.fixture(autouse=True)
def _plain(monkeypatch):
    """The log of the tests stays as it is, and no setting comes from outside."""
    monkeypatch.setattr("sessions.logging.configure", lambda *_: None)
    for name in ("DATA", "PORT", "CONFIG", "ADMIN_KEY"):
        monkeypatch.delenv(f"SESSIOND_{name}", raising=False)


def run(capsys, *arguments):
    """Exit code, what was printed, and what was complained of."""
    code: object
    try:
        code = cli.run([str(argument) for argument in arguments])
    except SystemExit as left:
        code = left.code
    said = capsys.readouterr()
    return code, said.out, said.err


def keys(capsys, *arguments):
    """What a `keys` command prints."""
    code, out, err = run(capsys, "keys", *arguments)
    assert (code, err) == (0, ""), err
    return json.loads(out)


def check_a_life_of_a_key(run_keys):
    """Make two keys, list them, revoke one, list again."""
    one = run_keys("create", "--name", "one")
    assert one["scopes"] == ["sessions:read", "sessions:write"]
    assert (one["tenant"], one["key"][:4]) == ("default", "sdk_")
    two = run_keys(
        "create",
        *("--name", "two", "--tenant", "lab", "--prefix", "gsk_", "--scopes", "sessions:read"),
        "admin",
    )
    assert two["scopes"] == ["sessions:read", "admin"]
    assert (two["tenant"], two["key"][:4]) == ("lab", "gsk_")
    listed = run_keys("list")["items"]
    assert [key["name"] for key in listed] == ["one", "two"]
    assert all("key" not in key for key in listed)
    gone = run_keys("revoke", one["id"])
    assert (gone["id"], gone["revoked_at"] is None) == (one["id"], False)
    assert run_keys("revoke", one["id"]) == gone
    assert [key["revoked_at"] is None for key in run_keys("list")["items"]] == [False, True]
    return one, two


def test_keys_without_a_service(capsys, tmp_path):
    check_a_life_of_a_key(lambda name, *more: keys(capsys, name, "--data", tmp_path, *more))


async def test_keys_beside_a_service_hold_at_once_and_after_it(capsys, tmp_path):
    def run_keys(name, *more):
        return keys(capsys, name, "--data", tmp_path, *more)

    async with serving(tmp_path) as service, service.client() as client:
        one, two = await asyncio.to_thread(check_a_life_of_a_key, run_keys)
        for key, status in ((one, 401), (two, 200)):
            headers = bearer(key["key"])
            async with client.get("/api/v1/sessions", headers=headers) as answer:
                assert answer.status == status
        beside = await asyncio.to_thread(run_keys, "list")
        code, out, err = await asyncio.to_thread(
            run, capsys, "keys", "revoke", "unknown", "--data", tmp_path
        )
        assert (code, out, err) == (1, "", "sessiond: There is no such key.\n")
        await service.stop()
    assert await asyncio.to_thread(run_keys, "list") == beside


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["revoke", "unknown"], "There is no such key."),
        (["create", "--name", ""], "name: 1 to 200 characters"),
        (["create", "--name", "n", "--prefix", "x" * 17], "prefix: at most 16"),
        (["create", "--name", "n", "--tenant", ""], "tenant: 1 to 200 characters"),
    ],
)
def test_what_cannot_be_done_with_a_key_is_said_in_one_line(capsys, tmp_path, arguments, words):
    code, out, err = run(capsys, "keys", *arguments, "--data", tmp_path)
    assert (code, out) == (1, "")
    assert err.startswith(f"sessiond: {words}")
    assert err.count("\n") == 1


def test_keys_of_a_folder_that_does_not_exist_make_none(capsys, tmp_path):
    code, out, err = run(capsys, "keys", "list", "--data", tmp_path / "none")
    assert (code, out) == (1, "")
    assert str(tmp_path / "none") in err
    assert not (tmp_path / "none").exists()


def test_keys_of_a_folder_that_another_process_holds_are_refused_in_one_line(capsys, tmp_path):
    from eventstore.sqlite.storage import lock

    held = lock(tmp_path)
    code, out, err = run(capsys, "keys", "list", "--data", tmp_path)
    held.close()
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "Another process" in err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nothing"],
        ["serve", "--nothing"],
        ["serve", "--port"],
        ["serve", "--admin-key", "x"],
        ["keys"],
        ["keys", "nothing"],
        ["keys", "create"],
        ["keys", "revoke"],
        ["keys", "create", "--name", "n", "--scopes", "everything"],
        ["keys", "create", "--name", "n", "--scopes"],
    ],
)
def test_a_command_that_nobody_knows_exits_with_2(capsys, arguments):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert "usage:" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "http"], "port"),
        (["--port", "65536"], "port must be between 0 and 65535"),
        (["--heartbeat-s", "0"], "heartbeat_s must be between"),
        (["--log-level", "loud"], "log_level must be one of"),
        (["--config", "/no/such/file"], "/no/such/file"),
    ],
)
def test_a_setting_that_is_wrong_exits_with_2_and_one_line(capsys, tmp_path, arguments, words):
    code, out, err = run(capsys, "serve", "--data", tmp_path, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("sessiond: ")
    assert words in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow(reason="starts the service, and one that is refused")
async def test_the_settings_are_printed_at_start_without_the_secret(tmp_path):
    config = tmp_path / "sessiond.toml"
    config.write_text('heartbeat_s = 7.5\nwait_s_max = 9\nlog_level = "error"\n')
    environ = {"SESSIOND_ADMIN_KEY": "the-secret", "SESSIOND_WAIT_S_MAX": "8"}
    options = ("--config", str(config), "--log-level", "warning", "--no-wave-open")
    async with serving(tmp_path / "data", *options, environ=environ) as service:
        first, *_ = service.stdout.splitlines()
        name, _, text = first.partition(": ")
        printed = json.loads(text)
        assert name == "settings"
        assert printed["admin_key"] == "***"
        assert (printed["heartbeat_s"], printed["wait_s_max"]) == (7.5, 8)
        assert (printed["log_level"], printed["wave_open"]) == ("warning", False)
        assert printed["data"] == str(tmp_path / "data")
        code, words = await refused(tmp_path / "data", environ=environ)
        assert code == 1
        assert words.startswith("sessiond: cannot start: Another process writes this folder")
        assert words.count("\n") == 1
        assert "the-secret" not in service.stdout + service.stderr + words
