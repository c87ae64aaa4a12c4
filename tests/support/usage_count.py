"""An independent count of the model requests in a home directory, and of their cost.

It follows docs/explanation/usage-and-cost.md, and uses no code of the product: it reads the files
of the agents, not the items that the importer makes of them. A session in two places counts once,
and so does a request in several sessions.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from backports import zstd

Line = dict[str, Any]

PRICES: dict[str | None, dict[str, int]] = {
    "claude-opus-5-5": {"input": 4000, "output": 20000, "read": 200, "5m": 5000, "1h": 8000},
    "gpt-5.5": {"input": 5000, "output": 30000, "read": 500},
    "gemini-2.5-flash": {"input": 300, "output": 2500, "read": 30},
}
"""Nanodollars for a token, in November 2026, as the makers of the models publish them."""
WEB_SEARCH = 10_000_000
PRICED = ("input", "output", "read", "write")


@dataclass
class Request:
    """A model request. A later line of it raises its counts."""

    model: str | None
    counts: Counter[str] = field(default_factory=Counter)
    factor: Fraction = Fraction(1)
    cost: int | None = None
    """The agent's own figure in nanodollars."""

    @property
    def nanodollars(self) -> int | None:
        """The cost; None without a price."""
        if self.cost is not None:
            return self.cost
        if self.model not in PRICES:
            return None
        price, counts = PRICES[self.model], self.counts
        hour = counts["1h"]
        tokens = sum(counts[name] * price[name] for name in ("input", "output", "read"))
        tokens += (counts["write"] - hour) * price.get("5m", 0) + hour * price.get("1h", 0)
        return round(tokens * self.factor) + counts["searches"] * WEB_SEARCH


Requests = dict[str, Request]


def count(home: Path) -> dict[str | None, Counter[str]]:
    """Return the sums of each model: requests, tokens, nanodollars, and tokens without a price."""
    found: Requests = {}
    for reader in (claude, codex, gemini, copilot, opencode, predecessor):
        found |= reader(home)
    sums: dict[str | None, Counter[str]] = {}
    for request in found.values():
        of_model = sums.setdefault(request.model, Counter())
        of_model.update(request.counts)
        of_model["requests"] += 1
        cost = request.nanodollars
        of_model["nanodollars"] += cost or 0
        if cost is None:
            of_model["unpriced"] += sum(request.counts[name] for name in PRICED)
    return sums


def lines_of(path: Path) -> Iterator[Line]:
    content = path.read_bytes()
    if path.suffix == ".zst":
        content = zstd.decompress(content)
    yield from map(json.loads, content.splitlines())


def claude(home: Path) -> Requests:
    """Count each message id once, with the largest count of its lines, whatever its session."""
    found: Requests = {}
    for path in sorted((home / ".claude" / "projects").rglob("*.jsonl")):
        for line in lines_of(path):
            message = line.get("message") or {}
            if line["type"] != "assistant" or message["model"] == "<synthetic>":
                continue
            given = message["usage"]
            key = message.get("id") or line["uuid"]
            advised = [i for i in given.get("iterations") or [] if i["type"] == "advisor_message"]
            for place, each in enumerate(advised):
                found[f"{key} {place}"] = Request(each["model"], claude_counts(each))
            request = found.setdefault(key, Request(message["model"]))
            request.counts |= claude_counts(given)
            if given.get("inference_geo") == "us":
                request.factor = Fraction(11, 10)
    return found


def claude_counts(given: Line) -> Counter[str]:
    return Counter(
        {
            "input": given["input_tokens"],
            "output": given["output_tokens"],
            "read": given["cache_read_input_tokens"],
            "write": given["cache_creation_input_tokens"],
            "1h": (given.get("cache_creation") or {}).get("ephemeral_1h_input_tokens", 0),
            "searches": (given.get("server_tool_use") or {}).get("web_search_requests", 0),
        }
    )


