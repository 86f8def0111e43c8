"""A host that has only what scripts/setup.sh itself needs, and what it says there."""

import shutil
import subprocess
from pathlib import Path

SETUP = Path(__file__).resolve().parents[2] / "scripts" / "setup.sh"
NEEDED = ("bash", "cat", "dirname", "mktemp", "readlink", "rm")
APT_GET = """#!/bin/sh
echo "$@" >>{here}/asked
case "$1" in update) exit 0 ;; esac
{does}
"""


class BareHost:
    """A folder with a few programs; `apt` adds one that does as it is told."""

    def __init__(self, folder):
        self.folder = folder
        self.programs = folder / "bin"
        self.programs.mkdir()
        for name in NEEDED:
            (self.programs / name).symlink_to(shutil.which(name))

    def have(self, *names):
        """Add programs that do nothing."""
        for name in names:
            (self.programs / name).write_text("#!/bin/sh\n")
            (self.programs / name).chmod(0o755)

    def apt(self, does):
        """Add an apt-get that notes what it is asked."""
        self.have("apt-get")
        (self.programs / "apt-get").write_text(APT_GET.format(here=self.folder, does=does))

    def asked(self):
        """What apt-get was asked."""
        path = self.folder / "asked"
        return path.read_text().splitlines() if path.exists() else []

    def setup(self, function, *arguments, root=True, **env):
        """What is said when that is set up; always successful and silent on stdout."""
        # The host's own /usr/sbin must not help: the places where Debian puts programs are ours.
        script = SETUP.read_text().replace("PATH=$PATH:/usr/sbin:/sbin ", "")
        assert script != SETUP.read_text()
        script = script.replace("$EUID", "0" if root else "1000")
        (self.folder / "setup.sh").write_text(script)
        call = f'set -euo pipefail; source "$0"; {function} "$@"'
        done = subprocess.run(
            ["bash", "-c", call, self.folder / "setup.sh", *arguments],
            env={"PATH": str(self.programs), **env},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        assert (done.returncode, done.stdout) == (0, "")
        return done.stderr.splitlines()
