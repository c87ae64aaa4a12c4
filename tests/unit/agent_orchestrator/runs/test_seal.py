from __future__ import annotations

import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from agent_orchestrator.runs.seal import is_ours, seal
from tests.support.rows import each_row
from tests.support.waiting import WATCHDOG_SECONDS

SPEC = {"executor": "command", "command": ["wc", "-w", "ä"], "model": None, "limits": {"b": 1}}


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "state"


def test_sealed_spec_is_ours_and_unchanged(state_dir: Path) -> None:
    sealed = seal(SPEC, session_id="s", run=1, state_dir=state_dir)
    assert {name: value for name, value in sealed.items() if name != "seal"} == SPEC
    assert is_ours(sealed, session_id="s", run=1, state_dir=state_dir)


def test_seal_does_not_depend_on_the_order_of_keys(state_dir: Path) -> None:
    sealed = seal(SPEC, session_id="s", run=1, state_dir=state_dir)
    turned = dict(reversed(sealed.items()))
    assert is_ours(turned, session_id="s", run=1, state_dir=state_dir)


@each_row(
    "change",
    [
        {"command": ["rm", "-rf"]},
        {"command": ["wc", "-w ä"]},
        {"permission_mode": "bypassPermissions"},
        {"model": "opus"},
        {"limits": {"b": True}},
        {"seal": "0" * 64},
        {"seal": ""},
        {"seal": "ä\ud800"},
        {"seal": None},
        {"seal": ["a"]},
    ],
)
def test_a_changed_spec_is_not_ours(state_dir: Path, change: dict[str, Any]) -> None:
    sealed = seal(SPEC, session_id="s", run=1, state_dir=state_dir)
    assert not is_ours({**sealed, **change}, session_id="s", run=1, state_dir=state_dir)


@each_row("spec", [None, {}, SPEC])
def test_a_spec_without_a_seal_is_not_ours(state_dir: Path, spec: dict[str, Any] | None) -> None:
    assert not is_ours(spec, session_id="s", run=1, state_dir=state_dir)


def test_seal_is_bound_to_run_session_and_state_directory(state_dir: Path, tmp_path: Path) -> None:
    sealed = seal(SPEC, session_id="s", run=1, state_dir=state_dir)
    assert not is_ours(sealed, session_id="t", run=1, state_dir=state_dir)
    assert not is_ours(sealed, session_id="s", run=2, state_dir=state_dir)
    assert not is_ours(sealed, session_id="s", run=1, state_dir=tmp_path / "other")


def test_key_is_private_and_created_once(state_dir: Path) -> None:
    seals = {seal(SPEC, session_id="s", run=1, state_dir=state_dir)["seal"] for _ in range(2)}
    assert len(seals) == 1
    (key,) = state_dir.iterdir()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(state_dir.stat().st_mode) == 0o700
    assert len(key.read_bytes()) == 32


def test_threads_racing_for_the_first_key_get_the_same_key(state_dir: Path) -> None:
    racers = 16
    together = threading.Barrier(racers)

    def race(_number: int) -> str:
        together.wait(WATCHDOG_SECONDS)
        return str(seal(SPEC, session_id="s", run=1, state_dir=state_dir)["seal"])

    with ThreadPoolExecutor(racers) as pool:
        assert len(set(pool.map(race, range(racers)))) == 1
    assert [path.name for path in state_dir.iterdir()] == ["seal.key"]


@each_row("content", [b"", b"short"])
def test_incomplete_key_is_refused(tmp_path: Path, content: bytes) -> None:
    state_dir = tmp_path / "state"
    state_dir.mkdir()
    (state_dir / "seal.key").write_bytes(content)
    with pytest.raises(OSError) as caught:
        seal(SPEC, session_id="s", run=1, state_dir=state_dir)
    assert caught.value.filename == str(state_dir / "seal.key")


def test_key_that_is_a_link_is_refused(state_dir: Path, tmp_path: Path) -> None:
    state_dir.mkdir(parents=True)
    theirs = tmp_path / "theirs"
    theirs.write_bytes(b"k" * 32)
    (state_dir / "seal.key").symlink_to(theirs)
    with pytest.raises(OSError):
        seal(SPEC, session_id="s", run=1, state_dir=state_dir)
