"""Files that should be UTF-8: what they are, and what to do, in the words of an error."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from pathlib import Path

import pytest

from agent_orchestrator.acp.presets.file import read_presets
from agent_orchestrator.agents.agent import text_of
from agent_orchestrator.console.command import CommandError
from agent_orchestrator.console.runs.prompt import read_prompt
from agent_orchestrator.executors.base import ExecutorError
from agent_orchestrator.history.importer.sources.lines import opened
from agent_session_manager.prices.fields import PriceFileError
from agent_session_manager.prices.format import load
from agent_shared.text_encoding import START_BYTES, other_form
from tests.support.rows import each_row

TEXT = '{"type": "user"}\n'


@each_row("encoding", ["UTF-16", "UTF-16LE", "UTF-16BE", "UTF-32", "UTF-32LE"])
def test_other_encoding_is_named_with_its_remedy(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(TEXT, encoding)
    with pytest.raises(OSError) as refused, opened(path):
        pass
    assert str(refused.value) == (
        f"it is {encoding} text, not UTF-8: convert it with iconv -f {encoding} -t UTF-8 FILE"
    )


@each_row(
    "content, program",
    [
        (gzip.compress(TEXT.encode()), "gunzip"),
        (bz2.compress(TEXT.encode()), "bunzip2"),
        (lzma.compress(TEXT.encode()), "xz"),
    ],
)
def test_compressed_file_is_named_with_its_remedy(content: bytes, program: str) -> None:
    told = other_form(content[:START_BYTES])
    assert told is not None and told.startswith(f"it is compressed: expand it with {program} ")


@each_row(
    "content, problem",
    [
        (TEXT.encode("utf-16"), "it is UTF-16 text, not UTF-8: convert it with"),
        (b'{"a": 1,\n"b": "\xe9"}', "it is not UTF-8 text: byte 0xe9 in line 2"),
    ],
)
def test_file_of_a_person_is_named_with_its_fault(
    content: bytes, problem: str, tmp_path: Path
) -> None:
    (path := tmp_path / "x").write_bytes(content)
    readers = (lambda: text_of(path), lambda: read_presets(path), lambda: load(path))
    for read in readers:
        with pytest.raises((ValueError, ExecutorError, PriceFileError)) as refused:
            read()
        assert problem in str(refused.value)


def test_prompt_in_another_encoding_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoded with replacements, it would reach the agent as nonsense."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("fix it\n".encode("utf-16"))))
    with pytest.raises(CommandError, match="the prompt on stdin cannot be read: it is UTF-16 text"):
        read_prompt(("-",))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xef\xbb\xbf/compact\n")))
    assert read_prompt(("-",)) == "/compact"


@each_row("text", [TEXT, "\ufeff{}", "", "{", "{}", "\n\n{}", "é", "\0\0\0\0", "日本"])
def test_utf_8_has_no_other_form(text: str) -> None:
    assert other_form(text.encode()[:START_BYTES]) is None
