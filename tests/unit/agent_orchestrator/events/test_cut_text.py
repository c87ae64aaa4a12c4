"""Texts whose middle was left out."""

from __future__ import annotations

from agent_orchestrator.events.cut_text import CutText, join_texts


def test_joined_texts_count_what_was_left_out() -> None:
    cut = CutText("é[…]z", characters=1000, size=1500, masked=2)
    joined = join_texts(["ä", cut, "b"], "--")
    assert joined == "ä--é[…]z--b"
    assert isinstance(joined, CutText)
    assert (joined.characters, joined.size, joined.masked) == (1006, 1507, 2)


def test_joined_whole_texts_are_a_plain_text() -> None:
    assert type(join_texts(["a", "b"])) is str
    assert join_texts([]) == ""
