from __future__ import annotations

import json
import os
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agent_orchestrator.machine.wire_text import from_wire, to_wire, wire_text

paths = st.binary().map(os.fsdecode)
values = st.recursive(
    paths | st.integers() | st.none(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
)


@given(values)
def test_any_bytes_survive_a_round_trip(value: Any) -> None:
    sent = json.dumps(to_wire(value), ensure_ascii=False).encode()
    if not (isinstance(value, dict) and value.keys() == {"base64"}):
        assert from_wire(json.loads(sent)) == value


@given(st.binary())
def test_bytes_are_shown_as_text(name: bytes) -> None:
    wire_text(os.fsdecode(name)).encode()


def test_valid_text_is_unchanged() -> None:
    assert wire_text("käse \\xff") == "käse \\xff"
    assert wire_text(os.fsdecode(b"caf\xe9")) == "caf\\xe9"
    assert to_wire(["käse"]) == ["käse"]
