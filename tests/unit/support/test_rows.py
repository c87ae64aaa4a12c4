from __future__ import annotations

import inspect
import os
from pathlib import Path

import pytest

from tests.support.rows import each_row


def test_each_failing_row_is_named_and_all_rows_are_tried() -> None:
    tried = []

    @each_row("row", [1, 2, 3, 4, 5])
    def check(row: int) -> None:
        tried.append(row)
        if row == 4:
            pytest.fail("four")
        assert row % 2 == 1, "even"

    with pytest.raises(ExceptionGroup, match="2 of 5 rows") as caught:
        check()
    assert tried == [1, 2, 3, 4, 5]
    assert [failure.__notes__ for failure in caught.value.exceptions] == [["row: 2"], ["row: 4"]]


def test_stacked_tables_are_combined() -> None:
    tried = []

    @each_row("a, b", [(1, 2), pytest.param(3, 4, id="x")])
    @each_row("c", "xy")
    def check(fixture: str, a: int, b: int, c: str) -> None:
        tried.append((fixture, a, b, c))

    assert list(inspect.signature(check).parameters) == ["fixture"]
    check(fixture="f")
    assert tried == [("f", a, b, c) for a, b in ((1, 2), (3, 4)) for c in "xy"]


def test_row_has_its_own_directory_and_patches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directories = []

    @each_row("number", [1, 2])
    def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
        assert "OF_ONE_ROW" not in os.environ
        monkeypatch.setenv("OF_ONE_ROW", str(number))
        directories.append(tmp_path)

    check(tmp_path=tmp_path, monkeypatch=monkeypatch)
    assert len({path for path in directories if path.is_dir()}) == 2
    assert "OF_ONE_ROW" not in os.environ


def test_skipped_row_is_reported() -> None:
    @each_row("number", [1, 2])
    def check(number: int) -> None:
        if number == 2:
            pytest.skip("too large")

    with pytest.raises(pytest.skip.Exception, match="1 of 2 rows: 2: too large"):
        check()


def test_table_without_rows_fails() -> None:
    with pytest.raises(AssertionError, match="no rows"):
        each_row("row", [])
