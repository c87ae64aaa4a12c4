"""Promise 12 of `store/protocol.py`: the tokens of runs, and the family of a session."""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_URL, uuid5

from agent_session_manager.domain.errors import (
    NameTakenError,
    NotForRunsError,
    SessionExistsError,
    SessionNotFoundError,
)
from agent_session_manager.domain.sessions.run_token import RunCaller, digest_of
from agent_session_manager.domain.sessions.session import Session
from agent_session_manager.domain.transcript import TranscriptKey, parse_entry
from agent_session_manager.store.changes import (
    CreateSession,
    DeleteSession,
    OpenRun,
    ReapLeases,
    RevokeRunToken,
)
from agent_session_manager.store.protocol import Store
from agent_session_manager.store.queries import SessionFilter
from agent_session_manager.store.transcripts import AppendTranscript
from tests.store.promises.changes import append, create, made
from tests.store.promises.stepped_clock import SteppedClock


def id_of(name: str) -> str:
    """Return an id in the form that a run may choose."""
    return str(uuid5(NAMESPACE_URL, name))


def caller(store: Store, session_id: str = "s") -> RunCaller:
    """Return the run of a session whose token is the session's id."""
    found = store.run_tokens.find_caller(digest_of(session_id))
    assert found is not None
    return found


def leased(store: Store, session_id: str = "s", parent: str | None = None) -> Session:
    return create(
        store,
        session_id,
        holder="h",
        token_digest=digest_of(session_id),
        parent_session_id=parent,
    )


def created_by(store: Store, run: RunCaller, session_id: str, parent: str | None = None) -> Any:
    return made(
        store,
        CreateSession(
            session_id=session_id,
            session_name="taken",
            unique_name=True,
            parent_session_id=parent,
            caller=run,
        ),
    )


def promise_12_token_is_found_only_by_its_digest(store: Store, _clock: SteppedClock) -> None:
    leased(store)
    assert store.run_tokens.find_caller(digest_of("s")) == caller(store)
    assert (caller(store).session_id, caller(store).run) == ("s", 1)
    for other in ("s", "", digest_of("S"), digest_of("s").upper(), digest_of(digest_of("s"))):
        assert store.run_tokens.find_caller(other) is None


def promise_12_each_run_has_its_own_token(store: Store, clock: SteppedClock) -> None:
    leased(store)
    clock.move(3600)
    assert made(store, ReapLeases()) == ["s"]
    assert caller(store).run == 1  # the run is lost, but its holder may return
    made(store, OpenRun(session_id="s", holder="other", token_digest=digest_of("2")))
    assert [caller(store, token).run for token in ("s", "2")] == [1, 2]
    made(store, OpenRun(session_id="s", takeover=True))
    assert [caller(store, token).run for token in ("s", "2")] == [1, 2]


def promise_12_refused_change_stores_no_token(store: Store, _clock: SteppedClock) -> None:
    leased(store)
    refused = made(store, OpenRun(session_id="s", token_digest=digest_of("2")))
    assert isinstance(refused, Exception)
    assert store.run_tokens.find_caller(digest_of("2")) is None


def promise_12_token_is_valid_until_it_is_revoked(store: Store, _clock: SteppedClock) -> None:
    leased(store)
    append(store, {"event_type": "session_stop", "run": 1})
    made(store, OpenRun(session_id="s", holder="h", token_digest=digest_of("2")))
    assert made(store, RevokeRunToken(session_id="s", run=1)) == 1
    assert made(store, RevokeRunToken(session_id="s", run=1)) == 0
    assert made(store, RevokeRunToken(session_id="s", run=99)) == 0
    assert store.run_tokens.find_caller(digest_of("s")) is None
    assert caller(store, "2").run == 2
    unknown = made(store, RevokeRunToken(session_id="none", run=1))
    assert isinstance(unknown, SessionNotFoundError)


def promise_12_token_is_deleted_with_its_session(store: Store, _clock: SteppedClock) -> None:
    leased(store)
    old = caller(store)
    made(store, DeleteSession(session_id="s", force=True))
    assert store.run_tokens.find_caller(digest_of("s")) is None
    create(store, "s")
    create(store, "child", parent_session_id="s")
    assert store.run_tokens.find_caller(digest_of("s")) is None
    assert not store.run_tokens.is_in_family(old, "s")
    assert not store.run_tokens.is_in_family(old, "child")
    assert store.run_tokens.list_family(old) == {}


def promise_12_family_is_a_session_and_its_descendants(store: Store, _clock: SteppedClock) -> None:
    create(store, "parent")
    leased(store, "s", parent="parent")
    for session_id, parent in (("child", "s"), ("grandchild", "child"), ("sibling", "parent")):
        create(store, session_id, parent_session_id=parent)
    create(store, "S")
    create(store, "of S", parent_session_id="S")
    run = caller(store)
    family = {"s", "child", "grandchild"}
    everything = {"parent", "sibling", "S", "of S", "CHILD", "none", ""} | family
    assert {one for one in everything if store.run_tokens.is_in_family(run, one)} == family
    assert store.run_tokens.list_family(run) == {
        one: store.get_session(one).generation for one in family
    }
    listed = store.list_sessions(SessionFilter(family_of=run), limit=2)
    assert [s.session_id for s in listed.sessions] == ["grandchild", "child"]
    rest = store.list_sessions(SessionFilter(family_of=run), limit=2, after=listed.next_page)
    assert [s.session_id for s in rest.sessions] == ["s"]
    named = store.list_sessions(SessionFilter(family_of=run, session_name="S"), limit=9)
    assert named.sessions == []


