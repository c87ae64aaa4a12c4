from __future__ import annotations

from agent_orchestrator.history.items import ModelRequest
from tests.support.codex_rollouts import (
    THREAD,
    event,
    lines,
    read,
    record,
    requests,
    session_meta,
    token_count,
    tokens,
    usage_record,
)


def test_repeated_totals_are_no_requests() -> None:
    items = read(
        [
            session_meta(),
            token_count(1100, 1100),
            token_count(1100, 1100),
            event("token_count", info=None),
            token_count(1100, 700),
            token_count(3300, 2200),
        ]
    )
    assert tokens(items) == 3300
    assert [request.key for request in requests(items)] == [
        f"codex:{THREAD}:1",
        f"codex:{THREAD}:2",
    ]


def test_smaller_totals_begin_at_zero_again() -> None:
    items = read([session_meta(), token_count(5000, 5000), token_count(300, 200)])
    assert tokens(items) == 5200


def test_first_totals_of_a_fork_by_reference_are_the_last_usage() -> None:
    meta = session_meta(
        forked_from_id="parent", history_base={"thread_id": "parent", "end_ordinal_exclusive": 4}
    )
    count = record("event_msg", token_count(9000, 700)["payload"], ordinal=7)
    assert tokens(read([meta, count])) == 700


def test_usage_records_replace_totals() -> None:
    items = read(
        [
            session_meta(),
            token_count(1000, 1000),
            usage_record("r1", 500, 1500),
            token_count(1500, 500),
            usage_record("r1", 500, 1500),
            usage_record("r2", 600, 2100),
            token_count(2100, 600),
        ]
    )
    assert tokens(items) == 2100


def test_record_of_counted_totals_is_not_counted_again() -> None:
    items = read([session_meta(), token_count(1000, 1000), usage_record("r1", 1000, 1000)])
    assert tokens(items) == 1000


def test_record_of_another_thread_is_inherited() -> None:
    (request,) = (
        item
        for item in read([session_meta(), usage_record("r1", 500, 500, thread_id="parent")])
        if isinstance(item, ModelRequest)
    )
    assert (request.key, request.is_inherited) == ("codex:r1", True)


def test_record_without_a_response_has_the_key_of_its_place() -> None:
    own = usage_record(None, 500, 500)
    copied = usage_record(None, 300, 800, thread_id="parent")
    (request,) = requests(read([session_meta(), own, copied]))
    assert request.key == f"codex:{THREAD}:1"


def test_record_in_a_compaction_is_not_counted() -> None:
    compacted = record(
        "compacted",
        {"message": "", "latest_token_usage_record": usage_record("r1", 500, 500)["payload"]},
    )
    assert read([session_meta(), compacted])[1:] == []


def test_cached_and_written_tokens_are_part_of_the_input() -> None:
    used = {
        "input_tokens": 100,
        "cached_input_tokens": 60,
        "cache_write_input_tokens": 30,
        "output_tokens": 20,
        "reasoning_output_tokens": 15,
    }
    (request,) = requests(read([session_meta(), usage_record("r1", 0, 0, usage=used)]))
    assert request.counts == {
        "input_tokens": 10,
        "cache_read_tokens": 60,
        "cache_creation_tokens": 30,
        "output_tokens": 20,
        "reasoning_tokens": 15,
    }


def test_request_has_the_service_tier_of_its_time() -> None:
    found = requests(read(lines("older-thread")))
    assert found[0].details == {}
    assert found[-1].details == {"service_tier": "priority"}
