"""The bundled prices fit their source, and agree with a second source except where listed."""

from __future__ import annotations

from agent_session_manager.prices.format import load
from agent_session_manager.prices.table import BUNDLED
from scripts.price_differences import differences
from scripts.prices import LICENCE, licence, price_file

FAST = ("5.6-luna", "5.6-sol", "5.6-terra", "6-astra", "6-luna", "6-sol", "6.1-sol")
UNHALVED = {
    "gpt-4.1": 500000,
    "gpt-4.1-mini": 100000,
    "gpt-4.1-nano": 25000,
    "gpt-4o": 1250000,
    "gpt-4o-mini": 75000,
    "o1": 7500000,
    "o3": 500000,
    "o3-mini": 550000,
    "o4-mini": 275000,
}
INCLUSIVE = (
    "grok-4.20 standard from release",
    "grok-4.20 standard from 2026-04-30",
    "grok-4.20 batch from 2026-10-14",
    "grok-4.20-multi-agent-0309 standard from release",
    "grok-4.20-multi-agent-0309 standard from 2026-04-30",
    "grok-4.20-multi-agent-0309 batch from 2026-10-14",
    "grok-4.3 standard from release",
    "grok-4.3 batch from 2026-10-14",
    "grok-4.5 standard from release",
    "grok-4.6 standard from release",
    "grok-4.7 standard from release",
    "grok-build-0.1 standard from release",
)
KNOWN = {
    "Anthropic refuses longer requests since 2026-04-30: ours also has the price before": [
        f"anthropic/claude-sonnet-4-5 {row}: bands above [200000], model-prices []"
        for row in ("standard from release", "batch from 2026-10-14")
    ],
    "theirs has no bands of models that Google no longer serves": [
        f"google/{name} standard from release: bands above [128000], model-prices []"
        for name in ("gemini-1.5-flash", "gemini-1.5-pro")
    ],
    "theirs had a band with the rates of the band below it": [
        "google/gemini-3-flash-preview standard from release: "
        "bands above [], model-prices [200000]",
    ],
    "Google lists $0.02 for cached input in batches, which is not half of $0.03": [
        "google/gemini-3.5-flash-lite batch from 2026-10-14: "
        "cache_read in band 0 20000, model-prices 15000",
    ],
    "each source has one price only, from different times": [
        f"moonshotai/kimi-k2-turbo-preview standard from release: {rate}"
        for rate in (
            "input in band 0 1150000, model-prices 2400000",
            "output in band 0 8000000, model-prices 10000000",
            "cache_read in band 0 150000, model-prices 600000",
        )
    ],
    "OpenAI lists the standard price for batches of this model": [
        f"openai/gpt-3.5-turbo-1106 batch from 2026-10-14: {rate}"
        for rate in (
            "input in band 0 1000000, model-prices 500000",
            "output in band 0 2000000, model-prices 1000000",
        )
    ],
    "OpenAI lists no price of cached input in batches: theirs is half of the standard price": [
        f"openai/{name} batch from 2026-10-14: "
        f"cache_read in band 0 {price}, model-prices {price // 2}"
        for name, price in UNHALVED.items()
    ],
    "OpenAI lists the half of $0.25 as $0.13": [
        "openai/gpt-5.4 batch from 2026-10-14: cache_read in band 0 130000, model-prices 125000",
    ],
    "OpenAI lists no larger band for batches of this model": [
        "openai/gpt-5.5-pro batch from 2026-10-14: bands above [], model-prices [272000]",
    ],
    "theirs has no bands of the fast mode": [
        f"openai/gpt-{name} fast from 2026-10-12: bands above [272000], model-prices []"
        for name in FAST
    ],
    "xAI's larger band includes its limit": [
        f"xai/{row}: bands above [199999], model-prices [200000]" for row in INCLUSIVE
    ],
}
"""Each reason for a difference, with the lines that `scripts.prices --compare` prints for it."""


def test_bundled_prices_are_those_of_the_locked_source() -> None:
    assert BUNDLED.read_text("utf-8") == price_file(load(BUNDLED).as_of), "run make prices"
    assert LICENCE.read_text("utf-8") == licence()
    assert licence().startswith("The MIT License")


def test_differences_from_the_second_source_are_known() -> None:
    known = [line for lines in KNOWN.values() for line in lines]
    assert sorted(differences(load(BUNDLED))) == sorted(known)
