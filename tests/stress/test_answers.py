"""Answers that race: two people, a decision, the end of the run, and a kill of the manager."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from tests.store.promises.events import decision, question, stop
from tests.support.api import Answer, Api
from tests.support.campaign import Campaign
from tests.support.manager import RunningManager
from tests.support.waiting import WATCHDOG_SECONDS

pytestmark = pytest.mark.stress


def test_two_answers_at_once_make_one_decision(
    campaign: Campaign, start_manager: Callable[..., RunningManager]
) -> None:
    race(campaign, start_manager(), campaign.count(short=15, long=1000))


@pytest.mark.xdist_group("postgresql")
def test_two_answers_at_once_make_one_decision_on_postgresql(
    campaign: Campaign, start_manager: Callable[..., RunningManager], postgresql_url: str
) -> None:
    manager = start_manager(arguments=("--database-url", postgresql_url))
    race(campaign, manager, campaign.count(short=5, long=1000))
    manager.kill()


def race(campaign: Campaign, manager: RunningManager, count: int) -> None:
    """Race `count` times; in some rounds the question is decided, or its run ends, at once.

    Now and then the manager is killed after a round.
    """
    path, outcomes = "/sessions/s", Counter[str]()
    together = Barrier(3)

    def send(client: Api, target: str, body: dict[str, Any]) -> Answer:
        together.wait(WATCHDOG_SECONDS)
        return client.post(target, body)

    with ThreadPoolExecutor(3) as threads, Api(manager) as api:
        api.post("/sessions", {"session_id": "s", "session_name": "s"})
        clients = [Api(manager) for _ in range(3)]
        run = 1
        for number in range(count):
            question_id, chance = f"q{number}", campaign.chance(number)
            api.post(f"{path}/events", question(question_id))
            third = chance.choice(
                [{"event_type": "x"}, decision(question_id, "timed_out"), stop(exit_code=0)]
            )
            bodies = [
                {"request_id": question_id, "kind": "answer", "payload": {"choice": choice}}
                for choice in ("yes", "no")
            ]
            requests = f"{path}/runs/{run}/requests"
            sent = [threads.submit(send, clients[n], requests, bodies[n]) for n in range(2)]
            sent.append(threads.submit(send, clients[2], f"{path}/events", third))
            first, second, other = (each.result(WATCHDOG_SECONDS) for each in sent)
            assert other.status == 201
            stored = [
                each
                for each in api.get(requests).json["requests"]
                if each["request_id"] == question_id
            ]
            accepted = [each for each in (first, second) if each.status == 201]
            refused = [each.refusal for each in (first, second) if each.status != 201]
            assert refused in ([], [(409, "question_closed")] * 2)
            assert len(stored) == (0 if refused else 1)
            payloads = [each.json["request"]["payload"] for each in accepted]
            assert payloads == [each["payload"] for each in stored] * 2 * (not refused)
            outcomes["too late" if refused else stored[0]["payload"]["choice"]] += 1
            if third["event_type"] == "session_stop":
                assert api.get(path).json["session"]["waiting_questions"] == 0
                run = api.post(f"{path}/runs", {}).json["session"]["run"]
            else:
                api.post(f"{path}/events", decision(question_id))
            assert api.get(path).json["session"]["state"] == "running"
            assert api.get("/questions").json["questions"] == []
            if chance.random() < (0.01 if campaign.is_long else 0.15):
                manager.kill()
                manager.restart()
                for client in (api, *clients):
                    client.close()
        for client in clients:
            client.close()
    campaign.tell(f"{count} races of two answers, one decision each: {dict(outcomes)}")
