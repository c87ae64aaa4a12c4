"""Files of prices that a person gives: another table, or an error with the path and the field."""

from __future__ import annotations

import os
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_session_manager.domain.events.model_request import Price
from agent_session_manager.prices.fields import PriceFileError
from agent_session_manager.prices.format import MAX_BYTES, UNIT, load
from agent_session_manager.prices.table import BUNDLED, Consumption, PriceTable
from tests.support.rows import each_row

GOOD: dict[str, Any] = {
    "format": 1,
    "unit": UNIT,
    "date": "2026-11-01",
    "sources": ["a list"],
    "providers": {"maker": ["maker"]},
    "models": [
        {
            "provider": "maker",
            "names": ["one", "two"],
            "geographies": {"us": [11, 10]},
            "prices": {
                "standard": [
                    {"bands": [{"input": 1}]},
                    {"from": "2026-08-21", "bands": [{"input": 2}, {"above": 9, "input": 3}]},
                ]
            },
        }
    ],
}
MODEL = "models[0]"
DATED = f"{MODEL}.prices.standard[1]"


def error_of(path: Path) -> PriceFileError:
    with pytest.raises(PriceFileError) as caught:
        load(path)
    assert caught.value.path == path
    assert str(caught.value).startswith(f"prices in {path}: ")
    return caught.value


def changed(field: str, value: Any) -> dict[str, Any]:
    """Return the good file with another value at a place such as `models[0].names`."""
    whole = deepcopy(GOOD)
    *places, last = field.replace("[", ".[").split(".")
    place: Any = whole
    for each in places:
        place = place[int(each[1:-1]) if each.startswith("[") else each]
    place[int(last[1:-1]) if last.startswith("[") else last] = value
    return whole


