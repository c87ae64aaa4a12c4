"""Exports with a damaged line, a cut end or extra data: refused without a change."""

from __future__ import annotations

import codecs
import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from agent_session_manager.sql.store import open_store
from agent_session_manager.sql.transfer import kinds, lines
from agent_session_manager.sql.transfer.format import ImportRefusedError
from agent_session_manager.sql.transfer.importer import import_export
from tests.store.promises.changes import create
from tests.store.promises.stepped_clock import SteppedClock
from tests.store.transfer.exports import exported, fill, imported, parsed, refused
from tests.support.rows import each_row


def signed(found: list[dict[str, Any]]) -> bytes:
    """Return the lines, even invalid ones, with a matching trailer."""
    inner = [json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in found]
    digest = hashlib.sha256("".join(inner[1:-1]).encode("utf-8", "surrogatepass")).hexdigest()
    names = {kind.name: kind.counted for kind in kinds.KINDS.values()}
    counts = dict.fromkeys(names.values(), 0)
    for line in found[1:-1]:
        if line.get("type") in list(names):
            counts[names[line["type"]]] += 1
    trailer = json.dumps({"type": "trailer", **counts, "sha256": digest}) + "\n"
    return ("".join(inner[:-1]) + trailer).encode("utf-8", "surrogatepass")


Damage = Callable[[list[dict[str, Any]]], object]


# Lines: 0 header, 1 s, 2 run, 3 request, 4-6 events, 7 child, 8-9 runs, 10-11 events, 12 archived,
# 13 run, 14 transcript, 15-17 entries, 18 summary, 19 transcript, 20 entry, 21 trailer.
WRONG: dict[str, tuple[Damage, str]] = {
    "another format": (lambda x: x[0].update(format="y"), "line 1: this is not an export"),
    "a newer version": (lambda x: x[0].update(version=6), "line 1: this is an export of version 6"),
    "an extra header field": (lambda x: x[0].update(more=1), "line 1: the header"),
    "no header": (lambda x: x.pop(0), "line 1: this is not an export"),
    "a header twice": (lambda x: x.insert(1, x[0]), "line 2: unexpected line of type 'header'"),
    "an unknown type": (lambda x: x[4].update(type="y"), "line 5: unexpected line of type"),
    "a type that is not text": (lambda x: x[4].update(type=[1]), "line 5: unexpected line of"),
    "an extra field": (lambda x: x[4].update(y=1), "line 5: fields of this event are missing"),
    "a missing field": (lambda x: x[4].pop("late"), "line 5: fields of this event are missing"),
    "an invalid id": (lambda x: x[1].update(session_id="../x"), "line 2: session_id"),
    "a text with NUL": (lambda x: x[1].update(session_name="a\0b"), "line 2: session_name"),
    "a lone surrogate": (lambda x: x[1].update(session_name="\ud800"), "line 2: it is not JSON"),
    "a boolean as a number": (lambda x: x[4].update(late=1), "line 5: late of this event"),
    "a number as a boolean": (lambda x: x[4].update(run=True), "line 5: run of this event"),
    "a number too large": (lambda x: x[1].update(created_at=2**63), "line 2: created_at"),
    "a negative count": (lambda x: x[1].update(input_tokens=-1), "line 2: input_tokens"),
    "an unknown state": (lambda x: x[3].update(state="y"), "line 4: state of this request"),
    "fields that are a list": (lambda x: x[4].update(fields=[]), "line 5: fields of this"),
    "a gap": (lambda x: x.pop(5), "line 6: event 3 instead of event 2 in session 's'"),
    "a missing event": (lambda x: x.pop(6), "before line 7: session 's' has 2 events"),
    "an extra event": (lambda x: x[1].update(last_seq=2), "before line 8: session 's' has 3"),
    "a missing run": (lambda x: x.pop(9), "session 'child' has 1 runs instead of 2"),
    "events out of order": (lambda x: x.insert(4, x.pop(5)), "line 5: event 2 instead of event 1"),
    "an event before its run": (lambda x: x.insert(2, x.pop(4)), "line 4: a run of session 's'"),
    "an event of an unknown run": (lambda x: x[4].update(run=2), "line 5: event of run 2"),
    "an orphan event": (lambda x: x.insert(1, x[4]), "line 2: this event has no session"),
    "an entry in a session": (lambda x: x.insert(2, x[15]), "line 3: this entry has no transcript"),
    "an event twice": (lambda x: x.insert(5, x[4]), "line 6: event 1 instead of event 2"),
    "an event id twice": (
        lambda x: (x[4].update(event_id="e"), x[5].update(event_id="e")),
        "lines 5 to 7: the same event occurs twice",
    ),
    "a session twice": (lambda x: x.insert(14, x[12]), "session 'archived' occurs twice"),
    "a name twice": (
        lambda x: x[12].update(project_dir="/p", archived_at=None), "as does 's' in the export"
    ),
    "a transcript before a session": (
        lambda x: x.insert(1, {**x[14], "last_position": 0}), "line 3: a session comes after"
    ),
    "a missing entry": (lambda x: x.pop(20), "before the end: transcript '' 'elsewhere' 'sub/1'"),
    "a second summary": (lambda x: x.insert(18, x[18]), "line 20: a second summary"),
}  # fmt: skip


