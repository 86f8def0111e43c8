"""Which browsers a service has; a service without any starts as fast, and leaves no trace."""

import subprocess
import sys

import pytest

from sessions.runtimes.browser.choice import HostBrowsers, NoBrowsers, browsers_of
from sessions.runtimes.browser.port import RuntimeUnavailable
from sessions.runtimes.browser.sweep import run_folder
from sessions.settings import Settings, SettingsError, load
from tests.support.browsers import wanted


async def test_browsers_that_are_switched_off_say_so(tmp_path):
    browsers = browsers_of(Settings(data=str(tmp_path), browsers="off"))
    assert isinstance(browsers, NoBrowsers)
    await browsers.open()
    with pytest.raises(RuntimeUnavailable, match="--browsers auto"):
        await browsers.check()
    with pytest.raises(RuntimeUnavailable, match="--browsers auto"):
        await browsers.start(wanted(tmp_path))
    with pytest.raises(RuntimeUnavailable, match="--browsers auto"):
        await browsers.film([], tmp_path / "film.mp4")
    await browsers.close()
    assert list(tmp_path.iterdir()) == []


async def test_a_program_that_is_missing_is_said_to_who_wants_a_browser(tmp_path):
    browsers = HostBrowsers(
        Settings(data=str(tmp_path), browser_program="/no/such", browser_warm=1)
    )
    await browsers.open()
    with pytest.raises(RuntimeUnavailable, match="no program /no/such"):
        await browsers.start(wanted(tmp_path))
    await browsers.close()
    assert list(tmp_path.iterdir()) == []


async def test_what_was_left_is_swept_at_the_start(tmp_path):
    browsers = HostBrowsers(Settings(data=str(tmp_path)))
    await browsers.open()
    assert list(tmp_path.iterdir()) == []
    profile = run_folder(tmp_path) / "1"
    (profile / "Default").mkdir(parents=True)
    (tmp_path / "browsers" / "files" / "one" / "uploads").mkdir(parents=True)
    stuck = subprocess.Popen(["sh", "-c", "sleep 100; :", "x", f"--user-data-dir={profile}"])
    other = subprocess.Popen(["sh", "-c", "sleep 100; :", "x", f"--user-data-dir={tmp_path}/a"])
    try:
        await browsers.open()
        assert stuck.wait(60) == -9
        assert other.poll() is None
        assert list((tmp_path / "browsers").iterdir()) == []
    finally:
        for process in (stuck, other):
            process.kill()
            process.wait()
        await browsers.close()


def test_a_service_that_needs_no_browser_loads_no_playwright():
    code = "import sessions.app, sys; sys.exit('playwright' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "wrong",
    [{"browsers": "on"}, {"browsers_per_process": 0}, {"browser_warm": 65}, {"browser_allow": "*"}],
)
def test_settings_out_of_range(wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        load(wrong, {})
