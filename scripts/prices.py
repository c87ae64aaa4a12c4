"""Writes the manager's prices of models, or compares them with a second source.

The prices are those of the locked `genai-prices`, for providers that sell their own models. The
same version gives the same bytes. Models are left out if other units than tokens of text are
billed, or if the price depends on the hour of the day: the source does not know all such hours.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Any

import click
from genai_prices.data import providers as source_providers
from genai_prices.types import (
    ConditionalPrice,
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)

from agent_session_manager.prices.format import FORMAT, STANDARD, UNIT, load
from scripts.price_differences import differences

PRICES = Path(__file__).resolve().parents[1] / "src/agent_session_manager/prices/prices.json"
LICENCE = PRICES.with_name("genai-prices.licence")
SOURCE = "genai-prices"

PROVIDERS = {
    "anthropic": ("anthropic", ["claude"]),
    "google": ("google", ["gemini"]),
    "minimax": ("minimax", []),
    "mistral": ("mistral", ["mistralai"]),
    "moonshotai": ("moonshotai", ["kimi", "moonshot"]),
    "openai": ("openai", []),
    "xai": ("x-ai", ["grok", "x-ai"]),
    "zai": ("zai", ["z-ai", "z.ai"]),
}
"""Each provider with its id in the source and its other names."""

RESOLD = {"google": ("claude-",), "mistral": ("deepseek-", "zai-"), "openai": ("gpt-oss-",)}
"""Beginnings of the names of models that a provider sells for others, or leaves to others."""

UNITS = {
    "input": ("input_mtok", 1_000_000),
    "output": ("output_mtok", 1_000_000),
    "cache_read": ("cache_read_mtok", 1_000_000),
    "cache_write": ("cache_write_mtok", 1_000_000),
    "cache_write_1h": ("cache_write_1h_mtok", 1_000_000),
    "web_search": ("web_searches_kcount", 1_000),
}
"""Each rate with its key in the source, and the count that the source's price is for."""

OTHER_UNITS = re.compile(r"output_(audio|image|video)|hours|mchars|kpages|messages")
OTHER_MODELS = re.compile(r"audio|embed|image|transcribe|tts")
NAME = re.compile(r"[a-z0-9][a-z0-9._-]*[a-z0-9]")
PARTS_OF_NAMES = {"claude-sonnet-4-2025", "gemini-2.0-flash-0"}
"""Texts of the source that look like a name, but are only the beginning of names."""

MODES = {
    "batch": [{"processing": "batch"}],
    "fast": [{"speed": "fast"}, {"service_tier": "fast"}],
    "flex": [{"service_tier": "flex"}],
    "priority": [{"service_tier": "priority"}],
}
"""Each mode with the contexts in which the source has a price for it."""

RESIDENCY = {"us": [11, 10]}
RESIDENCY_SOURCE = (
    "https://platform.claude.com/docs/en/manage-claude/data-residency (inference_geo us, for "
    "Claude Opus 4.6, Sonnet 4.6 and later models)"
)
RESIDENCY_BEFORE = re.compile(r"claude-(v?\d.*|(opus|sonnet)-4-[015]|haiku-4-5)")
"""Models of Anthropic that refuse a place of inference."""

Entry = dict[str, Any]


def price_file(as_of: date) -> str:
    """Return the content of the file, with one model in a line."""
    by_id = {provider.id: provider for provider in source_providers}
    models = [
        model for ours, (theirs, _) in PROVIDERS.items() for model in models_of(ours, by_id[theirs])
    ]
    head = {
        "format": FORMAT,
        "unit": UNIT,
        "date": as_of.isoformat(),
        "sources": [f"{SOURCE} {version(SOURCE)}", RESIDENCY_SOURCE],
        "providers": {ours: sorted([ours, *names]) for ours, (_, names) in PROVIDERS.items()},
    }
    lines = [f"{json.dumps(key)}: {compact(value)},\n" for key, value in head.items()]
    rows = ",\n".join(compact(model) for model in models)
    return "{\n" + "".join(lines) + '"models": [\n' + rows + "\n]\n}\n"


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def models_of(ours: str, provider: Provider) -> Iterator[Entry]:
    """Yield the models of a provider that are billed by tokens of text, by name."""
    for model in sorted(provider.models, key=lambda model: model.id.lower()):
        is_resold = model.id.startswith(RESOLD.get(ours, ()))
        names = exact_names(model, provider)
        if is_resold or not names or not is_billed_by_text(model):
            continue
        entry: Entry = {"provider": ours, "names": names}
        if ours == "anthropic" and not RESIDENCY_BEFORE.fullmatch(model.id):
            entry["geographies"] = RESIDENCY
        yield {**entry, "prices": prices_by_mode(model)}


def exact_names(model: ModelInfo, provider: Provider) -> list[str]:
    """Return the id and each name in the source's rules that the source takes for this model."""
    own = model.id.lower()
    if not NAME.fullmatch(own):
        return []
    others = {text.lower() for text in texts(model.match)} - PARTS_OF_NAMES - {own}
    found = (name for name in sorted(others) if NAME.fullmatch(name))
    return [own, *(name for name in found if provider.find_model(name) is model)]


