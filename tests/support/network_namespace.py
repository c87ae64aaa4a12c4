"""Network namespaces for tests that use port 8765, also one that several commands enter."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from tests.support.own_network import in_own_network

ENTER = ("nsenter", "--user", "--net", "--preserve-credentials", "--target")


def in_required_network(command: Sequence[str]) -> list[str]:
    """Return a command that runs `command` in its own network; without one, skip the test."""
    line = in_own_network(command)
    if line is None:
        pytest.skip("this machine allows no network namespace, and port 8765 may be in use")
    return line


@contextmanager
def network_namespace() -> Iterator[tuple[str, ...]]:
    """Yield a prefix that runs commands in one new namespace; without one, skip the test."""
    command = in_required_network(["sh", "-c", "echo up; exec cat"])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin is not None and holder.stdout is not None  # they are pipes
        assert holder.stdout.readline() == b"up\n"
        yield (*ENTER, str(holder.pid))
        holder.stdin.close()


def holder_of(prefix: Sequence[str]) -> int | None:
    """Return a process in the namespace that this prefix enters; None for any other prefix."""
    return int(prefix[-1]) if tuple(prefix[:-1]) == ENTER else None
