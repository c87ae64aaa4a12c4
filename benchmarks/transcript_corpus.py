"""Transcripts of Claude Code with words of realistic frequencies, the same for every run."""

from __future__ import annotations

import random
from itertools import accumulate
from pathlib import Path

from tests.support.transcript_files import Transcript

_SYLLABLES = ("ka", "lo", "mi", "ten", "ra", "vor", "sel", "dan", "qui", "pre", "tor", "ne")
_VOCABULARY = 30_000
_PARAGRAPHS = 3000
_TURNS = 20
_PROJECTS = 40


def write_transcripts(home: Path, count: int) -> int:
    """Write transcripts of about half a megabyte each below a home; return their size in bytes."""
    chance = random.Random(3)
    words = [
        "".join(chance.choices(_SYLLABLES, k=chance.randint(2, 4))) for _ in range(_VOCABULARY)
    ]
    weights = list(accumulate(1 / rank for rank in range(1, _VOCABULARY + 1)))
    paragraphs = [
        " ".join(chance.choices(words, cum_weights=weights, k=40)) for _ in range(_PARAGRAPHS)
    ]
    size = 0
    for number in range(1, count + 1):
        transcript = Transcript(number)
        for _ in range(_TURNS):
            transcript.prompt(chance.choice(paragraphs))
            for _ in range(3):
                transcript.answer({"type": "text", "text": chance.choice(paragraphs)}, ends=False)
                output = "\n".join(chance.choices(paragraphs, k=chance.randint(2, 20)))
                transcript.call("Bash", output, toolUseResult={"stdout": output, "stderr": ""})
            transcript.answer({"type": "text", "text": " ".join(chance.choices(paragraphs, k=3))})
        path = transcript.write(home, key=f"-home-user-project-{number % _PROJECTS}")
        size += path.stat().st_size
    return size
