"""Agents that ask, their supervisors and the manager, killed or stopped at random moments."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

import psutil
import pytest

from agent_orchestrator.machine.processes import RunProcesses
from agent_orchestrator.runs.stop import request_stop
from agent_orchestrator.session_client import SessionClientError
from tests.commands.processes import kill
from tests.commands.shell import DONE
from tests.stress.scene import SHORT_LEASE_SECONDS, TICK_SECONDS, Scene, Supervision, opened
from tests.stress.working_agents import AGENTS, ALL_WORDS, Agent, words_of
from tests.support.campaign import Campaign
from tests.support.waiting import wait_for

pytestmark = pytest.mark.stress

AT_ONCE = 4
LIFETIME_SECONDS = 1.5
"""Kills happen within this time after the supervisor's start, or with an open question."""
BLOWS = ("supervisor killed", "manager killed", "agent killed", "run stopped")
SETTLED = ("done", "refused", "expired")


@pytest.mark.parametrize("kind", AGENTS)
def test_kills_leave_true_record_and_no_question(campaign: Campaign, kind: str) -> None:
    count = campaign.count(short=4, long=200)
    workers = min(count, AT_ONCE) if campaign.is_long else 1

    def work(worker: int) -> Counter[str]:
        """Play some of the rounds one after another, so that time can pass for each."""
        seen = Counter[str]()
        directory = campaign.directory / f"scene-{worker}"
        directory.mkdir()
        with opened(directory, lease_seconds=SHORT_LEASE_SECONDS) as scene:
            for number in range(worker, count, workers):
                first = BLOWS[number % len(BLOWS)]
                seen += _Round(campaign, scene, f"round-{number}", number).play(AGENTS[kind], first)
        return seen

    seen = sum(campaign.rounds(work, workers, at_once=workers), Counter[str]())
    campaign.tell(f"{count} runs with kills: {dict(sorted(seen.items()))}, seed {campaign.seed!r}")


