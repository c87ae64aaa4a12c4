"""Bodies that are not JSON or cannot be stored, and values of a wrong type, by field."""

from __future__ import annotations

import json
from typing import Any

import pytest

SECRET = "do-not-repeat-me"


def nested(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    return f'{{"event_type":"x","value":{opening * depth}1{closing * depth}}}'.encode()


def event_with(value: str) -> bytes:
    return f'{{"event_type":"x","value":{value},"other":"{SECRET}"}}'.encode()


NOT_JSON = {
    "space": b" \r\n",
    "a word": b"hello",
    "half": b'{"event_type":"x"',
    "two": b'{"event_type":"x"}{}',
    "comma": b'{"event_type":"x",}',
    "comment": b'{"event_type":"x"} // x',
    "single quotes": b"{'event_type':'x'}",
    "NaN": event_with("NaN"),
    "Infinity": event_with("Infinity"),
    "-Infinity": event_with("-Infinity"),
    "1e400": event_with("1e400"),
    "leading zero": event_with("01"),
    "hexadecimal": event_with("0x1"),
    "lone high surrogate": event_with('"\\ud800"'),
    "lone low surrogate": event_with('"\\udc00"'),
    "surrogates in reverse order": event_with('"\\udc00\\ud800"'),
    "lone surrogate in a key": event_with('{"\\ud800":1}'),
    "surrogate in UTF-8": event_with('"') + b"\xed\xa0\x80" + b'"}',
    "not UTF-8": b'{"event_type":"\xff"}',
    "overlong UTF-8": b'{"event_type":"\xc0\x80"}',
    "byte order mark": b'\xef\xbb\xbf{"event_type":"x"}',
    "UTF-16": '{"event_type":"x"}'.encode("utf-16"),
    "UTF-32": '{"event_type":"x"}'.encode("utf-32-be"),
    "raw control character": b'{"event_type":"a\nb"}',
    "raw NUL": b'{"event_type":"a\0b"}',
    "deep lists": nested(100_000),
    "deep objects": nested(100_000, '{"a":', "}"),
    "deep and unclosed": b"[" * 100_000,
    "a hundred thousand digits": event_with("9" * 100_000),
}
NOT_KEPT = {
    "NUL in a value": event_with('"a\\u0000b"'),
    "NUL in a key": event_with('{"a\\u0000b":1}'),
    "NUL in a list": event_with('[["\\u0000"]]'),
    "NUL in a name of a field": b'{"event_type":"x","a\\u0000":1}',
    "NUL in the type": b'{"event_type":"a\\u0000"}',
    "64 lists in the event": nested(64),
    "64 objects in the event": nested(64, '{"a":', "}"),
    "2^64": event_with(str(2**64)),
    "-2^63-1": event_with(str(-(2**63) - 1)),
    "a hundred digits": event_with("9" * 100),
    "large number in a list": event_with(f"[1, {2**70}]"),
    "large number, then 1,000 lists": event_with(f"[1e300, {'[' * 1000}{']' * 1000}]"),
}
FIELDS_OF_WRONG_TYPE: dict[str, list[Any]] = {
    "event_type": [None, 1, [], {}, "", True, "x" * 101],
    "event_id": [1, [], {}, "", True, "x" * 201],
    "run": ["1", 0, -1, 1.5, True, [], {}, 2**31, 1.0],
    "session_id": [1, [], {}, "another", ""],
    "session_name": [1, [], {}, True],
    "timestamp": [1, [], {}, 1.5],
    "tool_name": [1, [], {}],
    "tool_input": ["x", 1, [], True],
    "error": [1, [], {}, False],
    "reason": [1, [], {}],
    "role": [1, [], {}],
    "exit_code": ["0", 1.5, True, [], {}, 2**31, -(2**31) - 1],
    "usage": ["x", 1, []],
    "content": [
        "text",
        1,
        {},
        ["text"],
        [1],
        [[]],
        [None],
        [{}],
        [{"type": 1}],
        [{"type": "text"}],
        [{"type": "text", "text": 1}],
        [{"type": "text", "text": None}],
        [{"type": "text", "text": "fine"}, {"type": "text"}],
    ],
}
OF_WRONG_TYPE = [
    pytest.param(field, value, id=f"{field}-{json.dumps(value)[:40]}")
    for field, values in FIELDS_OF_WRONG_TYPE.items()
    for value in values
]
USAGE_OF_WRONG_TYPE = [
    None,
    {"input_tokens": "1"},
    {"input_tokens": -1},
    {"input_tokens": 1.5},
    {"output_tokens": True},
    {"cache_read_tokens": 10**12 + 1},
    {"cost_microdollars": [1]},
]
SESSION_FIELDS_OF_WRONG_TYPE: dict[str, list[Any]] = {
    "session_id": [None, 1, [], {}, "", "a/b", "../health", "é", "a" * 129, "a\n", "-a", " a"],
    "session_name": [None, 1, [], {}, "", "x" * 201, True],
    "project_dir": [1, [], {}, "x" * 1501, "é" * 751],
    "agent_name": [1, [], {}, "", "x" * 201],
    "executor": [1, [], "", "x" * 201],
    "parent_session_id": [1, "a/b", "", "x" * 129],
    "unique_name": ["true", 1, None, []],
    "host": [1, "", "x" * 201],
    "spec": ["x", 1, []],
    "status": ["running"],
}
CHANGES_OF_WRONG_TYPE: dict[str, list[Any]] = {
    "session_name": [1, [], "", "x" * 201],
    "project_dir": [1, "x" * 1501],
    "agent_name": [1, "", {}],
    "archived": ["true", 1, []],
    "last_resumed_at": [
        1,
        1.5,
        True,
        "",
        "now",
        "12",
        "2024-13-01T00:00:00Z",
        "2024-02-30T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        [],
    ],
}
