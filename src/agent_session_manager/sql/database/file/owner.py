"""The owner of a SQLite file, as its lock file names it. Error messages show it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass

from agent_shared import place


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A process. The other fields distinguish it from processes that have or had the same pid."""

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
        """True if the process is running here; False also for a process elsewhere."""
        started = place.start_of(self.pid)
        return not self.is_elsewhere and started is not None and self.started in (None, started)


def write_owner(descriptor: int) -> None:
    """Write this process into the lock file that it holds."""
    pid = os.getpid()
    owner = Owner(
        pid=pid, started=place.start_of(pid), processes=place.processes(), host=place.host()
    )
    os.pwrite(descriptor, json.dumps(asdict(owner)).encode(), 0)


def read_owner(descriptor: int) -> Owner | None:
    """Return the owner in a lock file; None if there is no owner, or a partly written one."""
    try:
        said = json.loads(os.pread(descriptor, 4096, 0))
        # Older managers wrote their process id alone.
        return Owner(pid=said) if isinstance(said, int) else Owner(**said)
    except (ValueError, TypeError):
        return None
