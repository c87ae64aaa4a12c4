from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from agent_orchestrator import sqlite_url as ours
from agent_session_manager import sqlite_url
from agent_session_manager.store.engine import file_of, parse_url, shown

FILES = st.binary(min_size=1).filter(lambda name: b"\0" not in name and b"/" not in name)


@given(name=FILES)
def test_path_of_any_bytes_comes_back_from_its_url(name: bytes) -> None:
    path = Path(os.fsdecode(b"/state/" + name + b"/sessions.db"))
    url = sqlite_url.sqlite_url(path)
    assert url.isascii()
    assert ours.sqlite_url(path) == url
    assert file_of(parse_url(url)) == path == ours.path_in(url) == sqlite_url.path_in(url)
    assert shown(parse_url(url)) == url


def test_url_that_a_person_writes_need_not_be_encoded() -> None:
    for url, path in {
        "sqlite:////a b/ü.db": "/a b/ü.db",
        "sqlite:///beside.db": "beside.db",
        "sqlite+pysqlite:////a%3Fb?mode=ro": "/a?b",
        "sqlite:////x%": "/x%",
    }.items():
        assert file_of(parse_url(url)) == Path(path) == ours.path_in(url)


def test_url_without_a_file_names_none() -> None:
    for url in ("sqlite://", "sqlite:///", "sqlite:///:memory:", "postgresql://h/db", "x"):
        assert ours.path_in(url) is None is sqlite_url.path_in(url)
