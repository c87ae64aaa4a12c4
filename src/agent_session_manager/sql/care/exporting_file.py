"""Writing a file that gets its name only when it is complete."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from agent_session_manager.sql.care.backup import put_in_place, refuse_taken, unfinished
from agent_session_manager.sql.database.errors import DatabaseError


@contextmanager
def written_whole(file: Path) -> Iterator[BinaryIO]:
    """Write a new private file. It is on the disk when the block has ended.

    Raises:
        DatabaseError: the file exists or cannot be written; no partial file remains.
    """
    refuse_taken(file)
    with unfinished(file) as made:
        try:
            with made.open("wb") as to:
                yield to
        except OSError as exc:
            raise DatabaseError(f"cannot write in {file.parent}: {exc.strerror}") from exc
        refuse_taken(file)
        put_in_place(made, file)
