"""The manager uses a given file of prices, or does not start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from agent_session_manager.prices.table import BUNDLED
from tests.support.api import Api
from tests.support.manager import RunningManager
from tests.support.manager_command import assert_failed, run

StartManager = Callable[..., RunningManager]
PRICES = {
    **orjson.loads(BUNDLED.read_bytes()),
    "date": "2026-02-03",
    "providers": {"mine": ["mine"]},
    "models": [
        {
            "provider": "mine",
            "names": ["own-model"],
            "prices": {"standard": [{"bands": [{"input": 1_000_000, "output": 5_000_000}]}]},
        }
    ],
}


def request_of(model: str) -> dict[str, Any]:
    return {
        "event_type": "usage",
        "request_id": model,
        "model": model,
        "timestamp": "2026-02-03T10:00:00Z",
        "usage": {"input_tokens": 10, "output_tokens": 2},
    }


def test_own_prices_replace_the_bundled_table(start_manager: StartManager, tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_bytes(orjson.dumps(PRICES))
    own = start_manager(variables={"AGENT_ORCHESTRATOR_PRICES": str(path)})
    with Api(own) as api:
        api.post("/sessions", {"session_id": "s", "session_name": "s"})
        known = ["own-model", "claude-opus-5-5"]
        api.post("/sessions/s/events", [request_of(model) for model in known])
        found = api.get("/usage?bucket=all&since=2026-01-01T00:00:00Z&group=model")
    assert {
        row["model"]: (
            row["usage"]["cost_nanodollars"],
            row["usage"]["unpriced_tokens"],
            row["newest_prices"],
        )
        for row in found.json["rows"]
        if row["model"]
    } == {"own-model": (20_000, 0, "2026-02-03"), "claude-opus-5-5": (0, 12, None)}


def test_invalid_prices_stop_the_start_and_name_the_field(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    state = tmp_path / "state"
    serve = ("serve", "--port", "0", "--prices", str(path))
    assert_failed(run(tmp_path, *serve, state=state), 1, str(path), "cannot be read")
    path.write_bytes(orjson.dumps({**PRICES, "date": "yesterday"}))
    assert_failed(run(tmp_path, *serve, state=state), 1, f"prices in {path}: date")
    assert not state.exists()
