"""Signals to a process whose id may have been reused, where the system offers less than usual."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from agent_shared.place import terminate
from tests.support.rows import each_row

CALLS = {"pidfd_open": os, "pidfd_send_signal": signal}


def without(patch: pytest.MonkeyPatch, call: str) -> None:
    """Take a call away, as a Python that was built for an older kernel does."""
    patch.delattr(CALLS[call], call, raising=False)


def refusing(number: int) -> Callable[[pytest.MonkeyPatch, str], None]:
    """Refuse a call, as a sandbox (EPERM) or an older kernel (ENOSYS) does."""

    def refuse(patch: pytest.MonkeyPatch, call: str) -> None:
        def fail(*_: Any) -> None:
            raise OSError(number, os.strerror(number))

        patch.setattr(CALLS[call], call, fail, raising=False)

    return refuse


@each_row(
    "change,calls",
    [
        (lambda *_: None, ()),
        (without, CALLS),
        *((refusing(each), (call,)) for each in (errno.EPERM, errno.ENOSYS) for call in CALLS),
    ],
)
def test_terminate_signals_only_the_process_meant(
    monkeypatch: pytest.MonkeyPatch, change: Callable[..., None], calls: tuple[str, ...]
) -> None:
    for call in calls:
        change(monkeypatch, call)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as other:
        terminate(other.pid, lambda: False)
    assert other.returncode == 0
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as meant:
        terminate(meant.pid, lambda: True)
        assert meant.wait(60) == -signal.SIGTERM
    terminate(meant.pid, lambda: True)  # it is gone
