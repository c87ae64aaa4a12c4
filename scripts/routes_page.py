"""Writes the page of all routes from the OpenAPI document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from agent_session_manager.api.app import openapi
from agent_session_manager.domain.sessions.session import SESSION_ID
from scripts.page_text import cell, filled, paragraphs

ROUTES_INTRODUCTION = """\
# Routes

This page lists every route of the manager with its parameters, its body, its answer and its own
error codes. [openapi.json](../openapi.json) has the same for programs.

How to send a request is described in [HTTP](http.md). Every route can also answer with the
[general errors](errors.md). A parameter or body field that is not listed is refused with 422
`invalid_request`, and a value is never converted to another type. Optional fields can be left out.

- An *id* has the form `[A-Za-z0-9][A-Za-z0-9._:-]{0,127}`. A `session_id` of another form in a path
  belongs to no session: 404 `session_not_found`.
- A *time* has the form of ISO 8601. In answers it is in UTC, with microseconds.
- `ok` in an answer is always true; the tables omit it."""

TAG_LINKS = {
    "sessions": "More: [sessions and runs](../explanation/sessions-and-runs.md), [example of a "
    "session](http.md#sessions), [pages](http.md#pages), [feeds](feeds.md).",
    "runs": "More: [leases](../explanation/sessions-and-runs.md#leases), [requests to a "
    "run](http.md#requests-to-a-run).",
    "events": "More: [events](events.md), [idempotency](http.md#idempotency), [feeds](feeds.md).",
    "transcripts": "More: [transcripts](http.md#transcripts).",
    "history": "More: [events](events.md), [usage](events.md#usage).",
    "statistics": "More: [usage events](events.md#usage).",
    "dashboard": "More: [codes and page tokens](http.md#codes-and-page-tokens).",
    "maintenance": "More: [limit the record](../how-to/limit-the-record.md).",
    "earlier clients": "More: [migrate from the earlier "
    "system](../how-to/migrate-from-the-earlier-system.md).",
}
EVENTS_PAGE = {"NewEventBody": "events.md#fields", "EventBody": "events.md#fields"}
"""Shapes that a page written by hand describes."""


def routes_page() -> str:
    return "\n\n".join(RoutesPage(openapi()).parts())


class RoutesPage:
    """The page of all routes, made from the OpenAPI document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._schemas: dict[str, dict[str, Any]] = document["components"]["schemas"]
        self._tags: dict[str, str] = {tag["name"]: tag["description"] for tag in document["tags"]}
        self._routes: dict[str, dict[str, dict[str, Any]]] = {tag: {} for tag in self._tags}
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                self._routes[operation["tags"][0]][f"{method.upper()} {path}"] = operation
        self._shapes: list[str] = []
        """Shapes that were named and have no section yet."""

    def parts(self) -> Iterator[str]:
        yield ROUTES_INTRODUCTION
        yield self._contents()
        for tag, about in self._tags.items():
            yield f"## {tag.capitalize()}"
            yield filled(" ".join((about, TAG_LINKS.get(tag, ""))))
            for route, operation in self._routes[tag].items():
                yield from self._route(route, operation)
        yield "## Shapes"
        yield "This section describes the objects in answers."
        shown: set[str] = set()
        while names := [name for name in self._shapes if name not in shown]:
            shown.add(names[0])
            yield f"### {shape_name(names[0]).capitalize()}"
            yield self._fields("field", names[0], is_answer=True)

    def _contents(self) -> str:
        rows = (
            f"| [`{route}`](#{anchor(route)}) | {cell(first_sentence(operation['description']))} |"
            for routes in self._routes.values()
            for route, operation in routes.items()
        )
        return "\n".join(("| route | does |", "|---|---|", *rows))

    def _route(self, route: str, operation: dict[str, Any]) -> Iterator[str]:
        yield f"### `{route}`"
        yield from paragraphs(operation["description"])
        if "parameters" in operation:
            rows = map(self._parameter, operation["parameters"])
            yield "\n".join(("| parameter | in | type | meaning |", "|---|---|---|---|", *rows))
        if "requestBody" in operation:
            yield self._body(operation["requestBody"])
        yield from self._answer(operation["responses"])
        errors = [
            f"{status} {answer['description'].removeprefix('Codes: ')}"
            for status, answer in sorted(operation["responses"].items())
            if answer["description"].startswith("Codes: ")
        ]
        if errors:
            yield filled(f"[Errors](errors.md): {'; '.join(errors)}.")

    def _parameter(self, parameter: dict[str, Any]) -> str:
        name, where, schema = parameter["name"], parameter["in"], parameter["schema"]
        needed = ", required" if where == "query" and parameter["required"] else ""
        meaning = meaning_of({**schema, "description": parameter["description"]})
        return f"| `{name}` | {where} | {self._kind(schema)}{needed} | {meaning} |"

    def _body(self, body: dict[str, Any]) -> str:
        schema = body["content"]["application/json"]["schema"]
        name = self._inner(schema)
        if name is not None and name not in EVENTS_PAGE:
            heading = "body field" if body.get("required") else "body field (no body is needed)"
            return self._fields(heading, name, is_answer=False)
        needed = ", ".join(f"`{name}`" for name in schema.get("required", ()))
        return f"Body: {self._kind(schema)}{needed and f' with {needed}'}."

    def _answer(self, answers: dict[str, Any]) -> Iterator[str]:
        status, answer = next(found for found in answers.items() if found[0].startswith("2"))
        content = answer["content"]
        shaped = content.get("application/json")
        name = shaped and self._inner(shaped["schema"])
        if name is None:
            kinds = ", ".join(f"`{kind}`" for kind in content)
            yield f"Answer: {status} with a document of one of the types {kinds}."
            return
        if self._schemas[name]["properties"].keys() == {"ok"}:
            yield f'Answer: {status} `{{"ok": true}}`.'
        else:
            yield self._fields(f"answer {status}", name, is_answer=True)
        for schema in (found["schema"] for kind, found in content.items() if "stream" in kind):
            feed = schema["description"].removeprefix("Server-sent events: ")
            yield f"With `Accept: text/event-stream`: [{feed}](feeds.md)."

    def _fields(self, heading: str, name: str, *, is_answer: bool) -> str:
        rows = self._rows(name, is_answer=is_answer)
        return "\n".join((f"| {heading} | type | meaning |", "|---|---|---|", *rows))

    def _rows(self, name: str, *, is_answer: bool, prefix: str = "") -> Iterator[str]:
        shape = self._schemas[name]
        for field, schema in shape["properties"].items():
            if field == "ok":
                continue
            kind = self._kind(schema, is_answer=is_answer)
            if field.endswith("_at"):
                kind = kind.replace("string", "time")
            needed = "" if is_answer or field not in shape.get("required", ()) else ", required"
            meaning = meaning_of(schema, has_default=not is_answer)
            yield f"| `{prefix}{field}` | {kind}{needed} | {meaning} |"
            if not is_answer:
                yield from self._rows_within(schema, f"{prefix}{field}")

    def _rows_within(self, schema: dict[str, Any], field: str) -> Iterator[str]:
        """Yield the rows of the fields of an object in a body, or of the objects in an array."""
        if "items" in schema:
            schema, field = schema["items"], f"{field}[]"
        inner = self._inner(schema)
        if inner is not None and inner not in EVENTS_PAGE:
            yield from self._rows(inner, is_answer=False, prefix=f"{field}.")

    def _inner(self, schema: dict[str, Any]) -> str | None:
        """Return the name of the object that a schema refers to, or None."""
        for option in schema.get("anyOf", (schema,)):
            name = ref_of(option)
            if name is not None and "properties" in self._schemas[name]:
                return name
        return None

    def _kind(self, schema: dict[str, Any], *, is_answer: bool = False) -> str:
        """Return the type of a value in words."""
        options = schema.get("anyOf") or schema.get("allOf") or (schema,)
        kinds = [self._one_kind(option, is_answer) for option in options]
        return " or ".join(kind for kind in kinds if is_answer or kind != "null")

    def _one_kind(self, schema: dict[str, Any], is_answer: bool) -> str:
        name = ref_of(schema)
        if name is not None:
            schema = self._schemas[name]
            if "properties" in schema:
                return self._object(name, is_answer)
        if "enum" in schema:
            *others, last = (f"`{value}`" for value in schema["enum"])
            return f"{', '.join(others)} or {last}"
        if schema.get("type") == "array":
            most = f", up to {schema['maxItems']:,}" if "maxItems" in schema else ""
            return f"array of {self._one_kind(schema['items'], is_answer)}{most}"
        if schema.get("type") == "string":
            return string_kind(schema)
        return str(schema.get("type", "any JSON value")) + number_range(schema)

    def _object(self, name: str, is_answer: bool) -> str:
        if name in EVENTS_PAGE:
            return f"[event]({EVENTS_PAGE[name]})"
        if not is_answer:
            return "object"
        self._shapes.append(name)
        return f"[{shape_name(name)}](#{anchor(shape_name(name))})"


