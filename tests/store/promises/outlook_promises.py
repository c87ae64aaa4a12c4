"""Promise 17 of `store/protocol.py`: the runs that notices open, and the ends that are awaited."""

from __future__ import annotations

from agent_session_manager.domain.errors import NotAutomaticError, RunNotNextError
from agent_session_manager.domain.sessions.notice import MAX_AUTOMATIC_RUNS, WINDOW_SECONDS, Hold
from agent_session_manager.domain.sessions.session import Session
from agent_session_manager.store.changes import DeleteSession, OpenRun
from agent_session_manager.store.protocol import Store
from tests.store.promises.changes import create, made, open_run, update
from tests.store.promises.notice_promises import (
    batch,
    end,
    family,
    go_on,
    offer,
    outlook,
    tell,
    undelivered,
)
from tests.store.promises.stepped_clock import SteppedClock


def promise_17_only_a_good_end_opens_a_run_by_itself(store: Store, clock: SteppedClock) -> None:
    create(store, "above")
    create(store, parent_session_id="above", notify=True)
    for reason in ("completed", "failed", "stopped", "timeout", "budget", "lost", "archived"):
        run = store.get_session("s").newest_run.run
        child = f"of {reason}"
        create(store, child, parent_session_id="s", notify=True)
        end(store, child)
        if reason == "archived":
            end(store, "s", run=run)
            update(store, archived=True)
        else:
            end(store, "s", reason, run=run)
        clock.move(WINDOW_SECONDS)
        if reason == "completed":
            assert (outlook(store).hold, outlook(store).is_due) == (None, True)
            assert store.notices.find_due().ended == ["s"]
            assert isinstance(go_on(store, run=run + 2), RunNotNextError)
            session = go_on(store, run=run + 1)
            assert session.newest_run.run == run + 1
            assert isinstance(go_on(store, run=run + 1, takeover=True), RunNotNextError)
            tell(store, batch(store, run + 1).batch_id, run=run + 1)
        else:
            assert outlook(store).hold is Hold(reason)
            assert store.notices.find_due().ended == []
            assert isinstance(go_on(store), NotAutomaticError)
            open_run(store, takes_notices=True, notify=True)
            tell(store, batch(store, run + 1).batch_id, run=run + 1)
        assert undelivered(store) == 0
    assert undelivered(store, "above") == 7  # an automatic run notifies as the run before


def promise_17_automatic_runs_have_a_limit(store: Store, clock: SteppedClock) -> None:
    family(store)
    end(store, "s")
    assert isinstance(go_on(store), NotAutomaticError)  # without notices
    for number in range(MAX_AUTOMATIC_RUNS + 1):
        create(store, f"c{number}", parent_session_id="s", notify=True)
        end(store, f"c{number}")
        opened = go_on(store)
        if number == MAX_AUTOMATIC_RUNS:
            assert isinstance(opened, NotAutomaticError)
            assert outlook(store).hold is Hold.LIMIT
            break
        run = opened.newest_run.run
        tell(store, batch(store, run).batch_id, run=run)
        end(store, "s", run=run)
    open_run(store, takes_notices=True)  # a person resumes it
    run = store.get_session("s").newest_run.run
    tell(store, batch(store, run).batch_id, run=run)
    end(store, "s", run=run)
    create(store, "last", parent_session_id="s", notify=True)
    end(store, "last")
    assert isinstance(go_on(store), Session)


def promise_17_awaited_are_the_open_runs_that_notify(store: Store, clock: SteppedClock) -> None:
    family(store, "a", "b")
    create(store, "silent", parent_session_id="s")
    assert outlook(store).awaited == 2
    end(store, "a")
    assert (outlook(store).awaited, outlook(store).undelivered) == (1, 1)
    open_run(store, "a")
    assert outlook(store).awaited == 1
    made(store, DeleteSession(session_id="b", force=True))
    assert outlook(store).awaited == 0


def promise_17_child_that_will_go_on_is_awaited(store: Store, clock: SteppedClock) -> None:
    """`s` awaits `a`, which has ended, but awaits its own children."""
    family(store, "a")
    for child in ("b", "c"):
        create(store, child, parent_session_id="a", notify=True, holder="me")
    end(store, "a")
    tell(store, offer(store))
    assert outlook(store).awaited == 1
    update(store, "a", archived=True)
    assert outlook(store).awaited == 0
    update(store, "a", archived=False)
    end(store, "b")
    end(store, "c")
    assert outlook(store).awaited == 1  # the notices of both
    made(store, OpenRun(session_id="a", holder="me", takes_notices=True, is_automatic=True))
    assert outlook(store).awaited == 1
    end(store, "a", "failed", run=2)
    tell(store, offer(store))
    assert undelivered(store, "a") == 2
    assert outlook(store).awaited == 0
    open_run(store, "a")  # which does not notify
    assert outlook(store).awaited == 0
