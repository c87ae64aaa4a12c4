"""Promise 6 of `store/protocol.py`: reserved names."""

from __future__ import annotations

from typing import Any

from agent_session_manager.domain.errors import InvalidNameError, NameTakenError
from agent_session_manager.domain.sessions.session import Session
from agent_session_manager.store.changes import CreateSession, DeleteSession, UpdateSession
from agent_session_manager.store.protocol import Store
from tests.store.promises.changes import create, kinds, made, update
from tests.store.promises.stepped_clock import START, SteppedClock


def reserve(
    store: Store, session_id: str, name: str = "name", project_dir: str | None = None
) -> Any:
    return made(
        store,
        CreateSession(
            session_id=session_id, session_name=name, project_dir=project_dir, unique_name=True
        ),
    )


def promise_6_reserved_name_has_one_holder_in_each_project(
    store: Store, clock: SteppedClock
) -> None:
    for index, project in enumerate((None, "/a", "/b")):
        assert isinstance(reserve(store, f"holder-{index}", "name", project), Session)
        refused = reserve(store, f"late-{index}", "name", project)
        assert isinstance(refused, NameTakenError)
        assert (refused.session_name, refused.holder_id) == ("name", f"holder-{index}")
    assert isinstance(reserve(store, "an empty project", "name", ""), NameTakenError)
    assert isinstance(reserve(store, "another", "Name"), Session)
    assert isinstance(create(store, "unreserved", session_name="name"), Session)
    outcomes = store.commit(
        [
            CreateSession(session_id=f"racing-{n}", session_name="racing", unique_name=True)
            for n in range(3)
        ]
    )
    assert kinds(outcomes) == [Session, NameTakenError, NameTakenError]


def promise_6_unicode_forms_of_a_name_are_one_name(store: Store, clock: SteppedClock) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    assert isinstance(reserve(store, "a", decomposed), Session)
    assert store.get_session("a").session_name == decomposed
    assert isinstance(reserve(store, "b", composed), NameTakenError)
    assert update(store, "a", session_name=composed).session_name == composed
    update(store, "a", session_name="other")
    assert isinstance(reserve(store, "b", composed), Session)
    refused = made(store, UpdateSession(session_id="a", session_name=decomposed))
    assert isinstance(refused, NameTakenError)


def promise_6_name_with_invisible_characters_is_refused(store: Store, clock: SteppedClock) -> None:
    create(store, "s")
    for name in ("s\u200b", "s ", "s\n"):
        new = CreateSession(session_id="new", session_name=name)
        assert isinstance(made(store, new), InvalidNameError)
        renamed = made(store, UpdateSession(session_id="s", session_name=name))
        assert isinstance(renamed, InvalidNameError)
    assert store.get_session("s").session_name == "s"


def promise_6_renaming_reserves_the_new_name_and_frees_the_old(
    store: Store, clock: SteppedClock
) -> None:
    reserve(store, "a", "one", "/p")
    reserve(store, "b", "two", "/p")
    refused = made(store, UpdateSession(session_id="b", session_name="one"))
    assert isinstance(refused, NameTakenError)
    assert store.get_session("b").session_name == "two"
    assert update(store, "a", session_name="one").session_name == "one"
    assert update(store, "a", session_name="three").session_name == "three"
    assert update(store, "b", session_name="one").session_name == "one"
    moved = made(store, UpdateSession(session_id="a", session_name="one", project_dir="/q"))
    assert isinstance(moved, Session)
    back = made(store, UpdateSession(session_id="a", project_dir="/p"))
    assert isinstance(back, NameTakenError)
    create(store, "free", session_name="x", project_dir="/p")
    assert update(store, "free", session_name="one").session_name == "one"


def promise_6_archiving_frees_the_name_and_unarchiving_needs_it(
    store: Store, clock: SteppedClock
) -> None:
    reserve(store, "a")
    update(store, "a", archived=True)
    assert isinstance(reserve(store, "b"), Session)
    refused = made(store, UpdateSession(session_id="a", archived=False))
    assert isinstance(refused, NameTakenError)
    assert refused.holder_id == "b"
    assert store.get_session("a").archived_at == START
    assert update(store, "a", session_name="other").session_name == "other"
    assert update(store, "a", archived=False).archived_at is None
    assert isinstance(reserve(store, "c", "other"), NameTakenError)
    update(store, "b", archived=True)
    both = made(store, UpdateSession(session_id="b", archived=False, session_name="other"))
    assert isinstance(both, NameTakenError)


def promise_6_deleting_frees_the_name(store: Store, clock: SteppedClock) -> None:
    reserve(store, "a")
    outcomes = store.commit(
        [
            DeleteSession(session_id="a"),
            CreateSession(session_id="b", session_name="name", unique_name=True),
        ]
    )
    assert kinds(outcomes) == [int, Session]
