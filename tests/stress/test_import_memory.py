"""The memory of an import does not follow the size of a line or of a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from agent_session_manager.sql.search.index_process import IndexProcess
from agent_session_manager.sql.search.sqlite.file import index_path
from agent_shared.sqlite_url import sqlite_url
from tests.stress.scene import Scene
from tests.support.campaign import Campaign
from tests.support.memory import peak_megabytes, run_measured
from tests.support.transcript_files import Transcript

pytestmark = pytest.mark.stress

MAX_MEGABYTES = 200
MEBIBYTE = 2**20
TURN_BYTES = 32 * 1024
TEXT = "words \\n and \\u00e9 caf\u00e9 \U0001f600\\t" * 2000
BLOB = "QUJD" * 16_384
VALUES = '{"a":[1,2,3],"b":"text"},' * 2000


def repeated(unit: str, size: int) -> Iterator[str]:
    for _ in range(size // len(unit.encode()) + 1):
        yield unit


def long_line(line: dict[str, Any], size: int) -> Iterator[str]:
    """Yield the text of a line with a text, a blob and a list, of `size` bytes together."""
    marked = {**line, "toolUseResult": {"stdout": "@", "image": "@", "list": ["@"]}}
    content = marked["message"]["content"][0]
    content["content"] = "@"
    begin, middle, image, items, end = json.dumps(marked).split("@")
    part = size // 4
    for before, unit in ((begin, TEXT), (middle, TEXT), (image, BLOB)):
        yield before
        yield from repeated(unit, part)
    yield items + '",'
    yield from repeated(VALUES, part)
    yield '"' + end + "\n"


def write_large(transcript: Transcript, home: Path, *, line: int, file: int) -> Path:
    """Write a transcript with one line and one file of these sizes, but not in memory."""
    transcript.turn()
    path = transcript.write(home)
    call, result = transcript.lines[1:3]
    with path.open("a") as to:
        number = 0
        for size in (line, 3 * MEBIBYTE, *[MEBIBYTE] * 4):
            number += 1
            to.writelines(json.dumps(each) + "\n" for each in (again(call, number),))
            to.writelines(long_line(again(result, number), size))
        while to.tell() < file:
            number += 1
            progress = {"type": "progress", "uuid": f"progress-{number}", "data": BLOB * 20}
            to.write(json.dumps(progress) + "\n")
        transcript.turn("The last one")
        to.writelines(json.dumps(each) + "\n" for each in transcript.lines[4:])
    return path


def write_wordy(home: Path, chance: Random, size: int) -> Path:
    """Write a transcript with many different words, for the index."""
    transcript = Transcript(2)
    for _ in range(size // TURN_BYTES):
        transcript.prompt(chance.randbytes(TURN_BYTES * 4 // 9).hex(" ", 4))
    return transcript.write(home)


def again(line: dict[str, Any], number: int) -> dict[str, Any]:
    """Return a copy of a line with ids of its own."""
    text = json.dumps({**line, "uuid": f"{line['uuid'][:-4]}f{number:03}"})
    copied: dict[str, Any] = json.loads(text.replace("toolu_1_", f"toolu_{number}0_"))
    if "id" in copied["message"]:
        copied["message"]["id"] += f"_{number}"
    return copied


def test_long_lines_and_files_need_little_memory(campaign: Campaign, scene: Scene) -> None:
    line = campaign.count(short=24, long=300) * MEBIBYTE
    file = campaign.count(short=32, long=1024) * MEBIBYTE
    transcript = Transcript()
    home = campaign.directory / "home"
    path = write_large(transcript, home, line=line, file=file)
    wordy = write_wordy(home, campaign.chance(), campaign.count(short=3, long=30) * MEBIBYTE)
    person = scene.shell.having(HOME=str(home))
    output, peak = run_measured(person.command("ao-import", "--json"), person.environment)
    found = json.loads(output)
    assert (found["broken"], found["refused"], found["shortened"]) == (0, 0, 2)
    assert found["bytes"] == path.stat().st_size + wordy.stat().st_size
    events = scene.events(transcript.session_id)
    assert len(events) == 4 + 2 * 6 + 4
    first = events[5]
    assert first["event_id"] == "toolu_10_1:post"
    assert first["shortened"]["tool_output"] > line // 16
    assert "omitted …]" in first["tool_output"]
    usage = scene.records.get_session(transcript.session_id)["usage"]
    assert usage["output_tokens"] == 42 * 10
    key = {"project_key": "sessions", "session_id": transcript.session_id}
    kept = [entry["uuid"] for page in scene.records.iterate_entries(key) for entry in page]
    assert len(kept) == len(set(kept)) > 12
    manager = peak_megabytes(scene.manager.pid)
    indexer = peak_of_indexing(scene)
    campaign.tell(
        f"a line of {line // MEBIBYTE} MiB in a file of {file // MEBIBYTE} MiB: importer "
        f"{peak} MiB, manager {manager} MiB, index process {indexer} MiB"
    )
    assert max(peak, manager, indexer) <= MAX_MEGABYTES


def peak_of_indexing(scene: Scene) -> int:
    """Return the largest memory of an index process that indexes everything from the beginning."""
    scene.manager.stop()
    database = scene.state_dir / "sessions.db"
    index = index_path(database)
    index.unlink()
    for beside in index.parent.glob(f"{index.name}-*"):
        beside.unlink()
    process = IndexProcess(sqlite_url(database))
    try:
        steps = 1
        while (step := process.index_some()) is not None and step.has_more:
            steps += 1
        assert step is not None and step.through > 0
        assert steps > 1
        return peak_megabytes(process.pid)
    finally:
        process.close()