def codex(home: Path) -> Requests:
    """Count each response once. Before the first of them, count how a turn raises the totals."""
    found: Requests = {}
    for path in sorted((home / ".codex").rglob("rollout-*")):
        turn = model = tier = None
        totals: Counter[str] = Counter()
        numbers: Counter[str | None] = Counter()
        has_responses = False
        for line in lines_of(path):
            payload = line["payload"]
            if line["type"] == "turn_context":
                turn, model = payload["turn_id"], payload["model"]
            elif payload.get("type") == "thread_settings_applied":
                tier = payload["thread_settings"].get("service_tier")
            elif line["type"] == "token_usage_record":
                has_responses = True
                if Counter(payload["thread_token_usage"]) != totals:
                    counts = codex_counts(payload["usage"])
                    factor = Fraction(5, 2) if tier == "priority" else Fraction(1)
                    found[payload["response_id"]] = Request(model, counts, factor)
                totals = Counter(payload["thread_token_usage"])
            elif payload.get("type") == "token_count" and not has_responses:
                now = Counter((payload["info"] or {}).get("total_token_usage", {}))
                if now and now != totals:
                    numbers[turn] += 1
                    counts = codex_counts(now - totals)
                    found[f"{turn} {numbers[turn]}"] = Request(model, counts)
                    totals = now
    return found


def codex_counts(given: Line) -> Counter[str]:
    read, write = given.get("cached_input_tokens", 0), given.get("cache_write_input_tokens", 0)
    return Counter(
        {
            "input": given["input_tokens"] - read - write,
            "output": given["output_tokens"],
            "reasoning": given["reasoning_output_tokens"],
            "read": read,
            "write": write,
        }
    )


def gemini(home: Path) -> Requests:
    """Count the last record of each message. Thoughts are beside the output, and cost as much."""
    found: Requests = {}
    for path in sorted((home / ".gemini").rglob("*.jsonl")):
        for line in lines_of(path):
            for each in [line, *(line.get("$set", {}).get("messages") or [])]:
                if tokens := each.get("tokens"):
                    counts = {
                        "input": tokens["input"] - tokens["cached"],
                        "output": tokens["output"] + tokens["thoughts"],
                        "reasoning": tokens["thoughts"],
                        "read": tokens["cached"],
                    }
                    found[each["id"]] = Request(each["model"], Counter(counts))
    return found


def copilot(home: Path) -> Requests:
    """Count the records in the files: each has a row in the database as well."""
    found: Requests = {}
    for path in sorted((home / ".copilot").rglob("events.jsonl")):
        for line in lines_of(path):
            if line["type"] == "session.usage_record":
                given = line["data"]["usage"]
                read, write = given["cacheReadTokens"], given["cacheWriteTokens"]
                counts = {
                    "input": given["inputTokens"] - read - write,
                    "output": given["outputTokens"],
                    "reasoning": given["reasoningTokens"],
                    "read": read,
                    "write": write,
                }
                found[given["accounting"]["usageId"]] = Request(given["model"], Counter(counts))
    return found


_ONE = (
    "SELECT m.id, m.data, s.time_created FROM message m JOIN session s ON s.id = m.session_id"
    " WHERE json_extract(m.data, '$.role') = 'assistant'"
)
_TWO = (
    "SELECT m.id, m.data, s.time_created FROM session_message m"
    " JOIN session_v2 s ON s.id = m.session_id WHERE m.type = 'assistant'"
)


def opencode(home: Path) -> Requests:
    """Count each completed answer that is not older than its session: older ones are copies."""
    found: Requests = {}
    folder = home / ".local" / "share" / "opencode"
    for name, query in (("opencode.db", _ONE), ("opencode-next.db", _TWO)):
        with closing(sqlite3.connect(folder / name)) as database:
            rows = database.execute(query).fetchall()
        for message, text, began in rows:
            data = json.loads(text)
            if data["time"]["created"] < began or "completed" not in data["time"]:
                continue
            tokens, cache = data["tokens"], data["tokens"]["cache"]
            counts = Counter(
                {
                    "input": tokens["input"],
                    "output": tokens["output"] + tokens["reasoning"],
                    "reasoning": tokens["reasoning"],
                    "read": cache["read"],
                    "write": cache["write"],
                }
            )
            cost = round(data["cost"] * 10**9) or None  # 0 is a subscription: not known
            found[message] = Request(data.get("modelID") or data["model"]["id"], counts, cost=cost)
    return found


def predecessor(home: Path) -> Requests:
    """Count each result as one request. Its total cost is the agent's own figure."""
    found: Requests = {}
    for path in sorted(home.rglob("agent-sessions/*.jsonl")):
        model, last = None, Fraction(0)
        for number, line in enumerate(lines_of(path)):
            model = line.get("model", model)
            if "duration_ms" in line:
                total = Fraction(str(line["total_cost_usd"]))
                found[f"{path} {number}"] = Request(
                    model, claude_counts(line["usage"]), cost=int((total - last) * 10**9)
                )
                last = total
    return found
