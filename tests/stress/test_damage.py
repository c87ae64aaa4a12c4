"""Database files that were damaged outside SQLite: the manager detects it and does not serve."""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from agent_session_manager.sql.database.errors import DatabaseError
from agent_session_manager.sql.store import open_store
from tests.store.promises.changes import append, create
from tests.store.promises.stepped_clock import SteppedClock
from tests.support.campaign import Campaign
from tests.support.environment import scrubbed_environment
from tests.support.forked_command import run_forked
from tests.support.rows import each_row

pytestmark = pytest.mark.stress

PAGE = 4096
FRAME = 24 + PAGE
LOG_HEADER = 32
EVENTS = 500
NAME = "sessions.db"


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a killed manager: a database, its WAL and its head file."""
    directory, copy = tmp_path_factory.mktemp("served"), tmp_path_factory.mktemp("left")
    url = f"sqlite:///{directory / NAME}"
    store = open_store(url, clock=SteppedClock())
    create(store)
    append(store, *[{"event_type": "x", "text": f"<{n:06}>" * 40} for n in range(EVENTS)])
    store.close()
    store = open_store(url, clock=SteppedClock())
    for number in range(30):
        append(store, {"event_type": "x", "event_id": f"late-{number}", "text": "y" * 300})
    for suffix in ("", "-wal", ".head"):
        shutil.copy(directory / f"{NAME}{suffix}", copy)
    store.close()
    return copy


def flip(path: Path, chance: Random, start: int, end: int) -> None:
    content = bytearray(path.read_bytes())
    content[chance.randrange(start, end)] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def log_of(database: Path) -> Path:
    return database.with_name(f"{NAME}-wal")


def damage_header(database: Path, chance: Random) -> None:
    flip(database, chance, 0, 16)


def damage_page(database: Path, chance: Random) -> None:
    """Overwrite a page that the WAL has no newer version of."""
    log = log_of(database).read_bytes()
    newer = {
        int.from_bytes(log[start : start + 4], "big")
        for start in range(LOG_HEADER, len(log) - FRAME + 1, FRAME)
    }
    content = bytearray(database.read_bytes())
    page = chance.choice([n for n in range(1, len(content) // PAGE + 1) if n not in newer])
    content[(page - 1) * PAGE : page * PAGE] = chance.randbytes(PAGE)
    database.write_bytes(content)


def damage_half(database: Path, chance: Random) -> None:
    content = database.read_bytes()
    database.write_bytes(content[: chance.randrange(len(content) // 10, len(content) * 9 // 10)])


def damage_log(database: Path, chance: Random) -> None:
    flip(log_of(database), chance, 0, log_of(database).stat().st_size)


def lose_log(database: Path, _chance: Random) -> None:
    log_of(database).unlink()


def damage_row(database: Path, chance: Random) -> None:
    """Flip a bit in the text of an old event."""
    mark = f"<{chance.randrange(EVENTS // 2):06}>".encode()
    start = database.read_bytes().index(mark * 40)
    flip(database, chance, start, start + len(mark) * 40)


KINDS: dict[str, Callable[[Path, Random], None]] = {
    "header": damage_header,
    "page": damage_page,
    "half": damage_half,
    "log bit": damage_log,
    "log missing": lose_log,
    "row bit": damage_row,
}


def refusal(database: Path) -> str | None:
    try:
        open_store(f"sqlite:///{database}", clock=SteppedClock()).close()
    except DatabaseError as exc:
        return str(exc)
    return None


def is_seen_by_sqlite(database: Path) -> bool:
    """Return whether SQLite alone, without checksums and head file, detects the damage."""
    try:
        with closing(sqlite3.connect(database)) as connection:
            found = connection.execute("PRAGMA integrity_check").fetchall()
            connection.execute("SELECT count(fields) FROM events").fetchone()
    except sqlite3.DatabaseError:
        return True
    return found != [("ok",)]


def test_damage_is_detected_and_files_stay_unchanged(campaign: Campaign, left: Path) -> None:
    count = campaign.count(short=12, long=200)
    seen, seen_by_sqlite = Counter[str](), Counter[str]()
    for number in range(count):
        kind = list(KINDS)[number % len(KINDS)]
        directory = campaign.directory / str(number)
        shutil.copytree(left, directory)
        database = directory / NAME
        KINDS[kind](database, campaign.chance(number))
        files = {path.name: path.read_bytes() for path in directory.iterdir()}
        said = refusal(database)
        assert said is not None, f"{kind}, round {number}: the damage was not detected"
        assert str(database) in said
        seen[kind] += 1
        kept = {name: (directory / name).read_bytes() for name in files}
        assert kept == files, kind
        seen_by_sqlite[kind] += is_seen_by_sqlite(database)
        shutil.rmtree(directory)
    assert sum(seen.values()) == count
    assert seen_by_sqlite["log bit"] == seen_by_sqlite["log missing"] == 0
    assert seen_by_sqlite["row bit"] < seen["row bit"]
    campaign.tell(f"{count} of {count} detected, seed {campaign.seed!r}: {dict(seen)}")
    missed = {kind: seen[kind] - seen_by_sqlite[kind] for kind in KINDS}
    campaign.tell(f"missed by SQLite alone: {missed}")


def test_undamaged_files_are_served(left: Path, tmp_path: Path) -> None:
    shutil.copytree(left, tmp_path, dirs_exist_ok=True)
    assert refusal(tmp_path / NAME) is None


@each_row("kind", ["log missing"])
def test_manager_names_the_loss_and_exits_1(kind: str, left: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    shutil.copytree(left, state, dirs_exist_ok=True)
    KINDS[kind](state / NAME, Random(1))
    serve = ["serve", "--port", "0", "--state-dir", str(state)]
    ended = run_forked(serve, scrubbed_environment(tmp_path))
    assert ended.returncode == 1
    assert "its last 30 commits are missing, and with them 30 events" in ended.stderr
    assert "agent-session-manager accept-loss" in ended.stderr
    assert "Traceback" not in ended.stderr
