"""Secrets planted in events, code without secrets, and texts that could slow a rule down."""

from __future__ import annotations

import os
import sqlite3
import sysconfig
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import pytest

from agent_orchestrator.events.prepare import create_event
from agent_orchestrator.outbox.outbox import Outbox, Run
from agent_session_manager.domain.events.event import NewEvent
from agent_session_manager.sql.care.backup import back_up
from agent_session_manager.sql.store import open_store
from agent_session_manager.store.changes import AppendEvents, CreateSession
from agent_shared.masking import find_secrets, rules_for
from agent_shared.masking_rules import RULES, Rule
from tests.stress.scene import Scene
from tests.support.api import Api
from tests.support.campaign import Campaign
from tests.support.planted import KINDS, planted, traces
from tests.support.rows import each_row

pytestmark = pytest.mark.stress

LEAST_MASKED = 0.99
MOST_CUT = 0.001
CODE = (".py", ".js", ".mjs", ".ts", ".md", ".json", ".toml", ".css")
BOUND_SECONDS = 30.0
"""Far above the time of any rule, and far below the time of a rule with backtracking."""


def _plant(chance: Random, count: int) -> list[tuple[str, str]]:
    kinds = list(KINDS)
    return [planted(chance, kinds[number % len(kinds)]) for number in range(count)]


def _trace(secret: str) -> bytes:
    """Return the bytes to search for; for a Discord token only the secret part, not its user id."""
    parts = secret.split(".", 1)
    is_discord = len(parts) == 2 and len(parts[0]) in (23, 24) and parts[0][0] in "MNO"
    return parts[1].encode() if is_discord else traces(secret)[0]


def _leaked(secrets: Iterable[str], directory: Path, *more: bytes) -> set[str]:
    """Return the secrets with a trace in a file of the directory, or in `more`."""
    held = [path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()]
    return {secret for secret in secrets if any(_trace(secret) in one for one in (*held, *more))}


def _shapes(text: str) -> Iterator[dict[str, Any]]:
    """Yield an event with the text for each field where events have texts."""
    yield {
        "event_type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": text}],
    }
    yield {"event_type": "pre_tool", "tool_name": "Bash", "tool_input": {"command": text}}
    yield {"event_type": "post_tool", "tool_name": "Bash", "tool_output": [{"stdout": text}]}
    yield {"event_type": "post_tool", "tool_name": "Bash", "error": text}
    yield {"event_type": "other", "of_its_own": {"deep": [[{"er": text}]]}}


def _shape(number: int, text: str) -> dict[str, Any]:
    return list(_shapes(text))[number % 5]


def test_planted_secrets_are_masked_in_responses_and_files(
    campaign: Campaign, scene: Scene
) -> None:
    secrets = _plant(campaign.chance(), campaign.count(short=150, long=1000))
    events = [_shape(number, text) for number, (_, text) in enumerate(secrets)]
    with Api(scene.manager) as api:
        api.post("/sessions", {"session_id": "s", "session_name": "s"})
        for start in range(0, len(events), 50):
            assert api.post("/sessions/s/events", events[start : start + 50]).status == 201
        assert api.post("/sessions/s/events", {"event_type": "session_stop"}).status == 201
        back_up(scene.state_dir / "sessions.db", scene.directory / "backup.db")
        targets = ("s/events", "s/result", "s", "s/runs")
        answers = [api.get(f"/sessions/{target}").body for target in targets]
        counted = api.get("/sessions/s").json["session"]["masked_secrets"]
    leaked = _leaked((secret for secret, _ in secrets), scene.directory, *answers)
    campaign.tell(
        f"{len(secrets)} secrets of {len(KINDS)} kinds: {len(leaked)} in a response, database, "
        f"log or backup; {counted} counted"
    )
    assert len(leaked) <= (1 - LEAST_MASKED) * len(secrets)
    assert counted >= LEAST_MASKED * len(secrets)


def test_search_finds_unmasked_secrets_in_a_database(campaign: Campaign) -> None:
    """Check the search of the other tests: without masking it must find the secrets."""
    secrets = _plant(campaign.chance(), 150)
    events = [
        NewEvent(event_type="x", fields=_shape(number, text))
        for number, (_, text) in enumerate(secrets)
    ]
    store = open_store(
        f"sqlite:///{campaign.directory / 'sessions.db'}", clock=lambda: datetime.now(UTC)
    )
    with closing(store):
        store.commit([CreateSession(session_id="s", session_name="s")])
        store.commit([AppendEvents(session_id="s", events=events)])
    leaked = _leaked((secret for secret, _ in secrets), campaign.directory)
    assert len(leaked) > LEAST_MASKED * len(secrets)


def _leaked_by_an_outbox(
    campaign: Campaign, secrets: list[tuple[str, str]], prepare: Callable[..., dict[str, Any]]
) -> set[str]:
    run = Run(session_id="s", run=1, url="http://127.0.0.1:1")
    with Outbox(campaign.directory / "s.1.db", run) as outbox:
        for number, (_, text) in enumerate(secrets):
            fields = _shape(number, text)
            outbox.add(prepare(fields.pop("event_type"), **fields))
        return _leaked((secret for secret, _ in secrets), campaign.directory)


