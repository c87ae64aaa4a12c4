"""The discovery file: how clients on this machine find the manager and its token.

While a manager serves, it holds a lock on `manager-PORT.json` in the state directory. Only the lock
counts: the manager of an unlocked file is gone. So another program on the port gets no token. The
token in the file survives restarts until it is rotated.

Clients take a shared lock for a moment to see whether the file is held. So managers exclude each
other with a second file, `manager-PORT.lock`, which no client opens. Its holder replaces the
discovery file with a new file, which is locked before it becomes visible. The manager binds the
port after that. A program on the port is not a manager of this directory if the file is not held.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from agent_session_manager import __version__
from agent_shared import place
from agent_shared.locks import is_locked, take_lock
from agent_shared.private_files import NotPrivateError, make_state_directory, open_private

LOCK_TIMEOUT_SECONDS = 60.0
"""A safety limit: a manager takes or releases its two locks immediately one after the other."""
_RETRY_SECONDS = 0.02
_TOKEN_BYTES = 32


class DiscoveryError(Exception):
    """The state directory or a file in it cannot be used; the text says which and what to do."""


class ManagerPresentError(DiscoveryError):
    """A manager holds the discovery file: it serves, or is starting or stopping."""


@dataclass(frozen=True, kw_only=True)
class Announcement:
    """The content of the file while a manager serves."""

    url: str
    pid: int
    instance: str
    version: str
    database: str
    token: str = field(repr=False)
    host: str = field(default_factory=place.host)
    processes: str = field(default_factory=place.processes)
    """The namespace of the process id; see `place`."""
    network: str = field(default_factory=place.network)
    """The namespace of the port."""

    @property
    def is_reachable(self) -> bool:
        """True if the port is in our network namespace."""
        return self.network == place.network()

    @property
    def has_our_processes(self) -> bool:
        """True if the process id is in our process namespace."""
        return self.processes == place.processes()

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


def discovery_path(state_dir: Path, port: int) -> Path:
    return state_dir / f"manager-{port}.json"


def log_path(state_dir: Path, port: int) -> Path:
    return state_dir / f"manager-{port}.log"


def prepare_state_dir(state_dir: Path) -> None:
    """Create the state directory for its owner only; refuse a directory that others can enter.

    Raises:
        DiscoveryError: it cannot be created, or others can use it.
    """
    try:
        make_state_directory(state_dir)
    except NotPrivateError as exc:
        raise DiscoveryError(str(exc)) from exc
    except OSError as exc:
        raise DiscoveryError(f"cannot create {state_dir}: {exc.strerror}") from exc


class DiscoveryFile:
    """The discovery file, locked from construction until `close`."""

    def __init__(self, path: Path) -> None:
        """Lock the file.

        Raises:
            ManagerPresentError: another manager holds it.
            DiscoveryError: it is not a private file of this user.
        """
        self._path = path
        with ExitStack() as undoing:
            self._hold = _open_private(path.with_suffix(".lock"))
            undoing.callback(os.close, self._hold)
            self._before = _take_over(path, self._hold)
            self.kept_token = _parse_token(self._before) or secrets.token_urlsafe(_TOKEN_BYTES)
            """The token of the previous manager, or a new token if there was no manager."""
            # The old content is of a process that is gone. Keep its token, in case we are killed.
            self._descriptor = _replace(path, _dump_starting(self.kept_token))
            undoing.pop_all()

    def announce(self, announcement: Announcement) -> None:
        """Publish the manager: from now on clients find it."""
        self._before = b""
        self._write(_dump(announcement))

    def rotate_token(self) -> None:
        """Replace the token of the previous manager with a new token."""
        self.kept_token = secrets.token_urlsafe(_TOKEN_BYTES)
        before = _parse(self._before)
        if before is None:
            self._before = _dump_token(self.kept_token)
        else:
            self._before = _dump(replace(before, token=self.kept_token))

    def close(self) -> None:
        """Release the file: the manager is gone. The next manager waits for the second lock."""
        if self._before:  # never announced
            self._write(self._before)
        os.close(self._descriptor)
        os.close(self._hold)

    def _write(self, content: bytes) -> None:
        """Replace the content, so that a concurrent reader finds the old or the new one."""
        size = os.fstat(self._descriptor).st_size
        os.pwrite(self._descriptor, content.ljust(size), 0)
        os.ftruncate(self._descriptor, len(content))


def find_manager(state_dir: Path, port: int) -> Announcement | None:
    """Return the manager that serves on this port, here or in another container, or None.

    Raises:
        OSError: the file cannot be read.
    """
    content = _held_content(discovery_path(state_dir, port))
    return None if content is None else _parse(content)


def find_managers(state_dir: Path) -> list[Announcement]:
    """Return all managers that serve from this state directory, by port."""
    found = []
    for path in state_dir.glob("manager-*.json"):
        port = path.stem.removeprefix("manager-")
        with suppress(OSError):
            announcement = find_manager(state_dir, int(port)) if port.isdecimal() else None
            if announcement is not None:
                found.append(announcement)
    return sorted(found, key=lambda announcement: announcement.port)


def _held_content(path: Path) -> bytes | None:
    """Return the content of the file if it is held, else None."""
    try:
        with _opened(path) as descriptor:
            return os.pread(descriptor, 65536, 0) if is_locked(descriptor) else None
    except FileNotFoundError:
        return None


def _take_over(path: Path, hold: int) -> bytes:
    """Take the managers' lock, and return the content of the file that is no longer held.

    A manager takes the lock before the file and releases it after the file. If only one of the two
    is held, its holder is about to take or to release the other.
    """
    deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
    while True:
        has_lock = take_lock(hold)
        descriptor = _open_private(path)
        try:
            content = os.pread(descriptor, 65536, 0)
            if not is_locked(descriptor):
                if has_lock:
                    return content
            elif not has_lock or "network" not in _fields(content):  # older ones do not write it
                raise ManagerPresentError(_presence(path, content))
        finally:
            os.close(descriptor)
        if time.monotonic() > deadline:
            raise ManagerPresentError(_presence(path, content))
        time.sleep(_RETRY_SECONDS)


def _replace(path: Path, content: bytes) -> int:
    """Replace the file with a new, already locked one; return its open descriptor."""
    new = path.with_suffix(".new")
    with ExitStack() as undoing:
        try:
            new.unlink(missing_ok=True)  # left by a manager that was killed here
            descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            undoing.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.pwrite(descriptor, content, 0)
            new.replace(path)
        except OSError as exc:
            raise DiscoveryError(f"cannot write {path}: {exc.strerror}") from exc
        undoing.pop_all()
    return descriptor


def _presence(path: Path, content: bytes) -> str:
    """Return a message that names the holder of the file and a remedy."""
    found, said = _parse(content), _fields(content)
    if said.get("processes", place.processes()) != place.processes():
        return (
            f"a manager on {said.get('host')}, in another container or machine, holds {path}: stop "
            "it there, or use another --state-dir here"
        )
    pid = said.get("pid", "unknown")
    if found is None:
        return f"another manager (process {pid}) holds {path}: it is starting or stopping"
    return (
        f"a manager serves {found.url} already (process {pid}, version {found.version}); "
        "stop it with: agent-session-manager stop"
    )


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _open_private(path: Path) -> int:
    try:
        return open_private(path)
    except NotPrivateError as exc:
        raise DiscoveryError(str(exc)) from exc
    except OSError as exc:
        raise DiscoveryError(f"cannot open {path}: {exc.strerror}") from exc


def _dump(announcement: Announcement) -> bytes:
    return json.dumps(asdict(announcement)).encode()


def _dump_token(token: str) -> bytes:
    """Return the content of the file while no manager serves."""
    return json.dumps({"kept_token": token}).encode()


def _dump_starting(token: str) -> bytes:
    """Return the content of the file while its manager is starting."""
    return json.dumps(
        {
            "kept_token": token,
            "pid": os.getpid(),
            "version": __version__,
            "host": place.host(),
            "processes": place.processes(),
            "network": place.network(),
        }
    ).encode()


def _parse_token(content: bytes) -> str | None:
    announcement = _parse(content)
    if announcement is not None:
        return announcement.token
    token = _fields(content).get("kept_token")
    return token if isinstance(token, str) else None


def _parse(content: bytes) -> Announcement | None:
    """Parse an announcement; one from another version may have more or fewer fields."""
    said = _fields(content)
    known = {field.name: said[field.name] for field in fields(Announcement) if field.name in said}
    try:
        return Announcement(**known)
    except TypeError:
        return None


def _fields(content: bytes) -> dict[str, Any]:
    try:
        said = json.loads(content)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
