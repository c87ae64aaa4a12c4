"""The price of a model request at the time when it was made.

A price is a fact or unknown. An unknown model, mode or place, and a count without a rate, have no
price: the table never guesses, and never counts an unknown as 0. Importing this module reads no
file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from pathlib import Path

from agent_session_manager.domain.events.model_request import ModelRequest, Price
from agent_session_manager.prices.format import STANDARD, Band, Model, PriceFile, load

BUNDLED = Path(__file__).with_name("prices.json")
_PICODOLLARS = 1000
"""Picodollars in a nanodollar."""

_NEEDED = frozenset({"input_tokens", "output_tokens"})
_STANDARD_SPEEDS = frozenset({"standard", "normal"})
_STANDARD_TIERS = frozenset({"standard", "default", "auto"})
_STANDARD_PLACES = frozenset({"global", "not_available"})
_LONG_CONTEXT = "[1m]"
_DAY = r"(?:0[1-9]|[12]\d|3[01])"
_MONTH = r"(?:0[1-9]|1[0-2])"
_DATE_SUFFIX = re.compile(rf"(?:[-@]20\d\d{_MONTH}{_DAY}|-20\d\d-{_MONTH}-{_DAY})\Z", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Consumption:
    """The consumption of a request to a model, and everything else on which its price depends.

    `moment` has a time zone. `input_tokens` excludes cached tokens, `output_tokens` includes
    reasoning, and `cache_creation_tokens` includes those that are cached for an hour.
    """

    model: str
    moment: datetime
    provider: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_creation_tokens: int = 0
    cache_creation_1h_tokens: int | None = None
    web_searches: int | None = None
    speed: str | None = None
    service_tier: str | None = None
    inference_geo: str | None = None


class PriceTable:
    """Prices of models, by their exact names. It never changes, so threads can share it."""

    def __init__(self, content: PriceFile) -> None:
        self.as_of = content.as_of
        self._providers = content.providers
        # Without a provider, a name of two providers means no model.
        self._models: dict[tuple[str | None, str], Model | None] = {}
        for model in content.models:
            for name in model.names:
                self._models[model.provider, name] = model
                of_any = None if (None, name) in self._models else model
                self._models[None, name] = of_any
        self._model_of = lru_cache(maxsize=256)(self._find_model)

    @classmethod
    def load(cls, path: Path | None = None) -> PriceTable:
        """Return the prices of a file, which replaces the bundled one; that is read only once.

        Raises:
            PriceFileError: the file cannot be read, or a field is not valid.
        """
        return _bundled() if path is None else cls(load(path))

    def price(self, request: Consumption) -> Price | None:
        """Return the price of a request, or None if a part of it is unknown.

        The band of the whole input is the band of all tokens. Cache writes without the number of
        one-hour writes are five-minute writes. The sum is rounded once, half to even.
        """
        model = self._model_of(request.provider, request.model)
        band = _band(model, request) if model else None
        factor = _factor(model, request.inference_geo) if model else None
        if band is None or factor is None:
            return None
        tokens = _price_of_tokens(request, band)
        searches = _amount(request.web_searches or 0, band.web_search)
        if tokens is None or searches is None:
            return None
        numerator, denominator = factor
        picodollars = tokens * numerator + searches * denominator
        nanodollars = _rounded(picodollars, _PICODOLLARS * denominator)
        return Price(nanodollars=nanodollars, as_of=self.as_of)

    def price_of(self, request: ModelRequest) -> Price | None:
        """Return the price of a request as its agent reported it.

        None if its model or time is unknown, or the number of tokens that it read or wrote. A
        request that only reports web searches has the price of these.
        """
        model, counts = request.details.get("model"), request.counts
        is_whole = counts.keys() >= _NEEDED or counts.keys() == {"web_searches"}
        if model is None or request.occurred_at is None or not is_whole:
            return None
        return self.price(
            Consumption(
                model=model,
                moment=request.occurred_at,
                provider=request.details.get("provider"),
                input_tokens=counts.get("input_tokens", 0),
                output_tokens=counts.get("output_tokens", 0),
                cache_read_tokens=counts.get("cache_read_tokens", 0),
                cache_creation_tokens=counts.get("cache_creation_tokens", 0),
                cache_creation_1h_tokens=counts.get("cache_creation_1h_tokens"),
                web_searches=counts.get("web_searches"),
                speed=request.details.get("speed"),
                service_tier=request.details.get("service_tier"),
                inference_geo=request.details.get("inference_geo"),
            )
        )

    def _find_model(self, provider: str | None, model: str) -> Model | None:
        """Return the model of a name. A prefix `provider/` must not contradict the provider."""
        prefix, slash, name = model.lower().rpartition("/")
        given = (provider or None, prefix if slash else None)
        owners = {self._providers.get(each.lower()) for each in given if each is not None}
        if None in owners or len(owners) > 1:
            return None
        owner = owners.pop() if owners else None
        listed = ((owner, each) for each in _names(name) if (owner, each) in self._models)
        first = next(listed, None)
        return self._models[first] if first else None


@cache
def _bundled() -> PriceTable:
    return PriceTable(load(BUNDLED))


def _names(name: str) -> Iterator[str]:
    """Yield the name, and the name without the date of a snapshot."""
    name = name.removesuffix(_LONG_CONTEXT)
    yield name
    yield _DATE_SUFFIX.sub("", name)


def _factor(model: Model, place: str | None) -> tuple[int, int] | None:
    if not place or place in _STANDARD_PLACES:
        return 1, 1
    return model.geographies.get(place)


def _band(model: Model, request: Consumption) -> Band | None:
    """Return the rates of a request at its time, in its mode, for its whole input."""
    if request.moment.tzinfo is None:
        raise ValueError("the moment of a request needs a time zone")
    day = request.moment.astimezone(UTC).date()
    mode = _mode(request.speed, request.service_tier)
    prices = model.prices.get(mode, ()) if mode else ()
    valid = (each for each in reversed(prices) if each.since is None or each.since <= day)
    bands = next((each.bands for each in valid), ())
    whole = request.input_tokens + request.cache_read_tokens + request.cache_creation_tokens
    return next((band for band in reversed(bands) if band.above < whole), None)


@lru_cache(maxsize=256)
def _mode(speed: str | None, service_tier: str | None) -> str | None:
    """Return the mode of a request, or None if it has two: their price is unknown."""
    modes = {speed} - _STANDARD_SPEEDS | {service_tier} - _STANDARD_TIERS
    named = [mode for mode in modes if mode]
    if not named:
        return STANDARD
    return named[0] if len(named) == 1 else None


def _price_of_tokens(request: Consumption, band: Band) -> int | None:
    for_an_hour = request.cache_creation_1h_tokens or 0
    amounts = [
        _amount(request.input_tokens, band.input),
        _amount(request.output_tokens, band.output),
        _amount(request.cache_read_tokens, band.cache_read),
        _amount(request.cache_creation_tokens - for_an_hour, band.cache_write),
        _amount(for_an_hour, band.cache_write_1h),
    ]
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if len(known) == len(amounts) else None


def _amount(count: int, rate: int | None) -> int | None:
    """Return the price of a count, or None if it is unknown: only 0 needs no rate."""
    if count == 0:
        return 0
    return None if rate is None or count < 0 else count * rate


def _rounded(dividend: int, divisor: int) -> int:
    """Divide integers, and round half to even."""
    quotient, rest = divmod(dividend, divisor)
    return quotient + (2 * rest > divisor or (2 * rest == divisor and quotient % 2 == 1))