def test_planted_secrets_are_not_in_the_bytes_of_an_outbox(campaign: Campaign) -> None:
    secrets = _plant(campaign.chance(), campaign.count(short=150, long=1000))
    leaked = _leaked_by_an_outbox(campaign, secrets, create_event)
    campaign.tell(f"{len(leaked)} of {len(secrets)} secrets in the bytes of an outbox")
    assert len(leaked) <= (1 - LEAST_MASKED) * len(secrets)


def test_search_finds_unmasked_secrets_in_an_outbox(campaign: Campaign) -> None:
    def unmasked(event_type: str, **fields: Any) -> dict[str, Any]:
        return {"event_id": str(uuid4()), "event_type": event_type, **fields}

    secrets = _plant(campaign.chance(), 150)
    leaked = _leaked_by_an_outbox(campaign, secrets, unmasked)
    assert len(leaked) > LEAST_MASKED * len(secrets)


def _files(root: Path) -> Iterator[Path]:
    """Yield all files below a directory, in a stable order."""
    for directory, below, names in os.walk(root):
        below.sort()
        yield from (Path(directory, name) for name in sorted(names))


def _code(limit: int) -> Iterator[str]:
    """Yield code: Python's library, installed packages, and the dashboard's npm packages."""
    roots = (
        Path(sysconfig.get_path("stdlib")),
        Path(sysconfig.get_path("purelib")),
        Path(__file__).parents[2] / "dashboard" / "node_modules",
    )
    for root in roots:
        left = limit // len(roots)
        for path in _files(root):
            if path.suffix in CODE:
                text = path.read_text("utf-8", errors="replace")[:left]
                left -= len(text)
                yield text
            if left <= 0:
                break


def test_clean_code_is_rarely_masked(campaign: Campaign) -> None:
    size = lines = cut = 0
    for text in _code(campaign.count(short=2_000_000, long=20_000_000)):
        size += len(text)
        lines += text.count("\n") + 1
        spans = find_secrets(text, rules_for(text))
        cut += sum(text.count("\n", span.start, span.end) + 1 for span in spans)
    campaign.tell(f"{cut} of {lines} lines of code masked ({size / 1e6:.1f} MB)")
    assert lines > 10_000
    assert cut <= MOST_CUT * lines


def _near_misses(rule: Rule, size: int) -> list[str]:
    """Return texts in which a rule starts often and finds nothing, or ends as late as possible."""
    anchors = rule.anchors or (".",)
    pieces = [anchors[0], anchors[0] + "=", anchors[0] + "aA1" * 5, anchors[0] + '="' + "a" * 400]
    pieces += [f"{anchors[0]}: {'A' * 90} ", f"{anchors[0]}{'a.' * 30}", f" {anchors[0]}aaaa:bb"]
    texts = [piece * (size // len(piece)) for piece in pieces]
    return [*texts, anchors[0] + "a" * size]


@each_row("rule", RULES, ids=lambda rule: f"{rule.kind} {rule.anchors[:1]}")
def test_rules_are_fast_on_near_misses(campaign: Campaign, rule: Rule) -> None:
    size = campaign.count(short=8 * 1024, long=4 * 1024 * 1024)
    for text in _near_misses(rule, size):
        began_at = time.monotonic()
        find_secrets(text, [rule])
        campaign.limit(f"seconds of {rule.kind}", time.monotonic() - began_at, BOUND_SECONDS)


@each_row(
    "piece", ["-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\n" + "aB3d" * 30 + "\n"]
)
def test_search_for_keys_is_fast_on_near_misses(campaign: Campaign, piece: str) -> None:
    size = campaign.count(short=64 * 1024, long=4 * 1024 * 1024)
    began_at = time.monotonic()
    find_secrets(piece * (size // len(piece)) + "-----END PRIVATE KEY-----", [])
    campaign.limit("seconds of a search for keys", time.monotonic() - began_at, BOUND_SECONDS)


def test_deleted_text_is_removed_from_the_file(campaign: Campaign, scene: Scene) -> None:
    database = scene.state_dir / "sessions.db"
    with Api(scene.manager) as api:
        api.post("/sessions", {"session_id": "s", "session_name": "s"})
        events = [{"event_type": "x", "text": f"deleted-text-{n} " + "x" * 500} for n in range(500)]
        assert api.post("/sessions/s/events", events).status == 201
        entries = [{"uuid": f"u{n}", "text": f"deleted-text-{n} " + "x" * 500} for n in range(500)]
        target = "/transcripts/entries?project_key=p&session_id=s"
        assert api.post(target, entries).status == 201
        assert api.delete("/sessions/s?force=true").status == 200
    scene.manager.stop()
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    assert b"deleted-text-" not in database.read_bytes()
