"""The interface of a format: the kind of files in which an agent keeps its sessions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from .items import Item

Json = Any

Evidence = Literal["source", "samples", "parsers", "report"]
EVIDENCE: Mapping[Evidence, str] = {
    "source": "The format follows the source or the documentation of the agent's maker.",
    "samples": "The format was checked with files that the real agent wrote.",
    "parsers": "The format follows several independent readers that agree with each other.",
    "report": "The format follows one report. Check the result of an import.",
}
"""How far a format can be trusted, for people. `samples` is the best evidence."""


@dataclass(frozen=True, kw_only=True)
class About:
    """The description of a format, for people."""

    agent: str
    """Name of the agent, such as `Claude Code`."""
    places: str
    """Where its files are, in Markdown."""
    evidence: Evidence
    newest: str
    """The newest version of the agent whose files were read, or for which the evidence holds."""
    checked: str
    """Date on which `newest` was checked, `YYYY-MM-DD`."""
    limits: str = ""
    """The parts of the files that the format does not read, as sentences in Markdown."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """One file, or one session in a database. `path` and `key` together identify it."""

    path: Path
    root: Path
    """The directory or file that was searched. Nothing outside of it is read."""
    key: str = ""
    """The session in a database; empty for a file."""
    stamp: str | None = None
    """Changes when the content of a source changes that is read as a whole. None for a file of
    lines: its size and time show whether it has grown."""


class Place(NamedTuple):
    """The place of a line in its file."""

    number: int
    """1, 2, 3 …: the line of a file, counted from its beginning."""
    offset: int
    """The byte at which the line begins, in the file as it is after decompression."""


class TranscriptPart(NamedTuple):
    """The transcript that the lines of a source belong to, for an exact resume by its agent."""

    session_id: str
    subpath: str | None = None
    """Of a subagent's transcript."""
    metadata: dict[str, Json] | None = None
    """An entry that is not a line of the source: data in another file beside it."""
    is_kept: bool = True
    """False if the manager keeps no lines of it: it only names the conversation."""


class OpenSession(NamedTuple):
    """A session that a running process of its agent has open. A format proves that it runs."""

    session_id: str
    process: str
    """The program and its process id, for people and as the holder of a lease."""
    is_idle: bool
    """True if the process waits for a prompt."""
    is_driven: bool = False
    """True if a program drives the process, as a supervisor does."""


class LineParser(Protocol):
    """Reads the lines of one source in order. The same lines give the same items at any time.

    The importer stores `state` after some lines, and later continues there with a new parser.
    """

    def read(self, record: Json, place: Place) -> Iterator[Item]:
        """Yield the items of one line, which is parsed JSON.

        Raises:
            BrokenRecordError: the line is not a record of this format.
        """
        ...

    @property
    def state(self) -> dict[str, Json]:
        """Values that later lines need, as JSON. They do not grow with the file."""
        ...


class Format(Protocol):
    """The common part of all formats. Each format is a `LineFormat` or a `WholeFormat`."""

    name: str
    """Name of the format. Its imported sessions have it as their executor."""
    version: int
    """Raised when the same files give other items. Sources that could not be read are then read
    again."""
    about: About

    def roots(self, home: Path, environ: Mapping[str, str]) -> list[Path]:
        """Return the places where the agent keeps its sessions, whether they exist or not."""
        ...

    def find(self, root: Path) -> Iterator[Source]:
        """Yield the sources below a root. Links that leave the root are not followed.

        The order does not matter. Files of other programs are left out by name.
        """
        ...


class LineFormat(Format, Protocol):
    """A format of files with one JSON value on each line, to which the agent appends."""

    def source_at(self, path: Path, root: Path) -> Source | None:
        """Return a file below a root as the source that it is; None if it is another file."""
        ...

    def parser(self, source: Source, state: Mapping[str, Json] | None) -> LineParser:
        """Return a parser for the beginning of a source, or with a state for its continuation."""
        ...


class LiveFormat(LineFormat, Protocol):
    """A format whose agent leaves a proof of the sessions that its processes have open."""

    def open_sessions(self, root: Path) -> Iterator[OpenSession]:
        """Yield the open sessions with files below a root."""
        ...


class WholeFormat(Format, Protocol):
    """A format whose sources change in place: documents and databases. They are read as a whole."""

    def read(self, source: Source) -> Iterator[Item]:
        """Yield the items of a source.

        Raises:
            BrokenRecordError: the source is not of this format.
            OSError: the source cannot be read now, as a locked database.
        """
        ...
