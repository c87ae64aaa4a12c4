"""Prices of requests: exact names, dates, bands, modes, places, and unknown parts."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_session_manager.domain.events.model_request import Price
from agent_session_manager.prices.format import UNIT
from agent_session_manager.prices.table import BUNDLED, Consumption, PriceTable
from tests.support.environment import scrubbed_environment
from tests.support.rows import each_row

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
AS_OF = date(2026, 11, 1)
SMALL = {"input": 100_000, "output": 500_000, "cache_read": 10_000, "cache_write": 125_000}
LARGE = {rate: 5 * price for rate, price in SMALL.items()}
ONE = Consumption(provider="maker", model="one", moment=NOW, input_tokens=1000)


def content(**changes: Any) -> dict[str, Any]:
    """Return a file in which model `one` has a change of price, bands, modes and a place."""
    one = {
        "provider": "maker",
        "names": ["one", "one.0", "one-2026-01-31"],
        "geographies": {"us": [11, 10]},
        "prices": {
            "standard": [
                {"bands": [{"input": 200_000}]},
                {"from": "2026-08-21", "bands": [SMALL, {"above": 2000, **LARGE}]},
            ],
            "fast": [{"bands": [{"input": 300_000, "web_search": 10**10}]}],
            "batch": [{"from": "2026-10-14", "bands": [{"input": 50_000}]}],
        },
    }
    dated = {
        "provider": "maker",
        "names": ["one-20260131"],
        "prices": {"standard": [{"bands": [{"input": 7_000}]}]},
    }
    shared = {
        "names": ["shared", "one-20260301"],
        "prices": {"standard": [{"from": "2026-01-01", "bands": [{"input": 1_000}]}]},
    }
    return {
        "format": 1,
        "unit": UNIT,
        "date": "2026-11-01",
        "sources": ["a list"],
        "providers": {"maker": ["maker", "the-maker"], "other": ["other"]},
        "models": [one, dated, {"provider": "maker", **shared}, {"provider": "other", **shared}],
        **changes,
    }


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> PriceTable:
    path = tmp_path_factory.mktemp("prices") / "prices.json"
    path.write_bytes(orjson.dumps(content()))
    return PriceTable.load(path)


def nanodollars(table: PriceTable, request: Consumption = ONE, **changes: Any) -> int | None:
    price = table.price(replace(request, **changes))
    assert price is None or price.as_of == AS_OF
    return None if price is None else price.nanodollars


REPORTED = Consumption(
    provider="anthropic",
    model="claude-opus-5-5",
    moment=NOW,
    input_tokens=11,
    output_tokens=42,
    cache_read_tokens=2000,
    cache_creation_tokens=1000,
)
"""A request whose cost Claude Code reported as $0.006284."""
SOL = Consumption(provider="openai", model="gpt-5.6-sol", moment=NOW, input_tokens=1_000_000)


@each_row(
    "request_, expected",
    [
        (REPORTED, 6_284_000),
        (replace(REPORTED, cache_creation_1h_tokens=1000), 9_284_000),
        (replace(REPORTED, cache_creation_1h_tokens=400), 7_484_000),
        (replace(REPORTED, speed="fast"), 2 * 6_284_000),
        (replace(REPORTED, service_tier="batch"), 6_284_000 // 2),
        (replace(REPORTED, inference_geo="us"), 6_284_000 * 11 // 10),
        (replace(REPORTED, web_searches=2), 6_284_000 + 20_000_000),
        (replace(REPORTED, model="anthropic/claude-opus-5-5-20260901[1m]"), 6_284_000),
        (replace(SOL, input_tokens=272_000), 1_088_000_000),
        (replace(SOL, input_tokens=272_001), 2_176_008_000),
        (replace(SOL, moment=datetime(2026, 8, 20, 23, 59, 59, tzinfo=UTC)), 10_000_000_000),
        (replace(SOL, moment=datetime(2026, 8, 21, tzinfo=UTC)), 8_000_000_000),
    ],
)
def test_bundled_price_is_exact(request_: Consumption, expected: int) -> None:
    table = PriceTable.load()
    assert table.price(request_) == Price(nanodollars=expected, as_of=table.as_of)


@each_row(
    "model",
    [
        *("claude-opus-9", "claude-opus-5-5-turbo", "my-claude-opus-5-5", "claude", "opus"),
        *("gpt-5.6-sol-mini", "gpt-7", "gemini-9-pro", "grok-4.7-heavy", "glm-5.3-ultra"),
        *("claude-opus-5-5-20261399", "claude-opus-5-5-2026", "claude-opus-5-5[2m]"),
        *("openrouter/anthropic/claude-opus-5-5", "us.anthropic.claude-opus-5-5-v1:0"),
        *("accounts/x/models/gpt-5.6-sol", "<synthetic>", "", "/", "claude-opus-5-5/"),
        *("claude-opus-5-5 ", "claude-opus-5-5\n", "claude-opus-5-5\0", "-20260901", "[1m]"),
    ],
)
def test_unlisted_model_has_no_price(model: str) -> None:
    assert PriceTable.load().price(replace(REPORTED, provider=None, model=model)) is None


@each_row(
    "provider, model",
    [
        ("maker", "one"),
        ("MAKER", "One"),
        ("the-maker", "maker/one.0"),
        (None, "one"),
        ("", "one"),
        (None, "The-Maker/ONE"),
        ("maker", "one[1m]"),
        ("maker", "one[1M]"),
        ("maker", "one-20260201"),
        ("maker", "one@20260201"),
        ("maker", "one-2026-02-01"),
        ("maker", "one-2026-02-01[1m]"),
        ("maker", "one-2026-01-31"),
    ],
)
def test_name_is_compared_in_normal_form(
    table: PriceTable, provider: str | None, model: str
) -> None:
    assert nanodollars(table, provider=provider, model=model) == 100_000


def test_listed_snapshot_has_its_own_price(table: PriceTable) -> None:
    assert nanodollars(table, model="one-20260131") == 7_000


@each_row(
    "provider, model",
    [
        ("other", "one"),
        ("reseller", "one"),
        ("other", "maker/one"),
        ("maker", "other/one"),
        (None, "reseller/one"),
        (None, "reseller/maker/one"),
        (None, "shared"),
        (None, "one-20260301"),
        (None, "/one"),
        ("maker", "on"),
        ("maker", "one-1"),
        ("maker", "one-20261301"),
        ("maker", "one-20260100"),
        ("maker", "one-20260201-20260201"),
        ("maker", "one-20٢٦0201"),
        ("maker", "a" * 1_000_000),
    ],
    ids=lambda row: str(row)[:60],
)
def test_other_name_has_no_price(table: PriceTable, provider: str | None, model: str) -> None:
    assert nanodollars(table, provider=provider, model=model) is None


def test_shared_name_needs_a_provider(table: PriceTable) -> None:
    assert nanodollars(table, provider="other", model="shared") == 1_000
    assert nanodollars(table, provider=None, model="maker/shared") == 1_000


CHANGE = datetime(2026, 8, 21, tzinfo=UTC)


@each_row(
    "moment, expected",
    [
        (datetime.min.replace(tzinfo=UTC), 200_000),
        (CHANGE - timedelta(microseconds=1), 200_000),
        (CHANGE, 100_000),
        (CHANGE.astimezone(timezone(timedelta(hours=-8))), 100_000),
        (datetime(2026, 8, 21, 3, tzinfo=timezone(timedelta(hours=8))), 200_000),
        (datetime.max.replace(tzinfo=UTC), 100_000),
    ],
)
def test_price_is_that_of_the_utc_day(table: PriceTable, moment: datetime, expected: int) -> None:
    assert nanodollars(table, moment=moment) == expected


def test_moment_without_time_zone_is_refused(table: PriceTable) -> None:
    with pytest.raises(ValueError, match="time zone"):
        table.price(replace(ONE, moment=NOW.replace(tzinfo=None)))


def test_request_before_the_first_date_has_no_price(table: PriceTable) -> None:
    before = datetime(2025, 12, 31, tzinfo=UTC)
    assert nanodollars(table, model="shared", moment=before) is None


@each_row(
    "counts, expected",
    [
        ((2000, 0, 0, 0), 200_000),
        ((2001, 0, 0, 0), 1_000_500),
        ((500, 10, 1000, 500), 50_000 + 5_000 + 10_000 + 62_500),
        ((500, 10, 1001, 500), 5 * (50_000 + 5_000 + 10_010 + 62_500)),
        ((500, 10, 1000, 501), 5 * (50_000 + 5_000 + 10_000 + 62_625)),
        ((0, 5000, 0, 0), 2_500_000),
        ((0, 0, 0, 0), 0),
    ],
)
def test_band_follows_the_whole_input(
    table: PriceTable, counts: tuple[int, int, int, int], expected: int
) -> None:
    uncached, output, read, write = counts
    found = nanodollars(
        table,
        input_tokens=uncached,
        output_tokens=output,
        cache_read_tokens=read,
        cache_creation_tokens=write,
    )
    assert found == expected


@each_row(
    "changes",
    [
        {"cache_creation_tokens": 10, "cache_creation_1h_tokens": 10},
        {"web_searches": 1},
        {"cache_creation_tokens": 10, "cache_creation_1h_tokens": 11},
        {"cache_creation_1h_tokens": 1},
        {"input_tokens": -1},
        {"output_tokens": -1},
        {"web_searches": -1},
        {"speed": "fast", "output_tokens": 1},
        {"speed": "slow"},
        {"speed": "FAST"},
        {"service_tier": "priority"},
        {"speed": "fast", "service_tier": "batch"},
        {"service_tier": "batch", "moment": datetime(2026, 10, 13, tzinfo=UTC)},
        {"inference_geo": "eu"},
    ],
)
def test_request_with_an_unknown_part_has_no_price(
    table: PriceTable, changes: dict[str, Any]
) -> None:
    assert nanodollars(table, **changes) is None


@each_row(
    "changes, expected",
    [
        ({"speed": "fast"}, 300_000),
        ({"service_tier": "fast"}, 300_000),
        ({"speed": "fast", "service_tier": "fast"}, 300_000),
        ({"service_tier": "batch"}, 50_000),
        ({"inference_geo": "us"}, 110_000),
        ({"speed": "fast", "inference_geo": "us", "web_searches": 1}, 330_000 + 10_000_000),
        ({"speed": "standard", "service_tier": "standard", "inference_geo": "global"}, 100_000),
        ({"speed": "", "service_tier": "default", "inference_geo": "not_available"}, 100_000),
        ({"service_tier": "auto", "inference_geo": ""}, 100_000),
        ({"cache_creation_1h_tokens": 0, "web_searches": 0}, 100_000),
    ],
)
def test_mode_and_place_change_the_price(
    table: PriceTable, changes: dict[str, Any], expected: int
) -> None:
    assert nanodollars(table, **changes) == expected


@each_row("picodollars, expected", [(1500, 2), (2500, 2), (2501, 3), (499, 0), (500, 0), (501, 1)])
def test_sum_is_rounded_half_to_even(tmp_path: Path, picodollars: int, expected: int) -> None:
    model = {
        "provider": "maker",
        "names": ["one"],
        "prices": {"standard": [{"bands": [{"input": picodollars}]}]},
    }
    path = tmp_path / "prices.json"
    path.write_bytes(orjson.dumps(content(models=[model])))
    assert nanodollars(PriceTable.load(path), input_tokens=1) == expected


COUNTS = st.integers(0, 10**12)


@given(
    uncached=COUNTS, output=COUNTS, read=COUNTS, write=COUNTS, place=st.sampled_from([None, "us"])
)
def test_price_equals_decimal_arithmetic(
    table: PriceTable, uncached: int, output: int, read: int, write: int, place: str | None
) -> None:
    rates = LARGE if uncached + read + write > 2000 else SMALL
    counts = {"input": uncached, "output": output, "cache_read": read, "cache_write": write}
    picodollars = sum(count * rates[rate] for rate, count in counts.items())
    exact = Decimal(picodollars) * (Decimal("1.1") if place else 1) / 1000
    found = nanodollars(
        table,
        input_tokens=uncached,
        output_tokens=output,
        cache_read_tokens=read,
        cache_creation_tokens=write,
        inference_geo=place,
    )
    assert found == exact.quantize(Decimal(1), ROUND_HALF_EVEN)


WATCHED = """\
import sys
opened = []
sys.addaudithook(lambda event, args: event == "open" and opened.append(str(args[0])))
from agent_session_manager.prices.table import BUNDLED, PriceTable
assert str(BUNDLED) not in opened
assert PriceTable.load() is PriceTable.load()
assert opened.count(str(BUNDLED)) == 1
"""


def test_bundled_file_is_read_once_and_not_at_import(tmp_path: Path) -> None:
    assert BUNDLED.is_file()
    ran = subprocess.run(
        [sys.executable, "-c", WATCHED],
        cwd=tmp_path,
        env=scrubbed_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