def promise_12_older_session_is_not_in_its_parents_family(
    store: Store, _clock: SteppedClock
) -> None:
    create(store, "early", parent_session_id="s")
    create(store, "below", parent_session_id="early")
    leased(store)
    run = caller(store)
    assert not store.run_tokens.is_in_family(run, "early")
    assert not store.run_tokens.is_in_family(run, "below")
    assert set(store.run_tokens.list_family(run)) == {"s"}
    create(store, "late", parent_session_id="s")
    assert set(store.run_tokens.list_family(run)) == {"s", "late"}


def promise_12_circular_parents_are_not_a_family(store: Store, _clock: SteppedClock) -> None:
    create(store, "a", parent_session_id="b")
    create(store, "b", parent_session_id="a")
    create(store, "self", parent_session_id="self")
    leased(store)
    run = caller(store)
    assert [store.run_tokens.is_in_family(run, one) for one in ("a", "b", "self")] == [False] * 3


def promise_12_session_created_by_a_run_is_in_its_family(
    store: Store, _clock: SteppedClock
) -> None:
    create(store, "stranger")
    leased(store)
    run = caller(store)
    child = id_of("child")
    for session_id, parent, expected in (
        (child, None, "s"),
        (id_of("second"), "s", "s"),
        (id_of("grandchild"), child, child),
    ):
        created = create(store, session_id, parent_session_id=parent, caller=run)
        assert created.parent_session_id == expected
    for parent in ("stranger", "none", "S", id_of("new")):
        assert isinstance(created_by(store, run, id_of("new"), parent), NotForRunsError)
    assert store.get_status(id_of("new")) == "not_existent"


def promise_12_run_cannot_create_a_session_with_a_used_id(
    store: Store, _clock: SteppedClock
) -> None:
    """All refusals have the same text, except for ids in the family of the run."""
    leased(store)
    run = caller(store)
    orphan, transcript, stranger, child = map(id_of, ("gone", "elsewhere", "stranger", "child"))
    create(store, "orphan", parent_session_id=orphan)
    key = TranscriptKey(project_key="p", session_id=transcript)
    entry = parse_entry({}, "{}", index=0, batch_id=None)
    made(store, AppendTranscript(key=key, entries=[entry]))
    create(store, stranger)
    create(store, child, caller=run)
    refusals = {
        str(created_by(store, run, session_id))
        for session_id in (orphan, transcript, stranger, "review", "memory", child.upper())
    } | {str(created_by(store, run, id_of("new"), stranger))}
    assert len(refusals) == 1
    assert isinstance(created_by(store, run, stranger), NotForRunsError)
    assert isinstance(created_by(store, run, child), SessionExistsError)
    for session_id in (orphan, transcript):
        assert store.get_status(session_id) == "not_existent"
        create(store, session_id)  # other clients may use the id


def promise_12_run_creates_sessions_only_in_its_project(store: Store, _clock: SteppedClock) -> None:
    """It may also create a session without a project, if the name is not unique."""
    create(store, "elsewhere", session_name="n", project_dir="/other", unique_name=True)
    projects = (
        "/p",
        "/p/",
        "/p/q",
        "/p//q/./r",
        "/",
        "/other",
        "/pq",
        "/p/../other",
        "p",
        "",
        None,
    )
    allowed = {
        ("/p", False): {"/p", "/p/", "/p/q", "/p//q/./r", None},
        ("/p", True): {"/p", "/p/", "/p/q", "/p//q/./r"},
        (None, False): {None},
        (None, True): {None},
    }
    for (own, unique_name), expected in allowed.items():
        parent = f"{own} {unique_name}"
        create(store, parent, project_dir=own, holder="h", token_digest=digest_of(parent))
        outcomes = {
            project: made(
                store,
                CreateSession(
                    session_id=id_of(f"{parent} {project}"),
                    session_name=f"n{number}" if project != "/other" else "n",
                    project_dir=project,
                    unique_name=unique_name,
                    caller=caller(store, parent),
                ),
            )
            for number, project in enumerate(projects)
        }
        assert {p for p, one in outcomes.items() if isinstance(one, Session)} == expected
        refused = [one for p, one in outcomes.items() if p not in expected]
        assert all(isinstance(one, NotForRunsError) for one in refused)


def promise_12_run_does_not_learn_the_holder_of_a_name(store: Store, _clock: SteppedClock) -> None:
    leased(store)
    create(store, "secret-id", session_name="taken", unique_name=True)
    refused = created_by(store, caller(store), id_of("new"))
    assert isinstance(refused, NameTakenError)
    assert (refused.holder_id, "secret-id" in str(refused)) == (None, False)


def promise_12_run_of_a_deleted_session_creates_nothing(store: Store, _clock: SteppedClock) -> None:
    leased(store)
    run = caller(store)
    made(store, DeleteSession(session_id="s", force=True))
    create(store, "s")
    for parent in (None, "s"):
        assert isinstance(created_by(store, run, id_of("new"), parent), NotForRunsError)
