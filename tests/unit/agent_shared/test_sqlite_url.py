from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_session_manager.sql.database.engines.open import open_database
from agent_session_manager.sql.database.errors import DatabaseError
from agent_session_manager.sql.database.url import file_of, parse_url, shown
from agent_shared import sqlite_url
from tests.support.rows import each_row

FILES = st.binary(min_size=1).filter(lambda name: b"\0" not in name and b"/" not in name)


@given(name=FILES)
def test_path_of_any_bytes_survives_a_round_trip(name: bytes) -> None:
    path = Path(os.fsdecode(b"/state/" + name + b"/sessions.db"))
    url = sqlite_url.sqlite_url(path)
    assert url.isascii()
    assert file_of(parse_url(url)) == path == sqlite_url.path_in(url)
    assert shown(parse_url(url)) == url


@each_row(
    ("url", "path"),
    [
        ("sqlite:////a b/ü.db", "/a b/ü.db"),
        ("sqlite:///beside.db", "beside.db"),
        ("sqlite+pysqlite:////a%3Fb?mode=ro", "/a?b"),
        ("sqlite:////x%", "/x%"),
    ],
)
def test_url_written_by_hand_need_not_be_encoded(url: str, path: str) -> None:
    assert file_of(parse_url(url)) == Path(path) == sqlite_url.path_in(url)


@each_row("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "postgresql://h/db", "x"])
def test_url_without_a_file_has_no_path(url: str) -> None:
    assert sqlite_url.path_in(url) is None


@each_row(
    ("url", "problem"),
    [
        ("garbage", "not a database URL: 'garbage'"),
        ("postgresql://u:secret@h:abc/x", "not a database URL: 'postgresql://***@h:abc/x'"),
        ("postgresql://u:secret@[::1/x", "not a database URL: 'postgresql://***@[::1/x'"),
        ("u:secret@h", "not a database URL: '***@h'"),
        (
            "postgresql://u:s@ecret@h/x",
            "a database URL with more than one @: write an @ of a password as %40",
        ),
        ("mysql://u:secret@h/x", "mysql is not supported: use sqlite:///PATH or postgresql://…"),
        ("sqlite://", "a SQLite database needs a file: sqlite:///PATH"),
        ("sqlite:///:memory:", "a SQLite database needs a file: sqlite:///PATH"),
        ("sqlite:////a%00b", "a path cannot contain NUL: sqlite:////a%00b"),
    ],
)
def test_unusable_url_is_refused_without_its_password(url: str, problem: str) -> None:
    with pytest.raises(DatabaseError) as refused:
        open_database(url)
    assert str(refused.value) == problem


def test_shown_url_has_no_password_in_a_parameter() -> None:
    given = "postgresql://h/x?password=secret&passwor=secret&user=me&sslmode=require"
    assert shown(parse_url(given)) == (
        "postgresql://h/x?passwor=hidden&password=hidden&sslmode=require&user=me"
    )
