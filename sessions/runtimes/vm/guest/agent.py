"""Starts the agent: `python3 agent.py` in a machine, `fd=N home=DIR` outside of one."""

import os
import sys
from importlib import import_module

if __name__ == "__main__":
    # A script is compiled anew at each start and a package is not: the work is done there.
    parent, name = os.path.split(os.path.dirname(os.path.realpath(__file__)))
    sys.path[0] = parent
    sys.exit(import_module(f"{name}.service").main(sys.argv[1:]))
