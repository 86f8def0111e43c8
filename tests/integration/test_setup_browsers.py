"""scripts/serve and scripts/test install what browsers need, or say it in one line."""

import pytest

from tests.support.setup_host import SETUP, BareHost

LACKING = "sessiond: there will be no browsers here; they need: apt-get install chromium"


@pytest.fixture
def host(tmp_path):
    return BareHost(tmp_path)


def setup(host, *arguments, **how):
    return host.setup("apt_browser", *arguments, **how)


def test_nothing_is_said_or_done_where_there_is_one(host):
    host.have("chromium")
    host.apt("exit 0")
    assert setup(host) == []
    assert host.asked() == []


def test_root_installs_it(host):
    host.apt("exit 0")
    assert setup(host) == ["sessiond: installing chromium with apt-get, for browsers"]
    update, install = host.asked()
    assert update == "update"
    assert install.startswith("install -y --no-install-recommends")
    assert install.endswith(" chromium")


def test_whoever_cannot_install_it_is_told_in_one_line(host):
    assert setup(host) == [LACKING]
    host.apt("exit 0")
    assert setup(host, root=False) == [LACKING]
    assert host.asked() == []


def test_an_installation_that_fails_is_shown_and_the_rest_goes_on(host):
    host.apt("echo 'E: Unable to locate package' >&2; exit 100")
    said = setup(host)
    assert "E: Unable to locate package" in said
    assert said[-1] == LACKING


@pytest.mark.parametrize(
    ("arguments", "env"),
    [
        (("--browsers", "off"), {}),
        (("--port", "1", "--browsers=off"), {}),
        (("--browser-program", "/opt/chrome"), {}),
        (("--browser-program=/opt/chrome",), {}),
        ((), {"SESSIOND_BROWSERS": "off"}),
        ((), {"SESSIOND_BROWSER_PROGRAM": "/opt/chrome"}),
    ],
)
def test_who_wants_none_or_has_another_is_left_alone(host, arguments, env):
    host.apt("exit 0")
    assert setup(host, *arguments, **env) == []
    assert host.asked() == []


@pytest.mark.parametrize("name", ["serve", "test"])
def test_both_scripts_set_up_browsers(name):
    assert "\napt_browser" in SETUP.with_name(name).read_text()
