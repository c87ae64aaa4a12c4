"""`agent-session-manager serve --import`: the import that runs next to a manager."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import psutil
import pytest

from agent_orchestrator.client.manager import ManagerClient
from tests.commands.processes import is_alive
from tests.support.manager import RunningManager
from tests.support.transcript_files import Transcript
from tests.support.waiting import wait_for


@pytest.fixture
def importing(
    start_manager: Callable[..., RunningManager], monkeypatch: pytest.MonkeyPatch
) -> RunningManager:
    made = start_manager(arguments=["--import"], variables={"GITHUB_TOKEN": "not for children"})
    monkeypatch.setenv("AGENT_ORCHESTRATOR_STATE_DIR", str(made.state_dir))
    return made


@pytest.fixture
def imported(importing: RunningManager) -> Iterator[ManagerClient]:
    with ManagerClient(importing.url) as client:
        yield client


def child_of(manager: RunningManager, *but: int) -> psutil.Process:
    """Return the import of a manager, once it follows."""

    def look() -> psutil.Process | None:
        for each in psutil.Process(manager.pid).children():
            with suppress(psutil.NoSuchProcess):
                if each.pid not in but and "--watch" in each.cmdline():
                    return each
        return None

    return wait_for(look, "the manager has a child")


def test_import_is_started_again_and_ends_with_the_manager(
    importing: RunningManager, imported: ManagerClient
) -> None:
    first, second = Transcript(1), Transcript(2)
    for each in (first, second):
        each.turn()
    first.write(importing.home)
    wait_for(lambda: imported.get_status(first.session_id) == "finished", "it is imported")
    child = child_of(importing)
    assert "GITHUB_TOKEN" not in child.environ()

    child.kill()
    again = child_of(importing, child.pid)
    second.write(importing.home)
    wait_for(lambda: imported.get_status(second.session_id) == "finished", "it is imported")
    assert "the import has ended (exit code -9); next start in 1 s" in importing.log()

    assert importing.stop() == 0
    wait_for(lambda: not is_alive(again.pid), "the import has ended")


def test_import_ends_if_its_manager_is_killed(importing: RunningManager) -> None:
    child = child_of(importing)
    importing.kill()
    wait_for(lambda: not is_alive(child.pid), "the import has ended")
