"""`sessiond work` says what is wrong with its options before it claims anything."""

import pytest

from sessions import cli

WORK = ["work", "--kind", "agent", "--key", "k"]


@pytest.fixture(autouse=True)
def _plain(monkeypatch):
    """The log of the tests stays as it is, and no key comes from outside."""
    monkeypatch.setattr("sessions.logging.configure", lambda *_: None)
    monkeypatch.delenv("SESSIOND_KEY", raising=False)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["work", "--kind", "agent", "--", "cat"], "a key is needed"),
        ([*WORK, "--key", "k\n", "--", "cat"], "the key is not one"),
        ([*WORK, "--slots", "0", "--", "cat"], "--slots must be between 1 and"),
        ([*WORK, "--slots", "1000", "--", "cat"], "--slots must be between 1 and"),
        ([*WORK, "--drain", "-1", "--", "cat"], "--drain must be between"),
        ([*WORK, "--grace", "nan", "--", "cat"], "--grace must be between"),
        ([*WORK, "--count", "0", "--", "cat"], "--count must be at least 1"),
        ([*WORK, "--url", "ftp://there", "--", "cat"], "--url must be like"),
        ([*WORK, "--url", "http://[", "--", "cat"], "--url must be like"),
        ([*WORK, "--url", "http://h:x", "--", "cat"], "--url must be like"),
        ([*WORK, "--", "no-such-program-anywhere"], "there is no program no-such-program-anywhere"),
        ([*WORK, "--", "/etc/passwd"], "there is no program /etc/passwd"),
    ],
)
def test_a_wrong_option_is_refused_with_its_name(arguments, words, capsys):
    assert cli.run(arguments) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert words in said.err


@pytest.mark.parametrize(
    "arguments",
    [WORK, ["work", "--", "cat"], [*WORK, "--stdin", "x", "cat"], [*WORK, "--kind", "vm", "cat"]],
)
def test_what_is_missing_is_told(arguments, capsys):
    with pytest.raises(SystemExit) as left:
        cli.run(arguments)
    assert left.value.code == 2
    assert "usage: sessiond work" in capsys.readouterr().err


def test_a_missing_guard_is_told(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cli.run([*WORK, "--", "cat"]) == 1
    assert "the program sh is missing" in capsys.readouterr().err
