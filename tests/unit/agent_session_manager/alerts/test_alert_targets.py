"""Targets: which are valid, and the file in which they are."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from agent_session_manager.alerts.signature import new_secret
from agent_session_manager.alerts.target import (
    Target,
    TargetError,
    Webhook,
    check_target,
    parse_command,
    parse_kinds,
)
from agent_session_manager.alerts.targets_file import MAX_TARGETS, TargetsFile, TargetsFileError
from agent_session_manager.domain.sessions.alert import AlertKind, Interest
from tests.support.rows import each_row
from tests.unit.agent_session_manager.alerts.samples import target

CONTENT = "notify.json"


@pytest.fixture
def file(tmp_path: Path) -> TargetsFile:
    return TargetsFile(tmp_path)


def add(file: TargetsFile, *targets: Target) -> None:
    file.change(lambda known: [*known, *targets])


@each_row(
    "url, allow_http, valid",
    [
        ("https://hooks.example.com/T/B/x?y=1", False, True),
        ("http://127.0.0.1:9000/hook", False, True),
        ("http://127.9.9.9/", False, True),
        ("http://localhost:9000", False, True),
        ("http://[::1]:9000", False, True),
        ("http://192.168.1.2/", True, True),
        ("http://192.168.1.2/", False, False),
        ("http://localhost.example.com/", False, False),
        ("http://127.0.0.1.example.com/", False, False),
        ("http://2130706433/", False, False),
        ("ftp://example.com/", True, False),
        ("file:///etc/passwd", True, False),
        ("https:///path", True, False),
        ("example.com/hook", True, False),
        ("https://me:secret@example.com/", True, False),
        ("http://127.0.0.1@example.com/", False, False),
        ("https://example.com:99999/", True, False),
        ("https://me:sec/ret@example.com/", True, False),
        ("https://me:secret@[::1/", True, False),
        ("https://xn--a/", True, False),
        ("https://xn--strae-oqa.de/", False, True),
        ("https://exa mple.com/", True, False),
        ("https://example.com/\r\nX: y", True, False),
        ("https://example.com\\@127.0.0.1/", True, False),
        ("https://exämple.com/", True, False),
        ("https://example.com/" + "x" * 2000, True, False),
        ("", False, False),
    ],
)
def test_only_safe_urls_are_valid(url: str, allow_http: bool, valid: bool) -> None:
    webhook = target(webhook=Webhook(url=url, allow_http=allow_http))
    if valid:
        check_target(webhook)
    else:
        with pytest.raises(TargetError) as refused:
            check_target(webhook)
        assert "sec" not in str(refused.value)


@each_row(
    "fields",
    [
        {"name": ""},
        {"name": "-x"},
        {"name": "a b"},
        {"name": "x" * 41},
        {"command": ()},
        {"command": ("x",), "webhook": Webhook(url="https://example.com")},
        {"command": ("a\0b",)},
    ],
)
def test_invalid_targets_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(TargetError):
        check_target(target(**{"command": ("true",), **fields}))


def test_words_name_kinds() -> None:
    assert parse_kinds(" waiting, failed ") == {AlertKind.WAITING, AlertKind.FAILED}
    assert parse_kinds("ended,lost,waiting") == set(AlertKind)
    for wrong in ("", ",", "waiting,x", "Waiting"):
        with pytest.raises(TargetError, match="waiting"):
            parse_kinds(wrong)


def test_command_is_split_but_not_interpreted() -> None:
    assert parse_command("say 'two words' $HOME; *") == ("say", "two words", "$HOME;", "*")
    for wrong in ("", "  ", "''", "say 'x"):
        with pytest.raises(TargetError):
            parse_command(wrong)


def test_shown_url_has_no_secret() -> None:
    shown = {
        "https://hooks.example.com:1/T0/B0/secret": "https://hooks.example.com:1/…",
        "https://example.com/?token=secret": "https://example.com/…",
        "https://example.com/": "https://example.com",
    }
    assert {url: Webhook(url=url).shown_url for url in shown} == shown
    assert "secret" not in repr(target(webhook=Webhook(url="https://x/secret", secret="secret")))


def test_file_keeps_targets_private(file: TargetsFile, tmp_path: Path) -> None:
    assert file.read() == ()
    narrow = Interest(
        target_id="u", kinds=frozenset({AlertKind.LOST}), project_dir="/p", top_level=True
    )
    signed = Webhook(url="http://10.0.0.1/", secret=new_secret(), allow_http=True)
    targets = [target(webhook=signed), Target(name="say", interest=narrow, command=("say", "x y"))]
    add(file, *targets)
    assert list(TargetsFile(tmp_path).read()) == targets
    assert (tmp_path / CONTENT).stat().st_mode & 0o777 == 0o600
    file.disable("u", "gone")
    assert [each.disabled for each in file.read()] == [None, "gone"]
    assert list(file.interests()) == [targets[0].interest]


def test_change_is_known_at_once_and_read_once(
    file: TargetsFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert file.known() == ()
    add(TargetsFile(tmp_path), target())
    first = file.known()
    assert [each.name for each in first] == ["phone"]
    assert file.known() is first
    TargetsFile(tmp_path).change(lambda known: [])
    assert file.known() == ()


def test_changes_of_several_processes_exclude_each_other(tmp_path: Path) -> None:
    def add_one(number: int) -> None:
        add(TargetsFile(tmp_path), target(f"t{number}", target_id=str(number)))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(add_one, range(MAX_TARGETS)))
    assert len(TargetsFile(tmp_path).read()) == MAX_TARGETS
    with pytest.raises(TargetError, match="remove one first"):
        add_one(99)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notify.json", "notify.lock"]


def damaged(change: Callable[[Any], object]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        content = json.loads(path.read_text())
        change(content["targets"][0])
        path.write_text(json.dumps(content))

    return damage


@each_row(
    "damage",
    [
        lambda path: path.write_text("{"),
        lambda path: path.write_text("[]"),
        lambda path: path.write_text('{"targets": [1]}'),
        lambda path: path.write_bytes(b"\xff"),
        lambda path: path.write_text("[" * 100_000),
        lambda path: path.chmod(0o644),
        damaged(lambda each: each.update(on=["x"])),
        damaged(lambda each: each.pop("command")),
        damaged(lambda each: each["webhook"].update(url="http://example.com")),
        damaged(lambda each: each["webhook"].update(secret="x")),
        damaged(lambda each: each.update(name=7)),
    ],
    ids=lambda damage: getattr(damage, "__code__", damage),
)
def test_damaged_file_is_refused_and_changes_nothing(
    damage: Callable[[Path], None], tmp_path: Path
) -> None:
    file = TargetsFile(tmp_path)
    add(file, target())
    known = file.known()
    damage(tmp_path / CONTENT)
    with pytest.raises(TargetsFileError, match=CONTENT):
        file.read()
    before = (tmp_path / CONTENT).read_bytes()
    with pytest.raises(TargetsFileError):
        add(file, target("other"))
    assert (tmp_path / CONTENT).read_bytes() == before
    assert file.known() == known


def test_damaged_file_is_logged_once(
    file: TargetsFile, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    (tmp_path / CONTENT).touch(mode=0o600)
    assert [file.known(), file.known()] == [(), ()]
    assert [record.levelname for record in caplog.records] == ["ERROR"]


@each_row("error", [OSError(5, "Input/output error"), MemoryError(), RuntimeError("defect")])
def test_events_are_stored_whatever_the_file_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    file = TargetsFile(tmp_path)
    add(file, target())
    interests = file.interests()
    add(file, target("other"))

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(os, "fdopen", fail)
    assert file.interests() == interests


def test_corrected_mode_of_the_file_is_noticed(tmp_path: Path) -> None:
    add(TargetsFile(tmp_path), target())
    (tmp_path / CONTENT).chmod(0o644)
    file = TargetsFile(tmp_path)
    assert file.known() == ()
    before = (tmp_path / CONTENT).stat().st_ctime_ns
    while (tmp_path / CONTENT).stat().st_ctime_ns == before:
        (tmp_path / CONTENT).chmod(0o600)
    assert [each.name for each in file.known()] == ["phone"]


def test_hidden_file_is_told_and_keeps_its_targets(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    file = TargetsFile(state)
    add(file, target())
    known = file.known()
    state.rename(tmp_path / "moved")
    state.write_text("")
    assert [file.known(), file.known()] == [known, known]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    state.unlink()
    assert file.known() == ()
