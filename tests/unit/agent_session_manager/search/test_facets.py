from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_session_manager.search import facets
from agent_session_manager.search.extract import EventText, Kind

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MOMENTS = st.integers(1_300_000_000, 1_790_000_000).map(
    lambda seconds: datetime.fromtimestamp(seconds, UTC)
)


def of(*files: str) -> list[str]:
    text = EventText(kind=Kind.TOOL_INPUT, text="x", occurred_at=NOW, files=files)
    return facets.facets_of(7, text, NOW)


def test_facets_of_text() -> None:
    text = EventText(
        kind=Kind.TOOL_OUTPUT, text="x", occurred_at=NOW, tool_name="Bash", has_error=True
    )
    found = facets.facets_of(7, text, NOW)
    assert found == ["s7", "ktooloutput", "d20261122", "m202611", "e", facets.of_tool("Bash")]


@pytest.mark.parametrize("path", ["a.py", "src/a.py", "./src/a.py", "me/src/a.py", "/me/src/a.py"])
def test_file_is_found_by_the_end_of_its_path(path: str) -> None:
    assert facets.of_file(path) in of("/me/src/a.py")
    assert facets.of_file(path) in of("\\me\\src\\a.py")


@pytest.mark.parametrize("path", ["b/a.py", "rc/a.py", "src", "A.py"])
def test_other_paths_do_not_find_a_file(path: str) -> None:
    assert facets.of_file(path) not in of("/me/src/a.py")


def test_whole_path_of_deep_file_is_found() -> None:
    path = "/" + "/".join("abcdefghijklm") + "/x.py"
    assert facets.of_file(path) in of(path)


@given(MOMENTS, MOMENTS, st.booleans())
def test_times_cover_every_moment_of_period(
    first: datetime, second: datetime, is_open: bool
) -> None:
    since, until = sorted((first, second))
    found = facets.of_times(since, None if is_open else until, NOW)
    text = EventText(kind=Kind.MESSAGE, text="x", occurred_at=until)
    last = max(since, until - timedelta(microseconds=1))
    for moment in (since, last, since + (last - since) / 2):
        if found is not None:
            assert set(found) & set(facets.facets_of(1, text, moment))


def test_number_of_times_is_bounded() -> None:
    assert facets.of_times(None, NOW, NOW) is None
    assert facets.of_times(datetime(1, 1, 1, tzinfo=UTC), None, NOW) is None
    assert facets.of_times(NOW - timedelta(hours=1), None, NOW) == ["d20261122", "d20261123"]
    long = facets.of_times(NOW - timedelta(days=3000), None, NOW)
    assert long is not None and len(long) <= facets.MAX_MONTHS


def test_day_ends_before_the_next_one_begins() -> None:
    since = datetime(2026, 11, 22, tzinfo=UTC)
    assert facets.of_times(since, since + timedelta(days=1), NOW) == ["d20261122"]
    assert facets.of_times(since, since, NOW) == ["d20261122"]
