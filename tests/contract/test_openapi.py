"""The published OpenAPI document matches the code, and changes only by additions."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from agent_session_manager.api import app
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS

ROOT = Path(__file__).parents[2]
PUBLISHED = "docs/openapi.json"

Document = dict[str, Any]


@cache
def openapi() -> Document:
    """Return the document of the code, cached because it takes a quarter of a second."""
    return app.openapi()


def losses(old: Document, new: Document) -> Iterator[str]:
    """Yield what a client of the old document misses, and fields that it must now send."""
    for path, operations in old["paths"].items():
        for method, operation in operations.items():
            here = f"{method.upper()} {path}"
            now = new["paths"].get(path, {}).get(method)
            if now is None:
                yield here
                continue
            yield from (f"{here} {s}" for s in operation["responses"] if s not in now["responses"])
            before = {p["name"]: p for p in operation.get("parameters", [])}
            after = {p["name"]: p for p in now.get("parameters", [])}
            yield from (f"{here} parameter {name}" for name in before if name not in after)
            yield from (
                f"{here} requires {name}"
                for name, parameter in after.items()
                if parameter.get("required") and not before.get(name, {}).get("required")
            )
    yield from _lost_fields(old["components"]["schemas"], new["components"]["schemas"])


def _lost_fields(old: Document, new: Document) -> Iterator[str]:
    for name, schema in old.items():
        now = new.get(name)
        if now is None:
            yield f"schema {name}"
            continue
        for field in schema.get("properties", {}):
            if field not in now.get("properties", {}):
                yield f"{name}.{field}"
        if name.startswith("New") or name.endswith("ChangesBody"):  # bodies of requests
            added = set(now.get("required", [])) - set(schema.get("required", []))
            yield from (f"{name} requires {field}" for field in sorted(added))


def test_published_document_matches_the_code() -> None:
    published = (ROOT / PUBLISHED).read_text("utf-8")
    assert json.loads(published) == openapi()
    assert published == json.dumps(openapi(), indent=2, sort_keys=True) + "\n"


def test_published_documents_lose_nothing() -> None:
    git = ["git", "-C", str(ROOT)]
    listed = subprocess.run(
        [*git, "log", "-20", "--format=%H", "--", PUBLISHED],
        capture_output=True,
        timeout=WATCHDOG_SECONDS,
        text=True,
    )
    for commit in listed.stdout.split():  # empty outside a checkout
        shown = subprocess.run(
            [*git, "show", f"{commit}:{PUBLISHED}"],
            capture_output=True,
            timeout=WATCHDOG_SECONDS,
            check=True,
        )
        assert list(losses(json.loads(shown.stdout), openapi())) == [], commit


def without_route(document: Document) -> None:
    del document["paths"]["/sessions/{session_id}/result"]["get"]


def without_status(document: Document) -> None:
    del document["paths"]["/sessions"]["post"]["responses"]["409"]


def without_field(document: Document) -> None:
    del document["components"]["schemas"]["SessionBody"]["properties"]["last_seq"]


def with_a_required_field(document: Document) -> None:
    document["components"]["schemas"]["NewSessionBody"]["required"].append("host")


def with_a_required_parameter(document: Document) -> None:
    parameter = {"name": "key", "in": "query", "required": True}
    document["paths"]["/sessions"]["get"]["parameters"].append(parameter)


def without_parameter(document: Document) -> None:
    document["paths"]["/sessions"]["get"]["parameters"].pop()


@each_row(
    "change",
    [
        without_route,
        without_status,
        without_field,
        with_a_required_field,
        with_a_required_parameter,
        without_parameter,
    ],
)
def test_loss_is_detected(change: Callable[[Document], None]) -> None:
    changed = copy.deepcopy(openapi())
    change(changed)
    assert len(list(losses(openapi(), changed))) == 1


def test_addition_is_not_a_loss() -> None:
    grown = copy.deepcopy(openapi())
    grown["paths"]["/new"] = {"get": {"responses": {"200": {}}}}
    grown["components"]["schemas"]["SessionBody"]["properties"]["new"] = {"type": "string"}
    grown["components"]["schemas"]["NewSessionBody"]["properties"]["new"] = {"type": "string"}
    assert list(losses(openapi(), grown)) == []


def test_every_documented_error_has_the_error_schema() -> None:
    document = openapi()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    schema = response["content"]["application/json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/ErrorAnswer"}, (path, method)
    assert set(document["components"]["schemas"]["ErrorAnswer"]["required"]) == {"detail", "code"}
