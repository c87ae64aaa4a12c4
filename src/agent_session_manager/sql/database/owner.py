"""The name in the lock of a SQLite file: which process owns it, for whoever is refused."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass

from agent_shared import place


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A process, and what tells it from others that have its number elsewhere or had it before."""

    pid: int
    started: str | None = None
    processes: str = ""
    host: str = ""

    def __str__(self) -> str:
        if self.is_elsewhere:
            return (
                f"a manager on {self.host}, in another container or machine (process id {self.pid} "
                "there)"
            )
        return f"the manager with process id {self.pid}"

    @property
    def is_elsewhere(self) -> bool:
        return bool(self.host) and self.processes != place.processes()

    @property
    def is_alive(self) -> bool:
        """Whether it lives; of a process elsewhere that cannot be known."""
        started = place.start_of(self.pid)
        return not self.is_elsewhere and started is not None and self.started in (None, started)


def write_owner(descriptor: int) -> None:
    """Say in the lock that is held by us who we are."""
    pid = os.getpid()
    owner = Owner(
        pid=pid, started=place.start_of(pid), processes=place.processes(), host=place.host()
    )
    os.pwrite(descriptor, json.dumps(asdict(owner)).encode(), 0)


def read_owner(descriptor: int) -> Owner | None:
    """Return the last process that said so; None where none did, or it was half-written."""
    try:
        said = json.loads(os.pread(descriptor, 4096, 0))
        # Older managers wrote their process id alone.
        return Owner(pid=said) if isinstance(said, int) else Owner(**said)
    except (ValueError, TypeError):
        return None
