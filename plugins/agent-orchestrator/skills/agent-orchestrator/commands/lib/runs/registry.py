"""The runs of this person on this machine: who supervises each, and how its processes are known.

A file per run, locked by its supervisor for as long as that lives. An unlocked file is a supervisor
that died: what it left running is found by the marker in it.

Where containers or machines share the directory, a process id means something in the namespace of
its supervisor, and a free lock where locks are shared: on the same boot, or on the same host after
another boot.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ..machine.environment import host
from ..shared import place
from ..shared.private_files import create_locked, make_private_directory, open_to_read


@dataclass(frozen=True, kw_only=True)
class RegisteredRun:
    """One run of this machine. `pid` is its supervisor's, `marker` its processes' own."""

    session_id: str
    session_name: str
    project_dir: str
    run: int
    pid: int
    marker: str
    parent_session_id: str | None = None
    host: str = field(default_factory=host)
    processes: str = field(default_factory=place.processes)
    """What `pid` is one of; see `place`."""


@dataclass(frozen=True, kw_only=True)
class Registered:
    """A registered run, and whether its supervisor lives."""

    run: RegisteredRun
    path: Path
    is_supervised: bool
    """Whether somebody holds the file; on another machine it may be held unseen."""

    @property
    def is_here(self) -> bool:
        """Whether the process id means the same here."""
        return self.run.processes == place.processes()

    @property
    def is_dead(self) -> bool:
        """Whether its supervisor has died, as far as that can be known here."""
        is_same_boot = place.boot_of(self.run.processes) == place.boot_of(place.processes())
        return not self.is_supervised and (is_same_boot or self.run.host == host())

    def is_unchanged(self) -> bool:
        """Whether the same supervisor still holds the file."""
        with suppress(OSError, ValueError, TypeError):
            return _read(self.path) == self
        return False


def registry_dir(state_dir: Path) -> Path:
    return state_dir / "runs"


@contextmanager
def registered(run: RegisteredRun, state_dir: Path) -> Iterator[None]:
    """Register a run of ours for as long as the block lasts."""
    directory = registry_dir(state_dir)
    path = make_private_directory(directory) / f"{run.session_id}.{run.run}.json"
    descriptor = create_locked(path, json.dumps(asdict(run)).encode())
    try:
        yield
        path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def list_registered(state_dir: Path) -> list[Registered]:
    """All runs that are registered; one whose file cannot be read is left out."""
    directory = registry_dir(state_dir)
    found = []
    for path in sorted(directory.glob("*.json")) if directory.is_dir() else []:
        with suppress(OSError, ValueError, TypeError):
            found.append(_read(path))
    return found


def with_descendants(entries: Sequence[Registered], of: Sequence[Registered]) -> list[Registered]:
    """These runs and, out of `entries`, those of sessions that were started from inside them."""
    found = list(of)
    for parent in found:  # which grows on the way, so that children of children are found
        found += [
            entry
            for entry in entries
            if entry.run.parent_session_id == parent.run.session_id and entry not in found
        ]
    return found


def spared_pids(state_dir: Path) -> frozenset[int]:
    """The pids of all supervisors and managers: none of them is part of any run."""
    supervisors = (
        entry.run.pid
        for entry in list_registered(state_dir)
        if entry.is_supervised and entry.is_here
    )
    managers = (pid for path in state_dir.glob("manager-*.json") if (pid := _manager_pid(path)))
    return frozenset((*supervisors, *managers))


def _manager_pid(path: Path) -> int | None:
    with suppress(OSError, ValueError, TypeError, LookupError, AttributeError):
        content, is_locked = _look(path)
        said = json.loads(content)
        is_here = said.get("processes", place.processes()) == place.processes()
        return int(said["pid"]) if is_locked and is_here else None
    return None


def forget(entry: Registered) -> None:
    """Remove the file of a run whose supervisor is dead and of which nothing is left."""
    entry.path.unlink(missing_ok=True)


def _read(path: Path) -> Registered:
    content, is_locked = _look(path)
    run = RegisteredRun(**json.loads(content))
    return Registered(run=run, path=path, is_supervised=is_locked)


def _look(path: Path) -> tuple[bytes, bool]:
    """What a file says, and whether somebody holds it."""
    descriptor = open_to_read(path)
    try:
        is_locked = False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            is_locked = True
        # Who has come to its end removes its file first: then nobody died.
        if os.fstat(descriptor).st_nlink == 0:
            raise FileNotFoundError(2, "it was removed meanwhile")
        return os.read(descriptor, 65536), is_locked
    finally:
        os.close(descriptor)
