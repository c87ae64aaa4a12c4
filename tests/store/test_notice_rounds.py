"""Notices are visible exactly once, whatever ends, refuses, returns or is killed in between."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress
from random import Random
from typing import Any

import pytest

from agent_session_manager.domain.errors import OrchestratorError
from agent_session_manager.domain.sessions.notice import MAX_AUTOMATIC_RUNS, WINDOW_SECONDS
from agent_session_manager.domain.sessions.request import RequestState
from agent_session_manager.domain.sessions.session import Session
from agent_session_manager.sql.store import SqlStore
from agent_session_manager.store.changes import (
    ClaimLease,
    OfferNotices,
    OpenRun,
    ReapLeases,
    SettleRequest,
)
from tests.store.conftest import OpenStores
from tests.store.promises.changes import append, create, made, open_run
from tests.store.promises.events import stop
from tests.store.promises.stepped_clock import SteppedClock
from tests.support.campaign import Campaign

pytestmark = pytest.mark.stress

CHILDREN = 5
TOLD = re.compile(r'^Session "([^"]+)" ', re.M)
ENDS = ("completed", "failed", "stopped", "timeout", "budget")
GOOD_ENDS = ("completed",) * 6 + ENDS


class Round:
    """A session and its children. Each step is a commit, as of two managers in any order."""

    def __init__(self, stores: list[SqlStore], clock: SteppedClock, chance: Random, name: str):
        self.chance = chance
        self.clock = clock
        self._stores = stores
        self.lead = f"lead-{name}"
        self.children = [f"{name}-{number}" for number in range(CHILDREN)]
        self.told: Counter[str] = Counter()
        """How often the record of the lead tells the end of each child."""
        self.running = set(self.children)
        create(self.store, self.lead, holder="h")
        for each in self.children:
            create(self.store, each, parent_session_id=self.lead, notify=True, holder="h")

    @property
    def store(self) -> SqlStore:
        """One of the managers."""
        return self.chance.choice(self._stores)

    @property
    def session(self) -> Session:
        return self.store.get_session(self.lead)

    def end_a_child(self) -> None:
        if self.running:
            name = self.running.pop()
            append(self.store, stop(reason=self.chance.choice(ENDS), run=1), session_id=name)

    def end_the_lead(self) -> None:
        run = self.session.newest_run.run
        reason = self.chance.choice(GOOD_ENDS)
        append(self.store, stop(reason=reason, run=run), session_id=self.lead)

    def offer(self) -> None:
        for session_id in self.store.notices.find_due().running:
            made(self.store, OfferNotices(session_id=session_id))

    def refuse(self) -> None:
        batch = self.store.notices.get_batch(self.lead, self.session.newest_run.run)
        if batch is not None:
            change = SettleRequest(
                session_id=self.lead,
                run=self.session.newest_run.run,
                request_id=batch.batch_id,
                state=RequestState.REFUSED,
            )
            made(self.store, change)  # unknown if the batch is the prompt of the run

    def tell(self) -> None:
        """Record the message of the batch, also twice, while the run is open."""
        run = self.session.newest_run
        batch = self.store.notices.get_batch(self.lead, run.run)
        if batch is None or run.is_finished:
            return
        event = {"event_type": "message", "role": "user", "event_id": batch.batch_id}
        for _ in range(self.chance.randint(1, 2)):
            append(
                self.store,
                {**event, "notice_batch": batch.batch_id, "run": run.run},
                session_id=self.lead,
            )
        self.told.update(TOLD.findall(batch.text))

    def go_on(self) -> None:
        """Open the next run as the supervisors do that have seen notices that are due."""
        seen = self.store.notices.get_outlook(self.lead)
        if not seen.is_due or seen.hold is not None:
            return
        number = self.session.newest_run.run + 1
        change = OpenRun(
            session_id=self.lead,
            run=number,
            holder="h",
            is_automatic=True,
            takes_notices=True,
        )
        opened = [made(self.store, change) for _ in range(2)]
        assert sum(isinstance(each, Session) for each in opened) <= 1

    def resume(self) -> None:
        """Resume the session as a person does."""
        made(self.store, OpenRun(session_id=self.lead, holder="h", takes_notices=True))

    def lose_and_return(self) -> None:
        """Lose the runs whose holders are silent; some come back."""
        self.clock.move(3600)
        made(self.store, ReapLeases())
        for each in (self.lead, *self.running):
            if self.chance.random() < 0.5:
                run = self.store.get_session(each).newest_run.run
                made(self.store, ClaimLease(session_id=each, run=run, holder="h"))

    def wait(self) -> None:
        self.clock.move(self.chance.choice((0.1, WINDOW_SECONDS)))

    def play(self) -> None:
        steps = (
            *(self.end_a_child, self.end_the_lead, self.offer, self.refuse, self.tell) * 2,
            *(self.go_on, self.resume, self.wait, self.wait, self.lose_and_return),
        )
        for _ in range(60):
            self.chance.choice(steps)()
        while self.running:
            self.end_a_child()
        # Whatever happened, the next resume by a person tells the rest.
        for _ in range(2):
            with suppress(OrchestratorError):
                self.tell()
            if self.session.newest_run.is_finished:
                open_run(self.store, self.lead, holder="h", takes_notices=True)
            else:
                open_run(self.store, self.lead, holder="h", takes_notices=True, takeover=True)
            self.tell()
        assert self.session.undelivered_notices == 0
        assert self.session.automatic_runs <= MAX_AUTOMATIC_RUNS


def test_notice_is_told_once_whatever_ends_in_between(
    campaign: Campaign, open_stores: OpenStores, database_url: str, clock: SteppedClock
) -> None:
    """On SQLite with one manager, on PostgreSQL with two."""
    count = campaign.count(short=2, long=1000)
    is_shared = not database_url.startswith("sqlite")
    stores = [open_stores(database_url) for _ in range(2 if is_shared else 1)]
    corrected = 0
    for number in range(count):
        played = Round(stores, clock, campaign.chance(number), str(number))
        played.play()
        assert set(played.told) == set(played.children)
        corrected += sum(times > 1 for times in played.told.values())
        for name, times in played.told.items():
            assert times <= 1 + len(_corrections(stores[0], name)), (name, times)
    campaign.tell(
        f"{count} rounds of {CHILDREN} sessions: each told once, {corrected} were corrected, "
        f"seed {campaign.seed!r}"
    )


def _corrections(store: SqlStore, session_id: str) -> list[Any]:
    """Return the notices of a session that correct a notice which its parent had heard."""
    with store._read() as connection:
        return list[Any](
            connection.exec_driver_sql(
                "SELECT correction FROM notices JOIN sessions"
                " ON sessions.number = notices.session_number"
                f" WHERE correction > 0 AND session_id = '{session_id}'"
            )
        )
