"""Notices in an export and an import."""

from __future__ import annotations

from pathlib import Path

from agent_session_manager.sql.store import SqlStore
from agent_session_manager.store.changes import OfferNotices
from tests.store.conftest import OpenStores, sqlite_url_in
from tests.store.promises.changes import append, create, made, open_run
from tests.store.promises.events import stop
from tests.store.transfer.exports import exported, imported


def test_offered_notice_is_pending_after_an_import(
    store: SqlStore, database_url: str, open_stores: OpenStores, tmp_path: Path
) -> None:
    create(store, holder="me")
    create(store, "child", parent_session_id="s", notify=True)
    append(store, stop(), session_id="child")
    made(store, OfferNotices(session_id="s"))
    append(store, stop(run=1))
    open_run(store, takes_notices=True)
    text = exported(database_url)
    for name, has_parent in (("whole", True), ("part", False)):
        directory = tmp_path / name
        directory.mkdir()
        url = sqlite_url_in(directory)
        part = text if has_parent else exported(database_url, session_ids=["child"])
        assert b'"type":"notice"' in part
        imported(url, part)
        target = open_stores(url)
        if has_parent:
            open_run(target, takeover=True, takes_notices=True)
            batch = target.notices.get_batch("s", 3)
            assert batch is not None and 'Session "child"' in batch.text
        else:
            create(target)  # a later session of this name is not the parent
            assert target.get_session("s").undelivered_notices == 0
