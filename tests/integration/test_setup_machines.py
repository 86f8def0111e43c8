"""scripts/serve and scripts/test install what machines need, or say it in one line."""

import os

import pytest

from tests.support.setup_host import SETUP, BareHost

PROGRAMS = ("qemu-system-x86_64", "mkfs.erofs", "mke2fs")


@pytest.fixture
def host(tmp_path):
    return BareHost(tmp_path)


def setup(host, *arguments, **how):
    return host.setup("apt_machines", *arguments, **how)


def test_nothing_is_said_or_done_where_all_is_there(host):
    host.have(*PROGRAMS)
    host.apt("exit 0")
    assert setup(host) == []
    assert host.asked() == []


def test_root_installs_what_is_missing(host):
    host.have("mke2fs")
    host.apt("exit 0")
    assert setup(host) == [
        "sessiond: installing qemu-system-x86 erofs-utils with apt-get, for virtual machines"
    ]
    update, install = host.asked()
    assert update == "update"
    assert install.startswith("install -y --no-install-recommends")
    assert install.endswith("qemu-system-x86 erofs-utils")


def test_an_ordinary_user_is_told_in_one_line(host):
    host.apt("exit 0")
    [said] = setup(host, root=False)
    assert said.endswith("they need: apt-get install qemu-system-x86 erofs-utils e2fsprogs")
    assert host.asked() == []


def test_a_host_without_apt_is_told_in_one_line(host):
    [said] = setup(host)
    assert "no virtual machines" in said


def test_an_installation_that_fails_is_shown_and_the_rest_goes_on(host):
    host.have("mkfs.erofs", "mke2fs")
    host.apt("echo 'E: Unable to locate package' >&2; exit 100")
    said = setup(host)
    assert "E: Unable to locate package" in said
    assert said[-1].endswith("they need: apt-get install qemu-system-x86")


@pytest.mark.parametrize(
    ("arguments", "env"),
    [(("--vm", "off"), {}), (("--port", "1", "--vm=off"), {}), ((), {"SESSIOND_VM": "off"})],
)
def test_who_wants_no_machines_is_left_alone(host, arguments, env):
    host.apt("exit 0")
    assert setup(host, *arguments, **env) == []
    assert host.asked() == []


@pytest.mark.parametrize("name", ["serve", "test"])
def test_both_scripts_set_up_machines(name):
    script = SETUP.with_name(name)
    assert os.access(script, os.X_OK)
    assert "\napt_machines" in script.read_text()