@dataclass
class _Round:
    """One run with its kills, and the person who answers its questions."""

    campaign: Campaign
    scene: Scene
    name: str
    number: int
    dealt: set[str] = field(default_factory=set)
    """The blows that the run has got."""
    answered: set[str] = field(default_factory=set)

    def play(self, agent: Agent, first: str) -> Counter[str]:
        chance = self.campaign.chance(self.number)
        others = [blow for blow in BLOWS if blow != first and chance.random() < 0.2]
        assignment = agent(self.scene, self.name)
        self._session_id = assignment.session_id
        supervisor = self.scene.supervise(assignment)
        seen = Counter[str]()
        for blow in (first, *others):
            seen[self._reach_moment(chance)] += 1
            if self._deal(blow, supervisor):
                self.dealt.add(blow)
                seen[blow] += 1
        session = self._end(supervisor, chance)
        events = self._check(session)
        seen[f"runs {session['reason']}"] += 1
        seen["events"] += len(events)
        seen["questions"] += sum(e["event_type"] == "permission_request" for e in events)
        return seen

    def _reach_moment(self, chance: Random) -> str:
        """Wait for a random time, or until a question is open; the person answers some before."""
        if chance.random() < 0.5:
            self.campaign.pause(chance, 0, LIFETIME_SECONDS)
            return "at any moment"
        for _ in range(chance.choice((0, 0, 1))):
            self._await_question()
            self._answer()
        return "with an open question" if self._await_question() else "after the end"

    def _await_question(self) -> bool:
        """Wait until a question has no answer, or the run can ask none; return which it is."""
        found = wait_for(
            lambda: "asks" if self._open() else "over" if self._is_over() else None,
            "the agent asks",
        )
        return found == "asks"

    def _is_over(self) -> bool:
        session = self.scene.records.get_session(self._session_id)
        return session["status"] == "finished" or "supervisor killed" in self.dealt

    def _open(self) -> list[str]:
        questions = self.scene.records.list_questions(self._session_id)
        return [q["question_id"] for q in questions if q["question_id"] not in self.answered]

    def _answer(self) -> None:
        for question_id in self._open():
            self.answered.add(question_id)
            try:
                self.scene.records.create_answer(
                    self._session_id, 1, question_id, {"choice": "allow"}
                )
            except SessionClientError as exc:
                assert exc.code == "question_closed", exc

    def _deal(self, blow: str, supervisor: Supervision) -> bool:
        """Kill a process, or stop the run; return False if it is over, or has not begun."""
        match blow:
            case "manager killed":
                self.scene.manager.kill()
                self.scene.manager.restart()
                return True
            case "supervisor killed":
                if supervisor.has_ended():
                    return False
                supervisor.kill()
                return True
            case "agent killed":
                processes = self._processes()
                for process in processes:
                    kill(process.pid)
                return bool(processes)
        session = self.scene.records.get_session(self._session_id)
        return session["status"] == "running" and request_stop(
            self.scene.records, session, self.scene.state_dir
        )

    def _processes(self) -> set[psutil.Process]:
        """Return the processes of the agent; none before its run is registered."""
        marker = self._marker()
        return RunProcesses(None, marker).find() if marker else set()

    def _marker(self) -> str | None:
        registered = self.scene.registration(self._session_id)
        return registered.marker if registered else None

    def _end(self, supervisor: Supervision, chance: Random) -> dict[str, Any]:
        """Bring the run to its end: by answers, or by what a person does after a death."""
        marker = self._marker()
        if "supervisor killed" in self.dealt:
            supervisor.wait()
            if marker is None or chance.random() < 0.5:
                self._let_lease_expire()
            if chance.random() < 0.5:
                ended = self.scene.shell.run("ao-stop", self.name)
                assert ended.exit_code == DONE, ended
            else:
                self.scene.shell.run("ao-doctor", "--fix")
        else:
            wait_for(self._is_answered_to_its_end, "the run ends")
            supervisor.wait()
        assert self.scene.remaining(self.name, marker) == []
        # A command delivers what a dead supervisor has left.
        assert self.scene.shell.run("ao-status", self.name).exit_code == DONE
        session = self.scene.records.get_session(self._session_id)
        return self._let_lease_expire() if session["reason"] is None else session

    def _let_lease_expire(self) -> dict[str, Any]:
        """Let time pass until the run is over: it is lost, unless its true end was recorded."""
        self.scene.manager.time.let_pass(SHORT_LEASE_SECONDS + TICK_SECONDS)
        return self.scene.await_end(self._session_id)

    def _is_answered_to_its_end(self) -> bool:
        self._answer()
        return self._is_over()

    def _check(self, session: dict[str, Any]) -> list[dict[str, Any]]:
        records, session_id = self.scene.records, self._session_id
        events = self.scene.kept_events(session_id)
        context = (self.name, self.dealt, session["reason"], events)
        words = words_of(events)
        assert words == ALL_WORDS[: len(words)], context
        assert (session["status"], session["waiting_questions"]) == ("finished", 0), context
        assert [*records.list_questions(session_id)] == [], context
        asked, decided = (
            [event["question_id"] for event in events if event["event_type"] == kind]
            for kind in ("permission_request", "permission_decided")
        )
        assert len(set(asked)) == len(asked) and len(set(decided)) == len(decided), context
        if session["reason"] == "lost":
            assert "supervisor killed" in self.dealt, context
            return events
        requests = records.list_requests(session_id, 1)
        assert all(request["state"] in SETTLED for request in requests), (context, requests)
        assert sorted(asked) == sorted(decided), context
        calls, ends = (
            [event["tool_use_id"] for event in events if event["event_type"] == kind]
            for kind in ("pre_tool", "post_tool")
        )
        assert calls == ends, context
        stops = [event for event in events if event["event_type"] == "session_stop"]
        assert stops == events[-1:] and stops[0]["reason"] == session["reason"], context
        cause = {"failed": "agent killed", "stopped": "run stopped"}.get(session["reason"])
        assert cause in self.dealt if cause else words == ALL_WORDS, context
        return events
