"""opencode: databases since 1.2, and files before. Its sessions change in place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ...format import About, Source
from ...items import Item
from ..fields import required_session_id
from ..files import is_inside
from . import databases, storage
from .databases import Version


class OpencodeFormat:
    """The format. A session that stands in several places is found once, in the newest one."""

    name = "opencode"
    version = 1
    about = About(
        agent="opencode",
        places="`opencode.db`, `opencode-*.db` and `storage` in "
        "`${XDG_DATA_HOME:-~/.local/share}/opencode`",
        evidence="samples",
        newest="1.18.33 (2.x: its source)",
        checked="2026-11-27",
        limits="An answer is read when it is complete or abandoned. A fork of 1.x does not name "
        "its origin. Contents of attached files are not read.",
    )

    def roots(self, home: Path, environ: Mapping[str, str]) -> list[Path]:
        """Return the data directory of opencode."""
        place = environ.get("XDG_DATA_HOME")
        return [(Path(place) if place else home / ".local" / "share") / "opencode"]

    def find(self, root: Path) -> Iterator[Source]:
        """Yield each session once.

        Raises:
            OSError: a database cannot be read now. It is raised after the sessions of the others.
        """
        found: dict[str, tuple[Version, Path]] = {}
        problem: OSError | None = None
        for path in _databases(root):
            try:
                for session_id, version in databases.versions(path).items():
                    if session_id not in found or found[session_id][0] < version:
                        found[session_id] = version, path
            except OSError as error:
                problem = problem or error
        for session_id, (version, path) in found.items():
            yield Source(path=path, root=root, key=session_id, stamp=version.stamp)
        if problem is not None:
            raise problem
        for session_id, path in storage.sessions(root):
            if session_id not in found:
                stamp = storage.stamp(path, root)
                yield Source(path=path, root=root, key=session_id, stamp=stamp)

    def read(self, source: Source) -> Iterator[Item]:
        """Yield the items of a session.

        Raises:
            BrokenRecordError: the session is not of this format.
            OSError: the session cannot be read now.
        """
        session_id = required_session_id(source.key)
        if source.path.suffix == ".db":
            yield from databases.read(source.path, session_id)
        else:
            yield from storage.read(source.path, source.root)


def _databases(root: Path) -> list[Path]:
    paths = [root / "opencode.db", *sorted(root.glob("opencode-*.db"))]
    return [path for path in paths if is_inside(path, root)]


FORMAT = OpencodeFormat()
