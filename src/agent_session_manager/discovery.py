"""The discovery file: how clients on this machine find the manager and its token.

While a manager serves, it holds a lock on `manager-PORT.json` in the state directory. The lock is
the truth: a file that nobody holds is a manager that is gone, whatever it says, so a stranger who
listens on the port gets no token. The token in it outlives restarts, until it is rotated.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from agent_session_manager.private import NotPrivateError, open_private

LOCK_TIMEOUT_SECONDS = 2.0
_RETRY_SECONDS = 0.02
_TOKEN_BYTES = 32


class DiscoveryError(Exception):
    """The state directory or a file in it cannot be used; the text says which and what to do."""


@dataclass(frozen=True, kw_only=True)
class Announcement:
    """What the file says about the manager that serves."""

    url: str
    pid: int
    instance: str
    version: str
    database: str
    token: str = field(repr=False)


def discovery_path(state_dir: Path, port: int) -> Path:
    return state_dir / f"manager-{port}.json"


def log_path(state_dir: Path, port: int) -> Path:
    return state_dir / f"manager-{port}.log"


def prepare_state_dir(state_dir: Path) -> None:
    """Create the state directory for its owner only, and refuse one that others can enter."""
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = state_dir.lstat()
    except OSError as exc:
        raise DiscoveryError(f"cannot create {state_dir}: {exc.strerror}") from exc
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise DiscoveryError(f"{state_dir} is not a directory of yours")
    if status.st_mode & 0o077:
        raise DiscoveryError(f"{state_dir} is open to others: chmod 700 {state_dir}")


class DiscoveryFile:
    """The file, locked by us from construction until `close`."""

    def __init__(self, path: Path) -> None:
        """Take the lock.

        Raises:
            DiscoveryError: another manager holds it, or the file is not a private one of ours.
        """
        self._path = path
        self._descriptor = _open_private(path)
        if not _lock(self._descriptor):
            os.close(self._descriptor)
            raise DiscoveryError(f"another manager holds {path}")
        self._before = os.pread(self._descriptor, 65536, 0)
        self.kept_token = _parse_token(self._before) or secrets.token_urlsafe(_TOKEN_BYTES)
        """The token of the manager that was here before; a fresh one where there was none."""
        # It spoke of a process that is gone. The token stays, should we be killed before we serve.
        self._write(_dump_token(self.kept_token))

    def announce(self, announcement: Announcement) -> None:
        """From now on clients find us."""
        self._before = b""
        self._write(_dump(announcement))

    def rotate_token(self) -> None:
        """Keep another token than the one of the manager that was here before, which is void."""
        self.kept_token = secrets.token_urlsafe(_TOKEN_BYTES)
        before = _parse(self._before)
        if before is None:
            self._before = _dump_token(self.kept_token)
        else:
            self._before = _dump(replace(before, token=self.kept_token))

    def close(self) -> None:
        """Let go of the lock: nobody serves here any more."""
        if self._before:  # never announced
            self._write(self._before)
        os.close(self._descriptor)

    def _write(self, content: bytes) -> None:
        """Replace the content, so that whoever reads meanwhile finds the one or the other."""
        size = os.fstat(self._descriptor).st_size
        os.pwrite(self._descriptor, content.ljust(size), 0)
        os.ftruncate(self._descriptor, len(content))


def find_manager(state_dir: Path, port: int) -> Announcement | None:
    """The manager that serves on this port, or None."""
    try:
        with _opened(discovery_path(state_dir, port)) as descriptor:
            if _is_locked(descriptor):
                return _parse(os.pread(descriptor, 65536, 0))
    except FileNotFoundError:
        pass
    return None


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


def _lock(descriptor: int) -> bool:
    """Take the lock, past the moment in which a client looks whether it is held."""
    deadline = time.monotonic() + LOCK_TIMEOUT_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(_RETRY_SECONDS)
        else:
            return True


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def _dump(announcement: Announcement) -> bytes:
    return json.dumps(asdict(announcement)).encode()


def _dump_token(token: str) -> bytes:
    """What is in the file while nobody is to be found by it."""
    return json.dumps({"kept_token": token}).encode()


def _parse_token(content: bytes) -> str | None:
    announcement = _parse(content)
    if announcement is not None:
        return announcement.token
    try:
        return str(json.loads(content)["kept_token"])
    except (ValueError, TypeError, KeyError):
        return None


def _parse(content: bytes) -> Announcement | None:
    try:
        return Announcement(**json.loads(content))
    except (ValueError, TypeError):
        return None
