"""Compares a file of prices with `model-prices`, which has its own sources.

Rows are compared if both sources have the exact name. The moment of each comparison is the last
day of the row, or the day of the second source's data if that is earlier: the second source dates
a change some days late.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

import model_prices
from model_prices import Rates

from agent_session_manager.prices.format import STANDARD, DatedPrices, Model, PriceFile

COMPARED = ("input", "output", "cache_read", "cache_write", "cache_write_1h")
PICODOLLARS = 1_000_000
"""Picodollars for a token at one dollar for a million tokens."""


def differences(content: PriceFile) -> Iterator[str]:
    """Yield a line for each rate or limit that differs."""
    for model in content.models:
        name = common_name(model)
        if name is None:
            continue
        for mode, dated in model.prices.items():
            for number, row in enumerate(dated):
                end = dated[number + 1].since if number + 1 < len(dated) else None
                theirs = rates_on(model.provider, name, mode, last_day(row, end))
                if theirs is not None:
                    begin = (
                        f"{model.provider}/{model.names[0]} {mode} from {row.since or 'release'}"
                    )
                    yield from (f"{begin}: {each}" for each in row_differences(row, theirs))


def common_name(model: Model) -> str | None:
    """Return a name that both sources have for a model of this provider."""
    for name in model.names:
        found = model_prices.resolve(name, model.provider, strict=True)
        if found and found[0] == model.provider:
            return name
    return None


def last_day(row: DatedPrices, end: date | None) -> date | None:
    """Return the day of the comparison, or None if the second source ends before the row."""
    known = model_prices.data_as_of().date()
    day = known if end is None else min(known, end - timedelta(days=1))
    return None if row.since is not None and row.since > day else day


def rates_on(provider: str, name: str, mode: str, day: date | None) -> Rates | None:
    """Return the rates of the second source, or None if it has none for this mode and day."""
    if day is None:
        return None
    moment = datetime.combine(day, time(12), UTC)
    theirs = model_prices.rates(name, moment, provider, None if mode == STANDARD else mode)
    is_known = theirs is not None and datetime.fromisoformat(theirs.valid_from) <= moment
    return theirs if is_known else None


def row_differences(row: DatedPrices, theirs: Rates) -> Iterator[str]:
    """Yield the differences: first in the limits of bands, then in the rates of common bands.

    A rate that only one source has is no difference.
    """
    limits = [band.above for band in row.bands[1:]]
    their_limits = [tier.above for tier in theirs.tiers]
    if limits != their_limits:
        yield f"bands above {limits}, model-prices {their_limits}"
    common = len(row.bands) if len(limits) == len(their_limits) else 1
    for number, band in enumerate(row.bands[:common]):
        for rate in COMPARED:
            ours, other = getattr(band, rate), rate_of(theirs, rate, number)
            if ours is not None and other is not None and ours != other:
                yield f"{rate} in band {number} {ours}, model-prices {other}"


def rate_of(rates: Rates, rate: str, band: int) -> int | None:
    """Return a rate of the second source in picodollars, in the band of this number."""
    if rate == "cache_write_1h":
        multiple = rates.cache_write_1h_multiple
        price = rate_in_band(rates, "input", band)
        price = None if price is None or multiple is None else price * multiple
    else:
        price = rate_in_band(rates, rate, band)
    return None if price is None else round(price * PICODOLLARS)


def rate_in_band(rates: Rates, rate: str, band: int) -> float | None:
    """Return a rate; a band without this rate has that of the band below it."""
    given = (getattr(each, rate) for each in (*reversed(rates.tiers[:band]), rates))
    return next((price for price in given if price is not None), None)