def test_given_file_replaces_the_bundled_prices(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_bytes(orjson.dumps(changed(f"{DATED}.bands[0].input", 4000)))
    table = PriceTable.load(path)
    moment = datetime(2026, 11, 20, tzinfo=UTC)
    one = Consumption(provider="maker", model="one", moment=moment, input_tokens=7)
    assert table.price(one) == Price(nanodollars=28, as_of=date(2026, 11, 1))
    bundled = Consumption(model="claude-opus-5-5", moment=moment, input_tokens=7)
    assert table.price(bundled) is None
    assert PriceTable.load().price(bundled) is not None


@each_row(
    "field, value",
    [
        ("format", 2),
        ("format", True),
        ("unit", "dollars"),
        ("date", "yesterday"),
        ("date", 20261101),
        ("sources", []),
        ("sources[0]", 1),
        ("providers", []),
        ("providers.maker", "maker"),
        ("providers.maker", ["other"]),
        ("providers.maker[0]", "Maker"),
        ("models", {}),
        ("models", []),
        (MODEL, "one"),
        (f"{MODEL}.provider", "other"),
        (f"{MODEL}.provider", None),
        (f"{MODEL}.names", []),
        (f"{MODEL}.names[1]", "one"),
        (f"{MODEL}.names[1]", "Two"),
        (f"{MODEL}.names[1]", "maker/two"),
        (f"{MODEL}.names[1]", ""),
        (f"{MODEL}.names[1]", {}),
        (f"{MODEL}.geographies", [11, 10]),
        (f"{MODEL}.geographies.us", [11]),
        (f"{MODEL}.geographies.us", 1.1),
        (f"{MODEL}.geographies.us[1]", 0),
        (f"{MODEL}.prices", None),
        (f"{MODEL}.prices.standard", {}),
        (DATED, {"bands": [{}]}),
        (f"{DATED}.from", "2026-02-30"),
        (f"{DATED}.bands", []),
        (f"{DATED}.bands[0]", 1),
        (f"{DATED}.bands[0].input", -1),
        (f"{DATED}.bands[0].input", 1.5),
        (f"{DATED}.bands[0].input", "1"),
        (f"{DATED}.bands[0].input", True),
        (f"{DATED}.bands[0].input", None),
        (f"{DATED}.bands[0].input", 2**63),
        (f"{DATED}.bands[1].above", -1),
    ],
)
def test_wrong_value_is_named_with_its_field(tmp_path: Path, field: str, value: Any) -> None:
    path = tmp_path / "prices.json"
    path.write_bytes(orjson.dumps(changed(field, value)))
    assert error_of(path).field == field


@each_row(
    "field",
    [
        "currency",
        f"{MODEL}.name",
        f"{DATED}.until",
        f"{DATED}.bands[0].above",
        f"{DATED}.bands[0].inptu",
    ],
)
def test_unknown_field_is_refused(tmp_path: Path, field: str) -> None:
    path = tmp_path / "prices.json"
    path.write_bytes(orjson.dumps(changed(field, 1)))
    found = error_of(path)
    assert (found.field, found.problem) == (field, "unknown field")


def test_missing_field_is_named(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_bytes(orjson.dumps(changed(f"{DATED}.bands[1]", {"input": 3})))
    found = error_of(path)
    assert (found.field, found.problem) == (f"{DATED}.bands[1].above", "missing")
    path.write_bytes(b"{}")
    assert error_of(path).field == "date"


def test_prices_and_bands_must_ascend(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    standard = [{"bands": [{}]}, {"from": "2026-08-21", "bands": [{}]}]
    path.write_bytes(orjson.dumps(changed(f"{MODEL}.prices.standard", [*standard, standard[1]])))
    assert error_of(path).field == f"{MODEL}.prices.standard[2]"
    bands = [{}, {"above": 9}, {"above": 9}]
    path.write_bytes(orjson.dumps(changed(f"{DATED}.bands", bands)))
    assert error_of(path).field == f"{DATED}.bands[2].above"


def test_name_of_two_providers_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_bytes(orjson.dumps(changed("providers", {"maker": ["maker"], "b": ["b", "maker"]})))
    assert error_of(path).field == "providers.b[1]"


@each_row(
    "damage",
    [
        lambda good: good[:-1],
        lambda good: good + good,
        lambda good: b"",
        lambda good: b"\0" * 100,
        lambda good: b"\xff\xfe" + good,
        lambda good: b"[" * 1_000_000,
        lambda good: good.replace(b'"input":1', b'"input":NaN'),
        lambda good: b"null",
        lambda good: b"[]",
    ],
    ids=range(9),
)
def test_file_that_is_no_table_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "prices.json"
    path.write_bytes(damage(orjson.dumps(GOOD)))
    assert error_of(path).field == ""


def test_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in error_of(tmp_path / "absent.json").problem
    assert error_of(tmp_path).problem == "not a file"
    os.mkfifo(tmp_path / "pipe")
    assert error_of(tmp_path / "pipe").problem == "not a file"
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(100 * MAX_BYTES)
    assert "more than" in error_of(path).problem


@each_row("value", ["x" * 1_000_000, [[["x"] * 100] * 100] * 10, "deep"], ids=range(3))
def test_large_wrong_value_is_shortened(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "prices.json"
    if value == "deep":
        value = orjson.Fragment(b"[" * 1000 + b"]" * 1000)
    path.write_bytes(orjson.dumps(GOOD | {"unit": value}))
    found = error_of(path)
    assert found.field == "unit"
    assert len(found.problem) < 200


def test_hostile_key_is_shown_without_control_characters(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_bytes(orjson.dumps(GOOD | {"\x1b[31m" + "x" * 1_000_000: 1}))
    found = error_of(path)
    assert found.field.startswith("['\\x1b[31m")
    assert len(found.field) < 100


def test_mode_without_a_name_is_never_used(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_bytes(orjson.dumps(changed(f"{MODEL}.prices", {"": [{"bands": [{"input": 1}]}]})))
    moment = datetime(2026, 11, 20, tzinfo=UTC)
    one = Consumption(model="one", moment=moment, speed="fast", service_tier="batch")
    assert PriceTable.load(path).price(one) is None


PLACES = [
    *("format", "unit", "date", "sources", "providers", "providers.maker", "models", MODEL),
    *(f"{MODEL}.{field}" for field in ("provider", "names", "geographies", "prices")),
    *(f"{MODEL}.prices.standard", DATED, f"{DATED}.from", f"{DATED}.bands", f"{DATED}.bands[0]"),
]
ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(field=st.sampled_from(PLACES), value=ANY)
def test_any_value_loads_or_raises_one_error(tmp_path: Path, field: str, value: Any) -> None:
    path = tmp_path / "prices.json"
    try:
        path.write_bytes(orjson.dumps(changed(field, value)))
    except TypeError:  # text that is not valid Unicode
        return
    try:
        load(path)
    except PriceFileError as exc:
        assert exc.path == path


def test_bundled_file_is_read_whole() -> None:
    content = load(BUNDLED)
    assert {"anthropic", "google", "openai", "xai"} <= {model.provider for model in content.models}
    assert len(content.models) == BUNDLED.read_text("utf-8").count('{"provider":')
