"""A command with a defect: every request for sessions raises a KeyError.

As a program: `defective.py COMMAND ARGUMENTS…`, where COMMAND is the path of an `ao-*` program.
"""

from __future__ import annotations

import importlib
import runpy
import sys
from pathlib import Path

PROGRAM = (sys.executable, str(Path(__file__)))


def _fail(*_: object, **__: object) -> None:
    raise KeyError("session_name")


def run() -> None:
    command = sys.argv[1]
    sys.argv = sys.argv[1:]
    sys.path.insert(0, str(Path(command).parent))
    client = importlib.import_module("lib.client.manager").ManagerClient
    client.get_session = client.find_sessions = _fail
    runpy.run_path(command, run_name="__main__")


if __name__ == "__main__":
    run()
