from __future__ import annotations

import json
import re
from collections.abc import Iterator
from random import Random
from re import _parser  # it knows the least width of a match

import orjson

from agent_orchestrator.events.output_text import OutputText
from agent_orchestrator.events.prepare import create_event, prepare
from agent_session_manager.api.http.masker import Masker
from agent_session_manager.domain.events.event import NewEvent, parse_event
from agent_shared.masking import MAX_COUNT, MIN_SECRET_CHARS, Masking, is_masked, rules_for
from agent_shared.masking_rules import RULES, Rule
from tests.support.planted import KINDS, planted, shown, traces
from tests.support.rows import each_row

TOKEN = "ghp_" + "aB3dE5" * 6


def test_secret_is_masked_and_masked_text_is_unchanged() -> None:
    chance = Random(3)
    for kind in 20 * list(KINDS):
        secret, text = planted(chance, kind)
        masking = Masking()
        masked = masking.text(text)
        assert traces(secret)[0].decode() not in masked
        assert masking.count >= 1
        assert is_masked([masked])
        assert Masking().text(masked) == masked


@each_row("rule", RULES)
def test_no_rule_finds_a_secret_in_a_very_short_text(rule: Rule) -> None:
    tree = _parser.parse(rule.pattern.pattern, rule.pattern.flags)
    assert tree.getwidth()[0] >= MIN_SECRET_CHARS


def test_short_known_secret_is_masked() -> None:
    assert Masking(known={"abc": "run-token"}).text("abc") == "[masked: run-token]"


def _quoted(text: str, depth: int) -> str:
    """Return the text as it appears in nested JSON strings."""
    return text if not depth else _quoted(json.dumps(text)[1:-1], depth - 1)


def _contexts() -> Iterator[str]:
    """Yield prefixes of a secret: any character, and escapes of any encoding layer."""
    yield from map(chr, range(1, 128))
    yield from ("task", "TASK_", "a1b2", "\ufeff", "é", "\u200b", "ſ", "\u0130", "中")
    colours = ("[0m", "[32m", "[1;32m", "[38;5;196m", "[38;2;1;2;3m", "[K", "[2K", "[?25h")
    yield from (f"{escape}{c}" for c in colours for escape in ("\x1b", "\\x1b", "\\033", "\\e", ""))
    yield "\x1b]8;;https://x\x1b\\"
    for depth in range(1, 5):
        characters = ("\n", "\t", "\r", "\b", "\f", '"', "\x1b[32m", "\x00", "a\n", "é")
        yield from (_quoted(character, depth) for character in characters)
    yield from ("%20", "%3D", "%3d", "%0A", "%22", "x%253D", "%25253D", "&nbsp;", "=0A", "a=3D")


def test_secret_is_masked_after_any_prefix() -> None:
    chance = Random(7)
    masker = Masker("t" * 43)
    seen: list[tuple[str, str]] = []
    for kind in KINDS:
        secrets, texts = zip(
            *((s, c + text) for c in _contexts() for s, text in shown(chance, kind)), strict=True
        )
        body = json.dumps({"event_type": "x", "out": [f"{text}\x1b[0m" for text in texts]}).encode()
        [event] = masker.events([parse_event(json.loads(body), session_id="s")], body)
        by_client = Masking().value(list(texts))
        for secret, text, *masked in zip(
            secrets, texts, by_client, event.fields["out"], strict=True
        ):
            if any(traces(secret)[0].decode() in one for one in masked):
                seen.append((kind, text))
    assert seen == []


@each_row(
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
        "task-0123456789abcdef0123456789abcdef and disk-0a1ee1f0aaaa4bbb8ccc0123456789ab",
        "task-admin-page-of-the-second-version-2 and desk-ant-design-components",
        "nginxapp-1-7d4b9c6f5-x2x4z, risk_test_configurationloader, msg.aSG.x",
        "bypass=compass1 passed: 12ab34cd56ef PWD=/home/me/x1y2z3 OLDPWD=~/a1b2c3d4",
        "docker run -u 1000:1000 image; curl -u me https://x; design=a1",
    ],
)
def test_text_without_secrets_is_unchanged(text: str) -> None:
    assert Masking().text(text) == text


def test_value_of_a_secret_key_is_masked_and_the_key_is_kept() -> None:
    value = {"password": "Tr0ub4dor&3x", "note": "fine", "list": [{"api_key": "Zk3j9Xq2Lm5Pw8Rt"}]}
    masking = Masking()
    assert masking.value(value) == {
        "password": "[masked: assigned-secret]",
        "note": "fine",
        "list": [{"api_key": "[masked: assigned-secret]"}],
    }
    assert masking.count == 2


def test_identifying_fields_of_an_event_are_never_masked() -> None:
    kept = dict.fromkeys(("event_id", "event_type", "session_id", "tool_use_id"), TOKEN)
    assert Masking().event({**kept, "other": TOKEN}) == {
        **kept,
        "other": "[masked: github-token]",
        "masked_secrets": 1,
    }


def test_received_count_is_increased_up_to_a_limit() -> None:
    assert Masking().event({"a": TOKEN, "masked_secrets": 2})["masked_secrets"] == 3
    assert Masking().event({"a": TOKEN, "masked_secrets": MAX_COUNT})["masked_secrets"] == MAX_COUNT


def test_our_own_tokens_are_masked_by_their_text() -> None:
    masking = Masking(known={"our-own-token-0123456789": "control-token"})
    assert masking.text("say our-own-token-0123456789!") == "say [masked: control-token]!"


def test_secret_across_the_cut_of_a_text_is_masked_completely() -> None:
    for place in range(480, 520):
        output = OutputText(limit=1000)
        text = "\n" * place + TOKEN + "\n" * 5000 + TOKEN + "\n" * place
        for start in range(0, len(text), 7):  # in chunks that cut the secrets anywhere
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


def test_search_in_a_body_skips_no_needed_rule() -> None:
    chance = Random(5)
    for kind in 10 * list(KINDS):
        secret, text = planted(chance, kind)
        event = _event(json.dumps({"event_type": "x", "tool_output": {"a": [text]}}))
        assert traces(secret)[0].decode() not in str(event.fields)
        assert event.masked_secrets == event.fields["masked_secrets"] >= 1


def test_escapes_in_a_body_hide_no_secret_and_no_token_of_ours() -> None:
    hidden = "".join(f"\\u{ord(character):04x}" for character in TOKEN)
    for text in (hidden, "t" * 43, "https:\\/\\/me:aB3dE5aB3@host\\/"):
        event = _event(f'{{"event_type": "x", "tool_output": "{text}"}}')
        assert event.masked_secrets == 1


def test_body_without_an_anchor_is_not_searched() -> None:
    event = _event('{"event_type": "x", "tool_output": "nothing here"}')
    assert event == NewEvent(event_type="x", fields={"tool_output": "nothing here"})


def test_every_kind_is_a_valid_name_of_a_mask() -> None:
    assert all(re.fullmatch(r"[a-z-]{1,40}", rule.kind) for rule in RULES)
    assert rules_for("") == tuple(rule for rule in RULES if not rule.anchors)
