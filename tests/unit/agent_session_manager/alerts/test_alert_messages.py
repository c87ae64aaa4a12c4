"""The words and bodies of alerts."""

from __future__ import annotations

import json

from agent_session_manager.alerts.message import body_of, message_of, sample_alert, title_of
from agent_session_manager.alerts.target import BodyFormat
from agent_session_manager.domain.sessions.alert import Alert, AlertKind
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


@each_row(
    "name, shown",
    [
        ("<!channel> a&b", "&lt;!channel&gt; a&amp;b"),
        ("@all @here", "@\u200ball @\u200bhere"),
        ("[Approve](https://x)", "[Approve]\u200b(https://x)"),
        ("*a\n> b", "*a &gt; b"),
    ],
)
def test_body_for_chats_escapes_their_characters(name: str, shown: str) -> None:
    told = alert(AlertKind.FINISHED, session_name=name)
    assert json.loads(body_of(told, MANAGER, BodyFormat.SLACK)) == {
        "text": f"{shown} has finished <{MANAGER}/#/sessions/s%3A1|Open>",
        "unfurl_links": False,
    }


def test_title_is_one_line_without_controls() -> None:
    odd = "a\r\n\tb\x00\x1b\x7f\x85\x9b31m\u2028\u2029\u202e\u2066\u200f\ud800c"
    told = alert(AlertKind.WAITING, session_name=odd, question={"title": odd})
    assert title_of(told) == "a b 31m c waits for you: a b 31m c"
    assert message_of(told, MANAGER)["data"]["session_name"] == odd


def test_sample_names_itself_a_test() -> None:
    assert "this is a test" in title_of(sample_alert("t", "alert_1", NOW))
