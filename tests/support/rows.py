"""Table tests: one test tries every row, and its failure names each row that is wrong."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

Test = Callable[..., None]


def each_row(
    names: str | Sequence[str],
    rows: Iterable[Any],
    *,
    ids: Callable[[Any], object] | Iterable[object] = repr,
) -> Callable[[Test], Test]:
    """Run a test once for every row, with the arguments of `pytest.mark.parametrize`.

    All rows share the fixtures of the test, except `tmp_path` and `monkeypatch`: each row has its
    own directory, and its patches are undone after the row.
    """
    columns = names.replace(" ", "").split(",") if isinstance(names, str) else list(names)
    table = [_values(row, len(columns)) for row in rows]
    assert table, "the table has no rows"
    name_of: Callable[[int], str]  # a long row has a long name, so it is made only on a failure
    if callable(ids):
        name_of = functools.partial(_name, table, ids)
    else:
        name_of = [str(each) for each in ids].__getitem__

    def decorate(test: Test) -> Test:
        @functools.wraps(test)
        def try_all(**fixtures: Any) -> None:
            failures: list[Exception] = []
            skipped: list[str] = []
            for number, row in enumerate(table):
                values = dict(zip(columns, row, strict=True))
                try:
                    with pytest.MonkeyPatch.context() as patch:
                        test(**_of_row(fixtures, number, patch), **values)
                except pytest.skip.Exception as exc:
                    skipped.append(f"{name_of(number)}: {exc}")
                except (Exception, pytest.fail.Exception) as exc:
                    failure = exc if isinstance(exc, Exception) else AssertionError(str(exc))
                    failure.add_note(f"row: {name_of(number)}")
                    failures.append(failure)
            if failures:
                raise ExceptionGroup(f"{len(failures)} of {len(table)} rows", failures)
            if skipped:
                pytest.skip(f"{len(skipped)} of {len(table)} rows: {'; '.join(skipped)}")

        signature = inspect.signature(test)
        fixtures = [each for name, each in signature.parameters.items() if name not in columns]
        try_all.__signature__ = signature.replace(parameters=fixtures)  # type: ignore[attr-defined]  # pytest reads it
        return try_all

    return decorate


def _values(row: Any, columns: int) -> tuple[Any, ...]:
    if isinstance(row, type(pytest.param())):
        return tuple(row.values)
    return (row,) if columns == 1 else tuple(row)


def _name(table: list[tuple[Any, ...]], ids: Callable[[Any], object], number: int) -> str:
    return ", ".join(str(ids(value))[:200] for value in table[number])


def _of_row(fixtures: dict[str, Any], number: int, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    own = dict(fixtures)
    if "monkeypatch" in own:
        own["monkeypatch"] = patch
    if isinstance(directory := own.get("tmp_path"), Path):
        own["tmp_path"] = directory / f"row-{number}"
        own["tmp_path"].mkdir(mode=0o700, exist_ok=True)
    return own
