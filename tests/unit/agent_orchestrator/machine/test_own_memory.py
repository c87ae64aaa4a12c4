"""Memory of a supervisor that other processes of its user cannot read."""

from __future__ import annotations

import subprocess
import sys

import pytest

HIDES = """
import ctypes, os, sys
from agent_orchestrator.machine.own_memory import PR_SET_DUMPABLE, hide_memory
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)  # the change of the user hides it
if len(sys.argv) > 1:
    hide_memory()
try:
    open(f"/proc/{os.getpid()}/environ").close()
    print("read")
except PermissionError:
    print("refused")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such protection")
@pytest.mark.parametrize(("argument", "answer"), [((), "read"), (("hide",), "refused")])
def test_hidden_memory_is_not_readable(argument: tuple[str, ...], answer: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", HIDES, *argument], capture_output=True, text=True, check=True
    )
    assert (ended.stdout, ended.stderr) == (f"{answer}\n", "")
