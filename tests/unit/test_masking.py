from __future__ import annotations

import json
import re
from random import Random

import orjson
import pytest

from agent_orchestrator.executors.events import OutputText, create_event, prepare
from agent_session_manager.api.masker import Masker
from agent_session_manager.domain.event import NewEvent, parse_event
from agent_session_manager.domain.masking import (
    MAX_COUNT,
    Masking,
    is_masked,
    rules_for,
)
from agent_session_manager.domain.masking_rules import RULES
from tests.support.planted import KINDS, planted, traces

TOKEN = "ghp_" + "aB3dE5" * 6


@pytest.mark.parametrize("kind", KINDS)
def test_a_secret_is_masked_where_it_stands_and_what_is_masked_stays_so(kind: str) -> None:
    chance = Random(kind)
    for _ in range(20):
        secret, text = planted(chance, kind)
        masking = Masking()
        masked = masking.text(text)
        assert traces(secret)[0].decode() not in masked
        assert masking.count >= 1
        assert is_masked([masked])
        assert Masking().text(masked) == masked


@pytest.mark.parametrize(
    "text",
    [
        "password = get_password(user1)",
        "token: str = base64_encode_value",
        'api_key=os.environ["API_KEY_2"]',
        "https://example.com:8080/a@b",
        "http://user:password@host/ and http://user:${PASSWORD}@host/",
        "Authorization: Bearer YOUR_TOKEN_HERE",
        "Basic authentication and Bearer tokens",
        "the disk-space-of-a-very-long-name-with-2-digits and risk-1",
        "if '-----BEGIN PRIVATE KEY-----' in text:",
        '{"input_tokens": 1234, "output_tokens": 99}',
        "0a1ee1f0-aaaa-4bbb-8ccc-0123456789ab",
    ],
)
def test_clean_text_stays_as_it_is(text: str) -> None:
    assert Masking().text(text) == text


def test_names_give_their_values_away_and_stay() -> None:
    value = {"password": "Tr0ub4dor&3x", "note": "fine", "list": [{"api_key": "Zk3j9Xq2Lm5Pw8Rt"}]}
    masking = Masking()
    assert masking.value(value) == {
        "password": "[masked: assigned-secret]",
        "note": "fine",
        "list": [{"api_key": "[masked: assigned-secret]"}],
    }
    assert masking.count == 2


def test_fields_by_which_an_event_is_told_apart_are_never_masked() -> None:
    kept = dict.fromkeys(("event_id", "event_type", "session_id", "tool_use_id"), TOKEN)
    assert Masking().event({**kept, "other": TOKEN}) == {
        **kept,
        "other": "[masked: github-token]",
        "masked_secrets": 1,
    }


def test_a_count_that_came_is_added_to_and_has_a_limit() -> None:
    assert Masking().event({"a": TOKEN, "masked_secrets": 2})["masked_secrets"] == 3
    assert Masking().event({"a": TOKEN, "masked_secrets": MAX_COUNT})["masked_secrets"] == MAX_COUNT


def test_the_tokens_of_our_own_are_masked_by_their_text() -> None:
    masking = Masking(known={"our-own-token-0123456789": "control-token"})
    assert masking.text("say our-own-token-0123456789!") == "say [masked: control-token]!"


def test_a_secret_across_the_cut_of_a_shortened_text_is_masked_whole() -> None:
    for place in range(480, 520):
        output = OutputText(limit=1000)
        text = "\n" * place + TOKEN + "\n" * 5000 + TOKEN + "\n" * place
        for start in range(0, len(text), 7):  # as it comes: in pieces that know of no secret
            output.add(text[start : start + 7].encode())
        event = create_event("message", **output.fields())
        assert TOKEN[:8] not in str(event)
        assert TOKEN[-8:] not in str(event)


def test_the_last_lines_of_a_long_key_are_masked() -> None:
    output = OutputText()
    output.add(("-----BEGIN PRIVATE KEY-----\n" + "aB3d" * 15 + "\n").encode())
    output.add((("aB3d" * 15 + "\n") * 30 + "-----END PRIVATE KEY-----\nfailed\n").encode())
    assert output.last_lines(10) == "[masked: private-key]\nfailed"


def test_a_text_is_masked_before_it_is_shortened() -> None:
    text = "x" * (300_000) + "\n" + TOKEN * 3 + "\n" + "y" * 600_000
    for shift in range(0, 40, 3):
        event = prepare({"event_type": "post_tool", "tool_output": " " * shift + text})
        assert "ghp_" not in event["tool_output"]


def _event(body: str) -> NewEvent:
    value = orjson.loads(body)
    [event] = Masker("t" * 43).events([parse_event(value, session_id="s")], body.encode())
    return event


@pytest.mark.parametrize("kind", KINDS)
def test_the_search_in_the_bytes_of_a_body_leaves_out_no_rule_that_is_needed(kind: str) -> None:
    chance = Random(kind)
    for _ in range(10):
        secret, text = planted(chance, kind)
        event = _event(json.dumps({"event_type": "x", "tool_output": {"a": [text]}}))
        assert traces(secret)[0].decode() not in str(event.fields)
        assert event.masked_secrets == event.fields["masked_secrets"] >= 1


def test_escapes_in_a_body_hide_no_secret_and_no_token_of_ours() -> None:
    hidden = "".join(f"\\u{ord(character):04x}" for character in TOKEN)
    for text in (hidden, "t" * 43, "https:\\/\\/me:aB3dE5aB3@host\\/"):
        event = _event(f'{{"event_type": "x", "tool_output": "{text}"}}')
        assert event.masked_secrets == 1


def test_a_body_without_an_anchor_is_not_looked_at() -> None:
    event = _event('{"event_type": "x", "tool_output": "nothing here"}')
    assert event == NewEvent(event_type="x", fields={"tool_output": "nothing here"})


def test_every_kind_is_named_as_a_mask_can_be() -> None:
    assert all(re.fullmatch(r"[a-z-]{1,40}", rule.kind) for rule in RULES)
    assert rules_for("") == tuple(rule for rule in RULES if not rule.anchors)
