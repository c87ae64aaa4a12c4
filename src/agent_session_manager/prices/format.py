"""The format of a file of prices. `scripts/prices.py` writes it, `load` reads and checks it.

All amounts are integer **picodollars** (10^-12 dollar): for one token, or for one web search. A
price of $0.075 for a million tokens is 75,000 picodollars for a token, so no rate is a fraction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import orjson

from agent_session_manager.prices.fields import Field, PriceFileError
from agent_shared.text_encoding import utf_8_text

FORMAT = 1
UNIT = "picodollars for a token or a web search"
MAX_BYTES = 8 * 2**20
_MAX_PRICE = 10**12
"""One dollar for a token, or for a web search."""
_MAX_TOKENS = 10**12


RATES = ("input", "output", "cache_read", "cache_write", "cache_write_1h", "web_search")
STANDARD = "standard"


@dataclass(frozen=True, kw_only=True, slots=True)
class Band:
    """The rates of requests whose whole input has more than `above` tokens. None is unknown."""

    above: int
    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    web_search: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DatedPrices:
    """Prices from 00:00 UTC of a day on; without a day, they were always valid."""

    since: date | None
    bands: tuple[Band, ...]
    """In ascending order. The first one begins at 0 tokens."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """A model with its exact names, and its prices in each mode, the oldest first."""

    provider: str
    names: tuple[str, ...]
    geographies: Mapping[str, tuple[int, int]]
    """The factor of all token prices for each place of inference, as a fraction."""
    prices: Mapping[str, tuple[DatedPrices, ...]]


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceFile:
    """The content of a file of prices."""

    as_of: date
    providers: Mapping[str, str]
    """The provider that each of its names means."""
    models: tuple[Model, ...]


def load(path: Path) -> PriceFile:
    """Read a file of prices.

    Raises:
        PriceFileError: the file cannot be read, or a field is not valid.
    """
    try:
        if not path.is_file() and path.exists():
            raise PriceFileError(path, "", "not a file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as exc:
        raise PriceFileError(path, "", f"cannot be read: {exc.strerror}") from exc
    if len(content) > MAX_BYTES:
        raise PriceFileError(path, "", f"more than {MAX_BYTES} bytes")
    try:
        value = orjson.loads(utf_8_text(content))
    except orjson.JSONDecodeError as exc:
        raise PriceFileError(path, "", f"not valid JSON: {exc}") from exc
    except ValueError as exc:
        raise PriceFileError(path, "", str(exc)) from exc
    return _price_file(Field(path=path, at="", value=value))


def _price_file(field: Field) -> PriceFile:
    fields = field.record({"format", "unit", "date", "sources", "providers", "models"})
    fields["format"].number(FORMAT, FORMAT)
    if fields["unit"].value != UNIT:
        raise fields["unit"].error(repr(UNIT))
    for source in fields["sources"].items():
        source.text()
    providers = _providers(fields["providers"])
    models = tuple(_model(each, providers) for each in fields["models"].items())
    _check_names(fields["models"], models)
    return PriceFile(as_of=fields["date"].date(), providers=providers, models=models)


def _providers(field: Field) -> dict[str, str]:
    providers: dict[str, str] = {}
    for provider, names in field.mapping().items():
        for name in names.items():
            if providers.setdefault(name.name(), provider) != provider:
                raise name.error("a name of one provider only")
        if providers.get(provider) != provider:
            raise names.error(f"names that include {provider!r}")
    return providers


def _model(field: Field, providers: Mapping[str, str]) -> Model:
    fields = field.record({"provider", "names", "prices"}, {"geographies"})
    provider = fields["provider"].text()
    if provider not in providers.values():
        raise fields["provider"].error("a key of providers")
    geographies = fields["geographies"].mapping() if "geographies" in fields else {}
    return Model(
        provider=provider,
        names=tuple(name.name() for name in fields["names"].items()),
        geographies={place: _fraction(factor) for place, factor in geographies.items()},
        prices={mode: _dated(each) for mode, each in fields["prices"].mapping().items()},
    )


def _check_names(field: Field, models: tuple[Model, ...]) -> None:
    """Check that each name means one model of its provider."""
    known: set[tuple[str, str]] = set()
    for model, place in zip(models, field.items(), strict=True):
        names = place.mapping()["names"].items()
        for name, each in zip(model.names, names, strict=True):
            if (model.provider, name) in known:
                raise each.error("a name that no other model has")
            known.add((model.provider, name))


def _fraction(field: Field) -> tuple[int, int]:
    parts = [part.number(1, 1000) for part in field.items()]
    if len(parts) != 2:
        raise field.error("a fraction such as [11, 10]")
    return parts[0], parts[1]


def _dated(field: Field) -> tuple[DatedPrices, ...]:
    dated: list[DatedPrices] = []
    for each in field.items():
        fields = each.record({"bands"}, {"from"})
        since = fields["from"].date() if "from" in fields else None
        if dated and (since is None or since <= (dated[-1].since or date.min)):
            raise each.error("prices with a later date than that of the prices before")
        dated.append(DatedPrices(since=since, bands=_bands(fields["bands"])))
    return tuple(dated)


def _bands(field: Field) -> tuple[Band, ...]:
    bands: list[Band] = []
    for each in field.items():
        fields = each.record({"above"} if bands else set(), {*RATES})
        above = fields["above"].number(bands[-1].above + 1, _MAX_TOKENS) if bands else -1
        rates = {rate: fields[rate].number(0, _MAX_PRICE) for rate in RATES if rate in fields}
        bands.append(Band(above=above, **rates))
    return tuple(bands)
