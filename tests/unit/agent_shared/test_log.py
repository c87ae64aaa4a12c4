"""Logs have one line per record, and no logged text can look like another record."""

from __future__ import annotations

import io
import json
import logging
import re
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent_shared import log as module
from tests.support.rows import each_row

FORGED = '{"time": "2026-01-01T00:00:00.000Z", "level": "error", "message": "forged"}'
HOSTILE = [
    f"a\n{FORGED}",
    f"a\r\n{FORGED}",
    f"a\u2028{FORGED}\u2029{FORGED}\x85{FORGED}\x0b\x0c\x1c\x1d\x1e",
    f'" {FORGED}',
    f'\\" {FORGED}',
    "\x1b]52;c;ZXZpbA==\x07\x1b[2J\x9b1;1H\x00\x08\x7f",
    "\u202egnp.exe\u2066\u061c\u200f",
    "half \ud800 of a pair",
    "é ü 漢 👍 stay",
]
TERMINAL_CONTROLS = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def fields_of(line: str) -> dict[str, str]:
    fields: dict[str, str] = json.loads(line)
    return fields


Log = Callable[[], str]


def _nothing(_record: logging.LogRecord) -> bool:
    return False


@pytest.fixture(params=["manager", "commands"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    """Set up logging as the manager or as commands do; yield a function that reads the log."""
    # Pytest's report of a test would contain texts that cannot be sent to another process.
    plugin = request.config.pluginmanager.get_plugin("logging-plugin")
    assert plugin is not None
    handler = plugin.report_handler
    handler.addFilter(_nothing)
    request.addfinalizer(lambda: handler.removeFilter(_nothing))
    root = logging.getLogger()
    before = root.handlers[:], root.level, sys.excepthook
    stream = None
    if request.param == "manager":
        stream = io.StringIO()
        module.write_lines_to(stream)
    else:
        module.write_log_to(tmp_path / "log")
    (ours,) = root.handlers
    assert isinstance(ours, logging.StreamHandler)
    yield stream.getvalue if stream else lambda: (tmp_path / "log").read_text("utf-8")
    ours.stream.close()
    root.handlers[:], root.level, sys.excepthook = before
    logging.captureWarnings(False)


@each_row("text", HOSTILE)
def test_record_with_any_text_is_one_line(log: Log, text: str) -> None:
    before = log()
    logging.getLogger(f"some.{text}").warning("about %s", text)
    written = log().removeprefix(before)
    assert written.endswith("\n")
    (line,) = written.splitlines()
    assert TERMINAL_CONTROLS.findall(line) == []
    fields = fields_of(line)
    assert fields["message"] == f"about {text}"
    assert fields["level"] == "warning"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", fields["time"])


@each_row("text", HOSTILE)
def test_trace_is_one_field_without_the_error_message(log: Log, text: str) -> None:
    class OwnError(Exception):
        pass

    before = log()
    try:
        try:
            raise KeyError(f"inner secret {text}")
        except KeyError as exc:
            raise OwnError(f"outer secret {text}") from exc
    except OwnError:
        logging.getLogger("x").exception("it failed")
    (line,) = log().removeprefix(before).splitlines()
    fields = fields_of(line)
    assert (fields["message"], fields["error"]) == ("it failed", "OwnError")
    assert fields["trace"].startswith("test_log.py:")
    assert "[KeyError]" in fields["trace"]
    assert "secret" not in line


@each_row(
    "error",
    [OSError(28, "No space left on device", "/a"), sqlite3.OperationalError("disk I/O error\nx")],
)
def test_message_of_a_system_error_is_kept(log: Log, error: Exception) -> None:
    before = log()
    try:
        raise error
    except (OSError, sqlite3.Error):
        logging.getLogger("x").exception("it failed")
    assert str(error).splitlines()[0] in fields_of(log().removeprefix(before).strip())["error"]


def test_uncaught_error_is_logged_as_one_line(log: Log) -> None:
    try:
        raise ValueError("secret\nforged")
    except ValueError as exc:
        sys.excepthook(type(exc), exc, exc.__traceback__)
    (line,) = log().splitlines()
    assert (fields_of(line)["level"], fields_of(line)["error"]) == ("critical", "ValueError")


def test_long_text_is_cut(log: Log) -> None:
    logging.getLogger("x").warning("y" * 100_000)
    assert len(log()) < 10_000


def test_errors_do_not_contain_statement_parameters(tmp_path: Path) -> None:
    from agent_session_manager.sql.database.engines.open import open_database

    database = open_database(f"sqlite:///{tmp_path / 'x.db'}")
    try:
        for engine in (database.reading, database.writing):
            assert engine.hide_parameters
    finally:
        database.close()


@each_row("text", HOSTILE)
def test_line_of_a_program_is_shown_without_controls(text: str) -> None:
    shown = module.shown(text)
    assert TERMINAL_CONTROLS.findall(shown.replace("\t", "")) == []
    assert module.shown("a\tb\nc") == "a\tb\nc"