def ref_of(schema: dict[str, Any]) -> str | None:
    """Return the name of the shape that a schema refers to, or None."""
    found: str | None = schema.get("$ref")
    return found and found.rpartition("/")[2]


def shape_name(name: str) -> str:
    """Return the name of a shape as words: `UsageRowBody` is a usage row."""
    return " ".join(re.findall("[A-Z][a-z]+", name.removesuffix("Body"))).lower()


def anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def first_sentence(text: str) -> str:
    return text.split("\n\n")[0].replace("\n", " ").partition(". ")[0].rstrip(".") + "."


def meaning_of(schema: dict[str, Any], *, has_default: bool = True) -> str:
    """Return the meaning of a field or parameter, with its default if it has one."""
    default = schema.get("default") if has_default else None
    text = default if isinstance(default, str) else json.dumps(default).removesuffix(".0")
    return cell(schema["description"] + ("" if default is None else f"; default `{text}`"))


def string_kind(schema: dict[str, Any]) -> str:
    if schema.get("pattern") == f"^{SESSION_ID.pattern}$":
        return "id"
    if schema.get("format") == "date-time":
        return "time"
    least, most = schema.get("minLength"), schema.get("maxLength")
    if most is None:
        return "string"
    return f"string, {f'{least} to' if least else 'up to'} {most:,} characters"


def number_range(schema: dict[str, Any]) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is None:
        return ""
    if not most or most >= 2**53:
        return f", {least:g} or more"
    return f", {least:,} to {most:,}".replace(".0", "")
