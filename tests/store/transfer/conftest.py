"""Exports of a filled store, and a database to import them into."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.store.conftest import OpenStores
from tests.store.promises.stepped_clock import SteppedClock
from tests.store.transfer.exports import exported, fill


def export_of_a_filled_store(url: str, open_stores: OpenStores, clock: SteppedClock) -> bytes:
    store = open_stores(url)
    fill(store, clock)
    text = exported(url)
    store.close()
    return text


@pytest.fixture
def whole(database_url: str, open_stores: OpenStores, clock: SteppedClock) -> bytes:
    """Return the export of a filled store, on SQLite and on PostgreSQL."""
    return export_of_a_filled_store(database_url, open_stores, clock)


@pytest.fixture
def text(sqlite_url: str, open_stores: OpenStores, clock: SteppedClock) -> bytes:
    """Return the export of a filled store, on SQLite."""
    return export_of_a_filled_store(sqlite_url, open_stores, clock)


@pytest.fixture
def elsewhere(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'elsewhere.db'}"
