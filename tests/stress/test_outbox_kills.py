"""Outboxes whose writers and manager are killed, and many outboxes that wait for a manager."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from agent_orchestrator.client.manager import ManagerClient
from agent_orchestrator.outbox.outbox import Outbox, Run
from agent_orchestrator.runs.delivery import delivery_of
from tests.stress.scene import Scene
from tests.support.api import Api
from tests.support.campaign import Campaign
from tests.support.forking import forking
from tests.support.load import stored_events
from tests.support.manager import RunningManager
from tests.support.proxy import Fault, lead_clients_through, misbehaving
from tests.support.waiting import WATCHDOG_SECONDS
from tests.support.writing_outbox import write_outbox

pytestmark = pytest.mark.stress

WRITERS = 4
MAX_TRIES_PER_SECOND = 3.0


class Writer:
    """A session and its writer process, which is killed and started again."""

    def __init__(self, scene: Scene, number: int) -> None:
        self.session_id = f"session-{number}"
        self.lives = 0
        self._scene = scene
        self._outbox = scene.state_dir / "outbox" / f"{self.session_id}.db"
        with Api(scene.manager) as api:
            session = {"session_id": self.session_id, "session_name": self.session_id}
            assert api.post("/sessions", session).status == 201
        self.start()

    def start(self) -> None:
        self.lives += 1
        self._said, told = forking().Pipe()
        manager = self._scene.manager
        run = Run(session_id=self.session_id, run=1, url=manager.url)
        self._process = forking().Process(
            target=write_outbox,
            args=(told, manager.environment(), self._outbox, run, self.lives),
        )
        self._process.start()
        told.close()

    def wait_until_ready(self) -> None:
        assert self._said.recv() == "ready"

    def kill(self) -> None:
        self._process.kill()
        self._process.join(WATCHDOG_SECONDS)
        self._said.close()

    def end(self) -> None:
        self._said.send("end")
        self._process.join(WATCHDOG_SECONDS)
        assert self._process.exitcode == 0
        assert not self._outbox.exists()

    def check(self) -> int:
        """Compare stored with recorded events; return the number of recorded events."""
        journal = self._outbox.with_suffix(".journal")
        recorded = journal.read_text().split() if journal.exists() else []
        stored = list(stored_events(self._scene.manager, self.session_id).values())
        assert stored == sorted(stored, key=_life_and_number)
        unsaid = set(stored) - set(recorded)
        assert len(stored) == len(set(stored)), "duplicates"
        assert set(recorded) <= set(stored), "lost"
        # A writer may be killed after the outbox has its event and before the journal has it.
        assert max(Counter(_life_and_number(e)[0] for e in unsaid).values(), default=0) <= 1
        return len(recorded)


def _life_and_number(event_id: str) -> tuple[int, int]:
    life, _, number = event_id.partition("-")
    return int(life), int(number)


def test_outbox_events_arrive_despite_kills(campaign: Campaign, scene: Scene) -> None:
    count = campaign.count(short=6, long=1000)
    chance = campaign.chance()
    killed: Counter[str] = Counter()
    with ExitStack() as stack:
        writers = [Writer(scene, number) for number in range(WRITERS)]
        for writer in writers:
            stack.callback(writer.kill)
        while killed.total() < count:
            for writer in writers:
                if chance.random() < 0.8:  # else it may be killed before it opens its outbox
                    writer.wait_until_ready()
            campaign.pause(chance, 0, 0.3)
            is_the_managers_turn = killed["writer"] % 3 == 0
            if is_the_managers_turn:
                scene.manager.kill()
                killed["manager"] += 1
            for writer in writers:
                writer.kill()
                killed["writer"] += 1
            for writer in writers:
                writer.start()
            if is_the_managers_turn:
                scene.manager.restart()
        began = time.monotonic()
        for writer in writers:
            writer.wait_until_ready()
            writer.end()
        seconds = time.monotonic() - began
        recorded = sum(writer.check() for writer in writers)
    campaign.tell(f"{dict(killed)} kills, seed {campaign.seed!r}")
    campaign.tell(
        f"{recorded} recorded: 0 lost, 0 duplicates, in order; the rest took {seconds:.1f} s"
    )


def test_waiting_clients_limit_their_rate_of_retries(
    campaign: Campaign,
    start_manager: Callable[..., RunningManager],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clients = campaign.count(short=5, long=50)
    away_seconds = campaign.count(short=1, long=60)
    events = campaign.count(short=50, long=2000)
    tries: list[float] = []

    def note(_: int) -> Fault | None:
        tries.append(time.monotonic())
        return None

    with misbehaving(note) as proxy, ExitStack() as stack:
        manager = start_manager(arguments=["--allow-host", f"127.0.0.1:{proxy.port}"])
        lead_clients_through(proxy, manager, monkeypatch)
        ids = [f"waiting-{number}" for number in range(clients)]
        with Api(manager) as api:
            for session_id in ids:
                session = {"session_id": session_id, "session_name": session_id}
                assert api.post("/sessions", session).status == 201
        manager.kill()
        proxy.to_port = manager.port
        deliveries = []
        for session_id in ids:
            client = stack.enter_context(ManagerClient(proxy.url))
            run = Run(session_id=session_id, run=1, url=proxy.url)
            outbox = stack.enter_context(Outbox(campaign.directory / f"{session_id}.db", run))
            for number in range(events):
                outbox.add({"event_type": "x", "event_id": str(number)})
            deliveries.append(delivery_of(client, outbox))
        began_at = time.monotonic()
        for delivery in deliveries:
            delivery.start()
        campaign.pause(campaign.chance(), away_seconds / 2, away_seconds)
        manager.restart()
        back_at = time.monotonic()
        for delivery in deliveries:
            delivery.finish()
        delivered = time.monotonic() - back_at
        for session_id in ids:
            stored = list(stored_events(manager, session_id).values())
            assert stored == [str(number) for number in range(events)]
    per_second = Counter(int(at - began_at) for at in tries)
    busiest = max(per_second.values()) / clients
    campaign.tell(
        f"{clients} clients with {events} events each, the manager away for {away_seconds} s: "
        f"all delivered in order {delivered:.1f} s after it was back"
    )
    campaign.tell(f"{len(tries)} connections; {busiest:.1f} per client in the busiest second")
    campaign.limit("tries of a client in the busiest second", busiest, MAX_TRIES_PER_SECOND)
