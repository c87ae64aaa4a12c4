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
    run: int | None = Field(
        default=None,
        description="Number that the run must have: 409 `run_not_next` if another run was opened",
    )
    takeover: bool = Field(
        default=False, description="Close the newest run as `lost` if it is open"
    )
    host: Name | None = Field(default=None, description="Machine on which the run executes")
    spec: dict[str, Any] | None = Field(
        default=None,
        description="Data that is needed to repeat the run; only credentials in it are masked",
    )
    lease: LeaseClaimBody | None = Field(
        default=None,
        description="Lease on the run from its start; the run is lost when the lease expires",
    )


class RunBody(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    run: int = Field(description="Number of the run: 1, 2, 3 …")
    started_at: Moment = Field(description="Start of the run")
    finished_at: Moment | None = Field(description="End of the run; null while it is open")
    exit_code: int | None = Field(description="Exit code of the run")
    reason: Reason | None = Field(description="End of the run; null while it is open")
    host: str | None = Field(description="Machine on which the run executes")
    imported: bool = Field(
        validation_alias="is_imported",
        description="True if its events were imported, and no client of the manager drove it",
    )
    lease: LeaseBody | None = Field(description="Lease on the run, if a holder has it")
    spec: dict[str, Any] | None = Field(description="Data that is needed to repeat the run")
    usage: UsageBody = Field(description="Tokens and cost of the run")


class RunOpenedAnswer(SessionAnswer):
    """A session with the tokens of its leased run; they are never returned again."""

    run_token: str | None = Field(
        default=None, description="Only with a lease: for the run's supervisor"
    )
    agent_token: str | None = Field(
        default=None, description="Only with a lease: for the run's agent; allows less"
    )


class RunsAnswer(BaseModel):
    runs: list[RunBody] = Field(description="Oldest first")


class RunTokenRevokedAnswer(BaseModel):
    ok: bool = True


def run_opened(session: Session, token: str | None) -> SessionAnswer:
    """Return the response to an opened run, with the run's tokens if it has a lease."""
    body = session_body(session)
    if token is None:
        return SessionAnswer(session=body)
    return RunOpenedAnswer(session=body, run_token=token, agent_token=agent_token_of(token))


def holder_of(lease: LeaseClaimBody | None) -> str | None:
    return None if lease is None else lease.holder


def run_body(run: Run) -> RunBody:
    return RunBody.model_validate(run)
