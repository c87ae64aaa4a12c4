"""Promise 18 of `store/protocol.py`: what a session expects of a person."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from agent_session_manager.domain.errors import RunNotFoundError
from agent_session_manager.domain.sessions.attention import Attention, AttentionKind
from agent_session_manager.store.changes import DeleteSession, MarkQuiet, UpdateSession
from agent_session_manager.store.feeds import ChangedSession
from agent_session_manager.store.protocol import Store
from tests.store.promises.changes import append, create, ids, made, open_run, update
from tests.store.promises.events import DENIED, SOME, decision, question, says, stop
from tests.store.promises.lease_promises import lose
from tests.store.promises.stepped_clock import SteppedClock

CALL = {"event_type": "pre_tool", "tool_name": "Bash", "tool_input": {}, "tool_use_id": "t"}
FAILED = stop(reason="failed", exit_code=1, error="\nno login\nrun claude")


def attention(store: Store, session_id: str = "s") -> Attention | None:
    """Return the attention of a session; the filter of lists must agree with it."""
    found = store.get_session(session_id).attention
    for kind in AttentionKind:
        is_listed = session_id in ids(store, attention=(kind,))
        assert is_listed == (found is not None and found.kind is kind)
    return found


def shown(store: Store, session_id: str = "s") -> tuple[str, str | None, int | None] | None:
    found = attention(store, session_id)
    return None if found is None else (found.kind.value, found.text, found.seq)


def prompt(text: str, **fields: Any) -> dict[str, Any]:
    return {**says(text, **fields), "role": "user"}


def mark_quiet(store: Store, clock: SteppedClock, minutes: float = 10, in_call: float = 30) -> Any:
    moments = (clock.now - timedelta(minutes=silent) for silent in (minutes, in_call))
    silent_since, in_call_since = moments
    return made(store, MarkQuiet(silent_since=silent_since, in_call_since=in_call_since))


def promise_18_end_of_a_run_asks_for_attention_until_it_is_seen(
    store: Store, clock: SteppedClock
) -> None:
    create(store)
    assert attention(store) is None
    append(store, says("Well.\n\n**It works now.**\n---"))
    clock.move(5)
    append(store, stop())
    found = attention(store)
    assert found == Attention(kind=AttentionKind.DONE, since=clock.now, text="It works now.", seq=1)
    assert update(store, seen_run=1).attention is None
    assert (attention(store), store.get_session("s").seen_run) == (None, 1)
    assert update(store, seen_run=0).attention == found
    assert open_run(store).attention is None
    append(store, FAILED)
    assert shown(store) == ("failed", "no login", 3)
    update(store, seen_run=1)
    assert shown(store) == ("failed", "no login", 3)
    assert isinstance(
        made(store, UpdateSession(session_id="s", seen_run=3, session_name="t")), RunNotFoundError
    )
    assert store.get_session("s").session_name == "s"


def promise_18_each_end_has_its_kind(store: Store, clock: SteppedClock) -> None:
    for end, expected in (
        (stop(), ("done", "Yes.", 1)),
        (stop(reason="timeout", error="too late"), ("failed", "too late", 2)),
        (stop(reason="budget", error="too much"), ("failed", "too much", 2)),
        (stop(reason="failed"), ("failed", "Yes.", 2)),
        (stop(reason="stopped", error="stopped on request"), None),
    ):
        create(store, "s")
        append(store, says("Yes."), end)
        assert shown(store) == expected
        update(store, archived=True)
        assert attention(store) is None
        assert update(store, archived=False).attention == attention(store)
        assert shown(store) == expected
        made(store, DeleteSession(session_id="s"))
    for reason, exit_code, text in (
        ("timeout", None, "it took too long"),
        ("budget", None, "its budget is used up"),
        ("failed", 2, "it ended with exit code 2"),
        ("failed", None, "it told no reason"),
    ):
        create(store, "s")
        append(store, stop(reason=reason, exit_code=exit_code))
        assert shown(store) == ("failed", text, 1)
        made(store, DeleteSession(session_id="s"))
    create(store, "s", holder="h")
    append(store, says("Yes."))
    lose(store, clock)
    assert shown(store) == ("failed", "its supervisor no longer answers", 1)


def promise_18_question_and_denied_calls_are_told(store: Store, clock: SteppedClock) -> None:
    create(store)
    append(store, says("I can use staging.\nShall I deploy to staging?_"), stop())
    assert shown(store) == ("question", "Shall I deploy to staging?", 1)
    open_run(store)
    append(store, {**DENIED, "tool_name": "Edit"}, DENIED, says("Done?"), stop())
    assert shown(store) == ("denied", "Edit, a tool", 6)
    assert store.get_session("s").newest_run.denied_calls == 2
    open_run(store)
    append(
        store, {**DENIED, "tool_name": "x" * 90, "run": 2}, *[{**DENIED, "tool_name": "Bash"}] * 99
    )
    append(store, stop())
    assert shown(store) == ("denied", "Bash", 107)
    denied = store.get_session("s").newest_run
    assert (denied.denied_calls, denied.denied_tools) == (99, ", ".join(["Bash"] * 17))
    append(store, says("And now?"))  # after the end of its run
    assert shown(store) == ("denied", "Bash", 108)


def promise_18_session_asks_as_long_as_its_question_is_open(
    store: Store, clock: SteppedClock
) -> None:
    create(store)
    create(store, "child", parent_session_id="s")
    asked_at = clock.now
    append(store, SOME, question("a", title="\nwants to run\nrm -rf db"), session_id="child")
    clock.move(5)
    append(store, question("b", tool_name="Bash"), session_id="child")
    asking = attention(store, "child")
    assert asking == Attention(kind=AttentionKind.ASKS, since=asked_at, text="wants to run", seq=2)
    assert store.get_session("s").children_waiting == 1
    append(store, decision("a"), session_id="child")
    assert shown(store, "child") == ("asks", "Bash", 3)
    append(store, stop(reason="failed"), session_id="child")
    assert attention(store, "child") is None  # its parent sees it
    assert store.get_session("s").children_waiting == 0
    items = [{"id": "1", "text": "Which database?"}]
    append(store, question("c", items=items))
    assert shown(store) == ("asks", "Which database?", 1)


def promise_18_silent_session_is_quiet_until_its_next_event(
    store: Store, clock: SteppedClock
) -> None:
    for session_id in ("s", "call", "asks", "ended", "archived"):
        create(store, session_id)
    append(store, SOME, CALL, session_id="call")
    append(store, question(), session_id="asks")
    append(store, stop(), session_id="ended")
    update(store, "archived", archived=True)
    clock.move(10 * 60 - 1)
    assert mark_quiet(store, clock) == []
    assert store.has_silent(clock.now, clock.now)
    clock.move(1)
    position = store.feeds.head()
    assert mark_quiet(store, clock) == ["s"]
    assert mark_quiet(store, clock) == []
    (changed,) = store.feeds.read_changes(position, limit=9).changes
    assert isinstance(changed, ChangedSession)
    assert (changed.session.session_id, changed.session.attention) == ("s", attention(store))
    assert shown(store) == ("quiet", None, None)
    clock.move(20 * 60)
    assert mark_quiet(store, clock) == ["call"]
    assert not store.has_silent(clock.now, clock.now - timedelta(minutes=30))
    assert shown(store, "call") == ("quiet", "Bash", 2)
    append(store, SOME)
    append(store, stop(), session_id="call")
    assert (attention(store), shown(store, "call")) == (None, ("done", None, None))


def promise_18_session_has_its_first_prompt(store: Store, clock: SteppedClock) -> None:
    create(store)
    append(store, prompt("copied", inherited=True), prompt("told", origin="system"), prompt(" \n"))
    assert store.get_session("s").prompt is None
    append(store, prompt("\n  Fix the login\nwith care"), prompt("other"))
    append(store, prompt("later"))
    assert store.get_session("s").prompt == "Fix the login"
    create(store, "long")
    append(store, prompt("x" * 300), says("y" * 300 + "z"), session_id="long")
    long = store.get_session("long")
    assert (long.prompt, long.newest_run.outcome) == ("x" * 199 + "…", "…" + "y" * 198 + "z")
