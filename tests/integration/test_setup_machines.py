"""scripts/serve and scripts/test install what machines need, or say it in one line."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SETUP = Path(__file__).resolve().parents[2] / "scripts" / "setup.sh"
NEEDED = ("bash", "cat", "dirname", "mktemp", "readlink", "rm")
PROGRAMS = ("qemu-system-x86_64", "mkfs.erofs", "mke2fs")
CALL = 'source "$0"; apt_machines "$@"'
APT_GET = """#!/bin/sh
echo "$@" >>{here}/asked
case "$1" in update) exit 0 ;; esac
{does}
"""


@pytest.fixture
def host(tmp_path):
    """A host that has only what the script itself needs."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in NEEDED:
        (programs / name).symlink_to(shutil.which(name))
    return tmp_path


def have(host, *names):
    for name in names:
        (host / "bin" / name).write_text("#!/bin/sh\n")
        (host / "bin" / name).chmod(0o755)


def apt(host, does):
    have(host, "apt-get")
    (host / "bin" / "apt-get").write_text(APT_GET.format(here=host, does=does))


def asked(host):
    path = host / "asked"
    return path.read_text().splitlines() if path.exists() else []


def setup(host, *arguments, root=True, **env):
    """What is said when machines are set up; always successful and silent on stdout."""
    # The host's own /usr/sbin must not help: the places where Debian puts programs are ours too.
    script = SETUP.read_text().replace("PATH=$PATH:/usr/sbin:/sbin ", "")
    assert script != SETUP.read_text()
    script = script.replace("$EUID", "0" if root else "1000")
    (host / "setup.sh").write_text(script)
    done = subprocess.run(
        ["bash", "-c", f"set -euo pipefail; {CALL}", host / "setup.sh", *arguments],
        env={"PATH": str(host / "bin"), **env},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert (done.returncode, done.stdout) == (0, "")
    return done.stderr.splitlines()


def test_nothing_is_said_or_done_where_all_is_there(host):
    have(host, *PROGRAMS)
    apt(host, "exit 0")
    assert setup(host) == []
    assert asked(host) == []


def test_root_installs_what_is_missing(host):
    have(host, "mke2fs")
    apt(host, "exit 0")
    assert setup(host) == [
        "sessiond: installing qemu-system-x86 erofs-utils with apt-get, for virtual machines"
    ]
    update, install = asked(host)
    assert update == "update"
    assert install.startswith("install -y --no-install-recommends")
    assert install.endswith("qemu-system-x86 erofs-utils")


def test_an_ordinary_user_is_told_in_one_line(host):
    apt(host, "exit 0")
    [said] = setup(host, root=False)
    assert said.endswith("they need: apt-get install qemu-system-x86 erofs-utils e2fsprogs")
    assert asked(host) == []


def test_a_host_without_apt_is_told_in_one_line(host):
    [said] = setup(host)
    assert "no virtual machines" in said


def test_an_installation_that_fails_is_shown_and_the_rest_goes_on(host):
    have(host, "mkfs.erofs", "mke2fs")
    apt(host, "echo 'E: Unable to locate package' >&2; exit 100")
    said = setup(host)
    assert "E: Unable to locate package" in said
    assert said[-1].endswith("they need: apt-get install qemu-system-x86")


@pytest.mark.parametrize(
    ("arguments", "env"),
    [(("--vm", "off"), {}), (("--port", "1", "--vm=off"), {}), ((), {"SESSIOND_VM": "off"})],
)
def test_who_wants_no_machines_is_left_alone(host, arguments, env):
    apt(host, "exit 0")
    assert setup(host, *arguments, **env) == []
    assert asked(host) == []


@pytest.mark.parametrize("name", ["serve", "test"])
def test_both_scripts_set_up_machines(name):
    script = SETUP.with_name(name)
    assert os.access(script, os.X_OK)
    assert "\napt_machines" in script.read_text()