@dataclass(frozen=True)
class Target:
    """A database that is not empty, and a valid export that it would accept."""

    url: str
    before: bytes
    text: bytes


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Target:
    """Make one target for all refused imports, because they change nothing."""
    directory = tmp_path_factory.mktemp("export")
    first, second = (f"sqlite:///{directory}/{name}.db" for name in ("first", "second"))
    clock = SteppedClock()
    store = open_store(first, clock=clock)
    fill(store, clock)
    store.close()
    store = open_store(second, clock=clock)
    create(store, "mine")
    store.close()
    return Target(second, exported(second), exported(first))


@each_row("name", WRONG)
def test_invalid_line_is_refused_by_number_and_changes_nothing(name: str, target: Target) -> None:
    found = parsed(target.text)
    damage, expected = WRONG[name]
    damage(found)
    said = refused(target.url, signed(found))
    assert expected in said
    assert said.endswith("nothing was changed")
    assert exported(target.url) == target.before


def test_valid_lines_signed_by_the_test_are_accepted(text: bytes, elsewhere: str) -> None:
    """The test above fails because of the damage, and not because of the signature."""
    assert imported(elsewhere, signed(parsed(text))).counts["sessions"] == 3


def test_truncated_file_is_refused(target: Target) -> None:
    text = target.text
    for end in range(0, len(text), max(1, len(text) // 12)):
        refused(target.url, text[:end])
    assert "cut off" in refused(target.url, text[:-1])
    assert "cut off after line 21" in refused(target.url, text[: text.rindex(b'{"type":"trailer"')])
    assert exported(target.url) == target.before


def test_changed_byte_after_the_header_is_detected(target: Target) -> None:
    text = target.text
    start = text.index(b"\n") + 1
    for place in range(start, len(text), max(1, (len(text) - start) // 15)):
        damaged = bytearray(text)
        damaged[place] ^= 1
        refused(target.url, bytes(damaged))
    assert exported(target.url) == target.before


@each_row("more", [b"\n", b"{}\n", b'{"type":"trailer"}\n', b"x"])
def test_data_after_the_trailer_is_refused(target: Target, more: bytes) -> None:
    assert "after the trailer" in refused(target.url, target.text + more)


@each_row("junk", [b"", b"\n", b"\xff\n", b"[]\n", b"SQLite format 3\0\n"])
def test_file_that_is_not_an_export_is_refused(target: Target, junk: bytes) -> None:
    refused(target.url, junk)


def test_too_long_line_is_not_read_to_its_end(
    text: bytes, elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 4096)
    head, rest = text.split(b"\n", 1)
    endless = io.BufferedReader(Endless(head + b"\n"))
    with pytest.raises(ImportRefusedError, match="line 2: it is longer than 4096 bytes"):
        import_export(elsewhere, endless)


class Endless(io.RawIOBase):
    """A file with a given beginning, followed by one endless line."""

    def __init__(self, beginning: bytes) -> None:
        self._beginning = io.BytesIO(beginning)

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        return self._beginning.readinto(into) or _fill(into)


def _fill(into: Any) -> int:
    into[:] = b"x" * len(into)
    return len(into)


def test_export_is_read_as_windows_saves_it(text: bytes, elsewhere: str) -> None:
    """An editor adds a byte order mark and changes the line ends. The checksum still fits."""
    changed = codecs.BOM_UTF8 + text.replace(b"\n", b"\r\n")
    assert import_export(elsewhere, io.BytesIO(changed)).counts["sessions"] > 0
    assert parsed(exported(elsewhere))[1:] == parsed(text)[1:]


@each_row("encoding", ["UTF-16", "UTF-16LE", "UTF-16BE"])
def test_export_in_another_encoding_is_refused_plainly(
    text: bytes, elsewhere: str, encoding: str
) -> None:
    with pytest.raises(ImportRefusedError, match=f"it is {encoding} text.*nothing was changed"):
        import_export(elsewhere, io.BytesIO(text.decode().encode(encoding)))
