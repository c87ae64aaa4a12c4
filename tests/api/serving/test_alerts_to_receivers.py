"""A manager sends alerts to a receiver that fails, hangs, redirects, and at last accepts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from agent_session_manager.alerts.signature import new_secret, sign
from agent_session_manager.alerts.target import Target, Webhook, parse_kinds
from agent_session_manager.alerts.targets_file import TargetsFile
from agent_session_manager.domain.sessions.alert import FIRST_PAUSE_SECONDS, Interest
from agent_session_manager.machine.discovery import prepare_state_dir
from tests.store.promises.events import SOME, question, stop
from tests.support.api import Api
from tests.support.manager import RunningManager
from tests.support.receiver import Received, Receiver, Reply, receiving
from tests.support.waiting import wait_for

SECRET = new_secret()


def add_target(state_dir: Path, receiver: Receiver, name: str = "t", on: str = "waiting") -> None:
    interest = Interest(target_id=name, kinds=parse_kinds(on))
    webhook = Webhook(url=receiver.url, secret=SECRET)
    prepare_state_dir(state_dir)
    TargetsFile(state_dir).change(
        lambda known: [*known, Target(name=name, interest=interest, webhook=webhook)]
    )


def create(api: Api, session_id: str = "s") -> None:
    body = {"session_id": session_id, "session_name": session_id}
    assert api.post("/sessions", body).status == 201


def append(api: Api, *events: Mapping[str, object], session_id: str = "s") -> None:
    assert api.post(f"/sessions/{session_id}/events", list(events)).status == 201


def told(received: Received) -> tuple[str, str]:
    """Return the session and state of a request, whose signature must be right."""
    headers = received.headers
    signed = sign(
        SECRET,
        message_id=received.alert_id,
        timestamp=int(headers["webhook-timestamp"]),
        body=received.body,
    )
    assert signed.items() <= headers.items()
    data = received.message["data"]
    return data["session_id"], data["state"]


def let_pass_until_received(
    manager: RunningManager, seconds: float, receiver: Receiver, count: int
) -> None:
    """Let time pass, again if the manager had not settled the attempt before."""

    def is_received() -> bool:
        manager.time.let_pass(seconds)
        return len(receiver.received) >= count

    wait_for(is_received, f"{count} requests to the receiver")


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[RunningManager]:
    running = RunningManager(tmp_path, moves_time=True)
    yield running
    running.stop()


def test_alerts_reach_a_receiver_that_failed_before(manager: RunningManager) -> None:
    failures = (
        Reply(500),
        Reply(302, {"Location": "/elsewhere"}),
        Reply(429, {"Retry-After": "60"}),
    )
    with receiving(*failures) as receiver, Api(manager) as api:
        create(api)
        append(api, question("early"))
        add_target(manager.state_dir, receiver, on="waiting,ended")
        append(api, SOME, question("q", title="Run make?"))
        append(api, stop(exit_code=1))
        for count, pause in enumerate((FIRST_PAUSE_SECONDS, 2 * FIRST_PAUSE_SECONDS, 60.0), 1):
            receiver.wait_for(count)
            let_pass_until_received(manager, pause, receiver, count + 1)
        received = receiver.wait_for(5)
        assert [told(each) for each in received] == [("s", "waiting")] * 4 + [("s", "failed")]
        assert len(receiver.ids) == 2
        assert {each.path for each in received} == {"/hook"}
        assert received[0].message["data"]["url"] == f"{manager.url}/#/sessions/s"
        assert received[0].message["data"]["question"]["title"] == "Run make?"
        TargetsFile(manager.state_dir).change(lambda known: [])
        create(api, "later")
        append(api, stop(), session_id="later")
    assert len(receiver.received) == 5
    for secret in (SECRET, "/hook"):
        assert secret not in manager.log()


def test_hung_receiver_blocks_neither_appends_nor_others(manager: RunningManager) -> None:
    with (
        receiving(Reply(hangs=True)) as hung,
        receiving() as quick,
        Api(manager) as api,
    ):
        add_target(manager.state_dir, hung, "hung", on="ended")
        add_target(manager.state_dir, quick, "quick", on="ended")
        sessions = [f"s{number}" for number in range(20)]
        for session_id in sessions:
            create(api, session_id)
            append(api, stop(), session_id=session_id)
        assert [told(each)[0] for each in quick.wait_for(20)] == sessions
        assert [told(each)[0] for each in hung.received] == ["s0"]  # it still hangs
        manager.time.let_pass(10.0)
        wait_for(lambda: len(hung.ids) >= 20, "the next alerts")
        manager.time.let_pass(FIRST_PAUSE_SECONDS)
        ended = [told(each)[0] for each in hung.wait_for(21)]
        assert sorted(ended) == sorted([*sessions, "s0"])


def test_alert_survives_a_kill_in_mid_delivery(tmp_path: Path) -> None:
    manager = RunningManager(tmp_path)
    with receiving(Reply(hangs=True)) as receiver:
        add_target(manager.state_dir, receiver, on="waiting,ended")
        with Api(manager) as api:
            create(api)
            append(api, question("q"))
            append(api, stop())
        receiver.wait_for(1)
        manager.kill()
        manager.restart()
        received = receiver.wait_for(3)
        states = [told(each) for each in received]
        assert states == [("s", "waiting"), ("s", "waiting"), ("s", "finished")]
        assert received[0].alert_id == received[1].alert_id != received[2].alert_id
        manager.stop()
    assert len(receiver.received) == 3


def test_stop_ends_an_attempt_and_keeps_its_alert(tmp_path: Path) -> None:
    manager = RunningManager(tmp_path)
    with receiving(Reply(hangs=True)) as receiver:
        add_target(manager.state_dir, receiver, on="ended")
        with Api(manager) as api:
            create(api)
            append(api, stop())
        (first,) = receiver.wait_for(1)
        assert manager.stop() == 0
        manager.restart()
        assert receiver.wait_for(2)[1].alert_id == first.alert_id
        manager.stop()


def test_receiver_that_is_gone_disables_its_target(manager: RunningManager) -> None:
    with receiving(Reply(410)) as receiver, Api(manager) as api:
        add_target(manager.state_dir, receiver, on="ended")
        for session_id in "ab":
            create(api, session_id)
            append(api, stop(), session_id=session_id)
        targets = TargetsFile(manager.state_dir)
        wait_for(lambda: targets.read()[0].disabled, "the target is disabled")
        create(api, "c")
        append(api, stop(), session_id="c")
        wait_for(lambda: "is disabled, and" in manager.log(), "its alerts are given up")
    assert len(receiver.received) <= 2  # the second alert may have been sent before
