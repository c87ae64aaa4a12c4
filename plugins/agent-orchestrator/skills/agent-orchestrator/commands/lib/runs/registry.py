"""Registry of this user's runs on this machine: supervisors and process markers.

Each run has a file, which its supervisor locks while it lives. An unlocked file means that the
supervisor has died. The marker in the file identifies the processes that it left running.

Containers or machines may share the directory. A process id is valid only in the namespace of its
supervisor. A free lock is meaningful only where locks are shared: on the same boot, or on the same
host after another boot.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from ..machine.environment import host
from ..shared import place
from ..shared.locks import is_locked
from ..shared.private_files import create_locked, make_private_directory, open_to_read


@dataclass(frozen=True, kw_only=True)
class RegisteredRun:
    """A run on this machine: `pid` is its supervisor's id, `marker` identifies its processes."""

    session_id: str
    session_name: str
    project_dir: str
    run: int
    pid: int
    marker: str
    parent_session_id: str | None = None
    host: str = field(default_factory=host)
    processes: str = field(default_factory=place.processes)
    """Namespace of `pid`; see `place`."""
    waits: bool = False
    """True if the run has ended, and its supervisor waits for notices."""


@dataclass(frozen=True, kw_only=True)
class Registered:
    """A registered run, and whether its supervisor lives."""

    run: RegisteredRun
    path: Path
    is_supervised: bool
    """True if a process holds the file. A lock held on another machine may be invisible here."""

    @property
    def is_here(self) -> bool:
        """True if the process id is valid in our namespace."""
        return self.run.processes == place.processes()

    @property
    def is_dead(self) -> bool:
        """True if its supervisor is known to have died."""
        is_same_boot = place.boot_of(self.run.processes) == place.boot_of(place.processes())
        return not self.is_supervised and (is_same_boot or self.run.host == host())

    def is_unchanged(self) -> bool:
        """Return whether the same supervisor still holds the file."""
        with suppress(OSError, ValueError, TypeError):
            now = _read(self.path)
            # One that begins to wait for notices renews its entry.
            run = replace(now.run, waits=self.run.waits, marker=self.run.marker)
            return replace(now, run=run) == self
        return False


def registry_dir(state_dir: Path) -> Path:
    return state_dir / "runs"


@contextmanager
def registered(run: RegisteredRun, state_dir: Path) -> Iterator[int]:
    """Register a run of ours while the block runs, in place of an entry of the same run.

    Yields the descriptor that holds the entry.
    """
    directory = registry_dir(state_dir)
    path = make_private_directory(directory) / f"{run.session_id}.{run.run}.json"
    descriptor = create_locked(path, json.dumps(asdict(run)).encode())
    try:
        yield descriptor
    except SystemExit:  # a stop
        path.unlink(missing_ok=True)
        raise
    else:
        path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def list_registered(state_dir: Path) -> list[Registered]:
    """List all registered runs, except those whose file cannot be read."""
    directory = registry_dir(state_dir)
    found = []
    for path in sorted(directory.glob("*.json")) if directory.is_dir() else []:
        with suppress(OSError, ValueError, TypeError):
            found.append(_read(path))
    return found


def with_descendants(entries: Sequence[Registered], of: Sequence[Registered]) -> list[Registered]:
    """Return these runs and, from `entries`, the runs of sessions started inside them."""
    found = list(of)
    for parent in found:  # the list grows, so that children of children are found
        found += [
            entry
            for entry in entries
            if entry.run.parent_session_id == parent.run.session_id and entry not in found
        ]
    return found


def spared_pids(state_dir: Path) -> frozenset[int]:
    """Return the process ids of all supervisors and managers, which never belong to a run."""
    supervisors = (
        entry.run.pid
        for entry in list_registered(state_dir)
        if entry.is_supervised and entry.is_here
    )
    managers = (pid for path in state_dir.glob("manager-*.json") if (pid := _manager_pid(path)))
    return frozenset((*supervisors, *managers))


def _manager_pid(path: Path) -> int | None:
    with suppress(OSError, ValueError, TypeError, LookupError, AttributeError):
        content, is_held = _look(path)
        said = json.loads(content)
        is_here = said.get("processes", place.processes()) == place.processes()
        return int(said["pid"]) if is_held and is_here else None
    return None


def forget(entry: Registered) -> None:
    """Remove the file of a run whose supervisor is dead and whose processes are gone."""
    entry.path.unlink(missing_ok=True)


def _read(path: Path) -> Registered:
    content, is_held = _look(path)
    run = RegisteredRun(**json.loads(content))
    return Registered(run=run, path=path, is_supervised=is_held)


def _look(path: Path) -> tuple[bytes, bool]:
    """Return the content of a file, and whether a process holds it."""
    descriptor = open_to_read(path)
    try:
        is_held = is_locked(descriptor)
        # A supervisor that ends normally removes its file first, so it has not died.
        if os.fstat(descriptor).st_nlink == 0:
            raise FileNotFoundError(2, "it has just been removed")
        return os.read(descriptor, 65536), is_held
    finally:
        os.close(descriptor)
