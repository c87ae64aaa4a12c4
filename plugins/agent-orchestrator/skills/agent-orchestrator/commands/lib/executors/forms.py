"""Forms of an agent or of its MCP servers: fields in a JSON schema, as questions to a person."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from .questions import Item, Option

Json = dict[str, Any]

_BOOLEAN = {"oneOf": [{"const": True, "title": "Yes"}, {"const": False, "title": "No"}]}
_NUMBERS = {"integer": int, "number": float}


class _Value(NamedTuple):
    label: str
    value: Any
    description: str | None = None


def items_of(schema: Any) -> tuple[Item, ...]:
    """Return a question for each field of a form."""
    return tuple(_item(name, field) for name, field in _fields(schema).items())


def content_of(schema: Any, answers: Mapping[str, tuple[str, ...]]) -> Json:
    """Return the values of the answered fields, each of the type of its field."""
    fields = _fields(schema)
    return {name: _value(fields.get(name, {}), texts) for name, texts in answers.items() if texts}


def _fields(schema: Any) -> dict[str, Json]:
    fields = schema.get("properties") if isinstance(schema, dict) else None
    fields = fields if isinstance(fields, dict) else {}
    return {name: field if isinstance(field, dict) else {} for name, field in fields.items()}


def _item(name: str, field: Json) -> Item:
    title, description = _text(field.get("title")), _text(field.get("description"))
    options = tuple(
        Option(label=each.label, description=each.description) for each in _values(field)
    )
    return Item(
        item_id=name,
        text=description or title or name,
        header=title if description else None,
        options=options,
        is_multiple=field.get("type") == "array",
        is_free=not options,
    )


def _values(field: Json) -> list[_Value]:
    """Return the values that a field can have; none if it takes any."""
    if field.get("type") == "array":
        items = field.get("items")
        return _values(items) if isinstance(items, dict) else []
    if field.get("type") == "boolean":
        field = _BOOLEAN
    for key in ("oneOf", "anyOf"):
        found = field.get(key)
        if isinstance(found, list) and found:
            return [
                _Value(
                    _text(each.get("title")) or str(each["const"]),
                    each["const"],
                    _text(each.get("description")),
                )
                for each in found
                if isinstance(each, dict) and "const" in each
            ]
    values = field.get("enum")
    return [_Value(str(each), each) for each in values] if isinstance(values, list) else []


def _value(field: Json, texts: tuple[str, ...]) -> Any:
    known = {each.label: each.value for each in _values(field)}
    values = [known.get(text, text) for text in texts]
    if field.get("type") == "array":
        return values
    (value, *_) = values
    with suppress(ValueError, KeyError):  # the agent refuses the text
        return _NUMBERS[str(field.get("type"))](value)
    return value


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
