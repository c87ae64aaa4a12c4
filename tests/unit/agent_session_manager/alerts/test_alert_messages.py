"""The words and bodies of alerts."""

from __future__ import annotations

import json

from agent_session_manager.alerts.message import body_of, message_of, sample_alert, title_of
from agent_session_manager.alerts.target import BodyFormat
from agent_session_manager.domain.alert import Alert, AlertKind
from tests.support.rows import each_row
from tests.unit.agent_session_manager.alerts.samples import MANAGER, NOW, alert

ASKING = alert(AlertKind.WAITING, question={"question_id": "q", "title": "Run `make`?"})


@each_row(
    "told, title, kind",
    [
        (ASKING, "fix waits for you: Run `make`?", "session.waiting"),
        (alert(AlertKind.WAITING), "fix waits for you", "session.waiting"),
        (alert(AlertKind.FINISHED, reason="completed"), "fix has finished", "session.ended"),
        (alert(AlertKind.FAILED, reason="failed"), "fix has failed", "session.ended"),
        (
            alert(AlertKind.FAILED, reason="timeout"),
            "fix has failed: it took too long",
            "session.ended",
        ),
        (
            alert(AlertKind.FAILED, reason="budget"),
            "fix has failed: its budget is used up",
            "session.ended",
        ),
        (alert(AlertKind.STOPPED, reason="stopped"), "fix was stopped", "session.ended"),
        (
            alert(AlertKind.LOST, reason="lost"),
            "fix was lost: its supervisor no longer answers",
            "session.lost",
        ),
    ],
)
def test_message_tells_what_has_happened(told: Alert, title: str, kind: str) -> None:
    message = message_of(told, MANAGER)
    assert (title_of(told), message["text"], message["type"]) == (title, title, kind)


def test_message_has_facts_time_and_link() -> None:
    assert json.loads(body_of(ASKING, MANAGER)) == {
        "type": "session.waiting",
        "timestamp": "2026-11-28T09:30:00.000Z",
        "text": "fix waits for you: Run `make`?",
        "data": {**ASKING.facts, "url": f"{MANAGER}/#/sessions/s%3A1"},
    }


def test_body_for_slack_escapes_its_characters() -> None:
    told = alert(AlertKind.FINISHED, session_name="<!channel> a&b")
    assert json.loads(body_of(told, MANAGER, BodyFormat.SLACK)) == {
        "text": f"&lt;!channel&gt; a&amp;b has finished <{MANAGER}/#/sessions/s%3A1|Open>"
    }


def test_sample_names_itself_a_test() -> None:
    assert "this is a test" in title_of(sample_alert("t", "alert_1", NOW))
