"""The service as it is, on real machines whose guests let a test be root in them.

python -m tests.support.vm_process serve ... reads from the environment
    ROOTED      1: what a program leaves in AS_ROOT runs as root as soon as any program dumps core
    PATIENCE    JSON: the fields of Patience, so that no test waits long for a silent machine
and what tests.support.dying reads besides. Nothing of the guest image is altered: its kernel is
told on its command line where core dumps go, so such machines come from templates of their own.
"""

from __future__ import annotations

import json
import os
from typing import Final

from sessions.runtimes.vm import argv
from sessions.runtimes.vm.machine import Patience
from sessions.runtimes.vm.runtime import Qemu
from tests.support import dying

AS_ROOT: Final = "/workspace/.as-root"


def main() -> None:
    """Prepare, then be the service."""
    if os.environ.get("ROOTED") == "1":
        pattern = f' sysctl.kernel.core_pattern="|/bin/bash {AS_ROOT}"'
        vars(argv)["_KERNEL_LINE"] = argv._KERNEL_LINE + pattern
    if "PATIENCE" in os.environ:
        defaults = Qemu.__init__.__kwdefaults__
        assert defaults is not None
        defaults["patience"] = Patience(**json.loads(os.environ["PATIENCE"]))
    dying.main()


if __name__ == "__main__":
    main()
