"""Somebody swaps a path for a link while it is opened: the link is never followed.

Whoever could do so to a file of ours has the rights of its owner, or it lies where others can
write, which is refused; here all of it is allowed, to see that opening alone is safe.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from agent_orchestrator.machine import private_files
from agent_orchestrator.outbox.outbox import Outbox, OutboxError, Run
from agent_session_manager.machine import private
from agent_session_manager.machine.discovery import DiscoveryError, DiscoveryFile
from agent_session_manager.sql.database import sqlite
from agent_session_manager.sql.database.errors import DatabaseError
from agent_session_manager.sql.database.open import open_database
from tests.support.campaign import Campaign
from tests.support.swapping import swapped
from tests.support.waiting import wait_for

pytestmark = pytest.mark.stress

Opening = Callable[[Path], None]


def write(descriptor: int) -> None:
    with open(descriptor, "wb", closefd=True) as file:
        file.write(b"ours")


def open_as_the_manager(path: Path) -> None:
    write(private.open_private(path))


def open_as_a_command(path: Path) -> None:
    write(private_files.open_private(path))


def open_a_log(path: Path) -> None:
    write(private_files.open_private(path, append=True))


def open_a_discovery_file(path: Path) -> None:
    file = DiscoveryFile(path)
    file.rotate_token()
    file.close()


def open_a_database(path: Path) -> None:
    database = open_database(f"sqlite:///{path}")
    try:
        with database.writing.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE ours (x TEXT)")
    finally:
        database.close()


def open_an_outbox(path: Path) -> None:
    with closing(Outbox(path, Run(session_id="s", run=1, url="u"))) as outbox:
        outbox.add({"event_type": "x"})


def open_as_nobody_should(path: Path) -> None:
    write(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


REFUSALS = (
    *(private.NotPrivateError, DiscoveryError, DatabaseError, OutboxError),
    *(OSError, sqlite3.Error),
)
"""What may come of it, beside an opened file of ours; SQLAlchemy's errors are from sqlite3's."""


class Victim:
    """A file that is worth something: another database, so that SQLite too would take it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch(0o600)
        with closing(sqlite3.connect(path)) as database:
            database.execute("CREATE TABLE theirs (x TEXT)")
            database.commit()
        self._content = path.read_bytes()

    @property
    def is_untouched(self) -> bool:
        beside = [Path(f"{self.path}{suffix}") for suffix in ("-wal", "-shm", "-journal")]
        return self.path.read_bytes() == self._content and not any(map(Path.exists, beside))


def clear(path: Path) -> None:
    for suffix in ("-wal", "-shm", ".lock"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    path.with_suffix(".lock").unlink(missing_ok=True)


@pytest.mark.parametrize(
    "open_it",
    [
        open_as_the_manager,
        open_as_a_command,
        open_a_log,
        open_a_discovery_file,
        open_a_database,
        open_an_outbox,
    ],
)
def test_link_that_is_swapped_in_is_never_followed(campaign: Campaign, open_it: Opening) -> None:
    count = campaign.count(short=30, long=1000)
    path = campaign.directory / "state" / "x.db"
    path.parent.mkdir(mode=0o700)
    victim = Victim(campaign.directory / "victim")
    nothing = campaign.directory / "nothing"
    opened = refused = 0
    for target in (victim.path, nothing):
        with swapped(path, target):
            for number in range(count // 2):
                if number % 2:  # else whatever is there, or nothing
                    wait_for(path.is_symlink, "there is a link", every=0)
                try:
                    open_it(path)
                except Exception as exc:
                    assert isinstance(exc, REFUSALS) or "sqlite3" in str(exc), exc
                    refused += 1
                else:
                    opened += 1
                clear(path)
                assert victim.is_untouched
                assert not nothing.exists()
    campaign.tell(f"{count} openings against a swap: {opened} of a file of ours, {refused} refused")
    assert opened + refused == count // 2 * 2


@pytest.mark.parametrize("open_it", [open_as_nobody_should, open_a_database])
def test_opening_that_looks_at_nothing_follows_the_link(
    campaign: Campaign, monkeypatch: pytest.MonkeyPatch, open_it: Opening
) -> None:
    """The same attack on what looks at nothing succeeds, so it is one.

    SQLite opens by the name: without the look at what it has opened, a link gets through.
    """
    monkeypatch.setattr(sqlite, "_open_files", dict)
    path = campaign.directory / "state" / "x.db"
    path.parent.mkdir(mode=0o700)
    victim = Victim(campaign.directory / "victim")

    def is_hit() -> bool:
        with suppress(Exception):
            open_it(path)
        clear(path)
        return not victim.is_untouched

    with swapped(path, victim.path):
        wait_for(is_hit, "the link is followed", every=0)
