"""What `sessiond doctor` says of browsers; it starts none."""

import functools
import os
import subprocess

import pytest

from sessions.doctor_command import report
from sessions.runtimes.browser.availability import BrowserAvailability, describe_browsers
from sessions.runtimes.browser.sweep import run_folder
from tests.support.browsers import needs_chromium
from tests.support.doctor import Doctor


@pytest.fixture
def findings(tmp_path, monkeypatch, capsys):
    return functools.partial(Doctor(tmp_path, monkeypatch, capsys).findings, "browser")


@needs_chromium
def test_a_host_with_a_browser(tmp_path, findings):
    _, found, err = findings()
    assert (found["available"], found["install"], found["orphans"], err) == (True, "", [], "")
    assert found["version"][:1].isdigit()
    assert found["program"].rpartition("/")[2].startswith("chrom")
    assert found["sandbox"].startswith(("on", "OFF" if os.geteuid() == 0 else "none"))
    assert list(tmp_path.iterdir()) == []


def test_browsers_that_are_switched_off_are_not_available(findings):
    code, found, _ = findings(SESSIOND_BROWSERS="off")
    assert (code, found["available"]) == (1, False)
    assert "switched off by the setting browsers" in found["why"]


def test_a_program_that_is_not_there_is_named(findings):
    code, found, _ = findings(SESSIOND_BROWSER_PROGRAM="/opt/no-chrome")
    assert (code, found["available"]) == (1, False)
    assert "no program /opt/no-chrome" in found["why"]


def test_a_program_that_does_not_run_is_not_available(findings):
    _, found, _ = findings(SESSIOND_BROWSER_PROGRAM="/bin/false")
    assert not found["available"]
    assert "/bin/false" in found["why"]


def test_a_shell_that_has_one_context_only_is_no_browser_for_many(tmp_path):
    program = tmp_path / "chromium-shell"
    program.write_text("#!/bin/sh\necho Chromium 156.0\n")
    program.chmod(0o755)
    found = describe_browsers(tmp_path, str(program), running=False)
    assert not found.available
    assert "cannot keep sessions apart" in found.why
    assert found.install == "apt-get install chromium"


@pytest.mark.parametrize(
    ("place", "why", "install"),
    [
        ("importlib.util.find_spec", "no Python package playwright", "pip install playwright"),
        ("shutil.which", "no Chromium", "apt-get install chromium"),
    ],
)
def test_what_is_missing_and_what_to_install(tmp_path, monkeypatch, place, why, install):
    monkeypatch.setattr(f"sessions.runtimes.browser.availability.{place}", lambda _: None)
    found = describe_browsers(tmp_path, "", running=False)
    assert not found.available
    assert why in found.why
    assert found.install == install


def test_browsers_without_a_service_are_orphans(tmp_path, findings):
    profile = f"--user-data-dir={run_folder(tmp_path / 'data')}/1"
    process = subprocess.Popen(
        ["sh", "-c", "read line", "chromium", profile], stdin=subprocess.PIPE
    )
    try:
        _, found, _ = findings()
        assert found["orphans"] == [process.pid]
    finally:
        process.communicate(b"\n")


def test_the_report_for_people():
    found = BrowserAvailability(
        available=True,
        why="all is there",
        program="/usr/bin/chromium",
        version="156.0",
        sandbox="on",
        folder="/srv/data/browsers",
    )
    assert list(report(found)) == [
        "browser: available",
        "  why           all is there",
        "  program       /usr/bin/chromium",
        "  version       156.0",
        "  sandbox       on",
        "  browsers      /srv/data/browsers",
        "  orphans       none",
    ]
