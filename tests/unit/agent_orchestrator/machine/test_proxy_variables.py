"""Variables that keep a proxy out of an agent's requests to the manager."""

from __future__ import annotations

from agent_orchestrator.machine.environment import variables_past_proxies
from tests.support.rows import each_row

HERE = "http://127.0.0.1:8765"
PROXY = "http://proxy:3128"


@each_row(
    "environment, url, expected",
    [
        ({}, HERE, None),
        ({"NO_PROXY": "intranet"}, HERE, None),
        ({"HTTPS_PROXY": PROXY}, HERE, None),
        ({"HTTP_PROXY": PROXY}, "https://manager.example", None),
        ({"HTTP_PROXY": PROXY}, HERE, ("127.0.0.1", "127.0.0.1")),
        ({"all_proxy": PROXY}, "http://localhost:1", ("localhost", "localhost")),
        ({"http_proxy": PROXY, "NO_PROXY": "a,b"}, HERE, ("a,b,127.0.0.1", "a,b,127.0.0.1")),
        (
            {"http_proxy": PROXY, "NO_PROXY": "a", "no_proxy": "b"},
            HERE,
            ("b,127.0.0.1", "a,127.0.0.1"),
        ),
        ({"http_proxy": PROXY, "no_proxy": "127.0.0.1"}, HERE, ("127.0.0.1", "127.0.0.1")),
    ],
)
def test_manager_on_this_machine_is_reached_without_a_proxy(
    environment: dict[str, str], url: str, expected: tuple[str, str] | None
) -> None:
    found = variables_past_proxies(environment, url)
    assert found == (dict(zip(("no_proxy", "NO_PROXY"), expected, strict=True)) if expected else {})
