"""The file of targets, `notify.json` in the state directory. Only its owner can read it.

It has URLs and signing secrets, so it is neither in the database nor in its copies. A running
manager notices a change before it stores the next alert.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from agent_session_manager.alerts.target import Target, TargetError
from agent_session_manager.domain.sessions.alert import Interest
from agent_shared.private_files import check_private, open_private, open_to_read

logger = logging.getLogger(__name__)

FILE_NAME = "notify.json"
MAX_TARGETS = 20
_VERSION = 1

Seen = tuple[int, int, int] | str | None
"""A version of the file: its state, the reason why that is not known, or None without a file."""


class TargetsFileError(Exception):
    """The file cannot be used; the text states the reason and the remedy."""


class TargetsFile:
    """Reads and changes the targets. Several threads may read."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / FILE_NAME
        self._known: tuple[Seen, Sequence[Target]] = (None, ())

    def read(self) -> Sequence[Target]:
        """Return all targets, in the order of their addition.

        Raises:
            TargetsFileError: the file cannot be read, or was damaged.
        """
        try:
            check_private(self._path)
            with os.fdopen(open_to_read(self._path), "rb") as file:
                text = file.read()
        except FileNotFoundError:
            return ()
        except OSError as exc:
            raise TargetsFileError(f"cannot read {self._path}: {exc.strerror}") from exc
        try:
            content = json.loads(text)
            return tuple(map(Target.from_json, content["targets"]))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
            raise TargetsFileError(
                f"{self._path} is not a file of targets ({type(exc).__name__}): correct it, or "
                "remove it and add the targets again"
            ) from exc

    def known(self) -> Sequence[Target]:
        """Return all targets; read the file only if it has changed.

        It never raises: events must be stored, whatever the file is. If it cannot be read, the
        targets stay as they were, and the log has the reason.
        """
        seen = self._look()
        known, targets = self._known
        if seen == known:
            return targets
        try:
            targets = () if seen is None else self.read()
        except TargetsFileError as exc:
            logger.error("%s; the targets of alerts stay as they were", exc)
        except Exception:
            logger.exception("a defect; the targets of alerts stay as they were")
        self._known = seen, targets
        return targets

    def interests(self) -> Sequence[Interest]:
        """Return the interests of all targets that are not disabled."""
        return [target.interest for target in self.known() if target.disabled is None]

    def change(self, change: Callable[[Sequence[Target]], Sequence[Target]]) -> None:
        """Replace the targets by those that `change` makes of them.

        Changes exclude each other, also of several processes.

        Raises:
            TargetError: there would be too many targets.
            TargetsFileError: the file cannot be read or written.
        """
        try:
            lock = open_private(self._path.with_suffix(".lock"))
        except OSError as exc:
            raise TargetsFileError(f"cannot write {self._path}: {exc.strerror}") from exc
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            targets = change(self.read())
            if len(targets) > MAX_TARGETS:
                raise TargetError(f"there are {MAX_TARGETS} targets already: remove one first")
            self._write(targets)
        except OSError as exc:
            raise TargetsFileError(f"cannot write {self._path}: {exc.strerror}") from exc
        finally:
            os.close(lock)

    def disable(self, target_id: str, reason: str) -> None:
        """Note that a target gets no more alerts, if it still exists."""
        self.change(
            lambda targets: [
                replace(each, disabled=reason) if each.target_id == target_id else each
                for each in targets
            ]
        )

    def _look(self) -> Seen:
        try:
            status = self._path.lstat()
        except FileNotFoundError:
            return None
        except OSError as exc:
            return str(exc)  # reading it fails too, and tells so
        # The time of the last change of the status: a new mode or owner counts too.
        return status.st_ino, status.st_ctime_ns, status.st_size

    def _write(self, targets: Sequence[Target]) -> None:
        content = {"version": _VERSION, "targets": [target.to_json() for target in targets]}
        new = self._path.with_suffix(".new")
        new.unlink(missing_ok=True)  # left by a process that was killed
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
