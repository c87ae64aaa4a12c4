"""The parts of a document. They know nothing of events, and renderers know nothing else.

All texts in them are as stored: a renderer escapes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Fact = tuple[str, str]
"""A fact of the whole session: its name and its value."""


@dataclass(frozen=True, slots=True)
class Prose:
    """Text that a person or a model wrote, often in Markdown."""

    text: str


@dataclass(frozen=True, slots=True)
class Code:
    """Text whose lines and spaces matter, such as an output."""

    text: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Image:
    """A picture of a checked type, in base64."""

    media_type: str
    base64: str
    words: str
    """The words that name it where it cannot be shown."""


@dataclass(frozen=True, slots=True)
class Note:
    """A line of the document itself."""

    text: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """The place of an event that has no part of its own."""

    seq: int


@dataclass(frozen=True, slots=True)
class Section:
    """A prompt or an answer."""

    title: str
    seq: int
    moment: str
    body: Sequence[Node]
    depth: int = 0
    """Number of calls around it."""


@dataclass(frozen=True, slots=True)
class Fold:
    """A part that is closed until the reader opens it."""

    summary: str
    body: Sequence[Node]
    seq: int | None = None
    moment: str = ""
    has_failed: bool = False


@dataclass(frozen=True, slots=True)
class Border:
    """A line across the document, such as the begin or the end of a run."""

    text: str
    seq: int | None = None
    moment: str = ""
    body: Sequence[Node] = ()


@dataclass(frozen=True, slots=True)
class OpenFold:
    """The begin of a closed part whose content follows, up to the next `CloseFold`."""

    summary: str


@dataclass(frozen=True, slots=True)
class CloseFold:
    """The end of the part that `OpenFold` began."""


Node = Prose | Code | Image | Note | Anchor | Section | Fold | Border | OpenFold | CloseFold
