"""The shapes of runs, their leases and their tokens on the wire."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from agent_session_manager.api.wire.common import (
    Given,
    LeaseBody,
    LeaseClaimBody,
    Moment,
    Name,
    UsageBody,
)
from agent_session_manager.api.wire.sessions import SessionAnswer, session_body
from agent_session_manager.domain.run_token import agent_token_of
from agent_session_manager.domain.session import Reason, Run, Session


class NewRunBody(Given):
    run: int | None = Field(default=None, description="409 `run_not_next` if its number is another")
    takeover: bool = Field(
        default=False, description="Also when the newest run is open, which then counts as lost"
    )
    host: Name | None = None
    spec: dict[str, Any] | None = None
    lease: LeaseClaimBody | None = None


class RunBody(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    run: int
    started_at: Moment
    finished_at: Moment | None
    exit_code: int | None
    reason: Reason | None
    host: str | None
    lease: LeaseBody | None
    spec: dict[str, Any] | None
    usage: UsageBody


class RunOpenedAnswer(SessionAnswer):
    """With the tokens of a run that is leased; they are never said again."""

    run_token: str | None = Field(default=None, description="For the run's supervisor")
    agent_token: str | None = Field(default=None, description="For its agent: opens less")


class RunsAnswer(BaseModel):
    runs: list[RunBody]


class RunTokenRevokedAnswer(BaseModel):
    ok: bool = True


def run_opened(session: Session, token: str | None) -> SessionAnswer:
    """The answer to who opened a run: with its token, where it has one."""
    body = session_body(session)
    if token is None:
        return SessionAnswer(session=body)
    return RunOpenedAnswer(session=body, run_token=token, agent_token=agent_token_of(token))


def holder_of(lease: LeaseClaimBody | None) -> str | None:
    return None if lease is None else lease.holder


def run_body(run: Run) -> RunBody:
    return RunBody.model_validate(run)
