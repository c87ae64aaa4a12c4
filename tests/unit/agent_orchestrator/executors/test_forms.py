"""Fields of forms as questions, and answers as values of the right type."""

from __future__ import annotations

from typing import Any

from agent_orchestrator.executors.forms import content_of, items_of
from tests.support.rows import each_row

TITLED = [{"const": "r", "title": "Red", "description": "warm"}, {"const": "b", "title": "Blue"}]


@each_row(
    "field, options, answers, value",
    [
        ({"type": "string"}, (), ("a text",), "a text"),
        ({"type": "string", "enum": ["a", "b"]}, ("a", "b"), ("b",), "b"),
        ({"type": "string", "oneOf": TITLED}, ("Red", "Blue"), ("Blue",), "b"),
        (
            {"type": "array", "items": {"anyOf": TITLED}},
            ("Red", "Blue"),
            ("Red", "Blue"),
            ["r", "b"],
        ),
        ({"type": "array", "items": {"enum": ["a"]}}, ("a",), ("a", "free"), ["a", "free"]),
        ({"type": "boolean"}, ("Yes", "No"), ("No",), False),
        ({"type": "integer"}, (), ("42",), 42),
        ({"type": "number"}, (), ("0.5",), 0.5),
        ({"type": "integer"}, (), ("many",), "many"),
        ({"type": "string", "oneOf": [{"const": "x"}, "y", {}]}, ("x",), ("x",), "x"),
        ({"type": "string", "enum": 7}, (), ("seven",), "seven"),
        ({"type": "array"}, (), ("a",), ["a"]),
        ("no field", (), ("a",), "a"),
    ],
)
def test_field_is_a_question_and_its_answer_has_its_type(
    field: Any, options: tuple[str, ...], answers: tuple[str, ...], value: Any
) -> None:
    schema = {"type": "object", "properties": {"it": field}}
    (item,) = items_of(schema)
    assert tuple(option.label for option in item.options) == options
    assert (item.is_free, item.text) == (not options, "it")
    assert item.is_multiple is (isinstance(field, dict) and field.get("type") == "array")
    assert content_of(schema, {"it": answers}) == {"it": value}
    assert content_of(schema, {"it": ()}) == {}


def test_title_is_the_header_of_a_described_field() -> None:
    described = {"type": "string", "title": "Colour", "description": "Which colour?"}
    first, second = items_of({"properties": {"a": described, "b": {"title": "Size"}}})
    assert (first.header, first.text) == ("Colour", "Which colour?")
    assert (second.header, second.text) == (None, "Size")


@each_row("schema", [None, [], {}, {"properties": []}, {"properties": {}}])
def test_form_without_fields_has_no_questions(schema: Any) -> None:
    assert items_of(schema) == ()
