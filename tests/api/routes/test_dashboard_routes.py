"""Routes of the dashboard: its files, the token for a code, usage sums, and allowed origins."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agent_session_manager.api.routes import page
from agent_session_manager.api.routes.page import STATIC
from tests.support.api import Api
from tests.support.manager import RunningManager
from tests.support.replacing import replace_in
from tests.support.rows import each_row

NO_TOKEN = {"Authorization": ""}
LINK = {**NO_TOKEN, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}


@pytest.fixture
def own_api(start_manager: Callable[..., RunningManager]) -> Iterator[Api]:
    """Yield a connection to an empty manager."""
    with Api(start_manager()) as opened:
        yield opened


def test_page_and_its_files_need_no_token_and_have_strict_csp(api: Api) -> None:
    page = api.call("GET", "/", headers=NO_TOKEN)
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = page.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "style-src 'self'"} <= set(policy)
    assert {"frame-ancestors 'none'", "require-trusted-types-for 'script'"} <= set(policy)
    assert not any("unsafe" in part or "*" in part for part in policy)
    assert page.headers["cache-control"] == "no-cache"
    for header, value in (
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
    ):
        assert page.headers[header] == value
    names = [part.split(b'"')[0].decode() for part in page.body.split(b'="./')[1:]]
    scripts = [name for name in names if name.endswith(".js")]
    assert scripts
    for name in names:
        file = api.call("GET", f"/{name}", headers=NO_TOKEN)
        assert file.status == 200
        assert file.headers["content-security-policy"] == page.headers["content-security-policy"]
    assert "immutable" in file.headers["cache-control"]


def serve_from(static: Path) -> None:
    replace_in(page, STATIC=static)


def test_page_stays_complete_while_a_new_build_replaces_it(
    start_manager: Callable[..., RunningManager], tmp_path: Path
) -> None:
    static = tmp_path / "static"
    shutil.copytree(STATIC, static)
    built = (STATIC / "index.html").read_bytes() + b"<!-- this build -->"
    (static / "index.html").write_bytes(built)
    own = start_manager(prepare=partial(serve_from, static))
    with Api(own) as api:
        before = api.call("GET", "/", headers=NO_TOKEN)
        shutil.rmtree(static)
        static.mkdir()
        (static / "index.html").write_text('<script src="./assets/rebuilt.js"></script>')
        shown = api.call("GET", "/", headers=NO_TOKEN)
        assert shown.body == before.body == built
        for name in (part.split(b'"')[0].decode() for part in shown.body.split(b'="./')[1:]):
            file = api.call("GET", f"/{name}", headers=NO_TOKEN)
            assert (file.status, file.body) == (200, (STATIC / name).read_bytes())
            known = {**NO_TOKEN, "If-None-Match": file.headers["etag"]}
            again = api.call("GET", f"/{name}", headers=known)
            assert (again.status, again.body) == (304, b"")
        body = json.dumps({"code": api.post("/dashboard/codes", {}).json["code"]}).encode()
        assert api.call("POST", "/dashboard/token", body, NO_TOKEN).status == 200


def test_link_from_another_page_opens_only_the_dashboard(api: Api) -> None:
    assert api.call("GET", "/", headers=LINK).status == 200
    for target in ("/sessions", "/health", "/usage"):
        assert api.call("GET", target, headers=LINK).refusal == (403, "origin_not_allowed")
    fetched = {**LINK, "Sec-Fetch-Mode": "cors"}
    assert api.call("GET", "/", headers=fetched).refusal == (403, "origin_not_allowed")


@each_row(
    "target", ["/assets/", "/assets/none.js", "/..%2fcli.py", "/assets/..%2f..%2fcli.py", "/%2e%2e"]
)
def test_only_built_files_are_served(api: Api, target: str) -> None:
    assert api.get(target).status == 404
    assert api.call("GET", target, headers=NO_TOKEN).status == 401


def test_code_gives_a_token_only_once(api: Api) -> None:
    made = api.post("/dashboard/codes", {})
    assert made.status == 201
    assert made.json["expires_in_seconds"] == 60
    body = b'{"code": "%s"}' % made.json["code"].encode()
    first = api.call("POST", "/dashboard/token", body, NO_TOKEN)
    assert (first.status, first.json["token"][:5]) == (200, "page-")
    again = api.call("POST", "/dashboard/token", body, NO_TOKEN)
    assert again.refusal == (401, "code_not_valid")
    assert api.call("POST", "/dashboard/codes", b"{}", NO_TOKEN).refusal == (401, "unauthorized")


def stopped(api: Api, name: str, agent: str | None, reason: str, tokens: int) -> None:
    new = {
        "session_id": name,
        "session_name": name,
        "agent_name": agent,
        "project_dir": f"/{agent}",
        "executor": "command",
    }
    assert api.post("/sessions", new).status == 201
    usage = {"event_type": "usage", "request_id": "m", "usage": {"output_tokens": tokens}}
    stop = {"event_type": "session_stop", "reason": reason}
    assert api.post(f"/sessions/{name}/events", [usage, stop]).status == 201


def test_usage_is_summed_by_agent_and_bucket(own_api: Api) -> None:
    stopped(own_api, "a", "writer", "completed", 3)
    stopped(own_api, "b", "writer", "timeout", 4)
    stopped(own_api, "c", "writer", "stopped", 0)
    stopped(own_api, "d", None, "lost", 5)
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)

    def rows(query: str) -> dict[str | None, dict[str, Any]]:
        answer = own_api.get(
            f"/usage?since={(now - timedelta(hours=1)):%Y-%m-%dT%H:%M:%SZ}&{query}"
        )
        assert answer.status == 200, answer.body
        rows = answer.json["rows"]
        assert [row.pop("agent_name") for row in rows] == [row["agent"] for row in rows]
        return {row.pop("agent"): row for row in rows}

    found = rows("bucket=day")
    usage = {
        "input_tokens": 0, "output_tokens": 7, "cache_read_tokens": 0, "cache_creation_tokens": 0,
        "cache_creation_1h_tokens": 0, "reasoning_tokens": 0, "web_searches": 0,
        "cost_microdollars": 0, "cost_nanodollars": 0, "unpriced_tokens": 7,
    }  # fmt: skip
    counts = {"runs": 3, "failed": 1, "stopped": 1, "lost": 0}
    start = {f"{day:%Y-%m-%dT%H:%M:%S.%fZ}" for day in (midnight, midnight + timedelta(days=1))}
    assert found["writer"].pop("start") in start
    groups = ("project_dir", "model", "session_id", "session_name")
    states = ("open_runs", "unpriced_runs")
    sources = ("agent_cost_nanodollars", "table_cost_nanodollars", "oldest_prices", "newest_prices")
    no_group = dict.fromkeys((*groups, *sources, *states))
    assert found["writer"] == {**no_group, **counts, "requests": 3, "usage": usage}
    assert found["command"]["lost"] == 1
    hour = rows("bucket=hour")["writer"]["start"]
    assert hour[14:] == "00:00.000000Z"
    shifted = rows("bucket=day&utc_offset_minutes=90")["writer"]["start"]
    assert shifted[11:] == "22:30:00.000000Z"
    unknown = rows("bucket=day&utc_offset_minutes=90&time_zone=Nowhere/At_All")["writer"]["start"]
    assert unknown == shifted
    kathmandu = rows("bucket=day&time_zone=Asia/Kathmandu")["writer"]["start"]
    assert kathmandu[11:] == "18:15:00.000000Z"
    future = f"{now + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    assert own_api.get(f"/usage?bucket=day&since={future}").json == {
        "rows": [],
        "left_out": 0,
        "total": None,
    }


def test_usage_is_summed_by_group(own_api: Api) -> None:
    stopped(own_api, "a", "writer", "completed", 3)
    stopped(own_api, "b", "reader", "completed", 4)
    since = f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"

    def answer(query: str) -> dict[str, Any]:
        found = own_api.get(f"/usage?bucket=all&since={since}&{query}")
        assert found.status == 200, found.body
        return dict(found.json)

    by_project = answer("group=project")
    assert [
        (row["project_dir"], row["agent"], row["usage"]["output_tokens"])
        for row in by_project["rows"]
    ] == [("/reader", None, 4), ("/writer", None, 3)]
    total = by_project["total"]
    assert (total["requests"], total["agent_cost_nanodollars"], total["start"][:19]) == (
        *(2, 0),
        since[:19],
    )
    assert [row["session_id"] for row in answer("group=tree&limit=1")["rows"]] == ["b"]
    assert answer("group=tree&limit=1")["left_out"] == 1
    assert answer(f"group=session&until={since}")["rows"] == []
    assert [row["model"] for row in answer("group=model")["rows"]] == [None]
    for bucket in ("day", "week"):  # as far back as the record
        found = own_api.get(f"/usage?bucket={bucket}&since=1970-01-01T00:00:00Z&group=none").json
        assert found["total"]["usage"]["output_tokens"] == 7
    stopped(own_api, "c", None, "completed", 9)
    rows = answer("group=agent")["rows"]
    assert [row["agent"] for row in rows] == ["command", "reader", "writer"]


@each_row(
    "query",
    [
        "", "bucket=day", "bucket=week&since=2026-11-25T00:00:00Z", "bucket=day&since=yesterday",
        "bucket=day&since=1970-01-01T00:00:00Z", "bucket=hour&since=2026-01-01T00:00:00Z",
        "bucket=all&since=2026-11-25T00:00:00Z", "bucket=day&since=2026-11-25T00:00:00Z&group=x",
        "bucket=day&since=2026-11-25T00:00:00Z&until=2026-11-26T00:00:00Z",
        "bucket=all&since=2026-11-25T00:00:00Z&group=none&limit=0",
        "bucket=day&since=2026-11-25T00:00:00Z&utc_offset_minutes=9999", "bucket=day&since=1&x=1",
    ],
)  # fmt: skip
def test_invalid_usage_query_is_refused(api: Api, query: str) -> None:
    assert api.get(f"/usage?{query}").refusal == (422, "invalid_request")


def test_facets_count_sessions_that_are_not_archived(own_api: Api) -> None:
    for name, agent in (("a", "x"), ("b", "y"), ("c", "y"), ("d", "z"), ("e", None)):
        stopped(own_api, name, agent, "completed", 0)
    own_api.patch("/sessions/d", {"archived": True})
    assert own_api.get("/facets").json == {
        "projects": [
            {"project_dir": "/y", "count": 2},
            {"project_dir": "/None", "count": 1},
            {"project_dir": "/x", "count": 1},
        ],
        "agents": [
            {"agent": agent, "agent_name": agent, "count": count}
            for agent, count in (("y", 2), ("command", 1), ("x", 1))
        ],
        "hosts": [],
    }


ORIGIN = "http://localhost:5173"
QUESTION = {
    **NO_TOKEN,
    "Origin": ORIGIN,
    "Access-Control-Request-Method": "PATCH",
    "Access-Control-Request-Headers": "authorization,content-type",
    "Sec-Fetch-Site": "same-site",
}


@each_row("auth", ["on", "off"])
def test_only_pages_of_an_allowed_origin_are_accepted(
    start_manager: Callable[..., RunningManager], auth: str
) -> None:
    own = start_manager(arguments=["--auth", auth, "--allow-origin", ORIGIN])
    with Api(own) as api:
        asked = api.call("OPTIONS", "/sessions/x", headers=QUESTION)
        assert asked.status == 200
        assert asked.headers["access-control-allow-origin"] == ORIGIN
        assert "access-control-allow-credentials" not in asked.headers
        page = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-site"}
        answer = api.call("GET", "/sessions", headers=page)
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, ORIGIN)
        without = api.call("GET", "/sessions", headers={**page, **NO_TOKEN})
        assert without.status == (200 if auth == "off" else 401)
        for other in ("http://localhost:5174", "http://evil.test", "null", f"{ORIGIN}.evil.test"):
            for method in ("GET", "OPTIONS"):
                refused = api.call(method, "/sessions", headers={**QUESTION, "Origin": other})
                assert refused.refusal == (403, "origin_not_allowed")
    assert ("every program on this machine has access" in own.log()) == (auth == "off")


def test_preflight_is_refused_if_no_origin_is_allowed(api: Api) -> None:
    assert api.call("OPTIONS", "/sessions", headers=QUESTION).refusal == (403, "origin_not_allowed")
    own = {
        name: value for name, value in QUESTION.items() if name not in ("Origin", "Sec-Fetch-Site")
    }
    assert api.call("OPTIONS", "/sessions", headers=own).refusal == (401, "unauthorized")


def test_host_and_content_type_are_checked_with_auth_off(
    start_manager: Callable[..., RunningManager],
) -> None:
    with Api(start_manager(arguments=["--auth", "off"])) as api:
        assert api.call("GET", "/sessions", headers=NO_TOKEN).status == 200
        rebound = {**NO_TOKEN, "Host": "evil.test"}
        assert api.call("GET", "/sessions", headers=rebound).refusal == (403, "host_not_allowed")
        simple = {**NO_TOKEN, "Content-Type": "text/plain"}
        assert api.call("POST", "/sessions", b"{}", simple).refusal == (415, "json_only")
