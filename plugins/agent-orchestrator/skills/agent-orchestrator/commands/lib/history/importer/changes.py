"""Changes below the places of agents, as the operating system reports them."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

TICK_SECONDS = 1.0
_TICK_MS = int(TICK_SECONDS * 1000)
_STEP_MS = 50
_MOST_MS = 400
"""Changes within a step of each other are reported together, up to this time."""

Paths = frozenset[Path]
NOTHING: Paths = frozenset()


class Changes(NamedTuple):
    """Paths of files and directories that changed since the last report."""

    added: Paths
    modified: Paths
    deleted: Paths
    is_beginning: bool
    """True for the first report after a start of watching: earlier changes are unknown."""
    is_blind: bool
    """True if the operating system reports nothing, so that only looking finds changes."""


def changes_below(
    roots: Sequence[Path], *, polls: bool, on_blind: Callable[[str], None]
) -> Generator[Changes, None, None]:
    """Yield the changes below directories for ever: each second, also without a change.

    A directory that does not exist yet, or is replaced, is watched from the next second on. With
    `polls`, nothing is watched. `on_blind` receives the reason if watching fails.
    """
    is_blind = polls
    while True:
        places = _places(roots)
        is_beginning = True
        try:
            for added, modified, deleted in _reported(list(places), is_blind):
                yield Changes(added, modified, deleted, is_beginning, is_blind)
                is_beginning = False
                # A new directory can have the identity of the deleted one.
                if _places(roots) != places or not deleted.isdisjoint(places):
                    break
        except FileNotFoundError:  # a directory was deleted just now
            time.sleep(TICK_SECONDS)
        except (OSError, RuntimeError) as exc:
            on_blind(str(exc))
            is_blind = True


def _places(roots: Sequence[Path]) -> dict[Path, tuple[int, int]]:
    """Return the directories that exist, with their identity."""
    found = {}
    for root in roots:
        if status := look_at_directory(root):
            found[root] = (status.st_dev, status.st_ino)
    return found


def look_at_directory(path: Path) -> os.stat_result | None:
    """Return the status of a directory; None for everything else, and if it is not visible."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status if stat.S_ISDIR(status.st_mode) else None


def _reported(places: list[Path], is_blind: bool) -> Iterator[tuple[Paths, Paths, Paths]]:
    if is_blind or not places:
        while True:
            time.sleep(TICK_SECONDS)
            yield NOTHING, NOTHING, NOTHING
    # Late: it is needed nowhere else.
    from watchfiles import Change, watch

    # Some systems report the real path of a directory that was given through a link.
    named = {place.resolve(): place for place in places}
    for found in watch(
        *named,
        watch_filter=None,
        debounce=_MOST_MS,
        step=_STEP_MS,
        rust_timeout=_TICK_MS,
        yield_on_timeout=True,
        force_polling=False,
        ignore_permission_denied=True,
    ):
        by_kind = {
            kind: frozenset(_as_named(Path(path), named) for each, path in found if each is kind)
            for kind in Change
        }
        yield by_kind[Change.added], by_kind[Change.modified], by_kind[Change.deleted]


def _as_named(path: Path, named: dict[Path, Path]) -> Path:
    """Return a reported path below the directory as it was given."""
    return next(
        (named[up] / path.relative_to(up) for up in (path, *path.parents) if up in named), path
    )
