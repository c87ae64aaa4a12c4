"""One owner of a SQLite file at a time, and the name of the owner in a refusal."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import threading
from dataclasses import asdict, replace
from pathlib import Path

from agent_session_manager.sql.database.file.owner import Owner
from agent_shared import place
from tests.store.conftest import OpenStores, path_of, sqlite_url_in
from tests.store.promises.changes import create
from tests.store.refusal import refusal
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS


def test_owner_of_a_sqlite_file_is_named(sqlite_url: str, open_stores: OpenStores) -> None:
    store = open_stores(sqlite_url)
    create(store)
    said = refusal(sqlite_url)
    assert str(path_of(sqlite_url)) in said
    assert f"process id {os.getpid()}:" in said
    store.close()
    assert open_stores(sqlite_url).get_status("s") == "running"


OWN_AND_WAIT = """\
import sys, time
from agent_session_manager.sql.database.engines.open import open_database
database = open_database(sys.argv[1])
print("owned", flush=True)
time.sleep(60)
"""


def test_killed_owner_releases_its_database(sqlite_url: str, open_stores: OpenStores) -> None:
    command = [sys.executable, "-c", OWN_AND_WAIT, sqlite_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        try:
            assert owner.stdout is not None
            assert owner.stdout.readline() == "owned\n"
            assert f"process id {owner.pid}:" in refusal(sqlite_url)
        finally:
            owner.kill()
            owner.wait(WATCHDOG_SECONDS)
    assert create(open_stores(sqlite_url)).session_id == "s"


NAME_OF_ANOTHER_START = Owner(
    pid=os.getpid(), started="1", processes=place.processes(), host=place.host()
)


@each_row("left", [b"", b"999999999\n", json.dumps(asdict(NAME_OF_ANOTHER_START)).encode(), b"{"])
def test_refusal_waits_until_the_owner_has_written_its_name(tmp_path: Path, left: bytes) -> None:
    """Until then the lock file is empty, or has the name of a killed owner."""
    sqlite_url = sqlite_url_in(tmp_path)
    lock = path_of(sqlite_url).with_name("sessions.db.lock")
    lock.touch(mode=0o600)
    lock.write_bytes(left)
    with lock.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)

        def write_name() -> None:
            file.seek(0)
            file.write(f"{os.getpid()}\n".encode())
            file.truncate()
            file.flush()

        writing = threading.Timer(0.1, write_name)
        writing.start()
        said = refusal(sqlite_url)
        writing.join()
    assert f"process id {os.getpid()}:" in said


def test_owner_in_another_container_is_named_with_host(tmp_path: Path) -> None:
    """Its process id may belong to another process here, so no process is looked up."""
    sqlite_url = sqlite_url_in(tmp_path)
    lock = path_of(sqlite_url).with_name("sessions.db.lock")
    lock.touch(mode=0o600)
    elsewhere = replace(NAME_OF_ANOTHER_START, processes="other", host="box")
    lock.write_text(json.dumps(asdict(elsewhere)))
    with lock.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        said = refusal(sqlite_url)
    assert f"a manager on box, in another container or machine (process id {os.getpid()} " in said
