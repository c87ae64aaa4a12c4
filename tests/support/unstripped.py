"""A command that does not clean its output: every test of the cleaning must fail with it.

As a program: `unstripped.py COMMAND ARGUMENTS…`, where COMMAND is the path of an `ao-*` program.
"""

from __future__ import annotations

import importlib
import runpy
import sys
from pathlib import Path

PROGRAM = (sys.executable, str(Path(__file__)))


def run() -> None:
    command = sys.argv[1]
    sys.argv = sys.argv[1:]
    sys.path.insert(0, str(Path(command).parent))
    output = importlib.import_module("lib.console.terminal.output")
    for name in ("clean", "one_line"):
        assert hasattr(output, name), name
        setattr(output, name, lambda text: text)
    runpy.run_path(command, run_name="__main__")


if __name__ == "__main__":
    run()