def texts(rule: Any) -> Iterator[str]:
    """Yield all texts of a rule except its regular expressions."""
    for part in (*getattr(rule, "or_", ()), *getattr(rule, "and_", ())):
        yield from texts(part)
    for kind in ("equals", "starts_with", "ends_with", "contains"):
        if hasattr(rule, kind):
            yield getattr(rule, kind)


def conditional_prices(model: ModelInfo) -> list[ConditionalPrice]:
    if isinstance(model.prices, ModelPrice):
        return [ConditionalPrice(prices=model.prices)]
    return model.prices


def is_billed_by_text(model: ModelInfo) -> bool:
    priced = conditional_prices(model)
    units = {
        key for each in priced for key, price in vars(each.prices).items() if price is not None
    }
    return (
        {"input_mtok", "output_mtok"} <= units
        and not any(map(OTHER_UNITS.search, units))
        and not OTHER_MODELS.search(model.id)
        and not any(isinstance(each.constraint, TimeOfDateConstraint) for each in priced)
    )


def prices_by_mode(model: ModelInfo) -> dict[str, list[Entry]]:
    """Return the prices of a model, with an entry for each day on which they change."""
    rules = [*conditional_prices(model), *(model.price_variants or ())]
    constraints = (rule.constraint for rule in rules)
    starts = {each.start_date for each in constraints if isinstance(each, StartDateConstraint)}
    by_mode: dict[str, list[Entry]] = {}
    for day in (date.min, *sorted(starts)):
        for mode, found in bands_on(model, datetime.combine(day, time(), UTC)).items():
            entries = by_mode.setdefault(mode, [])
            if not entries or entries[-1]["bands"] != found:
                begin = {} if day == date.min else {"from": day.isoformat()}
                entries.append({**begin, "bands": found})
    return by_mode


def bands_on(model: ModelInfo, moment: datetime) -> dict[str, list[Entry]]:
    modes = {
        mode: bands(model.get_prices(moment, context))
        for mode, contexts in MODES.items()
        for context in contexts
        if has_variant(model, context, moment)
    }
    return {STANDARD: bands(model.get_prices(moment)), **modes}


def has_variant(model: ModelInfo, context: dict[str, str], moment: datetime) -> bool:
    return any(
        variant.when == context and (not variant.constraint or variant.constraint.active(moment))
        for variant in model.price_variants or ()
    )


def bands(price: ModelPrice) -> list[Entry]:
    """Return the rates of each band of input sizes, the first one without a limit below."""
    priced = {rate: getattr(price, key) for rate, (key, _) in UNITS.items()}
    rates = {rate: value for rate, value in priced.items() if value is not None}
    tiers = [value.tiers for value in rates.values() if isinstance(value, TieredPrices)]
    found = [{rate: picodollars(rate, value, -1) for rate, value in rates.items()}]
    for limit in sorted({tier.start for each in tiers for tier in each}):
        above = {rate: picodollars(rate, value, limit) for rate, value in rates.items()}
        found.append({"above": limit, **above})
    return found


def picodollars(rate: str, price: Decimal | TieredPrices, limit: int) -> int:
    """Return the price of one token or search in the band above a limit."""
    if isinstance(price, TieredPrices):
        reached = [tier.price for tier in price.tiers if tier.start <= limit]
        price = reached[-1] if reached else price.base
    amount = price * 10**12 / UNITS[rate][1]
    if amount != int(amount):
        raise ValueError(f"{rate} at ${price} is a fraction of a picodollar")
    return int(amount)


def licence() -> str:
    """Return the licence that has to accompany the prices."""
    return distribution(SOURCE).read_text("licenses/LICENSE") or ""


def known_date() -> date | None:
    """Return the date of the file if it is from the locked version of the source."""
    if not PRICES.exists() or f'"{SOURCE} {version(SOURCE)}"' not in PRICES.read_text("utf-8"):
        return None
    return load(PRICES).as_of


@click.command()
@click.option(
    "--date",
    "as_of",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Date of the data. Default: the date in the file if its source has the same version, "
    "else today.",
)
@click.option(
    "--compare", is_flag=True, help="Write nothing: print each difference from model-prices."
)
def main(as_of: datetime | None, compare: bool) -> None:
    """Write the prices of models from the locked genai-prices."""
    if compare:
        for difference in differences(load(PRICES)):
            click.echo(difference)
        return
    day = as_of.date() if as_of else known_date() or datetime.now(UTC).date()
    PRICES.write_text(price_file(day), "utf-8")
    LICENCE.write_text(licence(), "utf-8")
    size = PRICES.stat().st_size
    click.echo(f"{len(load(PRICES).models)} models, {size} bytes, {day}", file=sys.stderr)


if __name__ == "__main__":
    main()
